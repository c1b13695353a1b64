"""ELBOs of one evaluation directory: from a checkpoint and test videos to files.

Each stage of the mode's plan is a window of the true video: its bits for the latent frames, given the true
observed ones. By the chain rule the sum over stages bounds the bits of all generated frames.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from viddiff.diffusion.elbo import StepNoise, check_steps, window_bound
from viddiff.files.npy import is_whole
from viddiff.files.write import save_npy
from viddiff.inference.chain_rule import check_chain_rule
from viddiff.inference.plan import Plan, Stage
from viddiff.inference.select import Embed, chosen_plans
from viddiff.jobs.prepare import OpenVideos, check_videos, prepare
from viddiff.jobs.sampling import frame_embedding
from viddiff.precision import rows_per_call
from viddiff.seeds import step_generator
from viddiff.tree.elbos import ON_TRUTH, STAGE
from viddiff.tree.fingerprint import claim
from viddiff.tree.partial import Partial
from viddiff.tree.paths import Evaluation
from viddiff.tree.provenance import recorded
from viddiff.tree.schedules import plan_in
from viddiff.video import to_model
from viddiff.window import Window


def measure_elbos(
    evaluation: Evaluation,
    checkpoint_path: Path,
    open_videos: OpenVideos,
    videos: Sequence[int],
    *,
    batch_size: int,
    alexnet: Path | None = None,
    device: str | torch.device = "cpu",
    origin: Mapping[str, str | None] = MappingProxyType({}),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Path]:
    """Write `evaluation.elbo(video)` of test videos, a row of `STAGE` for each stage; files that exist stay.

    Stages are kept as in `sample_videos`. The reverse transitions are those of ancestral sampling at the directory's
    noise levels, whatever its sampler.

    alexnet, origin: as in `sample_videos`. batch_size: diffusion steps in a network call, on a GPU.
    progress: called with the stages done and their number over all videos.

    Returns the files made. Raises `InputError` before any work if checkpoint, mode or videos do not fit, if the mode
    gives videos no probability (`check_chain_rule`), or if the directory holds results of something else.
    """
    missing = [video for video in videos if not is_whole(evaluation.elbo(video))]
    if not missing:
        return []
    plan = plan_in(evaluation)
    check_chain_rule(evaluation.mode, plan)
    prepared = prepare(evaluation, checkpoint_path, open_videos, plan, device)
    check_videos(prepared.dataset, missing, plan)
    model, diffusion, digest = prepared.network, prepared.diffusion, prepared.digest
    check_steps(diffusion)
    embed = frame_embedding(prepared.mode, alexnet, device)
    facts = prepared.fingerprint()
    claim(evaluation.directory, facts)

    total = len(missing) * len(plan.stages)
    with recorded(evaluation.directory, f"elbos_{missing[0]:04d}", device, origin) as made:
        for done, video in enumerate(missing):
            frames = to_model(torch.as_tensor(prepared.dataset.video(video, length=plan.length))).to(device)
            rows = np.zeros(len(plan.stages), STAGE)
            partial = Partial(evaluation.partial_elbo(video), facts)
            finished = partial.kept(dict.fromkeys(range(len(plan.stages)), STAGE))
            for number, stage in enumerate(plan_of_video(plan, frames, embed).stages):
                if number in finished:
                    rows[number] = finished[number]
                    continue
                window = true_window(stage, frames)
                noise = _noise(digest, str(evaluation.mode), prepared.name.respacing, video, number, window)
                bound = window_bound(model, diffusion, window, noise, rows_per_call(device, batch_size))
                rows[number] = (
                    bound.total,
                    bound.prior,
                    bound.vb.sum(),
                    bound.xstart_mse.sum(),
                    bound.mse.sum(),
                    bound.total / len(stage.latent),
                    len(stage.observed),
                    len(stage.latent),
                    ON_TRUTH if plan.stages[number].n_select else "",
                )
                partial.keep(number, rows[number])
                progress(done * len(plan.stages) + number + 1, total)
            if not is_whole(evaluation.elbo(video)):  # as in sample_videos
                save_npy(evaluation.elbo(video), rows)
            made.append(evaluation.elbo(video))
            partial.discard()
    return made


def plan_of_video(plan: Plan, frames: Float[Tensor, "T C H W"], embed: Embed | None) -> Plan:
    """The plan of a true video: frames to be selected at run time are selected among its own known frames."""
    return plan if embed is None else chosen_plans(plan, frames[None], embed)[0]


def true_window(stage: Stage, frames: Float[Tensor, "T C H W"]) -> Window:
    """A stage's window of the true video, a batch of one: observed frames, then latent ones."""
    index = torch.tensor([[*stage.observed, *stage.latent]], device=frames.device)
    latent = torch.arange(index.shape[1], device=frames.device)[None] >= len(stage.observed)
    return Window(frames[index], index, ~latent, latent)


def _noise(checkpoint: str, mode: str, respacing: str, video: int, stage: int, window: Window) -> StepNoise:
    def noise(step: int) -> Tensor:
        generator = step_generator(checkpoint, mode, respacing, video, stage, step)
        return torch.randn(window.frames.shape[1:], generator=generator)

    return noise
