"""From a network to a denoiser, all that a sampler knows: a function from noisy frames to an estimate of clean ones.

Losses, bounds and denoisers work with any `Network`; samplers and guidance with any `Denoise`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Num
from torch import Tensor

from viddiff.diffusion.noise_schedule import FrameLevels, Level
from viddiff.diffusion.prediction import PREDICTION
from viddiff.diffusion.process import Diffusion
from viddiff.window import Window, WindowFrames


@runtime_checkable
class Network(Protocol):
    """What is trained: it predicts x_0, eps or both mixed, of the frames of a window: see `Diffusion.predicts`."""

    def __call__(
        self, x_t: WindowFrames, t: Num[Tensor, "B ..."], window: Window, positions: Any = None, /
    ) -> Float[Tensor, "B K D H W"]:
        """The prediction at diffusion steps t as the network is told them, [B] of windows or [B, K] of frames.

        D is C, or twice C if the variance is learned: then v follows. `positions`: of the window, if known; with them
        what is said of observed frames has no meaning.
        """

    def positions(self, window: Window, /) -> Any:
        """What the network computes of a window alone, once for all diffusion steps."""


class Estimate(NamedTuple):
    """What a denoiser says of noisy frames.

    x_0: the estimate of the clean frames.
    v: the place of the log variance between the smallest (-1) and the largest (1): one for all, or if it is learned one
        for each value.
    """

    x_0: WindowFrames
    v: WindowFrames | Float[Tensor, ""]


@runtime_checkable
class Denoise(Protocol):
    """What is sampled from: an estimate of the clean frames that are `x_t` at a noise level, or each at its own."""

    def __call__(self, x_t: WindowFrames, level: Level, /) -> Estimate: ...


def add_noise(
    x_0: WindowFrames, eps: WindowFrames, alpha: float | Tensor, sigma: float | Tensor
) -> WindowFrames:
    """Ho et al. 2020, eq. 4: `x_t = alpha x_0 + sigma eps`."""
    return alpha * x_0 + sigma * eps


def prediction_and_v(diffusion: Diffusion, output: Tensor) -> tuple[Tensor, Tensor]:
    """The network's raw output, taken apart: what it predicts, and v as in `Estimate`."""
    if diffusion.variance == "learned":
        prediction, v = output.chunk(2, dim=2)
        return prediction, v
    return output, output.new_full((), 1.0 if diffusion.variance == "large" else -1.0)


def estimate_of(
    diffusion: Diffusion, output: Tensor, x_t: Tensor, alpha: float | Tensor, sigma: float | Tensor
) -> Estimate:
    """What the network's raw output for x_t says of the clean frames, in any range."""
    prediction, v = prediction_and_v(diffusion, output)
    return Estimate(PREDICTION[diffusion.predicts].x_0(x_t, prediction, alpha, sigma), v)


def network_denoiser(
    model: Network,
    diffusion: Diffusion,
    window: Window,
    observed_noise: float | None = None,
    *,
    whole: bool = True,
) -> Denoise:
    """The denoiser of one window. Estimates lie in any range; see `clipped`. They have the precision of x_t.

    observed_noise: what the network is told of the noise on observed frames, if it takes such an argument.
    whole: whether observed frames get estimates, too; without, a call is cheaper, and theirs have no meaning.
    """
    positions = None if whole else model.positions(window)
    batch = window.frames.shape[0]
    told = (
        {} if observed_noise is None else {"observed_noise": window.frames.new_full((batch,), observed_noise)}
    )
    call: Callable[..., Tensor] = model

    def denoise(x_t: Tensor, level: Level) -> Estimate:
        seen = PREDICTION[diffusion.predicts].input(x_t, level.alpha, level.sigma)
        each: Any = level.t if isinstance(level, FrameLevels) else None
        t = torch.full((batch,), level.t, device=x_t.device) if each is None else each
        output = call(seen, t, window, positions, **told)
        return estimate_of(diffusion, output.to(x_t.dtype), x_t, level.alpha, level.sigma)

    return denoise


def clipped(denoise: Denoise) -> Denoise:
    """The same denoiser with its estimates clipped to [-1, 1], where frames live."""

    def clipped_denoise(x_t: Tensor, level: Level) -> Estimate:
        estimate = denoise(x_t, level)
        return estimate._replace(x_0=estimate.x_0.clamp(-1.0, 1.0))

    return clipped_denoise


def evaluated_in(numerics: Callable[[], AbstractContextManager[None]], denoise: Denoise) -> Denoise:
    """The same denoiser, each evaluation in a context of its own: that of a numeric precision."""

    def denoise_there(x_t: Tensor, level: Level) -> Estimate:
        with numerics():
            return denoise(x_t, level)

    return denoise_there


def noting(denoise: Denoise, finite: list[Tensor]) -> Denoise:
    """The same denoiser, which adds to `finite` whether each estimate is of finite numbers.

    That is a tensor on the device: who looks at it waits for the network.
    """

    def noted_denoise(x_t: Tensor, level: Level) -> Estimate:
        estimate = denoise(x_t, level)
        finite.append(estimate.x_0.isfinite().all())
        return estimate

    return noted_denoise
