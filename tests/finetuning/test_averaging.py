"""The moving average of weights: the formula, and that it can be put in, taken out and kept."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dfsubmit.finetuning.networks.averaging import WeightAverage


def model(value: float) -> torch.nn.Module:
    network = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.BatchNorm1d(1))
    with torch.no_grad():
        network[0].weight.fill_(value)
        network[1].running_mean.fill_(value)
    return network


def test_the_formula() -> None:
    network = model(0.0)
    average = WeightAverage(network, 0.5)
    expected = 0.0
    for step, value in enumerate((1.0, 2.0, 3.0), start=1):
        average.update(model(value), step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    with average.applied(network):
        assert network[0].weight.item() == pytest.approx(expected)
        assert network[1].running_mean.item() == pytest.approx(expected)
    assert network[0].weight.item() == 0.0


def test_the_models_own_weights_come_back_even_after_an_error() -> None:
    network = model(2.0)
    average = WeightAverage(model(5.0), 0.9)

    def fail() -> None:
        with average.applied(network):
            assert network[0].weight.item() == 5.0
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert network[0].weight.item() == 2.0


def test_it_goes_on_from_a_file(tmp_path: Path) -> None:
    average = WeightAverage(model(1.0), 0.9)
    average.update(model(4.0), 1)
    average.save(tmp_path / "average.safetensors")
    other = WeightAverage(model(9.0), 0.9)
    other.load(tmp_path / "average.safetensors")
    for name, value in average.values.items():
        assert torch.equal(value, other.values[name])
