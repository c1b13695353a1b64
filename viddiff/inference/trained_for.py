"""What a network was not trained for, and a mode asks of it: told in the log, since it can be meant."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from viddiff.diffusion.process import Diffusion
from viddiff.diffusion.treatment import Treatment
from viddiff.flat_config import own_setting
from viddiff.inference.cost import ONE_LEVEL
from viddiff.inference.modes import Mode

log = logging.getLogger(__name__)


def begin_at_noise(path: Path, config: Mapping[str, Any], diffusion: Diffusion, respacing: str) -> None:
    """Warn if the network was trained to begin at noise alone, and the diffusion steps that are used leave that out."""
    if own_setting(config, "zero_terminal_snr") and diffusion.schedule.alpha_bar[-1] > 0.0:
        log.warning(
            "%s: trained to begin at frames without a signal, which respacing %s leaves out; trailing<n> has them",
            path,
            respacing or config["timestep_respacing"],
        )


def compare_window(config: Mapping[str, Any], frames: int | None, model: str = "the model") -> None:
    """Warn if windows of so many frames are larger than those of the training."""
    trained = config["max_frames"]
    if frames is not None and frames > trained:
        log.warning("windows of %d frames: %s was trained with %d", frames, model, trained)


def compare_levels(config: Mapping[str, Any], mode: Mode) -> None:
    """Warn of a mode whose frames have noise levels of their own, if those of the training had one."""
    if own_setting(config, "noise_levels") == "per_window":
        log.warning("mode %s: %s", mode, ONE_LEVEL)


def tells_noise(config: Mapping[str, Any], treatment: Treatment) -> bool:
    """Whether the network is told of noise on observed frames; warn if the training had none or less of it, and if it
    never saw windows with nothing observed, by which guidance by history works."""
    masks, most = str(config["mask_distribution"]), float(own_setting(config, "observed_noise"))
    if treatment.history and re.fullmatch("autoregressive-0*[1-9][0-9]*", masks):
        log.warning("history-…: trained by mask_distribution %s, which always observes frames", masks)
    if treatment.observed_noise and not most:
        log.info("noisy-…: trained without observed_noise, so the network is not told of the noise")
    elif treatment.observed_noise > most:
        log.warning(
            "noisy-…: the level is %g, the model was trained with %g at most", treatment.observed_noise, most
        )
    return most > 0.0
