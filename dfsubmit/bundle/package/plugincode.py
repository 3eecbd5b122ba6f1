"""Whether a plugin's wheel brings or loads a second model, which the competition forbids.

In: a wheel. Out: reasons, empty when none. Python is read as a syntax tree and never run. A plugin
that registers model loaders may load what it is asked for; it may not name a model of its own.
"""

from __future__ import annotations

import ast
import zipfile
from collections.abc import Iterator
from pathlib import Path

_WEIGHTS = (".safetensors", ".onnx", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".pkl", ".tflite")
_LOADS = frozenset(
    "from_pretrained load_file safe_open load_model InferenceSession compile_model read_model "
    "create_model torch.load jit.load hub.load".split()
)
_DOWNLOADS = frozenset(
    "hf_hub_download snapshot_download urlopen urlretrieve load_state_dict_from_url".split()
)


def second_model(wheel: Path) -> list[str]:
    """The reasons for which a plugin's wheel is refused.

    Args:
        wheel: of a plugin, not of dfsubmit itself.
    """
    reasons = []
    trees: dict[str, ast.AST] = {}
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith(_WEIGHTS):
                reasons.append(f"brings weights of its own ({name})")
            elif name.endswith(".py"):
                try:
                    trees[name] = ast.parse(archive.read(name))
                except SyntaxError as error:
                    reasons.append(f"{name} cannot be read: {error}")
    is_loader = any(_defines(tree, "register_model_loaders") for tree in trees.values())
    for name, tree in trees.items():
        for call, function in _calls(tree):
            if function in _DOWNLOADS:
                reasons.append(f"downloads ({function} in {name}, line {call.lineno})")
            elif function in _LOADS and (not is_loader or _names_its_own(call)):
                reasons.append(
                    f"loads a model of its own ({function} in {name}, line {call.lineno})"
                )
    return reasons


def _defines(tree: ast.AST, name: str) -> bool:
    return any(isinstance(node, ast.FunctionDef) and node.name == name for node in ast.walk(tree))


def _calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    """Calls with the function's last name, and with its module's where that alone says it all."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        if isinstance(function, ast.Name):
            yield node, function.id
        elif isinstance(function, ast.Attribute):
            owner = function.value
            owner_name = (
                owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            )
            dotted = f"{owner_name}.{function.attr}"
            yield node, dotted if dotted in _LOADS else function.attr


def _names_its_own(call: ast.Call) -> bool:
    """Whether the first argument is a text in the code, and not what the loader was asked for."""
    values = [*call.args[:1], *(keyword.value for keyword in call.keywords)]
    return bool(values) and isinstance(values[0], ast.Constant) and isinstance(values[0].value, str)
