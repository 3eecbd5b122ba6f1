"""``dfsubmit report``: scores files → a page on disk.

In: `ReportOptions`. Out: `Made`: where the page lies, and what has to be said of it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dfsubmit.console import counted
from dfsubmit.errors import UsageError
from dfsubmit.faces.pictures import read_pictures
from dfsubmit.faces.settings import ScanSettings
from dfsubmit.files import check_output, write_atomically
from dfsubmit.hooks.loading import load_plugins
from dfsubmit.options import pictures_path
from dfsubmit.report.collect import find_files, scan_settings, take_pictures
from dfsubmit.report.content import Entry, Run, find_labels, make_entries, read_run
from dfsubmit.report.gallery import FEW, FilePictures, Gallery, fitting
from dfsubmit.report.page import Page, render
from dfsubmit.report.texts import Words, default_language

if TYPE_CHECKING:
    from dfsubmit.report.heatmaps import Drawn

PAGE_BYTES = 20_000_000
"""The most that a page may have; pictures that do not fit are left out, and it says so."""
LIST_SHARE = 0.6
"""The most that rows may take of it, pictures left out."""
_FIXED, _PER_FILE, _PER_FRAME = 60_000, 1_500, 70
"""What its text takes, so that pictures can be chosen before it is written."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class ReportOptions:
    """What to show of which run.

    Attributes:
        scores: one ``.scores.jsonl``, or two, of which the first one's files are shown.
        data: the folder that the run scored, for pictures that it did not take.
        labels: a CSV with the true labels; None takes those of folders called real and fake.
        model: a model folder, where the metadata do not say what its input is.
        output: the page; None: ``<stem>.report.html`` beside the scores.
        faces: show pictures.
        assets: a folder for the pictures; None puts them into the page.
        attention: the number of files for which to show where the model looked.
        language: "en" or "ko"; None: by the locale.
        plugins_dir, strict: as of a run.
        progress: show progress bars on stderr.
    """

    scores: Sequence[str | Path]
    data: str | Path | None = None
    labels: str | Path | None = None
    model: str | Path | None = None
    output: str | Path | None = None
    faces: bool = True
    assets: str | Path | None = None
    attention: int = 0
    language: str | None = None
    plugins_dir: tuple[str, ...] = ()
    strict: bool = False
    progress: bool = True


@dataclass(frozen=True)
class Made:
    """A page that was made.

    Attributes:
        path: of the page.
        size: its bytes, without those of pictures beside it.
        notes: what its top says, the note on faces left out.
    """

    path: Path
    size: int
    notes: list[str]


def report_path(scores: Path) -> Path:
    """Where the page of a run lies: beside its scores."""
    return scores.with_name(scores.name.removesuffix(".scores.jsonl") + ".report.html")


def make_report(options: ReportOptions, say: Say = lambda line: None) -> Made:
    """Make the page of one run, or of two side by side.

    Args:
        options: what to show.
        say: receives what takes time, a line at a time.

    Raises:
        UsageError: a file cannot be read or written, or does not fit the others.
    """
    scores = [Path(path) for path in options.scores]
    if not 1 <= len(scores) <= 2:
        raise UsageError(f"{len(scores)} scores files", "give one, or two to compare")
    output = Path(options.output) if options.output else report_path(scores[0])
    check_output(output)
    labels = find_labels(scores[0], options.labels)
    run, *rest = [read_run(path, labels, options.progress) for path in scores]
    other = rest[0] if rest else None
    entries = make_entries(run, labels, other)
    language = options.language or default_language()
    beside = options.assets is not None
    page = Page(run, other, entries, faces=options.faces, beside=beside, language=language)
    with tempfile.TemporaryDirectory(prefix="dfsubmit-report-") as temporary:
        return _write(options, page, output, Path(temporary), say)


def _write(options: ReportOptions, page: Page, output: Path, temporary: Path, say: Say) -> Made:
    t = Words(page.language)
    folders = [_kept(page.run.path), temporary]
    assets = Path(options.assets) if options.assets else None
    # First, since it refuses another model than the run's before anything is scanned.
    drawn = _looks(options, page, say) if options.attention else {}
    notes = _fill(options, page, folders, t, say) if options.faces else []
    listed = _listed(page.entries)
    if len(listed) < len(page.entries):
        notes.append(t("listed", count=len(listed), all=len(page.entries)))
    room = PAGE_BYTES - _FIXED - sum(map(_text_bytes, listed))
    while True:
        gallery = Gallery(output, assets, room)
        looked = {number: gallery.looks(number, some) for number, some in drawn.items()}
        pictures = gallery.hang(listed, folders) if options.faces else {}
        partly = _partly(listed, pictures, t)
        filled = replace(
            page, listed=listed, pictures=pictures, looked=looked, notes=notes + partly
        )
        text = render(filled).encode()
        if len(text) <= PAGE_BYTES or not pictures or assets is not None:
            break
        room -= len(text) - PAGE_BYTES  # the estimate of the text was too low
    try:
        write_atomically(output, text)
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror or error}") from error
    return Made(output, len(text), notes + partly)


def _text_bytes(entry: Entry) -> int:
    return _PER_FILE + _PER_FRAME * len(entry.result.frames)


def _listed(entries: Sequence[Entry]) -> list[Entry]:
    """The files that get a row, in the order of the page: all, or those that matter most, as far
    as `LIST_SHARE` of the page lasts. No browser scrolls through a million."""
    room = LIST_SHARE * PAGE_BYTES
    chosen: set[int] = set()
    for entry in sorted(entries, key=lambda entry: entry.matters):
        room -= _text_bytes(entry)
        if room < 0:
            break
        chosen.add(entry.number)
    return [entry for entry in entries if entry.number in chosen]


def _kept(scores: Path) -> Path:
    """The folder of the pictures that a run took."""
    return pictures_path(scores.with_name(scores.name.removesuffix(".scores.jsonl") + ".csv"))


def _settings(options: ReportOptions, run: Run) -> ScanSettings:
    plugins = load_plugins(options.plugins_dir, options.strict)
    return scan_settings(run.meta, options.model, plugins)


def _fill(
    options: ReportOptions, page: Page, folders: Sequence[Path], t: Words, say: Say
) -> list[str]:
    """Take the pictures that the run did not take, where its files are given; what to say of it."""
    missing = [entry for entry in page.entries if not _has_pictures(entry, folders)]
    # What never decoded has no picture, and a second look would find none either.
    missing = [e for e in missing if e.result.frames_decoded or e.result.frames]
    if not missing:
        return []
    if options.data is None:
        return [t("not_scanned", count=len(missing))]
    settings = _settings(options, page.run)
    files = find_files(missing, Path(options.data))
    say(f"the run kept no pictures of {counted(len(files), 'file')}: scanning again")
    take_pictures(missing, files, settings, folders[-1], options.progress)
    notes = [t("scanned_again", count=len(files))]
    if len(files) < len(missing):
        notes.append(t("not_scanned", count=len(missing) - len(files)))
    if settings.resize is None:
        notes.append(t("as_cut"))
    return notes


def _looks(options: ReportOptions, page: Page, say: Say) -> dict[int, list[Drawn]]:
    """Where the model looked, in the files that matter most."""
    if options.data is None or options.model is None or not options.faces:
        raise UsageError(
            "--attention needs the files, the model and their pictures",
            "give --data DIR and --model DIR, and leave --no-faces away",
        )
    from dfsubmit.report.heatmaps import draw_heatmaps, most_wanted  # imports torch

    files = find_files(most_wanted(page.entries, options.attention), Path(options.data))
    say(f"looking into {counted(len(files), 'file')} with {options.model}")
    settings = _settings(options, page.run)
    return draw_heatmaps(Path(options.model), page.run.meta, files, settings, options.progress)


def _has_pictures(entry: Entry, folders: Sequence[Path]) -> bool:
    found = (read_pictures(folder, entry.result.filename) for folder in folders)
    return any(item is not None and fitting(entry, item) is not None for item in found)


def _partly(entries: Sequence[Entry], pictures: dict[int, FilePictures], t: Words) -> list[str]:
    """The note that not all faces are shown; empty where they are."""
    shown = [entry for entry in entries if entry.number in pictures and entry.result.frames]
    full = sum(len(pictures[e.number].crops) == len(e.result.frames) for e in shown)
    return [] if full == len(shown) else [t("some_pictures", count=full, few=FEW)]
