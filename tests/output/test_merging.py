"""Shards, merged, are the undivided run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import dfsubmit

from dfsubmit import RunOptions, run
from dfsubmit.errors import UsageError
from dfsubmit.output.merging import merge_runs
from dfsubmit.output.scores import read_meta, scores_path
from dfsubmit.shards import Shard

pytestmark = pytest.mark.slow

PARTS = [f"s-{number}-of-3.csv" for number in (1, 2, 3)]


@pytest.fixture(scope="module")
def made(tiny_model: Path, samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``s.csv`` of all samples, and the shards of a second run. A batch is one face: how faces fall
    into larger ones is left to chance, and moves the last digit of a score."""
    folder = tmp_path_factory.mktemp("shards")
    for shard in (None, Shard(1, 3), Shard(2, 3), Shard(3, 3)):
        run(
            RunOptions(
                tiny_model,
                samples,
                folder / "s.csv",
                fallback=None,
                loader="huggingface",
                frames=2,
                workers=1,
                batch_size=1,
                keep_features=True,
                progress=False,
                shard=shard,
            )
        )
    return folder


@pytest.fixture
def parts(made: Path, tmp_path: Path) -> list[Path]:
    """Copies of the shards that a test may spoil."""
    for path in made.glob("s-*"):
        shutil.copy(path, tmp_path)
    return [tmp_path / name for name in PARTS]


def meta_of(submission: Path) -> dict[str, Any]:
    """The metadata but for what no two runs share."""
    meta = read_meta(scores_path(submission))
    assert meta.pop("run")
    assert meta.pop("started")
    assert meta.pop("seconds").keys() >= {"total", "load", "decode", "detect", "classify"}
    return meta


def lines_of(submission: Path) -> list[str]:
    """The scores but for their run and seconds."""
    lines = []
    for line in scores_path(submission).read_text().splitlines():
        entry = json.loads(line)
        assert entry.pop("run") == read_meta(scores_path(submission))["run"]
        entry["seconds"] = sorted(entry["seconds"])
        lines.append(json.dumps(entry))
    return lines


def test_merged_shards_are_the_undivided_run(made: Path, samples: Path, tmp_path: Path) -> None:
    merged = tmp_path / "s.csv"
    shown = dfsubmit("merge", merged, *(made / name for name in reversed(PARTS)))
    assert f"{merged}: 12 rows" in shown
    assert "is valid" in dfsubmit("check", merged, "--data", samples)
    assert merged.read_bytes() == (made / "s.csv").read_bytes()
    assert lines_of(merged) == lines_of(made / "s.csv")
    assert json.dumps(meta_of(merged)) == json.dumps(meta_of(made / "s.csv"))
    ours = np.load(merged.with_name("s.features.npz"))
    theirs = np.load(made / "s.features.npz")
    for name in ("names", "features"):
        np.testing.assert_array_equal(ours[name], theirs[name])


def test_a_missing_shard_is_named(made: Path, samples: Path, tmp_path: Path) -> None:
    missing = sorted(path.name for path in samples.iterdir() if Shard(2, 3).holds(path.name))
    text = dfsubmit("merge", tmp_path / "s.csv", made / PARTS[0], made / PARTS[2], code=2)
    assert "1 of 3 shards are missing: 2/3" in text
    assert missing[0] in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("model", {"model": {"sha256": "other"}}),
        ("recipe", {"recipe": {"frames": 7}}),
        ("aggregator", {"aggregator": "median"}),
        ("precision", {"precision": "bf16"}),
    ],
)
def test_what_was_made_in_another_way_is_refused(
    parts: list[Path],
    tmp_path: Path,
    edit_json: Callable[..., None],
    name: str,
    changed: dict[str, Any],
) -> None:
    edit_json(parts[1].with_suffix(".meta.json"), **changed)
    with pytest.raises(UsageError, match=f"2-of-3.csv were made with a different {name}"):
        merge_runs(tmp_path / "s.csv", parts)
    assert not (tmp_path / "s.csv").exists()


def test_another_library_is_warned_of(
    parts: list[Path], tmp_path: Path, edit_json: Callable[..., None]
) -> None:
    edit_json(parts[2].with_suffix(".meta.json"), packages={"torch": "1.0"})
    summary = merge_runs(tmp_path / "s.csv", parts)
    assert any("another versions of packages" in line for line in summary.meta["warnings"])


def test_a_file_in_two_parts_is_refused(
    parts: list[Path], tmp_path: Path, edit_json: Callable[..., None]
) -> None:
    """Parts that were made by hand, and not by --shard."""
    for part in parts:
        edit_json(part.with_suffix(".meta.json"), shard=None)
    assert merge_runs(tmp_path / "s.csv", parts).tally.files == 12
    (tmp_path / "s.csv").unlink()
    first = json.loads(scores_path(parts[0]).read_text().splitlines()[0])["filename"]
    with pytest.raises(UsageError, match=f"{first} is in .*s-1-of-3.csv and in .*s-1-of-3.csv"):
        merge_runs(tmp_path / "s.csv", [*parts, parts[0]])
    assert not (tmp_path / "s.csv").exists()


def test_an_unfinished_part_is_refused(
    parts: list[Path], tmp_path: Path, edit_json: Callable[..., None]
) -> None:
    edit_json(parts[1].with_suffix(".meta.json"), seconds=None)
    with pytest.raises(UsageError, match=r"2-of-3\.csv is not the submission of a finished run"):
        merge_runs(tmp_path / "s.csv", parts)
    with pytest.raises(UsageError, match="is one of the parts"):
        merge_runs(parts[0], parts)


def test_a_shard_s_last_line_is_the_command_that_merges_all(
    tiny_model: Path, samples: Path, tmp_path: Path
) -> None:
    data, out = tmp_path / "data", tmp_path / "s.csv"
    data.mkdir()
    shutil.copy(samples / "face.jpg", data)
    options = ["--model", tiny_model, "--no-fallback", "--frames", "1", "--no-progress"]
    last = []
    for number in (1, 2):
        result = dfsubmit("run", data, *options, "--output", out, "--shard", f"{number}/2")
        last.append(result.splitlines()[-1])
    following = (
        f"next: dfsubmit merge {out} {tmp_path / 's-1-of-2.csv'} {tmp_path / 's-2-of-2.csv'}"
    )
    assert last == [following, following]
    merged = dfsubmit(*following.removeprefix("next: dfsubmit ").split())
    assert merged.splitlines()[-1] == f"next: dfsubmit check {out} --data DATA"
