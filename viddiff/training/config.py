"""The settings of a training run, and how they map to the flat config that checkpoints hold."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from viddiff.diffusion.settings import predicts
from viddiff.errors import InputError, unknown
from viddiff.flat_config import DEFAULTS, LEVELS_PLAN, OWN, TYPE_NAMES, parse_rates, with_defaults
from viddiff.model.sizes import WIDTH
from viddiff.training.combinations import NOISE_LEVELS, check_together
from viddiff.training.level_spans import level_plan
from viddiff.training.masks import check_mask_distribution

# Of training, see `viddiff.precision`, which needs torch.
PRECISIONS = ("auto", "float32", "tf32", "bfloat16", "float16")
WandbMode = Literal["off", "offline", "online"]

LR_SCHEDULES = ("linear", "cosine")
LEVEL_SAMPLERS = ("uniform", "logit-normal", "loss-second-moment")

# Keys of the flat config under another name here.
_FLAT_NAME = {"seed": "fake_seed"}
# Settings of the job, not of the model: no part of the flat config.
_JOB_ONLY = ("steps", "wandb", "keep_last", "keep_every", "compile", "decode_once", "nodes", "gpus")
# Keys of the original's config that change nothing here.
WITHOUT_EFFECT = (
    "do_cond_marg",
    "fp16_scale_growth",
    "n_interesting_masks",
    "n_valid_repeats",
    "valid_microbatch",
)
# What the original's config can ask for and this program does not do.
_FIXED = (
    *WITHOUT_EFFECT,
    "class_cond",
    "do_inefficient_marg",
    "just_save_masks",
    "just_visualise",
    "resume_checkpoint",
    "resume_id",
    "use_fp16",
)
_INSTEAD = {
    "use_fp16": "write precision: float16",
    "resume_checkpoint": "a run goes on by itself, and start_from begins with other weights",
}
_LARGEST = sys.float_info.max
_MOST_STORED = 2**63 - 1  # of whole numbers in a checkpoint
_LONGEST_TEXT = 500
_MOST = 10**9
# The least and the most of whole numbers: larger ones would only fill the memory.
_BOUNDS = {
    "T": (1, 999_999),
    "steps": (1, _MOST),
    "max_frames": (1, 999_999),
    "batch_size": (1, 999_999),
    "microbatch": (-1, _MOST),
    "save_interval": (1, _MOST),
    "keep_last": (0, _MOST),
    "keep_every": (0, _MOST),
    "log_interval": (1, _MOST),
    "sample_interval": (1, _MOST),
    "n_valid_batches": (0, _MOST),
    "lr_anneal_steps": (0, _MOST),
    "lr_warmup_steps": (0, _MOST),
    "num_workers": (-1, 1024),
    "nodes": (1, 9999),
    "gpus": (1, 1024),
    "seed": (0, _MOST_STORED),
}


@dataclass(frozen=True)
class TrainingConfig:
    """All settings of a training run. Raises `InputError` if one cannot be."""

    dataset: str
    T: int  # frames of a training crop
    steps: int  # updates of the weights, all in all
    max_frames: int = DEFAULTS["max_frames"]  # of a window
    mask_distribution: str = DEFAULTS["mask_distribution"]
    pad_with_random_frames: bool = DEFAULTS["pad_with_random_frames"]  # of other videos; the loss counts them
    batch_size: int = DEFAULTS["batch_size"]
    microbatch: int = DEFAULTS["microbatch"]  # windows that fit into memory at once; -1: the whole batch
    lr: float = DEFAULTS["lr"]
    lr_anneal_steps: int = DEFAULTS["lr_anneal_steps"]  # where a falling rate is 0; 0: constant
    lr_schedule: str = OWN["lr_schedule"]  # how it falls
    lr_warmup_steps: int = OWN["lr_warmup_steps"]  # updates until the rate is `lr`
    weight_decay: float = DEFAULTS["weight_decay"]
    ema_rate: str = DEFAULTS["ema_rate"]  # one or more, with commas
    ema_warmup: bool = OWN["ema_warmup"]  # rates grow from 0.1 to their own
    observed_noise: float = OWN["observed_noise"]  # the most on observed frames
    noise_levels: str = OWN[
        "noise_levels"
    ]  # one for all latent frames of a window, one for each, or those of a mode
    post_hoc_ema: bool = OWN["post_hoc_ema"]  # averages whose length is chosen after training
    schedule_sampler: str = DEFAULTS["schedule_sampler"]  # how diffusion steps are drawn
    save_interval: int = DEFAULTS["save_interval"]
    save_latest_only: bool = DEFAULTS["save_latest_only"]  # files `_latest` instead of one set per step
    keep_last: int = 0  # sets that stay, the newest; 0: all
    keep_every: int = 0  # beside these, sets of multiples of it stay; 0: none
    log_interval: int = DEFAULTS["log_interval"]
    sample_interval: int = DEFAULTS["sample_interval"]  # steps between two looks at test videos
    n_valid_batches: int = DEFAULTS["n_valid_batches"]  # of windows of test videos, at each of these
    without_replacement: bool = OWN["without_replacement"]  # each video once before any comes again
    num_workers: int = DEFAULTS["num_workers"]  # processes that load data; -1: the job's cores but one
    seed: int = DEFAULTS["fake_seed"]
    start_from: str = OWN["start_from"]  # a checkpoint whose weights are the first; read at step 0 alone
    precision: str = OWN["precision"]
    grad_clip: float = OWN["grad_clip"]  # a longer gradient is shortened to this norm; 0: none is
    compile: bool = False  # the network, for the device
    decode_once: bool = False  # training videos are read from arrays, which are made once
    wandb: WandbMode = "off"
    nodes: int = 1  # machines that train together
    gpus: int = 1  # of each; a process for each GPU
    network: Mapping[str, Any] = field(default_factory=dict)  # the flat config's other keys

    def __post_init__(self) -> None:
        for name, (least, most) in _BOUNDS.items():
            if not least <= (value := getattr(self, name)) <= most:
                raise InputError(f"training key {name} is {_short(value)}; must be {least} to {most}")
        if self.batch_size % self.processes:
            raise InputError(
                f"training key batch_size is {self.batch_size}; must be a multiple of nodes x gpus, {self.processes}"
            )
        if not self.weight_decay >= 0:
            raise InputError(f"training key weight_decay is {self.weight_decay}; must not be negative")
        if not self.grad_clip >= 0:
            raise InputError(f"training key grad_clip is {self.grad_clip}; must not be negative")
        if self.precision not in PRECISIONS:
            raise InputError(
                f"training key precision is {_short(self.precision)}; allowed: {', '.join(PRECISIONS)}"
            )
        if not self.lr > 0:
            raise InputError(f"training key lr is {self.lr}; must be positive")
        for name, allowed in (
            ("lr_schedule", LR_SCHEDULES),
            ("schedule_sampler", LEVEL_SAMPLERS),
        ):
            if (text := getattr(self, name)) not in allowed:
                raise InputError(f"training key {name} is {_short(text)}; allowed: {', '.join(allowed)}")
        if not 0.0 <= self.observed_noise < 1.0:
            raise InputError(
                f"training key observed_noise is {self.observed_noise}; must be 0 (none) or above, and below 1"
            )
        try:
            parse_rates(self.ema_rate)
        except InputError as error:
            raise InputError(f"training key {error}") from None
        check_mask_distribution(self.mask_distribution, self.T, self.max_frames)
        check_together(self)

    @property
    def processes(self) -> int:
        """The processes that train together, each of which has its part of a batch."""
        return self.nodes * self.gpus

    def looks_at(self, step: int) -> bool:
        """Whether test videos are looked at after so many steps."""
        return step % self.sample_interval == 0 or step == self.steps

    @property
    def ema_rates(self) -> tuple[float, ...]:
        return parse_rates(self.ema_rate)

    def to_flat(self) -> dict[str, Any]:
        """The flat config, with exactly the original's keys, and more only where they are not at their default."""
        own = {
            _FLAT_NAME.get(item.name, item.name): getattr(self, item.name)
            for item in fields(self)
            if item.name not in (*_JOB_ONLY, "network")
        }
        flat = with_defaults(dict(self.network) | own)
        if self.noise_levels not in NOISE_LEVELS:  # a mode, whose definition may change
            flat[LEVELS_PLAN] = level_plan(self.noise_levels).sha256
        return {key: value for key, value in flat.items() if key not in OWN or value != OWN[key]}


def training_config(settings: Mapping[str, Any]) -> TrainingConfig:
    """A config from the user's settings: any keys of the flat config, and those that are ours, such as `steps`.

    Raises `InputError` that names a key which is unknown (with the nearest), missing, or of the wrong type.
    """
    own = {item.name: item for item in fields(TrainingConfig) if item.name != "network"}
    known = {*own, *DEFAULTS, *OWN} - set(_FLAT_NAME.values())
    values: dict[str, Any] = {}
    network: dict[str, Any] = {}
    for key, value in settings.items():
        if key not in known:
            raise unknown(f"training key {key!r}", key, known)
        if key == "image_size" and _two_sides(value):
            value, width = value
            if width != value:
                network[WIDTH] = width
        value = _typed(key, value)
        if key in _FIXED and value != DEFAULTS[key]:
            why = "it has no effect here" if key in WITHOUT_EFFECT else "nothing else is supported"
            why = _INSTEAD.get(key, why)
            raise InputError(f"training key {key} is {_short(value)}; must be {DEFAULTS[key]!r}: {why}")
        (values if key in own else network)[key] = value
    missing = [key for key in ("dataset", "T", "steps") if key not in values]
    if missing:
        raise InputError(f"training settings lack {', '.join(missing)}")
    return TrainingConfig(**values, network=_as_original(network))


def _as_original(network: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of the flat config, with the original's way to say that the network predicts x_0."""
    told = dict(network)
    if "prediction" in told:
        told.setdefault("predict_xstart", told["prediction"] == "x_0")
        predicts(told)
        if told["prediction"] == "x_0":
            del told["prediction"]
    return told


def _two_sides(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(type(side) is int for side in value)


def _typed(key: str, value: Any) -> Any:
    """`value` if it has the key's type; whole numbers become floats where those are expected."""
    if key in ("steps", "keep_last", "keep_every", "nodes", "gpus", "rp_alpha", "rp_beta", "rp_gamma"):
        wanted: type = int
    elif key == "wandb":
        wanted = str
    elif key in ("compile", "decode_once"):
        wanted = bool
    else:
        wanted = type((DEFAULTS | OWN)[_FLAT_NAME.get(key, key)])
    if wanted is float and type(value) is int and abs(value) <= _MOST_STORED:
        return float(value)
    if key == "ema_rate" and type(value) is float:
        return str(value)
    if key == "wandb" and value is False:  # YAML takes off for false
        return "off"
    if type(value) is not wanted:
        hint = (
            "; YAML takes 1e-4 for a text, write 1.0e-4" if wanted is float and isinstance(value, str) else ""
        )
        raise InputError(f"training key {key} is {_short(value)}; must be {TYPE_NAMES[wanted]}{hint}")
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        raise InputError(
            f"training key {key} is {_short(value)}…; must have {_LONGEST_TEXT} characters at most"
        )
    if isinstance(value, int | float) and not abs(value) <= (_MOST_STORED if wanted is int else _LARGEST):
        raise InputError(f"training key {key} is {_short(value)}; must be finite, and below 2^63")
    if key == "wandb" and value not in get_args(WandbMode):
        raise InputError(f"training key wandb is {_short(value)}; allowed: {', '.join(get_args(WandbMode))}")
    return value


def _short(value: object) -> str:
    """A value for a message."""
    return f"{value!r:.60}"
