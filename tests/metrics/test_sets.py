"""Metrics of sets: their errors, and what is recorded where they are not defined."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from viddiff.errors import InputError
from viddiff.metrics.base import Facts, SetMetric
from viddiff.metrics.record import summarise_set
from viddiff.metrics.sets import RowsOfVideos, measure_set


def level(made, truth, facts):
    return float(made.mean())


def levels(made, truth, facts):
    return [0.0, 1.0], made.mean(0).tolist()


LEVEL = SetMetric(level, "any", lambda settings: {}, "truth", curve=levels, axis="column")


def rows(videos=6, samples=3):
    rng = np.random.default_rng(0)
    return RowsOfVideos(rng.normal(size=(videos, 2)), rng.normal(1, 1, (videos, samples, 2)))


def test_errors_are_those_of_the_videos_means():
    found, given = measure_set("level", LEVEL, rows(), Facts(0)), rows()
    np.testing.assert_allclose(found.per_sample, given.samples.mean((0, 2)))
    videos = given.samples.mean((1, 2))
    np.testing.assert_allclose(found.pseudo_values, videos)
    assert found.error_videos == pytest.approx(videos.std(ddof=1) / np.sqrt(6))
    within = given.samples.mean(2).var(1, ddof=1).mean()
    assert found.error_samples == pytest.approx(np.sqrt(within / 18))


def test_the_truth_has_a_value_and_an_error_of_its_own():
    found, given = measure_set("level", LEVEL, rows(), Facts(0)), rows()
    error = given.truth.mean(1).std(ddof=1) / np.sqrt(6)
    assert (found.truth.value, found.truth.error) == pytest.approx((given.truth.mean(), error))
    assert summarise_set(found)["truth"]["pseudo_values"] == pytest.approx(given.truth.mean(1))
    assert found.curve.truth == pytest.approx(given.truth.mean(0))
    better_low = measure_set("level", replace(LEVEL, better="lower"), rows(), Facts(0))
    assert better_low.truth is None and better_low.curve.truth is None


def test_a_curve_has_errors_over_videos():
    found, given = measure_set("level", LEVEL, rows(), Facts(0)).curve, rows()
    assert found.positions == (0.0, 1.0)
    videos = given.samples.mean(1)
    assert found.values == pytest.approx(videos.mean(0))
    assert found.standard_errors == pytest.approx(videos.std(0, ddof=1) / np.sqrt(6))


def test_one_video_or_one_sample_has_no_error():
    assert measure_set("level", LEVEL, rows(1), Facts(0)).error_videos is None
    alone = measure_set("level", LEVEL, rows(6, 1), Facts(0))
    assert alone.error_videos and alone.error_samples is None
    few = measure_set("level", replace(LEVEL, fewest_videos=2), rows(2), Facts(0))
    assert few.error_videos is None and few.pseudo_values is None and few.curve.standard_errors is None


def test_bias_is_warned_of():
    entry = replace(LEVEL, biased_below=7)
    found = measure_set("level", entry, rows(), Facts(0))
    assert found.warnings == ("6 videos: with fewer than 7, level is mostly bias",)
    assert measure_set("level", entry, rows(7), Facts(0)).warnings == ()


def refuse(made, truth, facts):
    raise InputError("no borders")


def test_where_it_is_not_defined_the_reason_is_recorded():
    record = summarise_set(measure_set("level", replace(LEVEL, compute=refuse), rows(), Facts(0)))
    assert record["undefined"] == "no borders" and record["mean"] is None
    assert record["standard_error_videos"] is None and record["per_sample"] == []


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (replace(LEVEL, fewest_videos=7), "^metric level needs 7 videos or more, found 6$"),
        (
            replace(LEVEL, compute=lambda *sets: float("nan")),
            "^metric level: .*nan.*must be a finite number$",
        ),
        (
            replace(LEVEL, curve=lambda *sets: ([0.0], [np.inf])),
            "^metric level: .*inf.*must be a finite number$",
        ),
    ],
)
def test_what_is_no_number_names_the_metric(entry, message):
    with pytest.raises(InputError, match=message):
        measure_set("level", entry, rows(), Facts(0))


@pytest.mark.parametrize("refused", ["compute", "curve"])
def test_where_the_truth_has_no_value_the_metric_is_not_defined_and_others_go_on(refused):
    def of_samples_alone(made, truth, facts):
        if made is truth:
            raise InputError("no ball has to bounce")
        return LEVEL.compute(made, truth, facts) if refused == "compute" else LEVEL.curve(made, truth, facts)

    found = measure_set("level", replace(LEVEL, **{refused: of_samples_alone}), rows(), Facts(0))
    assert found.undefined == "of the true videos themselves: no ball has to bounce"
    assert summarise_set(found)["mean"] is None
