"""Plans by the names of their recipes, as modes spell them."""

from __future__ import annotations

from viddiff.inference import combine
from viddiff.inference.plan import Plan
from viddiff.inference.recipe import Recipe


def plan_of(name: str, length: int, n_obs: int, window: int, step_size: int) -> Plan:
    return combine.plan_of(Recipe.read(name), length, n_obs, window, step_size)


def goal_frames(name: str, length: int) -> tuple[int, ...]:
    return combine.goal_frames(Recipe.read(name), length)


def distance_of(name: str) -> str | None:
    return Recipe.read(name).distance


def makes_steps(name: str) -> bool:
    """Whether the strategy takes frames from level to level, not in whole stages from noise to clean."""
    return plan_of(name, 12, 2, 6, 2).has_steps
