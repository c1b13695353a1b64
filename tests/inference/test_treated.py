"""What is done in stages, in names of modes: what it reads as, what it costs, and where it would do nothing."""

from __future__ import annotations

import pytest
from named import plan_of

from viddiff.diffusion.treatment import Treatment
from viddiff.errors import InputError
from viddiff.inference.chain_rule import check_chain_rule
from viddiff.inference.cost import plan_cost
from viddiff.inference.modes import make_plan, parse_mode
from viddiff.inference.recipe import Recipe
from viddiff.inference.treated import passes
from viddiff.inference.user_modes import register_modes


@pytest.mark.parametrize(
    ("name", "history"),
    [
        ("autoreg", ()),
        ("history-2-autoreg", (("all", 2.0),)),
        ("history-0.5-gibbs-1-adaptive-l2-autoreg", (("all", 0.5),)),
        ("history-1-newest0.25-hierarchy-2", (("all", 1.0), ("newest", 0.25))),
        (
            "history-1.5-given2-newest3-goal-directed-autoreg",
            (("all", 1.5), ("given", 2.0), ("newest", 3.0)),
        ),
    ],
)
def test_names(name, history):
    recipe = Recipe.read(name)
    assert recipe.treatment == Treatment(history)
    if not history:
        assert Recipe.read(f"noisy-0.25-{name}").treatment == Treatment((), 0.25)
    assert name.endswith(recipe.strategy)


def test_the_plan_is_that_of_the_mode_without():
    for name in ("autoreg", "gibbs-1-hierarchy-2", "adaptive-l2-autoreg", "goal-directed-autoreg"):
        assert plan_of(f"history-2-{name}", 60, 20, 10, 4) == plan_of(name, 60, 20, 10, 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("history-1-autoreg_10_5_60_10", "the weight 1 is the mode without guidance"),
        ("history-0-autoreg_10_5_60_10", "history-0: the weight is 0, must be above 0, and 100 at most"),
        ("history-2-given101-autoreg_10_5_60_10", "history-given101: the weight is 101"),
        ("history-2.0-autoreg_10_5_60_10", "history-2.0: write history-2, the one spelling"),
        ("history-2-newest01-autoreg_10_5_60_10", "write history-newest1"),
        ("history-autoreg_10_5_60_10", r"'history-autoreg' is unknown; the form is \[history-<w>"),
        ("history-2-newest1-given1-autoreg_10_5_60_10", "strategy 'given1-autoreg' is unknown"),
        ("gibbs-1-history-2-autoreg_10_5_60_10", r"is unknown; the form is \[history-<w>"),
        ("history-2-history-3-autoreg_10_5_60_10", "is unknown; the form is"),
        ("history-2-autoregg_10_5_60_10", "did you mean autoreg"),
        ("history-2-really-independent_10_5_60_10", "no stage observes frames, so there is no history"),
        ("history-2-autoreg_10_10_60_10", "no stage observes frames, so there is no history"),
        ("history-2-given1-autoreg_10_5_60_0", "no stage observes given frames.*leave -given… out"),
        ("noisy-1-autoreg_10_5_60_10", "noisy-1: the level is 1, must be above 0 and below 1"),
        ("noisy-0.10-autoreg_10_5_60_10", "write noisy-0.1, the one spelling"),
        ("noisy-0.1-history-2-autoreg_10_5_60_10", "is unknown; the form is"),
        ("noisy-0.1-really-independent_10_5_60_10", "no stage observes frames, so there is nothing to put"),
        (
            "resample-0x3-autoreg_10_5_60_10",
            "resample-0x3: must be 1 to 100 times, and 1 noise level or more",
        ),
        ("resample-1x03-autoreg_10_5_60_10", "resample-1x03: .*no zeros before"),
        ("resample-2-autoreg_10_5_60_10", "is unknown; the form is"),
        ("resample-1x3-sequential_10_5_60_10", "the mode's frames have their own: leave resample-… out"),
        ("gradientmethod_history-2-autoreg_10_5_60_10", "leave out one of gradientmethod_ and history-…"),
    ],
)
def test_what_cannot_be_is_told(text, message):
    with pytest.raises(InputError, match=message) as caught:
        make_plan(parse_mode(text))
    assert "\n" not in str(caught.value)


def test_a_preset_may_be_guided_but_not_twice():
    try:
        register_modes({"steady": {"strategy": "history-1.5-autoreg"}})
        assert Recipe.read("steady").treatment == Treatment((("all", 1.5),))
        with pytest.raises(InputError, match="is unknown; the form is"):
            make_plan(parse_mode("history-2-steady_10_5_60_10"))
        with pytest.raises(InputError, match=r"config key modes\.history-x: .*has a meaning in names"):
            register_modes({"history-x": {"strategy": "autoreg"}})
    finally:
        register_modes({})


def test_what_it_costs():
    """Each part that a stage observes is one evaluation more, and so is nothing, if there is any."""
    history = Recipe.read("history-2-given1-newest1-autoreg").treatment
    plan = plan_of("autoreg", 20, 0, 6, 3)  # from nothing: no frame is given
    assert passes(plan, history) == (1, 3, 3, 3, 3, 3)
    plan = plan_of("autoreg", 20, 4, 6, 3)  # the newest three of the four given, then the last one at most
    assert passes(plan, history) == (4, 3, 3, 3, 3, 3)
    cost = plan_cost(plan, 6, 10, "heun", history)
    assert cost.evaluations == cost.sequential_evaluations == 19 * 19
    independent = plan_of("independent", 20, 4, 6, 3)
    cost = plan_cost(independent, 6, 10, treatment=history)
    assert (cost.evaluations, cost.sequential_evaluations) == (6 * 40, 40)
    assert passes(plan_of("adaptive-l2-autoreg", 20, 4, 6, 3), history)[-1] == 4  # it may select given ones


def test_treated_videos_have_no_elbo():
    for treated, name in (("history-2-", "history-…"), ("history-2-noisy-0.1-", "history-… and noisy-…")):
        mode = parse_mode(f"{treated}autoreg_10_5_60_10")
        with pytest.raises(InputError, match=rf"has no ELBO.*the mode without {name}$"):
            check_chain_rule(mode, make_plan(mode))


def test_all_can_be_combined():
    recipe = Recipe.read("history-2-noisy-0.25-resample-2x3-gibbs-1-autoreg")
    assert recipe.treatment == Treatment((("all", 2.0),), 0.25, (2, 3)) and recipe.sweeps == 1
    assert recipe.treatment.name == "history-… and noisy-… and resample-…"
    plan = plan_of("autoreg", 20, 4, 6, 3)
    cost = plan_cost(plan, 6, 10, "heun", recipe.treatment)
    assert cost.evaluations == 2 * len(plan.stages) * (19 + 2 * 5)


def test_noise_costs_nothing():
    plan = plan_of("autoreg", 20, 4, 6, 3)
    assert plan_cost(plan, 6, 10, treatment=Recipe.read("noisy-0.25-autoreg").treatment) == plan_cost(
        plan, 6, 10
    )
