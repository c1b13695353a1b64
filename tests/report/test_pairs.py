from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from fake_metrics import of_sets, summary, write_metrics

from viddiff.errors import InputError
from viddiff.files.write import save_npz
from viddiff.report.pairs import compare_pairs, pair_table
from viddiff.report.pairs_text import format_pairs, write_pairs

A, B, C = "autoreg_10_5_60_10", "autoreg_10_10_60_10", "independent_10_5_60_10"


@pytest.fixture(autouse=True)
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def psnr(values, **protocol):
    values = [float(value) for value in values]
    return summary(float(np.mean(values)), unit="dB", **protocol) | {"per_video": values}


def write(mode, values, **changes):
    return write_metrics(mode, videos=len(values), **{"metrics": {"psnr": psnr(values)}} | changes)


def verdicts(paths) -> list[str]:
    return [pair.verdict for pair in compare_pairs(paths)]


def test_a_planted_difference_is_found_and_none_is_not():
    r = np.random.default_rng(0)
    easy = r.normal(20, 5, 30)
    paths = [
        write(A, easy + 1),
        write(B, easy + 0.1 * r.normal(size=30)),
        write(C, easy + 0.1 * r.normal(size=30)),
    ]
    first, second, third = compare_pairs(paths)
    assert first.verdict == f"{A} is better" and second.verdict == f"{A} is better"
    assert third.verdict == "no difference shown"
    low, high = first.interval
    assert low < 1 < high and high - low < 0.2
    assert (
        first.p_holm == pytest.approx(3 * first.difference.p, rel=0.5) and third.p_holm == third.difference.p
    )
    lower = (
        {"psnr": psnr(easy + 1) | {"higher_is_better": False}},
        {"psnr": psnr(easy) | {"higher_is_better": False}},
    )
    assert verdicts([write(A, easy, metrics=lower[0]), write(B, easy, metrics=lower[1])]) == [
        f"{B} is better"
    ]
    neither = [{"psnr": part["psnr"] | {"higher_is_better": None}} for part in lower]
    assert verdicts([write(A, easy, metrics=neither[0]), write(B, easy, metrics=neither[1])]) == [
        f"{A} is higher"
    ]


def test_few_videos_cannot_tell():
    assert verdicts([write(A, [1, 2, 3, 4]), write(B, [2, 3, 4, 5])]) == [
        "too few videos to tell: p cannot fall below 0.125"
    ]
    six = [write(mode, np.arange(6.0) + shift) for mode, shift in ((A, 0), (B, 1))]
    assert verdicts(six) == [f"{B} is better"]
    three = [*six, write(C, np.arange(6.0) + 3)]
    assert set(verdicts(three)) == {"too few videos to tell: p cannot fall below 0.0938"}
    assert verdicts([write(A, [1]), write(B, [2])]) == ["one video: no test"]


def test_what_is_not_compared_is_told():
    values = list(range(8))
    first = write(A, values)
    cases = {
        "test videos differ": {"test_videos_sha256": "f" * 64},
        "obs_length, goals differ": {"obs_length": 5, "goals": [59]},
        "data_range=1.0 and psnr.data_range=2.0": {"metrics": {"psnr": psnr(values, data_range=2.0)}},
        "does not tell its values by video: remove it": {"metrics": {"psnr": summary(20.0, unit="dB")}},
        "metrics_4-1-60.json lacks it": {"metrics": {"ssim": psnr(values)}},
        "it is not defined in": {
            "metrics": {"psnr": psnr(values) | {"mean": None, "undefined": "no border"}}
        },
    }
    for reason, changes in cases.items():
        pairs = compare_pairs([first, write(B, values, **changes)])
        assert all(pair.difference is None and reason in pair.verdict for pair in pairs), reason
        assert reason in format_pairs(pairs) and "A - B" in format_pairs(pairs)
        assert set(pair_table(pairs)["verdict"]) == {pair.verdict for pair in pairs}


def test_what_depends_on_the_number_of_samples_is_compared_for_equal_numbers():
    values = np.arange(24.0)
    for metric, verdict in (("skill", "it depends on the number of samples, 1 and 10"), ("crps", "better")):
        paths = [
            write(mode, values, metrics={metric: psnr(values + shift)}, samples_per_video=samples)
            for mode, shift, samples in ((A, 0, 1), (B, 1, 10))
        ]
        assert verdict in verdicts(paths)[0]


def test_checkpoints_are_compared_in_the_same_mode():
    values = np.arange(8.0)
    paths = [
        write(mode, values + shift, checkpoint=f"model_{step:06d}")
        for step, mode, shift in ((1, A, 0), (1, B, 1), (2, A, 2))
    ]
    assert verdicts(paths) == [f"{B} is better", "model_000002 is better"]
    assert "model_000001/" in format_pairs(compare_pairs(paths))


def test_of_a_metric_that_is_best_near_the_truth_distances_from_it_are_compared():
    r = np.random.default_rng(1)
    truth = {"mean": 1.0, "standard_error_videos": 0.01}
    near, far, below = (
        {"seam": of_sets((center + 0.05 * r.normal(size=30)).tolist(), "truth", truth=truth)}
        for center in (1.05, 1.5, 0.5)
    )
    paths = [write(mode, range(30), metrics=metrics) for mode, metrics in ((A, near), (B, far), (C, below))]
    pairs = compare_pairs(paths)
    assert [pair.verdict for pair in pairs] == [f"{A} is better", f"{A} is better", "no difference shown"]
    assert pairs[0].difference.value == pytest.approx(-0.45, abs=0.05)
    assert abs(pairs[2].difference.value) < 0.05


def test_the_truths_own_draw_counts_where_it_lies_between_two_modes():
    """One above and one below: another draw of videos moves the truth towards the one and away from the other."""
    own = (1 + 0.2 * np.random.default_rng(0).normal(size=30)).tolist()
    truth = {"mean": float(np.mean(own)), "standard_error_videos": 0.01}
    errors = []
    for told in ({}, {"pseudo_values": own}):
        paths = [
            write(mode, range(30), metrics={"seam": of_sets([centre] * 30, "truth", truth=truth | told)})
            for mode, centre in ((A, 1.5), (B, 0.5))
        ]
        (pair,) = compare_pairs(paths)
        errors.append(pair.difference.error)
    assert errors == pytest.approx([0.0, 2 * np.std(own, ddof=1) / np.sqrt(30)])


def fvd_file(mode: str, shift: float, seed: int, covariance: str = "N-1") -> Path:
    truth = np.random.default_rng(0).standard_normal((8, 5))
    made = truth[:, None] + 0.3 * np.random.default_rng(seed).standard_normal((8, 1, 5)) + shift
    values = (5 * shift + np.random.default_rng(seed).standard_normal(8)).tolist()
    path = write(mode, range(8), metrics={"fvd": of_sets(values, protocol={"covariance": covariance})})
    save_npz(path.with_suffix(".npz"), {"i3d.truth": truth, "i3d.samples": made})
    return path


def test_fvd_is_tested_by_exchange_of_the_rows_beside_the_metrics():
    paths = [fvd_file(A, 0.0, 1), fvd_file(B, 0.0, 2), fvd_file(C, 2.0, 3)]
    assert verdicts(paths) == ["no difference shown", f"{A} is better", f"{B} is better"]
    for covariance, expected in (("N", "no difference shown"), ("2 N", "its covariance is '2 N'")):
        others = [fvd_file(mode, 0.0, seed, covariance) for seed, mode in enumerate((A, B), 1)]
        assert expected in verdicts(others)[0]
    paths = [fvd_file(A, 0.0, 1), fvd_file(B, 0.0, 2)]
    rows = paths[0].with_suffix(".npz")
    for damage in (rows.unlink, lambda: save_npz(rows, {"i3d.truth": np.zeros((3, 2))})):
        damage()
        assert "metrics_4-1-60.npz" in compare_pairs(paths)[0].verdict
    save_npz(rows, {"i3d.truth": np.zeros((8, 5)), "i3d.samples": np.full((8, 1, 5), np.nan)})
    assert "finite numbers for each of 8 videos" in compare_pairs(paths)[0].verdict
    for width, value in ((0, 0.0), (5, 1e300)):
        save_npz(rows, {"i3d.truth": np.zeros((8, width)), "i3d.samples": np.full((8, 1, width), value)})
        assert "finite numbers for each of 8 videos" in compare_pairs(paths)[0].verdict
    save_npz(rows, {"i3d.truth": np.zeros((8, 9)), "i3d.samples": np.zeros((8, 1, 9))})
    assert "rows of i3d are [8, 9] and [8, " in compare_pairs(paths)[0].verdict


def test_tables_of_pairs(tmp_path):
    done = []
    paths = [write(A, np.arange(8.0)), write(B, np.arange(8.0) + 1)]
    write_pairs(paths, "pairs.csv", "pairs.txt", lambda *counts: done.append(counts))
    assert done == [(1, 1)]
    with open("pairs.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["metric"], row["mode a"], row["mode b"], row["videos"]) == ("psnr", A, B, "8")
    assert float(row["a"]) == 3.5 and float(row["difference"]) == -1 and float(row["p"]) == 2**-7
    lines = Path("pairs.txt").read_text().splitlines()
    assert lines[2:4] == [f"A  {A}", f"B  {B}"]
    assert lines[7].split()[:3] == ["psnr", "[dB]", "A"] and lines[7].endswith("B is better")
    write_pairs(paths[:1], "pairs.csv", "pairs.txt")
    assert Path("pairs.txt").read_text() == "no two modes to compare\n"
    assert len(Path("pairs.csv").read_text().splitlines()) == 1
    with pytest.raises(InputError, match="not a metrics file"):
        paths[1].write_text("{}")
        compare_pairs(paths)
