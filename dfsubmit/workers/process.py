"""One worker process as the pool sees it: started, spoken to, timed, ended.

In: `ScanSettings`, once they are known. Out: a subprocess that runs `worker.main` at the other
end of a socket. It imports dfsubmit's scanner and nothing else: no fork of a process that has
touched CUDA, no second run of the user's script or notebook, no torch in its memory.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection

from dfsubmit.faces.settings import ScanSettings
from dfsubmit.processes import python_command
from dfsubmit.records import MediaFile
from dfsubmit.workers import inside as worker
from dfsubmit.workers.clock import Late, Stopwatch, cpu_seconds
from dfsubmit.workers.events import Visit

START_SECONDS = 120.0
DYING_SECONDS = 5.0
KILLED_SECONDS = 1.0
SILENT_SECONDS = 5

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

    Args:
        now: the clock that its files are timed by.

    Attributes:
        connection: readable when the worker has said something, or has died.
        ready: it has started and can take files.
        file: the file in hand; None when idle.
        watch: times it.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        ours, theirs = socket.socketpair()
        # A worker that stands still in the middle of a message must not stop who reads it.
        for direction in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            ours.setsockopt(socket.SOL_SOCKET, direction, struct.pack("ll", SILENT_SECONDS, 0))
        lifeline, self._lifeline = os.pipe()
        with theirs:
            descriptors = (theirs.fileno(), lifeline)
            self._process = subprocess.Popen(
                python_command(_BOOT, *map(str, descriptors)),
                pass_fds=descriptors,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # One that cannot be killed would keep the run's own open, and its reader waiting.
                stderr=subprocess.DEVNULL,
                env={**os.environ, **_ENVIRONMENT},
            )
        os.close(lifeline)
        self.connection: Connection[object, object] = Connection(ours.detach())
        self.ready = False
        self.file: MediaFile | None = None
        self.watch = Stopwatch(now, lambda: cpu_seconds(self._process.pid))
        self._settled = False
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
        self.watch.start(START_SECONDS)
        self._send(settings)

    def started(self) -> None:
        """Note that it is ready."""
        self.ready = True
        self.watch.stop()

    def hand_over(
        self,
        file: MediaFile,
        visit: Visit,
        seconds: float,
        patience: float,
    ) -> None:
        """Give it a file, and the time for it (see `Stopwatch.start`)."""
        self.file = file
        self.watch.start(seconds, patience)
        self._send((worker.FILE, file, visit))

    def grant(self, frames: int) -> None:
        """Let it visit so many more frames of its file, with the time that it had left."""
        self.watch.go_on()
        self._send((worker.GRANT, frames))

    def excuse(self, seconds: float) -> None:
        """Nobody read what workers sent for so long: no fault of one that has something to say."""
        if self.connection.poll():
            self.watch.excuse(seconds)

    def take_file(self) -> MediaFile:
        """The file that it had in hand; it is idle now."""
        assert self.file is not None
        file, self.file = self.file, None
        self.watch.stop()
        return file

    @property
    def late(self) -> Late | None:
        """Why its file, or its start, has taken too long, when nothing of it is unread."""
        late = self.watch.late
        return None if self.connection.poll() else late

    def kill(self) -> None:
        """Let it die, and do not wait for it; `end` follows."""
        self._process.kill()

    def end(self, seconds: float = KILLED_SECONDS) -> int:
        """Kill it, if it is still there, and leave it alone if it does not die in so many seconds:
        a read that never returns (a network disk that has gone) holds it against any signal.

        Returns:
            its exit code, negative for a signal.
        """
        self._process.kill()
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = -signal.SIGKILL
        self.connection.close()
        os.close(self._lifeline)
        return code

    @property
    def alive(self) -> bool:
        """Whether it is still there, after `end`."""
        return self._process.poll() is None

    def wait(self) -> int:
        """The exit code of one that is dying by itself, which is then cleared away."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(DYING_SECONDS)
        return self.end()

    def _send(self, message: object) -> None:
        # Where it has just died, whoever reads from it will notice.
        with contextlib.suppress(OSError), self._sending:
            self.connection.send(message)
