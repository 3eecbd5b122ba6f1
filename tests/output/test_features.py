"""Features lie beside the scores, belong to them, and are an error where they do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfsubmit.errors import UsageError
from dfsubmit.output.features import features_path, read_kept_run, write_features
from dfsubmit.output.scores import scores_path, write_scores
from dfsubmit.records import FileResult

SEEN = np.array([1.5, -2.0, 65504.0], np.float16)


@pytest.fixture
def results(make_result: Callable[..., FileResult]) -> list[FileResult]:
    """One without features: it failed."""
    return [
        make_result("b\udcff.mp4", 0.25, features=SEEN),
        make_result("c.mp4"),
        make_result("a.mp4", 0.75, features=SEEN * 0),
    ]


def kept_of(results: list[FileResult]) -> dict[str, Any]:
    return {item.filename: item.features for item in results if item.features is not None}


@pytest.fixture
def submission(tmp_path: Path, results: list[FileResult]) -> Path:
    path = tmp_path / "out.csv"
    write_scores(scores_path(path), results, "one")
    write_features(features_path(path), kept_of(results), "one")
    (tmp_path / "out.meta.json").write_text(json.dumps({"run": "one"}))
    return path


def test_they_are_read_back_with_their_files_scores(submission: Path) -> None:
    kept = read_kept_run(scores_path(submission))
    np.testing.assert_array_equal(kept.features, [SEEN, SEEN * 0])
    assert kept.features.dtype == np.float32
    assert kept.p_fake.tolist() == [0.25, 0.75]
    assert kept.meta == {"run": "one"}


def test_a_run_without_leaves_none_of_an_earlier_one(submission: Path) -> None:
    for _ in range(2):
        write_features(features_path(submission), {})
        assert not features_path(submission).exists()
    with pytest.raises(UsageError, match="no features beside it") as caught:
        read_kept_run(scores_path(submission))
    assert "--keep-features" in caught.value.hint


def test_those_of_another_run_are_refused(submission: Path, results: list[FileResult]) -> None:
    write_features(features_path(submission), kept_of(results), "another")
    with pytest.raises(UsageError, match="another run"):
        read_kept_run(scores_path(submission))
    write_features(features_path(submission), kept_of(results), "one")
    write_scores(scores_path(submission), results[1:], "one")
    with pytest.raises(UsageError, match="another run"):
        read_kept_run(scores_path(submission))


def test_what_is_no_such_file_is_refused_by_name(submission: Path) -> None:
    path = features_path(submission)
    whole = path.read_bytes()
    for damaged in (b"", b"PK", whole[:200], whole[:-40]):
        path.write_bytes(damaged)
        with pytest.raises(UsageError, match=r"out\.features\.npz"):
            read_kept_run(scores_path(submission))
    names = np.array(["a.mp4"])
    contents: tuple[dict[str, Any], ...] = (
        {"names": names},
        {"names": names, "features": np.ones((2, 3))},
        {"names": names, "features": np.ones(1)},
        {"names": names, "features": np.full((1, 3), np.nan)},
        {"names": names, "features": np.array([["x"]])},
        {"names": np.array([{}]), "features": np.ones((1, 3))},  # a pickle
    )
    for arrays in contents:
        np.savez(path, run=np.array("one"), **arrays)
        with pytest.raises(UsageError, match=r"out\.features\.npz"):
            read_kept_run(scores_path(submission))
