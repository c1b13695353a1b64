"""What metrics files say, `metrics_<videos>-<samples>-<T>.json`: read once, for tables, pairs of modes and curves.

What could make a difference between two files is compared, and told. See docs/metrics.md for the fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from viddiff.errors import InputError, reading
from viddiff.files.json_files import GROWING, read_json, short_text, whole_number
from viddiff.metrics.settings import is_of_network
from viddiff.registry import declared, declared_facts
from viddiff.report.summary import Summary
from viddiff.tree.fingerprint import numerics_of
from viddiff.tree.paths import BASELINES, RESULTS, Baseline, Evaluation


@dataclass(frozen=True)
class Record:
    """What a metrics file says.

    names: run, checkpoint and mode; evaluation: `None` of a baseline, which no model makes; length, true_length: frames
    of a video, and how many of them have a truth; test_videos: the SHA-256 of these; protocol: what holds for all of
    its metrics; numerics: the precision in which the samples were made, and whether by a compiled network, "" if
    nothing tells.
    """

    path: Path
    names: tuple[str, str, str]
    evaluation: Evaluation | None
    videos: int
    samples: int
    length: int
    true_length: int
    obs_length: int
    goals: tuple[int, ...]
    test_videos: str
    metrics: Mapping[str, Summary]
    protocol: Mapping[str, Any]
    numerics: str = ""

    @staticmethod
    def read(path: Path, root: str | Path = RESULTS) -> Record:
        """The metrics file of an evaluation in the tree at `root`. Raises `InputError` that names it if it is none."""
        evaluation = Evaluation.parse(path.parent, root)
        with reading(path, "a metrics file"):
            record = _read(path, read_json(path, GROWING), evaluation.names, evaluation)
        return replace(record, numerics=numerics_of(path.parent))

    @staticmethod
    def read_baseline(path: Path) -> Record | str:
        """The record of a baseline, or why there is none. Raises `InputError` that names the file if it is neither."""
        baseline, _, _ = Baseline.parse(path)
        with reading(path, "the record of a baseline"):
            content = read_json(path, GROWING)
            if "missing" in content:
                return f"{BASELINES[baseline.name]}: {short_text(content['missing'])}"
            return _read(path, content, ("", "", BASELINES[baseline.name]), None)

    def adding(self, metrics: Mapping[str, Summary]) -> Record:
        """The record with more metrics."""
        return replace(self, metrics={**self.metrics, **metrics})

    def with_metrics(self, names: Container[str]) -> Record:
        """The record with no other metrics than these."""
        return replace(self, metrics={name: part for name, part in self.metrics.items() if name in names})

    @property
    def of_what(self) -> tuple[str, int, int, int, tuple[int, ...]]:
        """Which frames of which videos were measured: the same in all that can be compared."""
        return self.test_videos, self.videos, self.length, self.obs_length, self.goals


def is_of_sets(metric: str) -> bool:
    """Whether a metric is one of sets of videos."""
    return metric in declared("set_metric", "viddiff.metrics") or is_of_network(metric)


def meaning_of(metric: str) -> str:
    """What a metric is, for a reader of the page; "" of one that is not known here."""
    distance, _, network = metric.partition("-")
    if is_of_network(metric):
        kind = {"fd": "Fréchet distance, as FVD", "kd": "Kernel distance"}[distance]
        return f"{kind}: how far all completions together are from the true videos, by what the network {network} sees."
    if metric == "bpd":
        return "Bits per dimension of the generated frames that the model needs to tell the true video: an upper bound."
    facts = declared_facts("metric", "viddiff.metrics") | declared_facts("set_metric", "viddiff.metrics")
    return str(facts.get(metric, {}).get("meaning", ""))


def matching_baselines(paths: Sequence[Path], records: Sequence[Record]) -> tuple[list[Record], list[str]]:
    """The baselines of the same frames of the same videos as any of the records; and why others are left out."""
    found, reasons = [], []
    measured = {record.of_what for record in records}
    for path in paths:
        baseline = Record.read_baseline(path)
        if isinstance(baseline, str):
            reasons.append(baseline)
        elif baseline.of_what in measured:
            found.append(baseline)
        else:
            reasons.append(f"{path} is of other videos than the samples: remove it to have it measured anew")
    return found, list(dict.fromkeys(reasons))


def read_bound(path: Path) -> dict[str, Summary]:
    """The bits per dimension that a summary of ELBOs tells, as a metric."""
    with reading(path, "a summary of ELBOs"):
        content = read_json(path, GROWING)
        bpd = {"standard_error_samples": None, "unit": "", "protocol": content["protocol"]}
        return {"bpd": Summary.of(content["bpd"] | bpd)}


def differences(records: Sequence[Record]) -> list[str]:
    """For each record its values of the fields in which the records differ; "" if there are none.

    A metric that only some of the files hold makes no difference.
    """
    described = [_flat(record) for record in records]
    fields = dict.fromkeys(field for fields in described for field in fields)
    differing = [
        field for field in fields if len({fields[field] for fields in described if field in fields}) > 1
    ]
    return [
        ", ".join(f"{field}={fields[field]}" for field in differing if field in fields)
        for fields in described
    ]


def mixed_numerics(records: Sequence[Record]) -> list[str]:
    """A line on the precisions in which the records' samples were made, if these are not the same."""
    evaluations: dict[str, list[tuple[str, str, str]]] = {}
    for record in records:
        if record.numerics:
            evaluations.setdefault(record.numerics, []).append(record.names)
    if len(evaluations) < 2:
        return []
    every = list(chain.from_iterable(evaluations.values()))
    differing = [part for part in range(3) if len({names[part] for names in every}) > 1]
    told = (
        f"{numerics}: {', '.join('/'.join(names[part] for part in differing) for names in found)}"
        for numerics, found in evaluations.items()
    )
    return [f"samples were made in different precisions, {'; '.join(told)}"]


def same_protocol(records: Sequence[Record], metric: str) -> list[Record]:
    """The records with that metric alone.

    Raises `InputError` if one lacks it, or if it was not measured alike in all: what is in one picture must be
    comparable.
    """
    lacking = [record for record in records if metric not in record.metrics]
    if lacking:
        raise InputError(f"{lacking[0].path}: no metric {metric!r}; found {', '.join(lacking[0].metrics)}")
    relevant = [record.with_metrics([metric]) for record in records]
    for record, protocol in zip(records, differences(relevant), strict=True):
        if protocol:
            raise InputError(
                f"{record.path}: {protocol}; other files differ, their curves are not comparable"
            )
    return relevant


def _read(
    path: Path, content: Mapping[str, Any], names: tuple[str, str, str], evaluation: Evaluation | None
) -> Record:
    return Record(
        path=path,
        names=names,
        evaluation=evaluation,
        videos=whole_number(content["videos"]),
        samples=whole_number(content["samples_per_video"]),
        length=whole_number(content["length"]),
        true_length=whole_number(content.get("true_length", content["length"])),
        obs_length=whole_number(content["obs_length"]),
        goals=tuple(map(whole_number, content.get("goals", ()))),
        test_videos=short_text(content["test_videos_sha256"]),
        metrics={_metric(name): Summary.of(summary) for name, summary in content["metrics"].items()},
        protocol={
            "format": whole_number(content["format"]),
            "length": content["length"],
            "obs_length": content["obs_length"],
            "test_videos": short_text(content["test_videos_sha256"])[:8],
        },
    )


def _flat(record: Record) -> dict[str, str]:
    """Everything that the numbers depend on, by dotted name. Where weights were got from is no part of it."""
    flat = {name: str(value) for name, value in record.protocol.items()}
    for metric, summary in record.metrics.items():
        for name, value in summary.protocol.items():
            if name != "weights_source":
                flat[f"{metric}.{name}"] = json.dumps(value)
    return flat


def _metric(name: str) -> str:
    """A metric's name as it heads a column: a spreadsheet must not take it for a formula."""
    if not re.fullmatch(r"[a-z][A-Za-z0-9_-]{0,62}", name):
        raise ValueError(f"{name!r:.60} is no name of a metric")
    return name
