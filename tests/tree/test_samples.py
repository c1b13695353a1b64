"""Samples as they lie on the disk, and the plans by which they were made."""

from __future__ import annotations

import pytest

from viddiff.errors import InputError
from viddiff.inference.plan import Plan, Stage
from viddiff.tree.samples import executed_plan

STATIC = Plan(6, 3, (Stage((1, 2), (3,)), Stage((2, 3), (4, 5))))
PLANNED = Plan(6, 3, (Stage((2,), (3,), n_select=1), Stage((3,), (4, 5), n_select=1)))
EXECUTED = Plan(6, 3, (Stage((2, 0), (3,)), Stage((3, 1), (4, 5))))


def test_a_mode_that_chooses_nothing_was_executed_as_planned(tmp_path):
    assert executed_plan(tmp_path / "sample_0000-0.plan.json", STATIC) == STATIC


def test_what_was_chosen_is_read_from_beside_the_sample(tmp_path):
    path = tmp_path / "sample_0000-0.plan.json"
    path.write_text(EXECUTED.to_json())
    assert executed_plan(path, PLANNED) == EXECUTED


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "it tells the frames that were chosen"),
        ("{}", "not a plan"),
        (Plan(6, 3, EXECUTED.stages[:1]).to_json(), "its stages are not those of the mode's plan"),
    ],
)
def test_a_record_that_is_missing_or_wrong_is_named(tmp_path, content, message):
    path = tmp_path / "sample_0000-0.plan.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=rf"sample_0000-0\.plan\.json.*{message}"):
        executed_plan(path, PLANNED)
