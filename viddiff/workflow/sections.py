"""The sections of the configuration. config/README.md explains the keys, config/schema.yaml says what they may hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from viddiff.dataset_settings import DatasetSettings
from viddiff.metrics.settings import Extractor, FvdSettings, extractor_metrics
from viddiff.registry import declared_facts
from viddiff.tree.schedules import SearchSettings

_OF_I3D = ("i3d", "i3d-windows")
"""The descriptors that are I3D's rows."""


@dataclass(frozen=True)
class BouncyBalls:
    """The dataset that is made: videos of each split, frames of a video."""

    train: int
    test: int
    length: int
    seed: int

    def videos(self, split: str) -> int:
        """The number of videos of a split."""
        return {"train": self.train, "test": self.test}[split]


@dataclass(frozen=True)
class Training:
    """A training run: what planning needs of it, and all its settings, which training itself checks."""

    dataset: str
    T: int
    steps: int
    ema_rates: tuple[float, ...]
    save_latest_only: bool
    save_interval: int
    keep_last: int
    keep_every: int
    nodes: int
    gpus: int
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class GridBlock:
    """Each run with each checkpoint and each mode. frames: how many are measured; `None`: all."""

    runs: tuple[str, ...]
    checkpoints: tuple[str, ...]
    modes: tuple[str, ...]
    videos: int
    samples: int
    frames: int | None = None


@dataclass(frozen=True)
class Sampling:
    """How samples are made.

    batch_size: windows in a network call, and videos at once; `None`: as many as fit. precision: see
    `viddiff.precision`; compile, compile_cache: whether networks are compiled, and the folder for that, see
    `viddiff.model.compiled`.
    """

    videos_per_job: int
    batch_size: int | None
    guidance_weight: float
    guidance_shifts: str
    precision: str
    compile: bool
    compile_cache: str


@dataclass(frozen=True)
class Metrics:
    """What is measured.

    elbos: whether the comparison shows bits per dimension; fvd: the protocol of FVD and its kin; extractors: networks
    of the user's, whose names those of metrics may have in them.
    """

    names: tuple[str, ...]
    ssim_data_range: float
    elbos: bool
    fvd: FvdSettings = field(default_factory=FvdSettings)
    extractors: Mapping[str, Extractor] = field(default_factory=dict)

    @property
    def set_facts(self) -> dict[str, dict[str, Any]]:
        """What is known of each metric of sets, those of the extractors too."""
        of_networks = {
            name: {"descriptor": network, "fewest_videos": 2}
            for name, network in extractor_metrics(self.extractors).items()
        }
        return declared_facts("set_metric", "viddiff.metrics") | of_networks

    @property
    def descriptors(self) -> frozenset[str]:
        """What the metrics of sets need of each video, by name."""
        facts = self.set_facts
        return frozenset(facts[name]["descriptor"] for name in self.names if name in facts)

    @property
    def beyond_truth(self) -> tuple[str, ...]:
        """Those of the metrics that go on when true videos have ended."""
        facts, kinds = self.set_facts, declared_facts("descriptor", "viddiff.metrics")
        return tuple(
            name
            for name in self.names
            if name in facts and kinds.get(facts[name]["descriptor"], {}).get("beyond")
        )

    @property
    def needs_i3d(self) -> bool:
        """Whether they need the weights of I3D that viddiff fetches."""
        return self.fvd.weights is None and not self.descriptors.isdisjoint(_OF_I3D)

    @property
    def needs_alexnet(self) -> bool:
        """Whether they need the weights of LPIPS."""
        return "lpips" in self.names or "lags" in self.descriptors

    @property
    def files(self) -> tuple[str, ...]:
        """How the names of the files of a measurement end."""
        return ("pkl", "json", "npz") if self.descriptors else ("pkl", "json")

    def options(self, name: str) -> dict[str, tuple[str, Any]]:
        """What is configured of a metric's protocol: by the field in its record, the config key and what it holds."""
        if name == "ssim":
            return {"data_range": ("ssim_data_range", self.ssim_data_range)}
        descriptor = self.set_facts.get(name, {}).get("descriptor", "")
        parts: tuple[str, ...] = ("frames", "covariance")
        own: dict[str, tuple[str, Any]] = {}
        if descriptor in _OF_I3D:
            parts = ("resize", *parts)
            if self.fvd.weights is not None:
                own = {"weights_source": ("fvd.weights", self.fvd.weights.name)}
        elif descriptor in self.extractors:
            key, network = f"extractors.{descriptor}", self.extractors[descriptor]
            own = {
                "network": (f"{key}.file", network.file.name),
                "size": (f"{key}.size", network.size),
                "clip_frames": (f"{key}.frames", network.frames),
                "input_range": (f"{key}.range", list(network.range)),
                "layout": (f"{key}.layout", network.layout),
            }
        else:
            return {}
        return own | {part: (f"fvd.{part}", getattr(self.fvd, part)) for part in parts}


@dataclass(frozen=True)
class Videos:
    """How samples are animated. formats: suffixes of the files."""

    formats: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """What the report shows. videos: in a contact sheet."""

    videos: int


@dataclass(frozen=True)
class Quality:
    """What the target `quality` compares with a reference, in each of the modes of one checkpoint.

    treatments: what is done in each stage of the modes, `none` or as their names say it, `history-2`; samplers: as a
    checkpoint's folder names them, with the spacing of levels behind `_` where it is not the usual one; evaluations: of
    the network, in a stage, at most; reference: what its folder has behind the checkpoint; deciding: metrics that say
    whether something is as good as the reference.
    """

    run: str
    checkpoint: str
    modes: tuple[str, ...]
    treatments: tuple[str, ...]
    samplers: tuple[str, ...]
    evaluations: tuple[int, ...]
    reference: str
    videos: int
    samples: int
    deciding: tuple[str, ...]


@dataclass(frozen=True)
class Configuration:
    """All sections.

    name: of the grid, whose tables lie in a folder of their own then; device: `auto`, `cpu` or `cuda`; modes: the
    definitions that `register_modes` takes; quality: `None` if it is not configured.
    """

    name: str | None
    data_root: str
    data_cache: str | None
    device: str
    bouncy_balls: BouncyBalls
    datasets: Mapping[str, DatasetSettings]
    training: Mapping[str, Training]
    modes: Mapping[str, Mapping[str, Any]]
    grid: tuple[GridBlock, ...]
    sampling: Sampling
    optimal: SearchSettings
    metrics: Metrics
    videos: Videos
    report: Report
    quality: Quality | None = None

    @property
    def alexnet(self) -> str:
        """The file of the weights of LPIPS, which a rule makes."""
        return f"{self.data_root}/lpips_alexnet.pt"

    @property
    def decoded(self) -> str:
        """The folder of arrays that videos are decoded into once."""
        return f"{self.data_root}/.decoded"

    @property
    def i3d(self) -> str:
        """The file of the weights of FVD and its kin, which a rule makes."""
        return f"{self.data_root}/fvd_i3d.pt"
