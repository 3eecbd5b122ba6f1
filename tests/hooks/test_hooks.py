"""Every hook has a test here and a section in plugins/README.md, whose examples work."""

from __future__ import annotations

import inspect
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from dfsubmit.cli import main
from dfsubmit.errors import PluginError
from dfsubmit.hooks import hookspecs
from dfsubmit.hooks.interfaces import LoadRequest
from dfsubmit.hooks.loading import load_plugins
from dfsubmit.hooks.testing import check_aggregator
from dfsubmit.records import FrameScores

README = (Path(__file__).parents[2] / "plugins" / "README.md").read_text(encoding="utf-8")
HOOKS = {
    name: function
    for name, function in inspect.getmembers(hookspecs, inspect.isfunction)
    if hasattr(function, "dfsubmit_spec")
}
EXAMPLES: dict[str, str] = dict(
    re.findall(r"`my_plugins/(\w+\.py)`:\n\n```python\n(.*?)```", README, re.S)
)


@pytest.fixture
def folder(tmp_path):
    """A plugins folder that holds the README's examples."""
    for name, code in EXAMPLES.items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    return tmp_path


def test_there_are_hooks_and_examples():
    assert set(HOOKS) == {"register_aggregators", "register_model_loaders"}
    assert set(EXAMPLES) == {"second_highest.py", "linear_loader.py"}


@pytest.mark.parametrize("name", sorted(HOOKS))
def test_every_hook_has_a_test(name):
    assert callable(getattr(sys.modules[__name__], f"test_hook_{name}", None))


@pytest.mark.parametrize("name", sorted(HOOKS))
def test_every_hook_is_documented_under_its_exact_signature(name):
    arguments = ", ".join(inspect.signature(HOOKS[name]).parameters)
    assert f"\n### `{name}({arguments})`\n" in README


def test_hook_register_aggregators(folder):
    plugins = load_plugins([folder])
    assert not plugins.failures
    item = plugins.aggregators["second-highest"]
    check_aggregator(item.function, item.properties)
    p = np.array([0.1, 0.9, 0.4, 0.7])
    scores = FrameScores(p, np.arange(4.0), np.zeros((4, 4), np.int64), np.ones(4))
    assert plugins.aggregator("second-highest")(scores) == 0.7
    assert plugins.aggregator("second-highest:rank=3")(scores) == 0.4


def test_hook_register_model_loaders(folder, tmp_path):
    model_folder = tmp_path / "model"
    model_folder.mkdir()
    config = {"id2label": {"0": "Real", "1": "Fake"}}
    (model_folder / "config.json").write_text(json.dumps(config))
    (model_folder / "preprocessor_config.json").write_text(
        json.dumps({"size": 8, "image_mean": 0.0, "image_std": 1.0})
    )
    weights = np.array([[0, 1], [0, 0], [0, 0]], np.float32)
    np.savez(model_folder / "linear.npz", weights=weights, bias=np.zeros(2, np.float32))
    loader = load_plugins([folder]).loaders["linear"]
    assert loader.rank(LoadRequest(tmp_path)) == 0
    assert loader.rank(LoadRequest(model_folder)) > 10
    model = loader.load(LoadRequest(model_folder))
    red = np.zeros((2, 8, 8, 3), np.uint8)
    red[1, ..., 0] = 255
    np.testing.assert_allclose(model.logits(red), [[0, 0], [0, 1]])


def test_the_command_lists_both_examples(folder):
    listing = CliRunner().invoke(main, ["plugins", "--plugins-dir", str(folder)]).output
    assert "second-highest:rank=2" in listing
    assert "linear " in listing


def test_a_misspelt_hook_is_an_error_and_not_silence(tmp_path):
    code = EXAMPLES["second_highest.py"].replace("register_aggregators", "register_agregators")
    (tmp_path / "misspelt.py").write_text(code)
    (failure,) = load_plugins([tmp_path]).failures
    assert "register_agregators" in failure.error
    with pytest.raises(PluginError, match="register_agregators"):
        load_plugins([tmp_path], strict=True)
