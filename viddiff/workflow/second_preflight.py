"""What can be known to fail with a mode's second checkpoint before the first job starts."""

from __future__ import annotations

from viddiff.errors import naming
from viddiff.inference.modes import base_plan
from viddiff.inference.second import check_alike, second_window
from viddiff.tree.paths import Evaluation
from viddiff.workflow.checkpoints import diffusion_steps_of, model_settings
from viddiff.workflow.preflight import check_checkpoint
from viddiff.workflow.sections import Configuration


def check_second(config: Configuration, evaluation: Evaluation) -> None:
    """Check the second checkpoint of an evaluation's mode, if it has one, as far as it is known.

    Raises `InputError`: it is named wrongly, is not there and no training makes it, or cannot make a video with the
    first one.
    """
    if (second := evaluation.second) is None:
        return
    with naming(f"config key modes.{evaluation.mode.recipe.strategy}.second"):
        check_checkpoint(config, second)
        models = model_settings(config, evaluation), model_settings(config, second)
        steps = diffusion_steps_of(config, evaluation), diffusion_steps_of(config, second)
        if models[0] is not None and models[1] is not None:
            known = None if steps[0] is None or steps[1] is None else (steps[0], steps[1])
            check_alike(models[0], models[1], same_dataset=evaluation.mode.dataset is None, steps=known)


def larger_second_window(config: Configuration, evaluation: Evaluation) -> str | None:
    """A warning if the windows that a second checkpoint is given are larger than those of its training."""
    if (second := evaluation.second) is None or (model := model_settings(config, second)) is None:
        return None
    asked, trained = second_window(base_plan(evaluation.mode)), model["max_frames"]
    if asked <= trained:
        return None
    return f"{evaluation.directory}: windows of {asked} frames for {second.run}, which was trained with {trained}"
