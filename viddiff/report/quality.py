"""Quality against network evaluations: samplers in several modes, each compared with the reference of its mode.

All have one checkpoint and the same test videos. What is done in stages beside sampling them (`history-2-…`) is
compared in the same way, with the reference of the mode without. A sampler *suffices* if in none of the deciding
metrics it is worse than the reference, as `judgement.py` says. p is adjusted for all samplers in all modes, in each
metric (Holm 1979).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from viddiff.errors import InputError
from viddiff.inference.modes import untreated
from viddiff.report.comparison import evaluations_of
from viddiff.report.judgement import Judgement, compared, judge
from viddiff.report.pairs import Pair, adjusted, compare_two
from viddiff.report.quality_names import sampler_name
from viddiff.report.records import Record
from viddiff.tree.paths import RESULTS

REFERENCE = "reference"
"""What stands in place of a verdict on it."""


@dataclass(frozen=True)
class Row:
    """A sampler with a number of network evaluations of a stage, in a mode.

    mode: without what is done in its stages; treatment: that, "" if nothing is; evaluations: of each stage; pairs,
    judgements: by the metric, the comparison with the mode's reference; none of the reference itself.
    """

    record: Record
    mode: str
    treatment: str
    sampler: str
    evaluations: Sequence[int]
    pairs: Mapping[str, Pair]
    judgements: Mapping[str, Judgement]

    @property
    def name(self) -> str:
        """The treatment, if there is any, and the sampler."""
        return f"{self.treatment} {self.sampler}".strip()

    @property
    def stages(self) -> int:
        """Stages of the mode's plan."""
        return len(self.evaluations)

    @property
    def per_stage(self) -> int:
        """Network evaluations of a stage, the most if they differ."""
        return max(self.evaluations)

    @property
    def per_video(self) -> int:
        """Network evaluations of a video."""
        return sum(self.evaluations)

    def suffices(self, metrics: Sequence[str]) -> bool:
        """Whether it is no worse than the reference in these metrics, of which there are some."""
        return bool(metrics) and all(self.judgements[name].suffices for name in metrics)


@dataclass(frozen=True)
class Quality:
    """References, one for each mode, and the rows of each mode by its name; deciding: metrics that do."""

    references: Mapping[str, Row]
    rows: Mapping[str, Sequence[Row]]
    deciding: tuple[str, ...]

    @property
    def metrics(self) -> list[str]:
        """All metrics that are compared, those that decide first."""
        first = next(iter(self.references.values()))
        return list(dict.fromkeys([*self.deciding, *compared(first.record)]))

    def deciding_in(self, mode: str) -> list[str]:
        """The deciding metrics that are defined for the reference of a mode."""
        return [name for name in self.deciding if self.references[mode].record.metrics[name].mean is not None]

    @property
    def all_rows(self) -> list[Row]:
        """All but the references."""
        return [row for rows in self.rows.values() for row in rows]


def compare_quality(
    references: Sequence[Path],
    paths: Sequence[Path],
    deciding: Sequence[str],
    root: str | Path = RESULTS,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Quality:
    """Compare metrics files with that of the reference of their mode; root: the tree of results.

    progress: called with the files that are compared, and their number. Raises `InputError` naming a file that is
    unreadable, lacks a deciding metric, is of a mode without a reference, or of other videos than that.
    """
    records = [Record.read(path, root) for path in references]
    of_mode = {record.names[2]: record for record in records}
    others = [Record.read(path, root) for path in paths]
    for record in (*records, *others):
        if _mode_of(record, of_mode) not in of_mode:
            raise InputError(f"{record.path}: no reference of its mode")
        if lacking := [name for name in deciding if name not in record.metrics]:
            raise InputError(f"{record.path}: no metric {lacking[0]!r}; found {', '.join(record.metrics)}")
    pairs: list[Pair] = []
    for number, record in enumerate(others, 1):
        chosen = compared(record)
        pairs.extend(
            compare_two(record.with_metrics(chosen), of_mode[_mode_of(record, of_mode)].with_metrics(chosen))
        )
        progress(number, len(others))
    by_path: dict[Path, dict[str, Pair]] = {}
    for pair in adjusted(pairs):
        if not pair.metric:
            raise InputError(f"{pair.a.path} and {pair.b.path} cannot be compared: {pair.reason}")
        by_path.setdefault(pair.a.path, {})[pair.metric] = pair
    rows: dict[str, list[Row]] = {mode: [] for mode in of_mode}
    for record in others:
        mode = _mode_of(record, of_mode)
        rows[mode].append(_row(record, mode, by_path.get(record.path, {})))
    return Quality({mode: _row(record, mode, {}) for mode, record in of_mode.items()}, rows, tuple(deciding))


def quality_table(quality: Quality) -> pd.DataFrame:
    """A row for each sampler and number of evaluations, mode by mode, the reference first.

    Columns: run, checkpoint, mode, sampler, treatment (if there is any), videos, samples (of each), stages,
    `evaluations of a stage`, evaluations (of a video); for each metric its mean and ` se videos`; ` difference` (the
    row's less the reference's; of metrics that are best near the truth, of the distances from it), ` low` and ` high`,
    its 95 %
    interval, ` p`, ` p holm`; ` worse by`, ` worse by at least` and ` worse by at most`, the difference and its
    interval relative to the reference's value; ` verdict`; deciding (the metrics that do), suffices.
    """
    return pd.DataFrame(
        [
            _cells(quality, row)
            for mode, reference in quality.references.items()
            for row in (reference, *quality.rows[mode])
        ]
    )


def _mode_of(record: Record, of_mode: Container[str]) -> str:
    """The mode whose reference a record is compared with: its own, or that without what is done in its stages."""
    name = record.names[2]
    if name in of_mode or record.evaluation is None:
        return name
    return str(untreated(record.evaluation.mode)[1])


def _row(record: Record, mode: str, pairs: Mapping[str, Pair]) -> Row:
    evaluation = record.evaluation
    assert evaluation is not None
    evaluations = evaluations_of(evaluation, record.path.parent)
    if evaluations is None:
        raise InputError(f"{record.path.parent} does not tell its network evaluations")
    name = evaluation.checkpoint
    treatment = "" if record.names[2] == mode else untreated(evaluation.mode)[0]
    return Row(
        record,
        mode,
        treatment,
        sampler_name(name.sampler, name.respacing),
        evaluations,
        pairs,
        {metric: judge(pair) for metric, pair in pairs.items()},
    )


def _cells(quality: Quality, row: Row) -> dict[str, Any]:
    cells: dict[str, Any] = dict(zip(("run", "checkpoint", "mode"), row.record.names, strict=True))
    cells |= {
        "sampler": row.sampler,
        **({"treatment": row.treatment} if any(other.treatment for other in quality.all_rows) else {}),
        "videos": row.record.videos,
        "samples": row.record.samples,
        "stages": row.stages,
        "evaluations of a stage": row.per_stage,
        "evaluations": row.per_video,
    }
    for metric in quality.metrics:
        summary = row.record.metrics.get(metric)
        pair, judgement = row.pairs.get(metric), row.judgements.get(metric)
        found = pair.difference if pair else None
        low, high = pair.interval if pair else (None, None)
        cells |= {
            metric: summary.mean if summary else None,
            f"{metric} se videos": summary.se_videos if summary else None,
            f"{metric} difference": found.value if found else None,
            f"{metric} low": low,
            f"{metric} high": high,
            f"{metric} p": found.p if found else None,
            f"{metric} p holm": pair.p_holm if pair else None,
            f"{metric} worse by": judgement.worse if judgement else None,
            f"{metric} worse by at least": judgement.low if judgement else None,
            f"{metric} worse by at most": judgement.high if judgement else None,
            f"{metric} verdict": judgement.verdict if judgement else REFERENCE,
        }
    suffices = REFERENCE if not row.pairs else "yes" if row.suffices(quality.deciding_in(row.mode)) else "no"
    return cells | {"deciding": " ".join(quality.deciding), "suffices": suffices}
