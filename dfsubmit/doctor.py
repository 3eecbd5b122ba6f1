"""Checks of the installation, the available resources, and everything that would stop a run.

Each function here checks one thing and yields `Finding`s; `examine` runs them all. Importing this
module is cheap; examining imports torch, OpenCV and dlib, since only that shows whether they work.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfsubmit._version import __version__
from dfsubmit.errors import Exit, NotInstalled
from dfsubmit.machine import cpu_flags, memory_limit
from dfsubmit.models import arithmetic as cpumath

OK, NOTE, STOP, MISSING = "ok", "note", "stop", "missing"

# The floors of setup.cfg that an older environment most often breaks.
_TORCH_FLOOR = (2, 7)
_PYTHON_FLOOR = (3, 10)
# The bound for a ViT-Base run is 2.5 GB, summed over all its processes (docs/performance.md).
_MEMORY_FLOOR = 3 * 2**30
_DISK_FLOOR = 2**30


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        subject: what it is about, in one word or two.
        state: "ok"; "note" (a run works, but know this); "stop" (no run works); "missing" (a
            package that a run needs cannot be imported).
        text: what was found.
        hint: what to do about it; empty where there is nothing to do.
    """

    subject: str
    state: str
    text: str
    hint: str = ""


def examine(plugins_dir: tuple[str, ...] = (), strict: bool = False) -> list[Finding]:
    """Run all checks.

    Args:
        plugins_dir: folders whose files are loaded as plugins, as `run` would.
        strict: a plugin that does not load is an error.

    Raises:
        PluginError: under `strict`, naming the plugin and its reason.
        UsageError: a folder of plugins does not exist.
    """
    return [
        *_python(),
        *_torch(),
        *_importable("transformers"),
        *_importable("safetensors"),
        *_importable("PIL", "pillow"),
        *_opencv(),
        *_dlib(),
        *_processor(),
        *_memory(),
        *_disk(),
        *_plugins(plugins_dir, strict),
        *_extras(),
    ]


def exit_code(findings: list[Finding]) -> Exit:
    """5 when a package is missing, else 1 when something would stop a run, else 0."""
    states = {finding.state for finding in findings}
    if MISSING in states:
        return Exit.NOT_INSTALLED
    return Exit.FAILED_CHECK if STOP in states else Exit.OK


def _python() -> Iterator[Finding]:
    text = f"{platform.python_version()}, {platform.system()} {platform.machine()}"
    good = sys.version_info >= _PYTHON_FLOOR
    hint = "" if good else "dfsubmit needs Python 3.10 or newer"
    yield Finding("Python", OK if good else STOP, f"{text}, dfsubmit {__version__}", hint)


def _importable(module: str, package: str = "") -> Iterator[Finding]:
    """Whether a module can be imported, and its version."""
    package = package or module
    try:
        loaded = importlib.import_module(module)
    # A broken installation may raise anything: an OSError from a shared library, for one.
    except Exception as error:
        yield Finding(package, MISSING, _reason(error), f"pip install {package}")
    else:
        yield Finding(package, OK, str(getattr(loaded, "__version__", "")))


def _torch() -> Iterator[Finding]:
    try:
        import torch
    except Exception as error:
        yield Finding("torch", MISSING, _reason(error), 'pip install "torch>=2.7"')
        return
    release = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    if release < _TORCH_FLOOR:
        yield Finding("torch", STOP, f"{torch.__version__} is too old", 'pip install "torch>=2.7"')
    else:
        yield Finding("torch", OK, f"{torch.__version__}, {torch.get_num_threads()} CPU threads")
    yield Finding("arithmetic", OK, str(cpumath.examine()))
    if not torch.cuda.is_available():
        built = torch.version.cuda
        why = f"built for CUDA {built}, but no device answers" if built else "a build without it"
        yield Finding("CUDA", NOTE, f"none ({why}): runs use the CPU")
        return
    for number in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(number)
        text = f"cuda:{number} {device.name}, {device.total_memory / 2**30:.0f} GiB"
        yield Finding("CUDA", OK, text)


def _opencv() -> Iterator[Finding]:
    from dfsubmit.libraries import OPENCV_BOUND, WHEELS, load_cv2

    wheels = [wheel for wheel in WHEELS if _version(wheel)]
    if len(wheels) > 1:
        yield Finding(
            "OpenCV",
            NOTE,
            f"{' and '.join(wheels)} are installed over one another",
            f'pip uninstall -y {" ".join(wheels)} && pip install "{wheels[0]}{OPENCV_BOUND}"',
        )
    try:
        cv2 = load_cv2()
    except NotInstalled as error:
        yield Finding("OpenCV", MISSING, error.message, error.hint)
        return
    from dfsubmit.media.selftest import check_opencv

    registry = cv2.videoio_registry
    backends = [item for item in registry.getStreamBackends() if registry.hasBackend(item)]
    present = ", ".join(dict.fromkeys(registry.getBackendName(item) for item in backends))
    if "FFMPEG" in present:
        try:
            check_opencv()
        except NotInstalled as error:
            yield Finding("OpenCV", STOP, error.message, error.hint)
        else:
            yield Finding("OpenCV", OK, f"{cv2.__version__}, video back ends: {present}")
    else:
        yield Finding(
            "OpenCV",
            STOP,
            f"{cv2.__version__} has no FFMPEG video back end (only: {present or 'none'})",
            "use a wheel from PyPI: pip install --force-reinstall "
            f'"opencv-python-headless{OPENCV_BOUND}"',
        )


def _dlib() -> Iterator[Finding]:
    # Not through faces.load_dlib: importing that module needs OpenCV, which may be what is broken.
    try:
        import dlib
    except Exception as error:
        yield Finding("dlib", MISSING, _reason(error), "pip install dlib-bin")
        return
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    if x86 and not dlib.USE_AVX_INSTRUCTIONS:
        yield Finding(
            "dlib",
            NOTE,
            f"{dlib.__version__}, built without AVX: face detection takes about 2.3 times as long",
            "pip uninstall -y dlib && pip install --force-reinstall dlib-bin",
        )
    else:
        yield Finding("dlib", OK, f"{dlib.__version__}{', built with AVX' if x86 else ''}")


def _processor() -> Iterator[Finding]:
    from dfsubmit.machine import available_cpus

    usable, present = available_cpus(), os.cpu_count()
    yield Finding("CPUs", OK, f"{usable} of {present} available to this process")
    flags = cpu_flags()
    if flags and "avx2" not in flags:
        yield Finding("CPUs", NOTE, "this CPU has no AVX2: expect a slow run")


def _memory() -> Iterator[Finding]:
    total = memory_limit()
    if total is None:
        yield Finding("memory", NOTE, "its size is not known on this system")
        return
    small = total < _MEMORY_FLOOR
    hint = "use fewer --workers and a smaller --batch-size" if small else ""
    text = f"{total / 2**30:.1f} GiB available to this process"
    yield Finding("memory", NOTE if small else OK, text, hint)


def _disk() -> Iterator[Finding]:
    here = Path.cwd()
    if not os.access(here, os.W_OK):
        text = f"{here} cannot be written"
        yield Finding("disk", NOTE, text, "name a writable place with --output")
    free = shutil.disk_usage(here).free
    text = f"{free / 2**30:.1f} GiB free in the current folder"
    yield Finding("disk", OK if free >= _DISK_FLOOR else NOTE, text)


def _plugins(directories: tuple[str, ...], strict: bool) -> Iterator[Finding]:
    from dfsubmit.hooks.loading import load_plugins

    for info in load_plugins(directories, strict).infos:
        label = f"{info.name} {info.version}".strip()
        if info.error:
            hint = "the other plugins work; 'dfsubmit run --strict' would refuse to start"
            yield Finding("plugin", NOTE, f"{label} does not load: {info.error}", hint)
        else:
            yield Finding("plugin", OK, f"{label} ({info.source})")


def _extras() -> Iterator[Finding]:
    """Which optional parts are complete, by the distribution's own metadata."""
    try:
        from packaging.requirements import Requirement

        lines = importlib.metadata.requires("dfsubmit") or []
    except (ImportError, importlib.metadata.PackageNotFoundError):
        yield Finding("extras", NOTE, "not known: dfsubmit runs without being installed")
        return
    missing: dict[str, list[str]] = {}
    for requirement in map(Requirement, lines):
        for extra in importlib.metadata.metadata("dfsubmit").get_all("Provides-Extra") or []:
            # `all` and `dev` only repeat the others.
            if extra in ("all", "dev") or not _asked_by(requirement, extra):
                continue
            found = _version(requirement.name)
            absent = not found or not requirement.specifier.contains(found, prereleases=True)
            missing.setdefault(extra, []).extend([str(requirement.name)] if absent else [])
    for extra, names in sorted(missing.items()):
        if names:
            text = f"{extra}: lacks {', '.join(names)}"
            yield Finding("extra", NOTE, text, f'pip install "dfsubmit[{extra}]"')
        else:
            yield Finding("extra", OK, f"{extra}: complete")


def _asked_by(requirement: Any, extra: str) -> bool:
    """Whether the requirement is there for this extra alone."""
    marker = requirement.marker
    return (
        marker is not None
        and marker.evaluate({"extra": extra})
        and not marker.evaluate({"extra": ""})
    )


def _version(package: str) -> str:
    """The installed version of a distribution; empty where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _reason(error: Exception) -> str:
    return f"cannot be imported: {type(error).__name__}: {error}"
