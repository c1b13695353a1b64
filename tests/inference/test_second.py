"""A second checkpoint in a mode: which stages it makes, what the plan tells of it, and how the engine executes both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from viddiff.errors import InputError, PlanError
from viddiff.inference.complete import SecondModel, complete
from viddiff.inference.modes import base_plan, make_plan, parse_mode
from viddiff.inference.plan import Plan, Stage
from viddiff.inference.search import stage_searches
from viddiff.inference.second import check_alike, second_window
from viddiff.inference.select import with_choices
from viddiff.inference.user_modes import register_modes
from viddiff.seeds import SampleIdentity
from viddiff.tree.paths import Evaluation
from viddiff.workflow.config import check_config, load_schema

SCHEMA = load_schema(Path(__file__).parents[2] / "config" / "schema.yaml")
OTHER = {"run": "deep/gaps", "checkpoint": "ema_0.9999_latest_500"}
FILE = """
from viddiff.inference.plan import Stage
from viddiff.inference.strategies import strategy


@strategy("own")
def own(length, n_obs, window, step_size):
    yield Stage((n_obs - 1,), (length - 1,))
    yield Stage((n_obs - 1, length - 1), tuple(range(n_obs, length - 1)), phase=3)
"""


@pytest.fixture(autouse=True)
def no_user_modes_remain():
    yield
    register_modes({})


def register(**modes):
    """Register modes as the workflow does, checked, with a second checkpoint beside each definition."""
    modes = {name.replace("_", "-"): {"second": OTHER} | definition for name, definition in modes.items()}
    config = {"grid": [], "modes": yaml.safe_load(yaml.safe_dump(modes))}
    check_config(config, SCHEMA)
    register_modes(config["modes"])


def plan(mode):
    return make_plan(parse_mode(mode))


def by_second(mode):
    """Which stages of a mode the second checkpoint makes."""
    return "".join("2" if stage.second else "1" for stage in plan(mode).stages)


def test_googles_gaps_are_made_by_the_second_checkpoint():
    register(vdm={"strategy": "google"})
    made = plan("vdm_20_10_300_36")
    without = plan("google_20_10_300_36")
    assert by_second("vdm_20_10_300_36") == "1" * 9 + "2" * 33
    for stage in made.stages:
        frames = sorted((*stage.observed, *stage.latent))
        assert all(frame % 4 == 3 for frame in frames) != stage.second
    assert [replace(stage, second=False) for stage in made.stages] == list(without.stages)
    assert made.second_checkpoint == "deep/gaps/ema_0.9999_latest_500"
    assert second_window(made) == 9 and made.sha256 != without.sha256


@pytest.mark.parametrize(
    ("strategy", "numbers", "stages"),
    [
        ("google", "16_8_33_0", "21222"),  # from nothing: a window of neighbours
        ("like-google", "10_4_30_6", "11222"),
        ("baby-cond-ho-et-al-for-vis", "7_3_21_6", "11222"),  # two frames are left at the end
        ("hierarchy-2", "8_4_30_8", None),
        ("hierarchy-3", "8_4_41_0", None),
    ],
)
def test_phases_of_strategies(strategy, numbers, stages):
    register(two={"strategy": strategy})
    found = by_second(f"two_{numbers}")
    assert stages is None or found == stages
    first_later = found.index("2")
    assert "1" not in found[first_later:] or strategy == "google"
    assert set(found) == {"1", "2"}


def test_each_level_of_a_hierarchy_is_a_phase():
    register(
        two={"strategy": "hierarchy-3"},
        three={"strategy": "hierarchy-3", "second": OTHER | {"from_phase": 3}},
    )
    two, three = by_second("two_8_4_81_8"), by_second("three_8_4_81_8")
    assert two.count("1") < three.count("1") < len(three)
    spacings = [
        min(b - a for a, b in zip(sorted(s.latent), sorted(s.latent)[1:], strict=False))
        for s in plan("three_8_4_81_8").stages
        if not s.second and len(s.latent) > 1
    ]
    assert min(spacings) > 1


def test_combinations_keep_phases_and_sweeps_are_of_the_last():
    register(two={"strategy": "hierarchy-2"})
    first = by_second("two_10_4_40_4")
    assert by_second("adaptive-l2-two_10_4_40_4").count("1") == first.count("1")
    assert by_second("history-2-two_10_4_40_4") == first
    swept = by_second("gibbs-1-two_10_4_40_4")
    assert swept.startswith(first) and set(swept[len(first) :]) == {"2"}
    assert {"1", "2"} == set(by_second("goal-directed-two_12_4_40_4"))
    register(two={"strategy": "google"})
    adapted = plan("adaptive-l2-two_10_4_60_10")
    assert [stage.second for stage in adapted.stages] == [s.second for s in plan("two_10_4_60_10").stages]
    chosen = with_choices(adapted, {len(adapted.stages) - 1: (0, 1)})
    assert chosen.stages[-1].second and chosen.second_checkpoint == adapted.second_checkpoint


def test_users_stages_tell_their_phases(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(FILE)
    listed = [{"observed": [0], "latent": [4]}, {"observed": [0, 4], "latent": [1, 2, 3], "phase": 2}]
    own = {"file": "own.py", "second": OTHER | {"from_phase": 3}}
    register(listed={"stages": listed}, own=own, skip={"strategy": "like-google", "options": {"skip": 2}})
    assert by_second("listed_5_1_5_1") == "12"
    assert by_second("own_8_1_8_2") == "12"
    assert set(by_second("skip_8_3_20_4")) == {"1", "2"}
    register_modes({"listed": {"stages": listed}})
    assert plan("listed_5_1_5_1").stages[1].second is False


def test_a_plan_tells_its_second_checkpoint_and_comes_back_from_its_text():
    register(vdm={"strategy": "like-google"})
    made = plan("vdm_10_4_30_6")
    text = made.to_json()
    assert Plan.from_json(text) == made and text.count('"second": true') == 3
    assert '  "second_checkpoint": "deep/gaps/ema_0.9999_latest_500",\n' in text
    assert "second" not in plan("like-google_10_4_30_6").to_json()
    for wrong in ('"second": 1', '"second": "x"'):
        with pytest.raises((ValueError, TypeError)):
            Plan.from_json(text.replace('"second": true', wrong))
    for broken in (replace(made, second_checkpoint=""), replace(made, stages=made.stages[:2])):
        with pytest.raises(PlanError, match="a second checkpoint must be named if a stage is made by it"):
            broken.check(10)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["google", "like-google", "baby-cond-ho-et-al-for-vis", "hierarchy-2", "hierarchy-4"]),
    st.integers(2, 4),
    st.integers(3, 20),
    st.integers(1, 10),
    st.integers(2, 120),
    st.integers(0, 40),
)
def test_a_second_checkpoint_changes_no_stage_or_is_refused(strategy, from_phase, window, step_size, T, obs):
    numbers = f"{window}_{step_size}_{T}_{obs}"
    register_modes({"two": {"strategy": strategy, "second": OTHER | {"from_phase": from_phase}}})
    try:
        without = plan(f"{strategy}_{numbers}")
    except PlanError:
        assume(False)
    try:
        made = plan(f"two_{numbers}")
    except PlanError as error:
        assert "one of the two checkpoints would make nothing" in str(error)
        return
    made.check(window)
    assert {stage.second for stage in made.stages} == {False, True}
    assert tuple(replace(stage, second=False) for stage in made.stages) == without.stages


@pytest.mark.parametrize(
    ("definition", "mode", "message"),
    [
        (
            {"strategy": "autoreg"},
            "two_4_2_9_3",
            "mode 'two_4_2_9_3': second checkpoint deep/gaps/ema_0.9999_latest_500: it makes stages from phase 2 on, "
            "but the plan has phase 1 alone: one of the two checkpoints would make nothing",
        ),
        (
            {"strategy": "hierarchy-2", "second": OTHER | {"from_phase": 3}},
            "two_8_4_30_8",
            "it makes stages from phase 3 on, but the plan has phases 1 to 2",
        ),
        ({"strategy": "google"}, "two_16_8_37_36", "the plan has phase 2 alone"),
        ({"strategy": "sequential"}, "two_4_2_9_3", "frames would pass from model to model while they are noisy"),
    ],
)  # fmt: skip
def test_modes_that_can_have_no_second_checkpoint(definition, mode, message):
    register(two=definition)
    with pytest.raises(PlanError) as error:
        plan(mode)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ({"strategy": "gibbs-1-google"}, "config key modes.two: second belongs to a strategy, gibbs-1-google is a"),
        ({"strategy": "google", "second": {"run": "x"}}, "config key modes.two.second"),
        (
            {"strategy": "google", "second": OTHER | {"run": "x" * 251}},
            "a run's name, of 250 characters at most",
        ),
        ({"strategy": "google", "second": OTHER | {"from_phase": 1}}, "config key modes.two.second.from_phase"),
        ({"strategy": "google", "second": OTHER | {"stages": [1]}}, "config key modes.two.second"),
    ],
)  # fmt: skip
def test_definitions_that_are_refused(definition, message):
    with pytest.raises(InputError) as error:
        register(two=definition)
    assert message in str(error.value)


def test_there_is_no_third_checkpoint():
    with pytest.raises(InputError, match=r"modes\.b: second: the strategy has one already, deep/gaps/ema"):
        register(a={"strategy": "hierarchy-3"}, b={"strategy": "a"})
    register_modes({"a": {"strategy": "google", "second": OTHER}, "b": {"strategy": "gibbs-1-a"}})
    assert plan("b_10_4_30_6").second_checkpoint


def test_an_optimal_schedule_is_refused():
    register(two={"strategy": "google"})
    with pytest.raises(PlanError, match="searched with one checkpoint"):
        stage_searches(base_plan(parse_mode("two_optimal-linspace-t_10_4_30_6")), 10, "linspace-t")


def test_the_second_evaluation_has_the_folders_sampler():
    register(two={"strategy": "google"})
    evaluation = Evaluation.named("first", "model_000001_ddim_respace25", "two_10_4_30_6")
    assert evaluation.second.names == ("deep/gaps", "ema_0.9999_latest_500_ddim_respace25", "two_10_4_30_6")
    assert evaluation.runs == ("first", "deep/gaps")
    assert evaluation.second.checkpoint_file() == Path("checkpoints/deep/gaps/ema_0.9999_latest.pt")
    assert Evaluation.named("first", "model_000001", "google_10_4_30_6").second is None
    for wrong, message in (
        ("model_1_ddim", "names a sampler or a spacing, must be model_1"),
        ("x", r"modes\.two\.second: checkpoint 'x' is not of the form"),
    ):
        register(two={"strategy": "google", "second": OTHER | {"checkpoint": wrong}})
        with pytest.raises(InputError, match=message):
            _ = evaluation.second


def test_checkpoints_that_cannot_make_one_video():
    first = {"image_size": 64, "dataset": "a"}
    check_alike(first, first, same_dataset=True, steps=(10, 10))
    check_alike(first, first | {"dataset": "b"}, same_dataset=False, steps=None)
    for second, steps, message in (
        ({"image_size": 32}, None, "its network takes frames of size 32, that of the first checkpoint 64"),
        ({"dataset": "b"}, None, "it was trained on b, the first checkpoint on a"),
        ({}, (1000, 500), "it has 500 diffusion steps, the first checkpoint 1000"),
    ):
        with pytest.raises(InputError, match=message):
            check_alike(first, first | second, same_dataset=True, steps=steps)


def engine(model, calls):
    """A fake model: its frames are its number plus noise, and it notes the frames of each window."""

    def sample(window, noise):
        calls.append((model, window.frame_index.tolist()))
        return model + 0.5 * noise()

    return sample


def test_each_stage_is_made_by_its_model_and_no_call_is_shared():
    stages = (Stage((0,), (3,)), Stage((0,), (1,), second=True), Stage((3,), (2,), second=True))
    mixed = Plan(4, 1, stages, second_checkpoint="b")
    start = torch.zeros(2, 1, 3, 2, 2)
    a, b = ([SampleIdentity(name, "mode", "ancestral", video, 0) for video in (0, 1)] for name in "ab")
    calls = []
    made = complete(
        mixed, start, a, engine(10, calls), second=SecondModel(b, engine(20, calls)), windows_per_call=8
    ).frames
    assert calls == [(10, [[0, 3], [0, 3]]), (20, [[0, 1], [0, 1]]), (20, [[3, 2], [3, 2]])]

    whole = replace(
        mixed, stages=tuple(replace(stage, second=False) for stage in stages), second_checkpoint=""
    )
    alone = {
        name: complete(whole, start, ids, engine(m, [])).frames
        for name, ids, m in (("a", a, 10), ("b", b, 20))
    }
    assert torch.equal(made[:, 3], alone["a"][:, 3])
    assert torch.equal(made[:, [1, 2]], alone["b"][:, [1, 2]])
    same = complete(mixed, start, a, engine(10, []), second=SecondModel(a, engine(10, []))).frames
    assert torch.equal(same, alone["a"])
    with pytest.raises(ValueError, match="needs second"):
        complete(mixed, start, a, engine(10, []))
