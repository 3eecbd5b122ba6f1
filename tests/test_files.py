"""A file is replaced whole or not at all, and nothing is left beside it."""

from __future__ import annotations

import os
import stat

import pytest

from dfsubmit.files import write_atomically


def test_text_and_bytes_are_written_and_replaced(tmp_path):
    path = tmp_path / "out.csv"
    write_atomically(path, "진짜\r\n")
    assert path.read_bytes() == "진짜\r\n".encode()
    write_atomically(str(path), b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert [item.name for item in tmp_path.iterdir()] == ["out.csv"]


def test_surrogate_escapes_become_their_bytes(tmp_path):
    write_atomically(tmp_path / "out", os.fsdecode(b"caf\xe9"))
    assert (tmp_path / "out").read_bytes() == b"caf\xe9"


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "out.csv"
    path.write_text("old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["out.csv"]


def test_a_missing_folder_is_an_os_error(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        write_atomically(tmp_path / "gone" / "out.csv", "x")


def test_the_file_is_as_readable_as_any_other(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "out", "x")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640


def test_a_name_as_long_as_the_file_system_allows(tmp_path):
    path = tmp_path / ("😀" * 62 + ".csv")
    write_atomically(path, "x")
    assert path.read_text() == "x"
