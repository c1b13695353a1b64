"""The steps of a mode's plan as training needs them: from which noise levels to which they take their frames."""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Float64

from viddiff.errors import InputError
from viddiff.inference.modes import base_plan, parse_mode
from viddiff.inference.plan import Plan
from viddiff.inference.strategies import PRESETS, USER_STRATEGIES

Span = tuple[Float64[np.ndarray, " L"], Float64[np.ndarray, " L"]]


def level_plan(mode: str) -> Plan:
    """The plan of a mode that tells the levels of a training. Raises `InputError` if there is no such mode."""
    return _level_plan(mode, *_definitions())


def level_spans(mode: str) -> tuple[Span, ...]:
    """Of each step of a mode's plan the levels before and after it, in parts of the whole way, by frame.

    Raises `InputError` if there is no such mode, or if all frames of its windows have one level.
    """
    return _level_spans(mode, *_definitions())


def _definitions() -> tuple[object, ...]:
    """The configuration's modes, by which the same name may mean another plan."""
    return tuple(USER_STRATEGIES.items()), tuple(PRESETS.items())


@cache
def _level_plan(mode: str, *definitions: object) -> Plan:
    return base_plan(parse_mode(mode))


@cache
def _level_spans(mode: str, *definitions: object) -> tuple[Span, ...]:
    plan = _level_plan(mode, *definitions)
    steps = [stage for stage in plan.stages if stage.is_step]
    if not steps:
        raise InputError(f"all frames of a window of mode {mode!r} are at one level: write per_window")
    spans = []
    for step in steps:
        order = np.argsort(step.latent)
        spans.append(
            (np.array(step.starts)[order] / plan.levels, np.array(step.ends)[order] / plan.levels),
        )
    return tuple(spans)
