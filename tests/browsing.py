"""A page of `dfsubmit report` in Chromium, and what a page of many files needs."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scores_samples import make_failure, make_result

from dfsubmit.faces.pictures import Picture, Pictures, encode, write_pictures
from dfsubmit.options import picture_file
from dfsubmit.output.scores import write_scores
from dfsubmit.records import FileResult, Status

REPOSITORY = Path(__file__).resolve().parents[1]
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def chromium() -> str | None:
    """The installed browser: $CHROMIUM, or Debian's by its name."""
    named = os.environ.get("CHROMIUM")
    return named or next((path for path in map(shutil.which, _BROWSERS) if path), None)


def axe_core() -> Path | None:
    """axe-core's script as .ci/run fetches it, or as $AXE_CORE names it."""
    path = Path(os.environ.get("AXE_CORE", REPOSITORY / ".axe-core" / "package" / "axe.min.js"))
    return path if path.is_file() else None


@dataclass
class Visit:
    """A page that is open, and what went wrong on it.

    Attributes:
        page: playwright's.
        errors: what the console and the page's script complained of, and dialogs.
        requests: every address that was asked for, but for data in the page.
    """

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def names(self) -> list[str]:
        """The names of the files that are shown, from the top."""
        # Their inner text is empty where they are out of sight (content-visibility).
        names: list[str] = self.page.locator("tbody.file:not([hidden]) .name").all_text_contents()
        return names

    def reload(self) -> None:
        """The page anew, with the hash that it has now."""
        self.page.reload()
        self.wait()

    def until(self, expression: str) -> None:
        """Wait until JavaScript is true (playwright's own way needs eval, which the page forbids).

        Raises:
            AssertionError: it was not for 30 s.
        """
        end = time.monotonic() + 30
        while not self.page.evaluate(expression):
            assert time.monotonic() < end, expression
            time.sleep(0.02)

    def wait(self) -> None:
        """Until the page's script has finished its first work."""
        self.page.wait_for_selector("html[data-ready]", state="attached")


@contextmanager
def visit(
    browser: Any, path: Path, fragment: str = "", script: bool = True, **context: Any
) -> Iterator[Visit]:
    """A page in a context of its own; afterwards nothing may have gone wrong, and nothing but the
    page and its pictures may have been asked for.

    Args:
        browser: playwright's.
        path: of the page.
        fragment: of the address, with its "#".
        script: whether JavaScript is on.
        context: more of ``browser.new_context``.
    """
    inside = browser.new_context(java_script_enabled=script, **context)
    page = inside.new_page()
    page.set_default_timeout(30_000)
    seen = Visit(page)

    def remember(request: Any) -> None:
        if not request.url.startswith("data:"):
            seen.requests.append(request.url)

    def complain(dialog: Any) -> None:
        seen.errors.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    page.on("request", remember)
    page.on("dialog", complain)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on(
        "console",
        lambda told: seen.errors.append(told.text) if told.type in ("error", "warning") else None,
    )
    page.goto(path.as_uri() + fragment)
    if script:
        seen.wait()
    yield seen
    assert seen.errors == []
    beside = path.parent.as_uri() + "/"
    assert [address for address in seen.requests if not address.startswith(beside)] == []
    inside.close()


def synthetic_run(folder: Path, names: list[str], pictures: bool = True) -> Path:
    """A run of files with those names, every fifth of which has no face, with its labels.

    Returns:
        Its scores; ``labels.csv`` lies beside them. Frame probabilities rise from file to file.
    """
    results: list[FileResult] = []
    truth = ["filename,label"]
    random = np.random.default_rng(0)
    for number, name in enumerate(names):
        share = (number + 0.5) / len(names)
        if number % 5 == 4:
            result = make_failure(name, status=Status.NO_FACE)
            result.error = "no face in any of 12 frames"
        else:
            p = np.clip(share + 0.02 * random.standard_normal(12), 0, 1)
            result = make_result(name, [round(float(value), 4) for value in p])
        results.append(result)
        label = int(share > 0.6) if number % 7 else int(share <= 0.6)
        truth.append(f'"{name.replace(chr(34), chr(34) * 2)}",{label}')
        if pictures:
            _write_pictures(folder / "run.pictures", result, number)
    folder.mkdir(exist_ok=True)
    scores = folder / "run.scores.jsonl"
    write_scores(scores, results)
    (folder / "labels.csv").write_text("\n".join(truth) + "\n", encoding="utf-8")
    return scores


def _write_pictures(folder: Path, result: FileResult, number: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[0:54, 0:96]
    frame = np.stack([rows * 4, columns * 2, np.full_like(rows, number * 9 % 256)], axis=2)
    small = encode(frame.astype(np.uint8), 96)
    crops = tuple(
        Picture(f.index, f.time, f.box, f.detection, (96, 54), small) for f in result.frames[:4]
    )
    box = (30, 8, 66, 44) if result.frames else None
    whole = Picture(0, 0.0, box, 1.0 if box else 0.0, (96, 54), small)
    write_pictures(picture_file(folder, result.filename), Pictures(crops, whole, small))
