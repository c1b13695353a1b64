"""Plans by which a model gives a video a probability.

If every stage makes new frames from known ones, `p(video | given) = product of p(latent | observed)` over the stages,
whatever the observed frames are, and also if these are chosen by the content of known frames.
"""

from __future__ import annotations

from viddiff.errors import InputError
from viddiff.inference.modes import Mode
from viddiff.inference.plan import Plan


def check_chain_rule(mode: Mode, plan: Plan) -> None:
    """Raise `InputError` if the mode's plan gives videos no probability that can be computed.

    Guided frames come from no distribution that the network states, nor do those whose windows hold noisy frames, and
    frames that are made again hide those that were made before.
    """
    treatment = mode.recipe.treatment
    if mode.gradient_method or treatment.name:
        what = "gradientmethod" if mode.gradient_method else treatment.name
        raise InputError(
            f"mode {str(mode)!r} has no ELBO: guidance changes what the network samples from; "
            f"ask for that of the mode without {what}"
        )
    if plan.has_steps:
        raise InputError(
            f"mode {str(mode)!r} has no ELBO: its windows hold noisy frames beside those that they make; ask for that "
            "of a mode whose stages go from noise to clean"
        )
    made: set[int] = set()
    for number, stage in enumerate(plan.stages):
        if again := made.intersection(stage.latent):
            raise InputError(
                f"mode {str(mode)!r} has no ELBO: stage {number} makes frame {min(again)} again; "
                "ask for that of a mode that makes each frame once"
            )
        made.update(stage.latent)
