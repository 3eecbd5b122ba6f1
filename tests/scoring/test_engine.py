"""Full batches across files, every frame back to its file, and no thread left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from fakes import FakeModel

from dfsubmit.errors import DfsubmitError
from dfsubmit.hooks.execution import Waiting
from dfsubmit.records import (
    Face,
    Features,
    FileResult,
    FileScan,
    FloatArray,
    FrameRecord,
    Kind,
    MediaFile,
    Pixels,
    Status,
)
from dfsubmit.scoring.engine import Engine
from dfsubmit.workers.events import FaceEvent, FileEvent, RetryEvent, Visit, WaitEvent
from dfsubmit.workers.pool import WorkerPool

FILES = [MediaFile(Path(name), name) for name in "abcdef"]


def face(index: int, light: int) -> Face:
    return Face(index, index / 8, (0, 0, 9, 9), 1.0, np.full((4, 4, 3), light, np.uint8))


class FakePool:
    """Plays back events; a `WaitEvent` waits for its grant, as a worker does."""

    def __init__(self, events: list[Any]) -> None:
        self.played = events
        self.stopped = False
        self.grants: dict[str, list[int]] = {}
        self.granted = threading.Event()
        self.visits: list[tuple[MediaFile, Any]] = []

    def events(self, files: Iterable[MediaFile], visit: Callable[..., Any]) -> Iterator[Any]:
        for file in files:
            self.visits.append((file, visit(file)))
        for event in self.played:
            if self.stopped:
                return
            if isinstance(event, BaseException):
                raise event
            if callable(event):
                event = event()
            yield event
            if isinstance(event, WaitEvent):
                assert self.granted.wait(10)
                self.granted.clear()

    def grant(self, file: MediaFile, frames: int) -> None:
        self.grants.setdefault(file.name, []).append(frames)
        self.granted.set()

    def stop(self) -> None:
        self.stopped = True
        self.granted.set()


def never(*_: object) -> None:
    raise AssertionError("nothing waits for a grant here")


@pytest.fixture
def run(fake_model: type[FakeModel]) -> Callable[..., Any]:
    """Run events through an engine; the finished files by name, and the model with its batches."""

    def run(
        events: list[Any],
        batch_size: int = 4,
        grant: Callable[..., Any] = never,
        should_stop: Callable[[], bool] = lambda: False,
        p_fake: Callable[..., Any] | None = None,
        features: Callable[[Pixels], Features | None] = lambda pixels: None,
    ) -> tuple[dict[str, FileResult], list[int], FakePool]:
        model = fake_model()

        def brightness(pixels: Pixels) -> FloatArray:
            model.batches.append(len(pixels))
            return pixels[:, 0, 0, 0] / 255

        pool = FakePool(events)
        finished: list[tuple[MediaFile, FileResult]] = []
        engine = Engine(
            cast(WorkerPool, pool),
            lambda pixels: ((p_fake or brightness)(pixels), features(pixels)),
            batch_size, lambda file: Visit(7), grant, should_stop, Waiting(),
        )  # fmt: skip
        threads = threading.active_count()
        whole = False
        try:
            finished.extend(engine.run(FILES))
            whole = not should_stop()
        finally:
            assert pool.stopped is not whole
            assert threading.active_count() == threads
        assert all(result.filename == file.name for file, result in finished)
        return {file.name: result for file, result in finished}, model.batches, pool

    return run


def faces(file: MediaFile, *lights: int) -> list[FaceEvent]:
    return [FaceEvent(file, face(i, light)) for i, light in enumerate(lights)]


def end(file: MediaFile, **scan: Any) -> FileEvent:
    return FileEvent(file, FileScan(**scan))


def test_batches_are_full_across_files(run: Callable[..., Any]) -> None:
    events = []
    for number, file in enumerate(FILES):
        events += [*faces(file, number, number + 100, number + 200), end(file)]
    finished, batches, _ = run(events)
    assert batches == [4, 4, 4, 4, 2]
    assert list(finished) == list("abcdef")
    for number, name in enumerate("abcdef"):
        values = [frame.p_fake for frame in finished[name].frames]
        assert values == pytest.approx([(number + more) / 255 for more in (0, 100, 200)])


def test_interleaved_faces_go_back_to_their_files_in_order_of_time(run: Callable[..., Any]) -> None:
    a, b = FILES[:2]
    events = [
        FaceEvent(a, face(9, 90)),
        FaceEvent(b, face(5, 55)),
        FaceEvent(a, face(3, 30)),
        end(b, status=Status.OK),
        FaceEvent(a, face(6, 60)),
        end(a),
    ]
    finished, _, _ = run(events, batch_size=3)
    assert list(finished) == ["b", "a"]
    assert [(frame.index, round(255 * frame.p_fake)) for frame in finished["a"].frames] == [
        (3, 30),
        (6, 60),
        (9, 90),
    ]
    assert [frame.index for frame in finished["b"].frames] == [5]
    frame = finished["b"].frames[0]
    assert (frame.time, frame.box, frame.detection) == (5 / 8, (0, 0, 9, 9), 1.0)


@pytest.mark.parametrize("classified", [False, True])
def test_a_retry_drops_the_faces_that_came_before_it(
    run: Callable[..., Any], classified: bool
) -> None:
    a, b = FILES[:2]
    # With a batch of two the first faces are classified before the worker dies.
    events = [
        *faces(a, 1, 2), RetryEvent(a), FaceEvent(b, face(0, 77)), end(b),
        *faces(a, 11, 12, 13), end(a),
    ]  # fmt: skip
    finished, batches, _ = run(events, batch_size=2 if classified else 16)
    assert [round(255 * frame.p_fake) for frame in finished["a"].frames] == [11, 12, 13]
    assert [round(255 * frame.p_fake) for frame in finished["b"].frames] == [77]
    assert sum(batches) == (6 if classified else 4)


def test_features_are_the_mean_over_a_files_frames(run: Callable[..., Any]) -> None:
    def seen(pixels: Pixels) -> Features:
        light = pixels[:, 0, 0, 0].astype(np.float32)
        return np.stack([light, light * 1e5], axis=1)

    a, b, c, d = FILES[:4]
    events = [
        *faces(a, 10, 20), *faces(b, 60), end(a), RetryEvent(b), *faces(b, 30), end(b),
        *faces(c, 7), end(c, status=Status.CRASHED), end(d, status=Status.NO_FACE),
    ]  # fmt: skip
    finished, _, _ = run(events, batch_size=2, features=seen)
    # Beyond float16's range stands its largest number.
    for name, light in (("a", 15), ("b", 30)):
        assert finished[name].features.dtype == np.float16
        assert finished[name].features.tolist() == [light, 65504]
    assert finished["c"].features is None
    assert finished["d"].features is None
    assert run(events)[0]["a"].features is None


def test_a_file_without_faces_is_finished_too(run: Callable[..., Any]) -> None:
    finished, batches, _ = run([end(FILES[0], status=Status.NO_FACE, error="none")])
    assert finished["a"].frames == []
    assert finished["a"].status is Status.NO_FACE
    assert batches == []


def test_what_the_scan_said_is_in_the_result(run: Callable[..., Any]) -> None:
    said: dict[str, Any] = {
        "kind": Kind.VIDEO,
        "frames_asked": 40,
        "frames_decoded": 30,
        "frames_with_face": 2,
        "frames_skipped": 5,
        "thinned": True,
        "seconds": {"decode": 1.0, "detect": 2.0},
        "error": "a note",
    }
    finished, _, _ = run([*faces(FILES[0], 1, 2), end(FILES[0], **said)])
    result = finished["a"]
    seconds = said.pop("seconds")
    assert {name: getattr(result, name) for name in said} == said
    assert {name: result.seconds[name] for name in seconds} == seconds
    assert result.seconds["classify"] > 0


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.OK])
def test_the_faces_of_a_file_that_failed_say_nothing(
    run: Callable[..., Any], status: Status
) -> None:
    finished, _, _ = run([*faces(FILES[0], 1, 2), end(FILES[0], status=status)])
    assert (finished["a"].status, finished["a"].frames) == (status, [])


def test_no_events_no_files(run: Callable[..., Any]) -> None:
    assert run([])[0] == {}


def test_the_models_time_is_shared_out(run: Callable[..., Any]) -> None:
    a, b = FILES[:2]

    def slow(pixels: Pixels) -> FloatArray:
        time.sleep(0.04)
        return np.zeros(len(pixels))

    finished, _, _ = run([*faces(a, 1, 2, 3), *faces(b, 4), end(a), end(b)], p_fake=slow)
    seconds = {name: result.seconds["classify"] for name, result in finished.items()}
    assert seconds["a"] == pytest.approx(3 * seconds["b"])
    assert seconds["b"] >= 0.01


def test_each_file_is_asked_for_its_visit(run: Callable[..., Any]) -> None:
    _, _, pool = run([end(FILES[0])])
    assert pool.visits == [(file, Visit(7)) for file in FILES]


def test_a_waiting_file_is_answered_once_its_faces_are_classified(run: Callable[..., Any]) -> None:
    a = FILES[0]
    asked: list[tuple[list[int], int]] = []

    def grant(frames: list[FrameRecord], left: int) -> int:
        asked.append(([round(255 * frame.p_fake) for frame in frames], left))
        return 2 if len(asked) == 1 else 0

    events = [*faces(a, 10, 20), WaitEvent(a, 5), *faces(a, 30, 40), WaitEvent(a, 3), end(a)]
    finished, batches, pool = run(events, batch_size=16, grant=grant)
    assert asked == [([10, 20], 5), ([10, 20, 30, 40], 3)]
    assert pool.grants == {"a": [2, 0]}
    # Batches are not full, because nothing else was to come before the answer.
    assert batches == [2, 2]
    assert len(finished["a"].frames) == 4


def test_a_stop_leaves_the_rest_and_ends_the_feeder(run: Callable[..., Any]) -> None:
    stop: list[bool] = []

    def last() -> FileEvent:
        stop.append(True)
        return end(FILES[1])

    events = [
        *faces(FILES[0], 1),
        end(FILES[0]),
        last,
        *[event for file in FILES[2:] for event in (*faces(file, *range(50)), end(file))],
    ]
    finished, _, _ = run(events, batch_size=1, should_stop=lambda: bool(stop))
    assert "f" not in finished


@pytest.mark.parametrize("error", [DfsubmitError("no dlib"), KeyboardInterrupt()])
def test_an_error_of_the_pool_is_raised_where_the_model_runs(
    run: Callable[..., Any], error: DfsubmitError | KeyboardInterrupt
) -> None:
    with pytest.raises(type(error)):
        run([*faces(FILES[0], 1), error])


def test_an_error_of_the_model_ends_the_feeder(run: Callable[..., Any]) -> None:
    def broken(pixels: Pixels) -> None:
        raise DfsubmitError("NaN")

    # More faces than the queue holds: the feeder is waiting for room when the model fails.
    with pytest.raises(DfsubmitError, match="NaN"):
        run(faces(FILES[0], *range(100)), batch_size=2, p_fake=broken)
