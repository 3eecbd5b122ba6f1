"""Damage to a media file: bytes in, other bytes (and perhaps another suffix) out."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np

Generator = np.random.Generator
SUFFIXES = (".mp4", ".avi", ".mkv", ".jpg", ".png", ".gif", ".webm", ".tif", ".bmp", ".txt")
LIES = (0, 1, 2, 10_000, 2**16, 2**31 - 1, 2**32 - 1)


def flip_bits(data: bytearray, other: bytes, random: Generator) -> None:
    """1 to 64 bits, half of the time all of them in the first kilobyte."""
    reach = len(data) if random.random() < 0.5 else min(len(data), 1024)
    for place in random.integers(0, reach, size=int(random.integers(1, 65))):
        data[place] ^= 1 << int(random.integers(8))


def truncate(data: bytearray, other: bytes, random: Generator) -> None:
    """Cut off at a random place."""
    del data[int(random.integers(len(data))) :]


def splice(data: bytearray, other: bytes, random: Generator) -> None:
    """The beginning of another file before the rest of this one."""
    cut = int(random.integers(1, min(len(data), len(other), 4096)))
    data[:cut] = other[:cut]


def blank(data: bytearray, other: bytes, random: Generator) -> None:
    """A stretch of zeros, as a download with a hole has."""
    begin = int(random.integers(len(data)))
    length = int(random.integers(1, len(data)))
    data[begin : begin + length] = bytes(len(data[begin : begin + length]))


def lie_about_counts(data: bytearray, other: bytes, random: Generator) -> None:
    """Frame counts, sizes and durations in the headers of MP4 and AVI are lies; in other files,
    the first numbers that come."""
    lie = LIES[int(random.integers(len(LIES)))]
    places = [
        (data.find(tag) + offset, order)
        for tag, offset, order in (
            (b"stts", 12, ">I"),  # the number of frames of the first run of equal durations
            (b"stsz", 12, ">I"),  # the number of frames
            (b"mdhd", 20, ">I"),  # duration
            (b"tkhd", 80, ">I"),  # width, 16.16 fixed
            (b"avih", 24, "<I"),  # the number of frames
            (b"strh", 40, "<I"),  # the stream's length
            (b"strf", 12, "<I"),  # width
        )
        if 0 <= data.find(tag) < len(data) - offset - 4
    ] or [(int(random.integers(4, 64)), ">I")]
    place, order = places[int(random.integers(len(places)))]
    if place + 4 <= len(data):
        struct.pack_into(order, data, place, lie)


def nothing(data: bytearray, other: bytes, random: Generator) -> None:
    """Only the suffix is wrong."""


MUTATIONS: dict[str, Callable[[bytearray, bytes, Generator], None]] = {
    "flip": flip_bits,
    "truncate": truncate,
    "splice": splice,
    "blank": blank,
    "lie": lie_about_counts,
    "suffix": nothing,
}


def mutate(name: str, data: bytes, other: bytes, random: Generator) -> bytes:
    """The data damaged in the named way.

    Args:
        name: a key of `MUTATIONS`.
        data: a file's content, not empty.
        other: another file's content.
        random: where every choice comes from.
    """
    damaged = bytearray(data)
    MUTATIONS[name](damaged, other or b"\0", random)
    return bytes(damaged)
