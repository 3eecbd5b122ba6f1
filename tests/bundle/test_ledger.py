"""What was sent is remembered, in order, with its score and the day's quota."""

from __future__ import annotations

import json
import os
import resource
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import ANY

import pytest
from entries import NOON, call, entry

from dfsubmit.bundle.submit import ledger, overview
from dfsubmit.errors import DfsubmitError, UsageError


def test_what_was_recorded_is_read_back_with_its_last_score() -> None:
    first, second = entry("EXP-001"), entry("EXP-002", NOON + timedelta(hours=1))
    ledger.record(first)
    ledger.record(second)
    ledger.record_score("EXP-001", 0.5)
    ledger.record_score("EXP-001", 0.5489)
    read = ledger.read()
    assert [item.id for item in read] == ["EXP-001", "EXP-002"]
    assert read[0].score == 0.5489
    assert read[1] == second


def test_ids_count_up_past_the_users_own() -> None:
    assert ledger.next_id([]) == "EXP-001"
    assert ledger.next_id([entry("EXP-004"), entry("best-so-far")]) == "EXP-005"


@pytest.mark.parametrize("bad", ["EXP-001", "../up", "", "a b", "-x"])
def test_an_id_that_is_taken_or_no_file_name_is_refused(bad: str) -> None:
    with pytest.raises(UsageError):
        ledger.check_id(bad, [entry("EXP-001")])


# Unicode's own line breaks; json writes them as they are unless it is told to escape.
@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85"])
def test_a_line_break_of_unicode_in_a_name_breaks_no_line(mark: str) -> None:
    first = entry("EXP-001", model_name=f"vit{mark}2", answer=f"sent{mark}done")
    ledger.record(first)
    ledger.record(entry("EXP-002"))
    assert ledger.read() == [first, entry("EXP-002")]
    assert ledger.ledger_path().read_bytes().isascii()


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85"])
def test_an_old_ledger_with_such_a_break_is_readable(mark: str) -> None:
    """The ledger once held these characters as they are."""
    first = entry("EXP-001", model_name=f"vit{mark}2")
    data = {"event": "submission", **asdict(first)}
    del data["score"], data["scored"]
    ledger.ledger_path().parent.mkdir(parents=True)
    line = json.dumps(data, ensure_ascii=False) + "\n"
    ledger.ledger_path().write_text(line, encoding="utf-8")
    ledger.record_score("EXP-001", 0.5)
    (read,) = ledger.read()
    assert read.model_name == first.model_name
    assert read.score == 0.5


def test_a_path_that_is_no_text_can_be_recorded() -> None:
    first = entry("EXP-001", bundle=os.fsdecode(b"build/caf\xe9"))
    ledger.record(first)
    assert ledger.read() == [first]


def test_a_torn_last_line_costs_itself_alone() -> None:
    path = ledger.ledger_path()
    ledger.record(entry("EXP-001"))
    whole = path.read_bytes()
    ledger.record(entry("EXP-002"))
    torn = path.read_bytes()
    for cut in range(len(whole) + 1, len(torn) - 1, 40):
        path.write_bytes(torn[:cut])
        assert ledger.read() == [entry("EXP-001")]
        # What is added now must not be glued to the torn line.
        ledger.record_score("EXP-001", 0.5)
        ledger.record(entry("EXP-003"))
        assert ledger.read() == [entry("EXP-001", score=0.5, scored=ANY), entry("EXP-003")]


def test_a_line_that_cannot_be_read_is_named() -> None:
    ledger.record(entry("EXP-001"))
    with ledger.ledger_path().open("a") as stream:
        stream.write('{"event": "submission"\n')
    ledger.record(entry("EXP-002"))
    result = call()
    assert result.exit_code == 0
    assert "EXP-002" in result.stdout
    assert "line 2 cannot be read: its submission or score is missing" in result.stderr


def line_with(**changes: Any) -> str:
    data = {"event": "submission", **asdict(entry("EXP-002")), **changes}
    return json.dumps(data)


@pytest.mark.parametrize(
    "line",
    [
        '{"event": "later"}',
        '{"event": "submission", "id": "x"}',
        "{}",
        line_with(recipe=[]),
        line_with(time="yesterday"),
        line_with(id="../../x"),
        line_with(rehearsal="good"),
        line_with(model_sha256=None),
        '{"event": "score", "id": "EXP-001", "score": 0.5, "time": "later"}',
    ],
)
def test_a_line_of_another_kind_is_an_error(line: str) -> None:
    ledger.record(entry("EXP-001"))
    with ledger.ledger_path().open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(UsageError, match="line 2"):
        ledger.read()


def test_a_full_disk_is_reported() -> None:
    ledger.record(entry("EXP-001"))
    size = ledger.ledger_path().stat().st_size
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 40, most))
    try:
        with pytest.raises(DfsubmitError, match="is not in the ledger: File too large"):
            ledger.record(entry("EXP-002"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    ledger.record(entry("EXP-003"))
    assert ledger.read() == [entry("EXP-001"), entry("EXP-003")]


def test_submissions_at_once_get_numbers_of_their_own() -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: ledger.record(entry("", tta=str(number))), range(16)))
    read = ledger.read()
    assert [item.id for item in read] == [f"EXP-{number:03d}" for number in range(1, 17)]
    assert sorted(int(item.tta) for item in read) == list(range(16))
    with pytest.raises(UsageError, match="in the ledger already"):
        ledger.record(entry("EXP-004"))


def test_what_was_broken_off_counts_and_is_told_from_a_refusal() -> None:
    started = ledger.record(entry("", accepted=None))
    assert started.counts
    assert call().stdout.splitlines()[1].endswith("no answer")
    ledger.record_answer(started, False, "refused")
    assert [(item.accepted, item.answer) for item in ledger.read()] == [(False, "refused")]
    ledger.record(entry("EXP-002", accepted=None))
    ledger.record_score("EXP-002", 0.5)
    assert ledger.find("EXP-002").accepted


def test_scores_are_checked() -> None:
    ledger.record(entry("EXP-001"))
    assert call("score", "EXP-001", "61").exit_code == 2
    result = call("score", "EXP-010", "0.6")
    assert result.exit_code == 2
    assert "did you mean 'EXP-001'?" in result.output


def test_a_score_of_what_was_not_accepted_is_refused_and_shown_when_forced() -> None:
    ledger.record(entry("EXP-001", accepted=False))
    ledger.record(entry("EXP-002"))
    refused = call("score", "EXP-001", "0.61")
    assert refused.exit_code == 2
    assert "EXP-001 was not accepted by the server" in refused.output
    assert "submissions that can have one: EXP-002" in refused.output
    assert ledger.find("EXP-001").score is None
    assert call("score", "EXP-001", "0.61", "--force").exit_code == 0
    assert "0.6100" in call().stdout
    assert ledger.find("EXP-001").counts


def test_gains_are_against_the_best_before_and_leave_trials_out() -> None:
    entries = [
        entry("a", NOON, score=0.55),
        entry("t", NOON + timedelta(minutes=1), score=0.99, trial=True),
        entry("b", NOON + timedelta(minutes=2), score=0.28),
        entry("c", NOON + timedelta(minutes=3)),
        entry("d", NOON + timedelta(minutes=4), score=0.56),
    ]
    gains = overview.gains(entries)
    assert set(gains) == {"b", "d"}
    assert gains["b"] == pytest.approx(-0.27)
    assert gains["d"] == pytest.approx(0.01)


def test_the_table_is_newest_first_with_the_change() -> None:
    ledger.record(entry("EXP-001", NOON, rehearsal={"macro_f1": 0.9}))
    ledger.record(entry("EXP-002", NOON + timedelta(hours=1), tta="flip"))
    call("score", "EXP-001", "0.5489")
    scored = call("score", "EXP-002", "0.5599")
    assert scored.output == "EXP-002: 0.5599 (+0.0110 against the best before it)\n"
    lines = call().stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["ID", "EXP-002", "EXP-001"]
    assert lines[1].split()[-3:] == ["mean+flip", "0.5599", "+0.0110"]
    assert lines[2].split()[-2:] == ["0.9000", "0.5489"]


def test_json_is_machine_readable() -> None:
    ledger.record(entry("EXP-001"))
    assert json.loads(call("--json").output)[0]["id"] == "EXP-001"


def test_three_a_korean_day_and_not_a_fourth() -> None:
    # 14:30 UTC is 23:30 in Korea: half an hour before the day ends there.
    late = datetime.fromisoformat("2025-10-01T14:30:00+00:00")
    entries = [entry(str(number), late - timedelta(hours=number)) for number in (1, 2, 3)]
    (warning,) = overview.quota_warnings(entries, late)
    assert "3 submissions went out today" in warning
    assert overview.quota_warnings(entries, late + timedelta(minutes=31)) == []


def test_refused_and_trial_submissions_use_up_nothing() -> None:
    entries = [entry(str(number), accepted=False) for number in range(3)]
    entries += [entry("t", trial=True)]
    assert overview.quota_warnings(entries, NOON + timedelta(minutes=1)) == []


def test_thirty_minutes_after_the_last_result_was_seen() -> None:
    sent = entry("EXP-001", NOON - timedelta(hours=2))
    assert overview.quota_warnings([sent], NOON) == []
    sent.scored = (NOON - timedelta(minutes=10)).isoformat()
    (warning,) = overview.quota_warnings([sent], NOON)
    assert "wait 20 min" in warning
