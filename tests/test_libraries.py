"""Where OpenCV cannot be imported, the remedy fits the reason."""

from __future__ import annotations

import builtins
import sys
from typing import Any

import pytest

from dfsubmit.errors import Exit, NotInstalled
from dfsubmit.libraries import load_cv2


def _break_import(monkeypatch: pytest.MonkeyPatch, error: ImportError) -> None:
    real = builtins.__import__

    def broken(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "cv2":
            raise error
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "cv2", raising=False)
    monkeypatch.setattr(builtins, "__import__", broken)


def test_missing_wheel_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    _break_import(monkeypatch, ModuleNotFoundError("No module named 'cv2'"))
    with pytest.raises(NotInstalled) as caught:
        load_cv2()
    assert caught.value.hint == 'pip install "opencv-python<4.13"'
    assert caught.value.exit_code == Exit.NOT_INSTALLED


def test_missing_libgl_asks_for_the_headless_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    _break_import(monkeypatch, ImportError("libGL.so.1: cannot open shared object file"))
    with pytest.raises(NotInstalled) as caught:
        load_cv2()
    assert "libGL.so.1" in caught.value.message
    assert 'pip install "opencv-python-headless<4.13"' in caught.value.hint


def test_gives_the_module() -> None:
    assert load_cv2().__name__ == "cv2"
