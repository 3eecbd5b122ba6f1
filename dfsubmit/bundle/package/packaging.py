"""Build a bundle: a model folder and options → a folder that a client can send.

A bundle is built beside its final place, and moved there only if all checks pass.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dfsubmit._version import __version__
from dfsubmit.bundle import checks, manifest
from dfsubmit.bundle.manifest import Manifest
from dfsubmit.bundle.package import notebooks, wheels
from dfsubmit.bundle.pins import PINS, PLUGIN_PINS, SERVER, TORCH, project
from dfsubmit.bundle.upload import MAX_SIZE
from dfsubmit.errors import DfsubmitError, UsageError
from dfsubmit.files import write_atomically
from dfsubmit.hooks.loading import BUILT_IN_PLUGINS, load_plugins
from dfsubmit.models.folder import ModelFolder, hash_model, open_model
from dfsubmit.recipe import RECIPE_FILE

GENERATED = "dfsubmit package"
_WEIGHTS = ("model.safetensors", "model-*.safetensors")
_ONNX = ("model.onnx", "model.onnx_data", "onnx/model.onnx", "onnx/model.onnx_data")
_DESCRIBING = (
    "config.json",
    "preprocessor_config.json",
    "dfsubmit_decision.json",
    "model.safetensors.index.json",
    "metrics.json",
    "README.md",
)
_BUILDERS: dict[str, Callable[[notebooks.NotebookParts], str]] = {
    "task": notebooks.task_notebook,
    "predict": notebooks.predict_notebook,
}


@dataclass(frozen=True)
class PackageOptions:
    """What goes into a bundle.

    Attributes:
        model: a model folder, or a zip of one.
        target: "task" (the 2025 contract) or "predict" (aifactory 3.x).
        output: the bundle's folder; it must not exist, or be a bundle already.
        name: the model's name in the bundle; None takes the folder's own.
        plugins: projects' folders or wheels to bring along.
        aggregator, tta: as `dfsubmit run` takes them.
        max_size: bytes that all files together may have.
        dfsubmit: dfsubmit's own project or wheel; None takes the clone that this code runs in.
    """

    model: Path
    target: str
    output: Path
    name: str | None = None
    plugins: tuple[str, ...] = ()
    aggregator: str = "mean"
    tta: str = "none"
    max_size: int = MAX_SIZE
    dfsubmit: str | None = None


def package(options: PackageOptions) -> Manifest:
    """Build the bundle and return its manifest.

    Raises:
        UsageError: an option does not fit, or the output folder holds something else.
        ModelError: the model cannot be read.
        DfsubmitError: the bundle would break a rule; every reason is named and nothing is written.
    """
    output = options.output
    if output.exists() and not (output / manifest.MANIFEST_FILE).is_file():
        raise UsageError(f"{output} exists and is not a bundle", "choose another --output")
    plugins = load_plugins()
    aggregator = plugins.aggregator(options.aggregator).registered
    model = open_model(options.model)
    needed = {f"the aggregator {aggregator.name!r}": aggregator.plugin}
    detector = plugins.detector_plugin(model.recipe)
    if detector is not None:
        needed[f"the detector {model.recipe.detector!r}"] = detector.plugin
    _refuse_several_models(model)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as scratch:
        folder = Path(scratch, "bundle")
        folder.mkdir()
        built = _fill(folder, options, model)
        _require_plugins(built, needed)
        reasons = checks.problems(folder, options.target, options.max_size)
        if reasons:
            raise DfsubmitError(
                "the bundle is refused:\n" + "\n".join(f"  - {reason}" for reason in reasons),
                "nothing was written",
            )
        if output.exists():
            shutil.rmtree(output)
        folder.rename(output)
    return built


def _fill(folder: Path, options: PackageOptions, model: ModelFolder) -> Manifest:
    """Write every file of the bundle, and its manifest last."""
    inner = folder if options.target == "task" else folder / "assets"
    name = options.name or model.name
    if not name or name in (".", "..") or "/" in name or "\\" in name or '"' in name:
        raise UsageError(f"--name {name!r} is not a usable folder name")
    wheel_folder = inner / "wheels"
    wheel_folder.mkdir(parents=True)
    own = wheels.own_wheel(wheel_folder, options.dfsubmit)
    plugins = [wheels.plugin_wheel(origin, wheel_folder) for origin in options.plugins]
    sources = {
        wheel.relative_to(folder).as_posix(): produced for wheel, produced in (own, *plugins)
    }
    pins = _pins([wheel for wheel, _ in plugins])
    write_atomically(folder / "requirements.txt", "".join(f"{pin}\n" for pin in pins))
    built = Manifest(
        target=options.target,
        model=name,
        model_sha256="",
        recipe=model.recipe.to_dict(),
        aggregator=options.aggregator,
        tta=options.tta,
        dfsubmit=__version__,
        pins=pins,
    )
    for path in _copy_model(model, folder / built.model_path):
        sources[path.relative_to(folder).as_posix()] = f"model {model.source.name}"
    parts = notebooks.NotebookParts(
        model=name,
        model_path=built.model_path,
        wheels=[path for path in sources if path.endswith(".whl")],
        aggregator=options.aggregator,
        tta=options.tta,
    )
    notebook = manifest.NOTEBOOKS[options.target]
    write_atomically(folder / notebook, _BUILDERS[options.target](parts))
    sources |= dict.fromkeys((notebook, "requirements.txt"), GENERATED)
    built = dataclasses.replace(
        built,
        # Of the copy: the source may hold further weights that stay behind.
        model_sha256=hash_model(folder / built.model_path),
        files=manifest.describe_files(folder, sources),
    )
    manifest.write_manifest(folder, built)
    return built


def _require_plugins(built: Manifest, needed: Mapping[str, str]) -> None:
    """What is needed is installed here; the server has only what the bundle brings.

    Args:
        built: the bundle.
        needed: the plugin that brings each part.

    Raises:
        UsageError: names the plugin that is missing.
    """
    wheels_in = {
        project(Path(f.path).name.split("-")[0]) for f in built.files if f.path.endswith(".whl")
    }
    for part, plugin in needed.items():
        if plugin not in BUILT_IN_PLUGINS and project(plugin) not in wheels_in:
            raise UsageError(
                f"{part} comes from {plugin}",
                "bring it along: --plugin DIR|WHEEL, its project's folder or its wheel",
            )


def _refuse_several_models(model: ModelFolder) -> None:
    """A source folder with a second model in it leaves open which one is meant."""
    homes = {path.parent.relative_to(model.path) for path in model.path.rglob("*.safetensors")}
    if len(homes) > 1:
        names = ", ".join(sorted(str(home) for home in homes))
        raise DfsubmitError(
            f"the bundle is refused:\n  - more than one model in {model.source}: {names}",
            "give the folder of the one model that is meant",
        )


def _copy_model(model: ModelFolder, destination: Path) -> list[Path]:
    """Weights (safetensors before ONNX, so that there is one set), configuration, recipe, card."""
    weights = [path for pattern in _WEIGHTS for path in sorted(model.path.glob(pattern))]
    if not weights:
        weights = [path for name in _ONNX if (path := model.path / name).is_file()]
    if not weights:
        raise DfsubmitError(
            f"the bundle is refused:\n  - {model.source} holds no model.safetensors: weights that"
            " only load by unpickling do not go into a bundle",
            "load it once and save it again with model.save_pretrained(DIR)",
        )
    describing = [path for name in _DESCRIBING if (path := model.path / name).is_file()]
    copies = []
    _refuse_links_out(model.path, (*weights, *describing))
    for path in (*weights, *describing):
        copy = destination / path.relative_to(model.path)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copies.append(Path(shutil.copyfile(path, copy)))
    # Written even where the model has none, so that the server cannot choose another default.
    write_atomically(destination / RECIPE_FILE, model.recipe.to_json())
    return [*copies, destination / RECIPE_FILE]


def _refuse_links_out(folder: Path, paths: Iterable[Path]) -> None:
    """A link may lead anywhere: what lies outside of the model was not meant to be sent."""
    homes = [folder.resolve()]
    # Hugging Face's cache keeps a snapshot's files in the folder beside the snapshots.
    if folder.resolve().parent.name == "snapshots":
        homes.append(folder.resolve().parents[1] / "blobs")
    for path in paths:
        target = path.resolve()
        if not any(target.is_relative_to(home) for home in homes):
            raise DfsubmitError(
                f"the bundle is refused:\n  - {path} is a link out of its folder, to {target}",
                "put the file itself into the folder, if it is to be sent",
            )


def _pins(plugin_wheels: list[Path]) -> tuple[str, ...]:
    """The bundle's pins with those that its plugins need.

    Raises:
        UsageError: a plugin needs a package for which there is no pin.
    """
    given = {project(pin) for pin in (*PINS, *SERVER, TORCH, "dfsubmit", "opencv-python")}
    bundled = {project(wheel.name.split("-")[0]) for wheel in plugin_wheels}
    extra: list[str] = []
    for wheel in plugin_wheels:
        for requirement in wheels.required(wheel):
            name = project(requirement)
            if name in given | bundled:
                continue
            if name not in PLUGIN_PINS:
                raise UsageError(
                    f"{wheel.name} needs {requirement!r}, which the bundle does not install",
                    "make it part of the plugin, or do without it",
                )
            extra += PLUGIN_PINS[name]
    return (*PINS, *dict.fromkeys(extra))
