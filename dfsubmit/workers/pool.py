"""Many files → a stream of faces and finished files, from a pool of worker processes.

In: `MediaFile`s. Out: `FaceEvent`s, with the faces of several files interleaved, and one
`FileEvent` at the end of each file. If a worker dies or times out, only its file fails, and the
worker is replaced.
"""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import wait
from types import TracebackType

from dfsubmit.errors import DfsubmitError, Exit
from dfsubmit.faces.settings import ScanSettings
from dfsubmit.machine import available_cpus
from dfsubmit.records import FileScan, MediaFile, Status
from dfsubmit.workers import inside as worker
from dfsubmit.workers.clock import Late, RunningClock
from dfsubmit.workers.events import Event, FaceEvent, FileEvent, RetryEvent, Visit, WaitEvent
from dfsubmit.workers.process import KILLED_SECONDS, WorkerProcess

POLL_SECONDS = 0.2
MAX_FAILED_STARTS = 5
# This many stuck files in a row, and more than two per worker, mean that the disk does not respond.
MANY_UNANSWERED = 8
MAX_UNKILLABLE = 32


class WorkerPool:
    """Worker processes for one run; a context manager.

    Args:
        settings: the settings for all files. None if they are not known yet: `start` works without
            them, and they must be set before `events`.
        workers: the number of processes; 0 means the CPUs available.
        per_file_timeout: the CPU time limit per file, in seconds. A worker that uses hardly any CPU
            time for as long is stuck. Time in which it waits for the consumer of `events` does not
            count.

    Raises:
        DfsubmitError: (from `events`) workers cannot start on this machine.
    """

    def __init__(
        self, settings: ScanSettings | None, workers: int = 0, per_file_timeout: float = 120.0
    ) -> None:
        self.settings = settings
        self.size = workers or available_cpus()
        self.per_file_timeout = per_file_timeout
        self._workers: list[WorkerProcess] = []
        self._failed_starts = 0
        self._alone: deque[MediaFile] = deque()
        self._retried: set[MediaFile] = set()
        self._stopped = False
        self._clock = RunningClock()
        self._unanswered = 0
        self._unkillable: list[WorkerProcess] = []

    def __enter__(self) -> WorkerPool:
        self._clock.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._clock.__exit__(kind, error, traceback)
        self.close()

    def start(self) -> None:
        """Start the workers now, so that they import their libraries while the model is loaded."""
        while len(self._workers) < self.size:
            self._workers.append(WorkerProcess(self._clock))

    def close(self) -> None:
        """End all workers at once."""
        self._stopped = True
        for member in self._workers:
            member.kill()
        end = time.monotonic() + KILLED_SECONDS
        while self._workers:
            self._workers.pop().end(max(0.0, end - time.monotonic()))

    def stop(self) -> None:
        """Make `events` return soon; files in progress are dropped. Callable from any thread."""
        self._stopped = True

    def grant(self, file: MediaFile, frames: int) -> None:
        """Let a waiting file's worker visit this many more frames; 0 ends the file."""
        for member in list(self._workers):
            if member.file == file:
                member.grant(frames)

    def pids(self) -> list[int]:
        """The process IDs of the running workers."""
        return [member.pid for member in self._workers]

    def in_hand(self) -> list[str]:
        """The names of the files in progress; callable from any thread."""
        files = [member.file for member in list(self._workers)]
        return [file.name for file in files if file is not None]

    @property
    def disk_answers(self) -> bool:
        """False while workers are stuck reading their files."""
        return not self._unanswered and not any(member.alive for member in self._unkillable)

    def events(
        self,
        files: Iterable[MediaFile],
        visit: Callable[[MediaFile], Visit] = lambda file: Visit(),
    ) -> Iterator[Event]:
        """Scan the files; yields events as they occur.

        Args:
            files: consumed as workers become idle.
            visit: called just before a file is handed to a worker.

        May be called again after it has ended; the settings stay those of the first call.

        A file whose worker was killed from outside (the kernel's OOM killer, most likely) or got
        stuck is tried once more, alone, at the end.
        """
        assert self.settings is not None
        waiting = iter(files)
        exhausted = False
        self._retried.clear()
        for member in self._workers:
            member.settle(self.settings)
        while not self._stopped:
            while len(self._workers) < self.size:
                self._workers.append(WorkerProcess(self._clock))
                self._workers[-1].settle(self.settings)
            if self._hopeless():
                yield from map(self._not_tried, (*self._alone, *waiting))
                self._alone.clear()
                exhausted = True
            for member in self._workers:
                if exhausted or not member.ready or member.file is not None:
                    continue
                file = next(waiting, None)
                if file is None:
                    exhausted = True
                else:
                    self._hand_over(member, file, visit(file))
            if exhausted and not any(member.file for member in self._workers):
                if self._dead_disk:
                    yield from map(self._not_tried, self._alone)
                    self._alone.clear()
                if not self._alone:
                    return
                idle = next((member for member in self._workers if member.ready), None)
                if idle is not None:
                    file = self._alone.popleft()
                    self._hand_over(idle, file, visit(file))
            for event in self._receive():
                yielded = self._clock()
                yield event
                pause = self._clock() - yielded
                for member in self._workers:
                    member.excuse(pause)

    def _receive(self) -> Iterator[Event]:
        """Read what the workers sent, for at most `POLL_SECONDS` of waiting."""
        by_connection = {member.connection: member for member in self._workers}
        for connection in wait(list(by_connection), POLL_SECONDS):
            member = by_connection[connection]  # type: ignore[index]
            try:
                message = member.connection.recv()
            except (EOFError, OSError) as error:
                if isinstance(error, BlockingIOError):  # it stopped within a message
                    member.kill()
                yield from self._bury(member)
                continue
            yield from self._read(member, message)
        for member, late in [(member, member.late) for member in self._workers]:
            if late is not None:
                yield from self._give_up(member, late)

    def _give_up(self, member: WorkerProcess, late: Late) -> Iterator[Event]:
        """End a worker that takes too long."""
        code = self._dismiss(member, member.end)
        if member.file is None:
            self._note_failed_start(code)
            return
        error = f"took longer than {self.per_file_timeout:g} s"
        if late is Late.STUCK:
            self._unanswered += 1
            if self._try_again(member.file):
                yield RetryEvent(member.file)
                return
            error += ", for its worker waits in vain (does the disk answer?)"
        yield FileEvent(member.file, FileScan(status=Status.TIMEOUT, error=error))

    def _dismiss(self, member: WorkerProcess, end: Callable[[], int]) -> int:
        """Remove a worker from the pool; returns its exit code."""
        self._workers.remove(member)
        code = end()
        if member.alive:
            self._unkillable.append(member)
        return code

    def _try_again(self, file: MediaFile) -> bool:
        """Retry a file at the end, once."""
        if file in self._retried:
            return False
        self._retried.add(file)
        self._alone.append(file)
        return True

    def _not_tried(self, file: MediaFile) -> FileEvent:
        again = " again" if file in self._retried else ""
        error = f"not tried{again}: workers wait in vain for other files (does the disk answer?)"
        return FileEvent(file, FileScan(status=Status.TIMEOUT, error=error))

    @property
    def _dead_disk(self) -> bool:
        return self._unanswered >= max(MANY_UNANSWERED, 2 * self.size)

    def _hopeless(self) -> bool:
        """Whether so many workers hang that replacing each of them would fill the memory."""
        self._unkillable = [member for member in self._unkillable if member.alive]
        return len(self._unkillable) >= MAX_UNKILLABLE

    def _read(self, member: WorkerProcess, message: object) -> Iterator[Event]:
        assert isinstance(message, tuple)
        kind, *content = message
        if kind == worker.READY:
            member.started()
            self._failed_starts = 0
        elif kind == worker.BROKEN:
            raise DfsubmitError(content[0], content[1], Exit.NOT_INSTALLED)
        elif member.file is None:
            raise AssertionError(f"a worker with no file in hand sent {kind!r}")
        elif kind == worker.FACE:
            yield FaceEvent(member.file, content[0])
        elif kind == worker.WAITING:
            member.watch.pause()
            yield WaitEvent(member.file, content[0])
        elif kind == worker.DONE:
            self._unanswered = 0
            yield FileEvent(member.take_file(), content[0])

    def _hand_over(self, member: WorkerProcess, file: MediaFile, visit: Visit) -> None:
        seconds = self.per_file_timeout
        # If the disk does not respond, waiting the full time for each file would take days.
        patience = seconds / 10 if self._dead_disk else seconds
        member.hand_over(file, visit, seconds, patience)

    def _bury(self, member: WorkerProcess) -> Iterator[Event]:
        """Handle a worker that died: retry its file alone if it was killed, else it crashed."""
        code = self._dismiss(member, member.wait)
        if not member.ready:
            self._note_failed_start(code)
        if member.file is None:
            return
        if code == -signal.SIGKILL and self._try_again(member.file):
            yield RetryEvent(member.file)
            return
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        scan = FileScan(status=Status.CRASHED, error=f"its worker process died ({name})")
        yield FileEvent(member.file, scan)

    def _note_failed_start(self, code: int) -> None:
        """A single worker may be killed while it starts; it is an error if none ever starts."""
        self._failed_starts += 1
        if self._failed_starts >= MAX_FAILED_STARTS:
            raise DfsubmitError(
                f"worker processes end as soon as they start (exit code {code})",
                "run 'dfsubmit doctor'",
            )
