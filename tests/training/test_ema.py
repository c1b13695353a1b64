from __future__ import annotations

import pytest
import torch

from viddiff.flat_config import parse_rates
from viddiff.training.ema import rate_at, start_average, update_average


def test_average_of_a_constant_step_is_geometric():
    parameters = {"a": torch.zeros(3), "b": torch.zeros(2, 2)}
    average = start_average(parameters)
    parameters = {name: value + 1.0 for name, value in parameters.items()}
    for _ in range(50):
        update_average(average, parameters, 0.9)
    for value in average.values():
        torch.testing.assert_close(value, torch.full_like(value, 1 - 0.9**50))


def test_average_is_no_view_and_takes_no_gradient():
    parameters = {"a": torch.nn.Parameter(torch.ones(2))}
    average = start_average(parameters)
    update_average(average, parameters, 0.0)
    parameters["a"].data.zero_()
    assert average["a"].tolist() == [1.0, 1.0]
    assert not average["a"].requires_grad


def test_a_warm_average_forgets_where_it_began():
    """What is left of the initial weights is the product of the rates; a rate that is low already stays."""
    average, left = start_average({"a": torch.ones(1)}), 1.0
    for step in range(30):
        rate = rate_at(0.9999, step)
        assert rate == (1 + step) / (10 + step)
        update_average(average, {"a": torch.zeros(1)}, rate)
        left *= rate
    assert average["a"].item() == pytest.approx(left, rel=1e-4) and left < 1e-7
    assert rate_at(0.9999, 10**6) == 0.9999
    assert [rate_at(0.05, step) for step in (0, 9)] == [0.05, 0.05]


def test_rates():
    assert parse_rates("0.9999, 0.99") == (0.9999, 0.99)
    for bad in ("1.0", "0.9,0.90", "", "fast", "-0.1", "nan"):
        with pytest.raises(ValueError):
            parse_rates(bad)
