"""Windows from noise to clean frames: network, diffusion process, guidance and sampler put together."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor

from viddiff.diffusion.denoiser import Denoise, Network, clipped, evaluated_in, network_denoiser, noting
from viddiff.diffusion.guidance import all_latent, guided
from viddiff.diffusion.process import Diffusion
from viddiff.diffusion.samplers.base import find_sampler
from viddiff.window import Noise, Window, WindowFrames


@dataclass(frozen=True)
class WindowSampler:
    """A network, the diffusion steps that it is used with, and how it is evaluated.

    numerics: a context for each of the network's evaluations; guidance_weight: if given, observed frames act by
    reconstruction guidance, and the network sees them as latent.
    """

    network: Network
    diffusion: Diffusion
    numerics: Callable[[], AbstractContextManager[None]]
    guidance_weight: float | None = None

    def sample(self, sampler: str, window: Window, noise: Noise) -> tuple[WindowFrames, bool]:
        """Frames from noise to clean, without meaning where they are observed; whether they are finite numbers, and all
        of the network's estimates on the way."""
        finite: list[Tensor] = []
        # Inference mode is quicker, but forbids the gradient that guides.
        with torch.inference_mode(self.guidance_weight is None), torch.no_grad():
            levels = self.diffusion.levels()
            frames = find_sampler(sampler)(self._denoiser(window, finite), noise(), levels, noise)
            return frames, bool(torch.stack([*finite, frames.isfinite().all()]).all())

    def evaluate(self, window: Window) -> None:
        """One evaluation, for the memory that it takes."""
        with torch.inference_mode(self.guidance_weight is None), torch.no_grad():
            self._denoiser(window, [])(window.frames, self.diffusion.levels()[0])

    def _denoiser(self, window: Window, finite: list[Tensor]) -> Denoise:
        """finite: gets whether each estimate of the network's is finite, before it is clipped."""
        if self.guidance_weight is None:
            denoise = clipped(noting(network_denoiser(self.network, self.diffusion, window), finite))
        else:
            free = noting(network_denoiser(self.network, self.diffusion, all_latent(window)), finite)
            denoise = clipped(guided(clipped(free), window, self.guidance_weight))
        return evaluated_in(self.numerics, denoise)
