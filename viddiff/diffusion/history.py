"""Guidance by history: Song et al. 2025, *History-Guided Video Diffusion* (arXiv 2502.06764), eq. 3, on estimates.

The network sees a window without its observed frames, and with them. The difference is what these frames say, and a
weight above 1 makes them say it louder:

    x_0 = x_0(nothing) + w (x_0(history) - x_0(nothing)) + sum over parts H of it of w_H (x_0(H) - x_0(nothing))

It needs a network that was trained to see windows with any of their frames, and with none, as the masks of training
are by default. Frames that an evaluation must not see are taken out of its window: as padding they would have a say, in
the means over frames with which the network normalises.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from viddiff.diffusion.denoiser import Denoise, Estimate
from viddiff.diffusion.noise_schedule import FrameLevels, Level
from viddiff.diffusion.treatment import Subset
from viddiff.window import Window


def history_guided(
    denoiser: Callable[[Window], Denoise],
    window: Window,
    weights: Sequence[tuple[Subset, float]],
    true_frames: Sequence[int] = (),
) -> Denoise:
    """The window's denoiser, guided by its history.

    denoiser: of any window. weights: of the whole history and of parts of it. Each is seen in an evaluation of its own,
    unless no row of the batch has such frames. true_frames: the frames that are `given`. Rows that observe nothing are
    not guided.

    Estimates lie in any range, and have no meaning where frames are not latent. Their v is that of the first weight's.
    """
    marks = [(part_of(window, subset, true_frames), weight) for subset, weight in weights]
    parts = [(observed, weight) for observed, weight in marks if bool(observed.any())]
    if not parts:
        return denoiser(window)
    nothing = observing(denoiser, window, torch.zeros_like(window.observed))
    seen = [(observing(denoiser, window, observed), weight, _rows(observed)) for observed, weight in parts]

    def guided_denoise(x_t: Tensor, level: Level) -> Estimate:
        free = nothing(x_t, level).x_0
        estimates = [denoise(x_t, level) for denoise, _, _ in seen]
        x_0 = free
        for estimate, (_, weight, rows) in zip(estimates, seen, strict=True):
            x_0 = x_0 + (weight * (estimate.x_0 - free)).where(rows, 0.0)
        return Estimate(x_0, estimates[0].v)

    return guided_denoise


def part_of(window: Window, subset: Subset, true_frames: Sequence[int] = ()) -> Bool[Tensor, "B K"]:
    """The observed frames that are of a subset, see `Subset`."""
    if subset == "given":
        frames = torch.tensor(list(true_frames), dtype=torch.int64, device=window.frame_index.device)
        return window.observed & torch.isin(window.frame_index, frames)
    if subset == "newest":
        newer = window.frame_index[:, None, :] > window.frame_index[:, :, None]
        rank = (newer & window.observed[:, None, :]).sum(dim=2)
        return window.observed & (rank < (window.observed.sum(dim=1, keepdim=True) + 1) // 2)
    return window.observed


class _Group(NamedTuple):
    """Rows of a batch that see equally many frames: which frames of the window, and the denoiser of what they see."""

    rows: Int[Tensor, "n 1"]
    frames: Int[Tensor, "n k"]
    denoise: Denoise


def observing(
    denoiser: Callable[[Window], Denoise], window: Window, observed: Bool[Tensor, "B K"]
) -> Denoise:
    """The denoiser of a window of which these of the observed frames, and the latent ones, are all there is.

    Estimates are 0 for frames that are not there.
    """
    kept = observed | window.latent
    if bool(kept.all()) and bool((observed == window.observed).all()):
        return denoiser(window)
    counts = kept.sum(dim=1)
    groups = []
    for count in counts.unique().tolist():
        rows = (counts == count).nonzero()
        frames = kept[rows[:, 0]].nonzero()[:, 1].view(len(rows), count)
        marks = (window.frames, window.frame_index, observed, window.latent)
        groups.append(_Group(rows, frames, denoiser(Window(*(part[rows, frames] for part in marks)))))

    def denoise(x_t: Tensor, level: Level) -> Estimate:
        x_0, v = torch.zeros_like(x_t), torch.zeros_like(x_t)
        for rows, frames, part in groups:
            estimate = part(x_t[rows, frames], level_at(level, rows, frames))
            x_0[rows, frames], v[rows, frames] = estimate.x_0, estimate.v.to(v)
        return Estimate(x_0, v)

    return denoise


def level_at(level: Level, rows: Int[Tensor, "n 1"], frames: Int[Tensor, "n k"]) -> Level:
    """The level of some frames of some rows, where frames have levels of their own."""
    if not isinstance(level, FrameLevels):
        return level
    each: Any = level
    return FrameLevels(*(part[rows, frames] for part in each))


def _rows(observed: Bool[Tensor, "B K"]) -> Bool[Tensor, "B 1 1 1 1"]:
    return observed.any(dim=1)[:, None, None, None, None]
