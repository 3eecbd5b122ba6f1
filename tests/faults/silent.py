"""A file system whose reads never return: ``python silent.py FOLDER MOUNT SILENT COMMAND…``.

Serves the files of FOLDER at MOUNT, read-only, and runs COMMAND. A read of one of the files named
in SILENT (``name@offset``, comma-separated) that reaches its offset is never answered: who
reads can then not even be killed, as with a network disk that has gone. After it, where SILENT
names ``/``, nothing is answered at all. It all ends with this process.

It speaks the kernel's protocol (``linux/fuse.h``, 7.31) itself, for there is nothing to install,
and wants a mount namespace of its own (``unshare -rm``).
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import subprocess
import sys
import threading
from pathlib import Path

LOOKUP, FORGET, GETATTR, OPEN, READ, RELEASE, INIT = 1, 2, 3, 14, 15, 18, 26
OPENDIR, READDIR, RELEASEDIR, INTERRUPT, BATCH_FORGET = 27, 28, 29, 36, 42
HEADER = struct.Struct("=IIQQIIII")
ROOT = 1
SECONDS_VALID = 3600
BUFFER = 1 << 18


class SilentFiles:
    """The file system.

    Args:
        folder: what it shows.
        silent: from which byte on a file, by name, does not answer.
    """

    def __init__(self, folder: Path, silent: dict[str, int]) -> None:
        self.paths = sorted(folder.iterdir())
        self.names = {os.fsencode(path.name): place for place, path in enumerate(self.paths, 2)}
        self.silent = silent
        self.gone = False

    def serve(self, device: int) -> None:
        """Answer the kernel until it closes the device."""
        while True:
            request = os.read(device, BUFFER)
            _, opcode, unique, node, *_ = HEADER.unpack_from(request)
            if opcode in (FORGET, BATCH_FORGET, INTERRUPT):
                continue
            body = request[HEADER.size :]
            try:
                answer = self._answer(opcode, node, body)
            except OSError as error:
                answer, code = b"", -(error.errno or errno.EIO)
            else:
                code = 0
            self.gone |= answer is None and "/" in self.silent
            if answer is not None and not self.gone:
                os.write(device, struct.pack("=IiQ", 16 + len(answer), code, unique) + answer)

    def _answer(self, opcode: int, node: int, body: bytes) -> bytes | None:
        if opcode == INIT:
            # No flags: with asynchronous reads, a process that waits for one can be killed.
            return struct.pack("=IIIIHHIIHHI28x", 7, 31, 1 << 17, 0, 16, 12, 1 << 17, 1, 0, 0, 0)
        if opcode == LOOKUP:
            found = self.names.get(body.rstrip(b"\0"))
            if found is None:
                raise OSError(errno.ENOENT, "")
            return struct.pack("=QQQQII", found, 0, *(SECONDS_VALID,) * 2, 0, 0) + self._facts(
                found
            )
        if opcode == GETATTR:
            return struct.pack("=QII", SECONDS_VALID, 0, 0) + self._facts(node)
        if opcode in (OPEN, OPENDIR):
            return struct.pack("=QII", node, 0, 0)
        if opcode in (RELEASE, RELEASEDIR):
            return b""
        if opcode not in (READ, READDIR):
            raise OSError(errno.ENOSYS, "")
        _, offset, size = struct.unpack_from("=QQI", body)
        return self._entries(offset, size) if opcode == READDIR else self._read(node, offset, size)

    def _read(self, node: int, offset: int, size: int) -> bytes | None:
        path = self.paths[node - 2]
        if offset + size > self.silent.get(path.name, sys.maxsize):
            return None
        with path.open("rb") as stream:
            stream.seek(offset)
            return stream.read(size)

    def _entries(self, offset: int, size: int) -> bytes:
        answer = b""
        for place, (name, node) in enumerate(list(self.names.items())[offset:], int(offset) + 1):
            entry = struct.pack("=QQII", node, place, len(name), stat.S_IFREG >> 12) + name
            entry += bytes(-len(entry) % 8)
            if len(answer) + len(entry) > size:
                break
            answer += entry
        return answer

    def _facts(self, node: int) -> bytes:
        mode, size, seconds, fraction = stat.S_IFDIR | 0o755, 0, 0, 0
        if node != ROOT:
            facts = self.paths[node - 2].stat()
            seconds, fraction = divmod(facts.st_mtime_ns, 10**9)
            mode, size = stat.S_IFREG | 0o644, facts.st_size
        times = (*(seconds,) * 3, *(fraction,) * 3)
        return struct.pack(
            "=QQQQQQIIIIIIIIII", node, size, -(-size // 512), *times, mode, 1, 0, 0, 0, 4096, 0
        )


def main(folder: str, mount: str, silent: str, *command: str) -> int:
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"silent", os.fsencode(mount), b"fuse", 0, os.fsencode(options)):
        print(f"no FUSE here: {os.strerror(ctypes.get_errno())}")
        return 99
    names = dict(item.split("@") for item in silent.split(",") if item)
    files = SilentFiles(Path(folder), {name: int(offset) for name, offset in names.items()})
    threading.Thread(target=files.serve, args=(device,), daemon=True).start()
    return subprocess.run(command).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
