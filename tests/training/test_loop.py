from __future__ import annotations

import csv
import gc
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tiny import SETTINGS, SMALL, Stub, make_data, open_data
from train_script import run_train_script

from viddiff.checkpoint import load_checkpoint, load_tensors
from viddiff.data.base import TrainingCrops
from viddiff.diffusion.loss import Losses
from viddiff.diffusion.process import diffusion_of
from viddiff.errors import InputError
from viddiff.training import loading, loop, step, update
from viddiff.training.config import training_config
from viddiff.training.loading import training_windows
from viddiff.training.loop import train
from viddiff.training.network import TrainingNetwork
from viddiff.training.step import forward_backward, learning_rate

ROOT = Path(__file__).parents[2]
FILES = ("model", "ema_0.9", "ema_0.5")


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("data")
    make_data(root)
    return root


@pytest.fixture(scope="module")
def data(root):
    return open_data(root)


@pytest.fixture
def stub(monkeypatch):
    monkeypatch.setattr(loop, "build_model", lambda config: Stub())


def config(**changes):
    return training_config(SETTINGS | changes)


def weights(run: Path, suffix: str) -> dict[str, bytes]:
    return {kind: (run / f"{kind}_{suffix}.pt").read_bytes() for kind in FILES}


def logged(run: Path) -> list[dict[str, str]]:
    with open(run / "log.csv", newline="") as file:
        return list(csv.DictReader(file))


CHILD = """
import sys
import torch
sys.path.insert(0, sys.argv[1])
from tiny import SETTINGS, SMALL, open_data
from viddiff.training.config import training_config
from viddiff.training.loop import train
from viddiff.training.network import TrainingNetwork
torch.set_num_threads(1)
train(training_config(SETTINGS | SMALL), open_data(sys.argv[2]), sys.argv[3], progress=lambda n: print(n, flush=True))
"""


def test_killed_and_resumed_equals_uninterrupted(tmp_path, root, data):
    """The network itself, with dropout, killed at an arbitrary moment of an arbitrary step."""
    arguments = [sys.executable, "-c", CHILD, str(Path(__file__).parent), str(root), str(tmp_path / "killed")]
    child = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    moment = random.Random(time.time_ns())
    last = moment.randint(3, 4)
    steps = []
    for line in child.stdout:
        steps.append(int(line))
        if steps[-1] == last:
            break
    time.sleep(moment.random() * 0.2)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert steps == list(range(last + 1)), "the child failed"

    seen = []
    assert train(config(**SMALL), data, tmp_path / "killed", progress=seen.append) == 5
    assert seen[0] in (2, 4, 5)
    train(config(**SMALL), data, tmp_path / "whole")
    for kind in ("model", "ema_0.9"):
        killed, whole = (tmp_path / run / f"{kind}_000005.pt" for run in ("killed", "whole"))
        assert killed.read_bytes() == whole.read_bytes()
    assert [row["step"] for row in logged(tmp_path / "killed")] == [str(n) for n in range(1, 6)]


KILLS = 20
STEPS = 50


@pytest.mark.long
@pytest.mark.parametrize("latest", [False, True])
def test_killed_at_random_moments_of_a_training_that_saves_at_each_step(tmp_path, data, stub, latest):
    """Real processes, which fork from this one, and SIGKILL; most of the time they are saving."""
    settings = config(save_latest_only=latest, save_interval=1, steps=STEPS)
    begin = time.perf_counter()
    train(settings, data, tmp_path / "whole")
    step_time = (time.perf_counter() - begin) / STEPS
    moment = random.Random(time.time_ns())
    reached = [0]
    for _ in range(KILLS):
        told, tell = os.pipe()
        child = os.fork()
        if child == 0:
            train(settings, data, tmp_path / "killed", progress=lambda step, tell=tell: os.write(tell, b"."))
            os._exit(0)
        os.close(tell)
        for _ in range(moment.randint(1, 2)):  # it has begun, or made a step
            os.read(told, 1)
        time.sleep(moment.random() * step_time)
        os.kill(child, signal.SIGKILL)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
        os.close(told)
        reached.append(newest_step(tmp_path / "killed"))
    assert reached == sorted(reached), f"went back: {reached}"
    assert train(settings, data, tmp_path / "killed") == STEPS
    for kind in FILES:
        suffix = "latest" if latest else f"{STEPS:06d}"
        killed, whole = (tmp_path / run / f"{kind}_{suffix}.pt" for run in ("killed", "whole"))
        assert killed.read_bytes() == whole.read_bytes()
    names = [{path.name for path in (tmp_path / run).glob("*")} for run in ("killed", "whole")]
    assert names[0] == names[1]
    assert [row["step"] for row in logged(tmp_path / "killed")] == [str(n) for n in range(1, STEPS + 1)]
    print(f"steps at {KILLS} kills: {reached[1:]}")


def newest_step(run: Path) -> int:
    """The step of the newest opt file, 0 without one."""
    return max((load_tensors(path)["step"] for path in run.glob("opt_*.pt")), default=0)


@pytest.mark.parametrize("latest", [False, True])
def test_stopped_and_resumed(tmp_path, data, stub, latest):
    settings = config(save_latest_only=latest, lr_anneal_steps=10)
    done = []
    stopped = train(settings, data, tmp_path / "a", progress=done.append, stop=lambda: done[-1] == 3)
    assert stopped == done[-1] == 3
    suffix = "latest" if latest else "000003"
    assert load_checkpoint(tmp_path / "a" / f"model_{suffix}.pt").step == 3
    train(settings, data, tmp_path / "a")
    train(settings, data, tmp_path / "b")
    suffix = "latest" if latest else "000008"
    assert weights(tmp_path / "a", suffix) == weights(tmp_path / "b", suffix)
    kinds = {path.name.rsplit("_", 1)[1] for path in (tmp_path / "b").glob("*.pt")}
    assert kinds == ({"latest.pt"} if latest else {f"{step:06d}.pt" for step in (2, 4, 6, 8)})
    rates = [float(row["lr"]) for row in logged(tmp_path / "a")]
    assert rates == pytest.approx([1e-3 * (1 - step / 10) for step in range(8)])


def test_a_finished_run_is_left_alone(tmp_path, data, stub):
    train(config(steps=2), data, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert train(config(steps=2), data, tmp_path) == 2
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert train(config(steps=1), data, tmp_path) == 2  # one that is to be shorter has nothing to do
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert train(config(steps=3), data, tmp_path) == 3  # a longer one goes on from it


def test_what_a_run_writes(tmp_path, data, stub):
    settings = config(steps=2)
    state = torch.get_rng_state()
    train(settings, data, tmp_path)
    assert torch.equal(torch.get_rng_state(), state)
    for kind in FILES:
        checkpoint = load_checkpoint(tmp_path / f"{kind}_000002.pt")
        assert (checkpoint.step, checkpoint.config) == (2, settings.to_flat())
        assert checkpoint.state_dict.keys() == Stub().state_dict().keys()
    row = logged(tmp_path)[-1]
    assert float(row["grad_norm"]) > 0 and float(row["seconds_per_step"]) > 0
    assert any(row[f"loss_q{q}"] != "nan" for q in range(4))


def test_training_learns(tmp_path, data, stub):
    train(config(steps=60, batch_size=8, lr=1e-2, log_interval=20, save_interval=60), data, tmp_path)
    losses = [float(row["loss"]) for row in logged(tmp_path)]
    assert losses[-1] < 0.8 * losses[0]


def test_microbatches_give_the_same_gradient(data):
    gradients = []
    for microbatch in (-1, 1, 2, 3):
        settings = config(microbatch=microbatch, batch_size=3, pad_with_random_frames=False)
        torch.manual_seed(0)
        model = Stub().eval()
        window = next(training_windows(settings, data, 0))
        network = TrainingNetwork(model, torch.device("cpu"))
        losses, t = forward_backward(network, diffusion_of(settings.to_flat()), window, settings, 0)
        assert losses.loss.shape == losses.latent_mse.shape == t.shape == (3,)
        gradients.append(model.conv.weight.grad)
    for gradient in gradients[1:]:
        torch.testing.assert_close(gradient, gradients[0])


def test_windows_depend_on_seed_and_step_alone(data):
    here = list(training_windows(config(), data, 0))
    for other, start in ((config(num_workers=1), 0), (config(), 5)):
        windows = list(training_windows(other, data, start))
        assert len(windows) == 8 - start
        for a, b in zip(windows, here[start:], strict=True):
            assert all(torch.equal(getattr(a, name), getattr(b, name)) for name in vars(a))
    assert not torch.equal(here[0].frames, here[1].frames)
    assert not torch.equal(next(training_windows(config(seed=2), data, 0)).frames, here[0].frames)


def test_padding_comes_from_other_draws(data):
    settings = config(mask_distribution="linspace-no-obs-0-0-1", batch_size=1)
    window = next(training_windows(settings, data, 0))
    crops = TrainingCrops(data, 6, settings.seed)
    frames = ((window.frames[0] + 1) * 127.5).round().byte()
    assert torch.equal(frames[0], crops[0][0])
    assert torch.equal(frames[1:], crops[1][window.frame_index[0, 1:]])


@pytest.mark.parametrize("workers", [0, 1])
def test_videos_that_are_too_short(tmp_path, data, stub, workers):
    others = multiprocessing.active_children()
    gc.disable()  # as at the exit of Python, which waits for processes that load data and ignore signals
    try:
        with pytest.raises(InputError, match="10 frames, 11 are needed") as error:
            train(config(T=11, num_workers=workers), data, tmp_path)
        assert "\n" not in str(error.value)
        assert multiprocessing.active_children() == others
    finally:
        gc.enable()


def test_a_loss_that_is_not_finite_stops_before_it_is_saved(tmp_path, data, stub, monkeypatch):
    def bad(*_):
        return Losses(torch.full((2,), torch.nan, requires_grad=True), torch.ones(2))

    real = step.training_loss
    calls = iter([real, real, real, bad])  # the third is that before the first save
    monkeypatch.setattr(step, "training_loss", lambda *arguments: next(calls)(*arguments))
    with pytest.raises(InputError) as error:
        train(config(), data, tmp_path)
    message = str(error.value)
    assert "the loss of 2 of 2 windows is not finite at training step 2, at diffusion steps of q" in message
    assert message.endswith("older checkpoints stay: go on from them with a lower lr than 0.001")
    assert sorted(path.name for path in tmp_path.glob("model_*")) == ["model_000002.pt"]


@pytest.mark.parametrize(
    ("lr", "what"),
    [(1e38, "weights are not finite"), (1e30, "the loss with the new weights is not finite")],
)
def test_weights_that_are_of_no_use_are_not_saved(tmp_path, data, stub, lr, what):
    with pytest.raises(
        InputError, match=rf"^{what} at training step 0 after the update; nothing of it is saved"
    ):
        train(config(steps=1, lr=lr), data, tmp_path)
    assert not list(tmp_path.glob("*.pt"))


def test_a_gradient_that_is_not_finite_changes_no_weight(tmp_path, data, stub, monkeypatch):
    monkeypatch.setattr(update.nn.utils, "get_total_norm", lambda gradients: torch.tensor(torch.inf))
    with pytest.raises(
        InputError, match="the gradient is not finite at training step 0; nothing of it is saved"
    ):
        train(config(), data, tmp_path)
    assert not list(tmp_path.glob("*.pt"))


def test_another_image_size(tmp_path, data):
    with pytest.raises(InputError, match="image_size is 64; bouncy_balls has 32"):
        train(config(image_size=64), data, tmp_path)


def test_learning_rate():
    assert learning_rate(config(), 7) == 1e-3
    assert [learning_rate(config(lr_anneal_steps=8), step) for step in (0, 4)] == [1e-3, 5e-4]
    warm = config(lr_warmup_steps=4)
    assert [learning_rate(warm, step) for step in (0, 1, 3, 4, 7)] == [2.5e-4, 5e-4, 1e-3, 1e-3, 1e-3]
    both = config(lr_warmup_steps=4, lr_anneal_steps=12, lr_schedule="cosine")
    rates = [learning_rate(both, step) for step in (3, 4, 6, 8, 12)]
    assert rates == pytest.approx([1e-3, 1e-3, 5e-4 * (1 + 0.5**0.5), 5e-4, 0.0], abs=1e-12)
    assert learning_rate(config(lr_warmup_steps=4, lr_anneal_steps=12), 8) == 5e-4


def test_changed_data_are_named_and_training_goes_on(tmp_path, data, stub, caplog, monkeypatch):
    train(config(steps=2), data, tmp_path)
    monkeypatch.setattr(loop, "record_data", lambda dataset: "1 bouncy_balls/other.pt")
    train(config(steps=4), data, tmp_path)
    assert "the training data are not those of step 2: files: 1 gone (train.pt), 1 new" in caplog.text
    caplog.clear()
    train(config(steps=6), data, tmp_path)
    assert "training data" not in caplog.text


def test_averages_of_initial_weights_are_warned_of(tmp_path, data, stub, caplog):
    train(config(steps=2, ema_rate="0.9,0.1"), data, tmp_path)
    warnings = [message for message in caplog.messages if "ema_rate" in message]
    assert len(warnings) == 2  # at the start and at the end
    assert warnings[0].startswith(
        "ema_rate 0.9: after 2 steps, 81% of the average are still the initial weights"
    )


def test_as_many_processes_load_as_the_job_has_cores(data, monkeypatch):
    asked = []
    monkeypatch.setattr(loading, "DataLoader", lambda *_, num_workers, **__: asked.append(num_workers) or [])
    for cores in (1, 4):
        list(training_windows(config(num_workers=-1), data, 0, cores))
    assert asked == [1, 3]


def test_a_killed_process_that_loads_data_is_one_line(tmp_path, data, stub):
    others = multiprocessing.active_children()

    def kill_child(step: int) -> None:
        if step == 3:
            (child,) = [process for process in multiprocessing.active_children() if process not in others]
            os.kill(child.pid, signal.SIGKILL)

    with pytest.raises(InputError, match=r"^a process that loads data .*the same call goes on") as error:
        train(config(num_workers=1, steps=1000), data, tmp_path, progress=kill_child)
    assert "\n" not in str(error.value)
    assert train(config(), data, tmp_path) == 8


def test_the_script_saves_and_ends_when_told_to(tmp_path, root, stub, monkeypatch, caplog):
    real = step.training_loss

    def told(*arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        return real(*arguments)

    monkeypatch.setattr(step, "training_loss", told)
    assert run_train_script(tmp_path, root, SETTINGS) == 3
    assert load_checkpoint(tmp_path / "run" / "model_000001.pt").step == 1
    assert "stopped at step 1 of 8, saved; the same call goes on from there" in caplog.messages
    assert not (tmp_path / "trained.json").exists()
    monkeypatch.setattr(step, "training_loss", real)
    assert run_train_script(tmp_path, root, SETTINGS) == 0
    assert json.loads((tmp_path / "trained.json").read_text()) == {"step": 8}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": "many"}, "steps is 'many'"),
        ({"dataset": "bouncy_ball"}, "bouncy_ball"),
        ({"T": 11}, "11"),
    ],
)
def test_the_script_says_what_is_wrong_in_one_line(tmp_path, root, stub, change, message, caplog):
    assert run_train_script(tmp_path, root, SETTINGS | change) == 1
    assert caplog.messages[-1].startswith("error: ") and message in caplog.messages[-1]
    assert not (tmp_path / "run" / "model_000002.pt").exists()
