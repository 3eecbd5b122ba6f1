"""The command line: light help, hints, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from dfsubmit import cli
from dfsubmit.cli import COMMANDS, main
from dfsubmit.errors import DfsubmitError, ModelError, NotInstalled

Invoke = Callable[..., Result]
HEAVY = (
    "numpy torch transformers cv2 dlib sklearn matplotlib PIL rich tqdm av openvino onnxruntime"
).split()


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Invoke:
    """Run dfsubmit in a folder that holds nothing but ./data with an empty file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/face.jpg").touch()

    def invoke(*arguments: str, **options: Any) -> Result:
        return CliRunner().invoke(main, list(arguments), **options)

    return invoke


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from dfsubmit.cli import main\n"
        "try: main(sys.argv[1:])\n"
        f"finally: print(sorted(set({HEAVY}) & set(sys.modules)), file=sys.stderr)"
    )
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": root},
    )  # fmt: skip
    assert done.stderr.strip() == "[]"
    assert "dfsubmit" in done.stdout or "submission.csv" in done.stdout


def test_every_command_is_listed_with_a_line(invoke: Invoke) -> None:
    output = invoke("--help").output
    for name, (_, line) in COMMANDS.items():
        assert f"  {name} " in output
        assert line in output


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help_in_the_same_voice(invoke: Invoke, name: str) -> None:
    result = invoke(name, "--help")
    assert result.exit_code == 0, result.output
    assert f"{name}" in result.output
    assert "--help" in result.output


@pytest.mark.parametrize(
    "name", ["run", "extract", "finetune", "compare", "evaluate", "calibrate", "stress", "rehearse"]
)
def test_every_long_command_shows_its_progress_or_not(invoke: Invoke, name: str) -> None:
    text = " ".join(invoke(name, "--help").output.split())
    assert "--progress / --no-progress Show a progress bar on stderr." in text


def test_an_unknown_command_is_answered_with_the_nearest(invoke: Invoke) -> None:
    result = invoke("rnu")
    assert result.exit_code == 2
    assert "no command 'rnu'" in result.output
    assert "'run'" in result.output
    assert "Traceback" not in result.output


def test_a_missing_required_option_is_usage(invoke: Invoke) -> None:
    result = invoke("run")
    assert result.exit_code == 2
    assert "--model" in result.output


def test_a_missing_model_is_usage_with_a_hint(invoke: Invoke) -> None:
    result = invoke("run", "--model", "gone")
    assert result.exit_code == 2
    assert "error: " in result.stderr
    result = invoke("run", "--model", "gone", "--no-fallback")
    assert result.exit_code == 2
    assert "there is no model at gone" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DfsubmitError("it broke", "mend it"), 1),
        (ModelError("it broke", "mend it"), 2),
        (NotInstalled("it broke", "mend it"), 5),
        (DfsubmitError("it broke", "mend it", 3), 3),
    ],
)
def test_deliberate_errors_are_printed_with_their_hint_and_code(
    invoke: Invoke,
    monkeypatch: pytest.MonkeyPatch,
    error: DfsubmitError,
    code: int,
) -> None:
    monkeypatch.setitem(cli.COMMANDS, "fail", ("made_up", ""))

    @click.command("fail")
    def fail() -> None:
        raise error

    fake = SimpleNamespace(command=fail)
    monkeypatch.setitem(sys.modules, "dfsubmit.cli.made_up", fake)
    result = invoke("fail")
    assert result.exit_code == code
    assert result.stderr == "error: it broke\n  hint: mend it\n"
    assert result.stdout == ""
    monkeypatch.setenv("DFSUBMIT_DEBUG", "1")
    assert invoke("fail").exception is error


def test_errors_cannot_move_the_cursor(invoke: Invoke) -> None:
    result = invoke("run", "--no-fallback", "--model", "gone\x1b[2J\udcff")
    assert "\x1b" not in result.output
    assert r"gone\x1b[2J\udcff" in result.stderr


def test_a_folder_without_files_is_an_error_that_leaves_nothing(
    invoke: Invoke, tmp_path: Path
) -> None:
    (tmp_path / "data/face.jpg").unlink()
    (tmp_path / "data/.hidden.jpg").touch()
    result = invoke("run", "--model", "x")
    assert result.exit_code == 2
    assert "no media in ./data: it holds no file that is not hidden" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_options_come_from_the_environment_too(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DFSUBMIT_MODEL", "from-the-environment")
    monkeypatch.setenv("DFSUBMIT_NO_FALLBACK", "1")
    result = invoke("run")
    assert "there is no model at from-the-environment" in result.stderr
    monkeypatch.setenv("DFSUBMIT_MAX_FAILURES", "many")
    assert "'many' is no share" in invoke("run").output


def test_another_commands_variables_carry_its_name(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DFSUBMIT_TIME_LIMIT", "soon")
    assert "'soon' is no span of time" in invoke("run", "--model", "x").output
    monkeypatch.setenv("DFSUBMIT_PLUGINS_PLUGINS_DIR", "gone")
    assert "--plugins-dir gone" in invoke("plugins").stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--threshold", "nan"],
        ["--threshold", "1.5"],
        ["--max-failures", "nan"],
        ["--time-limit", "0"],
        ["--per-file-timeout", "0"],
        ["--frames", "0"],
        ["--output", ""],
        ["--output", "data/submission.csv"],
        ["--precision", "fp8"],
        ["--recipe", "dfsubmti"],
        ["--aggregator", "meen"],
        ["--aggregator", "mean:k=3"],
        ["--loader", "fakke"],
        ["--device", "tpu"],
        ["--fake-label", "Fakke"],
        ["--plugins-dir", "gone"],
    ],
)
def test_options_that_make_no_sense_are_usage(
    invoke: Invoke, tiny_model: Path, tmp_path: Path, arguments: list[str]
) -> None:
    result = invoke("run", "--model", str(tiny_model), "--no-fallback", *arguments)
    assert result.exit_code == 2, result.output
    assert not isinstance(result.exception, (ValueError, TypeError))
    assert not (tmp_path / "submission.csv").exists()


def test_plugins_are_listed_for_people_and_for_scripts(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("1 / 0")
    result = invoke("plugins", "--plugins-dir", ".")
    assert result.exit_code == 0
    assert "bad.py (file): FAILED: ZeroDivisionError" in result.output
    assert "mean  (dfsubmit.scoring.aggregate)" in result.output
    assert "huggingface  (dfsubmit.models.huggingface)" in result.output
    listing = json.loads(invoke("plugins", "--plugins-dir", ".", "--json").stdout)
    (failed,) = [plugin for plugin in listing["plugins"] if plugin["error"]]
    assert failed["name"] == "bad.py"
    (mean,) = [item for item in listing["aggregators"] if item["name"] == "mean"]
    assert mean["bounds"] is True
    assert listing["loaders"]["huggingface"] == "dfsubmit.models.huggingface"
    assert invoke("plugins", "--plugins-dir", ".", "--strict").exit_code == 2


@pytest.mark.slow
def test_run_prints_its_table_on_stdout_and_its_warnings_on_stderr(
    invoke: Invoke, samples: Path, tiny_model: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    (data / "face.jpg").write_bytes((samples / "face.jpg").read_bytes())
    run = ["run", "--model", str(tiny_model), "--no-fallback", "--workers", "1"]
    result = invoke(*run)
    assert result.exit_code == 0, result.output
    assert "submission.csv: 1 row" in result.stdout
    assert result.stderr.startswith("loading the model …\n")
    assert "warning: this model is UNTRAINED" in result.stderr
    assert "class 1 ('Fake') is fake" in result.stderr
    assert (tmp_path / "submission.csv").read_text().startswith("filename,label\nface.jpg,")
    (data / "text.mp4").write_text("This is not a video.")
    result = invoke(*run, "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["statuses"] == {"ok": 1, "unreadable": 1}
    why = "1 of 2 files failed (50 %), more than --max-failures 5 %: exit code 3"
    assert result.stderr.splitlines()[-1] == why
    result = invoke("run", "--model", "gone", "--fallback", str(tiny_model), "--max-failures", "1")
    assert result.exit_code == 4
    assert "FALLBACK MODEL" in result.stderr
    assert "FALLBACK MODEL" in result.stdout
    assert result.stderr.endswith("was used: exit code 4\n")
