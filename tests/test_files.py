"""A file is replaced whole or not at all; a journal loses at most the line being written."""

from __future__ import annotations

import os
import resource
import socket
import stat
import threading
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from dfsubmit.errors import UsageError
from dfsubmit.files import (
    _prefix,
    answer_within,
    append_json_line,
    check_output,
    json_line,
    json_line_at,
    placed_json_lines,
    read_json_lines,
    remove_parts,
    write_atomically,
)


def test_text_and_bytes_are_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    write_atomically(path, "진짜\r\n")
    assert path.read_bytes() == "진짜\r\n".encode()
    write_atomically(str(path), b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert [item.name for item in tmp_path.iterdir()] == ["out.csv"]


def test_surrogate_escapes_become_their_bytes(tmp_path: Path) -> None:
    write_atomically(tmp_path / "out", os.fsdecode(b"caf\xe9"))
    assert (tmp_path / "out").read_bytes() == b"caf\xe9"


def test_a_failure_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["out.csv"]


def test_a_missing_folder_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        write_atomically(tmp_path / "gone" / "out.csv", "x")


def test_the_file_is_as_readable_as_any_other(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "out", "x")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640


def test_a_name_as_long_as_the_file_system_allows(tmp_path: Path) -> None:
    path = tmp_path / ("😀" * 62 + ".csv")
    write_atomically(path, "x")
    assert path.read_text() == "x"


def test_a_link_stays_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target, link, hop = tmp_path / "there" / "target", tmp_path / "link", tmp_path / "hop"
    link.symlink_to(hop)
    hop.symlink_to("there/target")
    for text in ("new", "newer"):  # at first the link leads nowhere
        write_atomically(link, text)
        assert target.read_text() == text
    assert link.is_symlink()
    assert hop.is_symlink()
    assert [item.name for item in target.parent.iterdir()] == ["target"]
    (target.parent / f"{_prefix(target)}x.part").write_text("half")
    remove_parts(link)
    assert [item.name for item in target.parent.iterdir()] == ["target"]


@pytest.mark.parametrize("what", ["pipe", "socket", "folder", "device", "circle"])
@pytest.mark.parametrize("linked", [False, True])
def test_only_regular_files_are_written_to(tmp_path: Path, what: str, linked: bool) -> None:
    path = tmp_path / what
    with socket.socket(socket.AF_UNIX) as listener:
        if what == "pipe":
            os.mkfifo(path)
        elif what == "socket":
            listener.bind(str(path))
        elif what == "folder":
            path.mkdir()
        elif what == "device":
            path = Path("/dev/null")
        else:
            path.symlink_to(path)
        before = os.lstat(path)
        if linked:
            (tmp_path / "link").symlink_to(path)
        output = tmp_path / "link" if linked else path
        with pytest.raises(OSError, match=r"no regular file|symbolic links"):
            write_atomically(output, "x")
        with pytest.raises(UsageError, match=str(output)):
            check_output(output)
    assert os.path.samestat(os.lstat(path), before)
    check_output(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_disk_that_does_not_answer_is_not_waited_for() -> None:
    never = threading.Event()
    with pytest.raises(TimeoutError, match="no answer"):
        answer_within(0.01, never.wait)
    never.set()
    assert answer_within(60, lambda: "here") == "here"
    with pytest.raises(KeyError, match="gone"):
        answer_within(60, lambda: {"here": 1}["gone"])


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[FileIO]:
    with FileIO(tmp_path / "journal.jsonl", "a+") as stream:
        yield stream


def entries(journal: FileIO) -> list[dict[str, Any] | None]:
    return [entry for _, entry in read_json_lines(str(journal.name))]


@pytest.mark.parametrize("text", ["진짜", "a\nb", "\u2028\u2029\x85\x1c\r", "caf\udce9", "\x00"])
def test_any_text_is_one_line_of_ascii(journal: FileIO, text: str) -> None:
    append_json_line(journal, {"name": text})
    append_json_line(journal, {"name": "next"})
    assert entries(journal) == [{"name": text}, {"name": "next"}]
    assert Path(str(journal.name)).read_bytes().isascii()
    assert json_line({"name": text}).count("\n") == 1


def test_cut_at_any_byte_the_lines_before_and_after_hold(journal: FileIO) -> None:
    first, second, third = {"n": 1}, {"n": [2, "}"]}, {"n": 3}
    append_json_line(journal, first)
    start = journal.tell()
    append_json_line(journal, second)
    end = journal.tell()
    for cut in range(end, start - 1, -1):
        journal.truncate(cut)
        # The line feed alone may be missing: the object is whole.
        whole = [second] if cut >= end - 1 else []
        assert [entry for entry in entries(journal) if entry] == [first, *whole]
        append_json_line(journal, third)
        assert [entry for entry in entries(journal) if entry] == [first, *whole, third]


@pytest.mark.parametrize("noise", [b"5", b'"text"', b"[" * 100_000, b"\xff\xfe", b"{]", b"null"])
def test_a_line_that_is_no_object_is_none_and_keeps_its_number(
    journal: FileIO, noise: bytes
) -> None:
    journal.write(b"\n" + noise + b"\n")
    append_json_line(journal, {"n": 1})
    assert list(read_json_lines(str(journal.name))) == [(2, None), (3, {"n": 1})]


def test_a_line_is_found_again_by_its_place(journal: FileIO) -> None:
    journal.write(b'{"torn')
    lines: list[dict[str, Any]] = [{"text": "x" * size} for size in (0, 8190, 70_000)]
    places = [append_json_line(journal, line) for line in lines]
    assert [json_line_at(journal, place) for place in places] == lines
    torn, *rest = placed_json_lines(str(journal.name))
    assert (torn, rest) == ((0, None), list(zip(places, lines, strict=True)))
    for place in (places[1] + 1, 1_000_000):
        with pytest.raises(OSError, match="changed meanwhile"):
            json_line_at(journal, place)


def test_a_full_disk_is_an_error_and_the_next_line_is_whole(journal: FileIO) -> None:
    append_json_line(journal, {"n": 1})
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal.tell() + 5, most))
    try:
        with pytest.raises(OSError, match="too large"):
            append_json_line(journal, {"n": "refused"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    append_json_line(journal, {"n": 2})
    assert entries(journal) == [{"n": 1}, None, {"n": 2}]
