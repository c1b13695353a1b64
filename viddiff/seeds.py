"""The noise of a sample: it depends on what is sampled, never on where, when or beside what.

Every (checkpoint, mode, sampler, video, sample, stage) has a generator of its own, and so has every diffusion step of
an ELBO. In steps of plans with noise levels per frame, every frame has one, and another for each evaluation. Noise is
drawn on the CPU, one window at a time, so that it is the same on every device and in every batch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from operator import index
from typing import Any, SupportsIndex

import torch
from jaxtyping import Float
from torch import Tensor

from viddiff.errors import InputError


def whole_number(name: str, value: Any) -> int:
    """A whole number of any kind as Python's: noise is named by its digits. Raises `InputError` for another value."""
    if isinstance(value, bool) or not isinstance(value, SupportsIndex) or index(value) < 0:
        raise InputError(f"{name}: {value!r:.60} must be a whole number, 0 or more")
    return index(value)


@dataclass(frozen=True)
class SampleIdentity:
    """One completion of one video.

    checkpoint: SHA-256 of the file; mode: as in the tree of results; sampler: its name and respacing;
    video: its index in the set; sample: which completion.
    """

    checkpoint: str
    mode: str
    sampler: str
    video: int
    sample: int


def stage_generator(identity: SampleIdentity, stage: int) -> torch.Generator:
    """The generator of all noise of one stage (an index into the plan) of one sample."""
    return generator_of(*astuple(identity), stage)


def frame_noise(
    identity: SampleIdentity, frames: Sequence[int], shape: Sequence[int], *where: int
) -> Float[Tensor, "K ..."]:
    """Standard normal noise of frames of one sample, `[len(frames), *shape]`, each from a generator of its own.

    where: the step of the plan and the evaluation in it that the noise follows; nothing for what frames begin as.
    """
    generators = [generator_of("frame", *astuple(identity), frame, *where) for frame in frames]
    return torch.stack([torch.randn(*shape, generator=generator) for generator in generators])


def step_generator(
    checkpoint: str, mode: str, respacing: str, video: int, stage: int, step: int
) -> torch.Generator:
    """The generator of the noise at one diffusion step of one stage of a video's ELBO, which has no sampler."""
    return generator_of("elbo", checkpoint, mode, respacing, video, stage, step)


def generator_of(*parts: str | int) -> torch.Generator:
    """A generator, on the CPU, of the noise of what these parts name."""
    seed = int.from_bytes(hashlib.sha256(json.dumps(parts).encode()).digest()[:8], "big")
    return torch.Generator().manual_seed(seed)


def row_noise(
    generators: Sequence[torch.Generator], shape: Sequence[int], device: torch.device | str
) -> Callable[[], Float[Tensor, "B ..."]]:
    """A function that draws fresh standard normal noise of `shape` from each generator and stacks it."""

    def draw() -> Tensor:
        return torch.stack([torch.randn(*shape, generator=g) for g in generators]).to(device)

    return draw
