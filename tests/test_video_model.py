"""The front door: a model from a file, all kinds of modes, and what misuse is told."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from seeded import TINY, save_checkpoint, seeded_model

import viddiff
from viddiff.data.bouncy_balls import write_bouncy_balls
from viddiff.diffusion.sample import Conditioning
from viddiff.errors import InputError
from viddiff.files.write import write_json
from viddiff.model.compiled import CompiledNetwork
from viddiff.window import Window

PATH = "ema_0.9999_000100.pt"
MODE = "autoreg_4_2_9_3"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("front")
    save_checkpoint(root / PATH, seeded_model(TINY).state_dict(), TINY, 100)
    write_bouncy_balls(root / "data", "test", 4, length=12)
    return root


@pytest.fixture(scope="module")
def model(root):
    return viddiff.VideoModel.load(root / PATH, respacing="3", device="cpu")


@pytest.fixture(scope="module")
def videos(root):
    truth = viddiff.open_dataset("bouncy_balls", "test", root / "data")
    return np.stack([truth.video(index, 12) for index in range(4)])


def test_public_names_are_there_and_load_no_torch_until_they_are_used():
    for name in viddiff.__all__:
        assert getattr(viddiff, name) is not None and name in dir(viddiff)
    assert viddiff.__version__
    with pytest.raises(AttributeError, match="has no attribute 'VideoModl'"):
        viddiff.VideoModl  # noqa: B018
    code = "import sys, viddiff; viddiff.plan('hierarchy-2_4_2_12_3'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def saved_with(root, value):
    """A checkpoint that has the value at two places of a parameter."""
    weights = {key: tensor.clone() for key, tensor in seeded_model(TINY).state_dict().items()}
    weights["out.2.bias"][:2] = value
    save_checkpoint(root / "model_000009.pt", weights, TINY, 9)
    return root / "model_000009.pt"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path, value):
    with pytest.raises(InputError) as caught:
        viddiff.VideoModel.load(saved_with(tmp_path, value), device="cpu")
    assert re.search(
        r"model_000009\.pt: 2 of its weights are not finite numbers, the first in out\.2\.bias, in all in 1 of \d+",
        str(caught.value),
    )


@pytest.mark.parametrize("prefix", ["", "gradientmethod_"])
def test_a_network_that_overflows_makes_no_video(tmp_path, videos, prefix):
    """Infinite estimates would be clipped to black or white, and NaN become black."""
    model = viddiff.VideoModel.load(saved_with(tmp_path, 3e38), respacing="3", device="cpu")
    with pytest.raises(
        InputError, match=r"model_000009\.pt: its network's estimates of frames are not finite"
    ):
        model.complete(videos[:1], prefix + MODE)


def test_weights_of_another_network_are_told_apart(tmp_path):
    weights = dict(seeded_model(TINY).state_dict())
    weights["strange"] = weights.pop("out.2.bias")
    weights["out.0.bias"] = weights["out.0.bias"][:1]
    save_checkpoint(tmp_path / PATH, weights, TINY, 100)
    with pytest.raises(InputError) as caught:
        viddiff.VideoModel.load(tmp_path / PATH, device="cpu")
    assert str(caught.value).partition("together: ")[2] == (
        "1 parameters are missing, the first is out.2.bias; 1 are none of this network's, the first is strange; "
        "1 have another shape, the first is out.0.bias: [1], must be [32]"
    )


def test_completed_videos_begin_with_the_observed_frames(model, videos):
    completed = model.complete(videos[:2], MODE)
    assert completed.dtype == np.uint8 and completed.shape == (2, 9, 3, 32, 32)
    assert np.array_equal(completed[:, :3], videos[:2, :3])
    assert np.array_equal(model.complete(torch.from_numpy(videos[:2]), MODE), completed)


def test_observed_frames_are_all_that_must_be_there(model, videos):
    mode = "autoreg_4_1_4_3"
    assert np.array_equal(model.complete(videos[:1, :3], mode), model.complete(videos[:1], mode))
    made = model.complete(None, "autoreg_4_2_4_0", indices=[4, 0])
    assert made.shape == (2, 4, 3, 32, 32) and not np.array_equal(made[0], made[1])
    assert np.array_equal(model.complete(None, "autoreg_4_2_4_0"), made[1:])
    assert np.array_equal(model.complete(videos[:1], "autoreg_4_2_4_0"), made[1:])


def test_a_video_depends_on_its_indices_alone(model, videos):
    many = model.complete(videos[[2, 0, 3]], MODE, indices=[2, 0, 3])
    alone = model.complete(videos[3:], MODE, indices=[3])
    assert np.array_equal(many[2], alone[0])
    assert not np.array_equal(model.complete(videos[3:], MODE, indices=[3], sample=1), alone)
    same = model.complete(videos[::-1][:1], MODE, indices=np.array([3]), sample=np.int64(0))  # of any kind
    assert np.array_equal(same, alone)
    assert not np.array_equal(model.complete(videos[3:], MODE), alone)


def test_more_videos_than_share_a_call(model, videos, monkeypatch):
    done = []
    whole = model.complete(videos, MODE, progress=lambda *counts: done.append(counts))
    assert done == [(1, 3), (2, 3), (3, 3)]
    monkeypatch.setattr("viddiff.completion.WINDOWS_PER_CALL", 3)
    done.clear()
    again = model.complete(videos, MODE, progress=lambda *counts: done.append(counts))
    assert np.array_equal(again, whole) and done[-1] == (6, 6)


def test_guidance_is_part_of_a_mode(model, videos):
    """With the public pieces a guided mode once gave the samples of the unguided one."""
    free, guided, harder = (
        model.complete(videos[:1], f"{prefix}autoreg_4_2_7_3", guidance_weight=weight)
        for prefix, weight in (("", 1.0), ("gradientmethod_", 1.0), ("gradientmethod_", 8.0))
    )
    assert not np.array_equal(free, guided) and not np.array_equal(guided, harder)
    assert np.array_equal(free, model.complete(videos[:1], "autoreg_4_2_7_3", guidance_weight=8.0))


def test_a_schedule_is_given_or_read(model, videos, tmp_path):
    mode, schedule = "autoreg_optimal_4_2_7_3", {0: (2, 0), 1: [1, 4]}
    entries = [{"stage": stage, "observed": list(observed)} for stage, observed in schedule.items()]
    write_json(tmp_path / "schedule.json", {"stages": entries})
    given = model.complete(videos[:1], mode, schedule=schedule)
    assert np.array_equal(model.complete(videos[:1], mode, schedule=tmp_path / "schedule.json"), given)
    assert [stage.observed for stage in viddiff.plan(mode, schedule).stages] == [(2, 0), (1, 4)]
    with pytest.raises(InputError, match="needs an optimal schedule"):
        model.complete(videos[:1], mode)


def test_adaptive_modes_find_their_weights(model, videos, alexnet, monkeypatch):
    mode = "adaptive-autoreg_4_2_12_3"
    given = model.complete(videos[:1], mode, alexnet=alexnet)
    monkeypatch.setattr("viddiff.video_model.default_alexnet", lambda: alexnet)
    assert np.array_equal(model.complete(videos[:1], mode), given)
    plans = model.completion(mode).run(torch.from_numpy(videos[:1]), [0], 0).plans
    assert all(stage.n_select == 0 for stage in plans[0].stages)


def test_weights_of_the_machine_are_fetched_once(tmp_path, monkeypatch, alexnet):
    from viddiff.metrics import weights

    fetched = []
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(weights, "fetch_alexnet", lambda path: fetched.append(path) or path.touch())
    (tmp_path / "checkpoints").mkdir()
    assert weights.default_alexnet() == weights.default_alexnet() == fetched[0]
    assert len(fetched) == 1 and fetched[0].parent == tmp_path / "checkpoints"


def test_one_window_can_be_sampled(model, videos):
    frames = torch.zeros(1, 3, 3, 32, 32)
    observed = torch.tensor([[True, False, False]])
    window = Window(frames, torch.tensor([[0, 1, 2]]), observed, ~observed)
    generator = torch.Generator().manual_seed(0)
    made = model.sample_window(window, lambda: torch.randn(frames.shape, generator=generator))
    assert made.shape == frames.shape and made.abs().max() <= 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"path": "nothing.pt"}, "no checkpoint .*nothing.pt"),
        ({"sampler": "ddmi"}, "sampler 'ddmi' is unknown; did you mean ddim"),
        ({"respacing": "ddim999"}, "respacing 'ddim999'"),
        ({"respacing": "many"}, "respacing .*'many'"),
        ({"device": "gpu"}, "device is 'gpu', must be auto, cpu, cuda"),
        ({"device": "cuda"}, "device is cuda, but PyTorch finds no GPU here"),
    ],
)
def test_a_model_that_cannot_be_is_refused_in_one_line(root, changes, message, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    arguments = {"path": PATH, "device": "cpu"} | changes
    with pytest.raises(InputError, match=message) as error:
        viddiff.VideoModel.load(root / arguments.pop("path"), **arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("videos_of", "changes", "message"),
    [
        (
            lambda videos: videos[:, :2],
            {},
            r"videos are uint8 \[4, 2, 3, 32, 32\]; .*need uint8 \[B, 3 or more",
        ),
        (lambda videos: None, {}, r"videos are a NoneType, must be an array uint8 \[B, 3 or more"),
        (lambda videos: videos[0], {}, r"videos are uint8 \[12, 3, 32, 32\]"),
        (lambda videos: videos[:0], {}, r"videos are uint8 \[0, 12"),
        (lambda videos: videos / 255, {}, "videos are float64"),
        (lambda videos: videos[..., :16], {}, "need uint8 .*3, 32, 32"),
        (lambda videos: videos.transpose(0, 1, 3, 4, 2), {}, r"videos are uint8 \[4, 12, 32, 32, 3\]"),
        (lambda videos: videos.tolist(), {}, "videos are a list, must be an array"),
        (lambda videos: videos, {"mode": "autoregg_4_2_9_3"}, "'autoregg' is unknown; did you mean autoreg"),
        (lambda videos: videos, {"mode": "autoreg_4_2"}, "is not of the form"),
        (lambda videos: videos, {"mode": "autoreg_4_2_9_9"}, "obs_length is 9"),
        (lambda videos: videos, {"mode": "autoreg_4_2_None_3"}, "T is not given"),
        (
            lambda videos: videos,
            {"indices": [0, 1, 2, 3.0]},
            r"indices: 3\.0 must be a whole number, 0 or more",
        ),
        (lambda videos: videos, {"indices": [0, 1, 2, True]}, "indices: True must be a whole number"),
        (lambda videos: videos, {"sample": -1}, "sample: -1 must be a whole number, 0 or more"),
        (
            lambda videos: None,
            {"mode": "autoreg_4_2_4_0", "indices": []},
            "indices are empty",
        ),
        (lambda videos: videos, {"indices": [1, 2]}, "indices are 2, must be one for each of 4 videos"),
        (
            lambda videos: videos,
            {"mode": "adaptive-autoreg_4_2_9_3", "alexnet": "no.pt"},
            "no.pt is missing: LPIPS",
        ),
    ],
)
def test_what_cannot_be_completed_is_refused_in_one_line_before_any_work(
    model, videos, videos_of, changes, message, monkeypatch
):
    monkeypatch.setattr("viddiff.completion.complete", None)
    arguments = {"mode": MODE} | changes
    with pytest.raises(InputError, match=message) as error:
        model.complete(videos_of(videos), **arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("weight", [None, 1.0])
def test_a_trial_calls_the_network_itself_with_windows_of_the_size(model, monkeypatch, weight):
    called, rows = [], []

    def windows_that_fit(evaluate, shape, device):
        index = torch.arange(shape[0]).expand(2, -1)
        evaluate(Window(torch.zeros(2, *shape), index, index == 0, index > 0))
        return 17

    hook = model.network.register_forward_hook(lambda module, inputs, output: called.append(inputs[0].shape))
    last = model.network.out.register_forward_hook(lambda module, inputs, output: rows.append(len(output)))
    monkeypatch.setattr("viddiff.video_model.windows_that_fit", windows_that_fit)
    compiled = CompiledNetwork(model.network, torch.device("cpu"))
    monkeypatch.setattr(CompiledNetwork, "_call", None)
    there = replace(model, network=compiled, device=torch.device("cuda"))
    how = Conditioning(guidance_weight=weight)
    assert there.call_size(4, None, how).most == 17 and there.call_size(4, 5, how).most == 5
    hook.remove()
    last.remove()
    assert called == [(2, 4, 3, 32, 32)] and rows == [8]  # the most memory: no frame is left out
    assert model.call_size(4).most == 1


def test_measuring(videos):
    values = viddiff.measure("psnr", videos[:2, 3:], videos[0, 3:], device="cpu")
    assert values.shape == (2, 9) and np.isinf(values[0]).all() and np.isfinite(values[1]).all()


@pytest.mark.parametrize(
    ("name", "samples_of", "truth_of", "message"),
    [
        ("psnrr", lambda v: v, lambda v: v[0], "metric 'psnrr' is unknown; did you mean psnr"),
        ("psnr", lambda v: v[0], lambda v: v[0], r"samples is uint8 \[12, 3, 32, 32\], must be uint8 \[N, T"),
        ("psnr", lambda v: v, lambda v: v, r"truth is uint8 \[4, 12, 3, 32, 32\], must be uint8 \[T, C"),
        ("psnr", lambda v: v / 255, lambda v: v[0], "samples is float64"),
        ("psnr", lambda v: v, lambda v: v[0].tolist(), "truth is a list"),
        ("psnr", lambda v: v[:, 3:], lambda v: v[0], r"samples have frames \[9, .*, the truth \[12, "),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(videos, name, samples_of, truth_of, message):
    with pytest.raises(InputError, match=message) as error:
        viddiff.measure(name, samples_of(videos), truth_of(videos))
    assert "\n" not in str(error.value)
