"""`doctor` names what is broken, with the cure, and its exit code tells scripts."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path

import pytest
from click.testing import CliRunner

from dfsubmit import doctor
from dfsubmit.cli import main
from dfsubmit.doctor import MISSING, NOTE, OK, STOP, Finding, examine, exit_code
from dfsubmit.errors import Exit
from dfsubmit.media import selftest
from dfsubmit.models import arithmetic as cpumath


def _about(findings: list[Finding], subject: str) -> list[Finding]:
    return [finding for finding in findings if finding.subject == subject]


@pytest.fixture
def plugin_folder(tmp_path: Path) -> Path:
    (tmp_path / "broken.py").write_text("import there_is_no_such_module\n")
    return tmp_path


def test_a_working_installation_passes() -> None:
    findings = examine()
    assert exit_code(findings) == Exit.OK
    assert {finding.state for finding in findings} <= {OK, NOTE}
    subjects = {finding.subject for finding in findings}
    assert {"Python", "torch", "CUDA", "OpenCV", "dlib", "CPUs", "memory", "disk"} <= subjects


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ([OK, NOTE], Exit.OK),
        ([OK, STOP], Exit.FAILED_CHECK),
        ([STOP, MISSING], Exit.NOT_INSTALLED),
    ],
)
def test_exit_code_is_the_worst_states(states: list[str], code: Exit) -> None:
    assert exit_code([Finding("x", state, "") for state in states]) == code


@pytest.mark.parametrize(
    ("module", "subject", "cure"),
    [
        ("torch", "torch", "torch>=2.7"),
        ("transformers", "transformers", "pip install transformers"),
        ("dlib", "dlib", "pip install dlib-bin"),
        ("cv2", "OpenCV", 'pip install "opencv-python<4.13"'),
    ],
)
def test_missing_packages_exit_5_with_the_pip_line(
    monkeypatch: pytest.MonkeyPatch, module: str, subject: str, cure: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    result = CliRunner().invoke(main, ["doctor", "--json"])
    assert result.exit_code == Exit.NOT_INSTALLED, result.output
    listing = json.loads(result.output)
    assert listing["exit_code"] == 5
    (finding,) = [item for item in listing["findings"] if item["subject"] == subject]
    assert finding["state"] == MISSING
    assert cure in finding["hint"]


def test_old_torch_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch, "__version__", "2.6.0")
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == Exit.FAILED_CHECK
    assert "2.6.0 is too old" in result.output


def test_opencv_without_ffmpeg_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    cv2 = pytest.importorskip("cv2")
    monkeypatch.setattr(cv2.videoio_registry, "hasBackend", lambda backend: False)
    (finding,) = _about(examine(), "OpenCV")
    assert finding.state == STOP
    assert "FFMPEG" in finding.text


def test_opencv_with_wrong_pictures_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    selftest.check_opencv.cache_clear()
    monkeypatch.setattr(selftest, "_decoded_right", lambda: False)
    finding = _about(examine(), "OpenCV")[-1]
    assert finding.state == STOP
    assert "wrong pictures for interlaced video" in finding.text
    assert "<4.13" in finding.hint


def test_two_opencv_wheels_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        doctor, "_version", lambda package: "4.0" if "contrib" not in package else ""
    )
    finding = _about(examine(), "OpenCV")[0]
    assert finding.state == NOTE
    assert "opencv-python and opencv-python-headless" in finding.text
    assert finding.hint.startswith("pip uninstall -y opencv-python opencv-python-headless")


def test_dlib_without_avx_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = types.SimpleNamespace(__version__="19.24", USE_AVX_INSTRUCTIONS=False)
    monkeypatch.setitem(sys.modules, "dlib", slow)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    (finding,) = _about(examine(), "dlib")
    assert finding.state == NOTE
    assert "without AVX" in finding.text


def test_the_arithmetic_that_was_found_is_told() -> None:
    assert _about(examine(), "arithmetic")[0].text == str(cpumath.examine())


def test_little_memory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "memory_limit", lambda: 2**30)
    (finding,) = _about(examine(), "memory")
    assert finding.state == NOTE
    assert "--workers" in finding.hint


def test_failing_plugins_are_named_and_stop_nothing(plugin_folder: Path) -> None:
    result = CliRunner().invoke(main, ["doctor", "--plugins-dir", str(plugin_folder)])
    assert result.exit_code == Exit.OK
    assert "broken.py does not load: ModuleNotFoundError" in result.output


def test_failing_plugins_are_errors_under_strict(plugin_folder: Path) -> None:
    arguments = ["doctor", "--strict", "--plugins-dir", str(plugin_folder)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == Exit.USAGE
    assert "broken.py" in result.output


def test_extras_come_from_the_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    lines = [
        "numpy>=1.26",
        'scikit-learn>=1.3; extra == "eval"',
        'surely-not-installed>=1; extra == "eval"',
        'numpy>=1; extra == "demo"',
        'numpy>=999; extra == "stress"',
        'pytest; extra == "dev"',
    ]
    head = types.SimpleNamespace(get_all=lambda key: ["eval", "demo", "stress", "dev"])
    monkeypatch.setattr(metadata, "requires", lambda name: lines)
    monkeypatch.setattr(metadata, "metadata", lambda name: head)
    texts = {finding.text: finding.hint for finding in _about(examine(), "extra")}
    assert texts == {
        "demo: complete": "",
        "eval: lacks surely-not-installed": 'pip install "dfsubmit[eval]"',
        "stress: lacks numpy": 'pip install "dfsubmit[stress]"',
    }
