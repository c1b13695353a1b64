from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from seeded import save_checkpoint

from viddiff.checkpoint import load_checkpoint
from viddiff.errors import InputError, OutputError
from viddiff.training import state as module
from viddiff.training.ema import start_average, update_average
from viddiff.training.state import TrainingState, resume_state, save_state

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


@pytest.mark.parametrize("config", [CONFIG, LATEST])
def test_killed_at_any_moment_of_saving_a_complete_set_is_left(tmp_path, monkeypatch, config):
    """The process dies before, in the middle of, or after each write and each renaming of the second set."""
    first = advance(fresh(), 1)
    for calls in range(100):
        run = tmp_path / str(calls)
        save_state(run, first, config)
        left = iter(range(calls, -1, -1))

        def dying(function, left=left):
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
                save_state(run, advance(fresh(), 2), config)
                finished = True
            except Killed:
                finished = False
        state = resumed(run, config)
        step = state.step
        assert step in (1, 2)
        assert_same(state, advance(fresh(), step))
        # The run goes on, to files of the names that were asked for.
        save_state(run, advance(resumed(run, config), 1), config)
        suffix = "latest" if config is LATEST else f"{step + 1:06d}"
        assert load_checkpoint(run / f"ema_0.9_{suffix}.pt").step == step + 1
        if finished:
            assert calls > 5 and step == 2
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
    if kind == "opt" and harm == "remove":
        with pytest.raises(InputError, match=r"ema_0\.5_000004\.pt: training would overwrite it"):
            resumed(tmp_path)
        return
    with caplog.at_level(logging.WARNING):
        back = resumed(tmp_path)
    if kind == "opt" and harm == "flip" and back.step == 4:
        return  # the last byte of a zip file is the length of a comment that nobody reads
    assert_same(back, advance(fresh(), 2))
    assert len(caplog.records) == 1 and "000004.pt" in caplog.text
    assert not path.exists() or path.read_bytes() == harmed


def test_the_newest_set_not_beyond_the_end(tmp_path):
    state = fresh()
    for _ in range(3):
        save_state(tmp_path, advance(state, 2), CONFIG)
    assert resumed(tmp_path).step == 6
    assert resumed(tmp_path, last_step=5).step == 4


def test_a_set_under_other_names_gets_those_asked_for(tmp_path):
    save_state(tmp_path, advance(fresh(), 2), CONFIG)
    resumed(tmp_path, LATEST)
    assert load_checkpoint(tmp_path / "model_latest.pt").step == 2
    assert (tmp_path / "model_000002.pt").is_file()


def test_changed_settings_are_refused(tmp_path):
    save_state(tmp_path, advance(fresh(), 2), CONFIG)
    with pytest.raises(InputError, match=r"lr was 0\.1 and is 0\.2; put them back or name another run"):
        resumed(tmp_path, CONFIG | {"lr": 0.2})
    assert resumed(tmp_path, CONFIG | {"log_interval": 1}).step == 2


def test_checkpoints_of_others_are_not_overwritten(tmp_path):
    save_checkpoint(tmp_path / "ema_0.9_000050.pt", {}, {}, 50)
    with pytest.raises(InputError, match=r"ema_0\.9_000050\.pt: training would overwrite it"):
        resumed(tmp_path)
    assert resumed(tmp_path, last_step=49).step == 0
    save_checkpoint(tmp_path / "ema_0.9_latest.pt", {}, {}, 50)
    with pytest.raises(InputError, match=r"ema_0\.9_latest\.pt: training would overwrite it"):
        resumed(tmp_path, LATEST, last_step=49)


def test_unwritable_run(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(OutputError, match=r"opt_000000\.pt"):
        save_state(tmp_path / "run", fresh(), CONFIG)
