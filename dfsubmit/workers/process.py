"""One worker process from the pool's side: start, messages, timing, end.

In: `ScanSettings`, once they are known. Out: a subprocess that runs `inside.main` at the other end
of a socket. It imports only dfsubmit's scanner. It is not forked from a process that has
initialised CUDA, does not run the user's script or notebook again, and does not import torch.
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

# FFmpeg's names of the containers that are allowed. Without this list, FFmpeg would open a playlist
# named clip.mp4 and read the files that it lists.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,avi,matroska,webm,flv,ogg,asf,"
    "mpeg,mpegvideo,mpegts,h264,hevc,mjpeg,m4v"
)

_ENVIRONMENT = {
    # One thread per worker; the workers run in parallel.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENCV_LOG_LEVEL": "OFF",
    "OPENCV_FFMPEG_LOGLEVEL": "-8",
    "OPENCV_FFMPEG_CAPTURE_OPTIONS": f"protocol_whitelist;file|format_whitelist;{_CONTAINERS}",
}


class WorkerProcess:
    """A running worker, and the file that it works on.

    Args:
        now: the clock that times its files.

    Attributes:
        connection: readable when the worker has sent a message, or has died.
        ready: it has started and can take files.
        file: the file in progress; None when idle.
        watch: times it.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        ours, theirs = socket.socketpair()
        # A worker that stops in the middle of a message must not block the reader.
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
                # A worker that cannot be killed would keep the run's own stderr open, and block
                # whoever reads it.
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
        """The process ID."""
        return self._process.pid

    def settle(self, settings: ScanSettings) -> None:
        """Send the settings for all files, once; the worker answers that it is ready."""
        if self._settled:
            return
        self._settled = True
        self.watch.start(START_SECONDS)
        self._send(settings)

    def started(self) -> None:
        """Record that it is ready."""
        self.ready = True
        self.watch.stop()

    def hand_over(
        self,
        file: MediaFile,
        visit: Visit,
        seconds: float,
        patience: float,
    ) -> None:
        """Send it a file, with the time limit (see `Stopwatch.start`)."""
        self.file = file
        self.watch.start(seconds, patience)
        self._send((worker.FILE, file, visit))

    def grant(self, frames: int) -> None:
        """Let it visit this many more frames of its file, within its remaining time."""
        self.watch.go_on()
        self._send((worker.GRANT, frames))

    def excuse(self, seconds: float) -> None:
        """Subtract the time in which messages were not read, if the worker has sent one."""
        if self.connection.poll():
            self.watch.excuse(seconds)

    def take_file(self) -> MediaFile:
        """The file that it worked on; the worker is idle afterwards."""
        assert self.file is not None
        file, self.file = self.file, None
        self.watch.stop()
        return file

    @property
    def late(self) -> Late | None:
        """Why its file, or its start, has timed out; None while it has unread messages."""
        late = self.watch.late
        return None if self.connection.poll() else late

    def kill(self) -> None:
        """Kill it without waiting; `end` follows."""
        self._process.kill()

    def end(self, seconds: float = KILLED_SECONDS) -> int:
        """Kill it if it still runs. Gives up if it does not die within this many seconds: a read
        that never returns (on a lost network disk) blocks every signal.

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
        """Whether it still runs, after `end`."""
        return self._process.poll() is None

    def wait(self) -> int:
        """Wait for a worker that exits by itself, release it, and return its exit code."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(DYING_SECONDS)
        return self.end()

    def _send(self, message: object) -> None:
        # If it has just died, the reader will notice.
        with contextlib.suppress(OSError), self._sending:
            self.connection.send(message)
