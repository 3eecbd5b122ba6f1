"""Signals ask for a stop; only inside a guarded call do they break it off."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from dfsubmit.interrupt import SIGNALS, Interrupt, Interrupted

ASKING = (signal.SIGINT, signal.SIGTERM)


@pytest.mark.parametrize("number", ASKING)
def test_a_signal_between_batches_is_noted(number: signal.Signals) -> None:
    with Interrupt() as interrupt:
        assert not interrupt.requested
        signal.raise_signal(number)
        assert interrupt.requested


@pytest.mark.parametrize("number", ASKING)
def test_a_signal_breaks_off_a_guarded_call(number: signal.Signals) -> None:
    reached: list[object] = []
    with Interrupt() as interrupt:

        def forward(batch: int) -> None:
            try:
                signal.raise_signal(number)
                reached.append(batch)
            except Exception:  # what a plugin might do
                reached.append("swallowed")

        with pytest.raises(Interrupted):
            interrupt.guard(forward)([1])
        assert interrupt.requested
        # Once the call is over, a second signal is only noted again.
        signal.raise_signal(number)
    assert reached == []


def test_a_guarded_call_gives_its_answer() -> None:
    with Interrupt() as interrupt:
        assert interrupt.guard(lambda a, b: a + b)(2, 3) == 5
        with pytest.raises(ZeroDivisionError):
            interrupt.guard(lambda: 1 / 0)()
        signal.raise_signal(signal.SIGINT)  # would raise if the guard were still up
        assert interrupt.requested


def test_earlier_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with Interrupt():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_other_threads_may_run_without_it() -> None:
    asked = []

    def run() -> None:
        with Interrupt() as interrupt:
            asked.append(interrupt.requested)

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert asked == [False]
    assert signal.getsignal(signal.SIGINT) is before


def test_the_clock_breaks_off_a_guarded_call_without_asking_for_a_stop() -> None:
    with Interrupt(time.monotonic() + 0.05) as interrupt:
        with pytest.raises(Interrupted):
            interrupt.guard(time.sleep)(30)
        assert not interrupt.requested
        # Again and again: a call that begins after the end is broken off as well.
        with pytest.raises(Interrupted):
            interrupt.guard(time.sleep)(30)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_the_clock_leaves_unguarded_work_alone() -> None:
    with Interrupt(time.monotonic()) as interrupt:
        time.sleep(0.5)
        assert not interrupt.requested


def test_without_an_end_no_alarm_is_set() -> None:
    with Interrupt():
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
