"""Scores and metadata are read back as written; a damaged line is named by its number."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfsubmit.errors import UsageError
from dfsubmit.output.scores import meta_path, read_meta, read_scores, scores_path, write_scores
from dfsubmit.records import FileResult


def test_the_files_lie_beside_the_submission(tmp_path: Path) -> None:
    submission = tmp_path / "my.first.csv"
    assert scores_path(submission) == tmp_path / "my.first.scores.jsonl"
    assert meta_path(submission) == tmp_path / "my.first.meta.json"


def test_scores_are_read_back(tmp_path: Path, make_result: Callable[..., FileResult]) -> None:
    results = [
        make_result("a\nb.mp4", 0.1, 0.9),
        make_result("caf\udce9.jpg"),
        make_result("가", 1.0),
    ]
    path = tmp_path / "s.scores.jsonl"
    write_scores(path, results)
    assert read_scores(path) == read_scores(str(path)) == results
    assert len(path.read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("run", "meta", "good"),
    [
        ("a", {"run": "a"}, True),
        ("a", {"run": "b"}, False),
        ("a", {"files": 1}, False),
        ("", {"run": "b"}, False),
        ("", {"files": 1}, True),  # both are of before runs had names
        ("a", None, True),
    ],
)
def test_scores_and_metadata_are_of_one_run(
    tmp_path: Path,
    make_result: Callable[..., FileResult],
    run: str,
    meta: dict[str, Any] | None,
    good: bool,
) -> None:
    path = tmp_path / "s.scores.jsonl"
    write_scores(path, [make_result("a", 0.5)], run)
    if meta is not None:
        meta_path(tmp_path / "s.csv").write_text(json.dumps(meta))
    if good:
        assert read_scores(path) == [make_result("a", 0.5)]
    else:
        with pytest.raises(UsageError, match="different runs"):
            read_scores(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
FRAMES = st.lists(
    st.fixed_dictionaries(
        {"index": JSON, "time": JSON, "box": JSON, "detection": JSON, "p_fake": JSON}
    )
)


@given(
    JSON
    | st.fixed_dictionaries(
        {"filename": JSON, "status": st.just("ok")},
        optional={"bounds": JSON, "frames": FRAMES | JSON, "kind": JSON},
    )
)
def test_any_line_is_a_result_or_refused(tmp_path: Path, data: Any) -> None:
    path = tmp_path / "s.scores.jsonl"
    path.write_text(json.dumps(data))
    try:
        (result,) = read_scores(path)
    except UsageError:
        return
    assert isinstance(result.filename, str)


INFINITE = '{"filename":"a","status":"ok","frames":[{"index":Infinity}]}'


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"filename": "a"}', '{"filename":"a","status":"?"}', INFINITE]
)
def test_a_damaged_line_is_named(
    tmp_path: Path, make_result: Callable[..., FileResult], line: str
) -> None:
    path = tmp_path / "s.scores.jsonl"
    write_scores(path, [make_result("a", 0.5)])
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(UsageError, match=r"s\.scores\.jsonl, line 2"):
        read_scores(path)


def test_what_cannot_be_read_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gone"):
        read_scores(tmp_path / "gone.scores.jsonl")
    (tmp_path / "s.scores.jsonl").write_bytes(b"\xff\xfe\n")
    with pytest.raises(UsageError, match="utf-8"):
        read_scores(tmp_path / "s.scores.jsonl")


def test_metadata_are_those_beside_the_scores(tmp_path: Path) -> None:
    scores = tmp_path / "s.scores.jsonl"
    assert read_meta(scores) == {}
    meta_path(tmp_path / "s.csv").write_text('{"version": 1, "files": 3}')
    assert read_meta(scores) == {"version": 1, "files": 3}


@pytest.mark.parametrize("text", ["{", "[]", "5"])
def test_metadata_that_are_no_object_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.meta.json").write_text(text)
    with pytest.raises(UsageError, match=r"s\.meta\.json"):
        read_meta(tmp_path / "s.scores.jsonl")
