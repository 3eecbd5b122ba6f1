"""The result of a rehearsed notebook: whether it is a valid submission, and its metrics.

In: the working folder after the run. Out: checks and figures in the `Report`.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfsubmit.bundle.rehearse.options import RehearsalOptions
from dfsubmit.bundle.rehearse.report import WARN, Report
from dfsubmit.console import counted, first_few
from dfsubmit.errors import UsageError
from dfsubmit.output.scores import meta_path, read_meta, read_scores, scores_path
from dfsubmit.records import FileResult, Status
from dfsubmit.scoring.decision import Decision, decision_of_run

if TYPE_CHECKING:
    from dfsubmit.evaluation.labels import LabelledFile

SUBMISSION = "submission.csv"


def check_outcome(
    report: Report, work: Path, options: RehearsalOptions, known: dict[str, LabelledFile]
) -> None:
    """Check ``submission.csv`` against the data, count failures, forecast the time, score.

    Args:
        report: takes the checks and figures.
        work: the notebook's working folder after its run.
        options: of the rehearsal.
        known: the true labels by filename; empty for no scoring.
    """
    from dfsubmit.output.submission import read_submission, validate_submission

    submission = work / SUBMISSION
    problems = [
        # The scratch folder means nothing to the reader.
        line.replace(f"{submission}: ", "", 1).replace(str(submission), SUBMISSION)
        for line in validate_submission(submission, work / "data")
    ]
    if not report.add(
        "submission", problems, f"{counted(report.figures['files'], 'row')}, columns and labels"
    ):
        return
    labels = {name: int(label) for name, label in read_submission(submission)}
    counts = Counter(labels.values())
    report.figures["labels"] = {"real": counts[0], "fake": counts[1]}
    same = "all labels are the same" if len(counts) == 1 and len(labels) > 1 else ""
    report.add("labels", [same], f"{counts[0]} real, {counts[1]} fake", bad=WARN)
    results = _check_failures(report, submission, options.max_failures)
    meta = read_meta(scores_path(submission))
    reasons = [f"{item.filename}: {item.error}" for item in results if item.aggregator_fallback]
    _check_run(report, meta, reasons[0] if reasons else "")
    _check_forecast(report, meta, options)
    if known:
        _score(report, labels, known, decision_of_run(meta), options.expected_files)


def keep(work: Path, folder: Path) -> None:
    """Copy the result out of the scratch folder."""
    submission = work / SUBMISSION
    for path in (submission, scores_path(submission), meta_path(submission)):
        if path.is_file():
            shutil.copyfile(path, folder / path.name)


def _check_failures(report: Report, submission: Path, max_failures: float) -> list[FileResult]:
    """How many files failed; every file's result, none where they cannot be read."""
    try:
        results = read_scores(scores_path(submission))
    except UsageError as error:
        report.add("failures", [f"not known: {error.message}"], "", bad=WARN)
        return []
    statuses = Counter(result.status for result in results)
    report.figures["statuses"] = {status.value: count for status, count in statuses.items()}
    failed = len(results) - statuses[Status.OK]
    listing = ", ".join(f"{count} {status.value}" for status, count in statuses.most_common())
    share = failed / max(1, len(results))
    names = [result.filename for result in results if result.status is not Status.OK]
    listing += f": {first_few(names)}" if names else ""
    over = f"{failed} of {counted(len(results), 'file')} failed, {listing}"
    report.add("failures", [over if share > max_failures else ""], listing)
    return results


def _check_run(report: Report, meta: dict[str, Any], aggregator_error: str) -> None:
    """What the run itself says against its result."""
    plugins = meta.get("plugin_failures", {})
    report.add("plugins", [f"{name}: {why}" for name, why in plugins.items()], "all loaded")
    doubts = list(meta.get("warnings", []))
    if meta.get("aggregator_fallbacks"):
        which = f"the aggregator failed on {counted(meta['aggregator_fallbacks'], 'file')}"
        doubts.append(f"{which}, the first: {aggregator_error}" if aggregator_error else which)
    if meta.get("thinned"):
        doubts.append(f"{counted(meta['thinned'], 'file')} with fewer frames, for lack of time")
    report.add("run", doubts, "no warnings", bad=WARN)


def _check_forecast(report: Report, meta: dict[str, Any], options: RehearsalOptions) -> None:
    """Time for the expected number of files: start-up once, the rest in proportion."""
    files, seconds = report.figures["files"], report.figures.get("seconds")
    if seconds is None:
        return
    scoring = float(meta.get("seconds", {}).get("total", seconds))
    fixed = max(0.0, seconds - scoring)
    forecast = fixed + scoring / files * options.expected_files
    limit = options.limits.seconds
    report.figures["forecast_seconds"] = round(forecast)
    report.figures["expected_files"] = options.expected_files
    text = f"{forecast:,.0f} s for {options.expected_files} files on this machine"
    text += f"; {limit:,.0f} s are allowed"
    report.add("forecast", [text if forecast > limit else ""], text, bad=WARN)


def _score(
    report: Report,
    predicted: dict[str, int],
    known: dict[str, LabelledFile],
    decision: Decision | None,
    hidden: int,
) -> None:
    """Macro F1 with its interval, over the files that have a label, and what it lets expect of so
    many hidden ones."""
    import numpy as np

    from dfsubmit.evaluation.forecast import forecast
    from dfsubmit.evaluation.labels import labels_of
    from dfsubmit.evaluation.reports.forecast import as_json, as_line
    from dfsubmit.intervals.groups import few_groups, group_numbers
    from dfsubmit.intervals.labels import label_interval
    from dfsubmit.metrics import Predictions, point

    try:
        labelled = labels_of(predicted, known, SUBMISSION)
    except UsageError as error:
        report.add("macro F1", [error.message, error.hint], "")
        return
    rows = [labelled[name] for name in predicted if name in labelled]
    truth = np.array([row.label for row in rows], dtype=np.int64)
    said = np.array([predicted[row.filename] for row in rows], dtype=np.int64)
    predictions = Predictions(truth, said, None, np.ones(len(rows), dtype=bool))
    value = point(predictions, ["macro_f1"])["macro_f1"]
    if np.isnan(value):
        report.add("macro F1", ["undefined: the labels have one class"], "", bad=WARN)
        return
    groups = group_numbers([row.group for row in rows])
    low, high = label_interval(predictions, groups)
    report.figures |= {"macro_f1": value, "macro_f1_ci": [low, high], "labelled": len(rows)}
    text = f"{value:.4f}, 95 % interval {low:.4f} to {high:.4f}, "
    text += f"on {counted(len(rows), 'labelled file')}"
    few = few_groups(len(np.unique(groups)))
    text += f"; {few}: do not believe the interval" if few else ""
    fitted = decision.fitted_among(row.filename for row in rows) if decision is not None else 0
    report.figures["in_sample"] = fitted
    doubt = f"{text}; in-sample: the threshold was fitted on {fitted} of them" if fitted else ""
    report.add("macro F1", [doubt], text, bad=WARN)
    expected = forecast(predictions, groups, hidden)
    if expected is not None:
        report.figures["macro_f1_forecast"] = as_json(expected)
        report.add("hidden macro F1", [], as_line(expected))
