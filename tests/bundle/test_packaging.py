"""Bundles hold what the contracts want, and nothing that they forbid."""

from __future__ import annotations

import dataclasses
import json
import shutil
import zipfile
from pathlib import Path

import pytest

from dfsubmit.bundle.manifest import bundle_hash, changes, read_manifest
from dfsubmit.bundle.package import wheels
from dfsubmit.bundle.package.packaging import PackageOptions, package
from dfsubmit.bundle.package.wheels import own_wheel
from dfsubmit.bundle.pins import PINS, SERVER
from dfsubmit.errors import DfsubmitError, UsageError
from dfsubmit.files import relative_files
from dfsubmit.models.folder import open_model
from dfsubmit.recipe import RECIPE_FILE, Recipe

REPOSITORY = Path(__file__).resolve().parents[2]
WHEEL = "dfsubmit-*-py3-none-any.whl"


def write_plugin(folder: Path, code: str, requires: str = "") -> Path:
    folder.mkdir()
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools>=68"]\nbuild-backend = "setuptools.build_meta"\n'
        f'[project]\nname = "{folder.name}"\nversion = "1.0"\ndependencies = [{requires}]\n'
        f'[project.entry-points.dfsubmit]\nown = "{folder.name}"\n'
        f'[tool.setuptools]\npy-modules = ["{folder.name}"]\n'
    )
    (folder / f"{folder.name}.py").write_text(code)
    return folder


AGGREGATOR = """
from dfsubmit.hooks.hookspecs import hookimpl

@hookimpl
def register_aggregators(register):
    register("second-highest", lambda scores: float(sorted(scores.p_fake)[-2:][0]))

@hookimpl
def register_detectors(register):
    register("nobody", lambda: lambda picture, upsampling: [])
"""


def test_task_bundle_holds_exactly_what_the_contract_wants(task_bundle: Path) -> None:
    files = relative_files(task_bundle)
    wheel = next((task_bundle / "wheels").glob(WHEEL)).name
    assert files == [
        "bundle.json",
        "model/tiny-vit-demo/README.md",
        "model/tiny-vit-demo/config.json",
        "model/tiny-vit-demo/dfsubmit_recipe.json",
        "model/tiny-vit-demo/model.safetensors",
        "model/tiny-vit-demo/preprocessor_config.json",
        "requirements.txt",
        "task.ipynb",
        f"wheels/{wheel}",
    ]


def test_predict_bundle_keeps_everything_under_assets(predict_bundle: Path) -> None:
    outside = [path for path in relative_files(predict_bundle) if not path.startswith("assets/")]
    assert outside == ["bundle.json", "predict.ipynb", "requirements.txt"]
    model = open_model(predict_bundle / "assets/model/tiny-vit-demo")
    assert model.recipe_known


def test_manifest_lists_every_file_with_its_hash_and_origin(task_bundle: Path) -> None:
    manifest = read_manifest(task_bundle)
    assert {item.path for item in manifest.files} == set(relative_files(task_bundle)) - {
        "bundle.json"
    }
    assert changes(task_bundle, manifest) == []
    assert manifest.model_sha256 == open_model(task_bundle / manifest.model_path).sha256
    sources = {item.path: item.source for item in manifest.files}
    assert sources["task.ipynb"] == "dfsubmit package"
    assert sources["model/tiny-vit-demo/config.json"] == "model untrained"
    assert sources[next(path for path in sources if path.endswith(".whl"))].startswith("built from")


@pytest.mark.slow
def test_two_builds_are_equal_to_the_byte(
    task_bundle: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheels, "own_wheel", own_wheel)  # not the copy of the first build
    package(PackageOptions(tiny_model, "task", tmp_path / "again", name="tiny-vit-demo"))
    assert bundle_hash(tmp_path / "again") == bundle_hash(task_bundle)


def test_an_edit_is_told_by_manifest_and_hash(task_bundle: Path, tmp_path: Path) -> None:
    edited = Path(shutil.copytree(task_bundle, tmp_path / "edited"))
    (edited / "requirements.txt").write_text("")
    (edited / "extra.txt").write_text("")
    (edited / "task.ipynb").unlink()
    assert changes(edited, read_manifest(edited)) == [
        "task.ipynb is missing",
        "extra.txt was added",
        "requirements.txt was changed",
    ]
    assert bundle_hash(edited) != bundle_hash(task_bundle)


@pytest.mark.parametrize(
    "edit", [{"model": "../../secret"}, {"model": 3}, {"recipe": []}, {"pins": [1]}, {"files": 1}]
)
def test_a_manifest_that_no_build_writes_is_refused(
    task_bundle: Path, tmp_path: Path, edit: dict[str, object]
) -> None:
    manifest = json.loads((task_bundle / "bundle.json").read_text())
    (tmp_path / "bundle.json").write_text(json.dumps({**manifest, **edit}))
    with pytest.raises(UsageError, match="is not a bundle's manifest"):
        read_manifest(tmp_path)


def test_pins_are_exact_and_leave_the_servers_own_packages_alone(task_bundle: Path) -> None:
    lines = (task_bundle / "requirements.txt").read_text().splitlines()
    assert tuple(lines) == PINS
    assert all(line.count("==") == 1 for line in lines)
    names = {line.split("==")[0] for line in lines}
    assert names.isdisjoint({"torch", "torchvision", "opencv-python"})
    assert names.isdisjoint(pin.split("==")[0] for pin in SERVER)


def test_the_wheel_is_this_source(task_bundle: Path) -> None:
    wheel = next((task_bundle / "wheels").glob(WHEEL))
    with zipfile.ZipFile(wheel) as archive:
        packed = archive.read("dfsubmit/bundle/package/packaging.py")
    assert packed == (REPOSITORY / "dfsubmit/bundle/package/packaging.py").read_bytes()


@pytest.mark.parametrize("target", ["task", "predict"])
def test_committed_notebooks_are_what_the_command_writes(
    target: str, task_bundle: Path, predict_bundle: Path
) -> None:
    bundle = {"task": task_bundle, "predict": predict_bundle}[target]
    for name in (f"{target}.ipynb", "requirements.txt"):
        committed = (REPOSITORY / "submit" / name).read_text(encoding="utf-8")
        assert committed == (bundle / name).read_text(encoding="utf-8"), (
            f"submit/{name} is stale: submit/README.md says how to write it again"
        )


@pytest.mark.slow
def test_a_plugin_and_the_options_travel_along(tiny_model: Path, tmp_path: Path) -> None:
    plugin = write_plugin(tmp_path / "secondhighest", AGGREGATOR, '"numpy>=1.26"')
    output = tmp_path / "bundle"
    options = PackageOptions(
        tiny_model,
        "task",
        output,
        name="m",
        plugins=(str(plugin),),
        aggregator="mean",
        tta="flip",
    )
    package(options)
    assert (output / "wheels/secondhighest-1.0-py3-none-any.whl").is_file()
    notebook = json.loads((output / "task.ipynb").read_text())
    source = "".join("".join(cell["source"]) for cell in notebook["cells"])
    assert '"./wheels/secondhighest-1.0-py3-none-any.whl"' in source
    assert 'main(data="./data", model="./model/m", output="./submission.csv", tta="flip")' in source


@pytest.mark.slow
def test_a_plugin_with_a_requirement_that_no_pin_covers_is_refused(
    tiny_model: Path, tmp_path: Path
) -> None:
    plugin = write_plugin(tmp_path / "needy", AGGREGATOR, '"left-pad>=1"')
    with pytest.raises(UsageError, match="left-pad"):
        package(
            PackageOptions(
                tiny_model, "task", tmp_path / "bundle", name="m", plugins=(str(plugin),)
            )
        )


def test_the_name_untrained_is_refused_for_task_but_not_for_predict(
    tiny_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(DfsubmitError, match="dropped by the client"):
        package(PackageOptions(tiny_model, "task", tmp_path / "bundle"))
    assert list(tmp_path.iterdir()) == []
    package(PackageOptions(tiny_model, "predict", tmp_path / "bundle"))


def test_more_than_one_model_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(tiny_model, tmp_path / "two"))
    shutil.copytree(tiny_model, model / "checkpoint-200")
    with pytest.raises(DfsubmitError, match="more than one model"):
        package(PackageOptions(model, "task", tmp_path / "bundle"))


def test_weights_that_only_load_by_unpickling_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(tiny_model, tmp_path / "pickled"))
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    with pytest.raises(DfsubmitError, match="unpickling"):
        package(PackageOptions(model, "task", tmp_path / "bundle"))


def test_a_bundle_over_max_size_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(DfsubmitError, match="--max-size is 1,000"):
        package(PackageOptions(tiny_model, "task", tmp_path / "b", name="m", max_size=1000))


def test_an_absolute_path_in_the_models_configuration_is_refused(
    tiny_model: Path, tmp_path: Path
) -> None:
    model = Path(shutil.copytree(tiny_model, tmp_path / "m"))
    config = json.loads((model / "config.json").read_text())
    config["_name_or_path"] = "/home/someone/models/vit"
    (model / "config.json").write_text(json.dumps(config))
    with pytest.raises(DfsubmitError, match="absolute path: /home/someone"):
        package(PackageOptions(model, "task", tmp_path / "bundle"))


def test_a_key_in_the_model_card_is_refused_and_not_repeated(
    tiny_model: Path, tmp_path: Path
) -> None:
    model = Path(shutil.copytree(tiny_model, tmp_path / "m"))
    secret = "-".join(["01234567", "89ab", "cdef", "0123", "456789abcdef"])
    (model / "README.md").write_text(f"sent with {secret}\n")
    with pytest.raises(DfsubmitError, match="holds a key") as refusal:
        package(PackageOptions(model, "task", tmp_path / "bundle"))
    assert secret not in refusal.value.message


@pytest.mark.parametrize("name", ["README.md", "config.json", "model.safetensors"])
def test_a_link_out_of_the_models_folder_is_refused(
    tiny_model: Path, tmp_path: Path, name: str
) -> None:
    model = Path(shutil.copytree(tiny_model, tmp_path / "vit"))
    (tmp_path / "secret").write_bytes((tiny_model / name).read_bytes())
    (model / name).unlink()
    (model / name).symlink_to("../secret")
    with pytest.raises(DfsubmitError, match=f"{name} is a link out of its folder, to .*secret"):
        package(PackageOptions(model, "task", tmp_path / "bundle"))
    assert not (tmp_path / "bundle").exists()


def test_links_as_hugging_faces_cache_has_them_are_followed(
    tiny_model: Path, tmp_path: Path
) -> None:
    snapshot = tmp_path / "models--somebody--vit" / "snapshots" / "0a1b"
    blobs = snapshot.parents[1] / "blobs"
    snapshot.mkdir(parents=True)
    shutil.copytree(tiny_model, blobs)
    for path in blobs.iterdir():
        (snapshot / path.name).symlink_to(f"../../blobs/{path.name}")
    built = package(PackageOptions(snapshot, "task", tmp_path / "bundle", name="vit"))
    assert "model/vit/model.safetensors" in [item.path for item in built.files]


def test_a_folder_that_is_no_bundle_is_not_overwritten(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="is not a bundle"):
        package(PackageOptions(tiny_model, "task", tmp_path / "mine", name="m"))
    assert (tmp_path / "mine" / "thesis.tex").is_file()


def test_an_unknown_aggregator_is_refused_with_a_hint(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="maen"):
        package(PackageOptions(tiny_model, "task", tmp_path / "b", name="m", aggregator="maen"))


@pytest.mark.slow
def test_an_aggregator_or_a_detector_without_its_plugin_is_refused(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = write_plugin(tmp_path / "secondhighest", AGGREGATOR)
    installed = tmp_path / "secondhighest-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Name: secondhighest\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[dfsubmit]\nown = secondhighest\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.syspath_prepend(project)
    options = PackageOptions(
        tiny_model, "task", tmp_path / "b", name="m", aggregator="second-highest"
    )
    with pytest.raises(UsageError, match="comes from secondhighest") as refusal:
        package(options)
    assert "--plugin DIR|WHEEL" in refusal.value.hint
    model = shutil.copytree(tiny_model, tmp_path / "model")
    (model / RECIPE_FILE).write_text(Recipe(detector="nobody").to_json())
    with pytest.raises(UsageError, match="detector 'nobody' comes from secondhighest"):
        package(dataclasses.replace(options, model=model, aggregator="mean"))
    package(dataclasses.replace(options, model=model, plugins=(str(project),)))
    assert read_manifest(tmp_path / "b").aggregator == "second-highest"
