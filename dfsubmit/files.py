"""Files that stay readable after a kill at any moment: atomic writes, and journals of JSON lines.

`write_atomically` replaces a file: a reader sees the old or the new one, never a part of it. Links
are followed, and only regular files are written.
`append_json_line` and `read_json_lines` are for files that only grow: a kill or a full disk loses
only the line that was being written.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import queue
import stat
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from dfsubmit.errors import UsageError

Answer = TypeVar("Answer")
_SUFFIX = ".part"


def check_output(path: str | os.PathLike[str]) -> None:
    """Check an output path before any work is done.

    Raises:
        UsageError: it is, or leads to, something other than a regular file.
    """
    try:
        output_target(path)
    except OSError as error:
        hint = "give the name of a file, new or old"
        raise UsageError(f"{path} cannot be written: {error.strerror or error}", hint) from error


def output_target(path: str | os.PathLike[str]) -> Path:
    """The file that is written for a path: the path itself, or the target of a link.

    Raises:
        OSError: it is a folder, a device, a pipe or a socket, or the link is circular.
    """
    target = Path(os.path.realpath(path))
    try:
        # os.replace would replace a device by a file, for all users of the machine.
        if not stat.S_ISREG(os.stat(target).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
    except FileNotFoundError:
        pass
    return target


def write_atomically(path: str | os.PathLike[str], data: str | bytes) -> None:
    """Replace a file's content as one step, through a temporary file beside it.

    Text is encoded as UTF-8; surrogate escapes become the bytes they stand for. A link stays, and
    the file that it leads to is replaced.

    Raises:
        OSError: see `replacing`.
    """
    with replacing(path) as stream:
        stream.write(data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data)


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """`write_atomically` for content in pieces: a context with a stream, whose content replaces the
    file if the block ends without an exception.

    Raises:
        OSError: the folder is not writable, the disk is full, or the path leads to no regular
            file; what was there is untouched. Its `filename` is the file's.
    """
    path = output_target(path)
    descriptor, temporary = tempfile.mkstemp(_SUFFIX, _prefix(path), path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        # mkstemp makes the file private; a submission is as readable as any file of the user's.
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            error.filename, error.filename2 = str(path), None
        raise


def remove_parts(path: str | os.PathLike[str]) -> None:
    """Remove the temporary files that processes killed while they wrote `path` left beside it.

    Call it only if no other process is writing the file.
    """
    with contextlib.suppress(OSError):
        path = output_target(path)
        prefix = _prefix(path)
        for entry in os.scandir(path.parent):
            if entry.name.startswith(prefix) and entry.name.endswith(_SUFFIX):
                os.unlink(entry.path)


def _prefix(path: Path) -> str:
    # Not the name itself, which may be as long as the file system allows.
    return f".dfsubmit-{zlib.crc32(os.fsencode(path.name)):08x}-"


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def json_line(entry: Mapping[str, Any]) -> str:
    """An object as one line of a journal, its line feed included.

    ASCII alone: no line break of Unicode's, and a name that is not UTF-8 has an escape too.
    """
    return json.dumps(entry, separators=(",", ":")) + "\n"


def append_json_line(stream: FileIO, entry: Mapping[str, Any]) -> int:
    """Add an object to a journal as one line, in one write.

    Args:
        stream: the journal, opened with "a+b" and without a buffer, so that a line that the full
            disk refused is not tried again later. One process at a time writes to it.
        entry: what to add.

    Returns:
        The byte at which its line begins; see `json_line_at`.

    Raises:
        OSError: the disk is full. The line may stand there in part; the next one does not touch it.
    """
    size = os.fstat(stream.fileno()).st_size
    torn = size > 0 and os.pread(stream.fileno(), 1, size - 1) != b"\n"
    rest = memoryview((("\n" if torn else "") + json_line(entry)).encode("ascii"))
    while rest:
        rest = rest[stream.write(rest) or 0 :]
    return size + torn


def line_at(stream: FileIO, place: int) -> bytes:
    """The line that begins at a byte of a journal, without its end.

    Raises:
        OSError: it cannot be read.
    """
    line, size = b"", 8192
    while b"\n" not in line:
        more = os.pread(stream.fileno(), size, place + len(line))
        if not more:
            break
        line, size = line + more, 2 * size
    return line.partition(b"\n")[0]


def json_line_at(stream: FileIO, place: int) -> dict[str, Any]:
    """The object of the line that begins at a byte of a journal.

    Raises:
        OSError: it cannot be read, or is no line of a journal: somebody has changed the file.
    """
    entry = _json_object(line_at(stream, place))
    if entry is None:
        raise OSError(errno.EIO, "the journal was changed meanwhile", str(stream.name))
    return entry


def placed_json_lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """As `read_json_lines`, with the byte at which a line begins in place of its number."""
    place = 0
    with open(path, "rb") as lines:
        for line in lines:
            if line.strip():
                yield place, _json_object(line)
            place += len(line)


def read_json_lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """The lines of a journal, each with its number from 1 on; blank ones are left out.

    A line that is not a JSON object comes as None: what a kill or a full disk cut short. It is the
    last one, or further lines were added behind it.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield number, _json_object(line)


def _json_object(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def answer_within(seconds: float, ask: Callable[[], Answer]) -> Answer:
    """What a function returns that asks a disk, if the disk answers in time.

    The thread that is left waiting does not keep the process alive.

    Raises:
        TimeoutError: it did not answer.
        Exception: what the function raised.
    """
    answers: queue.SimpleQueue[tuple[Answer | None, Exception | None]] = queue.SimpleQueue()

    def wait() -> None:
        try:
            answers.put((ask(), None))
        except Exception as error:
            answers.put((None, error))

    threading.Thread(target=wait, daemon=True).start()
    try:
        answer, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer for {seconds:g} s") from None
    if error is not None:
        raise error
    return answer  # type: ignore[return-value]  # None only where that is the answer


def relative_files(folder: Path) -> list[str]:
    """Every file below a folder, links included, as sorted relative paths with forward slashes."""
    paths: list[Path] = []
    for current, folders, names in os.walk(folder):
        linked = (name for name in folders if os.path.islink(os.path.join(current, name)))
        paths += (Path(current, name) for name in (*names, *linked))
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
