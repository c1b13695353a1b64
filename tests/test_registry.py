"""Registries know the names of their kind without importing anything, and import what is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from viddiff.data.base import dataset
from viddiff.diffusion.samplers.base import sampler
from viddiff.errors import InputError
from viddiff.inference.strategies import Strategy, strategy
from viddiff.metrics.base import metric
from viddiff.training.masks import mask_distribution

REGISTRIES = [strategy, sampler, metric, dataset, mask_distribution]


@pytest.fixture(params=REGISTRIES, ids=lambda registry: registry.kind)
def registry(request):
    return request.param


def test_all_names_are_known_before_the_import(registry):
    code = f"""
import sys
from viddiff.registry import declared
names = tuple(declared({registry.kind!r}, {registry.package!r}))
assert names == {registry.names()!r}, names
assert not {{"torch", "numpy", {registry.package!r}}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_each_name_is_found(registry):
    assert len(registry.names()) == len(set(registry.names())) >= 2
    for name in registry.names():
        assert registry.find(name) is not None
    assert set(registry.names()) == set(registry._entries)


def test_an_unknown_name_is_refused_with_the_nearest_and_all_known(registry):
    name = registry.names()[0]
    message = f"^{registry.kind} '{name}x' is unknown; did you mean {name}\\? known: "
    with pytest.raises(InputError, match=message) as error:
        registry.find(f"{name}x")
    assert str(error.value).endswith(", ".join(sorted(registry.names())))


def test_what_is_added_apart_is_not_known():
    with strategy.apart() as added:
        strategy("other", neighbours=2)(len)
    assert added == {"other": Strategy(len, neighbours=2)}
    assert set(strategy._entries) == set(strategy.names())
