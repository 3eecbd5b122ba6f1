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


def test_it_is_registered() -> None:
    assert list(registered_by(dfsubmit_ray).executors) == ["ray"]


@pytest.mark.parametrize("value", [{"ship": "disk"}, {"machines": -1}, {"wait": 0.0}])
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


def test_a_recipes_file_is_read_by_the_driver(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.json").write_text('{"margin": 0.25}')
    monkeypatch.chdir(tmp_path)
    sent: list[ScoreJob] = []

    def send(job: ScoreJob, model: bytes | None) -> None:
        sent.append(job)
        raise DfsubmitError("no further")

    scorer = dfsubmit_ray.ray_executor().scorer(
        ScoreJob(RunOptions(tiny_model, recipe="mine.json"), 0)
    )
    monkeypatch.setattr(scorer, "start", send)
    with pytest.raises(DfsubmitError, match="no further"):
        scorer.load()
    assert sent[0].options.recipe == Recipe(margin=0.25)
