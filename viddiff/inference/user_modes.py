"""Users' own modes: the section `modes` of the configuration, names with definitions of five kinds.

    {strategy: gibbs-2-hierarchy-4}                          another name, of any strategy or combination
    {strategy: long-range, options: {recent: 0.75}}          a strategy with other values of its options
    {stages: [{observed: [0, 1], latent: [2, 3]}, ...]}      an explicit list of stages
    {pattern: {latent: [0, 1], observed: [-1, -4], step: 2}} a stage that is repeated, as offsets
    {matrix: [[1, 2, 2], [0, 1, 2], ...]}                    for each iteration the noise levels of all frames to make
    {file: my_modes/zigzag.py}                               one function with `@strategy`

Beside any of these, `second: {run: gaps, checkpoint: ema_0.9999_500000}` names a checkpoint that makes the stages of
later phases, see `viddiff.inference.second`.

`register_modes` makes them known to `combine.plan_of`, and with it to everything that reads names of modes.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from viddiff.diffusion.treatment import WORDS
from viddiff.errors import InputError, PlanError, naming, unknown
from viddiff.inference.combine import GOAL_DIRECTED, plan_of
from viddiff.inference.level_matrix import level_matrix
from viddiff.inference.mode_files import ANY_PARAMETERS, load_strategy
from viddiff.inference.modes import Mode
from viddiff.inference.plan import Plan, Stage
from viddiff.inference.recipe import Recipe, expand, split
from viddiff.inference.second import SecondCheckpoint
from viddiff.inference.strategies import (
    FAMILIES,
    PRESETS,
    USER_STRATEGIES,
    Stages,
    Strategy,
    find_strategy,
    strategy,
)

KINDS = ("strategy", "stages", "pattern", "matrix", "file")

_RESERVED = (
    rf"(?:{'|'.join(WORDS)}|gibbs|goal-directed|adaptive|l2|optimal|trainset|gradientmethod)(?:-.*)?"
    r"|(?:given|newest)[0-9.]+-.*"  # as behind history-<w>-
)


def register_modes(definitions: Mapping[str, Mapping[str, Any]]) -> None:
    """Make the modes of a configuration known, in place of those known before.

    definitions: the section `modes`, of the form that the schema of the configuration demands. Files are
    named from the working directory.

    Raises `InputError` that names the mode: its name is taken, it refers to nothing known or to itself, its
    stages complete no video, its file cannot be loaded or does not register just this strategy.
    """
    USER_STRATEGIES.clear()
    PRESETS.clear()
    for name in definitions:
        with naming(f"config key modes.{name}"):
            _check_name(name)
    for name in definitions:
        _register(name, definitions, ())


def _register(name: str, definitions: Mapping[str, Mapping[str, Any]], referring: tuple[str, ...]) -> None:
    """Register a mode, after the one that it is a preset of. referring: presets that wait for this one."""
    if name in USER_STRATEGIES or name in PRESETS:
        return
    definition = definitions[name]
    with naming(f"config key modes.{name}"):
        kind = _kind(definition)
        if name in referring:
            raise InputError(f"it stands for itself: {' -> '.join((*referring, name))}")
    if kind == "strategy":
        target = definition["strategy"]
        _, base = split(target)
        if base in definitions:
            _register(base, definitions, (*referring, name))
    with naming(f"config key modes.{name}"):
        if kind == "stages":
            USER_STRATEGIES[name] = Strategy(_listed(definition["stages"]))
        elif kind == "pattern":
            _check_keys("pattern", definition["pattern"], ("latent", "step"), ("observed",))
            USER_STRATEGIES[name] = Strategy(_repeated(**definition["pattern"]))
        elif kind == "matrix":
            USER_STRATEGIES[name] = Strategy(level_matrix([_whole(row) for row in definition["matrix"]]))
        elif kind == "file":
            USER_STRATEGIES[name] = load_strategy(name, Path(definition["file"]))
        else:
            if definition.get("options") or "second" in definition:
                USER_STRATEGIES[name] = _with_options(target, definition.get("options") or {})
            else:
                PRESETS[name] = target
            _try(name)
        if "second" in definition:
            USER_STRATEGIES[name] = _with_second(USER_STRATEGIES[name], definition["second"])


def _check_name(name: str) -> None:
    Mode(name, None, None, None, None)  # a word such as names of modes consist of
    if (
        name in strategy.names()
        or name in GOAL_DIRECTED
        or any(re.fullmatch(family, name) for family in FAMILIES)
    ):
        raise InputError(f"{name} is a mode already, must be a new name")
    if re.fullmatch(_RESERVED, name):
        raise InputError(f"{name} has a meaning in names of modes, must not be or begin with one of these")


def _kind(definition: Mapping[str, Any]) -> str:
    """Which of `KINDS` a definition is."""
    _check_keys("", definition, (), (*KINDS, "options", "second"))
    kinds = [key for key in KINDS if key in definition]
    if len(kinds) != 1:
        found = " and ".join(kinds) or "none of these"
        raise InputError(f"has {found}, must have one of {', '.join(KINDS)}")
    if "options" in definition and kinds != ["strategy"]:
        raise InputError(f"has options beside {kinds[0]}, must have them beside strategy alone")
    return kinds[0]


def _check_keys(
    where: str, found: Mapping[str, Any], needed: Sequence[str], others: Sequence[str] = ()
) -> None:
    """Raise `InputError` for a key that is lacking or has no meaning: a notebook's definitions meet no schema."""
    if lacking := [key for key in needed if key not in found]:
        raise InputError(f"{where or 'it'} lacks {lacking[0]}")
    if wrong := [key for key in found if key not in (*needed, *others)]:
        raise unknown(f"key {wrong[0]!r}{where and f' of {where}'}", str(wrong[0]), [*needed, *others])


def _try(name: str) -> None:
    """Raise `InputError` if a preset has no plan whatever the parameters."""
    with suppress(PlanError):  # of these parameters
        plan_of(Recipe.read(name), *ANY_PARAMETERS)


def _with_options(target: str, options: Mapping[str, Any]) -> Strategy:
    """The strategy with other values of its options, which are its keyword-only arguments."""
    target = expand(target)
    prefixes, _ = split(target)
    if prefixes:
        raise InputError(
            f"{'options belong' if options else 'second belongs'} to a strategy, {target} is a combination: "
            "make them a mode of their own, and combine that one"
        )
    found = find_strategy(target)
    arguments = inspect.signature(found.stages).parameters.values()
    known = [argument.name for argument in arguments if argument.kind is argument.KEYWORD_ONLY]
    if unknown := [option for option in options if option not in known]:
        raise InputError(f"{target} has no option {unknown[0]!r}; its options: {', '.join(known) or 'none'}")
    return replace(found, stages=partial(found.stages, **options))


def _with_second(found: Strategy, second: Mapping[str, Any]) -> Strategy:
    """The strategy with a second checkpoint. Which stages that makes is known with a mode's numbers."""
    if found.second:
        raise InputError(f"second: the strategy has one already, {found.second}")
    _check_keys("second", second, ("run", "checkpoint"), ("from_phase",))
    phase = int(second.get("from_phase", SecondCheckpoint.from_phase))
    return replace(found, second=SecondCheckpoint(second["run"], second["checkpoint"], phase))


def _listed(stages: Sequence[Mapping[str, Any]]) -> Stages:
    """The strategy of one list of stages. They complete videos of one length, with one number of given frames:

    the frames that they make are those from the first one made to the end.
    """
    if not stages:
        raise InputError("stages are empty, must make at least one frame")
    for number, stage in enumerate(stages):
        _check_keys(f"stages[{number}]", stage, ("latent",), ("observed", "phase"))
    listed = tuple(
        Stage(_whole(stage.get("observed", ())), _whole(stage["latent"]), phase=int(stage.get("phase", 1)))
        for stage in stages
    )
    made = {frame for stage in listed for frame in stage.latent}
    plan = Plan(max(made) + 1, min(made), listed)
    plan.check(max(len(stage.observed) + len(stage.latent) for stage in listed))

    def rule(length: int, n_obs: int, window: int, step_size: int) -> Iterator[Stage]:
        for parameter, value, right in (("T", length, plan.length), ("obs_length", n_obs, plan.given)):
            if value != right:
                raise PlanError(f"{parameter} is {value}, must be {right}: the stages are listed for that")
        yield from listed

    return rule


def _repeated(latent: Sequence[int], step: int, observed: Sequence[int] = ()) -> Stages:
    """The strategy of one stage that is repeated every `step` frames, from the first frame to make on.

    Frames are named as offsets from there. Of `latent` those are made that are in the video and do not exist,
    of `observed` those are observed that do. Without all of 0 to `step - 1` in `latent`, frames would be left.
    """
    latent, observed, step = _whole(latent), _whole(observed), int(step)
    if left := sorted(set(range(step)) - set(latent)):
        raise InputError(
            f"pattern.latent lacks {', '.join(map(str, left[:5]))}, must hold all of 0 to step - 1 = {step - 1}: "
            "every frame must be made"
        )

    def rule(length: int, n_obs: int, window: int, step_size: int) -> Iterator[Stage]:
        known = set(range(n_obs))
        for first in range(n_obs, length, step):
            made = [frame for offset in latent if (frame := first + offset) < length and frame not in known]
            seen = [frame for offset in observed if (frame := first + offset) in known]
            if made:
                yield Stage(tuple(seen), tuple(made))
            known.update(made)

    return rule


def _whole(frames: Sequence[Any]) -> tuple[int, ...]:
    """To the schema, 4.0 is a whole number as well. Raises `InputError` for another."""
    if wrong := [frame for frame in frames if frame != int(frame)]:
        raise InputError(f"{wrong[0]!r} must be a whole number")
    return tuple(int(frame) for frame in frames)
