"""The working folder of a stress test: degraded media in, the scores of each variant out.

One subfolder per variant. A finished variant is reused while files, model and options are the same;
an interrupted one resumes, file by file.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dfsubmit.console import counted, first_few, progress_bar
from dfsubmit.errors import DfsubmitError, Exit
from dfsubmit.evaluation.stress.degrade import VARIANTS
from dfsubmit.evaluation.stress.degrading import degraded
from dfsubmit.files import write_atomically
from dfsubmit.machine import available_cpus
from dfsubmit.models.choice import effective_recipe
from dfsubmit.models.folder import open_model
from dfsubmit.options import RunOptions
from dfsubmit.output.scores import read_scores, scores_path
from dfsubmit.records import MediaFile, Status
from dfsubmit.scoring.decision import read_decision

CLEAN = "clean"
_DONE = "done"
# What changes scores or labels, besides the model, its recipe and its decision.
_OPTIONS = (
    "aggregator", "loader", "device", "precision", "fake_label", "failure_label", "no_face", "tta",
    "threshold", "raw",
)  # fmt: skip


class StressBench:
    """The working folder, and what decides whether something in it is still good.

    Args:
        options: of a run.
        files: to score.
        folder: the working folder.
        seed: of the noise.
        keep_media: keep the degraded files, for another model with the same number of frames.
    """

    def __init__(
        self,
        options: RunOptions,
        files: Sequence[MediaFile],
        folder: Path,
        seed: int = 0,
        keep_media: bool = False,
    ) -> None:
        model = open_model(options.model)
        self.recipe = effective_recipe(model, options)[0]
        self.options, self.files, self.folder = options, files, folder
        self.seed, self.keep_media = seed, keep_media
        self.media_key = {
            "files": [(file.name, file.size, file.mtime_ns) for file in files],
            "frames": self.recipe.frames,
            "seed": seed,
        }
        decision = read_decision(model.path)
        self.key = {
            **self.media_key,
            "model": model.sha256,
            "recipe": self.recipe.to_dict(),
            "decision": None if decision is None else dataclasses.asdict(decision),
            "options": {name: getattr(options, name) for name in _OPTIONS},
        }

    def scores(self, name: str) -> Path:
        """The scores of a variant."""
        return scores_path(self.folder / name / "submission.csv")

    def score(self, name: str, say: Callable[[str], None]) -> None:
        """Degrade and score one variant, unless that is done.

        Raises:
            DfsubmitError: the model cannot be loaded, or the work was interrupted.
        """
        place = self.folder / name
        done, media = place / _DONE, place / "media"
        key = _digest(self.key | {"variant": name, "how": str(VARIANTS.get(name))})
        if _content(done) == key:
            return
        done.unlink(missing_ok=True)
        place.mkdir(parents=True, exist_ok=True)
        self._make_media(name, media, say)
        self._run(name, media, say if name == CLEAN else lambda line: None)
        write_atomically(done, key)
        # Frames all but losslessly encoded take much space.
        if not self.keep_media:
            shutil.rmtree(media, ignore_errors=True)

    def _run(self, name: str, media: Path, say: Callable[[str], None]) -> None:
        from dfsubmit.pipeline import run

        options = dataclasses.replace(
            self.options,
            data=media,
            output=self.folder / name / "submission.csv",
            fallback=None,
            early_exit=False,
            resume=True,
        )
        if run(options, say).exit_code == Exit.INTERRUPTED:
            raise DfsubmitError("interrupted", "the same command goes on here", Exit.INTERRUPTED)

    def _make_media(self, name: str, media: Path, say: Callable[[str], None]) -> None:
        """The variant's files; those that are there already stay."""
        key, stamp = _digest(self.media_key | {"how": str(VARIANTS.get(name))}), media / ".made"
        if _content(stamp) != key:
            shutil.rmtree(media, ignore_errors=True)
            media.mkdir()
            write_atomically(stamp, key)
        todo = [file for file in self.files if not os.path.lexists(media / file.name)]
        usable = set() if name == CLEAN else self._usable()
        broken = [file for file in todo if file.name not in usable]
        for file in broken:
            (media / file.name).symlink_to(file.path.absolute())
        if name == CLEAN:
            return
        failed = self._degrade([file for file in todo if file.name in usable], media, name)
        if failed:
            files = counted(len(failed), "file")
            say(f"{name}: {files} scored without being changed: {first_few(failed)}")

    def _usable(self) -> set[str]:
        """Files that the clean run could decode: only these can be degraded."""
        fine = (Status.OK, Status.NO_FACE)
        return {
            result.filename for result in read_scores(self.scores(CLEAN)) if result.status in fine
        }

    def _degrade(self, files: Sequence[MediaFile], media: Path, name: str) -> list[str]:
        """Degrade files in as many processes as the run has workers; those that will not be
        degraded are linked as they are, and returned with the reason."""
        failed = []
        workers = self.options.workers or available_cpus()
        finished = degraded(files, media, VARIANTS[name], self.recipe.frames, self.seed, workers)
        with progress_bar(len(files), f"files, {name}", self.options.progress) as bar:
            for file, reason in finished:
                if reason:
                    failed.append(f"{file.name!r} ({reason})")
                    (media / file.name).symlink_to(file.path.absolute())
                bar.update()
        return failed


def _digest(key: Mapping[str, Any]) -> str:
    text = json.dumps(key, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
