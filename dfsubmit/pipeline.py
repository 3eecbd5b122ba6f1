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
from dfsubmit.faces.settings import ScanSettings
from dfsubmit.hooks.interfaces import BoundAggregator
from dfsubmit.hooks.loading import load_plugins
from dfsubmit.interrupt import Interrupt, Interrupted
from dfsubmit.machine import available_cpus
from dfsubmit.media.listing import list_folder
from dfsubmit.models.arithmetic import let_threads_sleep
from dfsubmit.models.choice import ChosenModel, choose_model
from dfsubmit.options import FAILURE_LABELS, RunOptions
from dfsubmit.output.metadata import describe_outcome, describe_run
from dfsubmit.output.run_files import RunOutput
from dfsubmit.output.summary import RunSummary
from dfsubmit.records import FileResult, MediaFile, Status
from dfsubmit.scoring.classifier import Classifier
from dfsubmit.scoring.decision import Decision, decision_for
from dfsubmit.scoring.engine import Engine, ScoredFile, Waiting
from dfsubmit.scoring.first_faces import calibrate
from dfsubmit.scoring.rows import RowMaker
from dfsubmit.scoring.timelimit import TimePlan, deadline
from dfsubmit.workers.events import Visit
from dfsubmit.workers.pool import WorkerPool


def run(options: RunOptions, say: Callable[[str], None] = lambda line: None) -> RunSummary:
    """Score a folder and write the submission.

    Args:
        options: what to do.
        say: receives what the user should know before the work begins, a line at a time.

    Raises:
        DfsubmitError: nothing could be done; the message says why and the hint what to do.
    """
    started = time.monotonic()
    options.check()
    plugins = load_plugins(options.plugins_dir, options.strict)
    aggregator = plugins.aggregator(options.aggregator)
    if options.early_exit and aggregator.registered.bounds is None:
        say(f"{aggregator.spec} declares no bounds: early exit has no effect with it")
    files, passed_over = list_folder(options.data)
    output = RunOutput(Path(options.output), files, FAILURE_LABELS[options.failure_label])
    end = None if options.time_limit is None else deadline(options.time_limit, started)
    # With early exit a worker often waits for its next grant: one more has use for the core.
    workers = options.workers or available_cpus() + options.early_exit
    workers = min(workers, max(len(files), 1))
    with (
        contextlib.closing(output),
        Interrupt(end) as interrupt,
        WorkerPool(None, workers, options.per_file_timeout) as pool,
    ):
        output.provide(Path(options.data))
        let_threads_sleep()
        pool.start()
        try:
            chosen = interrupt.guard(choose_model)(options, plugins)
        except Interrupted:
            raise _stopped_too_early(interrupt) from None
        except DfsubmitError:
            output.withdraw()
            raise
        decision = _decision(options, chosen, aggregator)
        rows = RowMaker(aggregator, decision, FAILURE_LABELS[options.failure_label])
        for warning in chosen.warnings:
            say(f"warning: {warning}")
        say(
            f"{chosen.folder.name}: class {chosen.fake_index} ({chosen.fake_class!r}) is fake; "
            f"recipe {chosen.recipe.name}; aggregator {aggregator.spec}; "
            f"{chosen.model.device}, {chosen.model.precision}"
        )
        meta = describe_run(options, chosen, plugins, aggregator, decision, passed_over)
        pool.settings = ScanSettings(chosen.recipe, chosen.model.preprocessor, options.no_face)
        return _score(
            _Run(options, chosen, rows, pool, started, end), files, output, meta, interrupt
        )


def _stopped_too_early(interrupt: Interrupt) -> DfsubmitError:
    hint = "the submission that lies there is complete, but its rows are provisional"
    if interrupt.requested:
        return DfsubmitError("stopped while the model was loading", hint, Exit.INTERRUPTED)
    return DfsubmitError("--time-limit is over before the model is loaded", hint)


def _decision(options: RunOptions, chosen: ChosenModel, aggregator: BoundAggregator) -> Decision:
    """Temperature and threshold: the model folder's calibration, unless it is switched off."""
    decision = Decision(aggregator.spec)
    if not options.raw:
        decision, warning = decision_for(chosen.folder.path, aggregator.spec)
        if warning:
            chosen.warnings.append(warning)
    if options.threshold is not None:
        decision = dataclasses.replace(decision, threshold=options.threshold)
    return decision


@dataclass
class _Run:
    """What holds from the first file of a run to the last."""

    options: RunOptions
    chosen: ChosenModel
    rows: RowMaker
    pool: WorkerPool
    started: float
    end: float | None
    waiting: Waiting = field(default_factory=Waiting)
    plan: TimePlan | None = None

    def __post_init__(self) -> None:
        if self.end is not None:
            frames = self.chosen.recipe.frames
            self.plan = TimePlan(self.end, frames, self.options.min_frames)

    @property
    def early_exit(self) -> bool:
        return self.options.early_exit and self.rows.aggregator.registered.bounds is not None

    def conditions(self) -> dict[str, Any]:
        """What a file's frame scores depend on besides the file."""
        conditions: dict[str, Any] = {
            "model": self.chosen.folder.sha256,
            "recipe": dataclasses.asdict(self.chosen.recipe),
            "fake_index": self.chosen.fake_index,
            "loader": self.chosen.loader,
            "device": self.chosen.model.device,
            "precision": self.chosen.model.precision,
            "calibration": str(self.options.calibration or ""),
            "tta": self.options.tta,
            "no_face": self.options.no_face,
        }
        if self.early_exit:
            # Which frames were visited then depends on how they become a label.
            decision = dataclasses.asdict(self.rows.decision)
            conditions["early_exit"] = [self.rows.aggregator.spec, decision]
        return conditions

    def visit(self, file: MediaFile) -> Visit:
        """How much of a file to visit, asked just before it is scanned."""
        keep = self.plan.keep(file) if self.plan is not None else None
        return Visit(keep, granted=0 if self.early_exit else None)

    def out_of_time(self) -> bool:
        return self.plan is not None and self.plan.over()


def _score(
    run: _Run,
    files: list[MediaFile],
    output: RunOutput,
    meta: dict[str, Any],
    interrupt: Interrupt,
) -> RunSummary:
    """Score what is not scored yet, and write everything."""
    run.waiting.load = time.monotonic() - run.started
    done = _resume(run, output, files)
    meta["resumed"] = len(done)
    output.refresh(meta, force=True)
    todo = [file for file in files if file.name not in done]
    try:
        if todo:
            # All files: a resumed run's model is then the same as the interrupted one's.
            model = run.chosen.model
            meta["warnings"] += interrupt.guard(calibrate)(model, files, run.pool)
            meta["arithmetic"] = getattr(model, "arithmetic", "")
            run.waiting.load = time.monotonic() - run.started
            _score_files(run, todo, len(files), output, meta, interrupt)
    except Interrupted:
        pass  # a signal, or the end of the time limit: what is known is written
    except BaseException:
        output.refresh(meta, force=True)
        raise
    _explain_pending(run, output)
    results = output.in_order()
    meta |= describe_outcome(results, run.waiting, run.started)
    output.finish(meta)
    code = Exit.INTERRUPTED if interrupt.requested else _exit_code(run, results)
    return RunSummary(output.submission, results, meta, int(code))


def _resume(run: _Run, output: RunOutput, files: list[MediaFile]) -> set[str]:
    """Take over what an interrupted run left; the names of the files that are done."""
    if not run.options.resume:
        output.start_over(run.conditions())
        return set()
    results = [
        result
        for result in output.resume(files, run.conditions())
        # Thinned rows were the best under a time limit; without one, there is a better.
        if run.plan is not None or not result.thinned
    ]
    for result in results:
        run.rows.decide(result)
        output.put(result)
    return {result.filename for result in results}


def _score_files(
    run: _Run,
    files: list[MediaFile],
    total: int,
    output: RunOutput,
    meta: dict[str, Any],
    interrupt: Interrupt,
) -> None:
    options, chosen = run.options, run.chosen
    if run.plan is not None:
        files = run.plan.order(files)
    classifier = Classifier(
        chosen.model, chosen.fake_index, chosen.batch_size, options.tta, chosen.folder.name
    )
    failed = 0
    with progress_bar(total, "files", options.progress, done=total - len(files)) as bar:

        def done(scored: ScoredFile) -> None:
            nonlocal failed
            result = run.rows.row(scored)
            failed += result.status is not Status.OK
            output.add(scored.file, result)
            if run.plan is not None:
                run.plan.done(scored.file, result.seconds)
            bar.set_postfix(failed=failed, refresh=False)
            bar.update()

        def should_stop() -> bool:
            output.refresh(meta)
            return interrupt.requested or run.out_of_time()

        engine = Engine(
            run.pool,
            interrupt.guard(classifier.p_fake),
            chosen.batch_size,
            run.visit,
            run.rows.grant,
            should_stop,
            run.waiting,
        )
        engine.run(files, done)


def _explain_pending(run: _Run, output: RunOutput) -> None:
    reason = "not reached: the run was stopped"
    if run.out_of_time():
        reason = f"not reached within the time limit of {run.options.time_limit:g} s"
    for result in output.in_order():
        if result.status is Status.PENDING:
            result.error = reason


def _exit_code(run: _Run, results: list[FileResult]) -> Exit:
    failed = sum(result.status is not Status.OK for result in results)
    if results and failed / len(results) > run.options.max_failures:
        return Exit.TOO_MANY_FAILURES
    return Exit.FALLBACK_USED if run.chosen.fallback_reason else Exit.OK
