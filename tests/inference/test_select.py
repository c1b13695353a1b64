"""Selection by content: equal to the original's, and exact on embeddings whose distances are plain to see."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from named import distance_of, plan_of

from viddiff.inference.plan import Plan, Stage
from viddiff.inference.select import chosen_plans, farthest_frames, l2_embedding
from viddiff.metrics.lpips import embed, shared_network
from viddiff.video import to_model

GOLDEN = Path(__file__).parents[1] / "golden"
ROWS = json.loads((GOLDEN / "schedules_adaptive.json").read_text())
MORE = json.loads((GOLDEN / "schedules_adaptive_more.json").read_text())


def name_of(row):
    name = row["mode"] if row["distance"] == "lpips" else row["mode"].replace("adaptive-", "adaptive-l2-")
    return name, *(row[key] for key in ("video_length", "num_obs", "max_frames", "step_size"))


@pytest.fixture(scope="module")
def videos():
    return to_model(torch.from_numpy(np.load(GOLDEN / "adaptive_videos.npz")["videos_uint8"]))


@pytest.fixture
def embedding(alexnet):
    network = shared_network(alexnet, "cpu")
    return {"l2": l2_embedding, "lpips": lambda frames: embed(network, frames)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(map(str, name_of(row))))
def test_equal_to_the_original_in_the_order_of_selection(row, videos, embedding):
    assert distance_of(name_of(row)[0]) == row["distance"]
    check_choices(row, videos, embedding[row["distance"]])


@pytest.mark.parametrize("row", MORE, ids=lambda row: "-".join(map(str, name_of(row))))
def test_equal_to_the_original_where_a_stage_has_few_places(row):
    rng = np.random.RandomState(row["videos_seed"])
    videos = rng.randint(0, 256, (2, row["video_length"], 3, 8, 8)).astype(np.uint8)
    check_choices(row, to_model(torch.from_numpy(videos)), l2_embedding)


def check_choices(row, videos, embed):
    name, *parameters = name_of(row)
    for number, plan in enumerate(chosen_plans(plan_of(name, *parameters), videos, embed)):
        recorded = [(observed[number], latent[number]) for observed, latent in row["steps"]]
        assert [(list(stage.observed), list(stage.latent)) for stage in plan.stages] == recorded
        plan.check(row["max_frames"])


def points(*values):
    """One video whose frames are embedded as points on a line."""
    return torch.tensor(values, dtype=torch.float32)[None, :, None]


def test_the_farthest_from_the_nearest_chosen_is_picked():
    known = torch.tensor([True] * 5 + [False])
    picks = farthest_frames(points(0, 1, 4, 10, 6, 99), known, [0], 4)
    assert picks.tolist() == [[3, 2, 4, 1]]


def test_no_frame_is_picked_twice_where_all_are_equal():
    picks = farthest_frames(points(*[3] * 6), torch.ones(6, dtype=torch.bool), [2, 4], 4)
    assert picks.tolist() == [[0, 1, 3, 5]]


def test_with_nothing_chosen_the_last_candidate_is_the_first_pick():
    known = torch.tensor([True, True, True, False])
    assert farthest_frames(points(0, 5, 1, 9), known, [], 2).tolist() == [[2, 1]]


def test_each_video_is_chosen_for_by_itself():
    both = torch.cat([points(0, 1, 5), points(0, -7, 5)])
    known = torch.ones(3, dtype=torch.bool)
    assert farthest_frames(both, known, [0], 1).tolist() == [[2], [1]]


def test_frames_that_a_stage_makes_again_are_not_selected():
    plan = Plan(4, 1, (Stage((0,), (1, 2, 3)), Stage((0,), (3,), n_select=2)))
    plan.check(4)
    (chosen,) = chosen_plans(plan, torch.rand(1, 4, 1, 2, 2), l2_embedding)
    assert set(chosen.stages[1].observed) == {0, 1, 2}
