"""What the eye sees: changes between frames, and the metrics of sets that are made from them."""

from __future__ import annotations

import numpy as np
import pytest

from viddiff.errors import InputError
from viddiff.metrics.base import Facts, MetricSettings, descriptor, set_metric
from viddiff.metrics.baselines import last_frame_repeated
from viddiff.metrics.frozen import frozen, frozen_against_time
from viddiff.metrics.motion import motion, motion_against_time
from viddiff.metrics.seam import SMALLEST, seam
from viddiff.metrics.sets import RowsOfVideos, measure_set

OBS, LENGTH, STEP = 4, 34, 3
PLAN = Facts(OBS, (*[-1] * OBS, *(frame // STEP for frame in range(LENGTH - OBS))))
OURS = ("drift", "frozen", "motion", "seam")


def rows(name, videos):
    return descriptor.find(name).compute(np.asarray(videos), OBS, MetricSettings())


def ramp(steps, channels=3):
    """Videos whose frames are flat and change by `steps` grey levels, `[V, T - 1]`, up and down in turn."""
    levels = np.cumsum(np.pad(np.array(steps) * (-1) ** np.arange(np.shape(steps)[1]), ((0, 0), (1, 0))), 1)
    assert (levels >= -100).all() and (levels <= 100).all()
    return np.broadcast_to((levels + 100)[..., None, None, None], (*levels.shape, channels, 5, 6)).astype(
        np.uint8
    )


def true_videos(count=3):
    """Each transition changes by 10 or 11 grey levels."""
    return ramp(10 + np.random.default_rng(0).integers(0, 2, (count, LENGTH - 1)))


def borders():
    stages = np.array(PLAN.stage_of)
    return stages[1:] != stages[:-1]


def test_goals_are_given_frames_without_a_plan_too():
    """A last frame that is repeated up to goals stands still, however far the goals are from it."""
    truth = true_videos()
    goals = (LENGTH - 2, LENGTH - 1)
    still = np.stack([last_frame_repeated(video, OBS, goals) for video in truth])
    made, true = (rows("changes", videos) for videos in (still, truth))
    assert motion(made, true, Facts(OBS, goals=goals)) == 0
    assert motion(made, true, Facts(OBS)) > 0


@pytest.mark.parametrize("channels", [1, 3])
def test_changes_are_mean_absolute_differences_of_frames_in_0_1(channels):
    videos = np.random.default_rng(0).integers(
        0, 256, (2, 300, channels, 32, 32), dtype=np.uint8
    )  # in chunks
    expected = np.abs(np.diff(videos / 255, axis=1)).mean((2, 3, 4))
    np.testing.assert_allclose(rows("changes", videos), expected, rtol=1e-12)


def test_changes_do_not_wrap_around():
    """From black to white and back is 1 both ways; so are 255 - 254 and 254 - 255 the same."""
    levels = np.array([0, 255, 0, 254, 255, 254], np.uint8)
    video = np.broadcast_to(levels[:, None, None, None], (6, 3, 4, 4))
    np.testing.assert_array_equal(rows("changes", video[None])[0] * 255, [255, 255, 254, 1, 1])


def test_a_known_jump_at_each_border_is_the_seam():
    truth = true_videos()
    steps = np.where(borders(), 30, 12) * np.ones((3, 1), int)
    made = ramp(steps)
    assert seam(rows("changes", made), rows("changes", truth), PLAN) == pytest.approx(30 / 12)
    assert seam(rows("changes", truth), rows("changes", truth), PLAN) == pytest.approx(1, abs=0.03)


def test_the_seam_counts_the_step_from_given_frames_and_those_into_and_out_of_goals():
    truth = np.full((1, 9), 0.1)
    stages = (-1, -1, 0, 0, 0, -1, -1, 1, 1, 1)
    made = truth.copy()
    made[0, [1, 4, 6]] = 0.3, 0.7, 0.5
    made[0, [0, 5]] = 7.0  # between given frames: none of the completion's doing
    assert seam(made, truth, Facts(2, stages)) == pytest.approx(5)


def test_a_completion_that_stands_still_has_no_seam_and_one_that_only_jumps_has_a_number():
    truth = rows("changes", true_videos())
    still = truth * (np.arange(LENGTH - 1) < OBS - 1)
    assert seam(still, truth, PLAN) == 1
    jumping = np.where(borders(), truth.mean(), 0.0) * np.ones((3, 1))
    assert seam(jumping, truth, PLAN) == pytest.approx(1 / SMALLEST, rel=0.01)


@pytest.mark.parametrize(("obs_length", "stage_of"), [(0, (0, 0, 0, 0)), (1, (-1, 0, 1, 2)), (1, ())])
def test_a_plan_without_borders_or_with_nothing_else_has_no_seam(obs_length, stage_of):
    changes = np.ones((2, 3))
    with pytest.raises(InputError, match="borders of stages"):
        seam(changes, changes, Facts(obs_length, stage_of))


@pytest.mark.parametrize("speed", [0, 1, 2, 3])
def test_motion_is_the_speed(speed):
    truth = true_videos()
    made = ramp(speed * 10 * np.ones((3, LENGTH - 1), int))
    expected = 10 * speed / rows("changes", truth)[:, OBS:].mean() / 255
    assert motion(rows("changes", made), rows("changes", truth), PLAN) == pytest.approx(expected)


def test_given_frames_are_no_motion():
    truth = rows("changes", true_videos())
    made = truth.copy()
    made[:, :OBS] = 9  # also from the last given frame to the first made one
    assert motion(made, truth, PLAN) == pytest.approx(1)
    assert motion(made, truth, Facts(OBS, ())) == pytest.approx(1)
    assert frozen(made, truth, PLAN) == frozen(truth, truth, PLAN)


def test_one_still_true_video_of_several_is_no_fault_but_all_are():
    truth = rows("changes", true_videos())
    truth[0] = 0
    assert np.isfinite(motion(truth[[1, 2, 0]], truth, PLAN))
    for name in ("motion", "frozen", "seam"):
        with pytest.raises(InputError, match="the true videos stand still"):
            set_metric.find(name).compute(truth, np.zeros_like(truth), PLAN)


def test_frozen_is_the_share_of_transitions_that_stand_still():
    truth = np.random.default_rng(1).uniform(0.1, 0.2, (20, LENGTH - 1))
    made = truth.copy()
    made[::2, -7:] = 0.0
    own = LENGTH - 1 - OBS
    assert frozen(truth, truth, PLAN) == pytest.approx(0.01, abs=1 / (20 * own))
    assert frozen(made, truth, PLAN) == pytest.approx(0.5 * 7 / own, abs=0.011)
    half_still = np.where(np.arange(LENGTH - 1) % 2 == 0, 0.0, truth)
    assert frozen(half_still, half_still, PLAN) == pytest.approx(
        0.5, abs=0.02
    )  # the truth repeats frames, too


def test_frozen_of_each_video_is_its_own_share():
    """The threshold is that of all true videos, else two modes that differ in one transition would seem to differ in
    every video."""
    made, truth = np.random.default_rng(2).uniform(0.0, 0.2, (2, 8, LENGTH - 1))
    found = measure_set("frozen", set_metric.find("frozen"), RowsOfVideos(truth, made[:, None]), PLAN)
    shares = [frozen(video[None], truth, PLAN) for video in made]
    np.testing.assert_allclose(found.pseudo_values, shares, atol=1e-12)
    assert len(set(shares)) > 1


def test_last_frame_repeated_is_all_frozen():
    truth = true_videos()
    made = np.stack([last_frame_repeated(video, OBS, ()) for video in truth])
    found = {name: set_metric.find(name) for name in OURS}
    values = {
        name: entry.compute(rows(entry.descriptor, made), rows(entry.descriptor, truth), PLAN)
        for name, entry in found.items()
    }
    assert values == {"motion": 0.0, "frozen": 1.0, "drift": 0.0, "seam": values["seam"]}
    assert values["seam"] == 1.0


@pytest.mark.parametrize("curve", [(motion, motion_against_time), (frozen, frozen_against_time)])
def test_the_mean_of_a_curve_is_the_value(curve):
    compute, against_time = curve
    rng = np.random.default_rng(2)
    truth, made = rng.uniform(0, 1, (2, 5, LENGTH - 1))
    frames, values = against_time(made, truth, PLAN)
    assert frames == list(range(OBS + 1, LENGTH))
    assert np.mean(values) == pytest.approx(compute(made, truth, PLAN))


def test_drift_is_the_distance_of_the_ends_looks():
    """The second half is brighter by 51: 0.2 in brightness. A red cast of 51 in its place is 0.2 / 3, and 0.2 of
    saturation.
    """
    truth = np.random.default_rng(3).integers(0, 200, (2, 1, 1, 8, 8), dtype=np.uint8)
    truth = np.broadcast_to(truth, (2, LENGTH, 3, 8, 8)).copy()
    late = LENGTH // 2
    bright, red, loud = truth.copy(), truth.copy(), truth.copy()
    bright[:, late:] += 51
    red[:, late:, 0] += 51
    loud[:, late:] = truth[:, late:] // 2
    drift = set_metric.find("drift")
    looks = {name: rows("looks", videos) for name, videos in (("truth", truth), ("b", bright), ("r", red))}
    assert drift.compute(looks["truth"], looks["truth"], PLAN) == 0
    assert drift.compute(looks["b"], looks["truth"], PLAN) == pytest.approx(0.2)
    assert drift.compute(looks["r"], looks["truth"], PLAN) == pytest.approx(np.hypot(0.2 / 3, 0.2))
    assert drift.compute(rows("looks", loud), looks["truth"], PLAN) > 0.1
    frames, values = drift.curve(looks["b"], looks["truth"], PLAN)
    assert frames == list(range(OBS, LENGTH))
    np.testing.assert_allclose(values, [0.0] * (late - OBS) + [0.2] * (LENGTH - late), atol=1e-12)


@pytest.mark.parametrize("name", OURS)
def test_grey_videos_are_as_their_rgb_and_the_order_of_videos_says_nothing(name):
    rng = np.random.default_rng(4)
    made, truth = (rng.integers(0, 256, (4, LENGTH, 1, 6, 7), dtype=np.uint8) for _ in range(2))
    entry = set_metric.find(name)
    m, t = rows(entry.descriptor, made), rows(entry.descriptor, truth)
    value = entry.compute(m, t, PLAN)
    order = [2, 0, 3, 1]
    assert entry.compute(m[order], t[order], PLAN) == pytest.approx(value, rel=1e-12)
    rgb = (rows(entry.descriptor, np.repeat(videos, 3, 2)) for videos in (made, truth))
    assert entry.compute(*rgb, PLAN) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("name", ["motion", "frozen", "drift"])
def test_one_generated_frame_is_too_few(name):
    videos = true_videos()
    entry = set_metric.find(name)
    row = rows(entry.descriptor, videos)
    with pytest.raises(InputError, match=r"needs (2|two) generated frames"):
        entry.compute(row, row, Facts(LENGTH - 1, (*[-1] * (LENGTH - 1), 0)))
