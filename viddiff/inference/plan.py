"""Plans: which frames of a long video are made in which order, and from what.

A *stage* is one window of at most `max_frames` frames: it observes frames that exist and makes latent ones. A
*plan* is the sequence of stages that completes a video. Plans are data: they are checked, stored and drawn
before any model runs.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viddiff.errors import PlanError, reading
from viddiff.files.json_files import parse_json, read_text, whole_number


@dataclass(frozen=True)
class Stage:
    """One window: it makes the frames `latent` from `observed` and from `n_select` more, chosen at run time.

    Frame indices count from the start of the video. Their order is the one in which the strategy names them;
    it means nothing to the model, which is told the index of each frame.
    """

    observed: tuple[int, ...]
    latent: tuple[int, ...]
    n_select: int = 0

    @property
    def places(self) -> int:
        """The places of a window that it fills."""
        return len(self.observed) + self.n_select + len(self.latent)


@dataclass(frozen=True)
class Plan:
    """The stages that complete a video of `length` frames, of which the first `given` are observed.

    goals: later frames that are given as well, in rising order. The video is completed towards them.
    """

    length: int
    given: int
    stages: tuple[Stage, ...]
    goals: tuple[int, ...] = ()

    @property
    def true_frames(self) -> tuple[int, ...]:
        """The frames known from the start, those of the true video: the given ones, then the goals."""
        return (*range(self.given), *self.goals)

    def check(self, max_frames: int) -> None:
        """Prove that the plan can be executed in windows of `max_frames` frames, or raise `PlanError`.

        In every stage the observed frames exist by then, no frame is named twice, no given frame or goal is
        made, and the window fits. At the end every frame of the video exists. A stage may make a frame again.
        """
        if not 0 <= self.given < self.length:
            raise PlanError(f"obs_length is {self.given}, must be 0 to T - 1 = {self.length - 1}")
        may_make = range(self.given, self.length)
        if sorted(set(self.goals).intersection(may_make)) != list(self.goals):
            raise PlanError(
                f"goals are {_some(list(self.goals))}, must be different frames in rising order, "
                f"obs_length = {self.given} to T - 1 = {self.length - 1}"
            )
        known = set(self.true_frames)
        for number, stage in enumerate(self.stages):
            _check_window(number, stage, max_frames)
            _check_frames(number, stage, known, may_make)
            if remade := set(self.goals).intersection(stage.latent):
                raise PlanError(f"stage {number} makes {_some(sorted(remade))}, given as a goal")
            known.update(stage.latent)
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
        """The plan as JSON text, one line per stage; equal plans give equal text. No goals: no such key."""
        stages = ",\n".join("    " + json.dumps(_stage_to_dict(stage)) for stage in self.stages)
        goals = f'  "goals": {list(self.goals)},\n' if self.goals else ""
        numbers = f'  "length": {self.length},\n  "given": {self.given},\n{goals}'
        return f'{{\n{numbers}  "stages": [\n{stages}\n  ]\n}}\n'

    @staticmethod
    def from_json(text: str) -> Plan:
        """Read what `to_json` wrote. Raises `ValueError`, `KeyError` or `TypeError` if the text is something else."""
        fields = dict(parse_json(text))
        stages = tuple(_stage_from_dict(dict(stage)) for stage in fields["stages"])
        goals = tuple(map(whole_number, fields.get("goals", ())))
        return Plan(whole_number(fields["length"]), whole_number(fields["given"]), stages, goals)

    @staticmethod
    def read(path: str | os.PathLike[str]) -> Plan:
        """Read a file that holds what `to_json` wrote. Raises `InputError` that names it if it holds something else."""
        with reading(Path(path), "a plan with length, given and stages"):
            return Plan.from_json(read_text(path))


def waves(plan: Plan) -> tuple[tuple[int, ...], ...]:
    """The numbers of the plan's stages by waves: those of one wave can run together, after the waves before.

    A stage comes after the stages that make what it observes, that make its latent frames an earlier time, or
    that read these before. A stage that selects frames at run time may read any: it comes after all stages
    before it, and what makes known frames again comes after it. The number of waves is that of the longest
    chain of stages that wait for each other.
    """
    made, read = [0] * plan.length, [0] * plan.length  # per frame: waves to wait for before reading, remaking
    read_all = 0
    result: list[list[int]] = []
    for number, stage in enumerate(plan.stages):
        wave = max(
            read_all,
            max((made[frame] for frame in stage.observed), default=0),
            max(max(made[frame], read[frame]) for frame in stage.latent),
            len(result) if stage.n_select else 0,
        )
        if wave == len(result):
            result.append([])
        result[wave].append(number)
        for frame in stage.latent:
            made[frame] = wave + 1
        for frame in stage.observed:
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


def _some(frames: list[int]) -> str:
    """The frames in words, cut after the fifth."""
    listed = ", ".join(map(str, frames[:5])) + (", …" if len(frames) > 5 else "")
    return f"frame {listed}" if len(frames) == 1 else f"{len(frames)} frames ({listed})"


def _stage_to_dict(stage: Stage) -> dict[str, Any]:
    fields: dict[str, Any] = {"observed": stage.observed, "latent": stage.latent}
    return fields | ({"n_select": stage.n_select} if stage.n_select else {})


def _stage_from_dict(fields: dict[str, Any]) -> Stage:
    observed, latent = (tuple(map(whole_number, fields[key])) for key in ("observed", "latent"))
    return Stage(observed, latent, whole_number(fields.get("n_select", 0)))
