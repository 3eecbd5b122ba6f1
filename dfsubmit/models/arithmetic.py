"""fp32 matrix products on the CPU, with oneDNN instead of MKL if it is as exact.

torch multiplies fp32 matrices with MKL, which on many non-Intel CPUs takes twice as long as oneDNN.
torch uses oneDNN only if products *may* be rounded to bf16. On CPUs without AMX nothing is rounded
and the result is fp32; with AMX it may be rounded. So the result is compared with float64, once per
process.

Imports torch inside its functions: `dfsubmit doctor` and the model loader call them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

LARGEST_ERROR = 2e-6
"""The largest error of an element of a product, relative to the sum of the absolute values of its
terms. On the layers below, fp32 gives about 3e-7, tf32 at least 8e-5, and bf16 at least 6e-4."""


@dataclass(frozen=True)
class Arithmetic:
    """How fp32 matrices are multiplied on this CPU.

    Attributes:
        onednn: whether `fast_fp32` uses oneDNN.
        error: the largest error with oneDNN (see `LARGEST_ERROR`).
        plain_error: the same with torch's default.
    """

    onednn: bool
    error: float
    plain_error: float

    def __str__(self) -> str:
        found = f"error {self.error:.0e}, torch's own road {self.plain_error:.0e}"
        if self.onednn:
            return f"fp32 matrix products by oneDNN ({found})"
        return f"fp32 matrix products by torch's own road: oneDNN's rounds here ({found})"


def let_threads_sleep() -> None:
    """Make waiting OpenMP threads sleep instead of spin; to be called before torch is imported.

    A spinning thread occupies a core that the workers could use. Has no effect once torch has
    loaded its OpenMP library, or if the user has set the variable.
    """
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def cpu_has_bf16() -> bool:
    """Whether torch multiplies bf16 matrices with instructions for them; where it does not, bf16
    takes several times as long as fp32. True if torch cannot tell."""
    import torch

    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return supported is None or bool(supported())


@cache
def examine() -> Arithmetic:
    """Measure both on products with the shapes of a ViT; takes some hundredths of a second."""
    with allow_onednn():
        error = _largest_error()
    return Arithmetic(error <= LARGEST_ERROR, error, _largest_error())


@contextmanager
def fast_fp32() -> Iterator[None]:
    """A context in which this process multiplies fp32 matrices with oneDNN, if that is exact."""
    if not examine().onednn:
        yield
        return
    with allow_onednn():
        yield


@contextmanager
def allow_onednn() -> Iterator[None]:
    """A context in which torch may use oneDNN; restores the previous setting at its end.

    The setting belongs to the process, not to a thread.
    """
    import torch

    matmul = getattr(torch.backends.mkldnn, "matmul", None)
    if matmul is not None:  # torch 2.9 and later
        before = matmul.fp32_precision
        matmul.fp32_precision = "bf16"
        try:
            yield
        finally:
            matmul.fp32_precision = before
        return
    earlier = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(earlier)


def _largest_error() -> float:
    """The largest error over a wide layer, a narrow one and batched attention products."""
    import torch

    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Any:
        return torch.randn(*shape, generator=generator)

    multiply: Callable[[Any, Any], Any] = torch.matmul
    with torch.inference_mode():
        return max(
            _error(torch.nn.functional.linear, normal(64, 768), normal(768, 768)),
            _error(torch.nn.functional.linear, normal(8, 768), normal(2, 768)),
            _error(multiply, normal(4, 197, 64), normal(4, 64, 197)),
        )


def _error(product: Callable[[Any, Any], Any], left: Any, right: Any) -> float:
    exact = product(left.double(), right.double())
    sizes = product(left.double().abs(), right.double().abs())
    return float(((product(left, right) - exact).abs() / sizes).max())
