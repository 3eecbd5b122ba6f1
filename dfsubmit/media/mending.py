"""A damaged image's bytes → bytes that decode, if almost no pixels are lost.

Pillow has a mode for truncated files, but it is global for the process, and accepts half a picture
as well as one without its last two bytes.
"""

from __future__ import annotations

import re
import zlib
from random import Random

LARGEST = 64 * 2**20
"""Bytes of a file that is mended; in memory, several times."""

_RESTARTS = 1000
_END = b"\xff\xd9"
_PNG = b"\x89PNG\r\n\x1a\n"


def mend(data: bytes) -> tuple[list[bytes], str]:
    """Versions of a picture that may decode, and a short description of the repair.

    If the end is missing, there are two versions with different data appended: pixels in which they
    differ are not from the file. None if there is nothing to repair.
    """
    if data.startswith(b"\xff\xd8\xff"):
        # A marker cut in two would swallow the first byte that follows.
        whole = data.rstrip(b"\xff")
        return [whole + _END, whole + _filling(whole) + _END], "the end of the file is missing"
    if data.startswith(_PNG):
        mended, dropped = _without_bad_chunks(data)
        names = ", ".join(sorted(dropped))
        return ([mended] if dropped else []), f"chunks with a wrong checksum left out: {names}"
    return [], ""


def _filling(data: bytes) -> bytes:
    """Random picture data for a JPEG to go on with, with its restart markers where it has any:
    decoders jump from one to the next, and make up zeros where one does not come."""
    random = Random(0)
    markers = re.findall(rb"\xff[\xd0-\xd7]", data)
    if not markers:
        return random.randbytes(len(data)).replace(b"\xff", b"\xfe")
    size, last = len(data) // len(markers) + 1, markers[-1][1]
    return b"".join(
        random.randbytes(size).replace(b"\xff", b"\xfe") + bytes((0xFF, 0xD0 | last + number & 7))
        for number in range(1, max(len(markers), _RESTARTS) + 1)
    )


def _without_bad_chunks(data: bytes) -> tuple[bytes, set[str]]:
    """A PNG without the chunks that decoding can do without and whose checksum is wrong."""
    kept, dropped = [_PNG], set()
    place = len(_PNG)
    while place + 12 <= len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        chunk = data[place:end]
        kind, wrong = chunk[4:8], zlib.crc32(chunk[4:-4]).to_bytes(4, "big") != chunk[-4:]
        # A small first letter is an ancillary chunk (PNG specification, 5.4).
        if wrong and kind[:1].islower():
            dropped.add(kind.decode("ascii", "replace"))
        else:
            kept.append(chunk)
        place = end
    return b"".join(kept), dropped
