"""fp32 matrix products on the CPU, by the faster of torch's two roads where it is as exact.

torch multiplies fp32 matrices with MKL, which on many CPUs that are not Intel's takes twice as long
as oneDNN does. torch takes oneDNN's road only where it is told that products *may* be rounded to
bf16. Without AMX there is no such rounding to be had and the result is fp32; with AMX it may be
rounded. So it is tried out, once a process, against float64.

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
"""Of a product's elements, as a share of the sum of its terms' sizes. On the layers tried below
fp32 stays near 3e-7; factors rounded to tf32 give 8e-5 and more, to bf16 6e-4 and more."""


@dataclass(frozen=True)
class Arithmetic:
    """How fp32 matrices are multiplied on this CPU.

    Attributes:
        onednn: whether `fast_fp32` takes oneDNN's road.
        error: the largest error found on it (see `LARGEST_ERROR`).
        plain_error: the same on torch's usual road.
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
    """Before torch is imported: make threads that wait for one another sleep, not spin.

    A thread that spins takes from the workers the core that they could use. Has no effect once
    torch, with its OpenMP library, is loaded, nor where the user has chosen.
    """
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@cache
def examine() -> Arithmetic:
    """Try both roads on products such as a ViT's; some hundredths of a second."""
    with allow_onednn():
        error = _largest_error()
    return Arithmetic(error <= LARGEST_ERROR, error, _largest_error())


@contextmanager
def fast_fp32() -> Iterator[None]:
    """Within it, the calling process multiplies fp32 matrices by oneDNN, where that is exact."""
    if not examine().onednn:
        yield
        return
    with allow_onednn():
        yield


@contextmanager
def allow_onednn() -> Iterator[None]:
    """Tell torch that oneDNN may be used, and afterwards what it was told before.

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
    """Over a wide layer, a narrow one and the batched products of attention heads."""
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
