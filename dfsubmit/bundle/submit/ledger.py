"""The ledger: submissions, the server's answers, and later scores.

One JSON object per line in ``submissions.jsonl`` in the user's data directory; lines are only
appended. A line is a submission, the answer to it, or a score; `read` combines them into `Entry`
objects. A submission is recorded before it is sent, so that it cannot be lost. Beside the ledger,
``submissions/ID/`` stores what an experiment report needs. The key is in none of them.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from dfsubmit.bundle.state import home
from dfsubmit.console import first_few
from dfsubmit.errors import DfsubmitError, UsageError, did_you_mean
from dfsubmit.files import append_json_line, read_json_lines

KOREA = timezone(timedelta(hours=9), "KST")
"""Korean time has had no daylight saving since 1988."""


@dataclass
class Entry:
    """One submission.

    Attributes:
        id: "EXP-004": the number rises by one, or the user's own.
        time: when it was sent, ISO 8601 with its zone.
        target: "task" or "predict".
        trial: a debug submission, which is not counted.
        accepted: the client reported success; None until it has answered, and for ever where the
            submission was broken off: the server may have it.
        model_name: under which it was sent.
        bundle, bundle_hash: the bundle's path and SHA-256.
        model, model_sha256, recipe, aggregator, tta: from its manifest.
        rehearsal: figures of its rehearsal; empty when there was none.
        answer: the client's last lines.
        score, scored: the leaderboard's macro F1 and when it was entered; None before that.
    """

    id: str
    time: str
    target: str
    trial: bool
    accepted: bool | None
    model_name: str
    bundle: str
    bundle_hash: str
    model: str
    model_sha256: str
    recipe: dict[str, Any]
    aggregator: str
    tta: str
    rehearsal: dict[str, Any] = field(default_factory=dict)
    answer: str = ""
    score: float | None = None
    scored: str | None = None

    @property
    def when(self) -> datetime:
        return datetime.fromisoformat(self.time).astimezone(KOREA)

    @property
    def counts(self) -> bool:
        """Whether it used up one of the day's submissions."""
        return self.accepted is not False and not self.trial


def ledger_path() -> Path:
    return home() / "submissions.jsonl"


def keepsakes(entry_id: str) -> Path:
    """The folder of copies that belong to one submission."""
    return home() / "submissions" / entry_id


def read() -> list[Entry]:
    """All submissions, oldest first.

    What a kill or a full disk cut short is left out; see `damage`.

    Raises:
        UsageError: a line holds something else, named by its number.
    """
    entries: dict[str, Entry] = {}
    for number, data in _lines():
        if data is None:
            continue
        try:
            kind = data.pop("event")
            if kind == "submission":
                entries[data["id"]] = _checked(Entry(**data))
            elif kind == "answer":
                entries[data["id"]].accepted = bool(data["accepted"])
                entries[data["id"]].answer = str(data["answer"])
            elif kind == "score":
                entry = entries[data["id"]]
                entry.score, entry.scored = float(data["score"]), str(data["time"])
                datetime.fromisoformat(entry.scored)
                entry.accepted = True  # a score tells that it arrived
            else:
                raise ValueError(f"unknown event {kind!r}")
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{ledger_path()}, line {number}: {error!r}") from error
    return list(entries.values())


def _checked(entry: Entry) -> Entry:
    """The entry, where every field is of its type; lines may be written by hand."""
    for item in fields(Entry):
        value = getattr(entry, item.name)
        if not isinstance(value, _TYPES[str(item.type)]):
            raise ValueError(f"{item.name} is {value!r}")
    datetime.fromisoformat(entry.time)
    if not _ID.fullmatch(entry.id):
        raise ValueError(f"{entry.id!r} is no ID")
    return entry


_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "bool": (bool,),
    "bool | None": (bool, type(None)),
    "dict[str, Any]": (dict,),
    "float | None": (int, float, type(None)),
    "str | None": (str, type(None)),
}


def damage() -> list[str]:
    """A warning for each line that was cut short.

    Raises:
        UsageError: the ledger cannot be read.
    """
    return [
        f"{ledger_path()}: line {number} cannot be read: its submission or score is missing"
        for number, data in _lines()
        if data is None
    ]


def _lines() -> list[tuple[int, dict[str, Any] | None]]:
    try:
        return list(read_json_lines(ledger_path()))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UsageError(f"{ledger_path()}: {error.strerror or error}") from error


def next_id(entries: Iterable[Entry]) -> str:
    """The next of EXP-001, EXP-002, …"""
    numbers = [int(match.group(1)) for entry in entries if (match := _NUMBER.fullmatch(entry.id))]
    return f"EXP-{max(numbers, default=0) + 1:03d}"


_NUMBER = re.compile(r"EXP-(\d+)")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_id(entry_id: str, entries: Iterable[Entry]) -> str:
    """An ID of the user's own choice.

    Raises:
        UsageError: it is taken, or not usable as a folder's name.
    """
    if not _ID.fullmatch(entry_id):
        raise UsageError(f"{entry_id!r}: letters, digits, '.', '_' and '-', 64 at most")
    if any(entry.id == entry_id for entry in entries):
        raise UsageError(f"{entry_id} is in the ledger already")
    return entry_id


def record(entry: Entry) -> Entry:
    """Add a submission, under an ID that is nobody else's, and return it with that.

    Args:
        entry: what is sent; an empty ID takes the next number.

    Raises:
        UsageError: the ID is taken or not usable.
        DfsubmitError: the ledger cannot be written.
    """
    with _locked(f"the submission of {entry.bundle}"):
        entries = read()
        chosen = check_id(entry.id, entries) if entry.id else next_id(entries)
        entry = replace(entry, id=chosen)
        data = asdict(entry)
        del data["score"], data["scored"]
        _append({"event": "submission", **data})
    return entry


def record_answer(entry: Entry, accepted: bool, answer: str) -> None:
    """Add what came of a submission that was recorded.

    Raises:
        DfsubmitError: the ledger cannot be written.
    """
    entry.accepted, entry.answer = accepted, answer
    with _locked(f"the answer to {entry.id}"):
        _append({"event": "answer", "id": entry.id, "accepted": accepted, "answer": answer})


def record_score(
    entry_id: str, score: float, now: datetime | None = None, *, force: bool = False
) -> Entry:
    """Add a leaderboard score; a second one replaces the first.

    Args:
        entry_id: of a submission that the server accepted, or did not answer.
        score: macro F1.
        now: the time, with its zone; None for the clock's.
        force: also for a submission that was not accepted. It counts as accepted from then on.

    Raises:
        UsageError: no such submission, one that was not accepted, or a score outside [0, 1].
        DfsubmitError: the ledger cannot be written.
    """
    if not 0.0 <= score <= 1.0:
        raise UsageError(f"a macro F1 lies between 0 and 1, not at {score}")
    entry = find(entry_id)
    if entry.accepted is False and not force:
        scored = [item.id for item in read() if item.accepted is not False and not item.trial]
        raise UsageError(
            f"{entry_id} was not accepted by the server, so it has no score; nothing was entered",
            f"submissions that can have one: {first_few(reversed(scored)) or 'none'}; "
            "if the leaderboard does show this one: --force",
        )
    time = (now or datetime.now(timezone.utc)).isoformat(timespec="seconds")
    with _locked(f"the score of {entry_id}"):
        _append({"event": "score", "id": entry_id, "score": score, "time": time})
    entry.score, entry.scored, entry.accepted = score, time, True
    return entry


def find(entry_id: str) -> Entry:
    """The submission of that ID.

    Raises:
        UsageError: there is none.
    """
    entries = {entry.id: entry for entry in read()}
    if entry_id not in entries:
        raise UsageError(f"the ledger has no {entry_id!r}", did_you_mean(entry_id, entries))
    return entries[entry_id]


@contextlib.contextmanager
def _locked(what: str) -> Iterator[None]:
    """The ledger is this process's alone; what cannot be written is named in the error."""
    import filelock

    path = ledger_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{path}.lock"):
            yield
    except OSError as error:
        raise DfsubmitError(
            f"{what} is not in the ledger: {error.strerror or error}",
            f"is {path.parent} writable, and its disk not full?",
        ) from error


def _append(data: dict[str, Any]) -> None:
    with ledger_path().open("a+b", buffering=0) as stream:
        append_json_line(stream, data)
        os.fsync(stream.fileno())
