"""What must be finite, or training ends before it is saved: losses, gradients, weights and their averages."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor

from viddiff.errors import InputError
from viddiff.training.config import TrainingConfig
from viddiff.training.log import QUARTILES
from viddiff.training.run_state import TrainingState


def check_losses(
    losses: Float[Tensor, " B"], t: Int[Tensor, " B"], n_steps: int, config: TrainingConfig, step: int
) -> None:
    """Raise `InputError` if a window's loss is not finite; it names the quarters of the diffusion steps `t`."""
    bad = ~losses.isfinite()
    if bad.any():
        quarters = sorted({f"q{QUARTILES * int(level) // n_steps}" for level in t[bad]})
        raise _unsound(
            f"the loss of {int(bad.sum())} of {len(bad)} windows is not finite",
            f", at diffusion steps of {', '.join(quarters)} (q0: least noise, q3: most)",
            config,
            step,
        )


def check_norm(grad_norm: float, config: TrainingConfig, step: int) -> None:
    """Raise `InputError` if the gradients are not finite: the weights would not be either."""
    if not abs(grad_norm) < float("inf"):
        raise _unsound("the gradient is not finite", "", config, step)


def check_state(state: TrainingState, loss: float, config: TrainingConfig) -> None:
    """Raise `InputError` unless what would be saved is finite, and a loss that was measured with it."""
    if not state.is_finite():
        raise _unsound("weights are not finite", " after the update", config, state.step - 1)
    if not abs(loss) < float("inf"):
        raise _unsound(
            "the loss with the new weights is not finite", " after the update", config, state.step - 1
        )


def _unsound(what: str, where: str, config: TrainingConfig, step: int) -> InputError:
    """One line: what was found in the update from `step`, and what is allowed."""
    return InputError(
        f"{what} at training step {step}{where}; nothing of it is saved, older checkpoints stay: go on from them with "
        f"a lower lr than {config.lr}"
    )
