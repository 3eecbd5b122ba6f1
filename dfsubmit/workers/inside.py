"""The code that runs in a worker process: scans files until the pool closes the socket.

Started by `workers.WorkerPool` with one socket. Messages are pickled:

| from the pool | |
|---|---|
| `ScanSettings` | the first message: the settings for all files |
| `(FILE, file, visit)` | scan this file, as much of it as the `Visit` says |
| `(GRANT, number)` | visit this many more frames of the current file; 0: end it |

| to the pool | |
|---|---|
| `(READY,)` | started, idle |
| `(FACE, face)` | a face of the current file |
| `(WAITING, left)` | all granted frames are visited, `left` remain; answered by a GRANT |
| `(DONE, scan)` | the current file is finished; idle |
| `(BROKEN, message, hint)` | workers cannot run on this machine |
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import threading
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dfsubmit.faces.scan import Emit, Proceed, Scanner
    from dfsubmit.records import Face, FileScan, MediaFile
    from dfsubmit.workers.events import Visit

FILE, GRANT = "file", "grant"
READY, FACE, WAITING, DONE, BROKEN = "ready", "face", "waiting", "done", "broken"


def main(pool_descriptor: int, lifeline_descriptor: int) -> None:
    """Serve the pool at the other end of the socket until it closes it.

    Args:
        pool_descriptor: a connected socket that carries the messages.
        lifeline_descriptor: the read end of a pipe that the pool never writes to. It closes when
            the parent dies for any reason; this process then exits at once.
    """
    # Signals may reach the whole process group; the parent stops the workers.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, args=(lifeline_descriptor,), daemon=True).start()
    _volunteer_for_the_oom_killer()
    # Core dumps of crashed workers could fill the disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    connection = Connection(pool_descriptor)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        _serve(connection)


def _serve(connection: Any) -> None:
    from dfsubmit.errors import DfsubmitError, NotInstalled
    from dfsubmit.libraries import load_cv2

    try:
        # Slow imports come before the settings, which are known only when the model is loaded.
        load_cv2().setNumThreads(1)
        from dfsubmit.faces.scan import Scanner
        from dfsubmit.libraries import load_dlib

        with contextlib.suppress(NotInstalled):  # not every recipe needs it
            load_dlib()
        settings = connection.recv()
        detector = None
        if settings.detector is not None:  # otherwise workers need not import the hooks
            from dfsubmit.workers.detectors import detector_of

            detector = detector_of(settings)
        scanner = Scanner(settings, detector)
    except DfsubmitError as error:
        connection.send((BROKEN, error.message, error.hint))
        return
    except EOFError:  # the pool has closed the socket
        raise
    except Exception as error:
        connection.send((BROKEN, f"a worker cannot start: {type(error).__name__}: {error}", ""))
        return
    connection.send((READY,))

    def emit(face: Face) -> None:
        connection.send((FACE, face))

    while True:
        _, file, visit = connection.recv()
        proceed = None
        if visit.granted is not None:
            proceed = _Allowance(connection, visit.granted).proceed
        try:
            if visit.pictures is None:
                scan = scanner.scan(file, emit, visit.keep, proceed)
            else:
                scan = _scan_with_pictures(scanner, file, emit, visit, proceed)
        except NotInstalled as error:
            connection.send((BROKEN, error.message, error.hint))
            return
        connection.send((DONE, scan))


def _scan_with_pictures(
    scanner: Scanner, file: MediaFile, emit: Emit, visit: Visit, proceed: Proceed | None
) -> FileScan:
    """The same scan, which also takes pictures. A picture that cannot be written is missing in the
    report, and does not change the file's result."""
    from dfsubmit.faces.pictures import PictureTaker

    assert visit.pictures is not None
    taker = PictureTaker()

    def emit_and_take(face: Face) -> None:
        emit(face)
        taker.take(face)

    scan = scanner.scan(file, emit_and_take, visit.keep, proceed, taker.see)
    with contextlib.suppress(OSError):
        taker.write(visit.pictures, file.name)
    return scan


class _Allowance:
    """The number of frames that may still be visited; asks the pool for more at 0."""

    def __init__(self, connection: Any, granted: int) -> None:
        self.connection = connection
        self.granted = granted

    def proceed(self, left: int) -> bool:
        if self.granted == 0:
            self.connection.send((WAITING, left))
            _, self.granted = self.connection.recv()
        if self.granted == 0:
            return False
        self.granted -= 1
        return True


def _die_with_parent(descriptor: int) -> None:
    os.read(descriptor, 1)
    os._exit(1)


def _volunteer_for_the_oom_killer() -> None:
    """Make the OOM killer prefer a worker: its death fails one file, the parent's ends the run."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as stream:
        stream.write("500")
