"""A rehearsal's result: checks, measurements, and the files in which they are stored.

In: `Check`s. Out: a `Report`, printed as a table and stored beside the bundle in
``<bundle>.rehearsal/`` (not in the bundle, where it would be sent).
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dfsubmit.bundle import state
from dfsubmit.bundle.markdown import inline
from dfsubmit.console import counted
from dfsubmit.console import table as aligned
from dfsubmit.errors import UsageError
from dfsubmit.files import write_atomically

PASS, WARN, FAIL = "pass", "warn", "FAIL"


@dataclass(frozen=True)
class Check:
    """One line of the table: what was looked at, "pass", "warn" or "FAIL", and why."""

    name: str
    status: str
    detail: str


@dataclass
class Report:
    """What a rehearsal found.

    Attributes:
        bundle: the folder's name.
        bundle_hash: SHA-256 of what was rehearsed.
        target: "task" or "predict".
        time: when it began, ISO 8601 with its zone.
        checks: in the order in which they were made.
        figures: seconds, forecast_seconds, expected_files, files, peak_memory, bundle_bytes,
            statuses, labels, macro_f1 and its interval, in_sample, macro_f1_forecast,
            substitutions, versions; what was not measured is not there.
    """

    bundle: str
    bundle_hash: str
    target: str
    time: str
    checks: list[Check] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether no check failed; warnings do not count."""
        return all(check.status != FAIL for check in self.checks)

    def add(self, name: str, problems: list[str], good: str, *, bad: str = FAIL) -> bool:
        """Add one check: `bad` with the problems ("" is none) where there are any, else "pass"."""
        detail = "; ".join(filter(None, problems))
        self.checks.append(Check(name, bad if detail else PASS, detail or good))
        return not detail

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; `from_dict` reads them back."""
        return dataclasses.asdict(self)


def from_dict(data: dict[str, Any]) -> Report:
    """The inverse of `Report.to_dict`.

    Raises:
        TypeError, KeyError: the data is not such an object.
    """
    return Report(**{**data, "checks": [Check(**check) for check in data["checks"]]})


def kept(bundle: Path) -> Path:
    """Where a bundle's rehearsal is kept."""
    bundle = bundle.absolute()
    return bundle.with_name(bundle.name + ".rehearsal")


def failed(bundle: Path) -> Path:
    """Where the last rehearsal is kept that failed after an earlier one of the same bundle had
    passed, which stays in `kept`."""
    place = kept(bundle)
    return place.with_name(place.name + ".failed")


def keep(report: Report, bundle: Path, folder: Path) -> None:
    """Put a rehearsal that has ended into its place, and note that it is from here.

    It takes the place of the one before, unless that one passed on this very bundle and this one
    did not: then it goes to `failed`.

    Args:
        report: what was found.
        bundle: its folder.
        folder: what else is kept, beside the bundle; it is moved.

    Raises:
        DfsubmitError: the user's own folder cannot be written.
    """
    place = kept(bundle)
    if not report.passed and _has_passed(bundle, report.bundle_hash):
        place = failed(bundle)
    write(report, bundle, folder)
    shutil.rmtree(failed(bundle), ignore_errors=True)
    shutil.rmtree(place, ignore_errors=True)
    folder.rename(place)


def _has_passed(bundle: Path, bundle_hash: str) -> bool:
    """Whether the rehearsal that is kept passed, on a bundle of that hash."""
    try:
        found = read(bundle)
    except UsageError:
        return False
    return (
        found is not None and found[1] and found[0].passed and found[0].bundle_hash == bundle_hash
    )


def write(report: Report, bundle: Path, folder: Path | None = None) -> None:
    """Write ``report.json`` and ``report.md``, and note that they are from here.

    Args:
        report: what was found.
        bundle: its folder.
        folder: where to write; None for where the rehearsal is kept.

    Raises:
        DfsubmitError: the user's own folder cannot be written.
    """
    folder = folder or kept(bundle)
    text = json.dumps(report.to_dict(), indent=2) + "\n"
    write_atomically(folder / "report.md", markdown(report))
    write_atomically(folder / "report.json", text)
    state.seal(bundle, report.bundle_hash, text.encode())


def read(bundle: Path, folder: Path | None = None) -> tuple[Report, bool] | None:
    """The report of a bundle's last rehearsal, and whether it was written here on this bundle.

    None where there was no rehearsal.

    Args:
        bundle: its folder.
        folder: where the report is; None for where the rehearsal is kept.

    Raises:
        UsageError: it is there but not readable.
    """
    path = (folder or kept(bundle)) / "report.json"
    try:
        content = path.read_bytes()
        report = from_dict(json.loads(content))
        return report, state.is_sealed(bundle, report.bundle_hash, content)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise UsageError(f"{path}: {error!r}", "rehearse the bundle again") from error


def table(report: Report) -> str:
    """The checks as aligned text, and the verdict."""
    rows = [(check.status, check.name, check.detail) for check in report.checks]
    failed = sum(check.status == FAIL for check in report.checks)
    verdict = (
        "the bundle passed"
        if report.passed
        else f"{failed} of {counted(len(rows), 'check')} FAILED"
    )
    styles = {PASS: "green", FAIL: "bold red"}
    return f"{aligned((), rows, indent='  ', styles=styles)}\n{verdict}"


def markdown(report: Report) -> str:
    """The same as a Markdown document, with exact package versions."""
    lines = [
        f"# Rehearsal of {inline(report.bundle)}",
        "",
        f"{report.time}, {report.target} bundle, SHA-256 `{report.bundle_hash}`.",
        "",
        *checks_table(report),
        "",
    ]
    if versions := report.figures.get("versions"):
        lines += ["## Packages", ""]
        lines += [
            f"- {inline(name)} {inline(version)}" for name, version in sorted(versions.items())
        ]
        lines.append("")
    return "\n".join(lines)


def checks_table(report: Report) -> list[str]:
    """The checks as the lines of a Markdown table."""
    rows = [
        f"| {inline(c.name)} | {inline(c.status)} | {inline(c.detail)} |" for c in report.checks
    ]
    return ["| check | result | detail |", "|---|---|---|", *rows]
