"""The files that tell of a mode's plan before anything is sampled: the plan, its cost, its picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from viddiff.files.write import write_text
from viddiff.inference.plan import Plan
from viddiff.report.cost_card import CostCard, cost_card
from viddiff.tree.fingerprint import check_claim
from viddiff.tree.paths import Evaluation
from viddiff.tree.schedules import plan_in


def write_plan(evaluation: Evaluation) -> None:
    """Write a mode's plan. Raises `InputError` if samples made by another one exist."""
    plan = plan_in(evaluation)
    check_claim(evaluation.directory, {"plan_sha256": plan.sha256})
    write_text(evaluation.directory / "plan.json", plan.to_json())


def write_cost(
    evaluation: Evaluation, training: Mapping[str, Any], model_config: Path | None, timings: Iterable[Path]
) -> None:
    """Write the cost card of a plan that is there: `cost_card`."""
    plan = Plan.read(evaluation.directory / "plan.json")
    cost_card(evaluation, plan, training, model_config, timings).write(
        evaluation.directory / "plan_cost.json"
    )


def draw_plan_of(evaluation: Evaluation) -> None:
    """Draw a plan that is there, with its cost."""
    from viddiff.render.plan import draw_plan

    folder = evaluation.directory
    facts = CostCard.read(folder / "plan_cost.json").lines()
    draw_plan(folder / "plan.png", Plan.read(folder / "plan.json"), title=str(evaluation.mode), facts=facts)
