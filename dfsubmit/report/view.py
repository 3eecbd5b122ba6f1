"""The upper half of the page: the run in numbers, text and figures.

In: `Run`s and `Entry`s. Out: plain values for the templates, in the page's language.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from dfsubmit.console import duration
from dfsubmit.evaluation.evaluate import Evaluation
from dfsubmit.evaluation.reports.tables import number, span
from dfsubmit.intervals.quantiles import UNKNOWN
from dfsubmit.labels import FAKE, REAL
from dfsubmit.metrics import TITLES
from dfsubmit.records import Status
from dfsubmit.report import figures
from dfsubmit.report.content import Entry, Run, has_curve, scored_p_fake
from dfsubmit.report.texts import Words

Facts = list[tuple[str, object]]
STAGES = ("decode", "detect", "classify")


class Tile(NamedTuple):
    """A number of the overview, what it counts, its class in the style sheet, and its interval."""

    figure: object
    what: str
    style: str = ""
    more: str = ""


def overview(run: Run, entries: Sequence[Entry], t: Words) -> dict[str, Any]:
    """The template's values for the section "overview"."""
    failed = sum(not entry.scored for entry in entries)
    given = [sum(entry.result.label == label for entry in entries) for label in (FAKE, REAL)]
    tiles = [
        Tile(len(entries), t("files")),
        Tile(given[0], t("predicted_fake"), "fake"),
        Tile(given[1], t("predicted_real"), "real"),
        Tile(failed, t("failed"), "failed" if failed else ""),
    ]
    if run.evaluation is not None:
        tiles += [
            Tile(value, TITLES[name], more=interval)
            for name in ("macro_f1", "auc")
            for value, interval in [_cell(run.evaluation, name)]
        ]
    return {
        "tiles": tiles,
        "warnings": _warnings(run.meta),
        "what_was_run": _what_was_run(run, t),
        "statuses": _statuses(entries, t),
        **_distribution(run, entries, t),
        **_time(run, entries, t),
    }


def _warnings(meta: dict[str, Any]) -> list[str]:
    failures = meta.get("plugin_failures") or {}
    return [
        *map(str, meta.get("warnings") or []),
        *(f"{name}: {error}" for name, error in failures.items()),
    ]


def _what_was_run(run: Run, t: Words) -> Facts:
    meta, model = run.meta, run.meta.get("model") or {}
    if not meta:
        return [(t("threshold"), f"{run.decision.threshold:g}")]
    recipe = meta.get("recipe") or {}
    name = model.get("name", "?")
    facts: Facts = [
        (t("model"), t("untrained", name=name) if model.get("untrained") else name),
        (t("fake_class"), model.get("fake_class", "?")),
        (t("recipe"), t("recipe_is", **{key: recipe.get(key, "?") for key in _RECIPE})),
        (t("aggregator"), meta.get("aggregator", "?")),
        (t("threshold"), f"{run.decision.threshold:g}"),
    ]
    if run.decision.temperature != 1:
        facts.append((t("temperature"), f"{run.decision.temperature:g}"))
    facts += [
        (t("device"), f"{meta.get('device', '?')}, {meta.get('precision', '?')}"),
        (t("loader"), model.get("loader", "?")),
    ]
    if meta.get("tta", "none") != "none":
        facts.append((t("tta"), meta["tta"]))
    packages = meta.get("packages") or {}
    shown = [f"{key} {value}" for key, value in packages.items() if key in _PACKAGES]
    return [
        *facts,
        (t("started"), _moment(meta)),
        (t("versions"), ", ".join([f"dfsubmit {meta.get('dfsubmit', '?')}", *shown])),
        (t("hash"), Markup("<code>{}</code>").format(str(model.get("sha256", "?"))[:16] + "…")),
    ]


_RECIPE = ("name", "frames", "detector", "margin")
_PACKAGES = ("torch", "transformers", "numpy", "opencv-python", "opencv-python-headless")


def _moment(meta: dict[str, Any]) -> str:
    return str(meta.get("started", "?"))[:16].replace("T", " ") + " UTC"


def subtitle(run: Run, t: Words) -> str:
    """The line below the page's title."""
    if not run.meta:
        return t("run_unknown")
    return t("run_of", started=_moment(run.meta))


def _statuses(entries: Sequence[Entry], t: Words) -> list[dict[str, Any]]:
    rows = []
    for status in (None, *Status):
        some = [entry.result for entry in entries if status in (None, entry.result.status)]
        if some:
            row = {
                "value": status.value if status else "",
                "name": t(f"status_{status.value}") if status else t("all"),
                "files": len(some),
                "real": sum(result.label == REAL for result in some),
                "fake": sum(result.label == FAKE for result in some),
            }
            rows.append(row)
    return [*rows[1:], rows[0]]


def _distribution(run: Run, entries: Sequence[Entry], t: Words) -> dict[str, Any]:
    values = scored_p_fake(entries)
    if not len(values):
        return {"distribution": None}
    threshold = run.decision.threshold
    known = run.evaluation is not None
    keys = [
        (REAL, "real", t("true_label", label=t("real")) if known else t("predicted_real")),
        (FAKE, "fake", t("true_label", label=t("fake")) if known else t("predicted_fake")),
        (None, "other", t("no_truth")),
    ]
    series = []
    for label, style, name in keys:
        of_label = [e for e in entries if (e.truth if known else e.result.label) == label]
        if label is not None or len(scored_p_fake(of_label)):
            series.append((style, name, scored_p_fake(of_label)))
    above = int((values > threshold).sum())
    words = {
        "alt": t(
            "distribution_alt",
            count=len(values),
            above=above,
            below=len(values) - above,
            threshold=f"{threshold:g}",
        ),
        "x": t("p_fake"),
        "y": t("number_of_files"),
        "threshold": t("threshold_is", value=f"{threshold:g}"),
    }
    return {
        "distribution": figures.histogram(series, threshold, words),
        "distribution_keys": [(style, name) for style, name, _ in series],
        "distribution_caption": t("distribution_caption", count=len(values)),
    }


def _time(run: Run, entries: Sequence[Entry], t: Words) -> dict[str, Any]:
    work = {
        stage: sum(entry.result.seconds.get(stage, 0.0) for entry in entries) for stage in STAGES
    }
    total = sum(work.values())
    keys = [
        {
            "style": stage,
            "name": t(f"stage_{stage}"),
            "value": f"{duration(work[stage])} ({work[stage] / total:.0%})",
        }
        for stage in STAGES
        if total
    ]
    seconds = run.meta.get("seconds") or {}
    times: Facts = [
        (t(name), duration(float(seconds[key])))
        for key, name in (
            ("total", "total_time"),
            ("load", "load_time"),
            ("model_waited", "model_waited"),
            ("workers_waited", "workers_waited"),
        )
        if key in seconds
    ]
    if run.meta.get("resumed"):
        times.append((t("resumed"), run.meta["resumed"]))
    shares = ", ".join(f"{key['name']} {work[key['style']] / total:.0%}" for key in keys)
    drawn = figures.shares(
        [(stage, work[stage]) for stage in STAGES], t("shares_alt", shares=shares)
    )
    return {"time_shares": drawn if total else None, "time_keys": keys, "times": times}


def evaluated(runs: Sequence[Run], t: Words) -> dict[str, Any]:
    """The template's values for the section "evaluation", of runs that were evaluated."""
    known = [(run, run.evaluation) for run in runs if run.evaluation is not None]
    first = known[0][1]
    head = t("evaluated", files=first.overall.files, fakes=first.overall.fakes)
    if unlabelled := len(known[0][0].results) - first.overall.files:
        head += " " + t("unlabelled", count=unlabelled)
    if first.in_sample:
        head += " " + t("in_sample", count=first.in_sample)
    curves = []
    for style, (run, evaluation) in zip(("first", "second"), known, strict=False):
        if has_curve(evaluation.predictions):
            name = f"{run.name}: " if len(known) > 1 else ""
            legend = f"{name}AUC {number(evaluation.overall.metrics['auc'])}"
            curves.append((style, legend, evaluation.predictions))
    alt = t("roc_alt", auc=", ".join(number(item.overall.metrics["auc"]) for _, item in known))
    return {
        "head": head,
        "runs": [run.name for run, _ in known],
        "metrics": [
            {"name": title, "cells": [_cell(evaluation, name) for _, evaluation in known]}
            for name, title in TITLES.items()
        ],
        "confusions": [(run.name, evaluation.confusion) for run, evaluation in known],
        "roc": figures.roc(curves, {"alt": alt, "x": t("fpr"), "y": t("tpr")}) if curves else None,
    }


def _cell(evaluation: Evaluation, name: str) -> tuple[str, str]:
    overall = evaluation.overall
    return number(overall.metrics[name]), span(*overall.intervals.get(name, UNKNOWN))


def compared(run: Run, other: Run, entries: Sequence[Entry], t: Words) -> dict[str, Any]:
    """The template's values for the section "compared"."""
    changed = [entry for entry in entries if entry.changed]
    moves = [entry.change for entry in entries if entry.change is not None]
    to_fake = sum(entry.result.label == REAL for entry in changed)
    points = [
        (entry.result.p_fake, entry.other.p_fake, entry.changed)
        for entry in entries
        if entry.result.p_fake is not None
        and entry.other is not None
        and entry.other.p_fake is not None
    ]
    both = {entry.result.filename for entry in entries if entry.other is not None}
    alone = len(entries) - len(both), len(other.results) - len(both)
    words = {
        "alt": t("scatter_alt", count=len(points), changed=len(changed)),
        "x": run.name,
        "y": other.name,
    }
    thresholds = run.decision.threshold, other.decision.threshold
    ours, theirs = (dict(_what_was_run(item, t)) for item in (run, other))
    return {
        "tiles": [
            Tile(len(changed), t("labels_changed")),
            Tile(to_fake, t("real_to_fake"), "fake"),
            Tile(len(changed) - to_fake, t("fake_to_real"), "real"),
            Tile(f"{np.mean(np.abs(moves)):.3f}" if moves else "–", t("mean_change")),
        ],
        "scatter": figures.scatter(points, thresholds, words) if points else None,
        "differences": [
            (name, ours.get(name, "–"), theirs.get(name, "–"))
            for name in dict.fromkeys([*ours, *theirs])
            if ours.get(name) != theirs.get(name)
        ],
        "missing": t("files_alone", first=alone[0], second=alone[1]) if any(alone) else "",
    }
