"""Whether two modes differ: planted differences are found, none are not, and p is what a count of all ways gives."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from viddiff.metrics.frechet import frechet_distance
from viddiff.metrics.pair_tests import (
    Difference,
    distances_differ,
    exchange_test,
    paired_difference,
    smallest_p,
)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def test_paired_differences_know_that_an_easy_video_is_easy_for_both():
    videos = normal(30) * 10
    found = paired_difference(videos + 0.2 + 0.1 * normal(30, seed=1), videos)
    assert found.value == pytest.approx(0.2, abs=0.05) and found.error < 0.03
    assert found.p < 1e-4  # below what 9999 changes of sign resolve
    assert paired_difference(videos, videos[::-1]).p > 0.05


def test_p_is_of_the_difference_that_is_told_where_pseudo_values_have_another_mean():
    a, b = normal(40, seed=1), normal(40, seed=2)
    apart = paired_difference(a + 5, b, float((a - b).mean()))
    assert apart == paired_difference(a, b)
    assert paired_difference(a, b, float((a - b).mean()) + 5).p < 1e-6 < 0.01 < apart.p


def test_the_p_of_few_videos_is_that_of_all_signs():
    assert paired_difference(np.array([1.0, 2.0, 3.0]), np.zeros(3)).p == pytest.approx(0.25) == smallest_p(3)
    mixed = np.array([1.0, 2.0, -4.0, 5.0])
    means = [abs(float(np.dot(signs, mixed))) for signs in product((-1, 1), repeat=4)]
    assert paired_difference(mixed, np.zeros(4)).p == pytest.approx(np.mean([mean >= 4 for mean in means]))
    assert paired_difference(np.ones(1), np.zeros(1)) == Difference(1.0, None, None)
    assert paired_difference(np.ones(5), np.ones(5)).p == 1.0


def test_an_exchange_of_completions_is_that_of_all_ways():
    a, b, truth = normal(4, 2, 3, seed=1) + 0.5, normal(4, 2, 3, seed=2), normal(4, 3, seed=3)

    def difference(flips):
        flipped = np.array(flips)[:, None, None]
        x, y = np.where(flipped, b, a), np.where(flipped, a, b)
        return np.mean(
            [frechet_distance(x[:, s], truth) - frechet_distance(y[:, s], truth) for s in range(2)]
        )

    observed = abs(difference([False] * 4))
    ways = [abs(difference(flips)) >= observed - 1e-9 for flips in product((False, True), repeat=4)]
    assert distances_differ(a, b, truth) == pytest.approx(np.mean(ways))


def test_an_exchange_is_one_of_distances_as_they_were_measured():
    """Means weigh more where covariances are divided by N: here that makes another pair the farther one."""
    ps = set()
    for seed in range(20):
        a, b, truth = normal(5, 1, 2, seed=seed), 1.3 * normal(5, 1, 2, seed=99 - seed), normal(5, 2, seed=7)
        ps.add(tuple(distances_differ(a, b, truth, ddof) for ddof in (0, 1)))
    assert any(population != sample for population, sample in ps)


def test_a_planted_distance_is_found_and_none_is_not():
    truth = normal(15, 4)
    near = truth[:, None] + 0.5 * normal(15, 2, 4, seed=1)
    far = truth[:, None] + 0.5 * normal(15, 3, 4, seed=2) + 0.7
    assert distances_differ(near, far, truth) <= 0.001
    ps = []
    for seed in range(8):
        first, second = (truth[:, None] + normal(15, 1, 4, seed=10 * seed + k) for k in (3, 4))
        ps.append(distances_differ(first, second, truth))
    assert sum(p < 0.1 for p in ps) <= 2 and 0.2 < np.mean(ps) < 0.8


def test_what_is_clear_takes_few_permutations():
    """Both of what is never as extreme, and of what often is."""
    asked = []

    def statistic(effect):
        values = normal(64) + effect

        def compute(flips):
            asked.append(len(flips))
            return np.where(flips, -values, values).mean(1)

        return compute

    assert smallest_p(64) <= exchange_test(statistic(3.0), 64) < 1e-8
    assert sum(asked) == 201
    asked.clear()
    rare = iter([False] * 150 + [True] + [False] * 2000)  # one of the first 200 is as extreme

    def heavy(flips):
        asked.append(len(flips))
        if len(flips) == 1:
            return np.array([10.0])
        return np.array([10.0 if next(rare) else 0.0 for _ in flips])

    assert exchange_test(heavy, 64) == 2 / 1000 and sum(asked) == 1000
    asked.clear()
    assert exchange_test(statistic(0.0), 64) > 0.1 and sum(asked) < 600
