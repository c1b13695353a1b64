"""What made the results, and what it cost, from the records in evaluation directories: cards of facts for the page."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from viddiff.errors import reading
from viddiff.files.json_files import read_json
from viddiff.report.cost_card import CostCard
from viddiff.report.page.content import Facts, Name, Row, Table
from viddiff.tree.fingerprint import NAME, STAMPS, read_fingerprint
from viddiff.tree.paths import Evaluation
from viddiff.tree.timing import Timing, read_timings

_LONGEST = 400  # of a value on the page


def protocol_cards(rows: Sequence[Row]) -> list[Facts]:
    """A card for each metric; several, with the modes for which they hold, where it was not measured alike."""
    cards = []
    shared: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        record, mode = row.record, row.name.mode
        common = {
            "videos": record.videos,
            "samples of each": record.samples,
            "frames": record.length,
            "of them observed": record.obs_length,
            "goals": list(record.goals),
            "SHA-256 of the test videos": record.test_videos,
        }
        shared["all metrics"][_key(common)].append(mode)
        for name, summary in record.metrics.items():
            shared[name][_key(dict(summary.protocol))].append(mode)
    for title, kinds in shared.items():
        for text, modes in kinds.items():
            cards.append(Facts(title, modes if len(kinds) > 1 else [], flat(json.loads(text))))
    return cards


def provenance_card(name: Name, directory: Path) -> Facts:
    """What an evaluation depends on, and the jobs that made its files; those alike are told once.

    Raises `InputError` naming the record that cannot be read.
    """
    facts = {}
    if (directory / NAME).exists():
        fingerprint = read_fingerprint(directory / NAME)
        fingerprint.pop(STAMPS, None)
        facts = flat(fingerprint)
    jobs: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for path in sorted((directory / "provenance").glob("*.json")):
        with reading(path, "a record of a job"):
            record = dict(read_json(path))
            span = str(record.pop("began", "?")), str(record.pop("ended", "killed"))
            for own in ("made", "slurm_job"):  # another for each job
                record.pop(own, None)
            jobs[_key({"job": path.stem.split("_")[0], **record})].append(span)
    for text, spans in jobs.items():
        record = json.loads(text)
        count = "1 job" if len(spans) == 1 else f"{len(spans)} jobs"
        label = f"{record.pop('job')}, {count}"
        when = f"{min(began for began, _ in spans)} to {max(ended for _, ended in spans)}"
        facts[_unused(label, facts)] = "; ".join(
            [when, *(f"{key} {value}" for key, value in flat(record).items())]
        )
    return Facts(name.mode, [], facts)


def cost_table(cards: Mapping[Name, tuple[CostCard, Sequence[Timing]]]) -> Table:
    """What a plan costs, and how long the sampling took: hours by device, for a video."""
    devices = sorted({timing.device for _, timings in cards.values() for timing in timings})
    headings = [
        "stages", "chain", "diffusion steps", "evaluations", "in sequence", "places filled",
        *(f"seconds per video on {device}" for device in devices),
    ]  # fmt: skip
    rows = []
    for name, (card, timings) in cards.items():
        cost = card.cost
        counts = [
            cost.stages, cost.chain, cost.diffusion_steps, cost.evaluations, cost.sequential_evaluations,
        ]  # fmt: skip
        cells: list[tuple[str, float | str]] = [(f"{count:,}", count) for count in counts]
        cells.append((f"{cost.filled:.1%}", cost.filled))
        cells += [_seconds(cost.evaluations, device, timings) for device in devices]
        rows.append((name, cells))
    return Table(headings, rows)


def own_timings(evaluation: Evaluation) -> list[Timing]:
    """What the jobs of this evaluation alone took."""
    return list(read_timings(sorted((evaluation.directory / "timings").glob("samples_*.json"))).values())


def flat(value: Any, name: str = "") -> dict[str, str]:
    """Nested values by their paths, as short texts: `{"a": {"b": 1}}` is `{"a · b": "1"}`."""
    if isinstance(value, Mapping) and value:
        return {
            key: text
            for field, part in value.items()
            for key, text in flat(part, f"{name} · {field}" if name else str(field)).items()
        }
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return {name: text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"}


def _seconds(evaluations: int, device: str, timings: Sequence[Timing]) -> tuple[str, float | str]:
    """Of one video: what its evaluations took in the jobs on that device."""
    jobs = [timing for timing in timings if timing.device == device]
    if not jobs:
        return "-", ""
    seconds = evaluations * sum(job.seconds for job in jobs) / sum(job.window_evaluations for job in jobs)
    return f"{seconds:.3g}", seconds


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=False)


def _unused(label: str, facts: Mapping[str, str]) -> str:
    number = 2
    unused = label
    while unused in facts:
        unused, number = f"{label} ({number})", number + 1
    return unused
