from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import chi2_contingency

from viddiff.errors import InputError
from viddiff.training.masks import (
    check_mask_distribution,
    mask_distribution,
    sample_masks,
)
from viddiff.training.windows import frame_indices, loss_mask, make_window, marked_frames

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "training_masks.json").read_text())
# One complete name per distribution, for T = 30 and windows of 8 frames; another one needs T = 8.
NAMES = {
    "differently-spaced-groups": 30,
    "consecutive-groups": 30,
    "differently-spaced-groups-no-marg": 8,
    "one-group": 30,
    "uniform": 30,
    "autoregressive-3": 30,
    "linspace-1-29-8": 30,
    "linspace-no-obs-0-28-5": 30,
}


def draw(name: str, T: int, draws: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    return sample_masks(name, T, 8, draws, np.random.default_rng(seed))


def same_distribution(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Whether two histograms may come from one distribution (chi-square; rare bins together)."""
    table = np.array([ours, theirs], dtype=float)
    rare = table.sum(axis=0) < 40
    table = np.c_[table[:, ~rare], table[:, rare].sum(axis=1)]
    table = table[:, table.sum(axis=0) > 0]
    return table.shape[1] < 2 or chi2_contingency(table).pvalue > 1e-3


@pytest.mark.parametrize("name", GOLDEN)
def test_statistics_are_the_originals(name):
    golden, draws = GOLDEN[name], 8000
    T, K = golden["T"], golden["max_frames"]
    observed, latent = sample_masks(name, T, K, draws, np.random.default_rng(1))
    frames = np.arange(T)
    marked = observed | latent
    span = np.where(marked, frames, -1).max(axis=1) - np.where(marked, frames, T).min(axis=1) + 1
    for values, key, bins in (
        (observed.sum(axis=1), "hist_observed", K + 1),
        (latent.sum(axis=1), "hist_latent", K + 1),
        (span, "hist_span", T + 1),
    ):
        assert same_distribution(np.bincount(values, minlength=bins), np.array(golden[key])), key
    for masks, key in ((observed, "p_observed_by_frame"), (latent, "p_latent_by_frame")):
        ours, theirs = masks.mean(axis=0), np.array(golden[key])
        p = (ours * draws + theirs * golden["draws"]) / (draws + golden["draws"])
        error = np.sqrt(p * (1 - p) * (1 / draws + 1 / golden["draws"]))
        assert (np.abs(ours - theirs) <= 4 * error + 1e-6).all(), key  # recorded as float32


def test_a_wrong_distribution_is_told_apart():
    _, latent = draw("one-group", 30, 8000)
    golden = np.array(GOLDEN["differently-spaced-groups"]["hist_latent"])
    assert not same_distribution(np.bincount(latent.sum(axis=1), minlength=9), golden)


def test_every_distribution_is_tested():
    assert len(NAMES) == len(mask_distribution.names())


@pytest.mark.parametrize("name", NAMES)
def test_masks_are_disjoint_fit_and_leave_work_to_do(name):
    observed, latent = draw(name, NAMES[name], 500)
    assert not (observed & latent).any()
    assert (observed | latent).sum(axis=1).max() <= 8
    assert latent.any(axis=1).all()


@pytest.mark.parametrize("name", NAMES)
def test_masks_come_from_the_generator(name):
    first, again, other = (draw(name, NAMES[name], 20, seed) for seed in (3, 3, 4))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    if name != "linspace-no-obs-0-28-5":
        assert any((a != b).any() for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("max_frames", [1, 2, 5])
def test_windows_of_few_frames(max_frames):
    for name in ("differently-spaced-groups", "consecutive-groups", "one-group"):
        observed, latent = sample_masks(name, 5, max_frames, 300, np.random.default_rng(0))
        assert (observed | latent).sum(axis=1).max() <= max_frames


def test_uniform_counts():
    observed, latent = draw("uniform", 30, 7000)
    counts = np.bincount((observed | latent).sum(axis=1), minlength=9)
    assert counts[0] == counts[8] == 0
    assert (np.abs(counts[1:8] - 1000) < 4 * np.sqrt(1000)).all()
    seven = (observed | latent).sum(axis=1) == 7
    assert abs(observed[seven].sum(axis=1).mean() - 3) < 0.2  # uniform on 0..6


def test_linspace_marks_the_named_frames():
    observed, latent = draw("linspace-1-29-8", 30, 100)
    assert ((observed | latent) == np.isin(np.arange(30), [1, 5, 9, 13, 17, 21, 25, 29])).all()
    assert abs(observed.any(axis=1).mean() - 0.5) < 0.2  # the first coin
    observed, latent = draw("linspace-no-obs-0-28-5", 30, 3)
    assert not observed.any()
    assert (latent == np.isin(np.arange(30), [0, 7, 14, 21, 28])).all()


@pytest.mark.parametrize(
    ("name", "T", "max_frames", "message"),
    [
        (
            "differntly-spaced-groups",
            30,
            8,
            "did you mean differently-spaced-groups.*known: autoregressive, ",
        ),
        ("autoregressive", 30, 8, "must be autoregressive-<n_observed>"),
        ("autoregressive-8", 30, 8, "less than max_frames 8"),
        ("uniform-3", 30, 8, "is 'uniform-3', must be uniform"),
        ("uniform", 30, 1, "2 at least"),
        ("linspace-0-30-8", 30, 8, "T 30"),
        ("linspace-0-9-9", 30, 8, "8 .max_frames."),
        ("differently-spaced-groups-no-marg", 30, 8, "must equal T 30"),
        ("one-group", 5, 8, "max_frames is 8"),
    ],
)
def test_impossible_distributions(name, T, max_frames, message):
    with pytest.raises(InputError, match=message) as error:
        check_mask_distribution(name, T, max_frames)
    assert "\n" not in str(error.value)


def test_windows_have_their_marked_frames_in_order_and_random_numbers_behind():
    observed = np.array([[0, 1, 0, 0, 1, 0], [0, 0, 0, 0, 0, 0]], dtype=bool)
    latent = np.array([[0, 0, 0, 1, 0, 0], [1, 0, 0, 0, 0, 1]], dtype=bool)
    index = frame_indices(observed, latent, 4, True, np.random.default_rng(0))
    assert index[0, :3].tolist() == [1, 3, 4] and index[1, :2].tolist() == [0, 5]
    assert marked_frames(observed, latent).tolist() == [3, 2]
    assert (index >= 0).all() and (index < 6).all()
    frames = np.broadcast_to(index[:, :, None, None, None], (2, 4, 3, 2, 2)).astype(np.uint8)
    window = make_window(frames, index, observed, latent).on(torch.device("cpu"))
    assert window.observed.tolist() == [[True, False, True, False], [False] * 4]
    assert window.latent.tolist() == [[False, True, False, False], [True, True, False, False]]
    assert torch.equal(window.frame_index, torch.from_numpy(index))
    seen = ((window.frames[:, :, 0, 0, 0] + 1) * 127.5).round().long()
    assert torch.equal(seen, window.frame_index)
    assert loss_mask(window, True).tolist() == [[False, True, False, True], [True] * 4]
    assert loss_mask(window, False).tolist() == window.latent.tolist()


def test_windows_without_random_frames_are_as_large_as_needed():
    observed = np.zeros((2, 6), dtype=bool)
    latent = np.array([[0, 0, 1, 1, 1, 0], [0, 1, 0, 0, 0, 0]], dtype=bool)
    index = frame_indices(observed, latent, 5, False, np.random.default_rng(0))
    assert index.tolist() == [[2, 3, 4], [1, 0, 0]]
    window = make_window(np.zeros((2, 3, 3, 2, 2), np.uint8), index, observed, latent)
    assert window.latent.tolist() == [[True] * 3, [True, False, False]]


@pytest.mark.parametrize(
    ("low", "high", "n"), [(0, 60, 16), (1, 29, 8), (3, 3, 1), (0, 299, 7), (2, 101, 45)]
)
def test_linspace_is_that_of_torch(low, high, n):
    _, latent = sample_masks(f"linspace-no-obs-{low}-{high}-{n}", 300, 50, 1, np.random.default_rng(0))
    assert np.flatnonzero(latent).tolist() == torch.linspace(low, high, n).long().tolist()
