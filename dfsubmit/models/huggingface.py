"""The built-in model loader: Hugging Face image-classifier folders, through transformers.

It is an ordinary plugin. torch and transformers are imported only when a model is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt

from dfsubmit.hooks import (
    DeviceOutOfMemory,
    Features,
    FrameModel,
    LoadRequest,
    Pixels,
    Preprocessor,
    RegisterModelLoader,
    UsageError,
    hookimpl,
    load_network,
    load_preprocessor,
)
from dfsubmit.models.arithmetic import cpu_has_bf16, examine, fast_fp32

DFSUBMIT_HOOKS = 1

_DTYPES = {"bf16": "bfloat16", "fp16": "float16"}


class HuggingFaceLoader:
    """Loads any image classifier that transformers supports, from safetensors, or else from a
    ``.bin`` file that ``torch.load(weights_only=True)`` accepts."""

    def rank(self, request: LoadRequest) -> int:
        """10 for a folder with weights that transformers can read."""
        if request.precision == "int8":
            return 0
        folder = request.folder
        weights = [*folder.glob("*.safetensors"), *folder.glob("pytorch_model*.bin")]
        return 10 if weights else 0

    def load(self, request: LoadRequest) -> FrameModel:
        """Load the model in evaluation mode on its device, and check its weights.

        Raises:
            ModelError: damaged, unsafe or incomplete weights, or a model that is not a classifier.
            UsageError: a device or precision that this machine does not have.
        """
        if request.precision == "int8":
            raise UsageError("this model loader has no --precision int8", "name another --loader")
        preprocessor = load_preprocessor(request.folder)
        import torch

        device = choose_device(request.device)
        if device.type == "cpu":
            if request.precision == "fp16":
                raise UsageError("--precision fp16 needs a GPU", "on a CPU, take bf16 or fp32")
            if request.threads:
                torch.set_num_threads(request.threads)
        network = load_network(request.folder)
        precision = "fp32" if request.precision == "auto" else request.precision
        warnings = []
        if precision == "bf16" and device.type == "cpu" and not cpu_has_bf16():
            precision = "fp32"
            warnings.append("--precision bf16: this CPU has no bf16 instructions, fp32 is used")
        return HuggingFaceModel(network, preprocessor, device, precision, warnings)


class HuggingFaceModel:
    """A transformers image classifier with the `FrameModel` interface."""

    def __init__(
        self,
        network: Any,
        preprocessor: Preprocessor,
        device: Any,
        precision: str,
        warnings: Sequence[str] = (),
    ) -> None:
        self.id2label: Mapping[int, str] = dict(network.config.id2label)
        self.preprocessor = preprocessor
        self.precision = precision
        self.warnings = warnings
        self._network = network
        self._head = last_layer(network, len(self.id2label))
        self._move(device)

    @property
    def device(self) -> str:
        """The torch device's name."""
        return str(self._device)

    @property
    def arithmetic(self) -> str:
        """See `TellsArithmetic`: how fp32 matrices are multiplied on a CPU; else empty."""
        return str(examine()) if self._fp32_on_cpu else ""

    @property
    def _fp32_on_cpu(self) -> bool:
        return self._device.type == "cpu" and self.precision == "fp32"

    @property
    def feature_width(self) -> int:
        """See `GivesFeatures`: the input width of the last linear layer; 0 if there is none."""
        return 0 if self._head is None else int(self._head.in_features)

    def logits_and_features(self, pixels: Pixels) -> tuple[npt.NDArray[np.float32], Features]:
        """See `GivesFeatures.logits_and_features`: the input of the network's last layer."""
        seen: list[Any] = []
        hook = self._head.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
        try:
            logits = self.logits(pixels)
        finally:
            hook.remove()
        # A head that is applied to every patch is averaged over them.
        features = seen[0].reshape(len(pixels), -1, self.feature_width).float().mean(dim=1)
        return logits, features.cpu().numpy()

    def logits(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """See `FrameModel.logits`."""
        import torch

        try:
            with torch.inference_mode(), self._fast_products():
                batch = torch.from_numpy(pixels)
                if self._device.type == "cuda":
                    batch = batch.pin_memory()
                batch = batch.to(self._device, non_blocking=True)
                scaled = batch.permute(0, 3, 1, 2).float() * self.preprocessor.rescale
                normalised = ((scaled - self._mean) / self._std).contiguous()
                with torch.autocast(
                    self._device.type,
                    dtype=getattr(torch, _DTYPES.get(self.precision, "bfloat16")),
                    enabled=self.precision in _DTYPES,
                ):
                    logits = self._network(pixel_values=normalised).logits
                result: npt.NDArray[np.float32] = logits.float().cpu().numpy()
                return result
        except RuntimeError as error:
            if _is_out_of_memory(error):
                raise DeviceOutOfMemory(f"{self.device}: out of memory") from error
            raise

    def fall_back_to_cpu(self) -> bool:
        """See `MovesToCpu.fall_back_to_cpu`."""
        import torch

        if self._device.type == "cpu":
            return False
        if self.precision == "fp16":
            self.precision = "fp32"
        self._move(torch.device("cpu"))
        return True

    def _fast_products(self) -> AbstractContextManager[None]:
        return fast_fp32() if self._fp32_on_cpu else nullcontext()

    def _move(self, device: Any) -> None:
        import torch

        self._device = device
        self._network.to(device)
        self._mean = torch.tensor(self.preprocessor.mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(self.preprocessor.std, device=device).view(1, 3, 1, 1)


def last_layer(network: Any, classes: int) -> Any:
    """The network's last linear layer, with one output per class, as in transformers' classifiers.
    With two (for a distillation token), the first. None if there is none."""
    import torch

    heads = [
        module
        for module in network.modules()
        if isinstance(module, torch.nn.Linear) and module.out_features == classes
    ]
    top = [module for module in network.children() if module in heads]
    return top[0] if top else heads[-1] if heads else None


def choose_device(name: str) -> Any:
    """The torch device for "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        UsageError: there is no such device here.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    kind, _, number = name.partition(":")
    if kind != "cuda" or (number and not number.isdigit()):
        raise UsageError(f"--device {name!r}: expected auto, cpu, cuda or cuda:N")
    if not torch.cuda.is_available():
        raise UsageError(f"--device {name}: torch finds no CUDA device", "take --device cpu")
    if int(number or 0) >= torch.cuda.device_count():
        raise UsageError(f"--device {name}: there are {torch.cuda.device_count()} CUDA devices")
    return torch.device(name)


def _is_out_of_memory(error: RuntimeError) -> bool:
    import torch

    if isinstance(error, torch.cuda.OutOfMemoryError):
        return True
    text = str(error).lower()
    return "out of memory" in text or "not enough memory" in text or "can't allocate" in text


@hookimpl
def register_model_loaders(register: RegisterModelLoader) -> None:
    """Register the built-in loader."""
    register("huggingface", HuggingFaceLoader())
