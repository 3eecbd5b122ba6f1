"""What can be said without a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfsubmit import RunOptions, run
from dfsubmit.errors import DfsubmitError, UsageError
from dfsubmit.hooks import ScoreJob
from dfsubmit.hooks.testing import registered_by
from dfsubmit.recipe import Recipe

pytest.importorskip("ray", reason="the executor needs Ray: pip install 'ray>=2.50,<3'")

import dfsubmit_ray
from dfsubmit_ray.actors import Wishes, layout
from dfsubmit_ray.cluster import Node


def test_it_is_registered() -> None:
    assert list(registered_by(dfsubmit_ray).executors) == ["ray"]


@pytest.mark.parametrize(
    "value", [{"ship": "disk"}, {"machines": -1}, {"wait": 0.0}, {"gpus": 1.5}]
)
def test_parameters_that_make_no_sense_are_refused(value: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="executor 'ray'"):
        dfsubmit_ray.ray_executor(**value)  # type: ignore[arg-type]


def test_a_cluster_that_is_not_there_is_said_soon(tmp_path: Path, tiny_model: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.jpg").touch()
    asked = RunOptions(
        tiny_model,
        tmp_path / "data",
        tmp_path / "s.csv",
        executor="ray:address=127.0.0.1:1",
        progress=False,
    )
    with pytest.raises(DfsubmitError, match=r"127\.0\.0\.1:1 cannot be reached") as caught:
        run(asked)
    assert "ray start --head" in caught.value.hint
    assert not (tmp_path / "s.csv").exists()


def job_sent(options: RunOptions, monkeypatch: pytest.MonkeyPatch) -> RunOptions:
    """What the machines would be asked to do."""
    sent: list[ScoreJob] = []

    def send(job: ScoreJob, model: bytes | None) -> None:
        sent.append(job)
        raise DfsubmitError("no further")

    scorer = dfsubmit_ray.ray_executor().scorer(ScoreJob(options, 0))
    monkeypatch.setattr(scorer, "start", send)
    with pytest.raises(DfsubmitError, match="no further"):
        scorer.load()
    return sent[0].options


def test_the_machines_are_given_absolute_paths(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.json").write_text('{"margin": 0.25}')
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "named").symlink_to(tiny_model)
    monkeypatch.chdir(tmp_path)
    asked = RunOptions(
        "named", "data", "s.csv", recipe="mine.json", calibration="faces", fallback="models/other",
        plugins_dir=("plugins",),
    )  # fmt: skip
    sent = job_sent(asked, monkeypatch)
    assert sent.recipe == Recipe(margin=0.25)
    assert sent.model == tmp_path / "models" / "named"
    assert sent.data == tmp_path / "data"
    assert sent.output == tmp_path / "s.csv"
    assert sent.calibration == tmp_path / "faces"
    assert sent.fallback == tmp_path / "models" / "other"
    assert sent.plugins_dir == (str(tmp_path / "plugins"),)
    assert job_sent(RunOptions(tiny_model), monkeypatch).calibration is None


def test_a_zip_is_refused_by_its_name_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "packed.zip").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="give a model folder"):
        dfsubmit_ray.ray_executor().scorer(ScoreJob(RunOptions("packed"), 0))


@pytest.mark.parametrize(
    ("cpus", "gpus", "asked", "actors"),
    [
        (8, 2, {"gpus": 1.0}, (2, 4)),
        (8, 2, {"gpus": 0.5}, (4, 2)),
        (8, 2, {"gpus": 2.0}, (1, 8)),
        (8, 2, {"gpus": 0.4}, (4, 2)),  # a fraction is one of a single GPU: 2 a GPU, not 5
        (8, 1, {"gpus": 0.1}, (10, 0.8)),
        (1, 2, {"gpus": 1.0}, (2, 0.5)),
        (8, 2, {}, (1, 8)),
        (8, 2, {"cpus": 3, "gpus": 1.0}, (2, 3)),
        (8, 1, {"gpus": 2.0}, None),
        (8, 0, {"gpus": 0.5}, None),
    ],
)
def test_a_machine_gets_as_many_actors_as_fit(
    cpus: float, gpus: float, asked: dict[str, float], actors: tuple[int, float] | None
) -> None:
    node = Node("key", "one", cpus, gpus)
    if actors is None:
        assert node.places(asked["gpus"]) == 0
    else:
        assert layout(node, Wishes(**asked)) == actors  # type: ignore[arg-type]


def test_more_cpus_than_a_machine_has_are_refused() -> None:
    node = Node("key", "one", 8, 2)
    with pytest.raises(DfsubmitError, match=r"8 CPUs, and 10 are asked for \(2 actors with 5"):
        layout(node, Wishes(cpus=5, gpus=1.0))
