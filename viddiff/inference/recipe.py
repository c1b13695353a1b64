"""What the name of a strategy in a mode stands for: `[gibbs-<n>-][adaptive-[l2-]][goal-directed-]<strategy>`.

Before all of it stands what is done in each stage, see `viddiff.diffusion.treatment`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from viddiff.diffusion import treatment
from viddiff.diffusion.treatment import Treatment
from viddiff.errors import InputError
from viddiff.inference.second import SecondCheckpoint
from viddiff.inference.strategies import PRESETS, USER_STRATEGIES

MOST_SWEEPS = 9
FORM = f"{treatment.FORM}[gibbs-<n>-][adaptive-[l2-]][goal-directed-]<strategy>"

_RECIPE = re.compile(
    treatment.PATTERN + r"(?:gibbs-(?P<sweeps>[0-9]+)-)?"
    r"(?P<adaptive>adaptive-(?P<l2>l2-)?)?"
    r"(?P<goal_directed>goal-directed-)?"
    r"(?P<strategy>.+)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Recipe:
    """A strategy, and what is made of its plan.

    goal_directed: the last frames of the video are given as well; distance: by which observed frames are chosen while
    the plan is executed, `None` if the plan says them all; sweeps: how often the whole video is made again after that;
    treatment: what is done in each stage.
    """

    strategy: str
    goal_directed: bool = False
    distance: Literal["lpips", "l2"] | None = None
    sweeps: int = 0
    treatment: Treatment = field(default_factory=Treatment)

    @property
    def second(self) -> SecondCheckpoint | None:
        """The second checkpoint that the configuration's strategy names; `None` if it names none."""
        found = USER_STRATEGIES.get(self.strategy)
        return found.second if found else None

    @staticmethod
    def read(name: str) -> Recipe:
        """The recipe of a name, with the configuration's presets replaced by what they stand for.

        Raises `InputError` for another order, a number of sweeps that is not 1 to `MOST_SWEEPS`, or other numbers that
        are not allowed.
        """
        name = expand(name)
        match = _match(name)
        if split(match["strategy"])[0] or match["strategy"].partition("-")[0] in treatment.WORDS:
            raise InputError(f"strategy {name!r} is unknown; the form is {FORM}")
        sweeps = match["sweeps"]
        if sweeps is not None and sweeps not in map(str, range(1, MOST_SWEEPS + 1)):
            raise InputError(f"{name}: the number of sweeps is {sweeps}, must be 1 to {MOST_SWEEPS}")
        return Recipe(
            strategy=match["strategy"],
            goal_directed=match["goal_directed"] is not None,
            distance=None if match["adaptive"] is None else "l2" if match["l2"] else "lpips",
            sweeps=int(sweeps or 0),
            treatment=Treatment.read(match.groupdict()),
        )


def expand(name: str) -> str:
    """A name with the configuration's presets replaced by what they stand for."""
    prefixes, base = split(name)
    return expand(prefixes + PRESETS[base]) if base in PRESETS else name


def split(name: str) -> tuple[str, str]:
    """What stands before the name of the strategy, and that name."""
    start = _match(name).start("strategy")
    return name[:start], name[start:]


def _match(name: str) -> re.Match[str]:
    match = _RECIPE.fullmatch(name)
    if match is None:
        raise InputError("a mode must name a strategy")
    return match
