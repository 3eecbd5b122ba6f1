"""The pipeline: a folder of media → ``submission.csv``, step by step.

In: `RunOptions`. Out: files on disk, and a `RunSummary`. This module only connects the steps:
listing → output → executor (model, workers, engine) → aggregation → rows.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dfsubmit.console import counted, progress_bar
from dfsubmit.errors import DfsubmitError, Exit, UsageError
from dfsubmit.hooks import ModelFacts, ScoreJob, Scorer
from dfsubmit.hooks.loading import load_plugins
from dfsubmit.interrupt import Interrupt, Interrupted
from dfsubmit.labels import LABELS
from dfsubmit.media.listing import files_to_score
from dfsubmit.media.names import not_utf8_problem
from dfsubmit.options import CASCADE, RunOptions
from dfsubmit.output.features import check_features
from dfsubmit.output.metadata import describe_arithmetic, describe_outcome, describe_run
from dfsubmit.output.recheck import what_changed
from dfsubmit.output.run_files import RunOutput
from dfsubmit.output.summary import RunSummary
from dfsubmit.output.tally import Tally
from dfsubmit.output.verdict import verdict
from dfsubmit.records import FileResult, MediaFile, Status
from dfsubmit.scoring.cascade import in_random_order
from dfsubmit.scoring.earlyexit import EarlyExit
from dfsubmit.scoring.rows import RowMaker, rows_for
from dfsubmit.scoring.settling import ScoresExactly, Settling
from dfsubmit.scoring.showing import RunView
from dfsubmit.scoring.timelimit import TimePlan, deadline

LISTING_SECONDS = 30.0
Say = Callable[[str], None]


def run(options: RunOptions, say: Say = lambda line: None) -> RunSummary:
    """Score a folder and write the submission.

    Args:
        options: what to do.
        say: receives messages for the user during the run, one line at a time.

    Raises:
        DfsubmitError: the run failed; the message says why, and the hint what to do.
    """
    started = time.monotonic()
    options.check()
    plugins = load_plugins(options.plugins_dir, options.strict)
    aggregator = plugins.aggregator(options.aggregator)
    early_exit = EarlyExit.for_run(options.early_exit, aggregator)
    if options.early_exit and not early_exit.active:
        say(f"{aggregator.spec} declares no bounds: early exit has no effect with it")
    before = time.monotonic()
    listed, passed_over = files_to_score(options.data, options.recursive)
    listing = time.monotonic() - before
    shard = options.shard
    files = [file for file in listed if shard is None or shard.holds(file.name)]
    end = None if options.time_limit is None else deadline(options.time_limit, started)
    interrupt = Interrupt(end)
    scorer = plugins.executor(options.executor).scorer(
        ScoreJob(
            options, len(files), plugins, interrupt.guard, lambda facts: going.moved(facts), say
        )
    )
    if options.precision == CASCADE and not isinstance(scorer, ScoresExactly):
        raise UsageError(
            f"--precision cascade does not work with --executor {options.executor}",
            "use --shard on each machine, or another precision",
        )
    output = RunOutput(options.submission, files, LABELS[options.failure_label])
    with contextlib.closing(output), interrupt, scorer:
        output.provide()
        try:
            facts = scorer.load()
            rows, warning = rows_for(options, aggregator, facts.folder)
            facts.warnings += [warning] if warning else []
            check_features(options, facts)
        except Interrupted:
            raise _stopped_too_early(interrupt) from None
        except Exception:
            output.withdraw()
            raise
        unreadable = not_utf8_problem((file.name for file in files), Path(options.data))
        facts.warnings += [unreadable] if unreadable else []
        for warning in facts.warnings:
            say(f"warning: {warning}")
        say(
            f"{facts.name}: class {facts.fake_index} ({facts.fake_class!r}) is fake; "
            f"recipe {facts.recipe.name}; aggregator {aggregator.spec}; "
            f"{facts.device}, {facts.precision}"
        )
        meta = describe_run(
            options, facts, aggregator, rows.decision, early_exit.active, passed_over,
            plugins, None if shard is None else shard.record(file.name for file in listed),
        )  # fmt: skip
        plan = None if end is None else TimePlan(end, facts.recipe.frames, options.min_frames)
        going = _Run(
            options, facts, rows, early_exit, plan, scorer, output, interrupt, say, started, listing
        )
        return going.score(files, listed, meta)


def _stopped_too_early(interrupt: Interrupt) -> DfsubmitError:
    hint = "the submission there is complete, but its rows are provisional"
    if interrupt.requested:
        return DfsubmitError("stopped while the model was loading", hint, Exit.INTERRUPTED)
    return DfsubmitError("--time-limit is over before the model is loaded", hint)


@dataclass
class _Run:
    """A run whose model is loaded."""

    options: RunOptions
    facts: ModelFacts
    rows: RowMaker
    early_exit: EarlyExit
    plan: TimePlan | None
    scorer: Scorer
    output: RunOutput
    interrupt: Interrupt
    say: Say
    started: float
    listing_seconds: float
    aggregator_failed: bool = field(default=False, init=False)

    def score(
        self, files: list[MediaFile], listed: list[MediaFile], meta: dict[str, Any]
    ) -> RunSummary:
        """Score the run's remaining files, and write all outputs."""
        output = self.output
        self._note_load_time()
        holds = self._holds if self.options.resume else None
        output.begin(meta, self.conditions(), holds, self.rows.decide)
        output.refresh(force=True)
        todo = output.todo
        try:
            # The margin of a cascade is needed even if only its end was interrupted.
            if todo or self.options.precision == CASCADE:
                # All files: a resumed run's model, and each shard's, is then the same.
                facts = self.scorer.prepare(listed)
                output.meta["warnings"] += facts.warnings
                output.meta |= describe_arithmetic(facts)
                self._note_load_time()
                self._score(todo, len(files))
                self._settle(files)
        except Interrupted:
            pass  # a signal, or the end of the time limit: what is known is written
        except BaseException:
            output.refresh(force=True)
            raise
        why = ": the run was stopped"
        if self._out_of_time():
            why = f" within the time limit of {self.options.time_limit:g} s"
        output.refresh(force=True)
        fits = self._compare_with_folder()
        unsettled = output.meta.get(CASCADE, {}).get("unsettled", 0)
        tally = output.finish(
            self._outcome, f"not reached{why}", keep_journal=not fits or bool(unsettled)
        )
        code, reason = Exit.INTERRUPTED, ""
        if not self.interrupt.requested:
            code, reason = verdict(tally, output.meta, self.options.max_failures, fits)
        return RunSummary(output.submission, tally, output.meta, int(code), reason)

    def _outcome(self, tally: Tally) -> dict[str, Any]:
        took = time.monotonic() - self.started
        return describe_outcome(tally, self.scorer.waiting, took) | self.scorer.report()

    def conditions(self) -> dict[str, Any]:
        """What a file's frame scores depend on besides the file."""
        facts = self.facts
        # A graph that was prepared; of others, nothing is known before they have seen faces.
        prepared = facts.arithmetic if "int8" in facts.precision else ""
        return {
            "model": facts.sha256,
            "recipe": facts.recipe.to_dict(),
            "fake_index": facts.fake_index,
            "loader": facts.loader,
            "device": facts.device,
            "precision": facts.precision,
            "calibration": str(self.options.calibration or prepared),
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
        self.scorer.waiting.load = time.monotonic() - self.started

    def _score(self, files: list[MediaFile], total: int) -> None:
        plan = self.plan
        if plan is not None:
            files = plan.order(files)
        elif self.options.precision == CASCADE:
            files = in_random_order(files, self.options.audit_seed)
        view = RunView(files, self.facts.recipe.frames, self.scorer.progress)
        with (
            progress_bar(total, "files", self.options.progress, total - len(files), view) as bar,
            contextlib.closing(self.scorer.score(files, self._keep, self._should_stop)) as scored,
        ):
            for file, result in scored:
                self.rows.decide(result)
                self.output.add(file, result)
                if plan is not None:
                    plan.done(file, result.seconds, result.kind)
                view.done(file, result.status is not Status.OK)
                if result.aggregator_fallback and not self.aggregator_failed:
                    self.aggregator_failed = True
                    self.say(f"warning: {file.name}: the mean is used instead of {result.error}")
                bar.update()

    def _settle(self, files: list[MediaFile]) -> None:
        """Score files of a cascade again whose labels are in doubt by the margin at the end."""
        if self.options.precision != CASCADE or not isinstance(self.scorer, ScoresExactly):
            return
        settling = Settling(self.rows, self.scorer.margin_report(), self.output.results)
        names = settling.unsettled()
        again = [file for file in files if file.name in names]
        if again and not self._should_stop():
            names -= self._score_exactly(self.scorer, again)
        self.output.meta[CASCADE] = settling.describe(len(again) - len(names), len(names))
        if names:
            labels = counted(len(names), "file")
            warning = f"{labels} near the threshold: labels may differ from fp32's"
            self.say(f"warning: {warning}")
            self.output.meta["warnings"].append(warning)

    def _score_exactly(self, scorer: ScoresExactly, files: list[MediaFile]) -> set[str]:
        """Score files in a cascade's exact precision; returns the names of those finished."""
        finished = set()
        scored = scorer.score_exactly(files, self._keep, self._should_stop)
        with (
            progress_bar(len(files), "files again", self.options.progress) as bar,
            contextlib.closing(scored),
        ):
            for file, result in scored:
                self.rows.decide(result)
                self.output.add(file, result)
                finished.add(file.name)
                bar.update()
        return finished

    def _should_stop(self) -> bool:
        self.output.refresh()
        if self.plan is not None:
            self.plan.update()
        return self.interrupt.requested or self._out_of_time()

    def _keep(self, file: MediaFile) -> int | None:
        """How many frames of a file to visit, asked just before it is scanned."""
        return self.plan.keep(file) if self.plan is not None else None

    def moved(self, facts: ModelFacts) -> None:
        """Say that the model has left its device, and let no resumed run mix its scores."""
        output, self.facts = self.output, facts
        before = f"{output.meta['device']}, {output.meta['precision']}"
        warning = (
            f"{before}: not even one face fits into the device's memory; "
            f"from here on the run uses {facts.device}, {facts.precision}"
        )
        self.say(f"warning: {warning}")
        output.meta["warnings"].append(warning)
        output.meta |= describe_arithmetic(facts)
        output.change_conditions(self.conditions())

    def _out_of_time(self) -> bool:
        return self.plan is not None and self.plan.over()

    def _compare_with_folder(self) -> bool:
        """Whether the folder still holds the files that the rows are about, as far as it answers;
        warns if not."""
        if not self.scorer.disk_answers:
            return True  # files say so; who lists a folder on such a disk does not come back
        # A large folder takes about as long as the first time.
        seconds = max(LISTING_SECONDS, 3 * self.listing_seconds)
        if self.plan is not None:
            seconds = min(seconds, max(self.plan.end - time.monotonic(), 1.0))
        names = self.output.rows.names
        fits, warning = what_changed(names, self.options.data, self.options.shard, seconds)
        if warning:
            self.say(f"warning: {warning}")
            self.output.meta["warnings"].append(warning)
        return fits
