"""The Dockerfiles, as far as they can be checked without Docker; and the script of one of them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dfsubmit.bundle.pins import PYTHON, SERVER, TORCH

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
FILES = sorted(DOCKER.glob("*.Dockerfile"))


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_what_is_copied_exists_and_is_sent_to_docker(file: Path) -> None:
    sent = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    text = file.read_text(encoding="utf-8").replace("\\\n", " ")
    sources = [
        source for line in re.findall(r"^COPY (.+)$", text, re.M) for source in line.split()[:-1]
    ]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in sent or f"!{source.split('/')[0]}" in sent, source
    for local in re.findall(r"\./(plugins/[\w-]+)", text):
        assert (ROOT / local / "setup.cfg").is_file(), local


def test_the_scoring_image_has_what_the_server_has() -> None:
    text = (DOCKER / "scoring.Dockerfile").read_text(encoding="utf-8")
    assert f"FROM python:{PYTHON}-" in text
    assert f" {TORCH} --index-url https://download.pytorch.org/whl/cu126" in text
    for pin in SERVER:
        assert f" {pin}" in text


def _notebook(*cells: str) -> str:
    return json.dumps({"cells": [{"cell_type": "code", "source": [cell]} for cell in cells]})


@pytest.mark.parametrize(
    ("name", "submitting"),
    [
        ("task.ipynb", "import aifactory.score as aif\naif.submit(model_name='x', key='y')"),
        ("predict.ipynb", "%load_ext aifactory\n%aifactory submit --model-name x"),
    ],
)
def test_a_bundle_runs_without_its_submitting_cell(
    tmp_path: Path, name: str, submitting: str
) -> None:
    for folder in ("bundle", "data", "out"):
        (tmp_path / folder).mkdir()
    (tmp_path / "data" / "a.jpg").write_bytes(b"")
    writes = (
        "rows = ['filename,label'] + [f'{name},{label}' for name in sorted(os.listdir('./data'))]\n"
        "open('submission.csv', 'w').write('\\n'.join(rows))"
    )
    notebook = _notebook("import os\nlabel = 1", writes, submitting)
    (tmp_path / "bundle" / name).write_text(notebook, encoding="utf-8")
    subprocess.run(
        [sys.executable, DOCKER / "score.py", "bundle", "data", "out"], cwd=tmp_path, check=True
    )
    assert (tmp_path / "out" / "submission.csv").read_text() == "filename,label\na.jpg,1"


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, DOCKER / "score.py", ".", ".", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "must contain task.ipynb or predict.ipynb" in done.stderr
