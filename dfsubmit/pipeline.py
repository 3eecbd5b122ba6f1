"""The pipeline: a folder of media → ``submission.csv``, each step in its turn.

In: `RunOptions`. Out: files on disk, and a `RunSummary`. This module only connects the steps: model
→ listing → output → workers → engine → aggregation → rows.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dfsubmit.console import progress_bar
from dfsubmit.errors import DfsubmitError, Exit
from dfsubmit.hooks.interfaces import BoundAggregator
from dfsubmit.hooks.loading import Plugins, load_plugins
from dfsubmit.interrupt import Interrupt, Interrupted
from dfsubmit.machine import available_cpus, check_open_files
from dfsubmit.media.listing import files_to_score
from dfsubmit.media.names import not_utf8_problem
from dfsubmit.models.arithmetic import let_threads_sleep
from dfsubmit.models.choice import ChosenModel, choose_model
from dfsubmit.options import RunOptions
from dfsubmit.output.features import check_features
from dfsubmit.output.metadata import describe_arithmetic, describe_outcome, describe_run
from dfsubmit.output.recheck import what_changed
from dfsubmit.output.run_files import RunOutput
from dfsubmit.output.summary import RunSummary
from dfsubmit.output.tally import Tally
from dfsubmit.output.verdict import verdict
from dfsubmit.records import LABELS, FileResult, MediaFile, Status
from dfsubmit.scoring.classifier import Classifier
from dfsubmit.scoring.decision import Decision, decision_for
from dfsubmit.scoring.earlyexit import EarlyExit
from dfsubmit.scoring.engine import Engine
from dfsubmit.scoring.first_faces import show_faces
from dfsubmit.scoring.rows import RowMaker
from dfsubmit.scoring.showing import RunView
from dfsubmit.scoring.timelimit import TimePlan, deadline
from dfsubmit.scoring.waiting import Waiting
from dfsubmit.workers.events import Visit
from dfsubmit.workers.pool import WorkerPool

LISTING_SECONDS = 30.0
Say = Callable[[str], None]


def run(options: RunOptions, say: Say = lambda line: None) -> RunSummary:
    """Score a folder and write the submission.

    Args:
        options: what to do.
        say: receives what the user should know while the run goes on, a line at a time.

    Raises:
        DfsubmitError: nothing could be done; the message says why and the hint what to do.
    """
    started = time.monotonic()
    options.check()
    plugins = load_plugins(options.plugins_dir, options.strict)
    aggregator = plugins.aggregator(options.aggregator)
    early_exit = EarlyExit.for_run(options.early_exit, aggregator)
    if options.early_exit and not early_exit.active:
        say(f"{aggregator.spec} declares no bounds: early exit has no effect with it")
    listed, passed_over = files_to_score(options.data, options.recursive)
    shard = options.shard
    files = [file for file in listed if shard is None or shard.holds(file.name)]
    end = None if options.time_limit is None else deadline(options.time_limit, started)
    workers = options.workers or available_cpus() + early_exit.spare_workers
    workers = min(workers, max(len(files), 1))
    check_open_files(workers)
    output = RunOutput(options.submission, files, LABELS[options.failure_label])
    with (
        contextlib.closing(output),
        Interrupt(end) as interrupt,
        WorkerPool(None, workers, options.per_file_timeout) as pool,
    ):
        output.provide()
        let_threads_sleep()
        pool.start()
        try:
            chosen, rows = interrupt.guard(_choose)(options, plugins, aggregator)
        except Interrupted:
            raise _stopped_too_early(interrupt) from None
        except Exception:
            output.withdraw()
            raise
        unreadable = not_utf8_problem((file.name for file in files), Path(options.data))
        chosen.warnings += [unreadable] if unreadable else []
        for warning in chosen.warnings:
            say(f"warning: {warning}")
        say(
            f"{chosen.folder.name}: class {chosen.fake_index} ({chosen.fake_class!r}) is fake; "
            f"recipe {chosen.recipe.name}; aggregator {aggregator.spec}; "
            f"{chosen.model.device}, {chosen.model.precision}"
        )
        meta = describe_run(
            options, chosen, plugins, aggregator, rows.decision, early_exit.active, passed_over,
            None if shard is None else shard.record(file.name for file in listed),
        )  # fmt: skip
        plan = None if end is None else TimePlan(end, chosen.recipe.frames, options.min_frames)
        pool.settings = chosen.scan_settings(options.no_face)
        job = _Run(options, chosen, rows, early_exit, plan, pool, output, interrupt, say, started)
        return job.score(files, listed, meta)


def _choose(
    options: RunOptions, plugins: Plugins, aggregator: BoundAggregator
) -> tuple[ChosenModel, RowMaker]:
    """The model, and how its probabilities become labels (by its calibration; not with --raw)."""
    chosen = choose_model(options, plugins)
    decision = Decision(aggregator.spec)
    if not options.raw:
        decision, warning = decision_for(chosen.folder.path, aggregator.spec)
        chosen.warnings += [warning] if warning else []
    check_features(options, chosen)
    if options.threshold is not None:
        decision = dataclasses.replace(decision, threshold=options.threshold)
    return chosen, RowMaker(aggregator, decision, LABELS[options.failure_label])


def _stopped_too_early(interrupt: Interrupt) -> DfsubmitError:
    hint = "the submission there is complete, but its rows are provisional"
    if interrupt.requested:
        return DfsubmitError("stopped while the model was loading", hint, Exit.INTERRUPTED)
    return DfsubmitError("--time-limit is over before the model is loaded", hint)


@dataclass
class _Run:
    """A run whose model is loaded."""

    options: RunOptions
    chosen: ChosenModel
    rows: RowMaker
    early_exit: EarlyExit
    plan: TimePlan | None
    pool: WorkerPool
    output: RunOutput
    interrupt: Interrupt
    say: Say
    started: float
    waiting: Waiting = field(default_factory=Waiting, init=False)
    aggregator_failed: bool = field(default=False, init=False)

    def score(
        self, files: list[MediaFile], listed: list[MediaFile], meta: dict[str, Any]
    ) -> RunSummary:
        """Score what is not scored yet of the run's files, and write everything."""
        output, model = self.output, self.chosen.model
        self._note_load_time()
        resumed = output.begin(
            meta, self.conditions(), self._holds if self.options.resume else None
        )
        for result in resumed:
            self.rows.decide(result)
        output.refresh(force=True)
        done = {result.filename for result in resumed}
        todo = [file for file in files if file.name not in done]
        try:
            if todo:
                # All files: a resumed run's model, and each shard's, is then the same.
                shown = self.interrupt.guard(show_faces)(model, listed, self.pool)
                output.meta["warnings"] += shown
                output.meta |= describe_arithmetic(model)
                self._note_load_time()
                self._score(todo, len(files))
        except Interrupted:
            pass  # a signal, or the end of the time limit: what is known is written
        except BaseException:
            output.refresh(force=True)
            raise
        why = ": the run was stopped"
        if self._out_of_time():
            why = f" within the time limit of {self.options.time_limit:g} s"
        results = output.results
        for result in results:
            if result.status is Status.PENDING:
                result.error = f"not reached{why}"
        output.refresh(force=True)
        fits = self._compare_with_folder(results)
        tally = Tally.of(results)
        outcome = describe_outcome(tally, self.waiting, time.monotonic() - self.started)
        output.finish(outcome, keep_journal=not fits)
        code, reason = Exit.INTERRUPTED, ""
        if not self.interrupt.requested:
            code, reason = verdict(tally, output.meta, self.options.max_failures, fits)
        return RunSummary(output.submission, tally, output.meta, int(code), reason)

    def conditions(self) -> dict[str, Any]:
        """What a file's frame scores depend on besides the file."""
        return {
            "model": self.chosen.folder.sha256,
            "recipe": self.chosen.recipe.to_dict(),
            "fake_index": self.chosen.fake_index,
            "loader": self.chosen.loader,
            "device": self.chosen.model.device,
            "precision": self.chosen.model.precision,
            "calibration": str(self.options.calibration or ""),
            "tta": self.options.tta,
            "no_face": self.options.no_face,
            **self.early_exit.conditions(self.rows),
        }

    def _holds(self, result: FileResult) -> bool:
        if self.options.keeps_features and result.status is Status.OK and result.features is None:
            return False
        # Thinned rows were the best under a time limit; without one, there is a better.
        return self.plan is not None or not result.thinned

    def _note_load_time(self) -> None:
        self.waiting.load = time.monotonic() - self.started

    def _score(self, files: list[MediaFile], total: int) -> None:
        options, chosen, plan = self.options, self.chosen, self.plan
        if plan is not None:
            files = plan.order(files)
        classifier = Classifier(
            chosen.model,
            chosen.fake_index,
            chosen.batch_size,
            options.tta,
            f"{chosen.folder.name} (model loader {chosen.loader!r})",
            self._moved,
            options.keeps_features,
        )
        view = RunView(files, chosen.recipe.frames)
        with progress_bar(total, "files", options.progress, total - len(files), view) as bar:

            def done(file: MediaFile, result: FileResult) -> None:
                self.rows.decide(result)
                self.output.add(file, result)
                if plan is not None:
                    plan.done(file, result.seconds, result.kind)
                view.done(file, result.status is not Status.OK)
                if result.aggregator_fallback and not self.aggregator_failed:
                    self.aggregator_failed = True
                    self.say(f"warning: {file.name}: the mean is used instead of {result.error}")
                bar.update()

            def should_stop() -> bool:
                self.output.refresh()
                if plan is not None:
                    plan.update()
                return self.interrupt.requested or self._out_of_time()

            view.engine = engine = Engine(
                self.pool,
                self.interrupt.guard(classifier.score),
                chosen.batch_size,
                self._visit,
                lambda frames, left: self.early_exit.more(self.rows, frames, left),
                should_stop,
                self.waiting,
            )
            engine.run(files, done)

    def _visit(self, file: MediaFile) -> Visit:
        """How much of a file to visit, asked just before it is scanned."""
        keep = self.plan.keep(file) if self.plan is not None else None
        return Visit(keep, self.early_exit.first_grant, self.options.pictures)

    def _moved(self) -> None:
        """Say that the model has left its device, and let no resumed run mix its scores."""
        output, model = self.output, self.chosen.model
        before = f"{output.meta['device']}, {output.meta['precision']}"
        warning = (
            f"{before}: not even one face fits into the device's memory; "
            f"from here on the run uses {model.device}, {model.precision}"
        )
        self.say(f"warning: {warning}")
        output.meta["warnings"].append(warning)
        output.meta |= describe_arithmetic(model)
        output.change_conditions(self.conditions())

    def _out_of_time(self) -> bool:
        return self.plan is not None and self.plan.over()

    def _compare_with_folder(self, results: list[FileResult]) -> bool:
        """Whether the folder still holds the files that the rows are about, as far as it answers;
        warns if not."""
        if not self.pool.disk_answers:
            return True  # files say so; who lists a folder on such a disk does not come back
        names = [row.filename for row in results]
        left = LISTING_SECONDS if self.plan is None else self.plan.end - time.monotonic()
        seconds = min(LISTING_SECONDS, max(left, 1.0))
        fits, warning = what_changed(names, self.options.data, self.options.shard, seconds)
        if warning:
            self.say(f"warning: {warning}")
            self.output.meta["warnings"].append(warning)
        return fits
