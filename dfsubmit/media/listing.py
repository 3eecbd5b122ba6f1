"""A folder → its media files, and what each one is.

In: a folder. Out: a `MediaFile` for every regular, non-hidden file directly in it, or in its
subfolders too, sorted by name.
The first bytes decide what a file is (image, video, other). The suffix decides only if the
content is not recognised, so that ``clip.mp4`` full of text is an unreadable video and
``notes.txt`` an unsupported file.
"""

from __future__ import annotations

import os
import re
import stat
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from dfsubmit.console import first_few
from dfsubmit.errors import UsageError
from dfsubmit.records import Kind, MediaFile

IMAGE_SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .png .bmp .webp .tif .tiff .gif .ppm .pgm .avif".split()
)
VIDEO_SUFFIXES = frozenset(
    ".mp4 .avi .mov .mkv .webm .m4v .mpg .mpeg .wmv .flv .ts .mts .m2ts .3gp .ogv .h264 .264 "
    ".hevc .265 .mjpeg .mjpg".split()
)
HEAD_BYTES = 1024

_IMAGE_HEADS = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n|GIF8[79]a|BM.{4}\0\0\0\0|II\*\0|MM\0\*|RIFF.{4}WEBP|P[1-6]\s",
    re.DOTALL,
)
_VIDEO_HEADS = re.compile(
    rb".{4}(?:ftyp|moov|mdat|free|wide|skip)"  # MP4, MOV, 3GP
    rb"|RIFF.{4}AVI |\x1aE\xdf\xa3|FLV\x01|OggS"  # AVI, Matroska and WebM, Flash, Ogg
    rb"|\0\0\x01[\xba\xb3]|\0\0\0?\x01[\x67\x27\x40\x09]"  # MPEG-PS, raw H.264 and HEVC
    rb"|\x30\x26\xb2\x75\x8e\x66\xcf\x11|G.{187}G",  # ASF (WMV), MPEG-TS
    re.DOTALL,
)
# Still pictures in an MP4-like container. Pillow reads AVIF; nothing here reads the others.
_STILL_BRANDS = frozenset((b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis", b"crx "))
_AVIF = re.compile(rb".{4}ftyp(?:.{4})*?avi[fs]", re.DOTALL)
# JPEGs one after the other, without a container: only the name tells them from a picture.
_MJPEG_SUFFIXES = frozenset((".mjpeg", ".mjpg"))


def list_media(folder: str | os.PathLike[str], recursive: bool = False) -> list[MediaFile]:
    """Every regular, non-hidden file directly in the folder, sorted by name (as bytes).

    Links are followed. A broken link is listed, because it needs a row.

    Args:
        recursive: also list subfolders. Names are relative to `folder`, with slashes.

    Raises:
        UsageError: the folder, or a subfolder to be searched, does not exist, is not a folder, or
            cannot be read.
    """
    return list_folder(folder, recursive)[0]


def files_to_score(
    folder: str | os.PathLike[str], recursive: bool = False
) -> tuple[list[MediaFile], list[str]]:
    """Like `list_folder`, but a folder without files is an error.

    Raises:
        UsageError: see `list_media`; or there is no file, or only in subfolders.
    """
    files, passed_over = list_folder(folder, recursive)
    subfolders = [name for name in passed_over if (Path(folder) / name).is_dir()]
    if not files and recursive:
        raise UsageError(f"no media in {folder} and its subfolders")
    if not files and subfolders:
        named = first_few([f"{name}/" for name in subfolders])
        raise UsageError(
            f"no media in {folder}; subfolders are not searched: {named} (--recursive)",
            "search them with --recursive, or give one of them",
        )
    if not files:
        raise UsageError(
            f"no media in {folder}: it holds no file that is not hidden",
            "give the folder that holds the images and videos: dfsubmit run DATA",
        )
    return files, passed_over


def list_folder(
    folder: str | os.PathLike[str], recursive: bool = False
) -> tuple[list[MediaFile], list[str]]:
    """`list_media`, and the names that were skipped: pipes, sockets, devices and folders. With
    `recursive`, of folders only links to a folder that is searched already."""
    passed_over: list[str] = []
    files = list(_files(Path(folder), recursive, passed_over))
    files.sort(key=lambda file: os.fsencode(file.name))
    return files, sorted(passed_over)


def names_in(folder: str | os.PathLike[str], recursive: bool = False) -> set[str]:
    """The names of `list_media`; for a million files they take a fifth of its memory."""
    return {file.name for file in _files(Path(folder), recursive, [])}


def _files(root: Path, recursive: bool, passed_over: list[str]) -> Iterator[MediaFile]:
    """The files of `list_folder`; other entries are added to `passed_over`."""
    visited = set()
    waiting, links = deque([("", root)]), deque[tuple[str, Path]]()
    while waiting or links:
        # Links to folders come last, so that files keep the name from their own folder.
        above, here = (waiting or links).popleft()
        if recursive:
            known = os.path.realpath(here)
            if known in visited:
                passed_over.append(above.rstrip("/"))
                continue
            visited.add(known)
        below: list[tuple[bytes, str, Path]] = []
        for entry in _entries(here):
            path, name = here / entry.name, above + entry.name
            try:
                info = entry.stat()
            except OSError:  # a broken or circular link, or a file that was just removed
                yield MediaFile(path, name)
                continue
            if stat.S_ISREG(info.st_mode):
                yield MediaFile(path, name, info.st_size, info.st_mtime_ns)
            elif recursive and stat.S_ISDIR(info.st_mode):
                below.append((os.fsencode(entry.name), name, path))
            else:
                passed_over.append(name)
        for _, name, path in sorted(below):
            (links if path.is_symlink() else waiting).append((f"{name}/", path))


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """The entries of a folder that are not hidden, in any order. A generator, because a list of a
    million entries takes 300 MB."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    yield entry
    except OSError as error:
        raise UsageError(
            f"the data folder {folder} cannot be read: {error.strerror}",
            "give the folder that holds the images and videos: dfsubmit run DATA",
        ) from error


def sniff(path: Path) -> Kind:
    """The kind of a file, by its first bytes or, if they are not recognised, by its suffix.

    Raises:
        OSError: the file cannot be read.
    """
    # If a pipe has replaced the file, an ordinary open would block for ever.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path.name} is not a regular file")
        head = stream.read(HEAD_BYTES)
    suffix = path.suffix.lower()
    if head[4:8] == b"ftyp" and head[8:12] in _STILL_BRANDS:
        brands = head[: int.from_bytes(head[:4], "big")]
        return Kind.IMAGE if _AVIF.match(brands) else Kind.OTHER
    if suffix in _MJPEG_SUFFIXES:
        return Kind.VIDEO
    if _IMAGE_HEADS.match(head):
        return Kind.IMAGE
    if _VIDEO_HEADS.match(head):
        return Kind.VIDEO
    if suffix in IMAGE_SUFFIXES:
        return Kind.IMAGE
    return Kind.VIDEO if suffix in VIDEO_SUFFIXES else Kind.OTHER
