"""A model loader that compiles Hugging Face folders for the CPU with OpenVINO."""

from __future__ import annotations

from dfsubmit.hooks.hookspecs import hookimpl
from dfsubmit.hooks.interfaces import RegisterModelLoader
from dfsubmit_openvino.loader import OpenVinoLoader


@hookimpl
def register_model_loaders(register: RegisterModelLoader) -> None:
    """Register the loader ``openvino``."""
    register("openvino", OpenVinoLoader())
