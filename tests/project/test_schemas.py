"""Real outputs satisfy the published schemas, and have no key that is missing there."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dfsubmit import RunOptions, run
from dfsubmit.cli import main
from dfsubmit.extraction.index import FaceRow, write_index
from dfsubmit.output.scores import META_VERSION, write_scores
from dfsubmit.recipe import BUILT_IN, RECIPE_VERSION, Recipe
from dfsubmit.records import FileResult, Kind, Status
from dfsubmit.shards import Shard

jsonschema = pytest.importorskip("jsonschema", reason="needs the dev extra")

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = {
    path.name.removesuffix(".schema.json"): json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "docs" / "schemas").glob("*.json"))
}


def validate(name: str, data: Any) -> None:
    from referencing import Registry, Resource

    resources = ((item["$id"], Resource.from_contents(item)) for item in SCHEMAS.values())
    registry: Any = Registry().with_resources(resources)
    schema = SCHEMAS[name]
    jsonschema.Draft202012Validator(schema, registry=registry).validate(data)
    if "properties" in schema:
        undocumented = set(data) - set(schema["properties"])
        assert not undocumented, f"add to docs/schemas/{name}.schema.json: {undocumented}"


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_valid_and_named_by_its_file(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$id"] == f"urn:dfsubmit:schema:{name}"


def test_versions_are_the_codes() -> None:
    assert SCHEMAS[f"meta-{META_VERSION}"]["properties"]["version"] == {"const": META_VERSION}
    recipe = SCHEMAS[f"recipe-{RECIPE_VERSION}"]["properties"]
    assert recipe["version"] == {"const": RECIPE_VERSION}
    assert SCHEMAS["scores-1"]["properties"]["status"]["enum"] == [item.value for item in Status]
    assert SCHEMAS["scores-1"]["properties"]["kind"]["enum"] == [item.value for item in Kind]


@pytest.mark.parametrize("recipe", BUILT_IN.values(), ids=BUILT_IN)
def test_a_recipe(recipe: Recipe) -> None:
    validate("recipe-1", recipe.to_dict())


@pytest.mark.parametrize(
    "wrong", [{"frames": 0}, {"crop_shape": "round"}, {"detector": "a b"}, {"framez": 40}]
)
def test_what_is_no_recipe_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        validate("recipe-1", {**Recipe().to_dict(), **wrong})


def test_lines_of_scores(make_result: Callable[..., FileResult], tmp_path: Path) -> None:
    results = [
        make_result("clip.mp4", 0.2, 0.9),
        make_result("early.mp4", 0.2, p_fake=None, bounds=(0.1, 0.3)),
        make_result("none.jpg", kind=Kind.IMAGE, note="it lacks its end"),
    ]
    write_scores(tmp_path / "a.scores.jsonl", results, "a name")
    for line in lines(tmp_path / "a.scores.jsonl"):
        validate("scores-1", line)
        with pytest.raises(jsonschema.ValidationError):
            validate("scores-1", {**line, "label": 2})


def test_rows_with_landmarks(tmp_path: Path) -> None:
    row = FaceRow("crops/a/1.png", 0, "original", "mine", "", "a", "g", ("g", "h"), "", 1, 1e-05,
                  (-1, 0, 2, 3), "1.0 2.5 -3.0 4.0")  # fmt: skip
    write_index(tmp_path, [row], Recipe())
    for values in rows(tmp_path / "faces.csv"):
        validate("faces-1", values)
        with pytest.raises(jsonschema.ValidationError):
            validate("faces-1", {**values, "box": "1 2 3"})


@pytest.mark.parametrize("example", [0, 1])
def test_the_pages_examples(example: int) -> None:
    text = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    data = json.loads(re.findall(r"```json\n(.+?)```", text, re.DOTALL)[example])
    validate(("scores-1", "recipe-1")[example], data)


@pytest.mark.slow
def test_a_run(samples: Path, tiny_model: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name in ("pan.mp4", "no_face.jpg", "text.mp4"):
        shutil.copy(samples / name, data)
    run(
        RunOptions(
            model=tiny_model,
            data=data,
            output=tmp_path / "out.csv",
            fallback=None,
            frames=2,
            workers=1,
            progress=False,
        )
    )
    for line in lines(tmp_path / "out.scores.jsonl"):
        validate("scores-1", line)
    meta = json.loads((tmp_path / "out.meta.json").read_text(encoding="utf-8"))
    assert meta["complete"]
    validate("meta-1", meta)
    validate("meta-1", {**meta, "shard": Shard(1, 2).record(["a.mp4", "b.mp4"])})
    with pytest.raises(jsonschema.ValidationError):
        validate("meta-1", {key: item for key, item in meta.items() if key != "packages"})


@pytest.mark.slow
def test_an_extraction(samples: Path, tmp_path: Path) -> None:
    for label in ("real", "fake"):
        (tmp_path / "set" / label).mkdir(parents=True)
        shutil.copy(samples / "no_face.jpg", tmp_path / "set" / label / f"{label}.jpg")
    shutil.copy(samples / "text.mp4", tmp_path / "set" / "fake")
    arguments = ["extract", str(tmp_path / "set"), str(tmp_path / "faces"), "--already-cropped"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    journal = lines(tmp_path / "faces" / "extracted.jsonl")
    assert len(journal) == 4
    for line in journal:
        validate("extracted-1", line)
    assert len(list(rows(tmp_path / "faces" / "faces.csv"))) == 2
    for row in rows(tmp_path / "faces" / "faces.csv"):
        validate("faces-1", row)
    validate("recipe-1", json.loads((tmp_path / "faces" / "dfsubmit_recipe.json").read_text()))
