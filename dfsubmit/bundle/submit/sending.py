"""One submission: check the bundle, send it, and record it in the ledger.

In: a bundle and the user's evidence. Out: an `Entry` in the ledger. `client` talks to the server.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from dfsubmit.bundle import checks
from dfsubmit.bundle.manifest import MANIFEST_FILE, Manifest, bundle_hash, read_manifest
from dfsubmit.bundle.rehearse import report
from dfsubmit.bundle.submit import client, ledger, overview
from dfsubmit.bundle.submit.evidence import Evidence, expectations, read_json
from dfsubmit.bundle.submit.ledger import Entry
from dfsubmit.bundle.submit.reach import require_answer
from dfsubmit.bundle.upload import uploaded
from dfsubmit.console import counted, printable
from dfsubmit.errors import DfsubmitError, UsageError
from dfsubmit.files import write_atomically

_FIGURES = ("macro_f1", "macro_f1_ci", "seconds", "forecast_seconds", "files", "peak_memory")


@dataclass(frozen=True)
class Plan:
    """A submission that is ready to send.

    Attributes:
        bundle, manifest, bundle_hash: what is sent.
        model_name: the name under which it is sent.
        entry_id: its ID in the ledger if the user chose one; "" takes the next number.
        trial: a debug submission.
        server: the server's address; None for the hosts of the 2025 client.
        evidence: the measurements of the bundle.
        warnings: reasons against sending now.
    """

    bundle: Path
    manifest: Manifest
    bundle_hash: str
    model_name: str
    entry_id: str
    trial: bool
    server: str | None
    evidence: Evidence
    warnings: tuple[str, ...]

    def describe(self) -> list[str]:
        """What will be sent, and what is expected of it, in lines for people."""
        paths = uploaded(self.bundle, self.manifest.target)
        size = sum((self.bundle / path).stat().st_size for path in paths)
        kind = "trial submission (not counted)" if self.trial else "submission"
        bundle = printable(str(self.bundle))
        files = counted(len(paths), "file")
        what = f"{kind} of {bundle} ({self.manifest.target}), {files}, {size:,} B"
        where = f"as {self.model_name!r}, to {self.server or client.HOST_2025}"
        return [
            *expectations(self.evidence, self.manifest.aggregator),
            *(f"warning: {warning}" for warning in self.warnings),
            f"{self.entry_id or ledger.next_id(ledger.read())}: {what}, {where}",
        ]


def plan(
    bundle: Path,
    model_name: str,
    *,
    comparison: Path | None = None,
    stress: Path | None = None,
    trial: bool = False,
    server: str | None = None,
    force: bool = False,
    entry_id: str | None = None,
    now: datetime | None = None,
) -> Plan:
    """Decide whether a bundle may be sent.

    Args:
        bundle: its folder.
        model_name: 1 to 128 characters.
        comparison, stress: JSON files of those commands, or None where they were not run.
        trial: the 3.x client's debug submission.
        server: another server than the client's own; None asks AIF_SERVER, as the 3.x client does.
        force: send what was not rehearsed, failed, or was changed since.
        entry_id: an ID of the user's own; None takes the next number.
        now: the time, with its zone; None for the clock's.

    Raises:
        DfsubmitError: it breaks a rule, or was not rehearsed in its present state.
        UsageError: an argument is not valid.
    """
    manifest = read_manifest(bundle)
    if trial and manifest.target == "task":
        raise UsageError("--trial: the client of 2025 has no trial submission", "rehearse instead")
    reasons = checks.problems(bundle, manifest.target, sys.maxsize)
    if reasons:
        raise DfsubmitError(
            "the bundle breaks the rules:\n" + "\n".join(f"  - {r}" for r in reasons)
        )
    digest = bundle_hash(bundle)
    found = report.read(bundle)
    rehearsal = found[0] if found else None
    doubt = _doubt(rehearsal, digest, bool(found and found[1]))
    if doubt and not force:
        raise DfsubmitError(
            f"{bundle} {doubt}",
            f"dfsubmit rehearse {bundle} --data DIR; or --force to send it as it is",
        )
    entries = ledger.read()
    now = now or datetime.now(ledger.KOREA)
    warnings = [] if trial else ledger.damage() + overview.quota_warnings(entries, now)
    later = report.read(bundle, report.failed(bundle))
    if later and later[0].bundle_hash == digest:
        warnings.insert(0, f"a later rehearsal failed: see {report.failed(bundle)}")
    if doubt:
        warnings.insert(0, f"the bundle {doubt}")
    return Plan(
        bundle=bundle,
        manifest=manifest,
        bundle_hash=digest,
        model_name=client.check_model_name(model_name),
        entry_id=ledger.check_id(entry_id, entries) if entry_id else "",
        trial=trial,
        server=client.server_of(manifest.target, server),
        evidence=Evidence(
            # A report on another bundle, or of unknown origin, says nothing of this one.
            rehearsal if found and found[1] and found[0].bundle_hash == digest else None,
            read_json(comparison),
            read_json(stress),
        ),
        warnings=tuple(warnings),
    )


def _doubt(rehearsal: report.Report | None, digest: str, is_sealed: bool) -> str:
    if rehearsal is None:
        return "was not rehearsed"
    if rehearsal.bundle_hash != digest:
        return "was changed since its rehearsal"
    if not is_sealed:
        return "was not rehearsed here: its report or manifest is not the one that was written then"
    return "" if rehearsal.passed else "failed its rehearsal"


def send(plan: Plan, key: str, say: Callable[[str], None] = lambda line: None) -> Entry:
    """Record it in the ledger, send it, and record the answer, even if the server refused it.

    Raises:
        DfsubmitError: the server cannot be reached (nothing was recorded or sent); it refused the
            bundle (with the client's message); or the ledger cannot be written (nothing was sent,
            unless the message says so).
    """
    manifest = plan.manifest
    if bundle_hash(plan.bundle) != plan.bundle_hash:
        raise DfsubmitError(f"{plan.bundle} was changed since this submission was planned")
    rehearsal = plan.evidence.rehearsal
    figures: dict[str, Any] = rehearsal.figures if rehearsal else {}
    entry = Entry(
        id=plan.entry_id,
        time=datetime.now(ledger.KOREA).isoformat(timespec="seconds"),
        target=manifest.target,
        trial=plan.trial,
        accepted=None,
        model_name=plan.model_name,
        bundle=str(plan.bundle.absolute()),
        bundle_hash=plan.bundle_hash,
        model=manifest.model,
        model_sha256=manifest.model_sha256,
        recipe=manifest.recipe,
        aggregator=manifest.aggregator,
        tta=manifest.tta,
        rehearsal={name: figures[name] for name in _FIGURES if name in figures},
    )
    client.require(manifest.target, say)
    require_answer(plan.server or client.SERVER)
    entry = ledger.record(entry)
    try:
        _keep(plan, entry.id)
        answer = client.send(
            plan.bundle,
            manifest.target,
            plan.model_name,
            key,
            trial=plan.trial,
            server=plan.server,
            say=say,
        )
    except (OSError, DfsubmitError) as error:
        # The client did not run.
        ledger.record_answer(entry, False, f"not sent: {error}")
        raise DfsubmitError(f"nothing was sent: {error}") from error
    try:
        ledger.record_answer(entry, answer.accepted, answer.text)
    except DfsubmitError as error:
        verdict = "accepted" if answer.accepted else "refused"
        raise DfsubmitError(
            f"the submission was sent and {verdict}, but {error.message}",
            f"it is in the ledger as {entry.id}, without an answer; {error.hint}",
        ) from error
    if not answer.accepted:
        raise DfsubmitError(
            f"the submission was refused: {answer.text or 'the client said nothing'}",
            f"it is in the ledger as {entry.id}, not accepted",
        )
    return entry


def _keep(plan: Plan, entry_id: str) -> None:
    """Keep what the experiment report needs: the bundle may be built anew."""
    folder = ledger.keepsakes(entry_id)
    folder.mkdir(parents=True, exist_ok=True)
    for path in (MANIFEST_FILE, f"{plan.manifest.model_path}/README.md"):
        if (plan.bundle / path).is_file():
            shutil.copyfile(plan.bundle / path, folder / Path(path).name)
    evidence = plan.evidence
    for name, data in (
        ("rehearsal.json", evidence.rehearsal.to_dict() if evidence.rehearsal else None),
        ("comparison.json", evidence.comparison),
        ("stress.json", evidence.stress),
    ):
        if data is not None:
            write_atomically(folder / name, json.dumps(data, indent=2) + "\n")
