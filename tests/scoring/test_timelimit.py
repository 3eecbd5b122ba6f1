"""The plan against the clock, on a clock of the test's own."""

from __future__ import annotations

import queue
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dfsubmit.records import Kind, MediaFile
from dfsubmit.scoring.timelimit import TimePlan, deadline


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_plan(clock: Clock) -> Callable[..., TimePlan]:
    """A plan that ends so many seconds from now."""

    def make_plan(seconds: float, frames: int = 40, min_frames: int = 8) -> TimePlan:
        return TimePlan(clock() + seconds, frames, min_frames, clock)

    return make_plan


@pytest.fixture
def media(tmp_path: Path) -> Callable[..., MediaFile]:
    def make(name: str, size: int = 500) -> MediaFile:
        return MediaFile(tmp_path / "gone" / name, name, size, 1)

    return make


def simulate(
    plan: TimePlan,
    clock: Clock,
    files: list[MediaFile],
    seconds_a_frame: float,
    decode_seconds_a_byte: float = 0.0,
    frames: int = 40,
) -> dict[str, int]:
    """Score files one after the other; frames given to each file that was reached."""
    given = {}
    for file in files:
        if plan.over():
            break
        video = file.name.endswith(".mp4")
        keep = plan.keep(file)
        given[file.name] = (keep or frames) if video else 1
        seconds = {
            "decode": file.size * decode_seconds_a_byte if video else 0.0,
            "detect": given[file.name] * seconds_a_frame * 0.75,
            "classify": given[file.name] * seconds_a_frame * 0.25,
        }
        clock.now += sum(seconds.values())
        plan.done(file, seconds)
    return given


def test_ample_time_thins_nothing(
    clock: Clock, media: Callable[..., MediaFile], make_plan: Callable[..., TimePlan]
) -> None:
    plan = make_plan(10_000)
    files = plan.order([media(f"{i}.mp4") for i in range(10)] + [media("a.jpg")])
    given = simulate(plan, clock, files, 0.1)
    assert len(given) == 11
    assert set(given.values()) == {40, 1}


def test_short_time_thins_all_alike_and_scores_every_file(
    clock: Clock, media: Callable[..., MediaFile], make_plan: Callable[..., TimePlan]
) -> None:
    plan = make_plan(200)
    files = plan.order([media(f"{i:02}.mp4") for i in range(20)])
    given = simulate(plan, clock, files, 0.5)  # 400 s at full length
    assert len(given) == 20
    assert clock() <= plan.end
    first, *others = given.values()
    assert first == 40  # nothing was known yet
    assert min(others) >= 15
    assert max(others) - min(others) <= 3


def test_decoding_is_paid_for_however_few_frames_are_looked_at(
    clock: Clock, media: Callable[..., MediaFile], make_plan: Callable[..., TimePlan]
) -> None:
    plan = make_plan(200)
    files = plan.order([media(f"{i:02}.mp4", 500) for i in range(20)])
    # Decoding takes 5 s a file, 100 s in all, which leaves 100 s for the frames.
    given = simulate(plan, clock, files, 0.25, decode_seconds_a_byte=0.01)
    assert len(given) == 20
    assert clock() <= plan.end + 1e-6
    assert min(list(given.values())[1:]) >= 18
    assert max(list(given.values())[1:]) <= 22


def test_a_hopeless_clock_gives_the_fewest_frames_to_as_many_as_it_can(
    clock: Clock, media: Callable[..., MediaFile], make_plan: Callable[..., TimePlan]
) -> None:
    plan = make_plan(100)
    images = [media(f"{i}.jpg") for i in range(5)]
    videos = [media(f"{i:02}.mp4", 900 - i) for i in range(30)]
    files = plan.order(videos + images)
    given = simulate(plan, clock, files, 1.0)
    assert {name for name in given if name.endswith(".jpg")} == {file.name for file in images}
    # Smallest first; the first tells what a video costs, all others get the fewest frames.
    reached = [name for name in given if name.endswith(".mp4")]
    assert reached == [f"{29 - i:02}.mp4" for i in range(len(reached))]
    assert [given[name] for name in reached] == [40] + [8] * (len(reached) - 1)
    assert 7 <= len(reached) < 30
    assert plan.over()


def test_the_minimum_never_exceeds_the_recipe(
    clock: Clock, media: Callable[..., MediaFile], make_plan: Callable[..., TimePlan]
) -> None:
    plan = make_plan(10, frames=4)
    files = plan.order([media(f"{i}.mp4") for i in range(9)])
    assert set(simulate(plan, clock, files, 1.0, frames=4).values()) == {4}


def test_files_in_hand_are_half_paid_for(
    clock: Clock, media: Callable[..., MediaFile], make_plan: Callable[..., TimePlan]
) -> None:
    files = [media(f"{i}.mp4") for i in range(4)]
    alone, busy = make_plan(100, min_frames=1), make_plan(100, min_frames=1)
    for plan in (alone, busy):
        plan.order(files)
        plan.keep(files[0])
    busy.keep(files[1])  # a second worker has begun this one
    clock.now += 40
    for plan in (alone, busy):
        plan.done(files[0], {"decode": 0.0, "detect": 40.0})
    # 60 s at a second a frame, for three videos.
    assert alone.keep(files[2]) == 20
    # 60 frames were done in 40 s, 90 fit; 20 are spoken for, and two videos wait.
    assert busy.keep(files[2]) == 35


def test_a_file_tried_again_gets_all_its_frames(
    clock: Clock, media: Callable[..., MediaFile], make_plan: Callable[..., TimePlan]
) -> None:
    files = [media(f"{i}.mp4") for i in range(3)]
    plan = make_plan(50)
    plan.order(files)
    plan.keep(files[0])
    clock.now += 40
    plan.done(files[0], {"detect": 40.0})
    assert plan.keep(files[1]) == 8
    assert plan.keep(files[1]) is None


def test_cheap_files_come_first_and_none_is_opened(
    media: Callable[..., MediaFile], make_plan: Callable[..., TimePlan]
) -> None:
    """A disk that does not answer would keep whoever opens a file on it."""
    small, large = media("small.MP4", 100), media("large.mp4", 900)
    image, text = media("b.jpg", 5000), media("a.txt", 300)
    ordered = make_plan(100).order([large, image, small, text])
    assert [file.name for file in ordered] == ["a.txt", "b.jpg", "small.MP4", "large.mp4"]


def test_what_a_file_turns_out_to_be_is_what_counts(
    clock: Clock, media: Callable[..., MediaFile], make_plan: Callable[..., TimePlan]
) -> None:
    """A video called .jpg is no picture that takes a minute, nor a picture called .mp4 a video
    that takes a second."""
    videos = [media(f"{number}.mp4") for number in range(9)]
    cases = [("a.jpg", Kind.VIDEO, 400, 60, None), ("b.mp4", Kind.IMAGE, 44, 1, 21)]
    for name, kind, limit, seconds, expected in cases:
        plan, wrong = make_plan(limit), media(name)
        plan.order([wrong, *videos])
        for file, took, what in [(videos[0], 6, Kind.VIDEO), (wrong, seconds, kind)]:
            plan.keep(file)
            clock.now += took
            plan.done(file, {"decode": took / 3, "detect": took * 2 / 3}, what)
        assert plan.keep(videos[1]) == expected


@pytest.mark.parametrize(
    ("limit", "seconds"), [(10_800, 10_800 * 0.98), (20, 18), (2, 0), (0.5, 0)]
)
def test_time_is_kept_to_write(limit: float, seconds: float) -> None:
    assert deadline(limit, 1000.0) == pytest.approx(1000.0 + seconds)


def test_over_is_reached_at_the_end(clock: Clock, make_plan: Callable[..., TimePlan]) -> None:
    plan = make_plan(100)
    clock.now = plan.end - 0.01
    assert not plan.over()
    clock.now = plan.end
    assert plan.over()


def test_the_feeder_and_the_model_may_ask_at_once(
    clock: Clock, media: Callable[..., MediaFile], make_plan: Callable[..., TimePlan]
) -> None:
    """The feeder hands files over while the thread that runs the model finishes others."""
    first = media("0.mp4")
    files = [MediaFile(first.path, f"{number}.mp4", 500, 1) for number in range(2000)]
    plan = make_plan(100_000)
    plan.order(files)
    handed_over: queue.Queue[MediaFile] = queue.Queue()

    def feed() -> None:
        for file in files:
            plan.keep(file)
            handed_over.put(file)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(1) as threads:
            feeder = threads.submit(feed)
            for _ in files:
                clock.now += 0.1
                plan.done(handed_over.get(timeout=60), {"decode": 0.01, "detect": 0.1})
            feeder.result()
    finally:
        sys.setswitchinterval(interval)
