"""Mode names: everything about a completion but the model, in one folder name.

    [<dataset>_][gradientmethod_][trainset_]<strategy>[_optimal[-<how>]]_<max_frames>_<step_size>_<T>_<obs_length>

In `hierarchy-2_optimal-linspace-t_20_10_300_36`, windows have 20 frames, a stage makes 10, and videos have
300 frames, of which the first 36 are observed. Names of datasets may contain underscores, those of strategies
may not. Trees of the original code hold `None` where a number was not given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from viddiff.errors import InputError
from viddiff.inference.combine import goal_frames, plan_of
from viddiff.inference.plan import Plan
from viddiff.inference.search import with_observed
from viddiff.inference.strategies import check_parameters

# As wide as one folder name, so that a misspelt mode reaches `parse_mode`, which says what is wrong with it.
MODE_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._,=+-]*"

_NUMBERS = ("max_frames", "step_size", "T", "obs_length")
_FLAGS = ("gradientmethod", "trainset")
_FORM = "[<dataset>_][gradientmethod_][trainset_]<strategy>[_optimal[-<how>]]_" + "_".join(
    f"<{name}>" for name in _NUMBERS
)
_WORD = r"[a-z0-9]+(?:-[a-z0-9]+)*"
_OPTIMAL = rf"optimal(?:-({_WORD}))?"


@dataclass(frozen=True)
class Mode:
    """A strategy and its parameters.

    max_frames: the most frames of a window; step_size: frames made per stage; T: frames of the video;
    obs_length: how many of its first frames are observed. Each is `None` if not given. dataset: another one
    than the model was trained on; gradient_method: observed frames act by reconstruction guidance; trainset:
    videos of the training set; optimal: observed frames come from a searched schedule, and how it was
    searched ("" if not said).

    Raises `InputError` naming the field and what is allowed.
    """

    strategy: str
    max_frames: int | None
    step_size: int | None
    T: int | None
    obs_length: int | None
    dataset: str | None = None
    gradient_method: bool = False
    trainset: bool = False
    optimal: str | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(_WORD, self.strategy) or re.fullmatch(_OPTIMAL, self.strategy):
            raise InputError(
                f"strategy is {self.strategy!r}, must be lower-case letters, digits and single hyphens"
            )
        if self.optimal and not re.fullmatch(_WORD, self.optimal):
            raise InputError(
                f"optimal is {self.optimal!r}, must be lower-case letters, digits and single hyphens"
            )
        if self.dataset is not None:
            _check_dataset_name(self.dataset)
        check_parameters(self.max_frames, self.step_size, self.T, self.obs_length)


@cache
def parse_mode(text: str) -> Mode:
    """Read a mode's name. Raises `InputError` with the name, what is wrong with it and what is allowed."""
    parts = text.split("_")
    if not re.fullmatch(MODE_PATTERN, text) or len(parts) <= len(_NUMBERS):
        raise InputError(f"mode {text!r} is not of the form {_FORM}")
    names, numbers = parts[:-4], [_number(text, *pair) for pair in zip(_NUMBERS, parts[-4:], strict=True)]
    optimal = None
    if match := re.fullmatch(_OPTIMAL, names[-1]):
        optimal = match[1] or ""
        names.pop()
    if not names:
        raise InputError(f"mode {text!r} names no strategy; the form is {_FORM}")
    strategy = names.pop()
    trainset = names[-1:] == ["trainset"] and bool(names.pop())
    gradient_method = names[-1:] == ["gradientmethod"] and bool(names.pop())
    dataset = "_".join(names) if names else None
    try:
        return Mode(strategy, *numbers, dataset, gradient_method, trainset, optimal)
    except InputError as error:
        raise type(error)(f"mode {text!r}: {error}") from None


def format_mode(mode: Mode) -> str:
    """The mode's name; `parse_mode` reads it back."""
    names = [
        mode.dataset,
        "gradientmethod" if mode.gradient_method else None,
        "trainset" if mode.trainset else None,
        mode.strategy,
        None if mode.optimal is None else f"optimal-{mode.optimal}".removesuffix("-"),
    ]
    numbers = (mode.max_frames, mode.step_size, mode.T, mode.obs_length)
    return "_".join([name for name in names if name is not None] + [str(number) for number in numbers])


def make_plan(mode: Mode, schedule: Mapping[int, Sequence[int]] | None = None) -> Plan:
    """The mode's plan, checked. Raises `InputError`, before any work, if there is none.

    schedule: the observed frames of each stage, by its number; an optimal mode needs it, others ignore it.
    `gradient_method`, `dataset` and `trainset` say how and on what a plan is executed; they do not change it.
    """
    name = format_mode(mode)
    for field in _NUMBERS:
        if getattr(mode, field) is None:
            raise InputError(f"mode {name!r}: {field} is not given, must be a whole number")
    if mode.optimal is not None and schedule is None:
        raise InputError(f"mode {name!r} needs an optimal schedule, which says what each stage observes")
    try:
        plan = plan_of(mode.strategy, mode.T, mode.obs_length, mode.max_frames, mode.step_size)
        if mode.optimal is not None:
            plan = with_observed(plan, schedule)
        plan.check(mode.max_frames)
    except InputError as error:
        raise type(error)(f"mode {name!r}: {error}") from None
    return plan


def true_frames(mode: Mode, length: int) -> tuple[int, ...]:
    """Frames of a sample of `length` frames that are those of the true video: the observed ones, then goals."""
    return (*range(mode.obs_length), *goal_frames(mode.strategy, length))


def base_plan(mode: Mode) -> Plan:
    """The plan of a mode without its optimal schedule, which changes what the stages observe, not their number
    nor what they make. Raises `InputError` if there is none."""
    return make_plan(replace(mode, optimal=None))


def _number(text: str, name: str, value: str) -> int | None:
    if value == "None":
        return None
    if not re.fullmatch(r"-?[1-9][0-9]{0,5}|0", value):
        raise InputError(
            f"mode {text!r}: {name} is {value!r}, must be a whole number below a million; the form is {_FORM}"
        )
    return int(value)


def _check_dataset_name(name: str) -> None:
    if not re.fullmatch(MODE_PATTERN, name) or name.split("_")[-1] in _FLAGS:
        raise InputError(
            f"dataset is {name!r}, must be letters, digits and ._,=+- and not end with {' or '.join(_FLAGS)}"
        )
