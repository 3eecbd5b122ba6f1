"""dfsubmit.toml: found upward, below the environment and the command line; and completion."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

from dfsubmit.cli import main

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes dfsubmit.toml into the folder above the current one."""
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    monkeypatch.setenv("DFSUBMIT_MODEL_FOLDERS", "")  # which reading a file may set

    def write(text: str) -> Path:
        (tmp_path / "dfsubmit.toml").write_text(text)
        return tmp_path / "dfsubmit.toml"

    return write


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def holds(*arguments: object) -> dict[str, Any]:
    result = invoke(*arguments, "config", "--json")
    assert result.exit_code == 0, result.output
    listing: dict[str, Any] = json.loads(result.stdout)
    return listing


def test_the_environment_goes_before_the_file_and_that_before_the_default(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write('device = "cpu"\n[run]\nframes = 7\nmax-failures = "50%"\nmodel = "./m/one"\n')
    monkeypatch.setenv("DFSUBMIT_DEVICE", "cuda:3")
    listing = holds()
    assert listing["file"] == str(path)
    options = listing["options"]
    assert options["--device"] == {"value": "cuda:3", "from": "environment"}
    assert options["--frames"]["from"] == "dfsubmit.toml"
    assert int(options["--frames"]["value"]) == 7
    assert options["--output"] == {"value": "submission.csv", "from": "default"}
    # A path is relative to the file's folder.
    assert options["--model"]["value"] == str(path.parent / "m" / "one")


def test_the_command_line_goes_before_the_file(write: Write) -> None:
    write('[run]\nmodel = "from-the-file"\nno-fallback = true\n')
    (Path.cwd() / "data").mkdir()
    (Path.cwd() / "data" / "a.jpg").write_bytes(b"")
    assert "from-the-file" in invoke("run").stderr
    result = invoke("run", "--model", "from-the-line")
    assert "there is no model at from-the-line" in result.stderr
    assert "from-the-file" not in result.stderr


def test_a_named_file_takes_the_place_of_the_found_one(write: Write, tmp_path: Path) -> None:
    write("[run]\nframes = 7\n")
    other = tmp_path / "other.toml"
    other.write_text("[run]\nframes = 8\n")
    assert int(holds("--config", other)["options"]["--frames"]["value"]) == 8
    assert holds("--config", "")["file"] is None
    result = invoke("--config", tmp_path / "gone.toml", "config")
    assert result.exit_code == 2
    assert "gone.toml cannot be read" in result.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[run]\nframse = 3\n", ["[run] has no option 'framse'", "'frames'"]),
        ("devise = 3\n", ["'devise' is not an option", "'device'"]),
        ("[rnu]\nframes = 3\n", ["'rnu' is not a command", "'run'"]),
        ("frames = \n", ["dfsubmit.toml: "]),
        ('[run]\nplugins-dir = ["x"]\n', ["'plugins-dir' may not be set by a file that was found"]),
        ('executor = "ray:address=1.2.3.4"\n', ["'executor' may not be set by a file"]),
        ("[run]\nforce = true\n", ["'force' may not be set by a file that was found"]),
        ("[run]\nframes = 0\n", ["invalid value for '--frames'"]),
    ],
)
def test_what_the_file_has_wrong_is_said(write: Write, text: str, words: list[str]) -> None:
    write(text)
    result = invoke("run", "--model", "x")
    assert result.exit_code == 2
    for word in words:
        assert word in result.stderr
    assert invoke("run", "--help").exit_code == 0


def test_a_named_file_may_name_plugins(write: Write) -> None:
    path = write('[plugins]\nplugins-dir = ["p"]\n')
    (path.parent / "p").mkdir()
    (path.parent / "p" / "mine.py").write_text("from dfsubmit.hooks import hookimpl\n1 / 0\n")
    assert "may not be set" in invoke("plugins").stderr
    assert "mine.py" in invoke("--config", path, "plugins").stdout


def test_model_folders_are_looked_through(write: Write) -> None:
    path = write('model-folders = ["mine"]\n')
    folder = path.parent / "mine" / "one"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    import os

    del os.environ["DFSUBMIT_MODEL_FOLDERS"]
    assert f"one ({folder})" in invoke("run").stderr


def test_config_shows_a_table(write: Write) -> None:
    path = write("[compare]\nsamples = 500\n")
    result = invoke("config", "compare")
    assert f"file: {path}" in result.stdout
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("--samples")]
    assert line.split() == ["--samples", "500", "dfsubmit.toml"]


@pytest.mark.parametrize(
    ("arguments", "incomplete", "expected"),
    [
        (["run", "--model"], "tiny-vit", "tiny-vit-demo"),
        (["run", "--aggregator"], "mea", "mean"),
        (["extract", "--recipe"], "organ", "organiser-baseline"),
        (["stress", "--variant"], "blur", "blur2"),
        ([], "reh", "rehearse"),
    ],
)
def test_a_shell_completes_names(arguments: list[str], incomplete: str, expected: str) -> None:
    completion = ShellComplete(main, {}, "dfsubmit", "_DFSUBMIT_COMPLETE")
    found = completion.get_completions(arguments, incomplete)
    assert expected in [item.value for item in found]
