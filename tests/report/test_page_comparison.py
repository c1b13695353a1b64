"""The cells of a page's comparison: what stands below a number, and what to beware of."""

from __future__ import annotations

import pytest
from fake_metrics import CHECKPOINT, of_sets, summary, write_metrics

from viddiff.report.page.comparison import compare, format_estimate
from viddiff.report.page.content import Name, Row
from viddiff.report.records import Record

MODE = "autoreg_10_5_60_10"


@pytest.fixture(autouse=True)
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_cells_tell_aggregates_and_why_something_is_missing():
    best = {"mean": 22.0, "standard_error_videos": 0.5}
    metrics = {
        "psnr": summary(20.0) | {"aggregates": {"best": best, "best_on_average": best | {"mean": 21.0}}},
        "fvd": of_sets([1.0, 2.0], floor={"missing": "too few videos"}),
        "seam": of_sets([1.0, 2.0], "truth") | {"mean": None, "undefined": "no border"},
    }
    record = Record.read(write_metrics(MODE, metrics=metrics))
    found = compare([Row(Name("a/b", CHECKPOINT, MODE, 0), record, "")])
    psnr, fvd, seam = (column.cells[0] for column in found.columns)
    assert psnr.below == ["best 22.00 ± 0.50", "best on average 21.00 ± 0.50"] and not psnr.notes
    assert (fvd.below, seam.text) == ([], "-")
    assert [found.notes[place - 1] for place in (*fvd.notes, *seam.notes)] == [
        "fvd has no floor: too few videos",
        "here seam is not defined: no border",
    ]


def test_the_best_is_one_of_those_that_can_be_compared():
    def stars(second, **changes):
        paths = [
            write_metrics(MODE, metrics={"skill": summary(1.0)}),
            write_metrics("exp-past_10_5_60_10", **{"metrics": {"skill": summary(2.0)}} | changes),
        ]
        rows = [Row(Name("a/b", CHECKPOINT, path.parent.name, 0), Record.read(path), "") for path in paths]
        return [cell.best for cell in compare(rows).columns[0].cells]

    assert stars(2.0) == [False, True]
    for changes in (
        {"test_videos_sha256": "f" * 64},
        {"metrics": {"skill": summary(2.0, data_range=2.0)}},
        {"samples_per_video": 10},
    ):
        assert stars(2.0, **changes) == [False, False]


def test_a_number_has_the_digits_of_its_error():
    assert format_estimate(12.3456, 0.123) == "12.35 ± 0.12" and format_estimate(-0.0, 40.0) == "0 ± 40"
    assert format_estimate(1.0, 0.0) == "1" == format_estimate(1.0, 3e-16)
    assert len(format_estimate(0.0, 4e-13)) < 22  # not one digit for each power of ten
