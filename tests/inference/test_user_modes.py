"""Users' own modes: what each kind of definition makes, how they combine, and what a wrong one is told."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from named import distance_of, goal_frames, plan_of

from viddiff.errors import InputError, PlanError
from viddiff.inference.modes import make_plan, parse_mode
from viddiff.inference.plan import Stage
from viddiff.inference.recipe import expand
from viddiff.inference.strategies import PRESETS, USER_STRATEGIES, find_strategy
from viddiff.inference.user_modes import register_modes
from viddiff.workflow.config import check_config, load_schema

SCHEMA = load_schema(Path(__file__).parents[2] / "config" / "schema.yaml")
PATTERN = {"latent": [0, 1, 2, 3], "observed": [-1, -2, -4, -8], "step": 4}
STAGES = [{"observed": [0, 1], "latent": [5, 3]}, {"observed": [3], "latent": [2]}, {"latent": [4]}]
ZIGZAG = """
from viddiff.inference.plan import Stage
from viddiff.inference.strategies import newest, steps, strategy


@strategy("zigzag")
def zigzag(length, n_obs, window, step_size, *, back=2):
    for latent in steps(n_obs, length, step_size):
        yield Stage(list(newest(back, latent[0])), latent[::-1])
"""


@pytest.fixture(autouse=True)
def no_user_modes_remain():
    yield
    register_modes({})


@pytest.fixture
def zigzag(tmp_path, monkeypatch, types_unchecked):
    """A function that writes the file of a mode, and says its definition. Users' stages may hold lists."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)

    def write(text=ZIGZAG):
        Path("zigzag.py").write_text(text)
        return {"file": "zigzag.py"}

    return write


def register(text):
    """Register modes as the workflow does: from YAML, checked."""
    config = {"grid": [], "modes": yaml.safe_load(text) if isinstance(text, str) else text}
    check_config(config, SCHEMA)
    register_modes(config["modes"])


def plan(mode):
    return make_plan(parse_mode(mode))


def test_a_preset_is_another_name_of_a_strategy_or_a_combination():
    register("far: {strategy: hierarchy-4}\nfar-twice: {strategy: gibbs-2-goal-directed-far}")
    assert plan("far_10_5_60_10") == plan("hierarchy-4_10_5_60_10")
    assert plan("far-twice_10_3_60_10") == plan("gibbs-2-goal-directed-hierarchy-4_10_3_60_10")
    assert plan("gibbs-1-far_10_5_60_10") == plan("gibbs-1-hierarchy-4_10_5_60_10")
    assert plan("adaptive-l2-far_10_5_60_10") == plan("adaptive-l2-hierarchy-4_10_5_60_10")
    assert expand("adaptive-l2-far") == "adaptive-l2-hierarchy-4"
    assert goal_frames("far-twice", 60) == (55, 56, 57, 58, 59)
    register("chosen: {strategy: adaptive-l2-far}\nfar: {strategy: hierarchy-4}")
    assert distance_of("gibbs-1-chosen") == "l2" and distance_of("far") is None


def test_a_preset_sets_options(zigzag):
    modes = {
        "zigzag": zigzag(),
        "zagzig": {"strategy": "longer", "options": {"back": 3}},
        "longer": {"strategy": "zigzag", "options": {"back": 4}},
        "new": {"strategy": "long-range", "options": {"recent": 0.75}},
        "goals": {"strategy": "goal-directed-new"},
        "eight": {"strategy": "like-google", "options": {"skip": 8}},
    }
    register(modes)
    back = [len(plan(f"{mode}_10_2_60_10").stages[0].observed) for mode in ("zigzag", "zagzig", "longer")]
    assert back == [2, 3, 4]
    assert plan("new_12_4_60_10").stages[2].observed == (8, 9, 12, 13, 14, 15, 16, 17)
    assert plan("goals_12_4_60_10").goals == (55, 56, 57, 58, 59)
    assert plan("eight_10_4_60_10").stages[0].latent == (17, 25, 33, 41)


def test_options_of_strategies_change_nothing_by_default():
    for name, options in (("long-range", {"recent": 0.5}), ("like-google", {"skip": 4})):
        register({"own": {"strategy": name, "options": options}})
        assert plan("own_20_10_100_0") == plan(f"{name}_20_10_100_0")


def test_a_list_of_stages():
    register({"listed": {"stages": STAGES}})
    assert plan("listed_4_1_6_2").stages == (Stage((0, 1), (5, 3)), Stage((3,), (2,)), Stage((), (4,)))
    assert len(plan("gibbs-1-listed_4_1_6_2").stages) == 3 + 4


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("listed_4_1_7_2", "mode 'listed_4_1_7_2': T is 7, must be 6: the stages are listed for that"),
        (
            "listed_4_1_6_3",
            "mode 'listed_4_1_6_3': obs_length is 3, must be 2: the stages are listed for that",
        ),
        ("listed_3_1_6_2", "mode 'listed_3_1_6_2': max_frames is 3, but stage 0 has 4 frames"),
    ],
)
def test_a_list_is_for_one_kind_of_video(mode, message):
    register({"listed": {"stages": STAGES}})
    with pytest.raises(PlanError, match=re.escape(message)):
        plan(mode)


def test_a_pattern_is_shifted_to_the_end_of_the_video():
    register({"repeated": {"pattern": PATTERN}})
    assert plan("repeated_8_1_15_4").stages == (
        Stage((3, 2, 0), (4, 5, 6, 7)),
        Stage((7, 6, 4, 0), (8, 9, 10, 11)),
        Stage((11, 10, 8, 4), (12, 13, 14)),
    )
    assert plan("repeated_8_1_6_0").stages == (Stage((), (0, 1, 2, 3)), Stage((3, 2, 0), (4, 5)))


def test_a_frame_that_a_pattern_made_ahead_is_observed_and_not_made_again():
    register("ahead: {pattern: {latent: [0, 1, 4], observed: [-1, 0, 1, 4], step: 2}}")
    assert plan("ahead_8_1_8_1").stages == (
        Stage((0,), (1, 2, 5)),
        Stage((2,), (3, 4, 7)),
        Stage((4, 5), (6,)),
    )


OFFSETS = st.lists(st.integers(-20, 20), unique=True, max_size=8)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(1, 8).flatmap(
        lambda step: st.tuples(
            st.just(step),
            st.permutations([*range(step)]),
            st.lists(st.integers(step, 30), unique=True, max_size=4),
        )
    ),
    OFFSETS,
    st.integers(1, 120).flatmap(lambda length: st.tuples(st.just(length), st.integers(0, length - 1))),
    st.integers(1, 24),
)
def test_any_pattern_has_a_checked_plan_or_an_error_that_names_the_parameter(blocks, observed, video, window):
    step, near, ahead = blocks
    register_modes({"own": {"pattern": {"latent": [*near, *ahead], "observed": observed, "step": step}}})
    own = plan_of("own", *video, window, 1)
    latent = [frame for stage in own.stages for frame in stage.latent]
    assert sorted(latent) == list(range(video[1], video[0]))
    try:
        own.check(window)
    except PlanError as error:
        assert re.match(rf"max_frames is {window}, but stage [0-9]+ has", str(error))
        assert window < len({*near, *ahead, *observed})
        return
    plan_of("adaptive-own", *video, window, 1).check(window)


def test_a_python_file(zigzag):
    register({"zigzag": zigzag()})
    assert plan("zigzag_10_2_8_3").stages == (
        Stage((1, 2), (4, 3)),
        Stage((3, 4), (6, 5)),
        Stage((5, 6), (7,)),
    )
    assert not list(Path().rglob("__pycache__"))
    before = plan("zigzag_10_2_8_3").sha256
    register({"zigzag": zigzag(ZIGZAG.replace("back=2", "back=3"))})  # at once, and of the same size
    assert plan("zigzag_10_2_8_3").sha256 != before


def test_a_python_file_may_state_facts_and_use_any_strategy(zigzag):
    text = ZIGZAG.replace('("zigzag")', '("zigzag", neighbours=3)')
    register({"zigzag": zigzag("import viddiff.inference.frame_skip\n" + text)})
    assert find_strategy("zigzag").neighbours == 3
    assert plan("google_10_2_8_3").stages


def test_modes_known_before_are_forgotten():
    register("far: {strategy: hierarchy-4}\nrepeated: {pattern: {latent: [0], step: 1}}")
    register({"near": {"strategy": "autoreg"}})
    assert (PRESETS, USER_STRATEGIES) == ({"near": "autoreg"}, {})
    with pytest.raises(InputError, match="strategy 'far' is unknown"):
        plan("far_10_5_60_10")


def test_an_unknown_mode_is_told_the_nearest_of_the_users():
    register({"zigzag-far": {"strategy": "autoreg"}, "keyframes": {"pattern": {"latent": [0], "step": 1}}})
    for wrong, right in (("zigzagfar", "zigzag-far"), ("gibbs-1-keyframe", "keyframes")):
        with pytest.raises(InputError, match=f"did you mean {right}\\?.* keyframes, .*zigzag-far"):
            plan(f"{wrong}_10_5_60_10")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "modes is [], must be a mapping"),
        ("Far: {strategy: autoreg}", 'modes has the key "Far", must be lower-case letters, digits and single'),
        ("far: autoreg", 'modes.far is "autoreg", must be a mapping'),
        ("far: {strategi: autoreg}", "modes.far.strategi is unknown; did you mean strategy? known: file,"),
        ("far: {}", "modes.far: has none of these, must have one of strategy, stages, pattern, matrix, file"),
        (
            "far: {stages: [{latent: [0]}], pattern: {latent: [0], step: 1}}",
            "modes.far: has stages and pattern, must have one of strategy, stages, pattern, matrix, file",
        ),
        ("far: {file: a.py, options: {a: 1}}", "modes.far: has options beside file"),
        ("autoreg: {strategy: hierarchy-2}", "modes.autoreg: autoreg is a mode already"),
        ("hierarchy-9: {strategy: autoreg}", "modes.hierarchy-9: hierarchy-9 is a mode already"),
        ("mixed: {strategy: autoreg}", "modes.mixed: mixed is a mode already"),
        ("adaptive-far: {strategy: autoreg}", "modes.adaptive-far: adaptive-far has a meaning in names"),
        ("l2-far: {strategy: autoreg}", "modes.l2-far: l2-far has a meaning in names"),
        ("optimal: {strategy: autoreg}", "modes.optimal: strategy is 'optimal', must be"),
        ("far: {strategy: autorek}", "modes.far: strategy 'autorek' is unknown; did you mean autoreg?"),
        ("far: {strategy: gibbs-0-autoreg}", "modes.far: gibbs-0-autoreg: the number of sweeps is 0"),
        ("a: {strategy: b}\nb: {strategy: gibbs-1-a}", "modes.a: it stands for itself: a -> b -> a"),
        ("far: {strategy: far}", "modes.far: it stands for itself: far -> far"),
        (
            "far: {strategy: long-range, options: {resent: 1}}",
            "modes.far: long-range has no option 'resent'; its options: recent",
        ),
        ("far: {strategy: autoreg, options: {a: 1}}", "modes.far: autoreg has no option 'a'; its options: none"),
        (
            "far: {strategy: gibbs-1-long-range, options: {recent: 1}}",
            "modes.far: options belong to a strategy, gibbs-1-long-range is a combination",
        ),
        (
            "far: {strategy: long-range, options: {recent: x}}",
            "modes.far: option recent is 'x', must be a number from 0 to 1",
        ),
        (
            "far: {strategy: like-google, options: {skip: 1}}",
            "modes.far: option skip is 1, must be a whole number, 2",
        ),
        ("far: {stages: []}", "modes.far.stages is empty, must have 1 entry at least"),
        ("far: {stages: [{observed: [0]}]}", "modes.far.stages[0] lacks latent, which must be given"),
        (
            "far: {stages: [{latent: [1, 2.5]}]}",
            "modes.far.stages[0].latent[1] is 2.5, must be a whole number",
        ),
        ("far: {stages: [{latent: [-1]}]}", "modes.far.stages[0].latent[0] is -1, must be 0 at least"),
        ("far: {stages: [{latent: [1, 1]}]}", "modes.far.stages[0].latent names something twice: [1, 1]"),
        (
            "far: {stages: [{latent: [2, 5]}, {latent: [3]}]}",
            "modes.far: T is 6, but no stage makes frame 4: every frame must be made",
        ),
        (
            "far: {stages: [{latent: [2], observed: [3]}, {latent: [3]}]}",
            "modes.far: stage 0 observes frame 3, neither given (obs_length is 2) nor made by an earlier stage",
        ),
        ("far: {pattern: {latent: [0]}}", "modes.far.pattern lacks step, which must be given"),
        ("far: {pattern: {latent: [0], step: 0}}", "modes.far.pattern.step is 0, must be 1 at least"),
        ("far: {pattern: {latent: [x], step: 1}}", 'modes.far.pattern.latent[0] is "x", must be a whole number'),
        (
            "far: {pattern: {latent: [0, 3], step: 3}}",
            "modes.far: pattern.latent lacks 1, 2, must hold all of 0 to step - 1 = 2: every frame must be made",
        ),
    ],
)  # fmt: skip
def test_a_wrong_definition_is_refused_in_one_line(text, message):
    with pytest.raises(InputError) as error:
        register(text)
    assert str(error.value).startswith(f"config key {message}")
    assert "\n" not in str(error.value)


IMPORTS = ZIGZAG.partition("@strategy")[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "zigzag.py registers no strategy, must register zigzag alone: @strategy(\"zigzag\")"),
        (ZIGZAG.replace('"zigzag"', '"other"'), "zigzag.py registers other, must register zigzag alone"),
        (ZIGZAG.replace('"zigzag"', '"zigzag", "autoreg"'), "zigzag.py registers zigzag, autoreg, must"),
        ("\nimport nowhere", "zigzag.py, line 2: ModuleNotFoundError: No module named 'nowhere'"),
        ("\n\ndef :", "zigzag.py, line 3: SyntaxError: invalid syntax"),
        (ZIGZAG.replace("window, ", ""), "zigzag.py: the strategy must take length, n_obs, window, step_size"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_with_its_line(zigzag, text, message):
    with pytest.raises(InputError) as error:
        register({"zigzag": zigzag(text)})
    assert str(error.value).startswith(f"config key modes.zigzag: {message}")
    with pytest.raises(InputError, match="strategy 'other' is unknown"):
        plan("other_10_2_8_3")
    assert plan("autoreg_10_2_8_3").stages


def test_a_file_that_is_not_there():
    with pytest.raises(InputError, match=r"^config key modes.zigzag: no file nowhere/zigzag.py$"):
        register({"zigzag": {"file": "nowhere/zigzag.py"}})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("    yield Stage((), (n_obs / 0,))", "zigzag.py, line 8: ZeroDivisionError: division by zero"),
        (
            "    yield Stage((), (3.5,))",
            "zigzag.py: TypeError: 'float' object cannot be interpreted as an int",
        ),
        ("    yield (1, 2)", r"zigzag.py yields \(1, 2\), must yield stages"),
        ("    while True:\n        yield Stage((), (3,))", "zigzag.py makes more than 800 stages"),
        (
            "    yield Stage((), (3, 4), 2)",
            "zigzag.py yields a stage with n_select: frames are selected by the variant adaptive- alone",
        ),
        ("    return None", "zigzag.py: TypeError: 'NoneType' object is not iterable"),
        ("    yield Stage((), (3,))", "T is 8, but no stage makes 4 frames"),
    ],
)
def test_what_goes_wrong_in_a_file_is_no_plan(zigzag, body, message):
    header = ZIGZAG.partition("    for")[0]
    register({"zigzag": zigzag(header + body)})
    with pytest.raises(PlanError, match=f"mode 'zigzag_10_2_8_3': {message}"):
        plan("zigzag_10_2_8_3")


def test_adaptive_variants_keep_as_many_neighbours_as_a_strategy_declares(tmp_path, monkeypatch):
    """By what it declares, not by its name: a strategy with the stages of a hierarchy has the same adaptive plan."""
    monkeypatch.chdir(tmp_path)
    for name, facts in (("mine", ", neighbours=2"), ("other", "")):
        Path(f"{name}.py").write_text(
            "from viddiff.inference.hierarchy import hierarchical\n"
            "from viddiff.inference.strategies import strategy\n\n"
            f'@strategy("{name}"{facts})\n'
            f"def {name}(length, n_obs, window, step_size):\n"
            "    yield from hierarchical(2, length, n_obs, window, step_size)\n"
        )
    register_modes({name: {"file": f"{name}.py"} for name in ("mine", "other")})
    parameters = (60, 10, 8, 3)
    assert plan_of("adaptive-mine", *parameters) == plan_of("adaptive-hierarchy-2", *parameters)
    assert plan_of("adaptive-other", *parameters) != plan_of("adaptive-hierarchy-2", *parameters)


MATRIX = [[1, 2, 2], [0, 1, 2], [0, 0, 1], [0, 0, 0]]


def test_a_matrix_of_levels_is_a_plan():
    register({"mine": {"matrix": MATRIX}})
    plan = plan_of("mine", 5, 2, 4, 1)
    plan.check(4)
    assert plan.stages == (
        Stage((0, 1), (2,), 0, 2, (2,), (1,)),
        Stage((0, 1), (2, 3), 0, 2, (1, 2), (0, 1)),
        Stage((1, 2), (3, 4), 0, 2, (1, 2), (0, 1)),
        Stage((1, 2, 3), (4,), 0, 2, (1,), (0,)),
    )
    assert plan.stages == plan_of("rolling-2", 5, 2, 4, 1).stages
    register({"all": {"matrix": [[2, 2], [2, 2], [0, 0]]}})
    assert plan_of("all", 4, 2, 4, 1).stages == (Stage((0, 1), (2, 3), 0, 2, (2, 2), (0, 0)),)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_every_falling_matrix_is_a_plan(data):
    columns, levels = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 5))
    rows, now = [], [levels] * columns
    while any(now):
        now = [data.draw(st.integers(max(0, level - 3), level)) for level in now]
        now = now if not rows or now != rows[-1] else [max(0, level - 1) for level in now]
        rows.append(now)
    register({"mine": {"matrix": rows}})
    plan = plan_of("mine", 3 + columns, 3, columns + data.draw(st.integers(0, 3)), 1)
    plan.check(9)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[1, 2], [1, 3], [0, 0]], "matrix row 1 takes frame 1 up from level 2 to 3: levels must fall"),
        ([[1, 2], [0, 1]], "matrix leaves frame 1 noisy, at level 1: the last row must be 0 for every frame"),
        ([[1, 2], [0]], "matrix row 1 has 1 levels, must have 2, as row 0"),
        ([[1, -1]], "-1"),
        ([], "matrix"),
        ([[]], "matrix"),
    ],
)
def test_a_matrix_that_cannot_be_is_one_line(matrix, message):
    with pytest.raises(InputError, match=message) as caught:
        register({"mine": {"matrix": matrix}})
    assert "modes.mine" in str(caught.value) and "\n" not in str(caught.value)


def test_a_matrix_fits_one_number_of_frames_and_the_window():
    register({"mine": {"matrix": [[1, 2, 2], [1, 1, 1], [0, 0, 0]]}})
    with pytest.raises(
        PlanError, match="T - obs_length is 4, must be 3: the matrix has a column for each frame"
    ):
        plan_of("mine", 6, 2, 4, 1)
    with pytest.raises(PlanError, match="max_frames is 2, but row 1 of the matrix has 3 noisy frames"):
        plan_of("mine", 5, 2, 2, 1)


def test_a_file_may_yield_steps(zigzag):
    text = """
from viddiff.inference.plan import Stage
from viddiff.inference.strategies import strategy


@strategy("zigzag")
def zigzag(length, n_obs, window, step_size):
    frames = list(range(n_obs, length))
    for level in (2, 1):
        yield Stage([0], frames, levels=2, starts=[level] * len(frames), ends=[level - 1] * len(frames))
"""
    register({"zigzag": zigzag(text)})
    plan = plan_of("zigzag", 4, 1, 4, 1)
    plan.check(4)
    assert plan.stages[1] == Stage((0,), (1, 2, 3), 0, 2, (1, 1, 1), (0, 0, 0))


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        (
            {"strategy": "long-range", "optoins": {"recent": 0.9}},
            "key 'optoins' is unknown; did you mean options",
        ),
        (
            {"stages": [{"latent": [1], "starts": [1], "ends": [0]}]},
            r"key 'starts' of stages\[0\] is unknown",
        ),
        ({"stages": [{"observed": [0]}]}, r"stages\[0\] lacks latent"),
        ({"stages": []}, "stages are empty"),
        ({"matrix": [[1.7, 0], [0, 0]]}, "1.7 must be a whole number"),
        ({"matrix": []}, "matrix is empty"),
        ({"pattern": {"latent": [0, 1]}}, "pattern lacks step"),
        ({"strategy": "google", "second": {"run": "gaps"}}, "second lacks checkpoint"),
    ],
)
def test_a_notebooks_wrong_definition_is_one_line_too(definition, message):
    """Which meets no schema."""
    with pytest.raises(InputError, match=rf"^config key modes\.mine: .*{message}"):
        register_modes({"mine": definition})


@pytest.mark.parametrize("name", ["given2-foo", "newest0.5-foo"])
def test_a_name_that_history_would_read_as_weights_is_refused(name):
    with pytest.raises(InputError, match="has a meaning in names of modes"):
        register_modes({name: {"strategy": "google"}})
