"""What a command line and the configured grid ask for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from viddiff.errors import InputError
from viddiff.tree.paths import Evaluation
from viddiff.workflow.sections import GridBlock
from viddiff.workflow.targets import Cell, read_grid, read_request

HERE = Evaluation.named("deep/run", "ema_0.9999_000100", "autoreg_4_2_12_4")
OTHER = Evaluation.named("run", "ema_0.9999_000100", "independent_4_2_12_4")
GRID = [Cell(OTHER, 2, 1, 12)]
AT = str(HERE.directory)
UNKNOWN = AT.removesuffix("_4") + "_None"  # as trees of the original may hold it


def block(**changes):
    only = GridBlock(("run",), ("ema_0.9999_000100",), ("independent_4_2_12_4",), videos=2, samples=1)
    return replace(only, **changes)


@pytest.mark.parametrize(
    "arguments", [["-n"], ["samples"], ["--cores", "2", "all"], ["results/comparison.csv"]]
)
def test_names_and_other_results_stand_for_the_grid(arguments):
    request = read_request(arguments, GRID, formats=("gif", "mp4"))
    assert request.samples == {OTHER: {(0, 0), (1, 0)}}
    assert request.animations == {"gif": request.samples, "mp4": request.samples}


def test_a_path_asks_for_no_more_than_it_needs():
    request = read_request(["-n", f"{AT}/metrics_2-3-12.pkl"], GRID)
    assert request.samples == {HERE: {(video, sample) for video in range(2) for sample in range(3)}}
    assert not request.animations
    request = read_request([f"./{AT}/videos/sample_0012-3.gif", f"{AT}/samples/sample_0001-0.npy"], GRID)
    assert request.animations == {"gif": {HERE: {(12, 3)}}}
    assert request.samples == {HERE: {(1, 0)}}
    assert request.files == {f"{AT}/videos/sample_0012-3.gif", f"{AT}/samples/sample_0001-0.npy"}


def test_videos_side_by_side_need_their_samples():
    request = read_request([f"{AT}/videos/beside-truth_0012-3.mp4", f"{AT}/videos/grid_2-3.mp4"], GRID)
    assert request.samples == {
        HERE: {(12, 3), *((video, sample) for video in range(2) for sample in range(3))}
    }
    assert not request.animations and not request.files


def test_the_search_of_a_schedule_needs_no_samples():
    folder = AT.replace("autoreg_", "autoreg_optimal_")
    request = read_request([f"{folder}/optimal_schedule.json", f"{folder}/optimal/stage_1.json"], GRID)
    assert not request.samples


def test_elbos_are_asked_for_by_path_by_name_or_by_the_configuration():
    request = read_request(["-n", f"{AT}/elbos_2.json", f"{AT}/elbos/elbo_0012.npy"], GRID)
    assert request.elbos == {HERE: {(0, 0), (1, 0), (12, 0)}}
    assert not request.samples
    assert request.files == {f"{AT}/elbos/elbo_0012.npy"}
    assert not read_request(["all"], GRID).elbos
    for request in (read_request(["elbos"], GRID), read_request(["all"], GRID, elbos=True)):
        assert request.elbos == {OTHER: {(0, 0), (1, 0)}}


@pytest.mark.parametrize("mode", ["gibbs-1-autoreg_4_2_12_4", "gradientmethod_autoreg_4_2_12_4"])
def test_modes_without_elbo_are_left_out_of_the_grid_and_refused_by_path(mode):
    cell = Cell(Evaluation.named("run", "ema_0.9999_000100", mode), 2, 1, 12)
    request = read_request(["elbos"], [*GRID, cell])
    assert set(request.elbos) == {OTHER}
    assert set(request.samples) == {OTHER, cell.evaluation}
    with pytest.raises(InputError, match="has no ELBO"):
        read_request([f"{cell.evaluation.directory}/elbos_2.json"], GRID)


def test_other_names_ask_for_no_samples():
    assert not read_request(["-n", "data"], GRID).samples
    assert read_request(["data", "samples"], GRID).samples


def test_the_value_of_quiet_is_no_target():
    assert not read_request(["--quiet", "all", "--", "data"], GRID).samples
    assert read_request(["--quiet", "all", "--", "all"], GRID).samples


def test_a_path_and_a_name_ask_for_both():
    request = read_request([f"{AT}/plan.png", "samples"], GRID)
    assert set(request.samples) == {OTHER}
    request = read_request([f"{AT}/plan.png"], GRID)
    assert not request.samples


def test_plans_need_no_samples_but_those_of_which_they_are():
    request = read_request([f"{AT}/plan_cost.json", "results/plans.txt"], GRID)
    assert not (request.samples or request.animations or request.elbos)
    request = read_request([f"{AT}/plans/sample_0012-3.png"], GRID)
    assert (request.samples, dict(request.animations), request.files) == ({HERE: {(12, 3)}}, {}, set())


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (f"{AT}/metrics_2-3-13.pkl", "metrics of 13 frames: videos of mode 'autoreg_4_2_12_4' have 12"),
        (f"{AT}/metrics_2-3-4.json", "observes the first 4"),
        (f"{AT}x/metrics_2-3-12.pkl", "obs_length is '4x'"),
        (f"{UNKNOWN}/metrics_2-3-12.pkl", "mode 'autoreg_4_2_12_None': obs_length is not given"),
        (f"{UNKNOWN}/videos/sample_0001-0.gif", "mode 'autoreg_4_2_12_None': obs_length is not given"),
        (f"{UNKNOWN}/videos/grid_2-3.mp4", "mode 'autoreg_4_2_12_None': obs_length is not given"),
        (
            f"{AT}/videos/grid_100-2.mp4",
            "100 videos, the truth and 2 samples of each, are 300 side by side; must be 200",
        ),
        (f"{AT}/optimal_schedule.json", "mode 'autoreg_4_2_12_4' is not optimal"),
        (f"{AT.replace('g_', 'g_optimal-best_')}/optimal/stage_0.json", "optimal-best cannot be searched"),
        (
            "results/run/oma_0.9999_000100/autoreg_4_2_12_4/metrics_2-3-12.pkl",
            "checkpoint 'oma_0.9999_000100'",
        ),
    ],
)
def test_impossible_targets_are_refused(path, message):
    with pytest.raises(InputError, match=message):
        read_request([path], GRID)


def test_the_grid_is_a_product_and_measures_all_frames():
    cells = read_grid([block(modes=("independent_4_2_12_4", "autoreg_4_2_12_4"), runs=("run", "a/b"))])
    assert [(cell.evaluation.run, cell.T) for cell in cells] == [
        ("run", 12),
        ("run", 12),
        ("a/b", 12),
        ("a/b", 12),
    ]
    assert read_grid([block(frames=8)])[0].T == 8
    assert cells[0].group == "12_4"
    assert read_grid([block(modes=("minerl_trainset_autoreg_4_2_12_4",))])[0].group == "minerl_trainset_12_4"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modes": ("autoreg_4_2_None_4",)}, "config key grid: mode .* has no T"),
        ({"frames": 13}, "config key grid: metrics of 13 frames"),
        ({"modes": ("autoreg_4_2",)}, "config key grid: mode 'autoreg_4_2' is not of the form"),
        ({"runs": ("../run",)}, "config key grid: run is '../run'"),
    ],
)
def test_impossible_cells_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        read_grid([block(**changes)])


def test_a_cell_may_not_come_twice():
    with pytest.raises(InputError, match="comes twice"):
        read_grid([block(), block()])
