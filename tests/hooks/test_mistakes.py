"""Mistakes in a plugin's code are named, with their line, by the commands that load it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dfsubmit.cli import main
from dfsubmit.errors import Exit

# A model without a network: bright faces are fake. What it gives is a mistake's place.
LOADER = """
import numpy as np
from dfsubmit import hookimpl
from dfsubmit.faces.preprocess import Preprocessor

class Bright:
    id2label = {0: "Real", 1: "Fake"}
    preprocessor = Preprocessor(height=4, width=4)
    device, precision = "cpu", "fp32"
    def logits(self, pixels):
        bright = pixels.reshape(len(pixels), -1).mean(axis=1) / 255
        return np.stack([0 * bright, bright], axis=1).astype(np.float32)

class Loader:
    def rank(self, request):
        return 99
    def load(self, request):
        return Bright()

def odd(scores):
    if FAILS(len(scores)):
        raise ValueError("too few frames")
    return 0.9

@hookimpl
def register_model_loaders(register):
    register("bright", Loader())

@hookimpl
def register_aggregators(register):
    register("odd", odd)
"""


@pytest.fixture
def run(tiny_model: Path, samples: Path, tmp_path: Path) -> Callable[..., Result]:
    """``run(source, *options)``: `dfsubmit run` on two pictures with that plugin."""
    data, plugins = tmp_path / "data", tmp_path / "plugins"
    data.mkdir()
    plugins.mkdir()
    for name in ("face.jpg", "face.png"):
        shutil.copy(samples / name, data)

    def call(source: str, *options: str) -> Result:
        (plugins / "bright.py").write_text(source)
        arguments = ["run", str(data), "--model", str(tiny_model), "--plugins-dir", str(plugins)]
        arguments += ["--output", str(tmp_path / "s.csv"), "--workers", "1", "--no-progress"]
        return CliRunner().invoke(main, [*arguments, "--no-fallback", *options])

    return call


def test_plugins_and_doctor_say_that_a_file_registers_nothing(tmp_path: Path) -> None:
    (tmp_path / "bare.py").write_text("def register_aggregators(register):\n    pass\n")
    for command in ("plugins", "doctor"):
        result = CliRunner().invoke(main, [command, "--plugins-dir", str(tmp_path)])
        assert "bare.py" in result.output
        assert "it registers nothing: is @hookimpl missing" in result.output


@pytest.mark.slow
def test_an_aggregator_that_fails_everywhere_is_exit_code_1_with_its_first_reason(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    result = run(LOADER.replace("FAILS(len(scores))", "True"), "--aggregator", "odd")
    reason = "odd: ValueError: too few frames (bright.py, line 22)"
    assert result.exit_code == Exit.FAILED_CHECK, result.output
    assert f": the mean is used instead of {reason}\n" in result.stderr
    assert result.stderr.count("too few frames") == 1
    assert "failed on 2 of 2 scored files, where the mean was used instead" in result.stdout
    assert f"the first: face.jpg: {reason}" in result.stdout
    assert result.stderr.splitlines()[-1] == (
        "the aggregator odd failed on every scored file, so that the labels are the mean's: "
        "exit code 1"
    )
    assert json.loads((tmp_path / "s.meta.json").read_text())["aggregator_fallbacks"] == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        ("return np.stack", "return [0] or np.stack", "gives list for its logits"),
        ("reshape(len(pixels), -1)", "flat[0 / 0]", "cannot score a face: ZeroDivisionError: "),
    ],
)
def test_a_model_that_is_wrong_is_named_without_a_traceback(
    run: Callable[..., Result], ours: str, theirs: str, said: str
) -> None:
    result = run(LOADER.replace(ours, theirs))
    assert result.exit_code == Exit.USAGE, result.output
    error = result.stderr.splitlines()[-2:]
    assert f"untrained (model loader 'bright') {said}" in " ".join(error)
    assert "line 11" in result.stderr or "numbers (faces, classes)" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "return 1 / 0",
            "the model loader 'bright': ZeroDivisionError: division by zero (bright.py, line 18)",
        ),
        (
            "return object()",
            "it gives 'object', which lacks id2label, preprocessor, device, precision, logits",
        ),
    ],
)
def test_a_loader_that_is_wrong_is_named_with_its_line(
    run: Callable[..., Result], body: str, said: str
) -> None:
    result = run(LOADER.replace("return Bright()", body), "--loader", "bright")
    assert result.exit_code == Exit.USAGE, result.output
    assert said in result.stderr
    assert "Traceback" not in result.output
