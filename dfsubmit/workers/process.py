"""One worker process as the pool sees it: started, spoken to, timed, ended.

In: `ScanSettings`, once they are known. Out: a subprocess that runs `worker.main` at the other
end of a socket. It imports dfsubmit's scanner and nothing else: no fork of a process that has
touched CUDA, no second run of the user's script or notebook, no torch in its memory.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time
from multiprocessing.connection import Connection

from dfsubmit.faces.settings import ScanSettings
from dfsubmit.processes import python_command
from dfsubmit.records import MediaFile
from dfsubmit.workers import inside as worker

START_SECONDS = 120.0
DYING_SECONDS = 5.0

_BOOT = "from dfsubmit.workers.inside import main; main(int(sys.argv[1]), int(sys.argv[2]))"

# FFmpeg's names of the containers that a file may be. Without this list a playlist called clip.mp4
# is opened as one, and the files that it names are read in its place.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,avi,matroska,webm,flv,ogg,asf,"
    "mpeg,mpegvideo,mpegts,h264,hevc,mjpeg,m4v"
)

_ENVIRONMENT = {
    # One thread a worker: the workers are the parallelism.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENCV_LOG_LEVEL": "OFF",
    "OPENCV_FFMPEG_LOGLEVEL": "-8",
    "OPENCV_FFMPEG_CAPTURE_OPTIONS": f"protocol_whitelist;file|format_whitelist;{_CONTAINERS}",
}


class WorkerProcess:
    """A running worker, and the file that it has in hand.

    Attributes:
        connection: readable when the worker has said something, or has died.
        ready: it has started and can take files.
        file: the file in hand; None when idle.
    """

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        lifeline, self._lifeline = os.pipe()
        with theirs:
            descriptors = (theirs.fileno(), lifeline)
            self._process = subprocess.Popen(
                python_command(_BOOT, *map(str, descriptors)),
                pass_fds=descriptors,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, **_ENVIRONMENT},
            )
        os.close(lifeline)
        self.connection: Connection[object, object] = Connection(ours.detach())
        self.ready = False
        self.file: MediaFile | None = None
        self._settled = False
        self._deadline = float("inf")
        self._left = 0.0
        self._sending = threading.Lock()

    @property
    def pid(self) -> int:
        """The process number."""
        return self._process.pid

    def settle(self, settings: ScanSettings) -> None:
        """Tell it, once, what holds for every file; it answers that it is ready."""
        if self._settled:
            return
        self._settled = True
        self._deadline = time.monotonic() + START_SECONDS
        self._send(settings)

    def started(self) -> None:
        """Note that it is ready."""
        self.ready, self._deadline = True, float("inf")

    def hand_over(
        self, file: MediaFile, keep: int | None, granted: int | None, seconds: float
    ) -> None:
        """Give it a file, and so many seconds for it."""
        self.file = file
        self._deadline = time.monotonic() + seconds
        self._send((worker.FILE, file, keep, granted))

    def pause(self) -> None:
        """Stop its clock: it waits for a grant."""
        self._left, self._deadline = self._deadline - time.monotonic(), float("inf")

    def grant(self, frames: int) -> None:
        """Let it visit so many more frames of its file, with the time that it had left."""
        self._deadline = time.monotonic() + self._left
        self._send((worker.GRANT, frames))

    def excuse(self, seconds: float) -> None:
        """Nobody read what workers sent for so long: no fault of one that has something to say."""
        if self.connection.poll():
            self._deadline += seconds

    def take_file(self) -> MediaFile:
        """The file that it had in hand; it is idle now."""
        assert self.file is not None
        file, self.file, self._deadline = self.file, None, float("inf")
        return file

    @property
    def late(self) -> bool:
        """Whether its file, or its start, has used up its seconds and nothing of it is unread."""
        return time.monotonic() > self._deadline and not self.connection.poll()

    def kill(self) -> None:
        """Let it die, and do not wait for it; `end` follows."""
        self._process.kill()

    def end(self) -> int:
        """Kill it, if it is still there; its exit code, negative for a signal."""
        self._process.kill()
        code = self._process.wait()
        self.connection.close()
        os.close(self._lifeline)
        return code

    def wait(self) -> int:
        """The exit code of one that is dying by itself, which is then cleared away."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(DYING_SECONDS)
        return self.end()

    def _send(self, message: object) -> None:
        # Where it has just died, whoever reads from it will notice.
        with contextlib.suppress(OSError), self._sending:
            self.connection.send(message)
