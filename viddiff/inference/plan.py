"""Plans: which frames of a long video are made in which order, and from what.

A *stage* is one window of at most `max_frames` frames: it observes frames that exist and makes latent ones. A *plan* is
the sequence of stages that completes a video. Plans are data: they are checked, stored and drawn before any model runs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from viddiff.errors import PlanError


@dataclass(frozen=True)
class Stage:
    """One window: it makes the frames `latent`, given `observed` and `n_select` more that are chosen at run time.

    Frame indices count from the start of the video. Their order is the order in which the strategy names them; it has
    no meaning for the model, which is told the index of each frame.
    """

    observed: tuple[int, ...]
    latent: tuple[int, ...]
    n_select: int = 0


@dataclass(frozen=True)
class Plan:
    """The stages that complete a video of `length` frames, of which the first `given` are observed at the start."""

    length: int
    given: int
    stages: tuple[Stage, ...]

    def check(self, max_frames: int) -> None:
        """Prove that the plan can be executed in windows of `max_frames` frames, or raise `PlanError`.

        In every stage the observed frames exist by then, no frame is named twice, and the window fits; at the end every
        frame of the video has been made.
        """
        if not 0 <= self.given < self.length:
            raise PlanError(
                f"obs_length is {self.given}, must be 0 to T - 1 = {self.length - 1}, so that a frame is left to make"
            )
        known = set(range(self.given))
        for number, stage in enumerate(self.stages):
            _check_stage(number, stage, known, self.length, max_frames)
            known.update(stage.latent)
        if len(known) < self.length:
            missing = [frame for frame in range(self.length) if frame not in known]
            raise PlanError(
                f"T is {self.length}, but no stage makes {_some(missing)}; all T frames must be made"
            )

    def to_json(self) -> str:
        """The plan as JSON text, one line per stage; equal plans give equal text."""
        stages = ",\n".join("    " + json.dumps(_stage_to_dict(stage)) for stage in self.stages)
        return f'{{\n  "length": {self.length},\n  "given": {self.given},\n  "stages": [\n{stages}\n  ]\n}}\n'

    @staticmethod
    def from_json(text: str) -> Plan:
        """Read what `to_json` wrote. Raises `PlanError` if the text is something else."""
        try:
            fields = json.loads(text)
            stages = tuple(_stage_from_dict(stage) for stage in fields["stages"])
            return Plan(_whole(fields["length"]), _whole(fields["given"]), stages)
        except (ValueError, KeyError, TypeError) as error:
            raise PlanError(f"not a plan: {error!r}; expected JSON with length, given and stages") from error


def _check_stage(number: int, stage: Stage, known: set[int], length: int, max_frames: int) -> None:
    observed, latent = set(stage.observed), set(stage.latent)
    size = len(stage.observed) + len(stage.latent) + stage.n_select
    if len(observed) < len(stage.observed) or len(latent) < len(stage.latent) or observed & latent:
        raise PlanError(
            f"stage {number} names a frame twice: observed {stage.observed}, latent {stage.latent}"
        )
    if not latent:
        raise PlanError(f"stage {number} makes no frame; every stage must make at least one")
    if unknown := sorted(observed - known):
        raise PlanError(f"stage {number} observes {_some(unknown)}, which no earlier stage makes")
    if outside := sorted(frame for frame in latent if not 0 <= frame < length):
        raise PlanError(
            f"stage {number} makes {_some(outside)}; T is {length}, so frames are 0 to {length - 1}"
        )
    if not 0 <= stage.n_select <= len(known - observed - latent):
        raise PlanError(
            f"stage {number} selects {stage.n_select} more observed frames, "
            f"but {len(known - observed - latent)} are left to select from"
        )
    if size > max_frames:
        raise PlanError(f"stage {number} has a window of {size} frames; max_frames allows {max_frames}")


def _some(frames: list[int]) -> str:
    """The frames in words, cut after the fifth."""
    listed = ", ".join(map(str, frames[:5])) + (", …" if len(frames) > 5 else "")
    return f"frame {listed}" if len(frames) == 1 else f"{len(frames)} frames ({listed})"


def _stage_to_dict(stage: Stage) -> dict[str, Any]:
    fields: dict[str, Any] = {"observed": stage.observed, "latent": stage.latent}
    return fields | ({"n_select": stage.n_select} if stage.n_select else {})


def _stage_from_dict(fields: dict[str, Any]) -> Stage:
    observed, latent = (tuple(map(_whole, fields[key])) for key in ("observed", "latent"))
    return Stage(observed, latent, _whole(fields.get("n_select", 0)))


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} is not a whole number")
    return value
