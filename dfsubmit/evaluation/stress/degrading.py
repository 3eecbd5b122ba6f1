"""Degrade many files at once, in processes of their own.

In: files and a variant. Out: each file as it is finished, with the reason why it could not be
degraded. Not `multiprocessing`: its children look for modules in the current folder, which may be
the data folder, and run the main script of whoever calls this once more.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from itertools import islice
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from dfsubmit.errors import DfsubmitError
from dfsubmit.evaluation.stress.degrade import Variant, degrade_file
from dfsubmit.processes import python_command
from dfsubmit.records import MediaFile

_CODE = "from dfsubmit.evaluation.stress.degrading import serve; serve(int(sys.argv[1]))"


def degraded(
    files: Sequence[MediaFile], folder: Path, variant: Variant, frames: int, seed: int, workers: int
) -> Iterator[tuple[MediaFile, str]]:
    """Write each file's variant into `folder`, under its own name.

    Args:
        files: to degrade.
        folder: an existing one.
        variant: what to do with them.
        frames: of a video that are used.
        seed: of the noise.
        workers: how many processes.

    Yields:
        A file that is finished, and "" or why it could not be degraded.

    Raises:
        DfsubmitError: a process died; what was finished before is kept.
    """
    todo = iter(files)
    at_work: dict[Connection[Any, Any], MediaFile] = {}
    with contextlib.ExitStack() as stack:

        def hand_over(connection: Connection[Any, Any], file: MediaFile) -> None:
            at_work[connection] = file
            with contextlib.suppress(OSError):  # it has died: noticed when its answer is read
                connection.send((file, folder, variant, frames, seed))

        for file in islice(todo, workers):
            hand_over(stack.enter_context(_process()), file)
        while at_work:
            for ready in wait(list(at_work)):
                assert isinstance(ready, Connection)
                file = at_work.pop(ready)
                try:
                    reason = ready.recv()
                except (EOFError, OSError) as error:
                    raise DfsubmitError(
                        f"a process died while it degraded {file.name!r}",
                        "the same command goes on here; is there enough memory?",
                    ) from error
                yield file, reason
                if (following := next(todo, None)) is not None:
                    hand_over(ready, following)


@contextlib.contextmanager
def _process() -> Iterator[Connection[Any, Any]]:
    """A process that runs `serve` at the other end of the connection."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            python_command(_CODE, str(theirs.fileno())),
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
    with Connection(ours.detach()) as connection:
        try:
            yield connection
        finally:
            process.kill()
            process.wait()


def serve(descriptor: int) -> None:
    """Degrade what is asked for at the other end of a socket, until that is closed."""
    # Ctrl-C reaches the whole process group; stopping this process is the parent's business.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from dfsubmit.libraries import load_cv2

    load_cv2().setNumThreads(1)  # a process a core is enough
    with Connection(descriptor) as connection, contextlib.suppress(EOFError, OSError):
        while True:
            file, folder, variant, frames, seed = connection.recv()
            try:
                degrade_file(file.path, folder / file.name, variant, frames, seed)
                connection.send("")
            except Exception as error:  # whatever a codec makes of a strange file
                connection.send(f"{type(error).__name__}: {error}")
