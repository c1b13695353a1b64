"""The command `viddiff`, also `python -m viddiff`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import viddiff
from viddiff.errors import in_one_line
from viddiff.report.status import configured_grid, status, wanted_samples


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command. What the user can put right ends it with one line and exit code 1."""
    options = _parser().parse_args(arguments)
    with in_one_line():
        sys.stdout.write(options.run(options))


def _status(options: argparse.Namespace) -> str:
    return status(wanted_samples(options.paths, configured_grid(options.configfile)), time.time())


def _carla_csv(options: argparse.Namespace) -> str:
    from viddiff.data.carla import write_lists  # loads torch, which takes seconds

    counts = write_lists(options.folder, options.test)
    lists = {split: options.folder / f"video_{split}.csv" for split in counts}
    total = sum(counts.values())
    return "".join(f"{lists[split]}: {count} of {total} videos\n" for split, count in counts.items())


def _post_hoc_ema(options: argparse.Namespace) -> str:
    from viddiff.jobs.post_hoc_ema import write_post_hoc  # loads torch, which takes seconds

    path, distance = write_post_hoc(options.folder, options.length, options.step)
    return f"{path}: its profile is {distance:.2%} off that of length {options.length}\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="viddiff", description="Experiments on long-video diffusion.")
    parser.add_argument("--version", action="version", version=f"viddiff {viddiff.__version__}")
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
    command.set_defaults(run=_status)
    command = commands.add_parser(
        "carla-csv",
        help="list the videos of a CARLA dataset",
        description="Write video_train.csv and video_test.csv for a folder of .pt files. Lists that exist are kept.",
    )
    command.add_argument("folder", type=Path, metavar="FOLDER", help="data/carla_no_traffic, for example")
    command.add_argument(
        "--test",
        type=int,
        required=True,
        metavar="N",
        help="the last N videos, by the numbers in their names, are test videos, the others training videos",
    )
    command.set_defaults(run=_carla_csv)
    command = commands.add_parser(
        "post-hoc-ema",
        help="average the weights of a finished training over another length",
        description="Write posthoc/ema_<length>_<step>.pt in the folder of a run that was trained with post_hoc_ema.",
    )
    command.add_argument("folder", type=Path, metavar="FOLDER", help="checkpoints/RUN")
    command.add_argument(
        "--length",
        type=float,
        required=True,
        metavar="L",
        help="sigma_rel of Karras et al. 2024, the spread of the average as a share of the training, 0.01 to 0.25",
    )
    command.add_argument("--step", type=int, metavar="N", help="a saved step; by default the last")
    command.set_defaults(run=_post_hoc_ema)
    return parser


if __name__ == "__main__":
    main()
