"""The command `viddiff`, also `python -m viddiff`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from viddiff.errors import InputError
from viddiff.report.status import configured_grid, status, wanted_samples


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command. What the user can put right ends it with one line and exit code 1."""
    options = _parser().parse_args(arguments)
    try:
        wanted = wanted_samples(options.paths, configured_grid(options.configfile))
        sys.stdout.write(status(wanted, time.time()))
    except InputError as error:
        sys.exit(f"error: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="viddiff", description="Experiments on long-video diffusion.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    command = commands.add_parser(
        "status",
        help="how far the samples are",
        description="How far the samples are, how fast they go on, and when they will be done, by the tree of results.",
    )
    command.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="results/RUN/CHECKPOINT/MODE, or metrics_<videos>-<samples>-<T>.pkl in it, made or not, which tells how "
        "many samples are wanted; without a path: the configured grid",
    )
    command.add_argument(
        "--configfile",
        nargs="+",
        default=[],
        type=Path,
        metavar="FILE",
        help="laid over config/config.yaml, as Snakemake does it",
    )
    return parser


if __name__ == "__main__":
    main()
