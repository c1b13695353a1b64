"""Decode the training videos of a dataset once, into arrays from which trainings read."""

import logging
from pathlib import Path

from viddiff.jobs.decoding import decode_videos
from viddiff.tree.datasets import read_record, record_file, settings_of
from viddiff.workflow.job import LoggedProgress, job

with job(snakemake) as work:
    name, split = snakemake.wildcards.dataset, "train"
    videos = work.open_videos(name, split, decoded=True)
    settings = settings_of(name, work.config.data_root, work.config.datasets)
    record = read_record(record_file(name, split), settings)
    made = decode_videos(videos, record, snakemake.threads, LoggedProgress())
    logging.info("%d arrays made", made)
    Path(snakemake.output[0]).touch()
