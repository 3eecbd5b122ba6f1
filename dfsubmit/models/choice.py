"""Options → the loaded model of a run, its recipe, and warnings about both.

In: `RunOptions` and the plugins' model loaders. Out: a `ChosenModel`. If the requested model cannot
be loaded, the fallback is used, with its own recipe, and all outputs of the run say so. If the
fallback fails too, the error says what to do.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

from dfsubmit.errors import DfsubmitError, ModelError, UsageError, did_you_mean, in_brief
from dfsubmit.faces.preprocess import PREPROCESSOR_FILE, load_preprocessor
from dfsubmit.faces.settings import DetectorPlugin, ScanSettings
from dfsubmit.hooks.interfaces import FrameModel, LoadRequest, ModelLoader
from dfsubmit.hooks.loading import Plugins
from dfsubmit.models.fakeclass import resolve_fake_class
from dfsubmit.models.folder import ModelFolder, open_model
from dfsubmit.options import SMALL_MODEL, RunOptions
from dfsubmit.recipe import Recipe, load_recipe

CPU_BATCH, GPU_BATCH = 8, 64


@dataclass
class ChosenModel:
    """The model of a run.

    Attributes:
        folder: what is on disk.
        model: ready to score.
        loader: the name of the model loader.
        fake_index: which class is fake.
        recipe: the recipe that the run uses.
        batch_size: faces per forward pass.
        fallback_reason: why the requested model was not used; empty if it was.
        warnings: warnings for the user, one line each.
        detector: where workers find the recipe's detector; None if it is built in.
        request: what the loader was asked for.
    """

    folder: ModelFolder
    model: FrameModel
    loader: str
    fake_index: int
    recipe: Recipe
    batch_size: int
    request: LoadRequest
    fallback_reason: str = ""
    warnings: list[str] = field(default_factory=list)
    detector: DetectorPlugin | None = None

    def scan_settings(self, no_face: str) -> ScanSettings:
        """The settings for the workers' scans."""
        return ScanSettings(self.recipe, self.model.preprocessor, no_face, detector=self.detector)

    @property
    def fake_class(self) -> str:
        """The fake class's name."""
        return self.model.id2label[self.fake_index]


def choose_model(options: RunOptions, plugins: Plugins) -> ChosenModel:
    """Load the model, or the fallback.

    Raises:
        ModelError: neither can be loaded (or there is no fallback); names both reasons.
        UsageError: an option is not valid; the fallback is not tried.
    """
    try:
        return _load(options.model, options.fake_label, options, plugins)
    except ModelError as error:
        reason, at_hand = f"{options.model}: {error.message}", error.hint
        if options.fallback is None:
            raise ModelError(f"the model cannot be loaded: {error.message}", error.hint) from error
    try:
        # --fake-label names a class of the requested model.
        chosen = _load(options.fallback, None, options, plugins)
    except ModelError as error:
        raise ModelError(
            f"the model cannot be loaded ({reason}), nor can the fallback ({error.message})",
            (f"{at_hand}; or " if at_hand else "")
            + "make a model with 'dfsubmit finetune', get the organiser's baseline with "
            f"'dfsubmit models fetch baseline', or use the small model: --model {SMALL_MODEL}",
        ) from error
    chosen.fallback_reason = reason
    chosen.warnings.insert(0, f"FALLBACK MODEL {chosen.folder.name} IN USE: {reason}")
    return chosen


def _load(
    path: str | Path, fake_label: str | None, options: RunOptions, plugins: Plugins
) -> ChosenModel:
    folder = open_model(path)
    if (folder.path / PREPROCESSOR_FILE).exists():
        load_preprocessor(folder.path)  # here, so that it holds for plugins' loaders too
    fake_index = resolve_fake_class(folder.id2label, fake_label)
    recipe, warnings = effective_recipe(folder, options)
    detector = plugins.detector_plugin(recipe)  # refused before the model is loaded
    if folder.untrained:
        warnings.insert(
            0, "this model is UNTRAINED, its weights are random numbers: its labels mean nothing"
        )
    if len(folder.id2label) > 2:
        warnings.append(
            f"{folder.name} has {len(folder.id2label)} classes: a face's share of "
            f"{folder.id2label[fake_index]!r} alone decides, against the threshold, even where "
            "another class has more"
        )
    request = LoadRequest(
        folder=folder.path,
        id2label=folder.id2label,
        device=options.device,
        precision=options.precision,
        model_hash=folder.sha256,
        faces=Path(options.calibration) if options.calibration else None,
    )
    name, model = _load_first(request, loaders_for(request, options.loader, plugins), warnings)
    on_gpu = model.device.startswith("cuda")
    batch_size = options.batch_size or (GPU_BATCH if on_gpu else CPU_BATCH)
    return ChosenModel(
        folder, model, name, fake_index, recipe, batch_size, request, warnings=warnings,
        detector=detector,
    )  # fmt: skip


def choose_quick(
    exact: ChosenModel, options: RunOptions, plugins: Plugins, int8: bool = True
) -> ChosenModel:
    """The same model in the quickest other precision that a loader offers: int8, else fp16 on
    a GPU and bf16 on a CPU.

    Args:
        exact: the model in fp32.
        options, plugins: as for `choose_model`.
        int8: whether int8 may be chosen.

    Raises:
        ModelError: it cannot be loaded.
        UsageError: there is none on this machine.
    """
    on_gpu = exact.model.device.startswith("cuda")
    for precision in ("int8",) * int8 + ("fp16" if on_gpu else "bf16",):
        request = dataclasses.replace(exact.request, precision=precision)
        loaders = _able(request, options.loader, plugins)
        if not loaders:
            continue
        warnings = list(exact.warnings)
        name, model = _load_first(request, loaders, warnings)
        if model.precision != exact.model.precision:
            return dataclasses.replace(exact, model=model, loader=name, warnings=warnings)
    raise UsageError(
        f"--precision cascade: {exact.folder.name} has no quicker precision than "
        f"{exact.model.precision} on this machine",
        "use --precision fp32, or install the OpenVINO plugin for int8: "
        "pip install ./plugins/dfsubmit-openvino",
    )


def effective_recipe(folder: ModelFolder, options: RunOptions) -> tuple[Recipe, list[str]]:
    """The recipe to use, and a warning for each difference from the model's own."""
    warnings = []
    recipe = folder.recipe
    if options.recipe is not None:
        given = options.recipe
        recipe = given if isinstance(given, Recipe) else load_recipe(given)
    if options.frames is not None:
        recipe = dataclasses.replace(recipe, frames=options.frames)
    if not folder.recipe_known:
        warnings.append(
            f"{folder.name} carries no recipe: how its faces were cut in fine-tuning is unknown, "
            f"and {recipe.name!r} is assumed"
        )
    changed = folder.recipe.differences(recipe)
    if changed and folder.recipe_known:
        listing = ", ".join(f"{key} {ours} → {now}" for key, (ours, now) in changed.items())
        warnings.append(f"{folder.name} was not made for this recipe: {listing}")
    return recipe, warnings


def _load_first(
    request: LoadRequest, loaders: dict[str, ModelLoader], warnings: list[str]
) -> tuple[str, FrameModel]:
    """Load with the first loader that can; adds a warning for each loader that failed before."""
    failure = None
    for name, loader in loaders.items():
        try:
            model = _complete(loader.load(request))
        except ModelError as error:
            failure = failure or error
            warnings.append(f"the model loader {name!r} was skipped: {error.message}")
        except DfsubmitError:
            raise
        except Exception as error:  # loaders raise many types for a damaged folder
            reason = f"the model loader {name!r}: {in_brief(error, loader)}"
            failure = failure or ModelError(reason)
            warnings.append(reason)
        else:
            return name, model
    assert failure is not None  # `loaders_for` gives at least one
    raise failure


def _complete(model: FrameModel) -> FrameModel:
    """The model, after a check that it has all attributes of `FrameModel`."""
    names = ("id2label", "preprocessor", "device", "precision", "logits")
    lacking = [name for name in names if not hasattr(model, name)]
    if lacking:
        raise ModelError(f"it gives {type(model).__name__!r}, which lacks {', '.join(lacking)}")
    return model


def loaders_for(
    request: LoadRequest, wanted: str | None, plugins: Plugins
) -> dict[str, ModelLoader]:
    """The loaders that may load it, the best first: those that rank above 0, or the one wanted.

    Raises:
        UsageError: there is no loader of that name, or none for this precision.
        ModelError: no loader can read its weights, or a loader failed.
    """
    if wanted is not None:
        if wanted not in plugins.loaders:
            hint = did_you_mean(wanted, plugins.loaders)
            raise UsageError(f"there is no model loader {wanted!r}", hint)
        return {wanted: plugins.loaders[wanted]}
    able = _able(request, None, plugins)
    if not able:
        if request.precision == "int8":
            raise UsageError(
                "no installed model loader offers --precision int8",
                "install the OpenVINO plugin: pip install ./plugins/dfsubmit-openvino",
            )
        raise ModelError(
            f"{request.folder} holds no weights that an installed loader can read",
            "expected model.safetensors (or, with the ONNX plugin, model.onnx)",
        )
    return able


def _able(request: LoadRequest, wanted: str | None, plugins: Plugins) -> dict[str, ModelLoader]:
    """The loaders, or the one wanted, that rank above 0, the best first."""
    ranks: dict[str, int] = {}
    for name, loader in plugins.loaders.items():
        if wanted not in (None, name):
            continue
        try:
            ranks[name] = loader.rank(request)
        except DfsubmitError:
            raise
        except Exception as error:  # a plugin's mistake must not hide the other loaders
            raise ModelError(
                f"the model loader {name!r} failed: {in_brief(error, loader)}"
            ) from error
    able = sorted((name for name in ranks if ranks[name] > 0), key=lambda name: -ranks[name])
    return {name: plugins.loaders[name] for name in able}
