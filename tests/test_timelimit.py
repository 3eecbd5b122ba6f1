"""The plan against the clock, on a clock of the test's own."""

from __future__ import annotations

import pytest

from dfsubmit.records import MediaFile
from dfsubmit.timelimit import TimePlan

HEADS = {".jpg": b"\xff\xd8\xff\xe0", ".mp4": b"\0\0\0\x18ftypisom", ".txt": b"words"}


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def media(tmp_path):
    def make(name, size=500):
        path = tmp_path / name
        path.write_bytes(HEADS[path.suffix].ljust(size, b"\0"))
        return MediaFile(path, name, size, 1)

    return make


def simulate(plan, clock, files, seconds_a_frame, frames=40):
    """Score files one after the other; frames given to each file that was reached."""
    given = {}
    for file in files:
        if plan.over():
            break
        cost = 1 if file.name.endswith(".jpg") else frames
        given[file.name] = plan.keep(file) or cost
        clock.now += given[file.name] * seconds_a_frame
        plan.done(file)
    return given


def test_ample_time_thins_nothing(clock, media):
    plan = TimePlan(10_000, 40, 8, clock(), clock)
    files = plan.order([media(f"{i}.mp4") for i in range(10)] + [media("a.jpg")])
    given = simulate(plan, clock, files, 0.1)
    assert len(given) == 11
    assert set(given.values()) == {40, 1}


def test_short_time_thins_all_alike_and_scores_every_file(clock, media):
    plan = TimePlan(200, 40, 8, clock(), clock)
    files = plan.order([media(f"{i:02}.mp4") for i in range(20)])
    given = simulate(plan, clock, files, 0.5)  # 400 s at full length
    assert len(given) == 20
    assert clock() <= plan.deadline
    first, *others = given.values()
    assert first == 40  # nothing was known yet
    assert min(others) >= 15
    assert max(others) - min(others) <= 2


def test_a_hopeless_clock_gives_the_fewest_frames_and_ends_in_time(clock, media):
    started = clock()
    plan = TimePlan(100, 40, 8, started, clock)
    images = [media(f"{i}.jpg") for i in range(5)]
    videos = [media(f"{i:02}.mp4", 900 - i) for i in range(30)]
    files = plan.order(videos + images)
    given = simulate(plan, clock, files, 1.0)
    assert {name for name in given if name.endswith(".jpg")} == {file.name for file in images}
    # Smallest first; after what the images took, every video gets the fewest frames.
    reached = [name for name in given if name.endswith(".mp4")]
    assert reached == [f"{29 - i:02}.mp4" for i in range(len(reached))]
    assert {given[name] for name in reached} == {8}
    assert 10 <= len(reached) < 30
    assert plan.over()
    # Late by at most the one file that was in hand.
    assert clock() < plan.deadline + 8


def test_the_minimum_never_exceeds_the_recipe(clock, media):
    plan = TimePlan(10, 4, 8, clock(), clock)
    files = plan.order([media(f"{i}.mp4") for i in range(9)])
    given = simulate(plan, clock, files, 1.0, frames=4)
    assert set(given.values()) == {4}


def test_files_in_hand_are_paid_for(clock, media):
    files = [media(f"{i}.mp4") for i in range(4)]
    alone = TimePlan(100, 40, 1, clock(), clock)
    busy = TimePlan(100, 40, 1, clock(), clock)
    for plan in (alone, busy):
        plan.order(files)
        plan.keep(files[0])
    busy.keep(files[1])  # a second worker has begun this one
    clock.now += 40
    alone.done(files[0])
    busy.done(files[0])
    # 58 s are left for 58 frames, and 40 of them are spoken for.
    assert alone.keep(files[2]) == 29 - 10
    assert busy.keep(files[2]) == 9


def test_cheap_files_come_first(clock, media):
    plan = TimePlan(100, 40, 8, clock(), clock)
    gone = MediaFile(media("x.jpg").path.with_name("gone.mp4"), "gone.mp4")
    small, large = media("small.mp4", 100), media("large.mp4", 900)
    image, text = media("b.jpg", 5000), media("a.txt", 300)
    ordered = plan.order([large, image, small, gone, text])
    assert [file.name for file in ordered] == [
        "gone.mp4", "a.txt", "b.jpg", "small.mp4", "large.mp4",
    ]  # fmt: skip


def test_time_is_kept_to_write(clock):
    started = clock()
    assert TimePlan(10_800, 40, 8, started, clock).deadline == started + 10_800 * 0.98
    assert TimePlan(20, 40, 8, started, clock).deadline == started + 19


def test_what_loading_the_model_took_counts(clock):
    started = clock()
    clock.now += 60
    plan = TimePlan(50, 40, 8, started, clock)
    assert plan.over()


def test_over_is_reached_at_the_deadline(clock):
    plan = TimePlan(100, 40, 8, clock(), clock)
    clock.now = plan.deadline - 0.01
    assert not plan.over()
    clock.now = plan.deadline
    assert plan.over()


def test_a_limit_shorter_than_the_writing_is_over_at_once(clock):
    assert TimePlan(0.5, 40, 8, clock(), clock).over()
