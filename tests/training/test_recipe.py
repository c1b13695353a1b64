"""Today's recipe: trainings by it from the config to a sample, what checkpoints say of it, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny import SETTINGS

from viddiff.checkpoint import load_checkpoint
from viddiff.errors import InputError
from viddiff.flat_config import DEFAULTS, OWN
from viddiff.training.changeable import changed_settings
from viddiff.training.config import training_config
from viddiff.training.loop import train
from viddiff.video_model import VideoModel
from viddiff.workflow.training_preflight import check_settings

SMALL = SETTINGS | {"steps": 2, "ema_rate": "0.9", "max_frames": 2}
MODERN = {
    "prediction": "v",
    "zero_terminal_snr": True,
    "schedule_sampler": "logit-normal",
    "lr_schedule": "cosine",
    "lr_anneal_steps": 10,
    "lr_warmup_steps": 2,
    "ema_warmup": True,
}


@pytest.mark.parametrize(
    "settings", [MODERN, {"prediction": "edm", "min_snr_gamma": 5.0}], ids=["modern", "edm"]
)
def test_trained_and_sampled(tmp_path: Path, data, settings: dict[str, object]) -> None:
    """The sampler and the ELBO read from the checkpoint alone what it is."""
    train(training_config(SMALL | settings), data, tmp_path)
    path = tmp_path / "ema_0.9_000002.pt"
    assert load_checkpoint(path).config.items() >= settings.items()
    videos = np.full((1, 4, 3, 32, 32), 100, dtype=np.uint8)
    for sampler in ("ancestral", "dpm"):
        made = VideoModel.load(path, sampler=sampler, respacing="3").complete(videos, "autoreg_2_1_4_2")
        assert made.shape == videos.shape and (made[:, :2] == videos[:, :2]).all()


def test_the_flat_config_has_own_keys_only_where_they_are_not_at_their_default() -> None:
    plain = training_config(SETTINGS).to_flat()
    assert plain.keys() == DEFAULTS.keys()
    assert training_config(SETTINGS | OWN).to_flat() == plain
    assert training_config(SETTINGS | {"prediction": "v"}).to_flat() == plain | {"prediction": "v"}


def test_x_0_is_the_originals_predict_xstart() -> None:
    ours, theirs = (
        training_config(SETTINGS | key).to_flat() for key in ({"prediction": "x_0"}, {"predict_xstart": True})
    )
    assert ours == theirs and ours.keys() == DEFAULTS.keys()


def test_a_run_cannot_change_its_recipe_in_either_direction() -> None:
    plain, v = (training_config(SETTINGS | key).to_flat() for key in ({}, {"prediction": "v"}))
    assert changed_settings(plain, v).startswith("prediction was 'eps' and is 'v'")
    assert changed_settings(v, plain).startswith("prediction was 'v' and is 'eps'")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"prediction": "velocity"},
            "training.new.prediction is 'velocity'; allowed: eps, x_0, v, flow, edm",
        ),
        ({"prediction": "eps", "predict_xstart": True}, "prediction is 'eps', and predict_xstart is True"),
        ({"prediction": "x_0", "predict_xstart": False}, "prediction is 'x_0', and predict_xstart is False"),
        ({"zero_terminal_snr": True}, "training.new.zero_terminal_snr is true, and the network predicts eps"),
        ({"zero_terminal_snr": 1}, "zero_terminal_snr is 1; must be true or false"),
        ({"min_snr_gamma": -5}, "training.new.min_snr_gamma is -5.0; must be 0"),
        (
            {"schedule_sampler": "spaced"},
            "schedule_sampler is 'spaced'; allowed: uniform, logit-normal, loss-second",
        ),
        (
            {"lr_schedule": "cosine"},
            "lr_schedule is cosine; lr_anneal_steps must say at which step it reaches 0",
        ),
        ({"lr_schedule": "step"}, "lr_schedule is 'step'; allowed: linear, cosine"),
        ({"lr_warmup_steps": -1}, "lr_warmup_steps is -1; must be 0 to"),
        (
            {"lr_warmup_steps": 10, "lr_anneal_steps": 10},
            "lr_warmup_steps is 10; must be below lr_anneal_steps 10",
        ),
        ({"prediction": "v", "predict_xstart": True}, "prediction is 'v', and predict_xstart is True"),
    ],
)
def test_what_does_not_go_together_is_refused_when_planning(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_settings("new", SETTINGS | change)
