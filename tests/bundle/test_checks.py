"""Every rule that a bundle edited by hand can break is found."""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dfsubmit.bundle.checks import problems

# In pieces, so that nobody takes this file for one with keys in it.
WORD = "0a1B" * 10
UUID = "-".join(["0f0f0f0f", "1111", "4222", "8333", "444444444444"])


@pytest.fixture
def bundle(task_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(task_bundle, tmp_path / "bundle"))


def add_cell(bundle: Path, source: str) -> None:
    path = bundle / "task.ipynb"
    notebook = json.loads(path.read_text())
    notebook["cells"].insert(
        3,
        {
            "cell_type": "code",
            "id": "added",
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": [source],
        },
    )
    path.write_text(json.dumps(notebook))


def add_plugin(bundle: Path, member: str) -> None:
    with zipfile.ZipFile(bundle / "wheels/own-1-py3-none-any.whl", "w") as archive:
        archive.writestr(member, "")


def test_built_bundles_have_no_problem(task_bundle: Path, predict_bundle: Path) -> None:
    assert problems(task_bundle, "task", sys.maxsize) == []
    assert problems(predict_bundle, "predict", sys.maxsize) == []


EDITS: list[tuple[Callable[[Path], object], str]] = [
    (
        lambda b: (b / "model").rename(b / "models_trained"),
        "models_trained/tiny-vit-demo/config.json would be dropped",
    ),
    (lambda b: shutil.copytree(b / "model/tiny-vit-demo", b / "model/two"), "more than one model"),
    (
        lambda b: shutil.copy(
            b / "model/tiny-vit-demo/model.safetensors", b / "model/tiny-vit-demo/other.onnx"
        ),
        "more than one set of weights",
    ),
    (
        lambda b: (b / "model/tiny-vit-demo/model.safetensors").rename(
            b / "model/tiny-vit-demo/model.bin"
        ),
        "only load by unpickling",
    ),
    (lambda b: (b / "model/tiny-vit-demo/model.safetensors").unlink(), "no model weights"),
    (lambda b: (b / "away").symlink_to(b.parent), "away is a link"),
    (lambda b: add_cell(b, 'weights = "/home/me/weights"'), "absolute path: /home/me/weights"),
    (lambda b: add_cell(b, r'weights = "C:\\models"'), "absolute path"),
    (lambda b: add_cell(b, "!ls ~/models"), "absolute path"),
    (lambda b: add_cell(b, f'aif.submit("m", "{UUID}")'), "task.ipynb holds a key"),
    (lambda b: add_cell(b, 'submit(key="abcdefghijklmnop")'), "holds a key written out"),
    (lambda b: add_cell(b, "%aifactory submit --api-key abcdefghijkl"), "a key written out"),
    (lambda b: add_cell(b, f'client("sk-proj-{WORD}")'), "a key of OpenAI"),
    (lambda b: add_cell(b, f'git = "ghp_{WORD[:36]}"'), "a key (GitHub Token)"),
    (lambda b: add_cell(b, f'env["DB_PASSWORD"] = "{WORD}"'), "a key (Secret Keyword)"),
    (lambda b: (b / ".env").write_text(f"AWS_SECRET_ACCESS_KEY={WORD}"), "key of the environment"),
    (lambda b: (b / "run").write_text(f"#!/bin/sh\nexport HF_TOKEN={WORD}"), "of the environment"),
    (lambda b: (b / "notes.txt").write_text(f"key {UUID}"), "notes.txt holds a key"),
    (lambda b: add_plugin(b, "own/weights.onnx"), "brings weights of its own: own/weights.onnx"),
    (lambda b: (b / "wheels/own.whl").write_text("text"), "wheels/own.whl is not a wheel"),
    (lambda b: (b / "task.ipynb").write_text("{}"), "is not a notebook"),
]


@pytest.mark.parametrize(("edit", "reason"), EDITS, ids=[reason for _, reason in EDITS])
def test_an_edit_that_breaks_a_rule_is_found(
    bundle: Path, edit: Callable[[Path], object], reason: str
) -> None:
    edit(bundle)
    reasons = problems(bundle, "task", sys.maxsize)
    assert any(reason in line for line in reasons), reasons


def test_the_environments_own_key_is_found_even_in_weights(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIF_API_KEY", "plain-words-as-a-key")
    weights = bundle / "model/tiny-vit-demo/model.safetensors"
    weights.write_bytes(weights.read_bytes() + b"plain-words-as-a-key")
    reasons = problems(bundle, "task", sys.maxsize)
    assert reasons == ["model/tiny-vit-demo/model.safetensors holds the key of AIF_API_KEY"]


def test_reading_the_key_from_the_environment_is_no_leak(bundle: Path) -> None:
    add_cell(bundle, 'key = os.environ.get("AIF_API_KEY") or getpass.getpass("your key: ")')
    assert problems(bundle, "task", sys.maxsize) == []


def test_urls_and_arithmetic_are_no_absolute_paths(bundle: Path) -> None:
    add_cell(bundle, 'link = "https://host/v1/files"; half = a / b; rate = "frames/s"')
    assert problems(bundle, "task", sys.maxsize) == []
