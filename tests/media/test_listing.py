"""Listing a folder and telling what its files are."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from dfsubmit.errors import Exit, UsageError
from dfsubmit.media.listing import files_to_score, list_folder, list_media, sniff
from dfsubmit.records import Kind


def names(folder: Path) -> list[str]:
    return [file.name for file in list_media(folder)]


def test_every_regular_visible_file_is_listed_by_name(tmp_path: Path) -> None:
    for name in ("b.MP4", "a b.jpg", "한글.png", "😀.jpg", "'quo\"te'.png", "notes.txt", ".hidden"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "folder.mp4" / "inside.jpg").write_bytes(b"x")
    listed = names(tmp_path)
    assert listed == sorted(listed, key=os.fsencode)
    assert set(listed) == {"b.MP4", "a b.jpg", "한글.png", "😀.jpg", "'quo\"te'.png", "notes.txt"}


def test_size_and_time_are_noted(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"12345")
    (file,) = list_media(tmp_path)
    assert (file.size, file.mtime_ns) == (5, (tmp_path / "a.jpg").stat().st_mtime_ns)


def test_links_count_as_what_they_lead_to(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x.jpg").write_bytes(b"123")
    data = tmp_path / "data"
    data.mkdir()
    (data / "link.jpg").symlink_to(tmp_path / "real" / "x.jpg")
    (data / "gone.jpg").symlink_to(tmp_path / "nowhere")
    (data / "loop.jpg").symlink_to(data / "loop.jpg")
    (data / "dir.mp4").symlink_to(tmp_path / "real")
    files, passed_over = list_folder(data)
    assert [(file.name, file.size) for file in files] == [
        ("gone.jpg", -1),
        ("link.jpg", 3),
        ("loop.jpg", -1),
    ]
    assert passed_over == ["dir.mp4"]


def test_pipes_sockets_and_folders_are_passed_over_by_name(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "folder.mp4").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.jpg"))
        files, passed_over = list_folder(tmp_path)
    assert files == []
    assert passed_over == ["folder.mp4", "pipe.mp4", "socket.jpg"]


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems refuse such names")
def test_names_that_are_not_utf8_keep_their_bytes(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9.jpg"
    with open(raw, "wb") as stream:
        stream.write(b"x")
    assert os.fsencode(names(tmp_path)[0]) == b"caf\xe9.jpg"


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere") as raised:
        list_media(tmp_path / "nowhere")
    assert raised.value.hint


def test_subfolders_are_searched_when_asked_for(tmp_path: Path) -> None:
    for name in ("b.jpg", "fake/a.jpg", "fake/deep/c.jpg", "real/a.jpg", ".git/x.jpg", "real/.x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    os.mkfifo(tmp_path / "real" / "pipe.mp4")
    files, passed_over = list_folder(tmp_path, recursive=True)
    listed = [file.name for file in files]
    assert listed == ["b.jpg", "fake/a.jpg", "fake/deep/c.jpg", "real/a.jpg"]
    assert [file.path.read_bytes().decode() for file in files] == listed
    assert [file.size for file in files] == [len(name) for name in listed]
    assert passed_over == ["real/pipe.mp4"]


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    (data / "real").mkdir(parents=True)
    elsewhere.mkdir()
    (data / "real" / "x.jpg").write_bytes(b"1")
    (elsewhere / "y.jpg").write_bytes(b"2")
    (data / "again").symlink_to(data / "real")
    (data / "real" / "circle").symlink_to(data)
    (data / "fake").symlink_to(elsewhere)
    files, passed_over = list_folder(data, recursive=True)
    assert [file.name for file in files] == ["fake/y.jpg", "real/x.jpg"]
    assert passed_over == ["again", "real/circle"]


def test_a_folder_without_files_names_its_subfolders(tmp_path: Path) -> None:
    for name in ("real", "fake"):
        (tmp_path / name).mkdir()
    named = r"no media in .*; subfolders are not searched: fake/, real/ \(--recursive\)"
    with pytest.raises(UsageError, match=named) as raised:
        files_to_score(tmp_path)
    assert raised.value.exit_code == Exit.USAGE
    with pytest.raises(UsageError, match=r"no media in .* and its subfolders"):
        files_to_score(tmp_path, recursive=True)
    (tmp_path / "real" / "x.jpg").write_bytes(b"1")
    assert [file.name for file in files_to_score(tmp_path, recursive=True)[0]] == ["real/x.jpg"]
    # A file that is no media has its row, and there is nothing to stop for.
    (tmp_path / "notes.txt").write_bytes(b"1")
    assert [file.name for file in files_to_score(tmp_path)[0]] == ["notes.txt"]


@pytest.mark.parametrize(
    ("head", "name", "kind"),
    [
        (b"\xff\xd8\xff\xe0" + b"\0" * 20, "picture.mp4", Kind.IMAGE),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 20, "picture", Kind.IMAGE),
        (b"\0\0\0\x20ftypisom" + b"\0" * 20, "clip.jpg", Kind.VIDEO),
        (b"\x1aE\xdf\xa3" + b"\0" * 20, "clip.JPG", Kind.VIDEO),
        (b"RIFF\0\0\0\0AVI LIST", "clip", Kind.VIDEO),
        (b"RIFF\0\0\0\0WEBPVP8 ", "picture", Kind.IMAGE),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "photo.jpg", Kind.OTHER),
        (b"plain text", "clip.MP4", Kind.VIDEO),
        (b"plain text", "picture.JpG", Kind.IMAGE),
        (b"plain text", "notes.txt", Kind.OTHER),
        (b"", "empty.mp4", Kind.VIDEO),
        (b"", "empty", Kind.OTHER),
    ],
)
def test_content_decides_and_the_suffix_only_where_it_says_nothing(
    tmp_path: Path, head: bytes, name: str, kind: Kind
) -> None:
    (tmp_path / name).write_bytes(head)
    assert sniff(tmp_path / name) is kind


def test_a_pipe_in_a_files_place_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(OSError, match="not a regular file"):
        sniff(tmp_path / "pipe.mp4")
