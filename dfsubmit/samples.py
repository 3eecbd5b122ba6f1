"""Sample media from a public-domain photograph, and an untrained model, for demos and tests.

The photograph is NASA's portrait of the astronaut Eileen Collins, which scikit-image ships. The
same release of OpenCV and Pillow gives the same bytes every time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dfsubmit.console import counted, first_few
from dfsubmit.errors import DfsubmitError, NotInstalled, UsageError
from dfsubmit.faces.preprocess import PREPROCESSOR_FILE
from dfsubmit.libraries import load_cv2
from dfsubmit.models.folder import UNTRAINED_KEY
from dfsubmit.recipe import RECIPE_FILE, Recipe
from dfsubmit.records import Box, Pixels

UNTRAINED_SIZES: dict[str, dict[str, int]] = {
    "tiny": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "patch_size": 32,
    },
    # ViT-B/16 (Dosovitskiy et al. 2021, table 1): as slow as the real thing, for benchmarks.
    "base": {
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "patch_size": 16,
    },
}

_NAMES = frozenset(
    "broken.mp4 darkening.mp4 face.jpg face.png grey.png motion_jpeg.avi no_face.jpg pan.mp4 "
    "text.mp4 turned.jpg twelve_frames.mp4 zoom.mp4".split()
)
_VIDEO_SIZE = (480, 360)  # width, height
_FPS = 24
_FACE = (220, 120)  # x, y of the face's centre in the photograph


def make_samples(folder: Path) -> list[Path]:
    """Write the sample media; return their paths, sorted.

    Videos that pan, zoom and darken over one face, a short one, one in an AVI; pictures of several
    kinds; and what a run must survive: a picture without a face, a broken video, a text file that
    is called a video.

    Raises:
        UsageError: the folder holds other files, among which samples would be lost from sight.
        NotInstalled: OpenCV, or scikit-image, which brings the photograph, is missing.
        DfsubmitError: OpenCV cannot write videos here.
        OSError: the folder cannot be written.
    """
    if folder.is_dir():
        others = sorted(path.name for path in folder.iterdir() if path.name not in _NAMES)
        if others:
            raise UsageError(
                f"{folder} holds {counted(len(others), 'file')} that no sample is: "
                f"{first_few(others)}",
                "name a new or an empty folder",
            )
    photograph = _photograph()
    folder.mkdir(parents=True, exist_ok=True)
    seconds = 3 * _FPS
    _write_video(folder / "pan.mp4", "mp4v", _frames(photograph, seconds, _pan))
    _write_video(folder / "zoom.mp4", "mp4v", _frames(photograph, seconds, _zoom))
    dimmed = (_dim(frame, at) for frame, at in _timed(_frames(photograph, seconds, _pan), seconds))
    _write_video(folder / "darkening.mp4", "mp4v", dimmed)
    _write_video(folder / "twelve_frames.mp4", "mp4v", _frames(photograph, 12, _zoom))
    _write_video(folder / "motion_jpeg.avi", "MJPG", _frames(photograph, _FPS, _pan))
    _write_pictures(folder, photograph)
    # Cut in half, an MP4 loses the index at its end and with it every frame.
    whole = (folder / "pan.mp4").read_bytes()
    (folder / "broken.mp4").write_bytes(whole[: len(whole) // 2])
    (folder / "text.mp4").write_text("This is not a video.\n", encoding="utf-8")
    return sorted(path for path in folder.iterdir() if path.is_file())


def make_untrained_model(folder: Path, size: str = "tiny", seed: int = 0) -> Path:
    """Write a Hugging Face ViT folder with seeded random weights; return the folder.

    Its head is scaled so that probabilities of fake spread about 0.5 instead of huddling there,
    which lets a test see any change of its input. They mean nothing all the same, and its
    ``config.json`` (`UNTRAINED_KEY`), its class of model and its README say so.

    Args:
        folder: made where it is missing.
        size: a key of `UNTRAINED_SIZES`.
        seed: of the weights.

    Raises:
        UsageError: there is a model in the folder that was not made here.
        NotInstalled: scikit-image, whose photograph the head is scaled on, is missing.
    """
    config_file = folder / "config.json"
    if config_file.exists() and UNTRAINED_KEY not in config_file.read_text(encoding="utf-8"):
        raise UsageError(f"{folder} holds a model already", "name a new or an empty folder")
    import torch
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        image_size=224,
        id2label={0: "Real", 1: "Fake"},
        label2id={"Real": 0, "Fake": 1},
        # Wider than the usual 0.02, with which untrained layers hardly look at the picture.
        initializer_range=0.2 if size == "tiny" else 0.05,
        **UNTRAINED_SIZES[size],
        **{UNTRAINED_KEY: True},
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = ViTForImageClassification(config).eval()
    _spread_head(model, seed)
    model.save_pretrained(folder)
    _write_json(folder / PREPROCESSOR_FILE, _PREPROCESSOR)
    (folder / RECIPE_FILE).write_text(Recipe().to_json(), encoding="utf-8")
    (folder / "README.md").write_text(
        "# Untrained model\n\nRandom weights, made by `dfsubmit samples`. "
        "**Its labels and probabilities mean nothing.** It only shows that the chain works.\n",
        encoding="utf-8",
    )
    return folder


_PREPROCESSOR = {
    "image_processor_type": "ViTImageProcessor",
    "do_resize": True,
    "size": {"height": 224, "width": 224},
    "resample": 2,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}


def _spread_head(model: Any, seed: int) -> None:
    """Scale and shift the head so that fake − real has mean 0 and deviation 1 on lit faces."""
    import torch

    from dfsubmit.faces.preprocess import parse_preprocessor

    preprocessor = parse_preprocessor(_PREPROCESSOR)
    photograph = _photograph()
    generator = np.random.default_rng(seed)
    probes = []
    for _ in range(24):
        # Faces of all sizes and places in the crop, in light of any strength and colour.
        side = int(generator.integers(110, 240))
        left, top = (int(centre - side * generator.uniform(0.35, 0.65)) for centre in _FACE)
        crop = photograph[max(top, 0) : top + side, max(left, 0) : left + side]
        light = generator.uniform(0.3, 1.2, size=3)
        probes.append(preprocessor.resize(np.clip(crop * light, 0, 255).astype(np.uint8)))
    with torch.inference_mode():
        logits = model(torch.from_numpy(preprocessor.normalise(np.stack(probes)))).logits
    margin = logits[:, 1] - logits[:, 0]
    deviation, middle = margin.std(), margin.mean()
    with torch.no_grad():
        model.classifier.weight.div_(deviation)
        model.classifier.bias.div_(deviation)
        model.classifier.bias[1] -= middle / deviation


def _write_json(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def _photograph() -> Pixels:
    """The photograph, RGB uint8 (512, 512, 3)."""
    try:
        from skimage import data
    except ImportError as error:
        raise NotInstalled.extra("samples", "demo", "scikit-image") from error
    return np.asarray(data.astronaut(), dtype=np.uint8)


def _pan(at: float) -> Box:
    """The camera's view (left, top, right, bottom of the photograph) moving to the right."""
    left = round(20 + 60 * at)
    return left, 30, left + 280, 240


def _zoom(at: float) -> Box:
    """The camera's view closing in on the face."""
    width, height = round(360 - 120 * at), round(270 - 90 * at)
    left, top = max(_FACE[0] - width // 2, 0), max(_FACE[1] - height // 2, 0)
    return left, top, left + width, top + height


def _frames(photograph: Pixels, count: int, view: Callable[[float], Box]) -> Iterator[Pixels]:
    """`count` RGB frames at `_VIDEO_SIZE`; `view` gets the time as a share from 0 to 1."""
    cv2 = load_cv2()
    for number in range(count):
        left, top, right, bottom = view(number / (count - 1))
        crop = photograph[top:bottom, left:right]
        yield np.asarray(cv2.resize(crop, _VIDEO_SIZE, interpolation=cv2.INTER_CUBIC), np.uint8)


def _timed(frames: Iterator[Pixels], count: int) -> Iterator[tuple[Pixels, float]]:
    for number, frame in enumerate(frames):
        yield frame, number / (count - 1)


def _dim(frame: Pixels, at: float) -> Pixels:
    """Down to 0.4 of the light at the end."""
    return np.asarray(frame * (1 - 0.6 * at), dtype=np.uint8)


def _write_video(path: Path, codec: str, frames: Iterator[Pixels]) -> None:
    cv2 = load_cv2()
    fourcc = cv2.VideoWriter.fourcc(*codec)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, _FPS, _VIDEO_SIZE)
    if not writer.isOpened():
        raise DfsubmitError(
            f"OpenCV cannot write {path.name} (codec {codec})",
            "'dfsubmit doctor' shows OpenCV's video back ends; the wheels from PyPI bring FFmpeg",
        )
    try:
        for frame in frames:
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    finally:
        writer.release()


def _write_pictures(folder: Path, photograph: Pixels) -> None:
    from PIL import Image

    portrait = Image.fromarray(photograph[0:300, 60:380])
    portrait.save(folder / "face.jpg", quality=95)
    portrait.save(folder / "face.png")
    portrait.convert("L").save(folder / "grey.png")
    # Stored lying on its side, with the EXIF orientation that turns it upright again.
    exif = Image.Exif()
    exif[0x0112] = 6
    portrait.transpose(Image.Transpose.ROTATE_90).save(folder / "turned.jpg", quality=95, exif=exif)
    rows, columns = np.mgrid[0:300, 0:320]
    waves = 127 + 80 * np.sin(columns / 40) * np.cos(rows / 50)
    Image.fromarray(np.repeat(waves[:, :, None], 3, axis=2).astype(np.uint8)).save(
        folder / "no_face.jpg", quality=95
    )
