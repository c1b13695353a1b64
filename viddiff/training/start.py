"""The first weights of a run from a checkpoint: ours, the original's, or its published refactoring's.

Parameters of the same name and shape are taken as they are. Some are fitted, so that the network begins as that of the
file wherever both are defined: input channels by what they show, the table of encodings of distances by distance, the
learnt encoding of places by interpolation (as Dosovitskiy et al. 2021, arXiv 2010.11929, 3.2), the mean alone of a
network that learns variances. What the file lacks starts as in any new run.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from viddiff.checkpoint import load_checkpoint
from viddiff.files.write import sha256_file
from viddiff.flat_config import with_defaults
from viddiff.model.attention import Buckets, bucket_of
from viddiff.model.load import load_network
from viddiff.model.unet import Architecture, UNetVideoModel
from viddiff.training.start_settings import check_start, differing_settings

_FIRST, _PLACES, _TABLE = "input_blocks.0.0.weight", "spatial_encoding", "lookup_table_weight"
_OUTPUT = ("out.2.weight", "out.2.bias")
_COLOURS = ("red", "green", "blue")
# What each input channel of the network shows.
_SHOWN = {
    "channel": (*_COLOURS, "mark", "second mark"),
    "indicator": (*_COLOURS, "mark"),
    "t=0": _COLOURS,
    "duplicate": (*_COLOURS, *(f"observed {colour}" for colour in _COLOURS)),
}
logger = logging.getLogger(__name__)


@torch.no_grad()
def take_start(model: UNetVideoModel, path: Path, config: Mapping[str, object]) -> str:
    """Set a run's first weights from a checkpoint; the log lists what was fitted and what was not taken.

    config: the run's flat config. Returns the file's SHA-256. Raises `InputError` if the file is absent or broken, or
    if its network has other layers.
    """
    checkpoint = load_checkpoint(path)
    digest = sha256_file(path)
    source = load_network(checkpoint, "cpu")
    saved = with_defaults(checkpoint.config)
    check_start(path, saved, config)
    found = source.state_dict()
    taken, told = fitted_weights(model.state_dict(), found, model.arch, source.arch)
    model.load_state_dict(taken, strict=False)
    if differing := differing_settings(saved, config):
        told.append(f"the file's settings differ: {differing}")
    logger.info("start from %s, step %d, SHA-256 %s", path, checkpoint.step, digest)
    for line in told:
        logger.warning("start from %s: %s", path.name, line)
    return digest


def fitted_weights(
    initial: Mapping[str, Tensor], found: Mapping[str, Tensor], here: Architecture, there: Architecture
) -> tuple[dict[str, Tensor], list[str]]:
    """The weights that a file's give to a network, by name, and lines about those that were fitted or are lacking.

    initial: the new network's weights; here, there: what shapes the new network and the file's.
    """
    taken, told = {}, []
    lacking, other = [], []
    for name, new in initial.items():
        old = found.get(name)
        if old is None and name == _PLACES:
            taken[name] = torch.zeros_like(new)
            told.append(f"{name} is not in the file, starts at 0")
        elif old is None:
            lacking.append(name)
        elif (value := _fitted(name, new, old, here, there)) is None:
            other.append(name)
        else:
            taken[name] = value
            if value is not old:
                told.append(f"{name} is fitted from {list(old.shape)} to {list(new.shape)}")
    unused = [name for name in found if name not in initial]
    for what, names in (
        ("not in the file, start anew", lacking),
        ("of another shape in the file, start anew", other),
        ("in the file alone, are not taken", unused),
    ):
        if names:
            told.append(f"{len(names)} parameters are {what}: {', '.join(names)}")
    return taken, told


def _fitted(name: str, new: Tensor, old: Tensor, here: Architecture, there: Architecture) -> Tensor | None:
    """A parameter of the file for the new network: itself, or fitted; `None` if it does not fit."""
    if name == _FIRST and here.input_channels != there.input_channels:
        return fitted_channels(old, _shown(there), _shown(here))
    if name.endswith(_TABLE) and here.buckets and there.buckets and here.buckets != there.buckets:
        return fitted_table(old, there.buckets, here.buckets) if old.shape[1:] == new.shape[1:] else None
    if name == _PLACES and old.shape != new.shape and old.shape[1] == new.shape[1]:
        return F.interpolate(old, new.shape[2:], mode="bilinear", align_corners=False)
    if name in _OUTPUT and here.learn_sigma != there.learn_sigma:
        return torch.cat([old[: here.channels], new.to(old)[here.channels :]])
    return old if old.shape == new.shape else None


def _shown(arch: Architecture) -> tuple[str, ...]:
    return _SHOWN[arch.conditioning.removesuffix("-initzero")]


def fitted_channels(
    weight: Float[Tensor, "D C 3 3"], there: tuple[str, ...], here: tuple[str, ...]
) -> Float[Tensor, "D E 3 3"]:
    """A first convolution for other inputs: the weights of channels that show the same.

    A second copy of the frames, for the observed ones, gets the weights of the first; what nothing showed gets 0.
    """
    channels = []
    for shown in here:
        source = next((name for name in (shown, shown.removeprefix("observed ")) if name in there), None)
        channels.append(torch.zeros_like(weight[:, 0]) if source is None else weight[:, there.index(source)])
    return torch.stack(channels, dim=1)


def fitted_table(
    table: Float[Tensor, "N heads F"], there: Buckets, here: Buckets
) -> Float[Tensor, "M heads F"]:
    """A table of encodings for other buckets: each has that of the shortest distance in it.

    Distances beyond those of the file have its last. A bucket that no distance is in has 0, as in a new network.
    """
    fitted = table.new_zeros(2 * here.beta + 1, *table.shape[1:])
    distances = torch.arange(max(here.alpha, here.gamma) + 2)
    reached = bucket_of(distances, here)
    buckets = torch.arange(here.beta + 1)
    shortest = torch.searchsorted(reached, buckets).clamp(max=distances[-1])
    used = reached[shortest] == buckets
    origin = bucket_of(shortest, there).clamp(max=there.beta)[used]
    fitted[buckets[used]], fitted[-buckets[used]] = table[origin], table[-origin]
    return fitted
