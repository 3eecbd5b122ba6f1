"""Pictures of every mode and orientation; what is a little damaged is read, and says so."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, features
from PIL.PngImagePlugin import PngInfo

from dfsubmit.faces.scan import Scanner
from dfsubmit.faces.settings import ScanSettings
from dfsubmit.media.frames import Unreadable
from dfsubmit.media.images import read_image
from dfsubmit.media.limits import Limits
from dfsubmit.media.listing import sniff
from dfsubmit.recipe import Recipe
from dfsubmit.records import Kind, MediaFile

LIMITS = Limits()


def test_the_limit_on_pixels_is_named(tmp_path: Path) -> None:
    Image.new("RGB", (50, 50)).save(tmp_path / "p.png")
    with pytest.raises(Unreadable, match="pixels are over the limit"):
        read_image(tmp_path / "p.png", Limits(pixels=100))


def colours() -> npt.NDArray[Any]:
    picture = np.zeros((20, 30, 3), np.uint8)
    picture[:, :10], picture[:, 10:20], picture[:, 20:] = (
        (200, 30, 30),
        (30, 200, 30),
        (30, 30, 200),
    )
    return picture


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "LA", "1", "I;16"])
@pytest.mark.parametrize("suffix", ["png", "tiff", "JPG"])
def test_pictures_of_every_mode_become_rgb(tmp_path: Path, mode: str, suffix: str) -> None:
    picture = Image.fromarray(colours())
    if mode == "I;16":
        grey = np.asarray(picture.convert("L")).astype(np.uint16) * 257
        picture = Image.fromarray(grey)
    else:
        picture = picture.convert(mode)
    path = tmp_path / f"p.{suffix}"
    try:
        picture.save(path)
    except (OSError, KeyError):
        pytest.skip(f"{suffix} does not store {mode}")
    frame = read_image(path, LIMITS)
    assert frame.pixels.shape == (20, 30, 3)
    assert frame.pixels.dtype == np.uint8
    if mode in ("L", "LA", "I;16"):
        expected = np.asarray(Image.fromarray(colours()).convert("L"), dtype=int)
        assert np.abs(frame.pixels[:, :, 0].astype(int) - expected).max() <= 12
    elif mode in ("P", "RGBA", "CMYK"):
        error = np.abs(frame.pixels.astype(int) - colours().astype(int)).mean()
        assert error < 25


@pytest.mark.parametrize("mode", ["RGB", "P", "I;16", "F"])
def test_a_picture_takes_little_more_memory_than_its_pixels(tmp_path: Path, mode: str) -> None:
    if mode == "I;16":
        picture = Image.fromarray(np.full((3000, 2000), 30_000, np.uint16))
    else:
        picture = Image.new(mode, (2000, 3000), 7)
    path = tmp_path / "p.tiff"
    picture.save(path)
    tracemalloc.start()  # of NumPy's arrays and of bytes; not of Pillow's own image
    try:
        size = read_image(path, LIMITS).pixels.nbytes
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size == 18_000_000
    assert peak < 2.5 * size


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(tmp_path: Path, orientation: int) -> None:
    upright = Image.fromarray(np.kron(colours(), np.ones((4, 4, 1), np.uint8)))
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "p.png", exif=exif)
    np.testing.assert_array_equal(
        read_image(tmp_path / "p.png", LIMITS).pixels, np.asarray(upright)
    )


def test_broken_pictures_are_unreadable(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (99, 99, 3), np.uint8)).save(
        tmp_path / "p.jpg"
    )
    whole = (tmp_path / "p.jpg").read_bytes()
    for content in (b"", whole[: len(whole) // 3], b"\xff\xd8\xff" + b"x" * 50):
        (tmp_path / "p.jpg").write_bytes(content)
        with pytest.raises(Unreadable):
            read_image(tmp_path / "p.jpg", LIMITS)


def noise(width: int = 96, height: int = 80) -> Image.Image:
    """A picture whose rows all take about as many bytes."""
    return Image.fromarray(
        np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    )


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 3}])
@pytest.mark.parametrize("missing", [1, 2])
def test_a_jpeg_without_its_last_bytes_is_read(
    tmp_path: Path, options: dict[str, int], missing: int
) -> None:
    path = tmp_path / "p.jpg"
    noise().save(path, **options)
    whole = read_image(path, LIMITS)
    path.write_bytes(path.read_bytes()[:-missing])
    found = read_image(path, LIMITS)
    np.testing.assert_array_equal(found.pixels, whole.pixels)
    assert (whole.note, found.note) == ("", "the end of the file is missing")
    scanner = Scanner(ScanSettings(Recipe(detector="none")))
    scan = scanner.scan(MediaFile(path, path.name), lambda face: None)
    assert (scan.error, scan.note) == ("", found.note)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 3}])
def test_a_jpeg_that_lacks_more_is_unreadable(tmp_path: Path, options: dict[str, int]) -> None:
    path = tmp_path / "p.jpg"
    noise().save(path, **options)
    whole = path.read_bytes()
    for share in (0.9, 0.5, 0.1):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(Unreadable):
            read_image(path, LIMITS)


def test_a_png_with_a_wrong_checksum_of_its_text_is_read(tmp_path: Path) -> None:
    info = PngInfo()
    info.add_text("Comment", "hello")
    content = io.BytesIO()
    noise().save(content, "PNG", pnginfo=info)
    data = bytearray(content.getvalue())
    path = tmp_path / "p.png"
    data[data.index(b"hello")] = ord("j")
    path.write_bytes(data)
    found = read_image(path, LIMITS)
    np.testing.assert_array_equal(found.pixels, np.asarray(noise()))
    assert found.note == "chunks with a wrong checksum left out: tEXt"
    # In the pixels themselves it is no small matter, whatever else is mended.
    data[data.index(b"IDAT") + 2000] ^= 1
    path.write_bytes(data)
    with pytest.raises(Unreadable):
        read_image(path, LIMITS)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_avif_is_read(tmp_path: Path) -> None:
    path = tmp_path / "p.avif"
    Image.new("RGB", (64, 48), (200, 30, 30)).save(path)
    assert sniff(path) is Kind.IMAGE
    error = read_image(path, LIMITS).pixels.astype(int) - (200, 30, 30)
    assert np.abs(error).max() <= 8


def test_other_still_pictures_in_such_containers_are_not(tmp_path: Path) -> None:
    path = tmp_path / "p.avif"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64) + b"avif")
    assert sniff(path) is Kind.OTHER
