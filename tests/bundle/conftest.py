"""What the tests of bundles need: a bundle of each target, and one build of dfsubmit's wheel."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from organisers_server import KEY, Server

from dfsubmit.bundle.package import wheels


@pytest.fixture(scope="session", autouse=True)
def _one_build(make_once: Callable[..., Path]) -> Iterator[None]:
    """Building dfsubmit's wheel takes seconds and has one outcome: the first build is copied.

    Tests of the build itself take `own_wheel` from its module when they are imported.
    """
    build = wheels.own_wheel

    def make(folder: Path) -> None:
        folder.mkdir()
        wheel, produced = build(folder)
        (folder / "built.json").write_text(json.dumps([wheel.name, produced]))

    def own_wheel(output: Path, *origin: Any) -> tuple[Path, str]:
        if any(origin):
            return build(output, *origin)
        folder = make_once("own-wheel", make)
        name, produced = json.loads((folder / "built.json").read_text())
        return Path(shutil.copy(folder / name, output)), produced

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wheels, "own_wheel", own_wheel)
        yield


@pytest.fixture(scope="session")
def make_bundle(
    tiny_model: Path, make_once: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """``make_bundle(target)``: a bundle that is this process's own, for a client packs in it."""
    pytest.importorskip("nbformat", reason="needs the bundle extra")
    pytest.importorskip("detect_secrets", reason="needs the bundle extra")
    from dfsubmit.bundle.package.packaging import PackageOptions, package

    def make(target: str) -> Path:
        def build(output: Path) -> None:
            # The fixture's own name, "untrained", is one that the 2025 client would drop.
            package(PackageOptions(tiny_model, target, output, name="tiny-vit-demo"))

        built = make_once(f"{target}-bundle", build)
        return Path(shutil.copytree(built, tmp_path_factory.mktemp("bundles") / built.name))

    return make


@pytest.fixture(scope="session")
def task_bundle(make_bundle: Callable[[str], Path]) -> Path:
    """A bundle for the 2025 contract. Read it; copy what you change."""
    return make_bundle("task")


@pytest.fixture(scope="session")
def predict_bundle(make_bundle: Callable[[str], Path]) -> Path:
    """A bundle for aifactory 3.x. Read it; copy what you change."""
    return make_bundle("predict")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()


@pytest.fixture(autouse=True)
def _ledger_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The participant's key, in the environment."""
    monkeypatch.setenv("AIF_API_KEY", KEY)


@pytest.fixture(scope="session")
def client_3() -> None:
    pytest.importorskip("aifactory", reason="needs the bundle extra")
