"""Plans: which frames of a long video are made in which order, and from what.

A *stage* is one window of at most `max_frames` frames: it observes frames that exist and makes latent ones. A
*plan* is the sequence of stages that completes a video. Plans are data: they are checked, stored and drawn
before any model runs.

A *step* is a stage that takes each latent frame from one noise level to a lower one, see `docs/levels.md`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from viddiff.errors import PlanError, reading
from viddiff.files.json_files import GROWING, parse_json, read_text, short_text, whole_number


@dataclass(frozen=True)
class Stage:
    """One window: it makes the frames `latent` from `observed` and from `n_select` more, chosen at run time.

    Frame indices count from the start of the video. Their order is the one in which the strategy names them;
    it means nothing to the model, which is told the index of each frame.

    starts, ends: of a step, the level of each latent frame before and after it, from `levels` (noise) to 0 (clean); a
    frame with equal ones is held, seen as noisy as it is. None: all go from noise to clean.
    second: whether the plan's second checkpoint makes it; phase: of its strategy, from 1, by which that is decided, and
    which is not stored.
    """

    observed: tuple[int, ...]
    latent: tuple[int, ...]
    n_select: int = 0
    levels: int = 1
    starts: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()
    second: bool = False
    phase: int = field(default=1, compare=False)

    @property
    def is_step(self) -> bool:
        """Whether it tells levels."""
        return bool(self.starts or self.ends)

    @property
    def moved(self) -> tuple[int, ...]:
        """The latent frames that it changes: all but those that are held."""
        if not self.is_step:
            return self.latent
        spans = zip(self.latent, self.starts, self.ends, strict=True)
        return tuple(frame for frame, start, end in spans if start != end)

    @property
    def places(self) -> int:
        """The places of a window that it fills."""
        return len(self.observed) + self.n_select + len(self.latent)


@dataclass(frozen=True)
class Plan:
    """The stages that complete a video of `length` frames, of which the first `given` are observed.

    goals: later frames that are given as well, in rising order. The video is completed towards them.
    second_checkpoint: `<run>/<checkpoint>` that makes the stages that say so, "" if none does.
    """

    length: int
    given: int
    stages: tuple[Stage, ...]
    goals: tuple[int, ...] = ()
    second_checkpoint: str = ""

    @property
    def true_frames(self) -> tuple[int, ...]:
        """The frames known from the start, those of the true video: the given ones, then the goals."""
        return (*range(self.given), *self.goals)

    @property
    def levels(self) -> int:
        """How many noise levels above clean its steps tell apart; 1 without steps."""
        return next((stage.levels for stage in self.stages if stage.is_step), 1)

    @property
    def has_steps(self) -> bool:
        """Whether a stage is a step."""
        return any(stage.is_step for stage in self.stages)

    def check(self, max_frames: int) -> None:
        """Prove that the plan can be executed in windows of `max_frames` frames, or raise `PlanError`.

        In every stage the observed frames exist by then, no frame is named twice, no given frame or goal is
        made, and the window fits. At the end every frame of the video exists. A stage may make a frame again.

        In a step each frame starts where the one before left it, none rises and one falls, and none that is clean is
        latent. At the end no frame is noisy.
        """
        if not 0 <= self.given < self.length:
            raise PlanError(f"obs_length is {self.given}, must be 0 to T - 1 = {self.length - 1}")
        if any(stage.second for stage in self.stages) != bool(self.second_checkpoint):
            raise PlanError(
                "a second checkpoint must be named if a stage is made by it, and only then (key second of a mode)"
            )
        may_make = range(self.given, self.length)
        if sorted(set(self.goals).intersection(may_make)) != list(self.goals):
            raise PlanError(
                f"goals are {_some(list(self.goals))}, must be different frames in rising order, "
                f"obs_length = {self.given} to T - 1 = {self.length - 1}"
            )
        known = set(self.true_frames)
        noisy: dict[int, int] = {}  # the levels of frames that steps have begun and not finished
        for number, stage in enumerate(self.stages):
            _check_window(number, stage, max_frames)
            if noisy and (seen := sorted(noisy.keys() & set(stage.observed))):
                raise PlanError(
                    f"stage {number} observes {_some(seen)}, noisy by then, at level {noisy[seen[0]]} of {self.levels}"
                )
            _check_frames(number, stage, known, may_make)
            if self.goals and (remade := set(self.goals).intersection(stage.latent)):
                raise PlanError(f"stage {number} makes {_some(sorted(remade))}, given as a goal")
            if stage.is_step:
                _check_levels(number, stage, self.levels, known, noisy)
                known.update(frame for frame, end in zip(stage.latent, stage.ends, strict=True) if end == 0)
            elif noisy and (again := sorted(noisy.keys() & set(stage.latent))):
                raise PlanError(f"stage {number} makes {_some(again)}, which a step left noisy")
            else:
                known.update(stage.latent)
        if noisy:
            frame = min(noisy)
            raise PlanError(
                f"{_some(sorted(noisy))} left noisy, frame {frame} at level {noisy[frame]} of {self.levels}: "
                "every frame must be clean at the end"
            )
        if len(known) < self.length:
            missing = [frame for frame in range(self.length) if frame not in known]
            raise PlanError(
                f"T is {self.length}, but no stage makes {_some(missing)}: every frame must be made"
            )

    @property
    def sha256(self) -> str:
        """A hash of the plan: of `to_json`, in hexadecimal."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """The plan as JSON text, one line per stage; equal plans give equal text. No goals: no such key, and so on."""
        stages = ",\n".join("    " + json.dumps(_stage_to_dict(stage)) for stage in self.stages)
        goals = f'  "goals": {list(self.goals)},\n' if self.goals else ""
        levels = f'  "levels": {self.levels},\n' if self.has_steps else ""
        name = self.second_checkpoint
        second = f'  "second_checkpoint": {json.dumps(name)},\n' if name else ""
        numbers = f'  "length": {self.length},\n  "given": {self.given},\n{goals}{levels}{second}'
        return f'{{\n{numbers}  "stages": [\n{stages}\n  ]\n}}\n'

    @staticmethod
    def from_json(text: str) -> Plan:
        """Read what `to_json` wrote. Raises `ValueError`, `KeyError` or `TypeError` if the text is something else."""
        fields = dict(parse_json(text))
        levels = whole_number(fields.get("levels", 1))
        stages = tuple(_stage_from_dict(dict(stage), levels) for stage in fields["stages"])
        goals = tuple(map(whole_number, fields.get("goals", ())))
        second = short_text(fields.get("second_checkpoint", ""))
        return Plan(whole_number(fields["length"]), whole_number(fields["given"]), stages, goals, second)

    @staticmethod
    def read(path: str | os.PathLike[str]) -> Plan:
        """Read a file that holds what `to_json` wrote. Raises `InputError` that names it if it holds something else."""
        with reading(Path(path), "a plan with length, given and stages"):
            return Plan.from_json(read_text(path, GROWING))


def waves(plan: Plan) -> tuple[tuple[int, ...], ...]:
    """The numbers of the plan's stages by waves: those of one wave can run together, after the waves before.

    A stage comes after the stages that make what it observes or holds, that make its latent frames an earlier time,
    or that read these before. A stage that selects frames at run time may read any: it comes after all stages
    before it, and what makes known frames again comes after it. The number of waves is that of the longest
    chain of stages that wait for each other.
    """
    made, read = [0] * plan.length, [0] * plan.length  # per frame: waves to wait for before reading, remaking
    read_all = 0
    result: list[list[int]] = []
    for number, stage in enumerate(plan.stages):
        moved = stage.moved
        only_read = (*stage.observed, *(set(stage.latent).difference(moved) if stage.is_step else ()))
        wave = max(
            read_all,
            max((made[frame] for frame in only_read), default=0),
            max(max(made[frame], read[frame]) for frame in moved),
            len(result) if stage.n_select else 0,
        )
        if wave == len(result):
            result.append([])
        result[wave].append(number)
        for frame in moved:
            made[frame] = wave + 1
        for frame in only_read:
            read[frame] = max(read[frame], wave + 1)
        if stage.n_select:
            read_all = wave + 1
    return tuple(map(tuple, result))


def _check_window(number: int, stage: Stage, max_frames: int) -> None:
    """The stage makes a frame, names none twice and fits the window."""
    named = (*stage.observed, *stage.latent)
    if not stage.latent:
        raise PlanError(f"stage {number} makes no frame, must make 1 or more (step_size)")
    if len(set(named)) < len(named):
        repeated = sorted(frame for frame, count in Counter(named).items() if count > 1)
        raise PlanError(f"stage {number} names {_some(repeated)} more than once")
    if stage.n_select < 0:
        raise PlanError(f"stage {number} selects {stage.n_select} frames, must be 0 or more")
    if stage.places > max_frames:
        raise PlanError(f"max_frames is {max_frames}, but stage {number} has {stage.places} frames")


def _check_frames(number: int, stage: Stage, known: set[int], may_make: range) -> None:
    """The stage observes what is known, and makes frames of the video that are not given."""
    if not known.issuperset(stage.observed):
        raise PlanError(
            f"stage {number} observes {_some(sorted(set(stage.observed) - known))}, "
            f"neither given (obs_length is {may_make.start}) nor made by an earlier stage"
        )
    if forbidden := [frame for frame in stage.latent if frame not in may_make]:
        raise PlanError(
            f"stage {number} makes {_some(sorted(forbidden))}, "
            f"must be frames obs_length = {may_make.start} to T - 1 = {may_make.stop - 1}"
        )
    if stage.n_select and stage.n_select > len(left := known.difference(stage.observed, stage.latent)):
        raise PlanError(
            f"stage {number} selects {stage.n_select} frames, but only {len(left)} others are known"
        )


def _check_levels(number: int, stage: Stage, levels: int, known: set[int], noisy: dict[int, int]) -> None:
    """The step takes frames from where they are to lower levels. noisy: levels of frames, brought up to date here."""
    if not len(stage.latent) == len(stage.starts) == len(stage.ends):
        raise PlanError(
            f"stage {number} has {len(stage.starts)} starts and {len(stage.ends)} ends, "
            f"must have one for each of {len(stage.latent)} latent frames"
        )
    if stage.levels != levels or levels < 1:
        raise PlanError(
            f"stage {number} counts {stage.levels} levels, must be {levels}, as the first step, and 1 or more"
        )
    if stage.n_select:
        raise PlanError(f"stage {number} tells levels and selects frames, must do one of them")
    for frame, start, end in zip(stage.latent, stage.starts, stage.ends, strict=True):
        if frame in known:
            raise PlanError(f"stage {number} takes frame {frame} from level {start}, but it is clean by then")
        if not 0 < start <= levels or end < 0:
            raise PlanError(
                f"stage {number} takes frame {frame} from level {start} to {end}, must be levels {levels} to 0"
            )
        if start != (left := noisy.get(frame, levels)):
            raise PlanError(f"stage {number} takes frame {frame} from level {start}, but it is at {left}")
        if end > start:
            raise PlanError(
                f"stage {number} takes frame {frame} from level {start} up to {end}: levels must fall"
            )
        if start == end == levels:
            continue  # not begun
        noisy[frame] = end
        if end == 0:
            del noisy[frame]
    if not stage.moved:
        raise PlanError(f"stage {number} takes no frame to a lower level, must take 1 or more")


def _some(frames: list[int]) -> str:
    """The frames in words, cut after the fifth."""
    listed = ", ".join(map(str, frames[:5])) + (", …" if len(frames) > 5 else "")
    return f"frame {listed}" if len(frames) == 1 else f"{len(frames)} frames ({listed})"


def _stage_to_dict(stage: Stage) -> dict[str, Any]:
    fields: dict[str, Any] = {"observed": stage.observed, "latent": stage.latent}
    if stage.is_step:
        fields |= {"starts": stage.starts, "ends": stage.ends}
    fields |= {"n_select": stage.n_select} if stage.n_select else {}
    return fields | ({"second": True} if stage.second else {})


def _stage_from_dict(fields: dict[str, Any], levels: int) -> Stage:
    observed, latent, starts, ends = (
        tuple(map(whole_number, values))
        for values in (fields["observed"], fields["latent"], fields.get("starts", ()), fields.get("ends", ()))
    )
    n_select = whole_number(fields.get("n_select", 0))
    second = fields.get("second", False)
    if not isinstance(second, bool):
        raise TypeError(f"second is {second!r:.60}, must be true or false")
    return Stage(observed, latent, n_select, levels if starts or ends else 1, starts, ends, second)
