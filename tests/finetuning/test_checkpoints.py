"""Damaged checkpoints: the newest intact one is gone on from, and what is damaged is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dfsubmit.errors import UsageError
from dfsubmit.finetuning.networks.checkpoints import BEST, COMPLETE, SETTINGS, Checkpoints

OPTIONS = {"lr": 0.001, "seed": 0}
FILES = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    """Checkpoints of the steps 5 and 10; the best weights are those of step 5."""
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    assert opened(checkpoints) == (None, [])
    for step in (5, 10):
        folder = checkpoints.folder / f"checkpoint-{step}"
        folder.mkdir()
        for name in FILES:
            (folder / name).write_bytes(f"{step} {name}".encode() * 100)
        if step == 5:
            weights = (folder / "model.safetensors").read_bytes()
            checkpoints.keep_best(step, 0.5, partial(put_bytes, weights))
        checkpoints.complete(step, 1.5 * step)
    return checkpoints


def opened(checkpoints: Checkpoints, **options: Any) -> tuple[Path | None, list[str]]:
    """The checkpoint to go on from, and the warnings."""
    warnings: list[str] = []
    return checkpoints.open(OPTIONS | options, warnings.append), warnings


def put_bytes(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def put(content: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(content)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE: list[tuple[str, Callable[[Path], object]]] = [
    *((name, Path.unlink) for name in FILES),
    *((name, flip) for name in FILES),
    ("model.safetensors", lambda path: path.write_bytes(path.read_bytes()[:100])),
    ("optimizer.pt", put("")),
    ("added.bin", put("more")),
    (COMPLETE, put("")),
    (COMPLETE, put('{"seconds": 1.5, "sha')),
    (COMPLETE, put("[" * 100_000)),
    (COMPLETE, put("[1]")),
    (COMPLETE, put('{"seconds": 1.5}')),
    (COMPLETE, put('{"seconds": NaN, "sha256": {"a": ""}}')),
    (COMPLETE, put('{"seconds": "1", "sha256": {"a": ""}}')),
    (COMPLETE, put('{"seconds": -1.0, "sha256": {"a": ""}}')),
    (COMPLETE, put('{"seconds": 1.0, "sha256": ["a"]}')),
    (COMPLETE, lambda path: path.write_bytes(b"\xff\xfe\0")),
    (COMPLETE, make_folder),
]


@pytest.mark.parametrize(("name", "damage"), DAMAGE)
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    checkpoints: Checkpoints, name: str, damage: Callable[[Path], object]
) -> None:
    newest = checkpoints.folder / "checkpoint-10"
    damage(newest / name)
    last, (warning,) = opened(checkpoints)
    assert last == checkpoints.last() == checkpoints.folder / "checkpoint-5"
    assert checkpoints.seconds(last) == 7.5
    assert f"{newest} is damaged" in warning
    assert name in warning
    assert "goes on from checkpoint-5" in warning
    assert not newest.exists()
    assert opened(checkpoints) == (last, [])


def test_nothing_is_said_where_nothing_is_damaged(checkpoints: Checkpoints) -> None:
    (checkpoints.folder / "checkpoint-15").mkdir()  # was being written
    (checkpoints.folder / "checkpoint-x").mkdir()
    (checkpoints.folder / "checkpoint-x" / COMPLETE).touch()
    assert opened(checkpoints) == (checkpoints.folder / "checkpoint-10", [])


def test_where_no_checkpoint_is_intact_there_is_no_fresh_start(checkpoints: Checkpoints) -> None:
    for step in (5, 10):
        flip(checkpoints.folder / f"checkpoint-{step}" / "optimizer.pt")
    with pytest.raises(UsageError, match=r"no intact checkpoint .*10: .*optimizer.*5: ") as error:
        opened(checkpoints)
    assert error.value.hint == "remove that folder to start over"
    assert len(list(checkpoints.folder.glob("checkpoint-*"))) == 2


@pytest.mark.parametrize("damage", [Path.unlink, put(""), put("{}"), put('{"step": "x"}'), flip])
def test_lost_facts_of_the_best_evaluation_are_made_anew(
    checkpoints: Checkpoints, damage: Callable[[Path], object]
) -> None:
    best = checkpoints.best()
    damage(checkpoints.folder / BEST)
    if damage is flip:  # which may leave JSON that says something else
        (checkpoints.folder / BEST).write_bytes(b"\0" + (checkpoints.folder / BEST).read_bytes())
    last, (warning,) = opened(checkpoints)
    assert last is not None
    assert BEST in warning
    assert "restored from checkpoint-10" in warning
    assert checkpoints.best() == best
    assert opened(checkpoints) == (last, [])


@pytest.mark.parametrize("damage", [Path.unlink, flip])
def test_lost_best_weights_are_made_anew_from_their_checkpoint_or_missed(
    checkpoints: Checkpoints, damage: Callable[[Path], object]
) -> None:
    weights = checkpoints.best_weights()
    content = weights.read_bytes()
    damage(weights)
    with pytest.raises(UsageError, match=r"best-5\.safetensors is gone or damaged"):
        checkpoints.best_weights()
    _, (warning,) = opened(checkpoints)
    assert "best-5.safetensors is missing or damaged: restored from checkpoint-5" in warning
    assert weights.read_bytes() == content
    shutil.rmtree(checkpoints.folder / "checkpoint-5")
    damage(weights)
    with pytest.raises(UsageError, match="misses the best weights") as error:
        opened(checkpoints)
    assert error.value.hint == "remove that folder to start over"


@pytest.mark.parametrize("damage", [Path.unlink, put(""), put("[]"), put('{"lr": 0.0')])
def test_lost_settings_are_an_error(
    checkpoints: Checkpoints, damage: Callable[[Path], object]
) -> None:
    damage(checkpoints.folder / SETTINGS)
    with pytest.raises(UsageError, match=f"has no intact {SETTINGS}"):
        opened(checkpoints)


def test_other_settings_are_named(checkpoints: Checkpoints) -> None:
    with pytest.raises(UsageError, match="with another seed"):
        opened(checkpoints, seed=1)


def test_the_best_weights_are_there_at_any_moment(checkpoints: Checkpoints) -> None:
    """Killed while better ones are written, the run still has those before."""

    def killed(path: Path) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    before = checkpoints.best_weights()
    with pytest.raises(KeyboardInterrupt):
        checkpoints.keep_best(10, 0.6, killed)
    assert checkpoints.best_weights() == before
    checkpoints.keep_best(10, 0.6, partial(put_bytes, b"whole"))
    assert checkpoints.best_weights().read_bytes() == b"whole"
    assert not before.exists()
    assert json.loads((checkpoints.folder / BEST).read_text())["step"] == 10


def test_a_fresh_start_leaves_no_best_weights_of_another(checkpoints: Checkpoints) -> None:
    for step in (5, 10):
        shutil.rmtree(checkpoints.folder / f"checkpoint-{step}")
    assert opened(checkpoints) == (None, [])
    assert checkpoints.best() is None
    with pytest.raises(UsageError, match=f"has no {BEST}"):
        checkpoints.best_weights()
    assert [path.name for path in checkpoints.folder.iterdir()] == [SETTINGS]
