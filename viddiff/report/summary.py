"""What a metrics file says of one metric: its mean, errors, the truth's value and floor, curve and warnings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from viddiff.files.json_files import number, short_text, truth

BETTER = ("higher", "lower", "truth")
AGGREGATES = {"best": "best", "best_on_average": "best on average"}
"""Of the samples of a video, as tables call them; that of all is the mean itself."""


@dataclass(frozen=True)
class Estimate:
    """A number and its standard error over videos, if that is known."""

    mean: float
    error: float | None

    @staticmethod
    def of(content: Mapping[str, Any]) -> Estimate:
        """What a file says. Raises `ValueError`, `KeyError` or `TypeError`, as all readers of a part of a file."""
        return Estimate(number(content["mean"]), _number_or_none(content["standard_error_videos"]))


@dataclass(frozen=True)
class Curve:
    """A metric of sets along an axis: a value at each position, its error over videos, and the value of the truth.

    The truth may end before the completions do: then it has those of the first positions.
    """

    axis: str
    positions: tuple[float, ...]
    values: tuple[float, ...]
    errors: tuple[float, ...] | None
    truth: tuple[float, ...] | None

    @staticmethod
    def of(content: Mapping[str, Any]) -> Curve:
        """What a file says."""
        positions = _numbers(content["positions"])
        curve = Curve(
            short_text(content["axis"]),
            positions,
            _numbers(content["values"]),
            _optional_numbers(content.get("standard_errors")),
            _optional_numbers(content.get("truth")),
        )
        if any(len(part) != len(positions) for part in (curve.values, curve.errors) if part) or len(
            curve.truth or ()
        ) > len(positions):
            raise ValueError("the values of a curve are not as many as its positions")
        return curve


@dataclass(frozen=True)
class Summary:
    """What a file says of one metric.

    mean: `None` where the metric is not defined, for the reason `undefined`; better: "higher", "lower", "truth" (those
    near it), or "" if neither is; per_frame: of metrics of frames; per_video: the means of videos, or pseudo-values;
    truth, floor: of metrics of sets that have them; truth_per_video: the truth's pseudo-values; no_floor: why it is
    missing; aggregates: by name, over the samples of a video.
    """

    mean: float | None
    undefined: str
    se_videos: float | None
    se_samples: float | None
    unit: str
    better: str
    per_frame: tuple[float, ...]
    per_frame_errors: tuple[float, ...] | None  # older files lack them, as do files of one video
    per_video: tuple[float, ...] | None
    truth: Estimate | None
    truth_per_video: tuple[float, ...] | None
    floor: Estimate | None
    no_floor: str
    aggregates: Mapping[str, Estimate]
    curve: Curve | None
    warnings: tuple[str, ...]
    protocol: Mapping[str, Any]

    @staticmethod
    def of(content: Mapping[str, Any]) -> Summary:
        """What a file says."""
        per_frame = _numbers(content.get("per_frame") or ())
        errors = _optional_numbers(content.get("per_frame_standard_error_videos"))
        if errors is not None and len(errors) != len(per_frame):
            raise ValueError("per_frame and its standard errors are of different lengths")
        values = content.get("per_video", content.get("pseudo_values"))
        own_truth, floor, curve = (content.get(name) for name in ("truth", "floor", "curve"))
        return Summary(
            mean=_number_or_none(content["mean"]),
            undefined=short_text(content.get("undefined", "")),
            se_videos=_number_or_none(content["standard_error_videos"]),
            se_samples=_number_or_none(content["standard_error_samples"]),
            unit=short_text(content["unit"]),
            better=_better(content),
            per_frame=per_frame,
            per_frame_errors=errors,
            per_video=_optional_numbers(values),
            truth=None if own_truth is None else Estimate.of(own_truth),
            truth_per_video=None if own_truth is None else _optional_numbers(own_truth.get("pseudo_values")),
            floor=None if floor is None or "missing" in floor else Estimate.of(floor),
            no_floor="" if floor is None else short_text(floor.get("missing", "")),
            aggregates={
                short_text(name): Estimate.of(part) for name, part in content.get("aggregates", {}).items()
            },
            curve=None if curve is None else Curve.of(curve),
            warnings=tuple(map(_note, content.get("warnings", ()))),
            protocol=dict(content["protocol"]),
        )

    def notes(self, name: str, mode: str = "") -> list[str]:
        """What to beware of in a metric of that name; mode: is named in what holds for it alone, else it is "here"."""
        notes = [*self.warnings]
        if self.undefined:
            notes.append(f"{f'{mode}: {name}' if mode else f'here {name}'} is not defined: {self.undefined}")
        if self.no_floor:
            notes.append(f"{name} has no floor: {self.no_floor}")
        return notes


def _better(content: Mapping[str, Any]) -> str:
    """Which values are better; older files tell only whether higher ones are."""
    higher, better = content["higher_is_better"], content.get("better")
    if better is None:
        return "" if higher is None else "higher" if truth(higher) else "lower"
    if better not in BETTER:
        raise ValueError(f"better is {better!r:.60}, must be one of {', '.join(BETTER)}")
    return str(better)


def _note(text: Any) -> str:
    """A text that may begin a cell: a spreadsheet must not take it for a formula."""
    if short_text(text).startswith(("=", "+", "-", "@")):
        raise ValueError(f"{text!r:.60} begins as a formula")
    return str(text)


def _numbers(values: Any) -> tuple[float, ...]:
    return tuple(map(number, values))


def _optional_numbers(values: Any) -> tuple[float, ...] | None:
    return None if values is None else _numbers(values)


def _number_or_none(value: Any) -> float | None:
    return None if value is None else number(value)
