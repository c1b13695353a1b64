"""Snakemake as usual, but it asks for the state of submitted jobs every second.

The SLURM plugin waits 10 s longer after every question to which nothing was new, which no setting turns off.
"""

import asyncio
import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def sleep(self):
    await asyncio.sleep(1)


RemoteExecutor.sleep = sleep
sys.argv[0] = "snakemake"
main()
