"""Few colours for many: exact where they suffice, near everywhere else, and the same each time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viddiff.render.palette import to_palette


def noise(size: int, high: int = 256, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, high, (size, size, 3), dtype=np.uint8)


@given(height=st.integers(1, 6), width=st.integers(1, 6), high=st.integers(1, 256), seed=st.integers(0, 99))
def test_colours_that_suffice_are_exact(height, width, high, seed):
    image = np.random.default_rng(seed).integers(0, high, (height, width, 3), dtype=np.uint8)
    entries, palette = to_palette(image, 36)
    assert np.array_equal(palette[entries], image)


@pytest.mark.parametrize("size", [20, 80])  # of the larger one, similar colours are taken together first
@pytest.mark.parametrize("most", [1, 2, 50, 256])
def test_no_entry_is_beyond_the_palette_or_of_no_use(size, most):
    image = noise(size)
    entries, palette = to_palette(image, most)
    assert entries.shape == image.shape[:2] and entries.dtype == palette.dtype == np.uint8
    assert sorted(set(entries.ravel().tolist())) == list(range(most)) == list(range(len(palette)))
    again = to_palette(image.copy(), most)
    assert np.array_equal(entries, again[0]) and np.array_equal(palette, again[1])


@pytest.mark.parametrize("size", [20, 80])
def test_a_small_spot_keeps_its_colour(size):
    image = noise(size, 40)
    image[3, 5] = (255, 250, 1)
    entries, palette = to_palette(image, 60)
    assert tuple(palette[entries[3, 5]]) == (255, 250, 1)
    assert np.abs(palette[entries].astype(int) - image).max() <= 20


def test_one_colour_is_the_mean():
    image = np.zeros((2, 2, 3), np.uint8)
    image[0, 0] = (100, 200, 4)
    assert to_palette(image, 1)[1].tolist() == [[25, 50, 1]]
