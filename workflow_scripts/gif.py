"""Animate samples."""

from pathlib import Path

from viddiff.inference.modes import true_frames
from viddiff.render.gif import write_gif
from viddiff.tree.paths import Evaluation
from viddiff.tree.samples import load_sample
from viddiff.workflow.job import each, job


def animate(paths):
    sample, gif = paths
    frames, mode = load_sample(sample), Evaluation.parse(Path(sample).parents[1]).mode
    observed = true_frames(mode, len(frames))
    write_gif(gif, frames, [index in observed for index in range(len(frames))])


with job(snakemake):
    each(list(zip(snakemake.input, snakemake.output, strict=True)), animate)
