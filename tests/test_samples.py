"""The sample media are what their names promise, and the untrained model spreads its answers."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from dfsubmit.cli import main
from dfsubmit.errors import UsageError
from dfsubmit.faces.preprocess import load_preprocessor
from dfsubmit.models.fakeclass import resolve_fake_class
from dfsubmit.models.folder import UNTRAINED_KEY
from dfsubmit.recipe import Recipe, load_recipe
from dfsubmit.samples import make_samples, make_untrained_model

NAMES = {
    "broken.mp4",
    "darkening.mp4",
    "face.jpg",
    "face.png",
    "grey.png",
    "motion_jpeg.avi",
    "no_face.jpg",
    "pan.mp4",
    "text.mp4",
    "turned.jpg",
    "twelve_frames.mp4",
    "zoom.mp4",
}


def test_samples_are_the_same_every_time(samples: Path, tmp_path: Path) -> None:
    again = make_samples(tmp_path)
    assert {path.name for path in again} == NAMES
    for path in again:
        assert path.read_bytes() == (samples / path.name).read_bytes(), path.name


def test_a_folder_with_other_files_is_refused(samples: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.mp4").write_bytes(b"mine")
    result = CliRunner().invoke(main, ["samples", str(tmp_path)])
    assert result.exit_code == 2
    assert f"{tmp_path} holds 1 file that no sample is: mine.mp4" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["mine.mp4"]
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    with pytest.raises(UsageError, match="holds a model already"):
        make_untrained_model(model)


def test_videos_have_the_promised_frames(samples: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    counts = {"pan.mp4": 72, "zoom.mp4": 72, "twelve_frames.mp4": 12, "motion_jpeg.avi": 24}
    for name, expected in counts.items():
        video = cv2.VideoCapture(str(samples / name))
        frames = 0
        while video.grab():
            frames += 1
        assert frames == expected, name
    assert not cv2.VideoCapture(str(samples / "broken.mp4")).isOpened()


def test_darkening_video_darkens(samples: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    video = cv2.VideoCapture(str(samples / "darkening.mp4"))
    light = []
    while True:
        good, frame = video.read()
        if not good:
            break
        light.append(float(frame.mean()))
    assert light[-1] < 0.6 * light[0]


def test_faces_are_where_they_should_be(samples: Path) -> None:
    dlib = pytest.importorskip("dlib")
    from PIL import Image, ImageOps

    detector = dlib.get_frontal_face_detector()

    def faces(name: str, upright: bool = True) -> int:
        with Image.open(samples / name) as picture:
            turned = ImageOps.exif_transpose(picture) if upright else picture
            return len(detector(np.asarray(turned.convert("RGB")), 1))

    for name in ("face.jpg", "face.png", "grey.png", "turned.jpg"):
        assert faces(name) >= 1, name
    assert faces("turned.jpg", upright=False) == 0
    assert faces("no_face.jpg") == 0


def test_untrained_model_says_so_and_spreads(tiny_model: Path, samples: Path) -> None:
    import torch
    from PIL import Image
    from transformers import ViTForImageClassification

    config = json.loads((tiny_model / "config.json").read_text())
    assert config[UNTRAINED_KEY] is True
    assert "mean nothing" in (tiny_model / "README.md").read_text()
    assert load_recipe(tiny_model) == Recipe()
    model = ViTForImageClassification.from_pretrained(tiny_model).eval()
    assert resolve_fake_class(model.config.id2label) == 1
    preprocessor = load_preprocessor(tiny_model)
    with Image.open(samples / "face.png") as picture:
        crops = [picture.crop((90, 50, 230, 200)), picture, picture.crop((0, 0, 90, 90))]
        pixels = np.stack([preprocessor.resize(np.asarray(crop)) for crop in crops])
    with torch.inference_mode():
        logits = model(torch.from_numpy(preprocessor.normalise(pixels))).logits
    p_fake = torch.softmax(logits, dim=1)[:, 1].numpy()
    assert np.ptp(p_fake) > 0.05
    assert p_fake.min() > 0.02
    assert p_fake.max() < 0.98


def test_untrained_model_follows_its_seed(tiny_model: Path, tmp_path: Path) -> None:
    def weights(folder: Path) -> bytes:
        return (folder / "model.safetensors").read_bytes()

    assert weights(make_untrained_model(tmp_path / "same")) == weights(tiny_model)
    assert weights(make_untrained_model(tmp_path / "other", seed=1)) != weights(tiny_model)


def test_command_writes_media_and_model(tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    media, model = tmp_path / "media", tmp_path / "model"
    result = CliRunner().invoke(main, ["samples", str(media), "--untrained-model", str(model)])
    assert result.exit_code == 0, result.output
    assert {path.name for path in media.iterdir()} == NAMES
    assert (model / "model.safetensors").is_file()
    assert "mean nothing" in result.output


def test_missing_photograph_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    result = CliRunner().invoke(main, ["samples", str(tmp_path)])
    assert result.exit_code == 5
    assert 'pip install "dfsubmit[demo]"' in result.output
