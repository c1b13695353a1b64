"""Metrics of sets of videos, with their errors: a value of each sample index, from rows of numbers of each video."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int

from viddiff.errors import InputError
from viddiff.metrics.base import Facts, Rows, SetMetric
from viddiff.metrics.statistics import Jackknife, jackknife, pooled_standard_error, standard_error

MOST_POINTS = 1000  # of a curve


@dataclass(frozen=True)
class RowsOfVideos:
    """Rows of a descriptor: of the true videos, and of the samples of each, longer ones if these are longer."""

    truth: Float[np.ndarray, "V E"]
    samples: Float[np.ndarray, "V S D"]


@dataclass(frozen=True)
class Curve:
    """A metric resolved along an axis: means over sample indices, and errors of another draw of videos, if known.

    truth: the same of the truth itself, for a metric that is best near it: at the first of the positions, if it ends
    before the completions do. Of more than `MOST_POINTS` positions neighbours are averaged.
    """

    axis: str
    positions: tuple[float, ...]
    values: tuple[float, ...]
    standard_errors: tuple[float, ...] | None
    truth: tuple[float, ...] | None


@dataclass(frozen=True)
class OfTruth:
    """The value of the truth itself, its error for other test videos, and the pseudo-values that this comes from."""

    value: float
    error: float | None
    pseudo_values: Float64[np.ndarray, " V"] | None


@dataclass(frozen=True)
class SetValue:
    """A metric of sets: a value of each sample index; empty if it is not defined, with the reason.

    error_videos: of their mean, for other test videos, with the pseudo-values `[V]` that it comes from; error_samples:
    for other samples of the same videos. Each is `None` if there are too few. truth: for a metric that is best near it.
    """

    per_sample: Float64[np.ndarray, " S"]
    undefined: str | None = None
    error_videos: float | None = None
    error_samples: float | None = None
    pseudo_values: Float64[np.ndarray, " V"] | None = None
    truth: OfTruth | None = None
    curve: Curve | None = None
    warnings: tuple[str, ...] = ()


class _NotFiniteError(InputError):
    """A value that is no number, unlike one that is not defined."""


def measure_set(name: str, entry: SetMetric, rows: RowsOfVideos, facts: Facts) -> SetValue:
    """A metric of sets of V videos with S samples of each.

    Its error over videos is the jackknife's: a true video and all its samples drop out together. Its error over samples
    comes from the pseudo-values of each video and sample index, by the pooled variance within videos.

    Raises `InputError` if there are too few videos, and if a value is not finite.
    """
    videos, samples = rows.samples.shape[:2]
    check_videos(name, entry, videos)
    try:
        per_sample = np.array([entry.compute(made, rows.truth, facts) for made in _by_sample(rows)])
    except InputError as error:
        return SetValue(np.full(samples, np.nan), undefined=str(error))
    _check(name, per_sample)
    try:  # what is best must be defined, too
        truth = _of_truth(name, entry, rows, facts) if entry.better == "truth" else None
        curve = _curve(name, entry, rows, facts)
    except _NotFiniteError:
        raise
    except InputError as error:
        return SetValue(np.full(samples, np.nan), undefined=f"of the true videos themselves: {error}")
    errors = _jackknifed(name, entry, entry.compute, rows, facts)
    pseudo_values = None if errors is None else errors.pseudo_values
    biased = videos < entry.biased_below
    beside = ": read it beside its floor" if entry.floor else ""
    warning = f"{videos} videos: with fewer than {entry.biased_below}, {name} is mostly bias{beside}"
    return SetValue(
        per_sample,
        None,
        None if pseudo_values is None else standard_error(pseudo_values.mean(1)),
        None if pseudo_values is None else pooled_standard_error(pseudo_values),
        None if pseudo_values is None else pseudo_values.mean(1),
        truth,
        curve,
        (warning,) if biased else (),
    )


def check_videos(name: str, entry: SetMetric, videos: int) -> None:
    """Raise `InputError` if a metric of sets needs more videos."""
    if videos < entry.fewest_videos:
        raise InputError(f"metric {name} needs {entry.fewest_videos} videos or more, found {videos}")


def _by_sample(rows: RowsOfVideos) -> list[Rows]:
    """The rows of all videos, for each sample index."""
    return list(np.moveaxis(rows.samples, 1, 0))


def _jackknifed(
    name: str,
    entry: SetMetric,
    compute: Callable[[Rows, Rows, Facts], float | list[float]],
    rows: RowsOfVideos,
    facts: Facts,
) -> Jackknife | None:
    """The jackknife over videos of what `compute` gives for each sample index, `[S]` or `[S, P]`.

    `None` if too few videos are left without one, or if it is not defined for these.
    """
    videos = len(rows.truth)
    if videos - 1 < entry.fewest_videos:
        return None

    def of_some(kept: Int[np.ndarray, " n"]) -> list[float | list[float]]:
        truth = rows.truth if entry.whole_truth else rows.truth[kept]
        return [compute(made[kept], truth, facts) for made in _by_sample(rows)]

    try:
        result = jackknife(of_some, videos)
    except InputError:
        return None
    _check(name, result.pseudo_values)
    return result


def _of_truth(name: str, entry: SetMetric, rows: RowsOfVideos, facts: Facts) -> OfTruth:
    value = entry.compute(rows.truth, rows.truth, facts)
    _check(name, value)
    errors = _jackknifed(name, entry, entry.compute, _itself(rows), facts)
    if errors is None:
        return OfTruth(value, None, None)
    return OfTruth(value, float(errors.error[0]), errors.pseudo_values[:, 0])


def _curve(name: str, entry: SetMetric, rows: RowsOfVideos, facts: Facts) -> Curve | None:
    if entry.curve is None:
        return None
    curve = entry.curve
    positions = curve(rows.samples[:, 0], rows.truth, facts)[0]
    size = -(-len(positions) // MOST_POINTS)
    values = np.array([_joined(curve(made, rows.truth, facts)[1], size) for made in _by_sample(rows)]).mean(0)
    truth = _of_truth_itself(curve, rows, facts, size) if entry.better == "truth" else None
    _check(name, values)
    errors = _jackknifed(name, entry, lambda *sets: _joined(curve(*sets)[1], size), rows, facts)
    spread = None if errors is None else errors.pseudo_values.mean(1)
    return Curve(
        entry.axis,
        tuple(_joined(positions, size)),
        tuple(values.tolist()),
        None if spread is None else tuple(spread.std(0, ddof=1) / math.sqrt(len(spread))),
        None if truth is None else tuple(truth),
    )


def _of_truth_itself(
    curve: Callable[[Rows, Rows, Facts], tuple[list[float], list[float]]],
    rows: RowsOfVideos,
    facts: Facts,
    size: int,
) -> list[float]:
    """The truth's curve. One that ends before the completions do ends with the last whole group of positions."""
    values = curve(rows.truth, rows.truth, facts)[1]
    ended = rows.truth.shape[1] < rows.samples.shape[2]
    return _joined(values[: len(values) // size * size] if ended else values, size)


def _joined(values: list[float], size: int) -> list[float]:
    """The means of groups of so many neighbours; the last may be smaller."""
    if size == 1:
        return values
    return [float(np.mean(values[i : i + size])) for i in range(0, len(values), size)]


def _itself(rows: RowsOfVideos) -> RowsOfVideos:
    """The truth as the one completion of each of its videos."""
    return RowsOfVideos(rows.truth, rows.truth[:, None])


def _check(name: str, values: float | Float64[np.ndarray, " ..."]) -> None:
    found = np.asarray(values)
    if not (finite := np.isfinite(found)).all():
        raise _NotFiniteError(f"metric {name}: it is {found[~finite][0]}, must be a finite number")
