"""The plugins of this repository, and the README's examples, keep to what plugins may do."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from dfsubmit.hooks import hookspecs

ROOT = Path(__file__).parents[2]
README = (ROOT / "plugins" / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"`my_plugins/\w+\.py`:\n\n```python\n(.*?)```", README, re.S)
PLUGIN_CODE = [*ROOT.glob("plugins/*/dfsubmit_*/*.py"), ROOT / "tests/faults/loader/linear.py"]


def _imported(code: str) -> set[str]:
    """The modules of dfsubmit itself that this code imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            names.add(node.module)
    return {name for name in names if re.match(r"dfsubmit(\.|$)", name)}


@pytest.mark.parametrize("path", PLUGIN_CODE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_bundled_plugins_import_one_module(path: Path) -> None:
    assert _imported(path.read_text(encoding="utf-8")) <= {"dfsubmit.hooks"}


def test_the_readme_imports_one_module() -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    assert _imported("\n".join(blocks)) == {"dfsubmit.hooks", "dfsubmit.hooks.testing"}


def test_bundled_plugins_and_examples_say_their_version() -> None:
    plugins = [path for path in PLUGIN_CODE if "@hookimpl" in path.read_text(encoding="utf-8")]
    assert len(plugins) == 6
    for code in (*(path.read_text(encoding="utf-8") for path in plugins), *EXAMPLES):
        assert f"\nDFSUBMIT_HOOKS = {hookspecs.HOOKS_VERSION}" in code
