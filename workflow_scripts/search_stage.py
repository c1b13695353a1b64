"""Search the observed frames of one stage of an optimal schedule."""

from viddiff.network_job import network_arguments
from viddiff.optimal import search_stage
from viddiff.optimal_schedule import SearchSettings
from viddiff.script import job

with job(snakemake):
    search_stage(
        **network_arguments(snakemake),
        stage=int(snakemake.wildcards.stage),
        settings=SearchSettings(**snakemake.config["optimal"]),
    )
