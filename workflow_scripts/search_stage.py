"""Search the observed frames of one stage of an optimal schedule."""

from viddiff.jobs.job import job
from viddiff.jobs.network_job import network_arguments
from viddiff.jobs.search import search_stage
from viddiff.tree.schedules import SearchSettings

with job(snakemake):
    search_stage(
        **network_arguments(snakemake),
        stage=int(snakemake.wildcards.stage),
        settings=SearchSettings(**snakemake.config["optimal"]),
    )
