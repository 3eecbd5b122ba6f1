"""A model loader that compiles Hugging Face folders for the CPU with OpenVINO."""

from __future__ import annotations

from dfsubmit.hooks import RegisterModelLoader, hookimpl
from dfsubmit_openvino.loader import OpenVinoLoader

DFSUBMIT_HOOKS = 1


@hookimpl
def register_model_loaders(register: RegisterModelLoader) -> None:
    """Register the loader ``openvino``."""
    register("openvino", OpenVinoLoader())
