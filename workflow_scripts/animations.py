"""Animate samples."""

from pathlib import Path

from viddiff.inference.modes import true_frames
from viddiff.render.gif import write_gif
from viddiff.render.mp4 import write_mp4
from viddiff.tree.paths import Evaluation
from viddiff.tree.samples import open_sample
from viddiff.workflow.job import each, job

WRITERS = {".gif": write_gif, ".mp4": write_mp4}


def animate(paths):
    sample, animation = map(Path, paths)
    frames, mode = open_sample(sample), Evaluation.parse(sample.parents[1]).mode
    observed = frozenset(true_frames(mode, len(frames)))
    WRITERS[animation.suffix](animation, frames, [index in observed for index in range(len(frames))])


with job(snakemake):
    each(list(zip(snakemake.input, snakemake.output, strict=True)), animate)
