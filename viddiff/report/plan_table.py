"""The cost cards of several evaluations side by side: as a table, and as text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from viddiff.errors import InputError
from viddiff.report.cost_card import CostCard
from viddiff.report.text_table import align
from viddiff.tree.paths import Evaluation

_NAMES = ["run", "checkpoint", "mode"]
_HOURS = "device-hours on "


def plan_table(cards: Mapping[Evaluation, CostCard]) -> pd.DataFrame:
    """A row for each evaluation: its names, the cost of one video, and the hours on each known device.

    Columns: run, checkpoint, mode, stages, chain (the longest of dependent stages), diffusion steps,
    evaluations (of the network), sequential (of them, if stages share calls), largest window, filled (the
    share of all windows' places), selected (frames chosen at run time); if any plan has a second checkpoint, second
    evaluations (those that are its); `device-hours on <device>`, missing
    where no earlier job tells.

    Raises `InputError` if there is no card.
    """
    if not cards:
        raise InputError("no plans to compare: config key grid is empty")
    rows = []
    for evaluation, card in cards.items():
        cost = card.cost
        row = {
            **dict(zip(_NAMES, evaluation.names, strict=True)),
            "stages": cost.stages,
            "chain": cost.chain,
            "diffusion steps": cost.diffusion_steps,
            "evaluations": cost.evaluations,
            "sequential": cost.sequential_evaluations,
            "largest window": cost.largest_window,
            "filled": cost.filled,
            "selected": cost.selected,
        }
        if any(other.cost.second_checkpoint for other in cards.values()):
            row["second evaluations"] = cost.second_evaluations
        rows.append(row | {_HOURS + item.device: card.hours(item) for item in card.estimates})
    return pd.DataFrame(rows)


def format_plan_table(table: pd.DataFrame) -> str:
    """The table of `plan_table` as text: what all rows share first, then the rows."""
    shared = [name for name in ("run", "checkpoint") if table[name].nunique() == 1]
    columns = {
        name: [_cell(name, value) for value in table[name]]
        for name in map(str, table)
        if name not in shared and (name != "selected" or table[name].any())
    }
    heading = "   ".join(f"{name}: {table[name].iloc[0]}" for name in shared)
    notes = "cost of one video; chain: stages that wait for each other; sequential: evaluations if others share calls"
    return "\n".join([*([heading, ""] if shared else []), *align(columns), notes]) + "\n"


def _cell(name: str, value: str | int | float) -> str:
    if pd.isna(value):
        return "-"
    if name == "filled":
        return f"{value:.1%}"
    return f"{value:.2g}" if name.startswith(_HOURS) else str(value)
