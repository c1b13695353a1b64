"""Frames of any size that the levels divide, as a network's config tells it."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from seeded import TINY, seeded_model
from test_unet import noise_like, window

from viddiff.errors import InputError
from viddiff.model.build import architecture
from viddiff.model.sizes import frame_size, known_size
from viddiff.window import Window


@pytest.mark.parametrize(
    "size, known",
    [((8, 8), 32), ((24, 40), 32), ((64, 63), 32), ((96, 128), 64), ((128, 96), 64), ((512, 300), 256)],
)
def test_levels_are_those_of_a_known_size(size, known):
    assert known_size(*size) == known


def test_attention_is_at_the_levels_of_the_known_size():
    assert architecture(
        TINY | {"image_size": 96, "attention_resolutions": "16,8"}
    ).attention_downsamplings == (4, 8)


@pytest.mark.parametrize("size", [(24, 40), (40, 24), (48, 48)])
def test_other_sizes_build_and_run(size):
    model = seeded_model(
        TINY
        | {
            "image_size": size[0],
            "image_width": size[1],
            "cond_emb_type": "channel",
            "attention_resolutions": "16",
        }
    )
    assert model.spatial_encoding.shape[2:] == (size[0] // 2, size[1] // 2)
    w = Window(*(value[:1, :2] for value in dataclasses.astuple(window(40, frames=2))))
    w = dataclasses.replace(w, frames=torch.zeros(1, 2, 3, *size))
    with torch.no_grad():
        output = model(noise_like(w.frames), torch.tensor([100.0]), w)
    assert output.shape == w.frames.shape and output.isfinite().all()


@pytest.mark.parametrize(
    "config, message",
    [
        ({"image_size": 36}, "image_size is 36; the network halves it 3 times.*multiples of 8"),
        ({"image_size": 32, "image_width": 36}, r"image_size is \[32, 36\]; .* multiples of 8"),
        ({"image_size": 64, "image_width": True}, "image_width is True; must be a whole number, 1 to 4096"),
        ({"image_size": 2**40}, "must be a whole number, 1 to 4096"),
        ({"image_size": 0}, "image_size is 0; must be"),
    ],
)
def test_sizes_that_no_network_has(config, message):
    with pytest.raises(InputError, match=message):
        frame_size(config)
