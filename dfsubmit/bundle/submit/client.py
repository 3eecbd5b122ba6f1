"""Send a bundle with the organisers' own client, and read its answer.

In: a bundle's folder, a model name and the key. Out: an `Answer`. The client runs in a separate
process, in a folder that contains only the uploaded files, and imports nothing from there. Its
return value is not informative (2.0.0 always returns None), so its output is read: success means
that it printed its success line.

The key is passed to the client in its environment (3.x) or on its standard input (2.0.0), never on
the command line, and is removed from everything that is printed or returned.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dfsubmit.bundle.keys import KEY_VARIABLE, without_key
from dfsubmit.bundle.manifest import NOTEBOOKS
from dfsubmit.bundle.pins import CLIENT_2025
from dfsubmit.bundle.submit.reach import checked_url
from dfsubmit.bundle.upload import lay_out, uploaded
from dfsubmit.bundle.variables import child_environment
from dfsubmit.console import printable
from dfsubmit.errors import NotInstalled, UsageError
from dfsubmit.processes import python_command

MODEL_NAME_LIMIT = 128
# It prints Korean, also where the locale is none of UTF-8's.
_CLIENT_3 = """
import runpy
for stream in (sys.stdout, sys.stderr):
    stream.reconfigure(encoding="utf-8", line_buffering=True)
sys.argv[0] = "aifactory"
runpy.run_module("aifactory", run_name="__main__", alter_sys=True)
"""
SUCCESS_2025 = "제출 완료"
SUCCESS_3 = ("제출 완료", "디버그 제출 완료")
SERVER_VARIABLE = "AIF_SERVER"
SERVER = "https://api.aifactory.space"
HOST_2025 = "api.aifactory.space"
"""The clients' default servers; the 2025 client has several hosts."""


@dataclass(frozen=True)
class Answer:
    """The outcome of a submission.

    Attributes:
        accepted: the client printed its line of success.
        text: the client's last lines, without the key.
    """

    accepted: bool
    text: str


def check_model_name(name: str) -> str:
    """The name without surrounding space.

    Raises:
        UsageError: empty, longer than the server takes, or not to be shown on one line.
    """
    name = name.strip()
    if not name.isprintable():
        raise UsageError(f"--model-name: {printable(name)} holds what cannot be shown on one line")
    if not 1 <= len(name) <= MODEL_NAME_LIMIT:
        raise UsageError(f"--model-name: 1 to {MODEL_NAME_LIMIT} characters, not {len(name)}")
    return name


def server_of(target: str, server: str | None) -> str | None:
    """The server that a bundle goes to: the given one, else what the client would take.

    None stands for the hosts of the 2025 client, which asks no variable.

    Raises:
        UsageError: it is not the address of a server.
    """
    if server is not None:
        return checked_url(server, "--server")
    if target == "task":
        return None
    return checked_url(os.environ.get(SERVER_VARIABLE, "").strip() or SERVER, SERVER_VARIABLE)


def require(target: str, say: Callable[[str], None] = lambda line: None) -> None:
    """Make sure that the client is installed, before anything is recorded in the ledger.

    Raises:
        NotInstalled: it is missing, or its environment cannot be created.
    """
    if target == "task":
        client_2025_python(say)
    else:
        _require_client_3()


def send(
    bundle: Path,
    target: str,
    model_name: str,
    key: str,
    *,
    trial: bool = False,
    server: str | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Answer:
    """Send a bundle.

    Args:
        bundle: its folder; it is not changed.
        target: "task" (the 2.0.0 client) or "predict" (the installed 3.x client).
        model_name: 1 to 128 characters.
        key: the participant's key for this task.
        trial: the debug submission, which is not counted; the 3.x client's alone.
        server: another server than the client's own; see `server_of`.
        say: called with each line that the client prints, the key taken out.

    Raises:
        UsageError: the name does not fit.
        NotInstalled: the client is missing, or its environment cannot be made.
    """
    model_name = check_model_name(model_name)
    environment = child_environment(network=True)
    if target == "task":
        script = Path(__file__).with_name("client2025.py")
        # -I keeps PYTHONPATH, with its other aifactory, off sys.path.
        command = [str(client_2025_python(say)), "-I", "-u", "-X", "utf8", str(script)]
        message = json.dumps({"model_name": model_name, "key": key, "server": server or ""})
        successes: tuple[str, ...] = (SUCCESS_2025,)
    else:
        _require_client_3()
        command = python_command(_CLIENT_3, "submit", "--model-name", model_name)
        command += ["--notebook", NOTEBOOKS["predict"]]
        command += ["--server", server_of(target, server) or SERVER]
        command += ["--debug"] if trial else []
        environment[KEY_VARIABLE] = key
        message, successes = "", SUCCESS_3
    with tempfile.TemporaryDirectory(prefix="dfsubmit-send-") as folder:
        lay_out(bundle, uploaded(bundle, target), Path(folder))
        code, lines = _talk(command, message, Path(folder), environment, key, say)
    told = [line for line in lines if line.strip() and "\r" not in line]
    # The 3.x client adds a sentence behind a dash; 2.0.0 prints the words alone.
    accepted = code == 0 and any(line.split(" — ")[0].strip() in successes for line in told)
    clean = [without_key(line, key) for line in told[-3:]]
    # Broken over several lines, it is whole again without the breaks.
    if without_key(whole := "".join("".join(told).split()), key) != whole and clean == told[-3:]:
        clean = ["the answer is not kept: the key was in it"]
    return Answer(accepted, "\n".join(clean))


def _talk(
    command: list[str],
    message: str,
    folder: Path,
    environment: dict[str, str],
    key: str,
    say: Callable[[str], None],
) -> tuple[int, list[str]]:
    """Run the client; its exit code and its lines (stdout and stderr), as they came."""
    lines = []
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(OSError):  # it has died already, and its output says why
            process.stdin.write(message)
            process.stdin.close()
        # Text mode ends a line at \r too, so that progress arrives as it is printed.
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            # What is under way is not broken off because nobody listens.
            with contextlib.suppress(OSError):
                say(without_key(lines[-1], key))
    return process.returncode, lines


def _require_client_3() -> None:
    try:
        version = importlib.metadata.version("aifactory")
    except importlib.metadata.PackageNotFoundError:
        raise NotInstalled.extra("submit", "bundle", "aifactory") from None
    if version.split(".")[0] != "3":
        raise NotInstalled(
            f"a predict bundle is sent by aifactory 3.x; {version} is installed",
            'pip install "dfsubmit[bundle]"',
        )


def client_2025_python(say: Callable[[str], None] = lambda line: None) -> Path:
    """The Python of the environment that holds the 2025 client, which is made on first use.

    It has the import name of the 3.x client, so the two cannot share an environment.

    Args:
        say: is told when it has to be made.

    Raises:
        NotInstalled: it cannot be made, for example without a network.
    """
    import platformdirs

    home = platformdirs.user_cache_path("dfsubmit") / "clients" / CLIENT_2025.replace("==", "-")
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    complete = home / "complete"
    if complete.is_file() and python.is_file():
        return python
    shutil.rmtree(home, ignore_errors=True)
    say(f"making an environment for {CLIENT_2025}, once: {home}")
    reason = ""
    for command in (
        [sys.executable, "-I", "-m", "venv", str(home)],
        [str(python), "-I", "-m", "pip", "install", "--quiet", CLIENT_2025],
    ):
        done = subprocess.run(
            command,
            env=child_environment(network=True),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
            reason = said[-1] if said else f"exit code {done.returncode}"
            break
    if reason:
        raise NotInstalled(
            f"the environment of {CLIENT_2025} cannot be made: {reason}",
            f"it goes to {home} and needs PyPI once",
        )
    complete.write_text(CLIENT_2025 + "\n", encoding="utf-8")
    return python
