"""Environments like the server's, and the proof that every pin has a wheel there."""

from __future__ import annotations

import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest

from dfsubmit.bundle.pins import PINS, PLUGIN_PINS, PYTHON, SERVER, project
from dfsubmit.bundle.rehearse.environment import find_python, make_environment, versions
from dfsubmit.errors import DfsubmitError


def test_versions_are_those_of_the_other_interpreter() -> None:
    found = versions(Path(sys.executable))
    assert found["python"].startswith(f"{sys.version_info[0]}.{sys.version_info[1]}.")
    assert "pytest" in found


def test_a_python_that_is_not_there_is_not_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_python("3.99") is None
    # A shim that leads nowhere, as pyenv leaves them.
    shim = tmp_path / "python3.10"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert find_python("3.10") is None


def test_a_python_of_pyenv_is_found_beside_a_dead_shim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    shim = tmp_path / f"python{version}"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    home = tmp_path / "versions" / f"{version}.0" / "bin"
    home.mkdir(parents=True)
    (home / "python").symlink_to(sys.executable)
    assert find_python(version) == home / "python"


@pytest.mark.slow
def test_an_environment_that_cannot_be_made_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH", "no-such-package-here")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr("dfsubmit.bundle.rehearse.environment.find_python", lambda version: None)
    with pytest.raises(DfsubmitError, match=r"pip install .* failed"):
        make_environment(tmp_path / "venv")


def test_pins_are_exact_and_unique() -> None:
    pins = (*PINS, *chain(*PLUGIN_PINS.values()), *SERVER)
    assert all(pin.count("==") == 1 for pin in pins)
    assert len({project(pin) for pin in pins}) == len(pins)


@pytest.mark.slow
def test_every_pin_has_a_wheel_for_the_servers_python(tmp_path: Path) -> None:
    python = find_python(PYTHON)
    if python is None:
        pytest.skip(f"there is no Python {PYTHON} here")
    environment = tmp_path / "venv"
    subprocess.run([python, "-m", "venv", environment], check=True)
    interpreter = environment / "bin" / "python"
    # As the bundle installs them, after what the server has: of torch, which has several GB, only
    # the requirement that a plugin's packages share with it.
    wheels = ["--only-binary", ":all:", "--quiet"]
    pins = [*PINS, *chain(*PLUGIN_PINS.values())]
    for arguments in ([*wheels, *SERVER, "sympy"], [*wheels, "--no-deps", *pins]):
        done = subprocess.run(
            [interpreter, "-m", "pip", "install", *arguments], capture_output=True, text=True
        )
        if "NewConnectionError" in done.stderr:
            pytest.skip("PyPI cannot be reached")
        assert done.returncode == 0, done.stderr
    # No pin's own requirement is missing or of another version: the list is the whole closure.
    check = subprocess.run([interpreter, "-m", "pip", "check"], capture_output=True, text=True)
    assert check.returncode == 0, check.stdout
    code = "import cv2, dlib, numpy, transformers; dlib.get_frontal_face_detector()"
    done = subprocess.run([interpreter, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert versions(interpreter)["numpy"] == "1.26.4"
