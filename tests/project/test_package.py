"""Every file of the package that is no Python is data of a package, and is installed with it."""

from __future__ import annotations

import configparser
import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_files_that_are_no_python_are_declared_as_package_data() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    declared = {
        package.replace(".", "/"): patterns.split()
        for package, patterns in config["options.package_data"].items()
    }
    data = [
        path
        for path in (ROOT / "dfsubmit").rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    ]
    assert data
    for path in data:
        # A folder without __init__.py is no package: setuptools warns of it, and may leave it out.
        assert (path.parent / "__init__.py").is_file(), path
        patterns = declared[path.parent.relative_to(ROOT).as_posix()]
        assert any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns), path
