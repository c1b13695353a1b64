"""An update of the weights and their averages from a gradient, clipped if asked for.

In float16 a gradient is of a scaled loss, or small ones would be 0 (Micikevicius et al. 2018, arXiv 1710.03740, 3.2).
Where it overflows, the update is left out and the scale halved; after 2000 updates without, it is doubled.
"""

from __future__ import annotations

import math

from torch import nn

from viddiff.errors import InputError
from viddiff.training.config import TrainingConfig
from viddiff.training.ema import rate_at, update_average
from viddiff.training.power_ema import power_rate
from viddiff.training.run_state import TrainingState
from viddiff.training.soundness import check_norm

LONGEST_OVERFLOW = 50
"""Training steps in a row without an update: the scale is 2^-50 of what it was, so it is not the scale."""


def update_weights(state: TrainingState, config: TrainingConfig) -> float:
    """Update weights and averages from the gradients, which are then gone.

    Returns the norm of the gradient before it is clipped; NaN if it overflowed in float16, and nothing was changed.
    Raises `InputError` if it is not finite in another precision.
    """
    scaler = state.scaler
    scaler.unscale_(state.optimizer)
    with_gradient = [value for value in state.model.parameters() if value.grad is not None]
    norm = nn.utils.get_total_norm([value.grad for value in with_gradient if value.grad is not None])
    if not scaler.is_enabled():
        check_norm(norm.item(), config, state.step)
    if config.grad_clip:
        nn.utils.clip_grads_with_norm_(with_gradient, config.grad_clip, norm)
    scale = scaler.get_scale()
    scaler.step(state.optimizer)
    scaler.update()
    state.optimizer.zero_grad()
    if scaler.get_scale() < scale:
        state.overflows += 1
        return math.nan
    state.overflows = 0
    parameters = dict(state.model.named_parameters())
    for rate, average in state.averages.items():
        update_average(average, parameters, rate_at(rate, state.step) if config.ema_warmup else rate)
    for length, average in state.powers.items():
        update_average(average, parameters, power_rate(length, state.step))
    return norm.item()


def overflows_for_long(state: TrainingState) -> bool:
    """Whether float16 has led to nothing for so long that training had better end."""
    return state.overflows >= LONGEST_OVERFLOW


def overflow_error(state: TrainingState, config: TrainingConfig) -> InputError:
    """One line: what has overflowed, and what to do."""
    return InputError(
        f"precision is float16, in which the gradient has overflowed in the last {state.overflows} training steps; "
        f"step {state.step} is saved. Go on from it with precision bfloat16 or float32, or with a lower lr than "
        f"{config.lr}"
    )
