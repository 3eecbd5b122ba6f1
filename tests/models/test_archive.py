"""A zip of a model folder is unpacked once, and nothing in it leaves the cache."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dfsubmit.errors import ModelError, UsageError
from dfsubmit.models import archive
from dfsubmit.models.folder import hash_model, open_model


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder in place of the user's."""
    path = tmp_path / "cache"
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(path / name))
    return path


@pytest.fixture
def make_zip(tmp_path: Path, folder: Path, cache: Path) -> Callable[..., Path]:
    """A zip of the folder, with further members: names → bytes or ready ZipInfos."""

    def make(
        *extra: tuple[str | zipfile.ZipInfo, str | bytes],
        prefix: str = "",
        compression: int = zipfile.ZIP_DEFLATED,
    ) -> Path:
        path = tmp_path / "portrait-v1.zip"
        with zipfile.ZipFile(path, "w", compression) as bundle:
            for file in sorted(folder.iterdir()):
                bundle.write(file, prefix + file.name)
            for name, data in extra:
                bundle.writestr(name, data)
        return path

    return make


def link(name: str, mode: int = stat.S_IFLNK | 0o777) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    return info


@pytest.mark.parametrize("prefix", ["", "portrait/", "my model/"])
def test_a_zip_is_the_folder_in_it(
    make_zip: Callable[..., Path], folder: Path, cache: Path, prefix: str
) -> None:
    archive = make_zip(prefix=prefix)
    model = open_model(archive)
    assert (model.name, model.source) == ("portrait-v1", archive)
    assert model.sha256 == hash_model(folder)
    assert cache in model.path.parents
    (unpacked,) = (cache / "dfsubmit" / "models").iterdir()
    assert model.path in (unpacked, unpacked / prefix.rstrip("/"))


def test_a_zip_is_unpacked_once_for_each_content(
    make_zip: Callable[..., Path], cache: Path
) -> None:
    first = open_model(make_zip())
    marker = first.path / "marker"
    marker.touch()
    assert open_model(make_zip()).path == first.path
    assert marker.exists()
    assert open_model(make_zip(("more.txt", b"x"))).path != first.path


@pytest.mark.parametrize(
    "name",
    ["../evil.txt", "a/../../evil.txt", "/evil.txt", "..\\evil.txt", "C:\\evil.txt", "C:evil.txt"],
)
def test_a_path_that_leaves_the_folder_is_refused(
    make_zip: Callable[..., Path], tmp_path: Path, cache: Path, name: str
) -> None:
    with pytest.raises(ModelError, match="leaves its folder"):
        open_model(make_zip((name, b"evil")))
    assert not list(tmp_path.rglob("evil*"))
    assert not list((cache / "dfsubmit" / "models").iterdir())


def test_a_link_is_refused(make_zip: Callable[..., Path], cache: Path) -> None:
    with pytest.raises(ModelError, match="holds a link: 'weights'"):
        open_model(make_zip((link("weights"), b"/etc/passwd")))
    assert not list((cache / "dfsubmit" / "models").iterdir())


def test_a_pipe_in_a_zip_becomes_an_ordinary_file(make_zip: Callable[..., Path]) -> None:
    model = open_model(make_zip((link("pipe", stat.S_IFIFO | 0o644), b"data")))
    assert (model.path / "pipe").read_bytes() == b"data"


def test_a_bomb_is_refused_by_what_it_unpacks_to(
    make_zip: Callable[..., Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_UNPACKED_BYTES", 5_000_000)
    members = [(f"{number}.bin", bytes(1_100_000)) for number in range(5)]
    path = make_zip(*members)
    assert path.stat().st_size < 20_000
    with pytest.raises(ModelError, match="more than 5000000 bytes"):
        open_model(path)
    assert not list((cache / "dfsubmit" / "models").iterdir())
    monkeypatch.setattr(archive, "MAX_UNPACKED_BYTES", 6_000_000)
    assert open_model(path).name == "portrait-v1"


@pytest.mark.parametrize(
    "compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_damaged_zip_is_an_error_of_the_model(
    make_zip: Callable[..., Path], cache: Path, compression: int
) -> None:
    whole = make_zip(("noise.bin", os.urandom(3000) + bytes(3000)), compression=compression)
    original = whole.read_bytes()
    refused = 0
    for offset in range(30, len(original), 97):
        data = bytearray(original)
        data[offset : offset + 8] = bytes(byte ^ 0xA5 for byte in data[offset : offset + 8])
        whole.write_bytes(data)
        try:
            open_model(whole)
        except (ModelError, UsageError):
            refused += 1
    assert refused > 5


def test_a_file_in_the_place_of_a_folder_is_an_error_of_the_model(
    make_zip: Callable[..., Path],
) -> None:
    with pytest.raises(ModelError):
        open_model(make_zip(("a", b"file"), ("a/b", b"inside it")))


def test_a_cache_that_cannot_be_written_is_an_error_of_the_model(
    make_zip: Callable[..., Path], cache: Path
) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(ModelError, match="cache"):
        open_model(make_zip())
