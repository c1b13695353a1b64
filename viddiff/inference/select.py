"""Observed frames chosen by content: farthest-point selection on embeddings of frames.

Each pick is the candidate whose nearest chosen frame is farthest, so that the chosen frames cover what the
video has shown (Harvey et al. 2022, arXiv 2205.11495, section 5.1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from viddiff.inference.frames_in_file import FramesInFile
from viddiff.inference.plan import Plan

# Embeddings of frames in [-1, 1]: the distance of two frames is the Euclidean distance of their embeddings.
Embed = Callable[[Float[Tensor, "T C H W"]], Float[Tensor, "T D"]]


def l2_embedding(frames: Float[Tensor, "T C H W"]) -> Float[Tensor, "T D"]:
    """Pixels: the distance of two frames is the root of the sum of their squared differences."""
    return frames.flatten(1)


def farthest_frames(
    embeddings: Float[Tensor, "B T D"], candidates: Bool[Tensor, " T"], chosen: Sequence[int], n: int
) -> Int[Tensor, "B n"]:
    """Choose `n` of the candidate frames of each video, in the order in which they are picked.

    chosen: frames chosen beforehand, none of which is picked again; if there are none, the last candidate is
    the first pick. Of equally far frames the first is picked. There are at least `n` candidates that are not
    chosen.
    """
    batch, length, _ = embeddings.shape
    distance = embeddings.new_full((batch, length), torch.inf)  # to the nearest chosen frame
    free = candidates.expand(batch, -1).clone()
    free[:, list(chosen)] = False
    for frame in chosen:
        pick = torch.full((batch,), frame, device=embeddings.device)
        distance = torch.minimum(distance, _distances(embeddings, pick))
    picks: list[Tensor] = []
    for _ in range(n):
        if chosen or picks:
            pick = distance.masked_fill(~free, -torch.inf).argmax(1)
        else:
            pick = candidates.nonzero().max().expand(batch)
        free.scatter_(1, pick[:, None], False)
        distance = torch.minimum(distance, _distances(embeddings, pick))
        picks.append(pick)
    return torch.stack(picks, 1)


def _distances(embeddings: Float[Tensor, "B T D"], pick: Int[Tensor, " B"]) -> Float[Tensor, "B T"]:
    picked = embeddings[torch.arange(len(pick), device=pick.device), pick]
    # By matrix products it would be faster and lose half of the digits.
    return torch.cdist(embeddings, picked[:, None], compute_mode="donot_use_mm_for_euclid_dist")[..., 0]


class Selector:
    """Chooses observed frames for the stages of a plan, in each video of a batch.

    A frame is embedded when it becomes known, and when it is made again. Every video is embedded by itself,
    so that its choice does not depend on its batch.
    """

    def __init__(self, plan: Plan, embed: Embed) -> None:
        self._stages, self._embed = plan.stages, embed
        self._first = _first_made(plan)
        self._embeddings = torch.empty(0, 0, 0)  # [B, T, D], once a frame was seen

    def see(self, frames: Float[Tensor, "B T C H W"] | FramesInFile, index: Sequence[int]) -> None:
        """Embed the frames `index` of each video."""
        embedded = torch.stack([self._embed(frames[row, list(index)]) for row in range(len(frames))])
        if not len(self._embeddings):
            self._embeddings = embedded.new_zeros(*frames.shape[:2], embedded.shape[2])
        self._embeddings[:, list(index)] = embedded

    def choose(self, number: int) -> list[tuple[int, ...]]:
        """What stage `number` observes in each video: what the plan says, then what is picked."""
        stage = self._stages[number]
        candidates = self._first < number
        candidates[list(stage.latent)] = False
        candidates = candidates.to(self._embeddings.device)
        picks = farthest_frames(self._embeddings, candidates, stage.observed, stage.n_select)
        return [(*stage.observed, *row) for row in picks.tolist()]


def chosen_plans(plan: Plan, videos: Float[Tensor, "B T C H W"], embed: Embed) -> tuple[Plan, ...]:
    """The plan of each video with its frames chosen on whole given videos, not on what the stages make."""
    selector = Selector(plan, embed)
    selector.see(videos, range(plan.length))
    chosen = {number: selector.choose(number) for number, stage in enumerate(plan.stages) if stage.n_select}
    return tuple(
        with_choices(plan, {number: rows[row] for number, rows in chosen.items()})
        for row in range(len(videos))
    )


def with_choices(plan: Plan, chosen: Mapping[int, tuple[int, ...]]) -> Plan:
    """The plan as it was executed: what some stages observe, given by their numbers; nothing is selected."""
    stages = [
        replace(stage, observed=chosen[number], n_select=0) if number in chosen else stage
        for number, stage in enumerate(plan.stages)
    ]
    return replace(plan, stages=tuple(stages))


def _first_made(plan: Plan) -> Int[Tensor, " T"]:
    """The number of the stage that makes each frame first, if stages run one after another; -1 of true frames."""
    first = torch.full((plan.length,), len(plan.stages))
    for number, stage in reversed(list(enumerate(plan.stages))):
        first[list(stage.latent)] = number
    first[list(plan.true_frames)] = -1
    return first
