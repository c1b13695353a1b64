"""Respacings that ask how noisy the steps are: evenly in some measure of their noise.

Only steps that the network was trained on are kept, exactly as many as are asked for, the noisiest among them: for each
place in the measure, from the noisiest on, the nearest step. One that is taken already gives way to the next less noisy
one; if these would run out, the steps from 0 on are kept at the end.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from viddiff.diffusion.respacing import check_respacing, read_respacing

RHO = 7.0


def spaced_steps(alpha_bar: Float64[np.ndarray, " steps"], spec: str) -> tuple[int, ...]:
    """The steps that `"logsnr25"` or `"karras25"` keeps of a process, the least noisy first.

    logsnr: equal steps of log(alpha / sigma), from the noisiest to the least noisy step (Lu et al. 2022,
    arXiv 2206.00927, section 3.4). karras: of (sigma / alpha)^(1/7) (Karras et al. 2022, arXiv 2206.00364, eq. 5). A
    step without a signal, where both are infinite, counts as the next less noisy one.

    Raises `InputError` if there are not enough steps.
    """
    check_respacing(len(alpha_bar), spec)
    kind, (count,) = read_respacing(spec)
    signal = np.maximum(alpha_bar, alpha_bar[alpha_bar > 0.0].min(initial=1.0))
    log_snr = 0.5 * (np.log(signal) - np.log1p(-signal))
    measure = -log_snr if kind == "logsnr" else np.exp(-log_snr / RHO)
    wanted = np.linspace(measure[-1], measure[0], count)
    noisier = np.searchsorted(measure, wanted).clip(1, len(measure) - 1)
    nearest = noisier - (wanted - measure[noisier - 1] < measure[noisier] - wanted)
    nearest[0] = len(measure) - 1
    return _distinct(nearest.tolist())


def _distinct(wanted: list[int]) -> tuple[int, ...]:
    """Falling numbers that may repeat, made different ones of 0 or more; the least first."""
    kept: list[int] = []
    for step in wanted:
        kept.append(min(step, kept[-1] - 1) if kept else step)
    return tuple(max(step, number) for number, step in enumerate(reversed(kept)))
