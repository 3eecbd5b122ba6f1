"""The pipeline: a folder of media → ``submission.csv``, each step in its turn.

In: `RunOptions`. Out: files on disk, and a `RunSummary`. This module only connects the steps: model
→ listing → output → workers → engine → aggregation → rows.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dfsubmit.classify import Classifier
from dfsubmit.decision import Decision, decision_for
from dfsubmit.engine import Engine, ScoredFile, Waiting
from dfsubmit.errors import Exit, UsageError
from dfsubmit.interfaces import BoundAggregator
from dfsubmit.interrupt import Interrupt, Interrupted
from dfsubmit.media import list_folder
from dfsubmit.metadata import describe_outcome, describe_run
from dfsubmit.modelchoice import ChosenModel, choose_model
from dfsubmit.options import FAILURE_LABELS, RunOptions
from dfsubmit.output import RunOutput
from dfsubmit.plugins import load_plugins
from dfsubmit.progress import progress_bar
from dfsubmit.records import FileResult, MediaFile, Status
from dfsubmit.rows import RowMaker
from dfsubmit.settings import ScanSettings
from dfsubmit.timelimit import TimePlan
from dfsubmit.workers import Visit, WorkerPool


@dataclass
class RunSummary:
    """What a run came to.

    Attributes:
        submission: the CSV that was written.
        results: every file's row, in the order of the files.
        meta: what ``<stem>.meta.json`` holds.
        exit_code: 0; 3 too many files failed; 4 the fallback model was used; 130 interrupted.
    """

    submission: Path
    results: list[FileResult]
    meta: dict[str, Any]
    exit_code: int

    @property
    def failed(self) -> int:
        """The number of files whose status is not ok."""
        return sum(result.status is not Status.OK for result in self.results)


def run(options: RunOptions, say: Callable[[str], None] = lambda line: None) -> RunSummary:
    """Score a folder and write the submission.

    Args:
        options: what to do.
        say: receives what the user should know before the work begins, a line at a time.

    Raises:
        DfsubmitError: nothing could be done; the message says why and the hint what to do.
    """
    started = time.monotonic()
    _check(options)
    plugins = load_plugins(options.plugins_dir, options.strict)
    aggregator = plugins.aggregator(options.aggregator)
    if options.early_exit and aggregator.registered.bounds is None:
        say(f"{aggregator.spec} declares no bounds: early exit has no effect with it")
    files, passed_over = list_folder(options.data)
    chosen = choose_model(options, plugins)
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
    return _score(_Run(options, chosen, rows, started), files, meta)


def _check(options: RunOptions) -> None:
    """Options that can be seen to be wrong before anything is loaded.

    Raises:
        UsageError: names the option.
    """
    choices = {
        "failure_label": tuple(FAILURE_LABELS),
        "no_face": ("fail", "whole-frame"),
        "tta": ("none", "flip"),
        "precision": ("auto", "fp32", "bf16", "fp16", "int8"),
    }
    for name, allowed in choices.items():
        value = getattr(options, name)
        if value not in allowed:
            flag = "--" + name.replace("_", "-")
            raise UsageError(f"{flag} {value!r}: expected {' or '.join(allowed)}")
    if options.time_limit is not None and options.time_limit <= 0:
        raise UsageError("--time-limit has to be more than 0 seconds")
    if options.threshold is not None and not 0 <= options.threshold <= 1:
        raise UsageError(f"--threshold {options.threshold} is not from 0 to 1")
    if Path(options.output).is_dir():  # as is "", which stands for the current one
        raise UsageError(f"--output {options.output} is a folder", "give the CSV's own name")


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
    started: float
    waiting: Waiting = field(default_factory=Waiting)
    plan: TimePlan | None = None

    def __post_init__(self) -> None:
        limit = self.options.time_limit
        if limit is not None:
            frames = self.chosen.recipe.frames
            self.plan = TimePlan(limit, frames, self.options.min_frames, self.started)

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


def _score(run: _Run, files: list[MediaFile], meta: dict[str, Any]) -> RunSummary:
    """Score what is not scored yet, and write everything."""
    submission = Path(run.options.output)
    output = RunOutput(submission, files, run.rows.failure_label, run.conditions())
    interrupted = False
    try:
        done = _resume(run, output, files)
        meta["resumed"] = len(done)
        output.refresh(meta, force=True)
        todo = [file for file in files if file.name not in done]
        try:
            with Interrupt() as interrupt:
                if todo:
                    _score_files(run, todo, len(files), output, meta, interrupt)
                interrupted = interrupt.requested
        except Interrupted:
            interrupted = True
        except BaseException:
            output.refresh(meta, force=True)
            raise
        _explain_pending(run, output)
        results = output.in_order()
        meta |= describe_outcome(results, run.waiting, run.started)
        output.finish(meta)
    finally:
        output.close()
    code = Exit.INTERRUPTED if interrupted else _exit_code(run, results)
    return RunSummary(submission, results, meta, int(code))


def _resume(run: _Run, output: RunOutput, files: list[MediaFile]) -> set[str]:
    """Take over what an interrupted run left; the names of the files that are done."""
    if not run.options.resume:
        output.start_over()
        return set()
    results = output.resume(files)
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
    settings = ScanSettings(chosen.recipe, chosen.model.preprocessor, options.no_face)
    classifier = Classifier(
        chosen.model, chosen.fake_index, chosen.batch_size, options.tta, chosen.folder.name
    )
    failed = 0
    with (
        WorkerPool(settings, options.workers, options.per_file_timeout) as pool,
        progress_bar(total, "files", options.progress, done=total - len(files)) as bar,
    ):

        def done(scored: ScoredFile) -> None:
            nonlocal failed
            result = run.rows.row(scored)
            failed += result.status is not Status.OK
            output.add(scored.file, result)
            output.refresh(meta)
            if run.plan is not None:
                run.plan.done(scored.file)
            bar.set_postfix(failed=failed, refresh=False)
            bar.update()

        engine = Engine(
            pool,
            interrupt.guard(classifier.p_fake),
            chosen.batch_size,
            run.visit,
            run.rows.grant,
            lambda: interrupt.requested or run.out_of_time(),
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
