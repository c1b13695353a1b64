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

from viddiff.diffusion.treatment import FORM, PATTERN
from viddiff.errors import InputError
from viddiff.inference.combine import goal_frames, plan_of
from viddiff.inference.plan import Plan
from viddiff.inference.recipe import Recipe
from viddiff.inference.search import with_observed
from viddiff.inference.strategies import check_parameters
from viddiff.inference.treated import check_treatment

# As wide as one folder name, so that a misspelt mode reaches `parse_mode`, which says what is wrong with it.
MODE_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._,=+-]*"

_NUMBERS = ("max_frames", "step_size", "T", "obs_length")
_FLAGS = ("gradientmethod", "trainset")
_FORM = "[<dataset>_][gradientmethod_][trainset_]<strategy>[_optimal[-<how>]]_" + "_".join(
    f"<{name}>" for name in _NUMBERS
)
_MODE = re.compile(
    r"(?:(?P<dataset>.+?)_)??(?P<gradientmethod>gradientmethod_)?(?P<trainset>trainset_)?"
    r"(?P<strategy>(?!optimal(?:_|-[^_]))[^_]+)(?:_(?P<optimal>optimal(?:-[^_]+)?))?"
    + "".join(f"_(?P<{name}>[^_]+)" for name in _NUMBERS)
)
_WORD = r"[a-z0-9]+(?:-[a-z0-9]+)*"
_STRATEGY = r"[a-z0-9]+(?:\.[0-9]+)?(?:-[a-z0-9]+(?:\.[0-9]+)?)*"  # a weight may have a point


@dataclass(frozen=True)
class Mode:
    """A strategy and its parameters.

    strategy: the name of its recipe; max_frames: the most frames of a window; step_size: frames made per stage; T:
    frames of the video; obs_length: how many of its first frames are observed. Each is `None` if not given. dataset:
    another one than the model was trained on; gradient_method: observed frames act by reconstruction guidance;
    trainset: videos of the training set; optimal: observed frames come from a searched schedule, and how it was
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
        if not re.fullmatch(_STRATEGY, self.strategy) or re.fullmatch("optimal(-.*)?", self.strategy):
            raise InputError(
                f"strategy is {self.strategy!r}, must be lower-case letters, numbers and single hyphens"
            )
        if self.optimal and not re.fullmatch(_WORD, self.optimal):
            raise InputError(
                f"optimal is {self.optimal!r}, must be lower-case letters, digits and single hyphens"
            )
        if self.dataset is not None:
            _check_dataset_name(self.dataset)
        check_parameters(self.max_frames, self.step_size, self.T, self.obs_length)

    def __str__(self) -> str:
        """The mode's name; `parse_mode` reads it back."""
        names = [
            self.dataset,
            "gradientmethod" if self.gradient_method else None,
            "trainset" if self.trainset else None,
            self.strategy,
            None if self.optimal is None else f"optimal-{self.optimal}".removesuffix("-"),
        ]
        numbers = (self.max_frames, self.step_size, self.T, self.obs_length)
        return "_".join([name for name in names if name is not None] + [str(number) for number in numbers])

    @property
    def recipe(self) -> Recipe:
        """What the strategy's name stands for, by the presets that are known now."""
        return Recipe.read(self.strategy)

    def given(self, name: str) -> int:
        """One of the four numbers. Raises `InputError` if it is not given."""
        value: int | None = getattr(self, name)
        if value is None:
            raise InputError(f"mode {str(self)!r}: {name} is not given, must be a whole number")
        return value

    @property
    def split(self) -> str:
        """The split of the dataset whose videos are completed."""
        return "train" if self.trainset else "test"

    def goals(self, length: int) -> tuple[int, ...]:
        """The frames of a sample of `length` frames that are given as goals."""
        return goal_frames(self.recipe, length)


@cache
def parse_mode(text: str) -> Mode:
    """Read a mode's name. Raises `InputError` with the name, what is wrong with it and what is allowed."""
    match = _MODE.fullmatch(text) if re.fullmatch(MODE_PATTERN, text) else None
    if match is None:
        raise InputError(f"mode {text!r} is not of the form {_FORM}")
    try:
        return Mode(
            match["strategy"],
            **{name: _number(name, match[name]) for name in _NUMBERS},
            dataset=match["dataset"],
            gradient_method=match["gradientmethod"] is not None,
            trainset=match["trainset"] is not None,
            optimal=match["optimal"] and match["optimal"].removeprefix("optimal").removeprefix("-"),
        )
    except InputError as error:
        raise type(error)(f"mode {text!r}: {error}") from None


def make_plan(mode: Mode, schedule: Mapping[int, Sequence[int]] | None = None) -> Plan:
    """The mode's plan, checked. Raises `InputError`, before any work, if there is none.

    schedule: the observed frames of each stage, by its number; an optimal mode needs it, others ignore it.
    `gradient_method`, `dataset` and `trainset` say how and on what a plan is executed; they do not change it.
    """
    max_frames, step_size, T, obs_length = map(mode.given, _NUMBERS)
    if mode.optimal is not None and schedule is None:
        raise InputError(f"mode {str(mode)!r} needs an optimal schedule, which says what each stage observes")
    try:
        plan = plan_of(mode.recipe, T, obs_length, max_frames, step_size)
        if mode.optimal is not None and schedule is not None:
            plan = with_observed(plan, schedule)
        plan.check(max_frames)
        check_treatment(plan, mode.recipe.treatment, mode.gradient_method)
    except InputError as error:
        raise type(error)(f"mode {str(mode)!r}: {error}") from None
    return plan


def base_plan(mode: Mode) -> Plan:
    """The plan of a mode without its optimal schedule, which changes what the stages observe, not their number
    nor what they make. Raises `InputError` if there is none."""
    return make_plan(replace(mode, optimal=None))


def treated(mode: Mode, treatment: str) -> Mode:
    """The mode with a treatment of its stages: `history-2`. Raises `InputError` if it is none.

    Whether the mode can have it is for `make_plan` to say.
    """
    if not treatment or not re.fullmatch(PATTERN, f"{treatment}-"):
        raise InputError(f"{treatment!r:.60} is not of the form {FORM}, without the last hyphen")
    return replace(mode, strategy=f"{treatment}-{mode.strategy}")


def untreated(mode: Mode) -> tuple[str, Mode]:
    """What `treated` made a mode of: the treatment, "" if there is none, and the mode without."""
    match = re.match(PATTERN, mode.strategy)
    assert match is not None  # it may be empty
    return match[0].removesuffix("-"), replace(mode, strategy=mode.strategy[match.end() :])


def true_frames(mode: Mode, length: int) -> tuple[int, ...]:
    """Frames of a sample of `length` frames that are those of the true video: the observed ones, then goals.

    Raises `InputError` if the mode does not tell `obs_length`.
    """
    return (*range(mode.given("obs_length")), *mode.goals(length))


def frames_needed(true: Sequence[int]) -> int:
    """How many frames a true video must have, to give these: 1 at least, by which videos are known."""
    return 1 + max(true, default=0)


def _number(name: str, text: str) -> int | None:
    if text == "None":
        return None
    if not re.fullmatch(r"-?[1-9][0-9]{0,5}|0", text):
        raise InputError(f"{name} is {text!r}, must be a whole number below a million; the form is {_FORM}")
    return int(text)


def _check_dataset_name(name: str) -> None:
    if not re.fullmatch(MODE_PATTERN, name) or name.split("_")[-1] in _FLAGS:
        raise InputError(
            f"dataset is {name!r}, must be letters, digits and ._,=+- and not end with {' or '.join(_FLAGS)}"
        )
