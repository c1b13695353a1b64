"""The baselines of the grid: completions of its videos that no model makes, measured once for all modes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from viddiff.errors import InputError
from viddiff.files.json_files import GROWING, read_json
from viddiff.metrics.settings import is_of_network
from viddiff.registry import declared_facts
from viddiff.tree.paths import BASELINES, Baseline
from viddiff.workflow.checkpoints import dataset_of
from viddiff.workflow.datasets import MADE_DATASETS
from viddiff.workflow.metric_preflight import check_measured
from viddiff.workflow.sections import Configuration, Metrics
from viddiff.workflow.targets import Cell


def baselines_of(config: Configuration, cell: Cell) -> list[str]:
    """The records of the baselines of a cell; none if nothing but a job that reads its checkpoint tells its dataset."""
    mode, dataset = cell.evaluation.mode, dataset_of(config, cell.evaluation)
    if dataset is None:
        return []
    goals = sum(frame < cell.T for frame in mode.goals(mode.T or cell.T))
    return [
        str(Baseline(name, dataset, mode.split, mode.given("obs_length"), goals).metrics(cell.videos, cell.T))
        for name in BASELINES
    ]


def floor_names(metrics: Metrics) -> list[str]:
    """The configured metrics whose values are read beside that of another true video."""
    facts = declared_facts("set_metric", "viddiff.metrics")
    return [name for name in metrics.names if is_of_network(name) or facts.get(name, {}).get("floor")]


def measured_names(metrics: Metrics) -> list[str]:
    """The configured metrics that baselines have: all but those of several samples, of which they have one."""
    joint = {
        name for name, facts in declared_facts("metric", "viddiff.metrics").items() if facts.get("joint")
    }
    return [name for name in metrics.names if name not in joint]


def other_split(config: Configuration, baseline: Baseline, videos: int) -> str:
    """The split that "another true video" is taken from, of data that are made: the test videos may be too few."""
    few = config.bouncy_balls.videos(baseline.split) < 2 * videos
    enough = config.bouncy_balls.videos("train") >= videos
    return "train" if baseline.dataset in MADE_DATASETS and few and enough else baseline.split


def is_outdated(metrics: Metrics, record: str) -> bool:
    """Whether a record is there that does not hold what the configuration asks for."""
    try:
        content = read_json(record, GROWING)
        if "missing" in content:
            return False
        dict(content["metrics"])
        check_measured(replace(metrics, names=tuple(measured_names(metrics))), Path(record))
    except InputError:
        return True
    except (OSError, ValueError, KeyError, TypeError):
        return Path(record).exists()
    return False
