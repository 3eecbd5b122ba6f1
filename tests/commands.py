"""The project's command, in this process and in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys

from click.testing import CliRunner

from dfsubmit.cli import main


def dfsubmit(*arguments: object, code: int = 0) -> str:
    """Run a command in this process; its output."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if result.exit_code != code and result.exception:
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def start(*arguments: object, launcher: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """Run a command in a process of its own, on one thread, so that sums add up the same."""
    python = [sys.executable, *launcher, "-m", "dfsubmit"]
    return subprocess.Popen(
        [*python, *(str(argument) for argument in arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Its output; it must have ended well."""
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    return output
