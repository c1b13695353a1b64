"""Quality against network evaluations in one picture: the deciding metrics, of each mode.

Where guidance by history is all that differs from the references' modes, quality against its weight instead.
"""

from __future__ import annotations

from pathlib import Path

from viddiff.diffusion.treatment import Treatment
from viddiff.render.trade_off import Level, Panel, Point, Words, draw_trade_off
from viddiff.report.curves import better_words, metric_name
from viddiff.report.judgement import TOLERANCE, scale_of
from viddiff.report.quality import Quality, Row
from viddiff.report.text_table import short_unit


def draw_quality(path: Path | str, quality: Quality) -> None:
    """Write the picture as PNG. Raises `OutputError` if it cannot be written.

    A bar is as long as the 95 % interval of the difference from the reference: where it misses the reference's line,
    the two differ, if that were the only test; of metrics that are best near the truth, if both are on one side of it.
    """
    by_weight = any(row.treatment for row in quality.all_rows) and all(map(_weight, quality.all_rows))
    rows = {
        mode: [_panel(quality, mode, name, by_weight) for name in quality.deciding]
        for mode in quality.references
    }
    first = next(iter(quality.references.values()))
    words = Words(
        places="w of guidance by history" if by_weight else "network evaluations of a video",
        reference=f"reference: {first.sampler},\n{first.per_stage} evaluations of a stage",
        band=f"within {TOLERANCE:.0%} of it",
        levels={"truth": "truth", "floor": "floor: another true video"},
        bars="95 % interval of the difference\nfrom the reference",
        filled="no worse than the reference",
        empty="worse, or it cannot be told",
    )
    draw_trade_off(path, rows, words)


def _panel(quality: Quality, mode: str, metric: str, by_weight: bool) -> Panel:
    reference = quality.references[mode]
    summary = reference.record.metrics[metric]
    label = f"{metric_name(metric)}{short_unit(summary.unit)}{better_words(summary)}"
    if summary.mean is None:
        return Panel(label, {}, None, 0.0, {}, summary.undefined)
    samplers: dict[str, list[Point]] = {}
    for row in sorted(quality.rows[mode], key=lambda row: (_place(row, by_weight), row.per_stage)):
        if (point := _point(row, metric, _place(row, by_weight))) is not None:
            samplers.setdefault(_line(row) if by_weight else row.name, []).append(point)
    levels: dict[Level, float] = {}
    if summary.better == "truth" and summary.truth:
        levels["truth"] = summary.truth.mean
    if summary.floor:
        levels["floor"] = summary.floor.mean
    return Panel(
        label,
        samplers,
        Point(1.0 if by_weight else reference.per_video, summary.mean),
        TOLERANCE * scale_of(reference.record, metric),
        levels,
    )


def _weight(row: Row) -> float | None:
    """The weight of guidance by the whole history, 1 without; `None` if something else is done in its stages."""
    evaluation = row.record.evaluation
    if not row.treatment or evaluation is None:
        return 1.0
    treatment = evaluation.mode.recipe.treatment
    whole = len(treatment.history) == 1 and treatment == Treatment(treatment.history)
    return treatment.history[0][1] if whole else None


def _place(row: Row, by_weight: bool) -> float:
    return (_weight(row) or 1.0) if by_weight else row.per_video


def _line(row: Row) -> str:
    """What all weights of a sampler with a number of evaluations have in common."""
    return f"{row.sampler}, {row.per_stage // (2 if row.treatment else 1)} evaluations (w = 1)"


def _point(row: Row, metric: str, place: float) -> Point | None:
    """Of a metric that is defined for it."""
    mean = row.record.metrics[metric].mean
    if mean is None:
        return None
    low, high = row.pairs[metric].interval
    half = None if low is None or high is None else (high - low) / 2
    return Point(place, mean, half, row.judgements[metric].suffices)
