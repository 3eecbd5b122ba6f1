"""A rehearsal finds what it lacks before it begins, and costs no earlier one its place."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner
from organisers_server import Server, submit
from rehearsals import edit_inference, passed_report

from dfsubmit.bundle.manifest import bundle_hash
from dfsubmit.bundle.rehearse import report
from dfsubmit.cli import main


class Usage(NamedTuple):
    """As `shutil.disk_usage` answers."""

    total: int
    used: int
    free: int


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "media").mkdir()
    (tmp_path / "media/a.jpg").write_bytes(b"x")
    return tmp_path / "media"


@pytest.fixture
def bundle(predict_bundle: Path, tmp_path: Path) -> Path:
    """A bundle whose rehearsal passed."""
    copy = Path(shutil.copytree(predict_bundle, tmp_path / "bundle"))
    passed_report(copy, bundle_hash(copy))
    return copy


def rehearse(bundle: Path, data: Path, *more: str) -> Any:
    arguments = ["rehearse", str(bundle), "--data", str(data), *more]
    return CliRunner().invoke(main, arguments)


def still_passed(bundle: Path) -> bool:
    found = report.read(bundle)
    return found is not None and found[1] and found[0].passed


@pytest.mark.parametrize("package", ["psutil", "nbclient", "detect_secrets"])
def test_a_missing_package_is_found_first(
    bundle: Path, data: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    result = rehearse(bundle, data)
    assert result.exit_code == 5
    assert f"needs the package '{package.replace('_', '-')}'" in result.output
    assert 'pip install "dfsubmit[bundle]"' in result.output
    assert "preparing" not in result.output
    assert still_passed(bundle)


def test_too_little_space_is_found_first(
    bundle: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**10, 9 * 10**9, 10**9))
    result = rehearse(bundle, data)
    assert result.exit_code == 2
    assert "1.0 GB free" in result.output
    assert "TMPDIR" in result.output
    assert still_passed(bundle)


def test_a_wrong_data_folder_costs_nothing(bundle: Path, tmp_path: Path) -> None:
    assert rehearse(bundle, tmp_path / "gone", "--no-venv").exit_code == 2
    assert still_passed(bundle)
    assert sorted(path.name for path in tmp_path.glob("bundle*")) == ["bundle", "bundle.rehearsal"]


@pytest.mark.slow
def test_a_rehearsal_that_fails_leaves_the_one_that_passed(
    task_bundle: Path, data: Path, tmp_path: Path, server: Server
) -> None:
    pytest.importorskip("nbclient", reason="needs the bundle extra")
    edited = edit_inference(task_bundle, tmp_path / "bundle", "raise ValueError('once')")
    passed_report(edited, bundle_hash(edited))
    result = rehearse(edited, data, "--no-venv")
    assert result.exit_code == 1
    assert f"stays in {report.kept(edited)}" in result.output
    assert still_passed(edited)
    assert "ValueError: once" in (report.failed(edited) / "report.md").read_text()
    assert "warning: a later rehearsal failed: see" in submit(edited, server).output
    # Without one that passed on these very files, the failure takes the place.
    (edited / "requirements.txt").write_text("# edited\n")
    assert rehearse(edited, data, "--no-venv").exit_code == 1
    assert not still_passed(edited)
    assert not report.failed(edited).exists()
