"""A checkpoint's weights put into the network that its config describes."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from viddiff.checkpoint import Checkpoint
from viddiff.errors import InputError
from viddiff.model.build import build_model
from viddiff.model.unet import UNetVideoModel


def load_network(checkpoint: Checkpoint, device: str | torch.device) -> UNetVideoModel:
    """A checkpoint's network, in float32.

    It is built without memory first (torch's device `meta`). Only if its parameters are those of the file, by name and
    shape, does it take the file's: a config cannot ask for more memory than the file has, nor weights be drawn in vain.

    Raises `InputError` if the checkpoint's weights and config do not belong together.
    """
    weights = checkpoint.state_dict
    try:
        with torch.device("meta"):
            model = build_model(checkpoint.config)
    except InputError as error:
        raise InputError(f"{checkpoint.path}: {error}") from None
    if differences := _differences(model.state_dict(), weights):
        raise InputError(f"{checkpoint.path}: weights and config do not belong together: {differences}")
    floats = {name: value.float() for name, value in weights.items()}
    if wrong := [name for name, value in floats.items() if not value.isfinite().all()]:
        count = sum(int((~floats[name].isfinite()).sum()) for name in wrong)
        raise InputError(
            f"{checkpoint.path}: {count} of its weights are not finite numbers, the first in {wrong[0]:.100}, in all "
            f"in {len(wrong)} of {len(floats)} parameters; the training went wrong before: take an earlier checkpoint"
        )
    model.load_state_dict(floats, assign=True)
    return model.to(device).to(memory_format=torch.channels_last).requires_grad_(False).eval()


def _differences(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """In words, how the parameters of a file differ from the network's; "" if only their values do."""
    missing = sorted(wanted.keys() - found.keys())
    strange = sorted(found.keys() - wanted.keys())
    other = [key for key in wanted if key in found and wanted[key].shape != found[key].shape]
    said = []
    if missing:
        said.append(f"{len(missing)} parameters are missing, the first is {missing[0]}")
    if strange:
        said.append(f"{len(strange)} are none of this network's, the first is {strange[0]:.100}")
    if other:
        shapes = f"{list(found[other[0]].shape)}, must be {list(wanted[other[0]].shape)}"
        said.append(f"{len(other)} have another shape, the first is {other[0]}: {shapes}")
    return "; ".join(said)
