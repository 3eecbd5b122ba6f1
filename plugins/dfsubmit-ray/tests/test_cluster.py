"""Several machines give what one gives, whatever happens to some of them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import dfsubmit

from dfsubmit import RunOptions, run
from dfsubmit.errors import DfsubmitError
from dfsubmit.extraction.index import read_index
from dfsubmit.faces.settings import ScanSettings
from dfsubmit.hooks import CutJob
from dfsubmit.output.summary import RunSummary
from dfsubmit.recipe import Recipe
from dfsubmit.records import MediaFile

ray = pytest.importorskip("ray", reason="the cluster needs Ray: pip install 'ray>=2.50,<3'")

import dfsubmit_ray  # noqa: E402
from dfsubmit_ray import cluster as module  # noqa: E402
from dfsubmit_ray import passport  # noqa: E402
from dfsubmit_ray.cluster import Node  # noqa: E402
from dfsubmit_ray.shares import Member, work_off  # noqa: E402

pytestmark = pytest.mark.slow


NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


def options(model: Path, data: Path, output: Path, **changes: Any) -> RunOptions:
    return RunOptions(
        model, data, output, fallback=None, loader="huggingface", frames=2, workers=1,
        batch_size=1, progress=False, **changes,
    )  # fmt: skip


def test_three_machines_give_what_one_gives(
    cluster: Any,
    check_same: Callable[[RunSummary, RunSummary], None],
    tiny_model: Path,
    samples: Path,
    tmp_path: Path,
) -> None:
    alone = run(options(tiny_model, samples, tmp_path / "alone.csv"))
    said: list[str] = []
    spec = "ray:share=2,ship=model+media"
    asked = options(tiny_model, samples, tmp_path / "s.csv", executor=spec)
    summary = run(asked, said.append)
    check_same(summary, alone)
    machines = summary.meta["machines"]
    assert len(machines) == 3
    assert sum(machine["files"] for machine in machines) == 12
    assert not any(machine["lost"] for machine in machines)
    assert summary.meta["model"]["sha256"] == alone.meta["model"]["sha256"]
    assert summary.meta["model"]["name"] == alone.meta["model"]["name"]


def test_faces_are_cut_as_one_machine_cuts_them(
    cluster: Any, samples: Path, tmp_path: Path
) -> None:
    for label, name in (("real", "face.jpg"), ("fake", "pan.mp4"), ("fake", "broken.mp4")):
        (tmp_path / "set" / label).mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / label / name).write_bytes((samples / name).read_bytes())
    common = ("extract", tmp_path / "set", "--frames", 2, "--workers", 1, "--no-progress")
    dfsubmit(*common, tmp_path / "alone")
    dfsubmit(*common, tmp_path / "many", "--executor", "ray:share=1")
    theirs, ours = tmp_path / "alone", tmp_path / "many"
    assert (ours / "faces.csv").read_bytes() == (theirs / "faces.csv").read_bytes()
    rows, _ = read_index(ours)
    for row in rows:
        assert (ours / row.crop).read_bytes() == (theirs / row.crop).read_bytes()


@pytest.fixture
def gpu_node(cluster: Any) -> Iterator[Node]:
    """A machine with one CPU and two GPUs, as Ray counts them: there are no devices."""
    before = {node.key for node in module.nodes(0, 0.0)}
    added = cluster.add_node(**NODE, num_gpus=2)
    cluster.wait_for_nodes()
    try:
        (node,) = [node for node in module.nodes(0, 0.0) if node.key not in before]
        yield node
    finally:
        cluster.remove_node(added)


@pytest.mark.parametrize(
    ("gpus", "visible"), [(0.5, ["0", "0", "1", "1"]), (1.0, ["0", "1"]), (0.0, None)]
)
def test_actors_ask_for_gpus_and_see_those_they_got(
    cluster: Any,
    gpu_node: Node,
    gpus: float,
    visible: list[str] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert module.nodes(0, 1.0) == [gpu_node]
    monkeypatch.setattr(module, "nodes", lambda *_: [gpu_node])
    job = CutJob(ScanSettings(Recipe()))
    with dfsubmit_ray.ray_executor(gpus=gpus).cutter(job) as cutter:
        seen = [
            member.actor.__ray_call__.remote(lambda _: os.environ.get("CUDA_VISIBLE_DEVICES"))
            for member in cutter.members
        ]
        if visible is None:  # one actor; whether it sees GPUs depends on the version of Ray
            assert len(ray.get(seen)) == 1
        else:
            assert sorted(ray.get(seen)) == visible


class Fragile:
    """Ends its process with a file called poison; takes a while for others."""

    def ready(self) -> None:
        pass

    def score(self, handed: list[Any]) -> list[Any]:
        time.sleep(0.2)
        if any(file.name == "poison" for file, *_ in handed):
            os._exit(1)
        return [(file, os.getpid()) for file, *_ in handed]


def members(size: int = 3) -> list[Member]:
    actor = ray.remote(Fragile)
    return [
        Member(
            node,
            actor.options(
                num_cpus=0, max_restarts=3, scheduling_strategy=module.pinned(node)
            ).remote(),
            size,
        )
        for node in module.nodes(0, 0.0)
    ]


def worked_off(
    machines: list[Member],
    names: list[str],
    should_stop: Callable[[], bool] = lambda: False,
    size: int = 0,
) -> dict[str, Any]:
    files = [MediaFile(Path(name), name) for name in names]
    done = work_off(
        machines, files, "score", lambda file: (file, None, bytes(size)), should_stop, print, set()
    )
    results = [(file.name, result) for file, result in done]
    assert len(results) == len(dict(results))
    return dict(results)


def test_a_poisonous_file_costs_itself(cluster: Any) -> None:
    names = [f"{number}" for number in range(12)] + ["poison"]
    machines = members()
    results = worked_off(machines, names)
    assert set(results) == set(names)
    assert [name for name, result in results.items() if result is None] == ["poison"]
    assert sum(machine.losses for machine in machines) == 2


def test_it_is_an_error_when_no_machine_is_left(cluster: Any) -> None:
    before = {node.key for node in module.nodes(0, 0.0)}
    doomed = cluster.add_node(**NODE)
    cluster.wait_for_nodes()
    machines = [member for member in members(1) if member.node.key not in before]
    calls = 0

    def should_stop() -> bool:
        nonlocal calls
        calls += 1
        if calls == 2:
            cluster.remove_node(doomed, allow_graceful=False)
        return False

    with pytest.raises(DfsubmitError, match="no machine of the cluster is left"):
        worked_off(machines, [f"{number}" for number in range(50)], should_stop)
    assert [machine.gone for machine in machines] == [True]


def test_shares_larger_than_the_object_store_are_done(cluster: Any) -> None:
    names = [f"{number}" for number in range(8)]
    results = worked_off(members(2), names, size=NODE["object_store_memory"] * 3 // 4)
    assert set(results) == set(names)
    assert None not in results.values()


def test_a_stop_leaves_what_is_not_finished(cluster: Any) -> None:
    calls = iter([False, True])
    results = worked_off(members(1), [f"{n}" for n in range(50)], lambda: next(calls, True))
    assert len(results) < 50


def test_machines_that_differ_are_refused(
    cluster: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nodes = module.nodes(0, 0.0)
    module.check_versions(nodes)
    here = {**passport.versions(), "torch": "1.0"}
    with monkeypatch.context() as patch:
        patch.setattr(passport, "versions", lambda: here)
        answers = [{**here, "torch": "2.0"}, here, here]
        patch.setattr(module, "_ask", lambda *_: answers)
        with pytest.raises(DfsubmitError, match=r"has torch 2\.0, here it is 1\.0"):
            module.check_versions(nodes)
    (tmp_path / "a.jpg").write_bytes(b"1234")
    facts = (tmp_path / "a.jpg").stat()
    sample = [(str(tmp_path / "a.jpg"), 4, facts.st_mtime_ns)]
    module.check_data(nodes, sample, str(tmp_path), 1, False)
    for changed, problem in (
        ([(sample[0][0], 5, facts.st_mtime_ns)], "a different size or modification"),
        ([(str(tmp_path / "b.jpg"), 5, 0)], "No such file"),
    ):
        with pytest.raises(DfsubmitError, match=problem):
            module.check_data(nodes, changed, str(tmp_path), 1, False)
    with pytest.raises(DfsubmitError, match="has 1 files there and 2 here"):
        module.check_data(nodes, sample, str(tmp_path), 2, False)
    with pytest.raises(DfsubmitError, match="a different sha256 than") as caught:
        module.check_facts(nodes[:2], [{"sha256": "a"}, {"sha256": "b"}])
    assert "ship=model" in caught.value.hint
    with pytest.raises(DfsubmitError, match="has 3 machines, and 9 are asked for"):
        module.nodes(9, 0.0)
