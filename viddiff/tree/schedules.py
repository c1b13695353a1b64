"""Optimal schedules in an evaluation directory: what each stage of the plan observes.

optimal_schedule.json       the whole schedule: observed frames in the order in which they were chosen
optimal_schedule.pt         the same as the original code writes it; read if the other is not there
optimal/fingerprint.json    what the search depends on
optimal/stage_<n>.json      the result of one stage
optimal/stage_<n>.part.json what is chosen so far, while the stage is searched
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viddiff.errors import InputError, reading
from viddiff.files.json_files import number, read_json, whole_number
from viddiff.files.write import write_json
from viddiff.inference.modes import Mode, base_plan, make_plan, parse_mode
from viddiff.inference.plan import Plan
from viddiff.inference.search import Choice, StageSearch, stage_searches
from viddiff.tree.fingerprint import NAME as FINGERPRINT
from viddiff.tree.fingerprint import read_fingerprint
from viddiff.tree.paths import Evaluation

Schedule = Mapping[int, Sequence[int]]  # by the number of a stage, the frames that it observes

NAME = "optimal_schedule.json"
ORIGINAL_NAME = "optimal_schedule.pt"


@dataclass(frozen=True)
class SearchSettings:
    """The config's section `optimal`.

    diffusion_steps: how many noise levels; videos: how many training videos, a multiple of these. Raises
    `InputError` if it is not.
    """

    diffusion_steps: int
    videos: int

    def __post_init__(self) -> None:
        if self.videos % self.diffusion_steps:
            raise InputError(
                f"config key optimal.videos is {self.videos}, must be a multiple of optimal.diffusion_steps, "
                f"{self.diffusion_steps}"
            )


def plan_of_mode(mode: str | Mode, schedule: Schedule | str | os.PathLike[str] | None = None) -> Plan:
    """The plan of a mode: which frames are made in which order, and from what.

    schedule: the observed frames of each stage of an optimal mode, or the file that holds them; others ignore it.
    Raises `InputError` if the mode has no plan, or the file is no schedule.
    """
    mode = parse_mode(mode) if isinstance(mode, str) else mode
    if mode.optimal is None:
        return make_plan(mode)
    if schedule is None or isinstance(schedule, Mapping):
        return make_plan(mode, schedule)
    path = Path(schedule)
    try:
        return make_plan(mode, read_schedule(path))
    except InputError as error:
        raise error if str(path) in str(error) else type(error)(f"{path}: {error}") from None


def plan_in(evaluation: Evaluation) -> Plan:
    """The plan of an evaluation's mode; for an optimal mode with the schedule in its directory.

    Raises `InputError` if there is none: no schedule, or one that lacks a stage or does not fit the mode.
    """
    return plan_of_mode(evaluation.mode, schedule_file(evaluation))


def schedule_file(evaluation: Evaluation) -> Path:
    """The file of the schedule: the original's if it alone is there."""
    ours, original = (evaluation.directory / name for name in (NAME, ORIGINAL_NAME))
    return original if original.is_file() and not ours.exists() else ours


def searches_of(evaluation: Evaluation) -> list[StageSearch]:
    """What is searched for an optimal mode. Raises `InputError` for a mode that has nothing to search."""
    mode = evaluation.mode
    if mode.optimal is None:
        raise InputError(
            f"mode {str(evaluation.mode)!r} is not optimal: it has no _optimal behind its strategy"
        )
    plan = base_plan(mode)
    try:
        return stage_searches(plan, mode.given("max_frames"), mode.optimal)
    except InputError as error:
        raise type(error)(f"mode {str(evaluation.mode)!r}: {error}") from None


def stage_file(evaluation: Evaluation, stage: int) -> Path:
    """The result of the search of one stage."""
    return evaluation.directory / "optimal" / f"stage_{stage}.json"


def progress_file(evaluation: Evaluation, stage: int) -> Path:
    """What the search of a stage has chosen so far."""
    return stage_file(evaluation, stage).with_suffix(".part.json")


def write_choices(path: Path, search: StageSearch, chosen: list[Choice]) -> None:
    """Write what was chosen in a stage, atomically."""
    write_json(path, _entry(search.stage, chosen))


def read_choices(path: Path, search: StageSearch) -> list[Choice]:
    """Read what `write_choices` wrote. Raises `InputError` if it is damaged or of another search."""
    with reading(path, "what a search chose", f"remove it to search stage {search.stage} anew"):
        entry = read_json(path)
        pairs = zip(entry["observed"], entry["errors"], strict=True)
        chosen = [
            Choice(whole_number(frame), error if error is None else number(error)) for frame, error in pairs
        ]
        frames = [choice.frame for choice in chosen]
        if entry["stage"] != search.stage or not set(frames) <= set(search.candidates):
            raise ValueError("of another search")
        if len(set(frames)) < len(frames) or len(frames) > search.count:
            raise ValueError("frames that come twice, or too many")
        return chosen


def merge_schedule(evaluation: Evaluation) -> None:
    """Write the schedule from the results of all stages. Raises `InputError` if one is missing or not finished."""
    stages = []
    for search in searches_of(evaluation):
        path = stage_file(evaluation, search.stage)
        chosen = read_choices(path, search)
        if len(chosen) < search.count:
            raise InputError(f"{path}: {len(chosen)} frames are chosen, must be {search.count}; remove it")
        stages.append(_entry(search.stage, chosen))
    protocol = read_fingerprint(evaluation.directory / "optimal" / FINGERPRINT)
    write_json(evaluation.directory / NAME, {"stages": stages, "protocol": protocol})


def read_schedule(path: Path) -> dict[int, tuple[int, ...]]:
    """The observed frames by the number of the stage, from `.json`, or from the original's `.pt`.

    Raises `InputError` if the file is missing or is not a schedule.
    """
    if not path.is_file():
        raise InputError(f"no optimal schedule {path}; the workflow's rule optimal_schedule makes it")
    original = _load_original(path) if path.suffix == ".pt" else None
    with reading(path, "an optimal schedule"):
        if original is not None:
            return _schedule(original)
        entries = read_json(path)["stages"]
        schedule = _schedule({entry["stage"]: entry["observed"] for entry in entries})
        if len(schedule) < len(entries):
            raise ValueError("a stage comes twice")
        return schedule


def _load_original(path: Path) -> Any:
    """A dict from stage to a list of frames, saved by `torch.save`."""
    from viddiff.files.torch_files import (
        load_torch,  # planning does without torch, unless there is such a file
    )

    return load_torch(path, "schedule")


def _schedule(stages: Mapping[Any, Any]) -> dict[int, tuple[int, ...]]:
    return {whole_number(stage): tuple(map(whole_number, observed)) for stage, observed in stages.items()}


def _entry(stage: int, chosen: list[Choice]) -> dict[str, Any]:
    return {
        "stage": stage,
        "observed": [choice.frame for choice in chosen],
        "errors": [choice.error for choice in chosen],
    }
