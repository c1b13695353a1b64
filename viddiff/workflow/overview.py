"""The table that a dry run begins with: how much of what it asks for is there."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

from viddiff.report.text_table import align, named_columns
from viddiff.tree.paths import Evaluation, sample_name
from viddiff.workflow.batches import files_in, whole_in
from viddiff.workflow.targets import Request


@dataclass(frozen=True)
class Tally:
    """Files of a kind: those asked for, and how many of them are there, missing, or there but not whole."""

    wanted: int
    there: int
    missing: int
    damaged: int

    @staticmethod
    def of(folder: Path, names: Collection[str]) -> Tally:
        """Count files of one folder."""
        found, whole = files_in(folder), whole_in(folder)
        there = sum(name in whole for name in names)
        damaged = sum(name in found for name in names) - there
        return Tally(len(names), there, len(names) - there - damaged, damaged)


def overview(request: Request) -> str:
    """A row for the samples, and one for the ELBOs, of each evaluation of a call; "" if it asks for none."""
    asked = _asked_for(request)
    rows = [(evaluation, kind, Tally.of(folder, names)) for evaluation, kind, folder, names in asked]
    if not rows:
        return ""
    tallies = [tally for *_, tally in rows]
    heading, columns = named_columns([evaluation.names for evaluation, *_ in rows])
    if len(rows) > 1:
        tallies.append(Tally(*map(sum, zip(*map(astuple, tallies), strict=True))))
    if request.elbos:
        columns["kind"] = [kind for _, kind, _ in rows] + [""] * (len(tallies) - len(rows))
    for name in ("wanted", "there", "missing", "damaged"):
        columns[name] = [str(getattr(tally, name)) for tally in tallies]
    return "\n".join([*heading, *align(columns)]) + "\n"


def _asked_for(request: Request) -> Iterator[tuple[Evaluation, str, Path, list[str]]]:
    """Evaluation, kind, folder of the files and their names."""
    for evaluation, pairs in request.samples.items():
        names = [f"{sample_name(*pair)}.npy" for pair in pairs]
        yield evaluation, "samples", evaluation.sample(0, 0).parent, names
    for evaluation, pairs in request.elbos.items():
        yield evaluation, "ELBOs", evaluation.elbo(0).parent, [evaluation.elbo(v).name for v, _ in pairs]
