"""How a command speaks: short options, -v, -q, a log, one form of errors, and how it ends."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from scores_samples import make_run

from dfsubmit.cli import COMMANDS, main
from dfsubmit.cli.decorators import debug_option, ending
from dfsubmit.console import VERBOSITY, say, warn


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def speaker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that says this and that."""
    from types import SimpleNamespace

    @click.command("speak")
    @click.argument("raised", default="")
    @debug_option
    def speak(raised: str) -> None:
        say("loading")
        warn("it is old\x1b")
        if raised:
            raise {"stop": KeyboardInterrupt, "no": click.Abort}[raised]
        click.echo(f"verbose: {VERBOSITY.verbose}")
        ending("run", "my data", "--model", "M", wrote=["a.csv"])

    import sys

    monkeypatch.setitem(COMMANDS, "speak", ("made_up", ""))
    monkeypatch.setitem(sys.modules, "dfsubmit.cli.made_up", SimpleNamespace(command=speak))
    monkeypatch.setattr("dfsubmit.cli.RESUMES", {"speak": "say it again"})


@pytest.mark.usefixtures("speaker")
def test_results_are_on_stdout_and_the_rest_on_stderr_unless_quiet() -> None:
    result = invoke("speak")
    assert result.stdout == "verbose: False\n"
    assert result.stderr == (
        "loading\nwarning: it is old\\x1b\nwrote a.csv\nnext: dfsubmit run 'my data' --model M\n"
    )
    assert invoke("speak", "-q").stderr == "warning: it is old\\x1b\n"
    assert invoke("speak", "-v").stdout == "verbose: True\n"
    assert invoke("speak").stdout == "verbose: False\n"  # the next one in this process


@pytest.mark.usefixtures("speaker")
def test_a_log_has_all_that_is_said_with_the_time(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    log.write_text("before\n")
    invoke("speak", "-q", "--log", log)
    first, *lines = log.read_text().splitlines()
    assert first == "before"
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", line) for line in lines)
    assert [line[20:] for line in lines[1:]] == [
        "loading",
        "warning: it is old\\x1b",
        "wrote a.csv",
        "next: dfsubmit run 'my data' --model M",
        "exit code 0",
    ]
    assert lines[0][20:].startswith("dfsubmit ")
    result = invoke("speak", "--log", tmp_path / "gone" / "run.log")
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


@pytest.mark.usefixtures("speaker")
def test_ctrl_c_says_how_to_go_on_and_ends_with_130() -> None:
    result = invoke("speak", "stop")
    assert result.exit_code == 130
    assert result.stderr.endswith("error: stopped\n  hint: say it again\n")
    result = invoke("speak", "no")
    assert result.exit_code == 1
    assert result.stderr.endswith("error: nothing was done\n")


def test_extract_and_finetune_say_that_they_resume() -> None:
    from dfsubmit.cli import RESUMES

    for name in ("extract", "finetune"):
        assert "the same command continues" in RESUMES[name]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--frames", "0"], "error: invalid value for '--frames': 0 is not in"),
        (["run", "--nonsense"], "error: no such option '--nonsense'"),
        (["evaluate"], "error: missing argument 'SUBMISSION_OR_SCORES'"),
        (["rnu"], "error: no command 'rnu'"),
        (["--nonsense"], "error: no such option '--nonsense'"),
        (["evaluate", "gone.csv", "--labels", "gone"], "error: "),
    ],
)
def test_every_error_has_one_form(arguments: list[str], message: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(message)
    assert result.stderr.lower().count("error:") == 1
    assert "Usage:" not in result.stderr


def test_colours_are_for_terminals_that_have_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stream: Any = __import__("sys").stderr
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    warn("one")
    monkeypatch.setenv("NO_COLOR", "1")
    warn("two")
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    warn("three")
    assert capsys.readouterr().err == (
        "\x1b[33mwarning:\x1b[0m one\nwarning: two\nwarning: three\n"
    )


def test_files_are_named_and_the_next_command_is_said(tmp_path: Path) -> None:
    scores, labels = make_run(tmp_path)
    csv = tmp_path / "table.csv"
    result = invoke("compare", scores, "--labels", labels, "--aggregator", "mean", "--csv", csv)
    lines = result.stderr.splitlines()
    assert f"wrote {csv}" in lines
    assert lines[-1] == f"next: dfsubmit calibrate {scores} --labels {labels} --model MODEL"


@pytest.mark.parametrize("name", ["run", "stress", "finetune", "soup", "package"])
def test_outputs_have_a_short_option(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    (output,) = [item for item in command.params if item.name == "output"]
    assert output.opts == ["-o", "--output"]
