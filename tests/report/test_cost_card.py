"""Records of how long jobs took, the cost cards that read them, and the table of cards."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import pytest

from viddiff.errors import InputError, PlanError
from viddiff.inference.modes import make_plan, parse_mode
from viddiff.inference.user_modes import register_modes
from viddiff.report.cost_card import CostCard, cost_card
from viddiff.report.plan_table import format_plan_table, plan_table
from viddiff.tree.paths import CheckpointName, Evaluation
from viddiff.tree.timing import Timing, read_timings, record_timing, timing_files

MODE = "autoreg_20_10_300_36"
RUN = Evaluation.named("a/b", "ema_0.9999_400000_ddim_respaceddim25", MODE)
TIMING = Timing("GPU", 1000, 50.0, 20, 64)


@pytest.fixture(autouse=True)
def tree(tmp_path, monkeypatch):
    """Paths of results are relative to the folder in which the workflow runs."""
    monkeypatch.chdir(tmp_path)


def card(run=RUN, training=None, model_config=None, timings=()):
    return cost_card(run, make_plan(run.mode), training or {}, model_config, timings)


def test_a_record_replaces_none_and_is_read_back():
    first, second = (record_timing(RUN, 7, 2, replace(TIMING, seconds=s)) for s in (50.0, 20.0))
    assert re.fullmatch(rf"{RUN.directory}/timings/samples_0007-2-[0-9a-f]{{8}}\.json", str(first))
    assert timing_files(RUN) == sorted([first, second])
    assert read_timings([second, first]) == {second: replace(TIMING, seconds=20.0), first: TIMING}
    assert TIMING.seconds_per_evaluation == 0.05


def test_of_many_records_of_an_evaluation_some_are_read_of_early_and_late_jobs():
    many = [record_timing(RUN, video, 0, TIMING) for video in reversed(range(45))]
    other = replace(RUN, mode=parse_mode("other_data_autoreg_20_1_300_36"))
    one = record_timing(other, 0, 0, TIMING)
    assert timing_files(RUN) == [*sorted(many)[::3], one]
    assert len(read_timings(timing_files(RUN))) == 16


def test_records_of_other_networks_and_windows_say_nothing():
    alike = [
        replace(RUN, mode=parse_mode("hierarchy-2_20_5_100_0")),
        replace(RUN, checkpoint=CheckpointName.parse("ema_0.9999_100000")),
        replace(RUN, mode=parse_mode("other_data_autoreg_20_1_300_36")),
    ]
    different = [
        replace(RUN, run="a"),
        replace(RUN, run="a/b/c"),
        replace(RUN, mode=parse_mode("autoreg_10_5_300_36")),
        replace(RUN, mode=parse_mode("gradientmethod_autoreg_20_10_300_36")),
    ]
    for run in different:
        record_timing(run, 0, 0, TIMING)
    assert timing_files(RUN) == []
    expected = [record_timing(run, 0, 0, TIMING) for run in alike]
    Path("results/a/b/notes/mine/timings").mkdir(parents=True)
    Path("results/a/b/notes/mine/timings/samples_1.json").write_text("{}")
    assert timing_files(RUN) == sorted(expected)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not a timing"),
        ("[]", "not a timing"),
        (json.dumps({"device": "GPU"}), "window_evaluations"),
        (json.dumps(asdict(TIMING) | {"seconds": 0}), "seconds is 0, must be a number above 0"),
        (json.dumps(asdict(TIMING) | {"max_frames": True}), "True is not a whole number"),
        (json.dumps(asdict(TIMING) | {"device": 3}), "3 is not a short line of text"),
    ],
)
def test_a_broken_record_is_named(tmp_path, content, message):
    path = tmp_path / "samples_0000-0-00000000.json"
    path.write_text(content)
    with pytest.raises(InputError, match=f"{path}.*{message}"):
        read_timings([path])


def test_a_card_without_earlier_jobs():
    found = card()
    assert (found.cost.stages, found.cost.diffusion_steps, found.estimates) == (27, 25, ())
    assert found.lines() == [
        "27 stages, longest chain of dependent ones 27; windows of up to 20 frames, 98.9% of places filled",
        "675 network evaluations per video, 675 in sequence: 25 diffusion steps (by the folder's name)",
    ]
    assert found.brief() == "27 stages, chain 27; 675 evaluations, 675 in sequence; 98.9% filled"


def test_the_estimate_is_the_median_on_each_device():
    files = [record_timing(RUN, 0, 0, replace(TIMING, seconds=s)) for s in (10.0, 40.0, 1000.0)]
    files.append(record_timing(RUN, 0, 0, replace(TIMING, device="old", window_evaluations=10)))
    fast, slow = card(timings=files).estimates
    assert (fast.device, fast.seconds_per_evaluation, slow.device) == ("GPU", 0.04, "old")
    assert fast.timings == tuple(map(str, files[:3])) and slow.timings == (str(files[3]),)
    found = card(timings=files)
    assert found.hours(fast) == pytest.approx(675 * 0.04 / 3600)
    assert found.lines()[2:] == [
        "0.0075 device-hours per video on GPU: median of 3 earlier jobs",
        "0.94 device-hours per video on old: median of 1 earlier job",
    ]


def test_the_number_of_diffusion_steps_comes_from_the_nearest_source(tmp_path):
    plain = replace(RUN, checkpoint=CheckpointName.parse("ema_0.9999_400000"))
    config = tmp_path / "model_config.json"
    config.write_text(json.dumps({"diffusion_steps": 400, "timestep_respacing": ""}))
    respaced = tmp_path / "respaced.json"
    respaced.write_text(json.dumps({"diffusion_steps": 400, "timestep_respacing": "10,20"}))
    training = {"diffusion_steps": 200}
    for run, settings, file, expected in [
        (RUN, training, config, (25, "by the folder's name")),
        (plain, training, respaced, (30, "as trained")),
        (plain, training, config, (400, "as trained")),
        (plain, training, None, (200, "as configured")),
        (plain, {"T": 100}, None, (1000, "by default")),
    ]:
        found = card(run, settings, file)
        assert (found.cost.diffusion_steps, found.steps_from) == expected
    config.write_text("[1]")
    with pytest.raises(InputError, match=r"model_config\.json: not the settings of a training"):
        card(plain, {}, config)


def test_a_card_is_read_back(tmp_path):
    found = card(timings=[record_timing(RUN, 0, 0, TIMING)])
    found.write(tmp_path / "plan_cost.json")
    assert CostCard.read(tmp_path / "plan_cost.json") == found
    content = json.loads((tmp_path / "plan_cost.json").read_text())
    assert content["evaluations"] == content["sequential_evaluations"] == 675
    assert content["estimates"][0]["device_hours"] == pytest.approx(675 * 0.05 / 3600)
    (tmp_path / "plan_cost.json").write_text('{"stages": 3}')
    with pytest.raises(InputError, match=r"plan_cost\.json: not a cost card"):
        CostCard.read(tmp_path / "plan_cost.json")


def test_a_card_tells_what_the_second_checkpoint_does(tmp_path):
    second = {"run": "gaps", "checkpoint": "model_000001"}
    register_modes({"two": {"strategy": "google", "second": second}})
    try:
        run = replace(RUN, mode=parse_mode("two_20_10_300_36"))
        plain = replace(RUN, mode=parse_mode("google_20_10_300_36"))
        two, one = card(run), card(plain)
        assert (two.cost.second_stages, two.cost.second_evaluations) == (33, 825)
        assert two.cost.evaluations == one.cost.evaluations == 1050
        assert two.cost.sequential_evaluations > one.cost.sequential_evaluations  # they share no call
        assert "of these 33 stages, 825 evaluations by gaps/model_000001" in two.lines()
        assert two.brief().endswith("; 33 stages, 825 evaluations by gaps/model_000001")
        two.write(tmp_path / "two.json")
        assert CostCard.read(tmp_path / "two.json") == two
        one.write(tmp_path / "one.json")
        assert "second" not in (tmp_path / "one.json").read_text()
        assert plan_table({run: two, plain: one})["second evaluations"].tolist() == [825, 0]
        assert "second evaluations" not in plan_table({plain: one})
        record_timing(run, 0, 0, TIMING)
        assert len(timing_files(run)) == 1 and timing_files(plain) == []
    finally:
        register_modes({})


def test_a_plan_of_larger_windows_is_refused():
    with pytest.raises(PlanError, match="max_frames is 20"):
        cost_card(RUN, make_plan(parse_mode("autoreg_30_10_300_36")), {}, None, ())


def test_the_table_compares_all_cards():
    timings = [record_timing(RUN, 0, 0, TIMING)]
    independent = replace(RUN, mode=parse_mode("independent_20_10_300_36"))
    table = plan_table({RUN: card(timings=timings), independent: card(independent)})
    assert table["chain"].tolist() == [27, 1]
    assert table["sequential"].tolist() == [675, 25]
    hours = table["device-hours on GPU"]
    assert hours[0] == pytest.approx(675 * 0.05 / 3600) and pd.isna(hours[1])
    lines = format_plan_table(table).splitlines()
    assert lines[0] == f"run: a/b   checkpoint: {RUN.checkpoint}"
    assert lines[4].split() == [MODE, "27", "27", "25", "675", "675", "20", "98.9%", "0.0094"]
    assert lines[5].split()[-2:] == ["98.9%", "-"]
    assert "selected" not in lines[2]


def test_no_cards_are_refused():
    with pytest.raises(InputError, match="config key grid is empty"):
        plan_table({})
