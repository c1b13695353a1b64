"""Errors cover what they claim, by simulation; tests reject as often as they may."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from viddiff.metrics.frechet import exchanged_distances, frechet_distance
from viddiff.metrics.statistics import (
    holm,
    interval,
    jackknife,
    label_flips,
    permutation_p,
    pooled_standard_error,
    sign_flip_test,
    standard_error,
)


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(0).normal(size=7)
    result = jackknife(lambda kept: values[kept].mean(), 7)
    assert result.value == values.mean()
    assert result.error == pytest.approx(standard_error(values))
    np.testing.assert_allclose(result.pseudo_values, values)


def test_the_jackknife_of_several_numbers_is_that_of_each():
    values = np.random.default_rng(0).normal(size=(7, 3))
    both = jackknife(lambda kept: [values[kept].mean(0), values[kept].std(0)], 7)
    assert both.value.shape == both.error.shape == (2, 3) and both.pseudo_values.shape == (7, 2, 3)
    alone = jackknife(lambda kept: values[kept, 1].std(), 7)
    assert both.error[1, 1] == pytest.approx(float(alone.error))


def share_covered(draw, trials, expected):
    """How often the 95 % interval of what `draw` gives, a value, its error and a count, holds what is expected."""
    found = [draw(np.random.default_rng(seed)) for seed in range(trials)]
    low, high = np.transpose([interval(*each) for each in found])
    return ((low <= expected) & (expected <= high)).mean()


def features(rng, videos, samples):
    """Rows of true videos and of samples of them, which share much of what a video is."""
    truth = rng.normal(size=(videos, 3))
    made = 0.7 * truth[:, None] + 0.6 * rng.normal(size=(videos, samples, 3)) + [0.5, 0, 0]
    return truth, made


def distance(truth, made):
    return np.mean([frechet_distance(made[:, i], truth) for i in range(made.shape[1])])


def test_the_jackknife_error_of_a_distance_covers_its_mean():
    """A true video and all its samples drop out together."""
    videos, samples, trials = 30, 1, 200

    def draw(rng):
        truth, made = features(rng, videos, samples)
        result = jackknife(lambda kept: distance(truth[kept], made[kept]), videos)
        return float(result.value), float(result.error), videos

    many = [distance(*features(np.random.default_rng(10_000 + i), videos, samples)) for i in range(1000)]
    assert 0.90 <= share_covered(draw, trials, np.mean(many)) <= 0.98


def test_paired_errors_cover_the_difference():
    def draw(rng):
        videos = rng.normal(size=30)
        a, b = (videos + 0.1 * shift + 0.2 * rng.normal(size=30) for shift in (1, 0))
        differences = a - b
        assert standard_error(differences) < 0.5 * np.hypot(standard_error(a), standard_error(b))
        return differences.mean(), standard_error(differences), 30

    assert 0.90 <= share_covered(draw, 500, 0.1) <= 0.98


def test_pooled_errors_cover_the_mean_of_other_samples():
    videos, samples = 30, 3
    level = np.random.default_rng(0).normal(size=(videos, 1))

    def draw(rng):
        values = level + 0.3 * rng.normal(size=(videos, samples))
        return values.mean(), pooled_standard_error(values), videos * (samples - 1) + 1

    assert 0.90 <= share_covered(draw, 500, level.mean()) <= 0.98
    assert pooled_standard_error(level) is None


def test_pooled_errors_are_steadier_than_those_of_the_means_of_sample_indices():
    """For S = 3: by 46 % of itself, or by 5 %."""
    values = np.random.default_rng(0).normal(size=(1000, 100, 3))
    spread = {
        "pooled": np.array([pooled_standard_error(each) for each in values]),
        "indices": values.mean(1).std(1, ddof=1) / np.sqrt(3),
    }
    relative = {name: each.std() / each.mean() for name, each in spread.items()}
    assert relative["pooled"] == pytest.approx(0.05, abs=0.01)
    assert relative["indices"] > 0.4


def test_pseudo_values_tell_the_error_of_other_samples_of_a_distance():
    """What holds for means within videos holds for the pseudo-values of a distance, for the same true videos."""
    videos, samples = 40, 2
    truth, _ = features(np.random.default_rng(0), videos, samples)

    def made(rng):
        return 0.7 * truth[:, None] + 0.6 * rng.normal(size=(videos, samples, 3)) + [0.5, 0, 0]

    draws = [made(np.random.default_rng(seed)) for seed in range(400)]
    spread = np.std([distance(truth, each) for each in draws])
    errors = []
    for each in draws[:20]:
        result = jackknife(
            lambda kept, each=each: [frechet_distance(each[kept, i], truth[kept]) for i in range(samples)],
            videos,
        )
        errors.append(pooled_standard_error(result.pseudo_values))
    assert np.mean(errors) == pytest.approx(spread, rel=0.15)


def test_exchanging_labels_rejects_as_often_as_it_may():
    """Two modes that are the same: about 5 of 100 pairs differ at the level of 5 %."""
    videos, trials = 12, 300
    rejected = 0
    for seed in range(trials):
        rng = np.random.default_rng(seed)
        truth, made = features(rng, videos, 2)
        flips = label_flips(videos, 99, seed)
        none = np.zeros((1, videos), bool)
        found = exchanged_distances(made[:, 0], made[:, 1], truth, np.concatenate([none, flips]))
        differences = found[:, 0] - found[:, 1]
        rejected += permutation_p(differences[0], differences[1:], exact=False) <= 0.05
    assert 0.02 <= rejected / trials <= 0.08


def test_exchanging_labels_finds_a_difference():
    rng = np.random.default_rng(0)
    truth, made = features(rng, 20, 2)
    flips = label_flips(20, 199)
    found = exchanged_distances(made[:, 0], made[:, 1] + 1, truth, flips)
    observed = frechet_distance(made[:, 0], truth) - frechet_distance(made[:, 1] + 1, truth)
    assert permutation_p(observed, found[:, 0] - found[:, 1], exact=False) == 1 / 200


def test_few_videos_have_all_exchanges():
    flips = label_flips(5)
    assert sorted(map(tuple, flips)) == sorted(product([False, True], repeat=5)) and not flips[0].any()
    assert label_flips(10).shape == (999, 10) and (label_flips(10) == label_flips(10)).all()
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    means = (values * np.where(flips, -1, 1)).mean(1)
    assert permutation_p(means[0], means, exact=True) == 2 / 32


@pytest.mark.parametrize("differences", [[1.0, 2.0, 3.0, 4.0, 5.0], [1.0, -2.0, 0.5, 0.25]])
def test_signs_of_few_differences_are_enumerated(differences):
    differences = np.array(differences)
    signs = np.array(list(product([1, -1], repeat=len(differences))))
    means = (signs * differences).mean(1)
    exact = (np.abs(means) >= abs(differences.mean()) - 1e-12).mean()
    assert sign_flip_test(differences) == pytest.approx(exact)


def test_random_signs_agree_with_t():
    differences = np.random.default_rng(0).normal(0.2, 1, 60)
    expected = stats.ttest_1samp(differences, 0).pvalue
    assert sign_flip_test(differences) == pytest.approx(expected, rel=0.1)


def test_holm():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0] and holm([0.2]) == [0.2] and holm([]) == []


def test_an_interval_is_that_of_t():
    values = np.random.default_rng(0).normal(size=9)
    expected = stats.t.interval(0.95, 8, values.mean(), standard_error(values))
    assert interval(values.mean(), standard_error(values), 9) == pytest.approx(expected)
