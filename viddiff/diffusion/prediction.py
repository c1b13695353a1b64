"""What a network says of noisy frames `x_t = alpha x_0 + sigma eps`, and what clean frames follow from that.

Each kind of prediction has a target, which the training compares the network's output with, and a way back from an
output to x_0, `x_0 = skip x_t + out output`. All are exact at every level but those that divide by alpha, which is 0 in
frames without a signal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from viddiff.diffusion.settings import Predicts

SIGMA_DATA = 0.5
"""The standard deviation of frames in [-1, 1] that `edm` reckons with: Karras et al. 2022, table 1."""


def x_0_from_eps(x_t: Any, eps: Any, alpha: Any, sigma: Any) -> Any:
    """Ho et al. 2020 (arXiv 2006.11239), eq. 15: `x_0 = (x_t - sigma eps) / alpha`."""
    return (x_t - sigma * eps) / alpha


def v_target(x_0: Any, eps: Any, alpha: Any, sigma: Any) -> Any:
    """Salimans & Ho 2022 (arXiv 2202.00512), appendix D: `v = alpha eps - sigma x_0`."""
    return alpha * eps - sigma * x_0


def x_0_from_v(x_t: Any, v: Any, alpha: Any, sigma: Any) -> Any:
    """Salimans & Ho 2022, appendix D: `x_0 = alpha x_t - sigma v`."""
    return alpha * x_t - sigma * v


def flow_target(x_0: Any, eps: Any, alpha: Any, sigma: Any) -> Any:
    """The velocity of the straight line from frames to noise: `u = eps - x_0`, whatever the level.

    Liu et al. 2023 (arXiv 2209.03003), eq. 1; Lipman et al. 2023 (arXiv 2210.02747), section 4.1. Their line is
    `z = (1 - tau) x_0 + tau eps`. Every level of this process lies on it, but for its scale:
    `z = x_t / (alpha + sigma)` at `tau = sigma / (alpha + sigma)`. The network sees x_t and the diffusion step, not z
    and tau.
    """
    return eps - x_0


def x_0_from_flow(x_t: Any, u: Any, alpha: Any, sigma: Any) -> Any:
    """From `z - tau u`: `x_0 = (x_t - sigma u) / (alpha + sigma)`."""
    return (x_t - sigma * u) / (alpha + sigma)


def edm_target(x_0: Any, eps: Any, alpha: Any, sigma: Any) -> Any:
    """What the network of Karras et al. 2022 (arXiv 2206.00364), eq. 7, learns: `(x_0 - c_skip y) / c_out`.

    Their noisy frames are `y = x_t / alpha`, with noise of the standard deviation `sigma / alpha`. With their c_skip
    and c_out (table 1), and `d^2 = sigma^2 + alpha^2 sigma_data^2`, that is `(sigma x_0 - alpha sigma_data^2 eps) /
    (sigma_data d)`; the loss has the same weight at all levels, as theirs.
    """
    return (sigma * x_0 - alpha * SIGMA_DATA**2 * eps) / (SIGMA_DATA * _edm_scale(alpha, sigma))


def x_0_from_edm(x_t: Any, output: Any, alpha: Any, sigma: Any) -> Any:
    """Karras et al. 2022, eq. 7: `c_skip y + c_out output`, `c_skip = alpha^2 sigma_data^2 / d^2`,
    `c_out = sigma sigma_data / d`."""
    scale = _edm_scale(alpha, sigma)
    return alpha * SIGMA_DATA**2 / scale**2 * x_t + sigma * SIGMA_DATA / scale * output


def edm_input(x_t: Any, alpha: Any, sigma: Any) -> Any:
    """Karras et al. 2022, table 1: `c_in y = x_t / d`, whose variance is 1 at all levels."""
    return x_t / _edm_scale(alpha, sigma)


def _edm_scale(alpha: Any, sigma: Any) -> Any:
    """The standard deviation of x_t if frames have that of `SIGMA_DATA`."""
    return (sigma**2 + alpha**2 * SIGMA_DATA**2) ** 0.5


@dataclass(frozen=True)
class Prediction:
    """A kind of prediction: functions of tensors, arrays or numbers that go together, and of alpha and sigma.

    target: of x_0 and eps. x_0: of x_t and the network's output. input: of x_t, what the network is given.
    """

    target: Callable[[Any, Any, Any, Any], Any]
    x_0: Callable[[Any, Any, Any, Any], Any]
    input: Callable[[Any, Any, Any], Any] = lambda x_t, alpha, sigma: x_t


PREDICTION: Mapping[Predicts, Prediction] = MappingProxyType(
    {
        "eps": Prediction(lambda x_0, eps, alpha, sigma: eps, x_0_from_eps),
        "x_0": Prediction(lambda x_0, eps, alpha, sigma: x_0, lambda x_t, output, alpha, sigma: output),
        "v": Prediction(v_target, x_0_from_v),
        "flow": Prediction(flow_target, x_0_from_flow),
        "edm": Prediction(edm_target, x_0_from_edm, edm_input),
    }
)
