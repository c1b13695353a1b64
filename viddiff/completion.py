"""A mode made ready for a model: what completes videos, in memory or, where they are long, in a file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from viddiff.call_size import WINDOWS_PER_CALL, CallSize
from viddiff.diffusion.sample import Conditioning
from viddiff.inference.complete import MadeStage, SecondModel, complete
from viddiff.inference.frames_in_file import FramesInFile
from viddiff.inference.modes import Mode
from viddiff.inference.plan import Plan, Stage
from viddiff.inference.select import Embed
from viddiff.model.sizes import frame_size
from viddiff.seeds import SampleIdentity, whole_number
from viddiff.video import checked_videos, to_model, to_uint8
from viddiff.window import Noise, Window, WindowFrames

if TYPE_CHECKING:
    from viddiff.video_model import VideoModel

FRAMES_CONVERTED = 256
MOST_IN_MEMORY = 2**27  # bytes of a video's frames in float32, of which longer ones lie in a file
MOST_BYTES = 2**31  # of the frames of the videos that are completed at once, unless one has more


class CompletedVideos(NamedTuple):
    """Completed videos, observed frames included, each in parts along time, and the plan by which each was made."""

    videos: Sequence[Iterable[UInt8[np.ndarray, "n C H W"]]]
    plans: tuple[Plan, ...]

    @property
    def frames(self) -> UInt8[np.ndarray, "B T C H W"]:
        """All frames of all videos."""
        return np.stack([np.concatenate(list(parts)) for parts in self.videos])


@dataclass(frozen=True)
class _Parts:
    """A video in a file, in parts as they are shown."""

    frames: FramesInFile
    row: int

    def __iter__(self) -> Iterator[UInt8[np.ndarray, "n C H W"]]:
        for part in _parts(self.frames.shape[1]):
            yield to_uint8(self.frames[self.row, part]).cpu().numpy()


@dataclass(frozen=True)
class Completion:
    """A mode made ready for a model.

    conditioning: how observed frames act in its stages; embed: by what observed frames are chosen while the plan is
    executed, `None` if the plan says them all; second: the same for the model of the mode's second checkpoint.
    """

    model: VideoModel
    mode: Mode
    plan: Plan
    conditioning: Conditioning
    embed: Embed | None
    second: Completion | None = None

    def maker(self, stage: Stage) -> VideoModel:
        """The model that makes a stage."""
        return self.second.model if stage.second and self.second else self.model

    def check_videos(self, videos: Any, count: int = 1) -> Tensor:
        """The videos up to the last frame that is observed or a goal; `count` without frames if they are `None`.

        Raises `InputError` unless they are uint8 `[B, as many or more, C, H, W]`, or `None` and no frame is observed.
        """
        needed = 1 + max(self.plan.true_frames, default=-1)
        size = frame_size(self.model.config)
        if videos is None and not needed:
            return torch.empty(count, 0, 3, *size, dtype=torch.uint8)
        return checked_videos(videos, needed, size, f"mode {str(self.mode)!r} and this model")

    def call_size(self, wanted: int | None = None) -> CallSize:
        """The most windows in a network call, see `VideoModel.call_size`."""
        largest = max(stage.places for stage in self.plan.stages)
        own = self.model.call_size(largest, wanted, self.conditioning)
        return min(own, self.second.call_size(wanted), key=lambda calls: calls.most) if self.second else own

    def videos_at_once(self, calls: CallSize, wanted: int | None = None) -> int:
        """How many videos are completed at once: in modes whose stages wait for each other, they alone fill calls.

        Not more than have `MOST_BYTES` of frames in float32, unless more are wanted.
        """
        fit = MOST_BYTES // (4 * self.plan.length * 3 * math.prod(frame_size(self.model.config)))
        return wanted or max(1, min(fit, max(calls.most, WINDOWS_PER_CALL)))

    def run(
        self,
        videos: UInt8[Tensor, "B given C H W"],
        indices: Sequence[int],
        sample: int,
        *,
        calls: CallSize | None = None,
        folder: Path | None = None,
        finished: Mapping[tuple[int, int], MadeStage] = MappingProxyType({}),
        keep: Callable[[int, int, MadeStage], None] = lambda row, stage, made: None,
        progress: Callable[[int], None] = lambda done: None,
    ) -> CompletedVideos:
        """Complete a batch of videos at once, of which the frames that are given have to be there, 0 to the last one.

        calls: the most windows in a network call, by default as `call_size` says. folder: where the frames of videos
        longer than memory is to hold lie meanwhile; without one all are in memory. finished, keep, progress: as for
        `viddiff.inference.complete.complete`.
        """
        model, second = self.model, self.second
        shape = (len(videos), self.plan.length, *videos.shape[2:])
        is_long = 4 * math.prod(shape[1:]) > MOST_IN_MEMORY
        completed = complete(
            self.plan,
            to_model(videos).to(model.device),
            self._identities(indices, sample),
            self._sample_window,
            advance=lambda window, walk, noise: model.advance_window(window, walk, noise, self.conditioning),
            second=None if second is None else second._as_second(indices, sample),
            windows_per_call=calls or self.call_size(),
            embed=self.embed,
            store=FramesInFile(folder, shape, model.device) if folder and is_long else None,
            finished=finished,
            keep=keep,
            progress=progress,
        )
        made = completed.frames
        if isinstance(made, FramesInFile):
            return CompletedVideos([_Parts(made, row) for row in range(len(made))], completed.plans)
        frames = np.empty(made.shape, np.uint8)
        for part in _parts(self.plan.length):
            frames[:, part] = to_uint8(made[:, part]).cpu().numpy()
        return CompletedVideos([[video] for video in frames], completed.plans)

    def _identities(self, indices: Sequence[int], sample: int) -> list[SampleIdentity]:
        model = self.model
        sampler = f"{model.sampler} {model.respacing}".strip()
        sample = whole_number("sample", sample)
        numbers = [whole_number("indices", index) for index in indices]
        return [SampleIdentity(model.sha256, str(self.mode), sampler, number, sample) for number in numbers]

    def _as_second(self, indices: Sequence[int], sample: int) -> SecondModel:
        return SecondModel(self._identities(indices, sample), self._sample_window)

    def _sample_window(self, window: Window, noise: Noise) -> WindowFrames:
        return self.model.sample_window(window, noise, self.conditioning)


def _parts(length: int) -> Iterator[range]:
    """Numbers of frames that are converted at once."""
    for start in range(0, length, FRAMES_CONVERTED):
        yield range(start, min(start + FRAMES_CONVERTED, length))
