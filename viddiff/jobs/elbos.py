"""ELBOs of one evaluation directory: from a checkpoint and test videos to files.

Each stage of the mode's plan is a window of the true video: its bits for the latent frames, given the true
observed ones. By the chain rule the sum over stages bounds the bits of all generated frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from viddiff.diffusion.elbo import StepNoise, check_steps, window_bound
from viddiff.errors import InputError
from viddiff.files.npy import is_whole
from viddiff.files.write import save_npy
from viddiff.inference.chain_rule import check_chain_rule
from viddiff.inference.plan import Plan, Stage
from viddiff.inference.select import Embed, chosen_plans
from viddiff.jobs.job import Job
from viddiff.jobs.prepare import check_videos, prepare
from viddiff.precision import find_precision
from viddiff.seeds import step_generator
from viddiff.tree.elbos import ON_TRUTH, STAGE
from viddiff.tree.fingerprint import claim
from viddiff.tree.partial import Partial
from viddiff.tree.schedules import plan_in, schedule_file
from viddiff.video import to_model
from viddiff.window import Window


def measure_elbos(
    job: Job,
    checkpoint: Path,
    videos: Sequence[int],
    *,
    second: Path | None = None,
    batch_size: int | None = None,
    alexnet: Path | None = None,
    precision: str = "auto",
    compiled: bool = False,
) -> list[Path]:
    """Write `evaluation.elbo(video)` of test videos, a row of `STAGE` for each stage; files that exist stay.

    Stages are kept as in `sample_videos`. The reverse transitions are those of ancestral sampling at the directory's
    noise levels, whatever its sampler.

    second: the file of the mode's second checkpoint, if it has one, which gives the bits of its stages.
    batch_size: diffusion steps in a network call; `None`: as many as fit. alexnet: as in `VideoModel.completion`.
    precision: of the samples, for which the directory is claimed if it is new; compiled: whether they come of a
    compiled network. ELBOs are of float32, by the network as it is, beside samples of any kind.

    Progress counts stages over all videos.

    Returns the files made. Raises `InputError` before any work if checkpoint, mode or videos do not fit, if the mode
    gives videos no probability (`check_chain_rule`), or if the directory holds results of something else.
    """
    evaluation = job.evaluation
    missing = [video for video in videos if not is_whole(evaluation.elbo(video))]
    if not missing:
        return []
    check_chain_rule(evaluation.mode, plan_in(evaluation))
    prepared = prepare(job, checkpoint, second=second)
    model, dataset = prepared.model, prepared.dataset
    completion = model.completion(
        evaluation.mode, second=prepared.second, schedule=schedule_file(evaluation), alexnet=alexnet
    )
    plan = completion.plan
    check_videos(dataset, missing, plan.length)
    check_steps(model.diffusion)
    facts = prepared.fingerprint(plan)
    of_samples = find_precision(precision, job.device) if precision == "auto" else precision
    of_samples_too = {"precision": of_samples} | ({"compiled": True} if compiled else {})
    claim(evaluation.directory, facts | of_samples_too, follow=["precision", "compiled"])

    calls = completion.call_size(batch_size)
    total = len(missing) * len(plan.stages)
    with job.recorded(f"elbos_{missing[0]:04d}", second) as made:
        for done, video in enumerate(missing):
            frames = to_model(torch.as_tensor(dataset.video(video, length=plan.length))).to(job.device)
            rows = np.zeros(len(plan.stages), STAGE)
            kept = Partial(evaluation.partial_elbo(video), facts)
            finished = kept.kept(dict.fromkeys(range(len(plan.stages)), STAGE))
            for number, stage in enumerate(plan_of_video(plan, frames, completion.embed).stages):
                if number in finished:
                    rows[number] = finished[number]
                    continue
                window, maker = true_window(stage, frames), completion.maker(stage)
                identity = (maker.sha256, str(evaluation.mode), maker.respacing, video, number)
                measured = partial(
                    window_bound, maker.network, maker.diffusion, window, _noise(identity, window)
                )
                try:
                    bound = calls.run(maker.diffusion.n_steps, measured)
                except InputError as error:
                    raise InputError(f"{maker.path}, video {video}, stage {number}: {error}") from error
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
                kept.keep(number, rows[number, ...])
                job.progress(done * len(plan.stages) + number + 1, total)
            if not is_whole(evaluation.elbo(video)):  # as in sample_videos
                save_npy(evaluation.elbo(video), rows)
            made.append(evaluation.elbo(video))
            kept.discard()
    return made


def plan_of_video(plan: Plan, frames: Float[Tensor, "T C H W"], embed: Embed | None) -> Plan:
    """The plan of a true video: frames to be selected at run time are selected among its own known frames."""
    return plan if embed is None else chosen_plans(plan, frames[None], embed)[0]


def true_window(stage: Stage, frames: Float[Tensor, "T C H W"]) -> Window:
    """A stage's window of the true video, a batch of one: observed frames, then latent ones."""
    index = torch.tensor([[*stage.observed, *stage.latent]], device=frames.device)
    latent = torch.arange(index.shape[1], device=frames.device)[None] >= len(stage.observed)
    return Window(frames[index], index, ~latent, latent)


def _noise(identity: tuple[str, str, str, int, int], window: Window) -> StepNoise:
    """The noise of a stage by the diffusion step. identity: checkpoint, mode, respacing, video, stage."""

    def noise(step: int) -> Tensor:
        return torch.randn(window.frames.shape[1:], generator=step_generator(*identity, step))

    return noise
