"""When a worker has been at a file for too long, on a clock of the test's own."""

from __future__ import annotations

import os

import pytest

from dfsubmit.workers.clock import Late, RunningClock, Stopwatch, cpu_seconds


class Machine:
    """A clock, and a worker's CPU time."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.cpu: float | None = 7.0

    def run(self, seconds: float, share: float) -> None:
        """So much time passes, and the worker has a share of one core."""
        self.now += seconds
        if self.cpu is not None:
            self.cpu += seconds * share


def late(watch: Stopwatch) -> Late | None:
    return watch.late


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def watch(machine: Machine) -> Stopwatch:
    watch = Stopwatch(lambda: machine.now, lambda: machine.cpu)
    assert late(watch) is None
    watch.start(120)
    return watch


@pytest.mark.parametrize(
    ("share", "allowed"), [(1.0, 120), (3.0, 120), (0.5, 240), (0.125, 960), (0.05, 120), (0, 120)]
)
def test_a_busy_machine_is_not_the_files_fault_and_an_idle_worker_is_stuck(
    machine: Machine, watch: Stopwatch, share: float, allowed: float
) -> None:
    machine.run(allowed - 1, share)
    assert late(watch) is None
    machine.run(2, share)
    assert late(watch) is (Late.BUSY if share > 0.1 else Late.STUCK)


def test_one_that_worked_and_then_waits_is_stuck_in_the_end(
    machine: Machine, watch: Stopwatch
) -> None:
    machine.run(60, 1)
    machine.run(500, 0)
    assert late(watch) is None
    machine.run(100, 0)
    assert late(watch) is Late.STUCK


def test_pauses_and_excuses_do_not_count(machine: Machine, watch: Stopwatch) -> None:
    machine.run(50, 0)
    watch.pause()
    machine.run(1000, 0)
    assert late(watch) is None
    watch.go_on()
    watch.excuse(40)
    machine.run(109, 0)
    assert late(watch) is None
    machine.run(2, 0)
    assert late(watch) is Late.STUCK
    watch.stop()
    assert late(watch) is None


def test_less_patience_ends_what_waits_and_not_what_works(
    machine: Machine, watch: Stopwatch
) -> None:
    watch.start(120, 12)
    machine.run(100, 1)
    assert late(watch) is None
    watch.start(120, 12)
    machine.run(13, 0)
    assert late(watch) is Late.STUCK


def test_where_nobody_knows_the_cpu_time_the_wall_counts(
    machine: Machine, watch: Stopwatch
) -> None:
    machine.cpu = None
    watch.start(120, 12)
    machine.run(119, 0)
    assert late(watch) is None
    machine.run(2, 0)
    assert late(watch) is Late.STUCK


def test_a_gap_in_which_the_process_was_suspended_does_not_count(machine: Machine) -> None:
    clock = RunningClock(lambda: machine.now)
    began = clock()
    for _ in range(10):
        machine.run(1, 0)
        clock()
    machine.run(3600, 0)
    assert clock() - began == pytest.approx(10)
    machine.run(2, 0)
    assert clock() - began == pytest.approx(12)


def test_the_clock_ticks_by_itself(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or an hour without a question would look like a gap."""
    monkeypatch.setattr("dfsubmit.workers.clock.TICK_SECONDS", 0.001)
    asked = []

    def now() -> float:
        asked.append(1)
        return len(asked) * 1.0

    with RunningClock(now):
        while len(asked) < 5:
            os.sched_yield()


def test_cpu_seconds_of_a_process() -> None:
    before = os.times()
    used = cpu_seconds(os.getpid())
    after = os.times()
    assert used is not None
    assert before.user + before.system - 0.1 <= used <= after.user + after.system + 0.1
    assert cpu_seconds(2**22 + 1) is None
