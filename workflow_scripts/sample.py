"""Complete a batch of test videos: those whose files are missing."""

import logging
import os
from pathlib import Path

from viddiff.jobs.sampling import sample_videos
from viddiff.workflow.job import job

with job(snakemake) as work:
    sampling = work.config.sampling
    if sampling.compile:  # PyTorch takes the folder from there alone
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(Path(sampling.compile_cache).absolute())
    made = sample_videos(
        work.on_device(os.environ),
        work.evaluation.checkpoint_file(),
        snakemake.params.videos,
        work.number("sample"),
        second=work.second_file,
        batch_size=sampling.batch_size,
        alexnet=work.input("alexnet"),
        guidance_weight=sampling.guidance_weight,
        guidance_shifts=sampling.guidance_shifts,
        precision=sampling.precision,
        compiled=sampling.compile,
    )
    logging.info("made %s", ", ".join(path.name for path in made) or "nothing")
