"""The faster road of fp32 products: exact, given back, and refused where it rounds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from dfsubmit.models import arithmetic as cpumath


@pytest.fixture(autouse=True)
def examined_anew() -> Iterator[None]:
    cpumath.examine.cache_clear()
    yield
    cpumath.examine.cache_clear()


def test_what_is_used_is_fp32() -> None:
    found = cpumath.examine()
    assert found.plain_error < cpumath.LARGEST_ERROR
    assert found.onednn == (found.error <= cpumath.LARGEST_ERROR)
    generator = torch.Generator().manual_seed(1)
    left = torch.randn(300, 500, generator=generator)
    right = torch.randn(500, 400, generator=generator)
    with cpumath.fast_fp32():
        product = left @ right
    exact = left.double() @ right.double()
    assert float((product - exact).abs().max() / exact.abs().max()) < 1e-5


def test_an_arithmetic_that_rounds_to_bf16_is_found_out_and_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """AMX by another name: where oneDNN is allowed, the factors lose their low bits."""
    inside = False
    linear = torch.nn.functional.linear

    def rounding(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        if inside and left.dtype == torch.float32:
            left, right = left.bfloat16().float(), right.bfloat16().float()
        return linear(left, right)

    class Allowed:
        def __enter__(self) -> None:
            nonlocal inside
            inside = True

        def __exit__(self, *reason: object) -> None:
            nonlocal inside
            inside = False

    monkeypatch.setattr(torch.nn.functional, "linear", rounding)
    monkeypatch.setattr(cpumath, "allow_onednn", Allowed)
    found = cpumath.examine()
    assert not found.onednn
    assert found.error > 1e-4
    assert "rounds" in str(found)
    with cpumath.fast_fp32():
        assert not inside


@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
def test_torch_is_left_as_it_was(precision: str) -> None:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        with cpumath.allow_onednn():
            pass
        assert torch.get_float32_matmul_precision() == precision
    finally:
        torch.set_float32_matmul_precision(before)


def test_the_setting_is_given_back_after_an_error() -> None:
    before = torch.get_float32_matmul_precision()
    with pytest.raises(ZeroDivisionError), cpumath.allow_onednn():
        1 / 0  # noqa: B018
    assert torch.get_float32_matmul_precision() == before
