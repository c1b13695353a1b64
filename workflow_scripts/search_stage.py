"""Search the observed frames of one stage of an optimal schedule."""

from viddiff.jobs.job import job
from viddiff.jobs.network_job import network_arguments
from viddiff.jobs.search import search_stage
from viddiff.workflow.config import read_config

with job(snakemake):
    search_stage(
        **network_arguments(snakemake),
        stage=int(snakemake.wildcards.stage),
        settings=read_config(snakemake.config).optimal,
    )
