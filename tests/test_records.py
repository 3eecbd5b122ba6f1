"""Records keep their contents through JSON and arrays."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dfsubmit.records import FileResult, FrameRecord, Kind, Status


@pytest.mark.parametrize("status", list(Status))
def test_a_result_survives_json(make_result: Callable[..., FileResult], status: Status) -> None:
    result = make_result("클립 1.mp4", 0.25, 0.75, status=status, bounds=(0.1, 0.9), error="why")
    data = json.loads(json.dumps(result.to_json()))
    assert FileResult.from_json(data) == result
    assert data["status"] == status.value


def test_defaults_and_none_survive_json() -> None:
    result = FileResult(filename="a.jpg")
    assert FileResult.from_json(json.loads(json.dumps(result.to_json()))) == result
    assert (result.status, result.label, result.p_fake) == (Status.PENDING, 0, None)


def test_undecodable_names_survive_json() -> None:
    result = FileResult(filename="caf\udce9.mp4")
    assert (
        FileResult.from_json(json.loads(json.dumps(result.to_json()))).filename == "caf\udce9.mp4"
    )


def test_unknown_keys_of_a_newer_release_are_ignored() -> None:
    data = {
        **FileResult(filename="a.jpg", status=Status.OK, kind=Kind.IMAGE).to_json(),
        "mood": "sunny",
    }
    assert FileResult.from_json(data) == FileResult(
        filename="a.jpg", status=Status.OK, kind=Kind.IMAGE
    )


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"filename": "a"},
        {"filename": "a", "status": "fine"},
        {"filename": "a", "status": "ok", "kind": "audio"},
        {"filename": "a", "status": "ok", "bounds": [1]},
        {"filename": "a", "status": "ok", "frames": [{"index": 1}]},
        {"filename": "a", "status": "ok", "frames": 5},
    ],
)
def test_what_is_no_result_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises((KeyError, ValueError, TypeError)):
        FileResult.from_json(data)


def test_frames_become_arrays(make_result: Callable[..., FileResult]) -> None:
    scores = make_result("a.mp4", 0.25, 0.5, 0.75).frame_scores()
    assert len(scores) == 3
    np.testing.assert_array_equal(scores.p_fake, [0.25, 0.5, 0.75])
    np.testing.assert_array_equal(scores.times, [0, 1 / 8, 2 / 8])
    assert scores.boxes.shape == (3, 4)
    assert scores.p_fake.dtype == np.float64
    assert scores.boxes.dtype == np.int64


def test_no_frames_are_empty_arrays_of_the_right_shape() -> None:
    scores = FileResult(filename="a.mp4").frame_scores()
    assert len(scores) == 0
    assert scores.boxes.shape == (0, 4)


def test_take_picks_rows_of_every_array(make_result: Callable[..., FileResult]) -> None:
    frames = [FrameRecord(i, i / 2, (i, i, i + 9, i + 9), i + 0.5, i / 10) for i in range(5)]
    scores = make_result("a.mp4", frames=frames).frame_scores()
    for taken in (scores.take([3, 1]), scores.take(np.array([0, 1, 0, 1, 0], bool)).take([1, 0])):
        np.testing.assert_array_equal(taken.p_fake, [0.3, 0.1])
        np.testing.assert_array_equal(taken.times, [1.5, 0.5])
        np.testing.assert_array_equal(taken.boxes, [[3, 3, 12, 12], [1, 1, 10, 10]])
        np.testing.assert_array_equal(taken.detection, [3.5, 1.5])
