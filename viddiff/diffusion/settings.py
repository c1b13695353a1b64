"""What a flat config may say about the diffusion. Planning reads it: no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from viddiff.diffusion.noise_schedule import NoiseSchedule, noise_schedule, zero_terminal_snr
from viddiff.errors import InputError
from viddiff.flat_config import own_setting

Predicts = Literal["eps", "x_0", "v", "flow", "edm"]
PREDICTIONS: tuple[Predicts, ...] = get_args(Predicts)


def predicts(config: Mapping[str, Any]) -> Predicts:
    """What the network of a full config says: by `prediction`, or by the original's `predict_xstart` eps or x_0.

    Raises `InputError` for a name that is none, and if the two keys contradict each other.
    """
    name = own_setting(config, "prediction")
    if name not in PREDICTIONS:
        raise InputError(f"config key prediction is {name!r:.60}; allowed: {', '.join(PREDICTIONS)}")
    clean = config["predict_xstart"]
    if "prediction" in config and clean is not (name == "x_0"):
        raise InputError(
            f"config key prediction is {name!r}, and predict_xstart is {clean}; take one of them out"
        )
    return "x_0" if clean else name


def schedule_of(config: Mapping[str, Any], respacing: str = "") -> NoiseSchedule:
    """The noise schedule of a full config, respaced as `viddiff.diffusion.process.diffusion_of` says.

    Raises `InputError` for an unknown schedule or an impossible respacing.
    """
    full = noise_schedule(config["noise_schedule"], config["diffusion_steps"])
    if own_setting(config, "zero_terminal_snr"):
        full = zero_terminal_snr(full)
    return full.respaced(respacing or config["timestep_respacing"])


def check_diffusion(config: Mapping[str, Any]) -> None:
    """Check a full config, see `viddiff.flat_config.with_defaults`.

    Raises `InputError` for a value that no diffusion has, and for values that do not go together.
    """
    schedule = schedule_of(config)
    kind = predicts(config)
    if kind == "edm" and config["cond_emb_type"].startswith("t=0"):
        raise InputError(
            f"config key prediction is 'edm', and cond_emb_type is {config['cond_emb_type']!r}: its mark, a step of "
            "-1, is a noise level of edm; use channel or duplicate"
        )
    no_signal = schedule.alpha_bar[-1] == 0.0
    if kind == "eps" and own_setting(config, "zero_terminal_snr"):
        raise InputError(
            "config key zero_terminal_snr is true, and the network predicts eps: at the noisiest step clean frames "
            "would follow by a division by 0; set prediction to v, flow or x_0"
        )
    gamma = own_setting(config, "min_snr_gamma")
    if not gamma >= 0.0:
        raise InputError(f"config key min_snr_gamma is {gamma}; must be 0 (without) or above")
    if gamma and config["use_kl"]:
        raise InputError(
            "config key min_snr_gamma weighs the squared error, and use_kl is true; take one of them out"
        )
    if gamma and no_signal:
        raise InputError(
            f"config key min_snr_gamma is {gamma}, and the noisiest step has no signal: its loss would have no weight; "
            "take min_snr_gamma or zero_terminal_snr out"
        )
    if kind == "edm" and no_signal:
        raise InputError(
            "config key prediction is 'edm', and the noisiest step has no signal: edm tells the network the logarithm "
            "of the noise over the signal, which is infinite there; use v, flow or x_0"
        )
