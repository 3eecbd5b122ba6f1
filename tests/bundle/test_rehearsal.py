"""A rehearsal passes what the server would run, and fails what it would not."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from rehearsals import WRITES, detail, edit_inference, run, status

from dfsubmit.bundle.manifest import bundle_hash
from dfsubmit.bundle.rehearse.options import RehearsalOptions
from dfsubmit.bundle.rehearse.rehearsal import rehearse
from dfsubmit.bundle.rehearse.report import FAIL, PASS, WARN, kept
from dfsubmit.cli import main
from dfsubmit.errors import UsageError

pytest.importorskip("nbclient", reason="needs the bundle extra")

pytestmark = pytest.mark.slow


@pytest.fixture
def data(tmp_path: Path, samples: Path) -> Path:
    """Two pictures of one face."""
    (tmp_path / "media").mkdir()
    for name in ("face.jpg", "face.png"):
        shutil.copy(samples / name, tmp_path / "media")
    return tmp_path / "media"


@pytest.fixture
def edited(task_bundle: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of the task bundle whose inference cell is the given code."""

    return lambda source: edit_inference(task_bundle, tmp_path / "bundle", source)


def test_a_sound_notebook_passes_and_everything_is_kept(
    edited: Callable[..., Path], data: Path
) -> None:
    bundle = edited(WRITES + r"print('\x1b[1;32mread\x1b[0m me')")
    lines: list[str] = []
    report = rehearse(RehearsalOptions(bundle, data, fresh=False), follow=lines.append)
    assert report.passed, report.checks
    assert lines == ["read me"]  # said while it ran, without its colours
    assert status(report, "as built") == WARN  # its notebook was edited
    assert report.bundle_hash == bundle_hash(bundle)
    executed = json.loads((kept(bundle) / "executed.ipynb").read_text())
    assert " me" in json.dumps(executed)
    assert (kept(bundle) / "submission.csv").read_text().splitlines()[0] == "filename,label"
    assert "| notebook | pass |" in (kept(bundle) / "report.md").read_text()
    assert report.figures["peak_memory"] > 10_000_000
    assert report.figures["versions"]["numpy"]


def test_the_submitting_cell_is_not_run(edited: Callable[..., Path], data: Path) -> None:
    bundle = edited(WRITES)
    run(bundle, data)
    assert "aif.submit" not in (kept(bundle) / "executed.ipynb").read_text()


def test_the_scratch_folder_holds_only_what_is_uploaded_and_no_secret(
    edited: Callable[..., Path], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AIF_API_KEY", "HF_TOKEN", "AWS_SESSION_TOKEN", "WHATEVER_THEY_CALL_IT"):
        monkeypatch.setenv(name, "nothing-for-the-notebook")
    monkeypatch.setenv("DFSUBMIT_FRAMES", "3")
    bundle = edited(
        WRITES
        + "import os\n"
        + "assert not [name for name in os.environ if name.startswith(('AIF_', 'DFSUBMIT_'))]\n"
        + "assert 'nothing-for-' + 'the-notebook' not in os.environ.values()\n"
        + "found = sorted(path.name for path in Path('.').iterdir())\n"
        + "assert found == ['bundle.json', 'data', 'model', 'requirements.txt',"
        + " 'submission.csv', 'task.ipynb', 'wheels'], found\n"
        + "assert not (Path.home() / '.cache').exists()\n"
    )
    report = run(bundle, data)
    assert report.passed, report.checks


def test_media_in_subfolders_are_laid_flat(
    edited: Callable[..., Path], data: Path, tmp_path: Path
) -> None:
    (data / "more").mkdir()
    shutil.copy(data / "face.jpg", data / "more" / "other.jpg")
    report = run(edited(WRITES), data)
    assert report.figures["files"] == 3
    shutil.copy(data / "face.jpg", data / "more" / "face.jpg")
    with pytest.raises(UsageError, match=r"two files called 'face\.jpg'"):
        run(tmp_path / "bundle", data)


FAILURES: list[tuple[str, str, str, str]] = [
    ("a label 2", WRITES.replace("% 2", "% 2 + 1"), "submission", "neither 0 nor 1"),
    ("a row missing", WRITES.replace("(names)]", "(names[1:])]"), "submission", "without a row"),
    ("no file", "pass", "submission", "No such file"),
    (
        "a call to the network",
        WRITES + "import urllib.request\nurllib.request.urlopen('https://pypi.org', timeout=20)",
        "notebook",
        "URLError",
    ),
    ("an exception", WRITES + "raise ValueError('in the cell')", "notebook", "in the cell"),
    (
        "a leaking key",
        WRITES + "key = '" + "-".join(["01234567", "89ab", "cdef", "0123", "456789abcdef"]) + "'",
        "rules",
        "holds a key",
    ),
]


@pytest.mark.parametrize(
    ("source", "check", "reason"),
    [failure[1:] for failure in FAILURES],
    ids=[failure[0] for failure in FAILURES],
)
def test_what_the_server_would_not_take_fails(
    edited: Callable[..., Path], data: Path, source: str, check: str, reason: str
) -> None:
    report = run(edited(source), data)
    assert not report.passed
    assert status(report, check) == FAIL
    assert reason in detail(report, check)


def test_an_installation_after_the_first_cells_has_no_network(
    edited: Callable[..., Path], data: Path
) -> None:
    bundle = edited(WRITES)
    notebook = json.loads((bundle / "task.ipynb").read_text())
    position = next(n for n, cell in enumerate(notebook["cells"]) if cell["id"] == "inference")
    late = {**notebook["cells"][position], "id": "late"}
    late["source"] = (
        "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'pip', 'install',"
        " '--retries', '0', 'pip-of-the-network'], check=True)"
    )
    notebook["cells"].insert(position + 1, late)
    (bundle / "task.ipynb").write_text(json.dumps(notebook))
    report = run(bundle, data)
    assert "CalledProcessError" in detail(report, "notebook")


def test_an_inference_that_also_installs_is_not_taken_for_a_result(
    edited: Callable[..., Path], data: Path
) -> None:
    report = run(edited(WRITES + "# !pip install more"), data)
    assert status(report, "submission") == FAIL


def test_a_model_in_a_folder_that_the_client_drops_fails(
    edited: Callable[..., Path], data: Path
) -> None:
    bundle = edited(
        "from dfsubmit.entrypoint import main\n"
        'main(data="./data", model="./models_trained/tiny-vit-demo", output="./submission.csv")'
    )
    (bundle / "model").rename(bundle / "models_trained")
    report = run(bundle, data)
    assert "models_trained/tiny-vit-demo/model.safetensors" in detail(report, "upload")
    assert status(report, "upload") == status(report, "rules") == FAIL
    assert "there is no model" in detail(report, "notebook")


def test_a_wrong_model_path_fails_at_once(edited: Callable[..., Path], data: Path) -> None:
    report = run(
        edited("from dfsubmit.entrypoint import main\nmain(model='./model/another')"), data
    )
    assert status(report, "notebook") == FAIL
    assert "there is no model" in detail(report, "notebook")
    assert not (kept(Path(data).parent / "bundle") / "submission.csv").exists()


def test_every_file_failing_fails(task_bundle: Path, tmp_path: Path) -> None:
    data = tmp_path / "media"
    data.mkdir()
    for number in range(3):
        (data / f"{number}.mp4").write_text("no video")
    bundle = Path(shutil.copytree(task_bundle, tmp_path / "bundle"))
    report = run(bundle, data)
    assert "no file was scored: 3 unreadable" in detail(report, "notebook")
    assert "3 unreadable" in detail(report, "failures")
    assert status(report, "failures") == FAIL


@pytest.mark.parametrize("target", ["task", "predict"])
def test_the_command_passes_a_bundle_as_it_was_built(
    target: str, task_bundle: Path, predict_bundle: Path, data: Path, tmp_path: Path
) -> None:
    source = {"task": task_bundle, "predict": predict_bundle}[target]
    bundle = Path(shutil.copytree(source, tmp_path / "bundle"))
    labels = tmp_path / "labels.csv"
    labels.write_text("filename,label\nface.jpg,real\nface.png,fake\n")
    arguments = ["rehearse", str(bundle), "--data", str(data), "--no-venv", "--json"]
    result = CliRunner().invoke(main, [*arguments, "--labels", str(labels)])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["passed"]
    figures = report["figures"]
    assert figures["statuses"] == {"ok": 2}
    assert figures["forecast_seconds"] > figures["seconds"]
    low, high = figures["macro_f1_ci"]
    assert 0 <= low <= figures["macro_f1"] <= high <= 1
    checks = {check["name"]: check["status"] for check in report["checks"]}
    details = {check["name"]: check["detail"] for check in report["checks"]}
    assert "too few groups (2)" in details["macro F1"]
    assert checks["as built"] == checks["notebook"] == checks["submission"] == PASS


def test_exit_code_1_when_a_check_fails(edited: Callable[..., Path], data: Path) -> None:
    bundle = edited("pass")
    result = CliRunner().invoke(main, ["rehearse", str(bundle), "--data", str(data), "--no-venv"])
    assert result.exit_code == 1
    assert "FAIL  submission" in result.stdout


def test_a_fresh_environment_installs_what_the_bundle_needs(
    task_bundle: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not os.environ.get("TORCH"):
        pytest.skip("TORCH names no stand-in for torch 2.7.1, whose wheel has several GB")
    # The stand-in may have no wheel for the server's Python.
    monkeypatch.setattr("dfsubmit.bundle.rehearse.environment.find_python", lambda version: None)
    bundle = Path(shutil.copytree(task_bundle, tmp_path / "bundle"))
    report = rehearse(RehearsalOptions(bundle, data))
    assert report.passed, report.checks
    assert any(os.environ["TORCH"] in line for line in report.figures["substitutions"])
    versions = report.figures["versions"]
    assert versions["transformers"] == "5.20.2"
    assert versions["aifactory"] == "2.0.0"
    assert (versions["numpy"], versions["opencv-python-headless"]) == ("1.26.4", "4.10.0.82")
    assert "opencv-python" not in versions
