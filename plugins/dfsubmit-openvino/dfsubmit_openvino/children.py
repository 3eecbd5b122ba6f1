"""Work on graphs in a child process, which gives its memory back when it ends.

In: a job's name and settings (`jobs`). Out: files in a folder. The run's own process imports
neither torch nor NNCF for it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping

from dfsubmit.hooks import DfsubmitError, ModelError, NotInstalled, activity, python_command
from dfsubmit_openvino.store import NoRoom

_BOOT = "from dfsubmit_openvino.jobs import main; main(sys.argv[1], int(sys.argv[2]))"
_ERRORS: dict[str, type[DfsubmitError]] = {
    kind.__name__: kind for kind in (DfsubmitError, ModelError, NotInstalled)
}
# glibc keeps freed arrays of up to 32 MB for itself, once some were freed: hundreds of MiB here.
_ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_ARENA_MAX": "2"}


def run_job(what: str, settings: Mapping[str, object], hint: str) -> None:
    """Run a job of `jobs` to its end; a signal that stops this process stops it too.

    Args:
        what: is done, for the user ("MODEL: converting it for OpenVINO").
        settings: of the job, plain JSON.
        hint: what to do if it fails.

    Raises:
        NoRoom: it cannot write its files.
        DfsubmitError: as the job raised it.
        ModelError: the child failed otherwise, or was killed.
    """
    lifeline, ours = os.pipe()
    try:
        process = subprocess.Popen(
            python_command(_BOOT, json.dumps(settings), str(lifeline)),
            pass_fds=(lifeline,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**_ENVIRONMENT, **os.environ},
        )
        with process, activity(what):
            try:
                answer, messages = process.communicate()
            finally:
                process.kill()  # does nothing if it has ended
                process.wait()
    except OSError as error:  # no memory for another process, or too many of them
        raise ModelError(f"{what} failed: {error}", hint) from error
    finally:
        os.close(ours)
        os.close(lifeline)
    if process.returncode == 0:
        return
    _raise_known(answer)
    raise ModelError(f"{what} failed: {_reason(process.returncode, messages)}", hint)


def _raise_known(answer: str) -> None:
    try:
        found = json.loads(answer)
        kind, message, hint, code = (found[key] for key in ("kind", "message", "hint", "code"))
    except (ValueError, TypeError, KeyError):
        return  # it did not come to say anything
    if kind == NoRoom.__name__:
        raise NoRoom(message)
    raise _ERRORS.get(kind, DfsubmitError)(message, hint, code)


def _reason(code: int, messages: str) -> str:
    if code == -signal.SIGKILL:
        return "its process was killed, as the system does where memory is short"
    if code < 0:
        return f"its process was ended by {signal.Signals(-code).name}"
    lines = [line.strip() for line in messages.splitlines() if line.strip()]
    return lines[-1] if lines else f"exit code {code}"
