"""A model loader for Hugging Face folders that hold an ONNX model, through ONNX Runtime."""

from __future__ import annotations

from dfsubmit.hooks import RegisterModelLoader, hookimpl
from dfsubmit_onnx.loader import OnnxLoader

DFSUBMIT_HOOKS = 1


@hookimpl
def register_model_loaders(register: RegisterModelLoader) -> None:
    """Register the loader ``onnx``."""
    register("onnx", OnnxLoader())
