"""OpenVINO itself: imported without its telemetry, one core for each process, graphs compiled."""

from __future__ import annotations

import functools
import importlib.metadata
import sys
from typing import Any


def load_openvino() -> Any:
    """The module ``openvino``, with its telemetry switched off for this process.

    By default converting and quantising report to Google Analytics (`openvino_telemetry`). A run
    talks to nobody, and on a machine without a network it must not wait for an answer either.
    """
    if "openvino_telemetry" not in sys.modules:
        # What cannot be imported is replaced by OpenVINO's and NNCF's own stubs.
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import openvino

    return openvino


@functools.cache
def openvino_core() -> Any:
    """The one `openvino.Core` of this process, kept for as long as the process lives.

    Its documentation asks for a single one. With one for each model, OpenVINO may unload the CPU
    device's code as the last model goes, while a thread of its own is still running in it.
    """
    return load_openvino().Core()


def openvino_release() -> str:
    """The installed release, such as "2026.4.1"."""
    return str(load_openvino().__version__.split("-")[0])


def nncf_release() -> str:
    """The installed release of NNCF, without importing it (seconds); "" if there is none."""
    try:
        return importlib.metadata.version("nncf")
    except importlib.metadata.PackageNotFoundError:
        return ""


def compile_graph(graph: Any, precision: str, threads: int = 0) -> Any:
    """An `openvino.CompiledModel` for the CPU.

    Args:
        graph: an `openvino.Model`.
        precision: of what is not quantised: "fp32" or "bf16".
        threads: how many it may use; 0 leaves it to OpenVINO.
    """
    # The hint is stated because OpenVINO would by itself take bf16 on a CPU that has it.
    # Threads pinned to cores would fight with the workers, which decode on the same ones.
    settings: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
        "ENABLE_CPU_PINNING": False,
    }
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    return openvino_core().compile_model(graph, "CPU", settings)
