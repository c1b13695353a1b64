"""A training of the original that goes on here: against what its own loop does next, written out.

Its loop: `step` counts from 0 and is saved before it is raised; at resumption the update of that `step` comes again.
With `use_fp16` AdamW sees one vector of all parameters; gradients are of float32 here, as its loss scale cancels.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
from tiny import SETTINGS, Stub
from torch import nn

from viddiff.checkpoint import checkpoint_dict, encode, load_checkpoint
from viddiff.diffusion.process import diffusion_of
from viddiff.errors import InputError
from viddiff.files.write import write_bytes
from viddiff.training import loop, originals
from viddiff.training.config import training_config
from viddiff.training.loading import training_windows
from viddiff.training.loop import train
from viddiff.training.run_files import check_resumable, is_trained, original_set
from viddiff.training.step import NOISE, seed_dropout, step_seed

RATES = (0.9, 0.5)
CHANGES = {"weight_decay": 0.1, "lr_anneal_steps": 20, "save_interval": 3, "steps": 6}
SAVED = 3  # the step in the names of the original's files


@pytest.fixture(autouse=True)
def stub(monkeypatch):
    monkeypatch.setattr(loop, "build_model", lambda config: network())


def network() -> Stub:
    """Its kernels lie in memory as those of ours, which is not how the moments in the original's files do."""
    return Stub().to(memory_format=torch.channels_last)


def settings(**changes):
    return training_config(SETTINGS | CHANGES | changes)


class Original:
    """The original's loop, for a few steps."""

    def __init__(self, data, *, flat: bool, config=None):
        self.data, self.flat, self.config = data, flat, config or settings()
        torch.manual_seed(3)
        self.model = network()
        self.parts = list(self.model.parameters())
        if flat:
            self.masters = [nn.Parameter(torch.cat([part.detach().reshape(-1) for part in self.parts]))]
        else:
            self.masters = self.parts
        self.optimizer = torch.optim.AdamW(
            self.masters, lr=self.config.lr, weight_decay=self.config.weight_decay
        )
        self.averages = {rate: [part.detach().clone() for part in self.masters] for rate in RATES}
        self.step = 0

    def run_step(self, window) -> None:
        config, diffusion = self.config, diffusion_of(self.config.to_flat())
        generator = torch.Generator().manual_seed(step_seed(config.seed, self.step, NOISE))
        seed_dropout([self.model.dropout], config.seed, self.step, range(len(window.frames)))
        t = torch.randint(diffusion.n_steps, (len(window.frames),), generator=generator)
        noise = torch.randn(window.frames.shape, generator=generator)
        alpha_bar = torch.tensor(diffusion.schedule.alpha_bar)[t].float()[:, None, None, None, None]
        x_t = alpha_bar.sqrt() * window.frames + (1 - alpha_bar).sqrt() * noise
        error = (noise - self.model(x_t, diffusion.network_time(t), window)) ** 2
        loss = (error * ~window.observed[:, :, None, None, None]).flatten(1).mean(dim=1).mean()
        self.model.zero_grad()
        loss.backward()
        if self.flat:
            self.masters[0].grad = torch.cat([part.grad.reshape(-1) for part in self.parts])
        for group in self.optimizer.param_groups:
            group["lr"] = config.lr * (1 - self.step / config.lr_anneal_steps)
        self.optimizer.step()
        for rate, average in self.averages.items():
            for mean, part in zip(average, self.masters, strict=True):
                mean.mul_(rate).add_(part.detach(), alpha=1 - rate)
        if self.flat:
            for part, value in zip(self.parts, self.by_name(self.masters).values(), strict=True):
                part.data.copy_(value)

    def run(self, first: int, last: int) -> None:
        windows = training_windows(self.config, self.data, first)
        for self.step in range(first, last + 1):
            self.run_step(next(windows))

    def by_name(self, values):
        names = [name for name, _ in self.model.named_parameters()]
        if self.flat:
            pieces = values[0].detach().split([part.numel() for part in self.parts])
            values = [piece.view(part.shape) for piece, part in zip(pieces, self.parts, strict=True)]
        return {name: value.detach() for name, value in zip(names, values, strict=True)}

    def weights(self):
        return {"model": self.by_name(self.masters)} | {
            f"ema_{rate}": self.by_name(average) for rate, average in self.averages.items()
        }

    def save(self, run: Path, end: str) -> None:
        run.mkdir(exist_ok=True)
        config = self.config.to_flat() | {"use_fp16": self.flat, "resume_id": "abc", "n_valid_batches": 3}
        for kind, weights in self.weights().items():
            write_bytes(run / f"{kind}_{end}.pt", encode(checkpoint_dict(weights, config, self.step)))
        opt = self.optimizer.state_dict()
        for moments in opt["state"].values():
            moments |= {key: value.contiguous() for key, value in moments.items()}
        write_bytes(run / f"opt_{end}.pt", encode(opt))


def content(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.glob("*.pt")}


@pytest.mark.parametrize(
    ("flat", "end", "latest"),
    [(False, "000003", False), (True, "000003", True), (False, "latest", True), (True, "latest", False)],
)
def test_the_next_three_steps_are_the_originals(tmp_path, data, flat, end, latest):
    original, run = Original(data, flat=flat), tmp_path / "run"
    original.run(0, SAVED)
    original.save(run, end)
    files = content(run)
    config = settings(save_latest_only=latest)
    check_resumable(run, config.steps, latest)
    assert not is_trained(run, config.ema_rates, config.steps, latest)
    assert train(config, data, run) == SAVED + 3
    original.run(SAVED, SAVED + 2)
    name = "latest" if latest else f"{SAVED + 3:06d}"
    for kind, expected in original.weights().items():
        found = load_checkpoint(run / f"{kind}_{name}.pt")
        assert found.step == SAVED + 3
        for key, value in expected.items():
            torch.testing.assert_close(found.state_dict[key], value, rtol=0, atol=1e-7)
    kept = {name.replace("latest", f"{SAVED:06d}") if latest else name: held for name, held in files.items()}
    assert kept.items() <= content(run).items()  # nothing of the original's is lost
    with open(run / "changes.csv", newline="") as file:
        rows = [(row["step"], row["key"], row["was"]) for row in csv.DictReader(file)]
    assert rows[0][:2] == ("3", "origin") and rows[1:] == ([("3", "precision", "float16")] if flat else [])

    # Stopped and resumed, it is the same to the last bit: now from files of this program.
    other = tmp_path / "stopped"
    original = Original(data, flat=flat)
    original.run(0, SAVED)
    original.save(other, end)
    train(settings(save_latest_only=latest, steps=SAVED + 1), data, other)
    train(config, data, other)
    for kind in original.weights():
        assert (other / f"{kind}_{name}.pt").read_bytes() == (run / f"{kind}_{name}.pt").read_bytes()


def test_settings_that_may_change_do_from_the_first_step_on_and_are_recorded(tmp_path, data, caplog):
    original = Original(data, flat=False)
    original.run(0, SAVED)
    original.save(tmp_path, f"{SAVED:06d}")
    config = settings(lr=1e-2, batch_size=3, ema_rate="0.9,0.7", steps=SAVED + 1)
    train(config, data, tmp_path)
    with open(tmp_path / "changes.csv", newline="") as file:
        rows = {row["key"]: (row["step"], row["was"], row["is"]) for row in csv.DictReader(file)}
    del rows["origin"]
    assert rows == {
        "lr": ("3", "0.001", "0.01"),
        "batch_size": ("3", "2", "3"),
        "ema_rate": ("3", "0.9,0.5", "0.9,0.7"),
    }
    assert "from step 3 on: lr was 0.001 and is 0.01" in caplog.text
    old, new, average = (load_checkpoint(tmp_path / f"{name}.pt").state_dict for name in (
        f"model_{SAVED:06d}", f"model_{SAVED + 1:06d}", f"ema_0.7_{SAVED + 1:06d}"
    ))  # fmt: skip
    for name, value in average.items():  # the new average began at the weights
        torch.testing.assert_close(value, 0.7 * old[name] + 0.3 * new[name])
        assert (new[name] - old[name]).abs().max() > 4e-3


def broken_opt(run: Path) -> None:
    optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(3))], lr=1.0)
    write_bytes(run / f"opt_{SAVED:06d}.pt", encode(optimizer.state_dict()))


@pytest.mark.parametrize(
    ("harm", "changes", "message"),
    [
        (broken_opt, {}, "is not the state of AdamW for the 2 parameters of model_000003.pt"),
        (lambda run: (run / "ema_0.5_000003.pt").unlink(), {}, "its set has no ema_0.5; put the file there"),
        (lambda run: (run / "opt_000003.pt").unlink(), {}, "training would overwrite it"),
        (lambda run: None, {"T": 7}, "T was 6 and is 7.* .a run is of one kind of windows"),
        (lambda run: None, {"start_from": "x.pt"}, "start_from was '' and is 'x.pt' .it was read at step 0"),
        (lambda run: None, {"steps": 3, "ema_rate": "0.9,0.7"}, "a new ema_rate begins at the weights"),
        (
            lambda run: (run / "ema_0.9_000005.pt").write_bytes(b""),
            {},
            "ema_0.9_000005.pt: training would over",
        ),
    ],
)
def test_what_cannot_go_on_is_one_line_and_changes_nothing(tmp_path, data, harm, changes, message):
    original = Original(data, flat=False)
    original.run(0, SAVED)
    original.save(tmp_path, f"{SAVED:06d}")
    harm(tmp_path)
    before = content(tmp_path)
    with pytest.raises(InputError, match=message) as error:
        train(settings(**changes), data, tmp_path)
    assert "\n" not in str(error.value) and content(tmp_path) == before


def test_a_training_of_the_original_beyond_the_end_is_left_alone(tmp_path, data, caplog):
    original = Original(data, flat=False)
    original.run(0, SAVED)
    original.save(tmp_path, f"{SAVED:06d}")
    before = content(tmp_path)
    assert train(settings(steps=2), data, tmp_path) == 3
    assert "is trained to step 3, beyond the 2 asked for" in caplog.text and content(tmp_path) == before


@pytest.mark.parametrize("moment", range(5))
def test_killed_while_it_makes_way_the_set_is_still_found(tmp_path, data, monkeypatch, moment):
    original = Original(data, flat=False)
    original.run(0, SAVED)
    original.save(tmp_path, "latest")
    held = set(content(tmp_path).values())
    left, rename = iter(range(moment)), originals.os.replace

    def dying(*paths):
        if next(left, None) is None:
            raise KeyboardInterrupt
        rename(*paths)

    monkeypatch.setattr(originals.os, "replace", dying)
    config = settings(save_latest_only=True, steps=4, num_workers=0)
    with pytest.raises(KeyboardInterrupt):
        train(config, data, tmp_path)
    monkeypatch.setattr(originals.os, "replace", rename)
    if moment < 4:
        assert original_set(tmp_path).step == SAVED
    assert train(config, data, tmp_path) == 4
    assert held <= set(content(tmp_path).values())
