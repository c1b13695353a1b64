"""Windows from noise to clean frames: network, diffusion process, guidance and sampler put together."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from viddiff.diffusion.denoiser import Denoise, Network, clipped, evaluated_in, network_denoiser, noting
from viddiff.diffusion.guidance import all_latent, guided
from viddiff.diffusion.history import history_guided
from viddiff.diffusion.observed_noise import ObservedNoise, with_noise
from viddiff.diffusion.process import Diffusion
from viddiff.diffusion.resampling import resampled
from viddiff.diffusion.samplers.base import find_sampler, find_step
from viddiff.diffusion.treatment import Treatment
from viddiff.diffusion.walk import walked
from viddiff.window import Noise, StepNoise, Walk, Window, WindowFrames

BEFORE = -1
"""In place of the number of an evaluation: the noise that observed frames have in a step."""


@dataclass(frozen=True)
class Conditioning:
    """How the observed frames of windows act: by default the network sees them.

    treatment: what the mode's name says; true_frames: those of the video that are given; tells_noise: whether the
    network is told of noise on observed frames; guidance_weight: if given, observed frames act by reconstruction
    guidance, and the network sees them as latent; guides_mean: whether it moves the means of ancestral sampling's
    transitions, as the original's, or the estimates.
    """

    treatment: Treatment = field(default_factory=Treatment)
    true_frames: tuple[int, ...] = ()
    tells_noise: bool = False
    guidance_weight: float | None = None
    guides_mean: bool = False


@dataclass(frozen=True)
class WindowSampler:
    """A network, the diffusion steps that it is used with, and how it is evaluated.

    numerics: a context for each of the network's evaluations.
    """

    network: Network
    diffusion: Diffusion
    numerics: Callable[[], AbstractContextManager[None]]
    conditioning: Conditioning = field(default_factory=Conditioning)

    def sample(self, sampler: str, window: Window, noise: Noise) -> tuple[WindowFrames, bool]:
        """Frames from noise to clean, without meaning where they are observed; whether they are finite numbers, and all
        of the network's estimates on the way."""
        finite: list[Tensor] = []
        # Inference mode is quicker, but forbids the gradient that guides.
        with torch.inference_mode(self.conditioning.guidance_weight is None), torch.no_grad():
            levels = self.diffusion.levels()
            window = self._noised(window, noise)
            used, again = find_sampler(sampler), self.conditioning.treatment.resampling
            used = used if again is None else resampled(used, *again)
            frames = used(self._denoiser(window, finite), noise(), levels, noise)
            return frames, bool(torch.stack([*finite, frames.isfinite().all()]).all())

    def advance(
        self, sampler: str, window: Window, walk: Walk, noise: StepNoise
    ) -> tuple[WindowFrames, bool]:
        """Frames from levels of their own to lower ones; latent ones of the window are as noisy as they are by now.

        What is returned as for `sample`.
        """
        finite: list[Tensor] = []
        with torch.inference_mode(), torch.no_grad():
            seen = self._noised(window, lambda: noise(BEFORE))
            denoise = self._denoiser(seen, finite)
            made = walked(denoise, find_step(sampler), window, walk, self.diffusion.levels(), noise)
            return made, bool(torch.stack([*finite, made.isfinite().all()]).all())

    def evaluate(self, window: Window) -> None:
        """One evaluation, for the memory that it takes: as much as a window of that size may need."""
        if self.conditioning.guidance_weight is None:  # it needs observed frames
            window = all_latent(window)  # none is left out
        with torch.inference_mode(self.conditioning.guidance_weight is None), torch.no_grad():
            self._denoiser(window, [])(window.frames, self.diffusion.levels()[0])

    def _noised(self, window: Window, noise: Noise) -> Window:
        level = self.conditioning.treatment.observed_noise
        if not level:
            return window
        levels = window.frames.new_full((len(window.frames),), level)
        return with_noise(window, ObservedNoise(levels, noise()))

    def _denoiser(self, window: Window, finite: list[Tensor]) -> Denoise:
        """finite: gets whether each estimate of the network's is finite, before it is clipped."""
        how = self.conditioning
        told = how.treatment.observed_noise if how.tells_noise else None

        def network(seen: Window) -> Denoise:
            found = network_denoiser(self.network, self.diffusion, seen, told, whole=False)
            return clipped(noting(found, finite))

        if how.guidance_weight is not None:
            free = network(all_latent(window))
            if how.guides_mean:  # what is shifted is no estimate of frames, to be clipped
                denoise = guided(free, window, how.guidance_weight, self.diffusion.levels())
            else:
                denoise = clipped(guided(free, window, how.guidance_weight))
        elif how.treatment.history:
            denoise = clipped(history_guided(network, window, how.treatment.history, how.true_frames))
        else:
            denoise = network(window)
        return evaluated_in(self.numerics, denoise)
