from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest
import torch
from seeded import save_checkpoint

from viddiff.checkpoint import encode, load_checkpoint
from viddiff.errors import InputError, OutputError
from viddiff.files.write import write_bytes
from viddiff.training import state as module
from viddiff.training.ema import start_average, update_average
from viddiff.training.run_files import check_resumable, is_trained, step_inside, trained_step
from viddiff.training.run_state import TrainingState
from viddiff.training.state import resume_state, save_state

CONFIG = {"fake_seed": 1, "lr": 0.1, "save_latest_only": False, "log_interval": 10}
LATEST = CONFIG | {"save_latest_only": True}
RATES = (0.9, 0.5)


def fresh() -> TrainingState:
    model = torch.nn.Linear(3, 2)
    torch.nn.init.constant_(model.weight, 0.5)
    torch.nn.init.constant_(model.bias, 0.0)
    parameters = dict(model.named_parameters())
    optimizer = torch.optim.AdamW(parameters.values(), lr=0.1)
    return TrainingState(model, optimizer, {rate: start_average(parameters) for rate in RATES})


def advance(state: TrainingState, steps: int) -> TrainingState:
    for _ in range(steps):
        state.optimizer.zero_grad()
        state.model(torch.full((1, 3), 1.0 + state.step)).square().sum().backward()
        state.optimizer.step()
        for rate, average in state.averages.items():
            update_average(average, dict(state.model.named_parameters()), rate)
        state.step += 1
    return state


def resumed(run: Path, config=CONFIG, last_step: int = 100) -> TrainingState:
    state = fresh()
    resume_state(run, state, config, last_step)
    return state


def assert_same(state: TrainingState, other: TrainingState) -> None:
    """Equal now and after one more step, so the optimiser's state is equal too."""
    for _ in range(2):
        assert state.step == other.step
        for a, b in ((state.model.state_dict(), other.model.state_dict()), *zip(
            state.averages.values(), other.averages.values(), strict=True
        )):  # fmt: skip
            assert all(torch.equal(a[name], b[name]) for name in b)
        advance(state, 1), advance(other, 1)


@pytest.mark.parametrize("config", [CONFIG, LATEST])
def test_a_state_comes_back(tmp_path, config):
    state = advance(fresh(), 3)
    save_state(tmp_path, state, config)
    suffix = "latest" if config is LATEST else "000003"
    names = {f"{kind}_{suffix}.pt" for kind in ("model", "ema_0.9", "ema_0.5", "opt")}
    assert {path.name for path in tmp_path.iterdir()} == names
    checkpoint = load_checkpoint(tmp_path / f"ema_0.5_{suffix}.pt")
    assert (checkpoint.step, checkpoint.config) == (3, config)
    assert torch.equal(checkpoint.state_dict["weight"], state.averages[0.5]["weight"])
    assert_same(resumed(tmp_path, config), state)


def test_the_opt_file_is_also_an_optimisers_state(tmp_path):
    save_state(tmp_path, advance(fresh(), 2), CONFIG)
    content = torch.load(tmp_path / "opt_000002.pt", weights_only=True)
    fresh().optimizer.load_state_dict(content)
    assert content["step"] == 2


def test_nothing_to_resume(tmp_path):
    assert_same(resumed(tmp_path / "absent"), fresh())


class Killed(BaseException):
    pass


def killed(monkeypatch, calls: int, act, *arguments) -> bool:
    """Call a function; die before or after one of its writes and renamings, the `calls`-th of these moments."""
    left = iter(range(calls, -1, -1))

    def dying(function):
        def call(*args):
            if next(left, 0) == 0:
                raise Killed
            function(*args)
            if next(left, 0) == 0:
                raise Killed

        return call

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_bytes", dying(module.write_bytes))
        patch.setattr(module.os, "replace", dying(module.os.replace))
        try:
            act(*arguments)
        except Killed:
            return True
        return False


@pytest.mark.parametrize("config", [CONFIG, LATEST])
def test_killed_at_any_moment_of_saving_a_complete_set_is_left(tmp_path, monkeypatch, config):
    """The process dies before or after each write and each renaming of the second set, and of the resumption."""
    first = advance(fresh(), 1)
    for calls in range(100):
        run = tmp_path / str(calls)
        save_state(run, first, config)
        finished = not killed(monkeypatch, calls, save_state, run, advance(fresh(), 2), config)
        killed(monkeypatch, calls % 5, resumed, run, config)
        state = resumed(run, config)
        step = state.step
        assert step in (1, 2)
        assert_same(state, advance(fresh(), step))
        # The run goes on, to files of the names that were asked for.
        save_state(run, advance(resumed(run, config), 1), config)
        suffix = "latest" if config is LATEST else f"{step + 1:06d}"
        assert load_checkpoint(run / f"ema_0.9_{suffix}.pt").step == step + 1
        sets = 1 if config is LATEST else step + 1
        assert len(list(run.iterdir())) == 4 * sets  # nothing is left over
        if finished:
            assert calls > 20 and step == 2
            return
    raise AssertionError("never finished")


@pytest.mark.parametrize("kind", ["opt", "model", "ema_0.9", "ema_0.5"])
@pytest.mark.parametrize("harm", ["truncate", "flip", "remove"])
def test_a_damaged_set_is_skipped_with_a_warning_and_kept(tmp_path, caplog, kind, harm):
    state = fresh()
    for _ in range(2):
        save_state(tmp_path, advance(state, 2), CONFIG)
    path = tmp_path / f"{kind}_000004.pt"
    data = path.read_bytes()
    harmed = {"truncate": data[: len(data) // 2], "flip": data[:-1] + b"x", "remove": b""}[harm]
    path.write_bytes(harmed) if harm != "remove" else path.unlink()
    if kind == "opt" and harm != "flip":  # nothing tells that the others are the run's own
        with pytest.raises(InputError, match=r"_000004\.pt: training would overwrite it"):
            resumed(tmp_path)
        return
    kept = {file.name: file.read_bytes() for file in tmp_path.glob("*_000004.pt")}
    with caplog.at_level(logging.WARNING):
        back = resumed(tmp_path)
    if kind == "opt" and back.step == 4:
        return  # the last byte of a zip file is the length of a comment that nobody reads
    assert f"its {kind} file is missing or damaged" in caplog.text
    assert "set aside as model_000004.pt.unsound" in caplog.text or (kind, harm) == ("model", "remove")
    save_state(tmp_path, advance(back, 2), CONFIG)  # for nothing stands in its way
    assert_same(resumed(tmp_path), advance(fresh(), 4))
    assert {name: (tmp_path / f"{name}.unsound").read_bytes() for name in kept} == kept


def test_what_is_set_aside_takes_no_name_that_is_there(tmp_path):
    save_state(tmp_path, advance(fresh(), 2), CONFIG)
    for times in range(1, 4):
        save_state(tmp_path, advance(resumed(tmp_path), 2), CONFIG)
        (tmp_path / "model_000004.pt").write_bytes(b"damaged")
        resumed(tmp_path)
        assert len(list(tmp_path.glob("model_000004.pt.unsound*"))) == times


def test_a_set_beyond_the_end_is_left_alone(tmp_path, caplog):
    state = fresh()
    for _ in range(3):
        save_state(tmp_path, advance(state, 2), CONFIG)
    assert resumed(tmp_path).step == 6
    before = listing(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert resumed(tmp_path, last_step=5).step == 6
    assert "is trained to step 6, beyond the 5 asked for; nothing is done" in caplog.text
    assert listing(tmp_path) == before


def test_a_set_under_other_names_gets_those_asked_for(tmp_path):
    save_state(tmp_path, advance(fresh(), 2), CONFIG)
    resumed(tmp_path, LATEST)
    assert load_checkpoint(tmp_path / "model_latest.pt").step == 2
    assert (tmp_path / "model_000002.pt").is_file()


def test_changed_settings_are_refused(tmp_path):
    save_state(tmp_path, advance(fresh(), 2), CONFIG)
    with pytest.raises(
        InputError,
        match=r"fake_seed was 1 and is 2, T was None and is 3 \(what each training step draws comes from it; a run is "
        r"of one kind of windows\); put them back or name another run",
    ):
        resumed(tmp_path, CONFIG | {"fake_seed": 2, "T": 3})
    assert resumed(tmp_path, CONFIG | {"log_interval": 1}).step == 2


def test_frames_that_were_not_square_are_told_from_square_ones(tmp_path):
    wide = CONFIG | {"image_size": 64, "image_width": 96}
    save_state(tmp_path, advance(fresh(), 2), wide)
    with pytest.raises(InputError, match="image_width was 96 and is None"):
        resumed(tmp_path, CONFIG | {"image_size": 64})
    assert resumed(tmp_path, wide).step == 2


@pytest.mark.parametrize("kind", ["opt", "model", "ema_0.9"])
@pytest.mark.parametrize("config", [CONFIG, LATEST])
def test_a_set_that_is_not_finite_is_skipped_for_an_older_one(tmp_path, caplog, kind, config):
    """A latest set has an older one beside it if the run had numbered files before."""
    state = fresh()
    save_state(tmp_path, advance(state, 2), CONFIG)
    broken = advance(fresh(), 4)
    tensors = {
        "opt": broken.optimizer.state_dict()["state"][0]["exp_avg"],
        "model": broken.model.weight.data,
        "ema_0.9": broken.averages[0.9]["weight"],
    }
    tensors[kind][0] = torch.nan
    assert not broken.is_finite() and state.is_finite()
    save_state(tmp_path, broken, config)
    with caplog.at_level(logging.WARNING):
        assert_same(resumed(tmp_path, config), advance(fresh(), 2))
    assert "holds weights that are not finite" in caplog.text
    kept = list(tmp_path.glob("*.unsound"))
    assert len(kept) == (4 if config is CONFIG else 0)


@pytest.mark.parametrize("config", [CONFIG, LATEST])
def test_a_run_without_a_sound_set_does_not_start_anew(tmp_path, config):
    broken = advance(fresh(), 2)
    broken.model.bias.data[0] = torch.inf
    save_state(tmp_path, broken, config)
    before = listing(tmp_path)
    with pytest.raises(
        InputError, match="no whole and finite set of files to go on from; move the checkpoints"
    ):
        resumed(tmp_path, config)
    assert listing(tmp_path) == before


def originals_set(run: Path, end: str) -> None:
    """As the original code writes it: the opt file is the optimiser's state alone."""
    state = advance(fresh(), 2)
    run.mkdir(exist_ok=True)
    write_bytes(run / f"opt_{end}.pt", encode(state.optimizer.state_dict()))
    for kind in ("model", "ema_0.9", "ema_0.5"):
        save_checkpoint(run / f"{kind}_{end}.pt", state.model.state_dict(), CONFIG, 2)


def another_runs(run: Path, *names: str) -> None:
    """Files of step 6 of a training with another seed."""
    save_state(run.parent / "other", advance(fresh(), 6), CONFIG | {"fake_seed": 2})
    for name in names:
        shutil.copy(run.parent / "other" / f"{name}_000006.pt", run)


FOREIGN = {
    "the original's": (CONFIG, lambda run: originals_set(run, "000006"), False),
    "the original's, of a step beyond the end": (CONFIG, lambda run: originals_set(run, "000200"), False),
    "the original's latest, of a step that is there": (
        LATEST,
        lambda run: [originals_set(run, "latest"), originals_set(run, "000002")],
        False,
    ),
    "one file": (CONFIG, lambda run: save_checkpoint(run / "ema_0.9_000200.pt", {}, {}, 200), False),
    "one file of a later step": (
        CONFIG,
        lambda run: save_checkpoint(run / "ema_0.9_000006.pt", {}, {}, 6),
        True,
    ),
    "the original's, of a later step": (CONFIG, lambda run: originals_set(run, "000006"), True),
    "another run's, without its opt file": (CONFIG, lambda run: another_runs(run, "model", "ema_0.9"), True),
    "another run's, incomplete": (CONFIG, lambda run: another_runs(run, "opt", "ema_0.9"), True),
    "another run's": (CONFIG, lambda run: another_runs(run, "opt", "model", "ema_0.9", "ema_0.5"), True),
    "a latest one beside numbered files": (
        LATEST,
        lambda run: save_checkpoint(run / "ema_0.9_latest.pt", {}, {}, 6),
        True,
    ),
    "the original's latest beside numbered files": (LATEST, lambda run: originals_set(run, "latest"), True),
    "another log": (CONFIG, lambda run: (run / "log.csv").write_text("epoch,accuracy\n1,0.5\n"), True),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_files_of_others_are_refused_before_anything_is_written(tmp_path, what):
    config, put, beside_own = FOREIGN[what]
    run = tmp_path / "run"
    run.mkdir()
    if beside_own:
        save_state(run, advance(fresh(), 4), CONFIG)
    put(run)
    before = listing(run)
    with pytest.raises(InputError, match="another run") as error:
        resumed(run, config)
    assert "\n" not in str(error.value) and str(run) in str(error.value)
    assert listing(run) == before
    if what not in ("another run's", "another run's, incomplete"):  # these take torch to tell
        with pytest.raises(InputError, match="another run"):
            check_resumable(run, 100, config["save_latest_only"])


def test_files_of_others_that_are_not_in_the_way_do_not_matter(tmp_path):
    save_state(tmp_path, advance(fresh(), 4), CONFIG)
    check_resumable(tmp_path, 100, False)
    originals_set(tmp_path, "000003")
    originals_set(tmp_path, "000101")
    originals_set(tmp_path, "latest")
    before = listing(tmp_path)
    save_state(tmp_path, advance(resumed(tmp_path), 1), CONFIG)
    assert before.items() <= listing(tmp_path).items()


def test_nothing_numbered_is_ever_overwritten(tmp_path):
    """Whatever comes while a training runs."""
    save_checkpoint(tmp_path / "ema_0.9_000002.pt", {}, {}, 2)
    before = listing(tmp_path)
    with pytest.raises(InputError, match=r"ema_0\.9_000002\.pt: training would overwrite it"):
        save_state(tmp_path, advance(fresh(), 2), CONFIG)
    assert listing(tmp_path) == before


def test_changed_training_data_are_named(tmp_path, caplog):
    save_state(tmp_path, advance(fresh(), 2), CONFIG, data="10 a.npy\n10 b.npy")
    with caplog.at_level(logging.WARNING):
        resume_state(tmp_path, fresh(), CONFIG, 100, data="10 a.npy\n10 b.npy")
        assert not caplog.records
        resume_state(tmp_path, fresh(), CONFIG, 100, data="12 a.npy\n10 c d.npy")
    changes = "files: 1 gone (b.npy), 1 new (c d.npy), 1 of another size (a.npy)"
    assert f"the training data are not those of step 2: {changes}" in caplog.text


def test_the_step_of_a_file_is_told_without_torch(tmp_path):
    for step in (0, 7, 300, 70_000, 2**40):
        save_checkpoint(tmp_path / "model_latest.pt", {"a": torch.ones(2)}, CONFIG, step)
        assert step_inside(tmp_path / "model_latest.pt") == step
    torch.save({"step": 5, "state_dict": {}, "config": {}}, tmp_path / "model_latest.pt")
    assert step_inside(tmp_path / "model_latest.pt") == 5
    for other in ([], {}, {"step": True}, {"step": torch.ones(())}):
        torch.save(other, tmp_path / "model_latest.pt")
        assert step_inside(tmp_path / "model_latest.pt") is None


def test_a_run_is_finished_when_its_checkpoints_are_of_its_last_step(tmp_path):
    state = fresh()
    assert not is_trained(tmp_path, RATES, 2, False)
    save_state(tmp_path, advance(state, 2), CONFIG)
    assert [is_trained(tmp_path, RATES, steps, False) for steps in (1, 2, 3)] == [True, True, False]
    assert not is_trained(tmp_path, RATES, 2, True)  # the files have other names
    save_state(tmp_path, advance(state, 2), LATEST)
    assert [is_trained(tmp_path, RATES, steps, True) for steps in (2, 4, 5)] == [True, True, False]
    (tmp_path / ".next-opt.pt").touch()  # killed before all files had their names
    assert not is_trained(tmp_path, RATES, 4, True)
    assert trained_step(tmp_path, (0.7,)) == 0


def test_unwritable_run(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*/run/\.next-model\.pt"):
        save_state(tmp_path / "run", fresh(), CONFIG)


def listing(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.iterdir()}


@pytest.mark.parametrize("name", ["log.csv", "validation.csv"])
def test_a_table_of_somebody_else_is_not_written_over(tmp_path, name):
    (tmp_path / name).write_text("my,notes\n1,2\n")
    with pytest.raises(InputError, match=rf"{name}: no training of viddiff wrote it; move it away"):
        check_resumable(tmp_path, 10, latest=False)
    (tmp_path / name).unlink()
    check_resumable(tmp_path, 10, latest=False)
