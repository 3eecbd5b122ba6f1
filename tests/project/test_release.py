"""A release: its metadata, and wheels that work where there is no clone."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import textwrap
from pathlib import Path

import pytest

from dfsubmit import __version__

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = [ROOT, *sorted(path.parent for path in ROOT.glob("plugins/*/setup.cfg"))]
PLACEHOLDERS = re.compile(r"\b(?:REPOSITORY|OWNER|YOUR[-_ ]?NAME|TODO|FIXME)\b(?! =)")


def _metadata(project: Path) -> configparser.SectionProxy:
    config = configparser.ConfigParser()
    config.read(project / "setup.cfg", encoding="utf-8")
    return config["metadata"]


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_the_metadata_are_complete(project: Path) -> None:
    metadata = _metadata(project)
    for field in ("description", "long_description", "author", "license", "keywords"):
        assert metadata[field].strip(), field
    assert (project / metadata["license_files"]).is_file()
    classifiers = metadata["classifiers"].split("\n")
    for version in ("3.10", "3.11", "3.12", "3.13"):
        assert f"Programming Language :: Python :: {version}" in classifiers


def test_one_version_everywhere() -> None:
    assert _metadata(ROOT)["version"] == "attr: dfsubmit._version.__version__"
    for project in PROJECTS[1:]:  # released together, under one tag
        assert _metadata(project)["version"] == __version__, project.name
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.+)$", citation, re.MULTILINE) == [__version__]


def test_no_page_or_metadata_hold_a_placeholder() -> None:
    kinds = ("*.md", "*.cfg", "*.toml", "*.cff", "*.yml", "*.ipynb", "Dockerfile*")
    found = [
        f"{path.relative_to(ROOT)}: {match}"
        for folder in (ROOT, *(ROOT / name for name in ("docs", "plugins", "submit", ".github")))
        for kind in kinds
        for path in (folder.glob(kind) if folder == ROOT else folder.rglob(kind))
        for match in PLACEHOLDERS.findall(path.read_text(encoding="utf-8"))
    ]
    assert not found


def test_the_publishing_workflow_reads_the_version_from_the_code(tmp_path: Path) -> None:
    workflow = (ROOT / ".github" / "workflows" / "publish.yml").read_text(encoding="utf-8")
    step = re.search(r"run: \|\n((?: {10}.*\n)+)", workflow)
    assert step is not None
    script = textwrap.dedent(step[1])
    for tag, code in ((f"v{__version__}", 0), ("v0.0.0", 1)):
        done = subprocess.run(
            ["sh", "-c", script],
            cwd=ROOT,
            env={**os.environ, "GITHUB_REF_NAME": tag},
            capture_output=True,
            check=False,
        )
        assert done.returncode == code, done.stdout
