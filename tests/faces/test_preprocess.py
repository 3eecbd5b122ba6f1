"""The model's input is what transformers' own PIL-based image processors make, without torch."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from dfsubmit.errors import ModelError
from dfsubmit.faces.preprocess import PREPROCESSOR_FILE, Preprocessor, load_preprocessor

SHAPES = [(224, 224), (300, 211), (97, 160), (640, 333), (30, 31)]
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}


def crop(height: int, width: int) -> npt.NDArray[Any]:
    """Smooth and noisy at once, different in every channel."""
    random = np.random.default_rng(height * 1000 + width)
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [127 + 90 * np.sin(columns / 9 + c) * np.cos(rows / (7 + c)) for c in range(3)]
    noise = random.normal(0, 20, size=(height, width, 3))
    return np.clip(np.stack(waves, axis=2) + noise, 0, 255).astype(np.uint8)


def reference(family: str, name: str) -> Any:
    """A PIL-based processor class: of its own module in transformers 5, the only one in 4."""
    try:
        module = importlib.import_module(
            f"transformers.models.{family}.image_processing_pil_{family}"
        )
        return getattr(module, name + "Pil")
    except ImportError:
        module = importlib.import_module(f"transformers.models.{family}.image_processing_{family}")
        return getattr(module, name)


CASES = [
    ("vit", "ViTImageProcessor", {}),
    ("vit", "ViTImageProcessor", {"size": {"height": 384, "width": 256}, "resample": 3}),
    ("vit", "ViTImageProcessor", {"size": 224, "resample": 0, **IMAGENET}),
    ("vit", "ViTImageProcessor", {"do_normalize": False, "resample": 1}),
    ("vit", "ViTImageProcessor", {"do_rescale": False, "image_mean": [127.5] * 3}),
    ("deit", "DeiTImageProcessor", IMAGENET),
    ("beit", "BeitImageProcessor", {}),
    ("siglip", "SiglipImageProcessor", {}),
    ("bit", "BitImageProcessor", {"size": {"shortest_edge": 256}}),  # DINOv2's
    ("convnext", "ConvNextImageProcessor", {"size": {"shortest_edge": 224}, **IMAGENET}),
    ("convnext", "ConvNextImageProcessor", {"size": {"shortest_edge": 384}, **IMAGENET}),
    ("convnext", "ConvNextImageProcessor", {"size": 224, "crop_pct": 0.875, **IMAGENET}),
    ("clip", "CLIPImageProcessor", {}),
    ("clip", "CLIPImageProcessor", {"size": {"shortest_edge": 336}, "crop_size": 336}),
    ("clip", "CLIPImageProcessor", {"size": {"height": 224, "width": 224}}),
    ("poolformer", "PoolFormerImageProcessor", {}),
    ("poolformer", "PoolFormerImageProcessor", {"size": {"height": 448, "width": 448}}),
    ("pvt", "PvtImageProcessor", {}),
    ("segformer", "SegformerImageProcessor", {}),
    ("mobilenet_v2", "MobileNetV2ImageProcessor", {}),
    ("mobilevit", "MobileViTImageProcessor", {}),
    ("mobilevit", "MobileViTImageProcessor", {"size": 288, "crop_size": 256, "resample": 2}),
]


@pytest.mark.parametrize(
    ("family", "name", "options"), CASES, ids=[f"{case[0]}-{i}" for i, case in enumerate(CASES)]
)
def test_equals_transformers(
    family: str, name: str, options: dict[str, Any], tmp_path: Path
) -> None:
    processor = reference(family, name)(**options)
    processor.save_pretrained(tmp_path)
    ours = load_preprocessor(tmp_path)
    for shape in SHAPES:
        face = crop(*shape)
        expected = processor(face, return_tensors="np")["pixel_values"]
        pixels = ours.resize(face)
        assert pixels.dtype == np.uint8
        assert pixels.shape == (ours.height, ours.width, 3)
        result = ours.normalise(pixels[None])
        assert result.dtype == np.float32
        assert result.shape == expected.shape
        np.testing.assert_allclose(result, expected, atol=1e-5, rtol=1e-5)


# As the hub holds them: written by early releases of transformers, before some keys existed.
OLD: dict[str, Any] = {"do_normalize": True, "do_resize": True}
OLD_CONFIGS = [
    ("clip", "CLIP", {"crop_size": 224, "do_center_crop": True, "resample": 3, "size": 224}),
    ("clip", "CLIP", {"size": 240}),
    ("convnext", "ConvNext", {"crop_pct": 0.875, "resample": 3, "size": 224, **IMAGENET}),
    ("convnext", "ConvNext", {"resample": 3, "size": 224}),
    ("deit", "DeiT", {"crop_size": 224, "do_center_crop": True, "size": 256, **IMAGENET}),
    ("beit", "Beit", {"crop_size": 224, "do_center_crop": False, "size": 224}),
    ("poolformer", "PoolFormer", {"crop_pct": 0.95, "size": 224}),
    (
        "mobilevit",
        "MobileViT",
        {
            "crop_size": 256,
            "do_center_crop": True,
            "do_flip_channel_order": True,
            "do_normalize": None,
            "resample": 2,
            "size": 288,
        },
    ),
    ("vit", "ViT", {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 2, "size": 224}),
]


@pytest.mark.parametrize(
    ("family", "name", "config"),
    OLD_CONFIGS,
    ids=[f"{case[0]}-{i}" for i, case in enumerate(OLD_CONFIGS)],
)
def test_old_configurations_mean_what_transformers_takes_them_for(
    family: str, name: str, config: dict[str, Any], tmp_path: Path
) -> None:
    named = {key: value for key, value in (OLD | config).items() if value is not None}
    named["feature_extractor_type"] = name + "FeatureExtractor"
    (tmp_path / PREPROCESSOR_FILE).write_text(json.dumps(named))
    processor = reference(family, name + "ImageProcessor").from_pretrained(tmp_path)
    ours = load_preprocessor(tmp_path)
    for shape in SHAPES:
        face = crop(*shape)
        expected = processor(face, return_tensors="np")["pixel_values"]
        result = ours.normalise(ours.resize(face)[None])
        np.testing.assert_allclose(result, expected, atol=1e-5, rtol=1e-5)


def test_siglip2s_patches_are_those_of_a_square_face(tmp_path: Path) -> None:
    """Its processor gives patches, and keeps proportions; a face becomes their square here."""
    processor = reference("siglip2", "Siglip2ImageProcessor")(max_num_patches=64)
    processor.save_pretrained(tmp_path)
    ours = load_preprocessor(tmp_path)
    assert (ours.height, ours.width) == (128, 128)
    for side in (40, 128, 333):
        face = crop(side, side)
        expected = processor(face, return_tensors="np")
        assert expected["spatial_shapes"].tolist() == [[8, 8]]
        pixels = ours.normalise(ours.resize(face)[None])
        patches = pixels.reshape(1, 3, 8, 16, 8, 16).transpose(0, 2, 4, 3, 5, 1).reshape(1, 64, 768)
        np.testing.assert_allclose(patches, expected["pixel_values"], atol=1e-5, rtol=1e-5)


def test_a_face_of_the_right_size_is_left_alone() -> None:
    face = crop(224, 224)
    np.testing.assert_array_equal(Preprocessor(224, 224).resize(face), face)


def test_a_strip_is_not_stretched_by_its_shorter_edge() -> None:
    strip = crop(640, 10)
    assert Preprocessor(64, 64, resize_to=64).resize(strip).shape == (64, 64, 3)
    for longer in (crop(641, 10), crop(10, 641)):
        with pytest.raises(ValueError, match="too long"):
            Preprocessor(64, 64, resize_to=64).resize(longer)
        assert Preprocessor(64, 64).resize(longer).shape == (64, 64, 3)


def test_a_batch_is_normalised_row_by_row() -> None:
    ours = Preprocessor(8, 6, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    pixels = np.stack([crop(8, 6), crop(8, 6) // 2])
    batch = ours.normalise(pixels)
    assert batch.shape == (2, 3, 8, 6)
    for row in range(2):
        np.testing.assert_array_equal(batch[row], ours.normalise(pixels[row : row + 1])[0])
    assert batch[1, 2, 3, 4] == pytest.approx((pixels[1, 3, 4, 2] / 255 - 0.3) / 0.7, abs=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "{",
        "[]",
        "5",
        '{"do_resize": false}',
        '{"do_pad": true}',
        '{"size": {"shortest_edge": 224}}',
        '{"size": {"shortest_edge": 224, "longest_edge": 448}}',
        '{"size": "large"}',
        '{"image_mean": [0.5, 0.5]}',
        '{"image_processor_type": "EfficientNetImageProcessor"}',
        '{"feature_extractor_type": "LevitFeatureExtractor"}',
        '{"image_processor_type": "PerceiverImageProcessorFast"}',
        '{"image_processor_type": "SiglipImageProcessor", "size": 224}',
        pytest.param("[" * 100_000, id="deep"),
        '{"size": 1025}',
        '{"size": 0}',
        '{"size": {"shortest_edge": 99999}, "do_center_crop": true, "crop_size": 64}',
        '{"resample": 6}',
        '{"resample": -1}',
        '{"image_mean": NaN}',
        '{"image_mean": [0.5, 1e300, 0.5]}',
        '{"image_std": 0}',
        '{"image_std": -0.5}',
        '{"image_std": NaN}',
        '{"image_std": 1e300}',
        '{"image_std": 1e-300}',
        '{"rescale_factor": NaN}',
        '{"rescale_factor": Infinity}',
        '{"rescale_factor": 0}',
        '{"rescale_factor": -1}',
        '{"rescale_factor": 1e300}',
        '{"rescale_factor": 1e-30}',
        '{"rescale_factor": 1e37, "image_std": 1e36}',
    ],
)
def test_what_is_not_supported_is_refused_by_file(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / PREPROCESSOR_FILE).write_text(text)
    with pytest.raises(ModelError, match=PREPROCESSOR_FILE):
        load_preprocessor(tmp_path)


def test_needs_no_torch() -> None:
    code = (
        "import sys, numpy; from dfsubmit.faces.preprocess import Preprocessor;"
        "p = Preprocessor(8, 8);"
        "p.normalise(p.resize(numpy.zeros((20, 9, 3), numpy.uint8))[None]);"
        "assert not {'torch', 'transformers', 'cv2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
