"""Several processes that train together, by gloo on this machine's processor, against one that trains alone."""

from __future__ import annotations

import os
import signal
import time
import traceback
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import torch
from tiny import SETTINGS, Stub
from torch import distributed

from viddiff.checkpoint import load_checkpoint, load_tensors
from viddiff.diffusion.loss import Losses
from viddiff.errors import InputError
from viddiff.training import loop, step
from viddiff.training.config import training_config
from viddiff.training.loading import training_windows
from viddiff.training.loop import train
from viddiff.training.processes import ALONE, Processes
from viddiff.training.step import seed_dropout

CPU = torch.device("cpu")


def config(**changes):
    return training_config(SETTINGS | {"batch_size": 4, "steps": 4} | changes)


def together(folder: Path, count: int, work) -> list[str]:
    """Call `work(processes)` in forks that are one group. Returns what each ended with: "", or an error's last line."""
    folder.mkdir(parents=True, exist_ok=True)
    store = folder / "store"
    children = []
    for rank in range(count):
        child = os.fork()
        if child == 0:
            end = ""
            try:
                shared = distributed.FileStore(str(store), count)
                distributed.init_process_group(
                    "gloo", store=shared, rank=rank, world_size=count, timeout=timedelta(seconds=60)
                )
                work(Processes(rank, count, distributed.PrefixStore("first", shared)))
            except BaseException:
                end = traceback.format_exc()
            (folder / f"end_{rank}").write_text(end)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    store.unlink()
    ends = [folder / f"end_{rank}" for rank in range(count)]
    said = [end.read_text() if end.exists() else "killed" for end in ends]
    for end in ends:
        end.unlink(missing_ok=True)
    return said


def train_together(run: Path, data, settings, count: int = 2, **options) -> None:
    """Train with so many processes, which must end well."""
    said = together(
        run.with_name(f"{run.name}_group"),
        count,
        lambda processes: train(settings, data, run, processes=processes, **options),
    )
    assert said == [""] * count, "\n".join(said)


def assert_close(a: Path, b: Path, step: int, files: int = 4, rounding: float = 1e-5) -> None:
    """Two runs have the same files of a step, with the same weights and moments but for rounding.

    Gradients that are zero but for rounding do not count: AdamW makes steps of the common size of them.
    """
    names = {path.name for path in a.glob(f"*_{step:06d}.pt")}
    assert names == {path.name for path in b.glob(f"*_{step:06d}.pt")} and len(names) == files
    (one, moments), (other, others) = (
        (load_checkpoint(run / f"model_{step:06d}.pt"), load_tensors(run / f"opt_{step:06d}.pt")["state"])
        for run in (a, b)
    )
    assert one.step == other.step == step
    largest = max(float(moment["exp_avg"].abs().max()) for moment in moments.values())
    assert moments.keys() == others.keys()
    counted = 0
    for number, (name, weight) in enumerate(one.state_dict.items()):
        if number not in moments:
            assert torch.equal(weight, other.state_dict[name])  # no gradient
            continue
        torch.testing.assert_close(
            moments[number]["exp_avg"], others[number]["exp_avg"], rtol=0, atol=rounding * largest
        )
        felt = moments[number]["exp_avg_sq"].sqrt() > 1e-4
        counted += int(felt.sum())
        torch.testing.assert_close(weight[felt], other.state_dict[name][felt], rtol=0, atol=0.2 * rounding)
    assert counted > 20
    averages = [load_checkpoint(run / f"ema_0.9_{step:06d}.pt").state_dict for run in (a, b)]
    torch.testing.assert_close(averages[0], averages[1], rtol=0, atol=2e-4)


def rows_of(run: Path) -> list[list[float]]:
    lines = (run / "log.csv").read_text().splitlines()[1:]
    return [[float(value) for value in line.split(",")[:-1]] for line in lines]


def test_two_processes_equal_one_and_go_on_as_any_number(tmp_path, data):
    """The network itself, with dropout: a whole short training, and one that changes its processes at each save."""
    settings = {"pad_with_random_frames": False, "dropout": 0.2, "steps": 2, "save_interval": 1}
    settings |= {"observed_noise": 0.3, "schedule_sampler": "loss-second-moment"}
    train(config(**settings), data, tmp_path / "alone")
    train_together(tmp_path / "two", data, config(**settings))
    assert_close(tmp_path / "alone", tmp_path / "two", 2)
    torch.testing.assert_close(
        rows_of(tmp_path / "two"), rows_of(tmp_path / "alone"), rtol=1e-4, atol=1e-6, equal_nan=True
    )
    train(config(**settings | {"steps": 1}), data, tmp_path / "changed")
    train_together(tmp_path / "changed", data, config(**settings, microbatch=1))
    assert_close(tmp_path / "alone", tmp_path / "changed", 2)
    assert sorted(path.name for path in (tmp_path / "changed").iterdir()) == sorted(
        path.name for path in (tmp_path / "alone").iterdir()
    )


@pytest.mark.parametrize("padded", [True, False])
def test_rows_are_those_of_the_batch(data, padded):
    settings = config(batch_size=6, steps=2, pad_with_random_frames=padded)
    whole = list(training_windows(settings, data, 0))
    for count in (1, 2, 3, 6):
        for rank in range(count):
            rows = Processes(rank, count).rows(6)
            parts = list(training_windows(settings, data, 0, rows=rows))
            for part, window in zip(parts, whole, strict=True):
                assert all(
                    torch.equal(getattr(part, name), getattr(window, name)[rows]) for name in vars(part)
                )
    with pytest.raises(InputError, match="batch_size is 6; must be a multiple of the number of processes, 4"):
        Processes(0, 4).rows(6)


def test_dropout_depends_on_the_row_alone():
    stub = Stub()
    h = torch.ones(6, 3, 4, 4).contiguous(memory_format=torch.channels_last)  # three rows of two frames

    def dropped(rows):
        seed_dropout([stub.dropout], 1, 7, rows)
        return stub.dropout(h[2 * rows[0] : 2 * rows[-1] + 2])

    whole = dropped([0, 1, 2])
    assert torch.equal(whole, torch.cat([dropped([0]), dropped([1, 2])]))
    assert not torch.equal(whole[:2], whole[2:4]) and not torch.equal(whole[0], whole[1])
    assert torch.equal(whole.unique(), torch.tensor([0.0, 1 / 0.9]))
    many = torch.ones(2, 100_000)
    seed_dropout([stub.dropout], 1, 7, [0, 1])
    assert stub.dropout(many).mean().item() == pytest.approx(1, abs=0.01)
    assert torch.equal(stub.eval().dropout(h), h)
    stub.train().dropout.p = 1.0
    assert not stub.dropout(h).any()


@pytest.fixture
def stub(monkeypatch):
    monkeypatch.setattr(loop, "build_model", lambda config: Stub())


@pytest.mark.parametrize("told", [0, 1])
def test_all_stop_at_the_same_step_if_one_is_told_to(tmp_path, data, stub, told):
    def work(processes):
        done = []
        stop = lambda: processes.rank == told and done[-1] == 3  # noqa: E731
        assert (
            train(config(), data, tmp_path / "run", progress=done.append, stop=stop, processes=processes) == 3
        )

    assert together(tmp_path / "group", 2, work) == ["", ""]
    assert load_checkpoint(tmp_path / "run" / "model_000003.pt").step == 3
    assert train(config(), data, tmp_path / "run") == 4


def test_a_killed_process_ends_the_others_and_the_run_goes_on(tmp_path, data, stub):
    def work(processes):
        def progress(step):
            if processes.rank == 1 and step == 3:
                os.kill(os.getpid(), signal.SIGKILL)

        train(config(), data, tmp_path / "killed", progress=progress, processes=processes)

    said = together(tmp_path / "group", 2, work)
    assert said[1] == "killed" and "gloo" in said[0], said[0]
    assert sorted(path.name for path in (tmp_path / "killed").glob("model_*")) == ["model_000002.pt"]
    train_together(tmp_path / "killed", data, config(), count=4)
    train(config(), data, tmp_path / "whole")
    assert_close(tmp_path / "whole", tmp_path / "killed", 4)


def test_weights_that_differ_between_processes_are_not_saved(tmp_path, data, monkeypatch):
    def work(processes):
        def progress(step):
            if processes.rank == 1 and step == 1:
                with torch.no_grad():
                    models[0].conv.weight.mul_(1 + 1e-6)

        train(config(), data, tmp_path / "run", progress=progress, processes=processes)

    models = []
    monkeypatch.setattr(loop, "build_model", lambda config: models.append(Stub()) or models[0])
    said = together(tmp_path / "group", 2, work)
    for end in said:
        assert end.strip().endswith(
            "the processes of the training have different weights; nothing of it is saved"
        )
    assert not list((tmp_path / "run").glob("*.pt"))


SCALED = {"precision": "float16", "save_interval": 1, "schedule_sampler": "loss-second-moment"}
SCALED |= {"post_hoc_ema": True, "keep_last": 1, "keep_every": 4}


def test_an_update_that_overflows_in_one_process_is_left_out_by_all(tmp_path, data, stub, monkeypatch):
    """And process 0 alone writes all kinds of files, and thins them out; the scale of the loss goes on."""
    real, scaler = step.training_loss, partial(torch.amp.GradScaler, init_scale=16.0, growth_interval=2)
    monkeypatch.setattr(torch.amp, "GradScaler", scaler)
    made = []

    def loss(row, *arguments):
        """The loss is infinite in this row at training step 1."""
        found = real(*arguments)
        factor = torch.ones(len(found.loss))
        factor[row] = torch.inf if len(made) == 2 else 1.0
        return Losses(found.loss * factor, found.latent_mse)

    def work(processes):
        row = slice(3, 4) if processes.count == 1 else slice(1, 2) if processes.rank else slice(0)
        monkeypatch.setattr(step, "training_loss", partial(loss, row))
        made.clear()
        run = tmp_path / ("alone" if processes.count == 1 else "two")
        train(config(**SCALED, steps=3), data, run, progress=made.append, processes=processes)
        made.clear()
        train(config(**SCALED), data, run, progress=made.append, processes=processes)

    work(ALONE)
    assert together(tmp_path / "group", 2, work) == ["", ""]
    assert_close(tmp_path / "alone", tmp_path / "two", 4, files=6, rounding=2e-3)
    opts = [load_tensors(tmp_path / run / "opt_000004.pt") for run in ("alone", "two")]
    assert opts[0]["scaler"] == opts[1]["scaler"] and opts[0]["scaler"]["scale"] == 16.0
    assert {float(moments["step"]) for opt in opts for moments in opt["state"].values()} == {3.0}
    assert torch.equal(opts[0]["history"]["counts"], opts[1]["history"]["counts"])
    names = [sorted(path.name for path in (tmp_path / run).iterdir()) for run in ("alone", "two")]
    assert names[0] == names[1] and not (tmp_path / "two" / "opt_000003.pt").exists()


def test_the_others_wait_for_what_process_0_does_alone(tmp_path):
    def work(processes):
        with processes.first_alone("writes"):
            if processes.rank == 0:
                time.sleep(0.3)
                (tmp_path / "written").touch()
        assert (tmp_path / "written").exists()
        with processes.first_alone("fails"):
            assert processes.rank

    said = together(tmp_path / "group", 2, work)
    assert "AssertionError" in said[0] and "FirstFailed: fails" in said[1]


def test_a_loss_that_is_not_finite_is_told_by_all(tmp_path, data, monkeypatch):
    def work(processes):
        def progress(step):
            if processes.rank == 1 and step == 1:
                with torch.no_grad():
                    models[0].conv.bias.fill_(torch.nan)

        train(config(), data, tmp_path / "run", progress=progress, processes=processes)

    models = []
    monkeypatch.setattr(loop, "build_model", lambda config: models.append(Stub()) or models[0])
    said = together(tmp_path / "group", 2, work)
    for end in said:
        assert "the loss of 2 of 4 windows is not finite at training step 1" in end
