"""A checkpoint's network, ready to sample.

It is built without memory first (torch's device `meta`). Only if its parameters are those of the file, by name and
shape, does it take the file's: a config cannot ask for more memory than the file has, nor weights be drawn in vain.
"""

from __future__ import annotations

import torch

from viddiff.checkpoint import Checkpoint
from viddiff.errors import InputError
from viddiff.model.build import build_model
from viddiff.model.unet import UNetVideoModel


def load_network(checkpoint: Checkpoint, device: str | torch.device) -> UNetVideoModel:
    """The network, in float32. Raises `InputError` if the checkpoint's weights and config do not belong together."""
    weights = checkpoint.state_dict
    try:
        with torch.device("meta"):
            model = build_model(checkpoint.config)
    except InputError as error:
        raise InputError(f"{checkpoint.path}: {error}") from None
    wanted = model.state_dict()
    wrong = sorted(wanted.keys() ^ weights.keys()) or [
        key for key, value in wanted.items() if value.shape != weights[key].shape
    ]
    if wrong:
        raise InputError(
            f"{checkpoint.path}: weights and config do not belong together: {len(wrong)} parameters differ, "
            f"the first is {wrong[0]:.100}"
        )
    model.load_state_dict({key: value.float() for key, value in weights.items()}, assign=True)
    return model.to(device, memory_format=torch.channels_last).requires_grad_(False).eval()
