"""Everything the page shows → one HTML document.

In: runs, their files and the pictures that were chosen. Out: HTML that asks nothing of any network:
its policy allows its own style sheet and script, by their hashes, and pictures.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from dfsubmit._version import __version__
from dfsubmit.console import printable
from dfsubmit.report import figures, view
from dfsubmit.report.content import Entry, Run, mistakes
from dfsubmit.report.gallery import FilePictures, Look
from dfsubmit.report.texts import Words

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Page:
    """What a page is made of.

    Attributes:
        run, other: one run, and a second one beside it or None.
        entries: the first run's files, in the order in which they are shown.
        listed: those of them that have a row; None: all.
        pictures: by the files' numbers.
        looked: where the model looked, by the files' numbers.
        faces: whether pictures are shown at all.
        beside: whether pictures lie in files beside the page.
        notes: what has to be said at the top.
        language: of `texts.LANGUAGES`.
    """

    run: Run
    other: Run | None
    entries: Sequence[Entry]
    listed: Sequence[Entry] | None = None
    pictures: Mapping[int, FilePictures] = field(default_factory=dict)
    looked: Mapping[int, Sequence[Look]] = field(default_factory=dict)
    faces: bool = True
    beside: bool = False
    notes: Sequence[str] = ()
    language: str = "en"


def render(page: Page) -> str:
    """The page as HTML."""
    t = Words(page.language)
    run, other = page.run, page.other
    style, script = (_source(name) for name in ("style.css", "script.js"))
    runs = [run] if other is None else [run, other]
    two = None if other is None else t("title_two", first=run.name, second=other.name)
    return (
        _environment()
        .get_template("page.html")
        .render(
            t=t,
            lang=page.language,
            title=two or run.name,
            subtitle=view.subtitle(run, t),
            policy=_policy(style, script, page.beside),
            style=Markup(style),
            script=Markup(script),
            version=__version__,
            faces=page.faces,
            notes=page.notes,
            run=run,
            other=other,
            entries=page.entries if page.listed is None else page.listed,
            pictures=page.pictures,
            looked=page.looked,
            mistakes=mistakes(page.entries) if run.evaluation else [],
            evaluated=view.evaluated(runs, t) if run.evaluation else None,
            compared=view.compared(run, other, page.entries, t) if other else None,
            bar=figures.bar,
            sparkline=figures.sparkline,
            timeline=lambda entry: _timeline(entry, t),
            timeline_caption=lambda entry: _timeline_caption(entry, run, t),
            file_facts=lambda entry: _file_facts(entry, other, t),
            **view.overview(run, page.entries, t),
        )
    )


@functools.cache
def _environment() -> Environment:
    # Autoescape for all: names of files are hostile, and StrictUndefined lets no slip pass.
    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["printable"] = printable
    return environment


def _source(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _policy(style: str, script: str, beside: bool) -> str:
    def digest(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")

    pictures = "data: 'self'" if beside else "data:"
    return (
        f"default-src 'none'; style-src 'sha256-{digest(style)}'; "
        f"script-src 'sha256-{digest(script)}'; img-src {pictures}; "
        "base-uri 'none'; form-action 'none'"
    )


def _timeline(entry: Entry, t: Words) -> Markup:
    value, p_fake = entry.result.p_fake, entry.p_fake
    return figures.timeline(
        entry.times,
        p_fake,
        entry.threshold,
        value,
        {
            "alt": t(
                "timeline_alt",
                count=len(p_fake),
                last=f"{entry.times[-1]:.2f}",
                low=f"{p_fake.min():.3f}",
                high=f"{p_fake.max():.3f}",
                threshold=f"{entry.threshold:g}",
            ),
            "x": t("seconds"),
            "threshold": t("threshold_is", value=f"{entry.threshold:g}"),
            "aggregate": t("aggregate_is", value="" if value is None else f"{value:.3f}"),
        },
    )


def _timeline_caption(entry: Entry, run: Run, t: Words) -> str:
    count = len(entry.p_fake)
    if run.decision.temperature == 1:
        return t("timeline_caption", count=count)
    temperature = f"{run.decision.temperature:g}"
    return t("timeline_tempered", count=count, temperature=temperature)


def _file_facts(entry: Entry, other: Run | None, t: Words) -> view.Facts:
    result = entry.result
    frames = [
        t(
            "frames_are",
            asked=result.frames_asked,
            decoded=result.frames_decoded,
            faces=result.frames_with_face,
        )
    ]
    if result.frames_lost:
        frames.append(t("frames_lost", count=result.frames_lost))
    if result.frames_skipped:
        frames.append(t("frames_skipped", count=result.frames_skipped))
    if result.thinned:
        frames.append(t("thinned"))
    facts: view.Facts = []
    if result.p_fake is not None:
        facts.append((t("exact"), f"{result.p_fake:.6f}"))
    if other is not None and entry.other is not None and entry.other.p_fake is not None:
        facts.append((t("exact_other", name=other.name), f"{entry.other.p_fake:.6f}"))
    facts.append((t("frames"), "; ".join(frames)))
    stages = [(stage, result.seconds.get(stage, 0.0)) for stage in view.STAGES]
    facts.append((t("work"), ", ".join(f"{t('stage_' + s)} {value:.2f}" for s, value in stages)))
    if result.note:
        facts.append((t("note"), printable(result.note)))
    if result.aggregator_fallback:
        facts.append((t("fallback_note"), printable(result.error)))
    return facts
