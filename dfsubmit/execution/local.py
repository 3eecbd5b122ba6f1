"""The built-in executor ``local``: this machine's worker processes and this process's model.

In: files. Out: results as they are finished. An executor for several machines runs one of these on
each machine (`dfsubmit.hooks.execution`).
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any

from dfsubmit.errors import UsageError
from dfsubmit.execution.cutting import LocalCutter
from dfsubmit.hooks import hookimpl
from dfsubmit.hooks.execution import (
    CutJob,
    InHand,
    ModelFacts,
    RegisterExecutor,
    Scored,
    ScoreJob,
    Waiting,
)
from dfsubmit.hooks.interfaces import GivesFeatures, NeedsFaces, TellsArithmetic, Warns
from dfsubmit.hooks.loading import load_plugins
from dfsubmit.machine import available_cpus, check_open_files
from dfsubmit.models.arithmetic import let_threads_sleep
from dfsubmit.models.choice import ChosenModel, choose_model, choose_quick
from dfsubmit.options import CASCADE
from dfsubmit.records import MediaFile, Status
from dfsubmit.scoring.cascade import Cascade
from dfsubmit.scoring.classifier import Classifier
from dfsubmit.scoring.earlyexit import EarlyExit
from dfsubmit.scoring.engine import Engine
from dfsubmit.scoring.first_faces import faces_key, show_faces
from dfsubmit.scoring.margin import Margin
from dfsubmit.scoring.pairs import PairStore
from dfsubmit.scoring.rows import RowMaker, rows_for
from dfsubmit.workers.events import Visit
from dfsubmit.workers.pool import WorkerPool

DFSUBMIT_HOOKS = 1


@hookimpl
def register_executors(register: RegisterExecutor) -> None:
    """Register ``local``."""
    register("local", LocalExecutor)


class LocalExecutor:
    """This machine."""

    def scorer(self, job: ScoreJob) -> LocalScorer:
        """The scorer of one run."""
        return LocalScorer(job)

    def cutter(self, job: CutJob) -> LocalCutter:
        """The cutter of one extraction."""
        return LocalCutter(job)


class LocalScorer:
    """Scores files on this machine. `score` may be called again after it has ended.

    Args:
        job: the settings of the run.

    Raises:
        UsageError: more workers than this machine's limit of open files allows, or there is no such
            aggregator.
    """

    def __init__(self, job: ScoreJob) -> None:
        self.job = job
        self.waiting = Waiting()
        options = job.options
        self._plugins = job.plugins or load_plugins(options.plugins_dir, options.strict)
        self._aggregator = self._plugins.aggregator(options.aggregator)
        self._early_exit = EarlyExit.for_run(options.early_exit, self._aggregator)
        workers = options.workers or available_cpus() + self._early_exit.spare_workers
        workers = min(workers, max(job.files, 1))
        check_open_files(workers)
        self.pool = WorkerPool(None, workers, options.per_file_timeout)
        self._chosen: ChosenModel | None = None
        self._exact: ChosenModel | None = None
        self._cascade: Cascade | None = None
        self._rows: RowMaker | None = None
        self._classifier: Classifier | None = None
        self._engine: Engine | None = None

    def __enter__(self) -> LocalScorer:
        self.pool.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.pool.__exit__(kind, error, traceback)

    @property
    def disk_answers(self) -> bool:
        """False while workers are stuck reading their files."""
        return self.pool.disk_answers

    def load(self) -> ModelFacts:
        """Load the model while the workers start."""
        options = self.job.options
        let_threads_sleep()
        self.pool.start()
        self._chosen = chosen = self.job.guard(self._choose)()
        self._rows = rows_for(options, self._aggregator, chosen.folder.path)[0]
        self.pool.settings = chosen.scan_settings(options.no_face)
        self._classifier = self._classifier_of(chosen, options.keeps_features)
        return self._facts()

    def _choose(self) -> ChosenModel:
        """The model; for a cascade, in the quick precision, and `_exact` is the same in fp32."""
        options = self.job.options
        if options.precision != CASCADE:
            return choose_model(options, self._plugins)
        exact = dataclasses.replace(options, precision="fp32")
        self._exact = choose_model(exact, self._plugins)
        return choose_quick(self._exact, options, self._plugins)

    def _classifier_of(self, chosen: ChosenModel, keep_features: bool) -> Classifier:
        return Classifier(
            chosen.model,
            chosen.fake_index,
            chosen.batch_size,
            self.job.options.tta,
            f"{chosen.folder.name} (model loader {chosen.loader!r})",
            lambda: self.job.moved(self._facts()),
            keep_features,
        )

    def prepare(self, files: Sequence[MediaFile]) -> ModelFacts:
        """Show the model some faces, if it needs any, and recall a cascade's margin."""
        assert self._chosen is not None
        assert self._rows is not None
        model = self._chosen.model
        # Before a model has seen faces, it cannot warn that it is too far off.
        before = 0
        if isinstance(model, NeedsFaces) and isinstance(model, Warns) and model.faces_wanted:
            before = len(model.warnings)
        warnings = self.job.guard(show_faces)(model, files, self.pool)
        if self._exact is not None and len(warnings) > before:
            warnings = self._leave_int8(self._exact, warnings)
        facts = dataclasses.replace(self._facts(), warnings=warnings)
        if self._exact is not None:
            exact = self._classifier_of(self._exact, keep_features=False)
            loaders = (self._chosen.loader, self._exact.loader)
            about = (facts.sha256, *loaders, facts.device, facts.precision, facts.arithmetic)
            self._cascade = Cascade(
                Margin(self._rows),
                self.job.guard(exact.p_fake),
                self._exact.batch_size,
                self._chosen.model.precision,
                self._exact.model.precision,
                self.job.options.audit_seed,
                PairStore((*about, self.job.options.tta, faces_key(files, self.pool))),
                self.waiting,
            )
            self._cascade.recall()
        return facts

    def _leave_int8(self, exact: ChosenModel, warnings: list[str]) -> list[str]:
        """Take another quick precision if there is one, since int8 warns that it is too far off."""
        with contextlib.suppress(UsageError):
            self._chosen = choose_quick(exact, self.job.options, self._plugins, int8=False)
            self._classifier = self._classifier_of(self._chosen, self.job.options.keeps_features)
            quick = self._chosen.model.precision
            return [f"{warning}; the cascade uses {quick}" for warning in warnings]
        return warnings

    def score(
        self,
        files: Iterable[MediaFile],
        keep: Callable[[MediaFile], int | None],
        should_stop: Callable[[], bool],
    ) -> Scored:
        """Score the files; yields each with its result as it is finished."""
        assert self._classifier is not None
        return self._engine_for(self._classifier, keep, should_stop, self._cascade).run(files)

    def score_exactly(
        self,
        files: Iterable[MediaFile],
        keep: Callable[[MediaFile], int | None],
        should_stop: Callable[[], bool],
    ) -> Scored:
        """Score the files in a cascade's exact precision."""
        assert self._exact is not None
        exact = self._classifier_of(self._exact, keep_features=False)
        for file, result in self._engine_for(exact, keep, should_stop).run(files):
            if result.status is Status.OK:
                result.precision = self._exact.model.precision
            yield file, result

    def _engine_for(
        self,
        classifier: Classifier,
        keep: Callable[[MediaFile], int | None],
        should_stop: Callable[[], bool],
        cascade: Cascade | None = None,
    ) -> Engine:
        rows, early_exit, pictures = self._rows, self._early_exit, self.job.options.pictures
        margin = None if cascade is None else cascade.margin
        assert rows is not None
        self._engine = Engine(
            self.pool,
            self.job.guard(classifier.score),
            classifier.batch_size,
            lambda file: Visit(keep(file), early_exit.first_grant, pictures),
            lambda frames, left: early_exit.more(rows, frames, left, margin),
            should_stop,
            self.waiting,
            cascade,
        )
        return self._engine

    def progress(self) -> InHand:
        """The current progress of the engine."""
        engine = self._engine
        return InHand() if engine is None else InHand(engine.frames, engine.in_hand())

    def report(self) -> dict[str, Any]:
        """Empty: a local run has no further metadata."""
        return {}

    def margin_report(self) -> dict[str, Any]:
        """What a cascade has learned of its margin."""
        assert self._cascade is not None
        return self._cascade.report()

    def _facts(self) -> ModelFacts:
        chosen = self._chosen
        assert chosen is not None
        folder, model = chosen.folder, chosen.model
        precision = model.precision
        if self._exact is not None:
            precision = f"{CASCADE} ({precision}, {self._exact.model.precision})"
        return ModelFacts(
            name=folder.name,
            folder=folder.path,
            sha256=folder.sha256,
            untrained=folder.untrained,
            recipe_known=folder.recipe_known,
            id2label=dict(model.id2label),
            fake_index=chosen.fake_index,
            loader=chosen.loader,
            loader_plugin=self._plugins.loader_plugins[chosen.loader],
            recipe=chosen.recipe,
            batch_size=chosen.batch_size,
            device=model.device,
            precision=precision,
            arithmetic=model.arithmetic if isinstance(model, TellsArithmetic) else "",
            input=dataclasses.asdict(model.preprocessor),
            feature_width=model.feature_width if isinstance(model, GivesFeatures) else 0,
            fallback_reason=chosen.fallback_reason,
            warnings=list(chosen.warnings),
        )
