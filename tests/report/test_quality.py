"""Verdicts on samplers, from metrics files that say what the test wants."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_metrics import of_sets, summary, write_metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from viddiff.errors import InputError
from viddiff.metrics.pair_tests import Difference
from viddiff.report.comparison import write_csv
from viddiff.report.judgement import fewest_videos, judge
from viddiff.report.pairs import Pair
from viddiff.report.quality import compare_quality, quality_table
from viddiff.report.quality_picture import draw_quality
from viddiff.report.quality_text import format_quality
from viddiff.report.records import Record

A, B = "autoreg_10_5_60_10", "hierarchy-2_10_5_60_10"
STEM = "ema_0.9999_400000"
EASY = np.random.default_rng(0).normal(20, 3, 24)  # how each video is


@pytest.fixture(autouse=True)
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def noise(seed: int, size: float = 0.1, videos: int = 24) -> np.ndarray:
    return size * np.random.default_rng(seed).normal(size=videos)


def lower(values, **more):
    """A metric of which lower values are better."""
    values = [float(value) for value in values]
    return summary(float(np.mean(values))) | {"per_video": values, "higher_is_better": False} | more


def write(folder: str, mode: str = A, lpips=EASY, **metrics) -> Path:
    metrics = {"lpips": lower(lpips)} | metrics
    return write_metrics(mode, checkpoint=f"{STEM}_{folder}", videos=len(lpips), metrics=metrics)


def compare(*paths: Path, deciding=("lpips",), references=None):
    return compare_quality(references or [write("respace250")], paths, deciding)


def told(quality) -> str:
    """The text, with its lines joined."""
    return " ".join(format_quality(quality).split())


def verdicts(quality, metric: str = "lpips") -> list[str]:
    return [row.judgements[metric].verdict for row in quality.all_rows]


def test_the_reference_itself_is_as_good_and_what_is_clearly_worse_is_not():
    quality = compare(
        write("ddim_respace5", lpips=EASY + 5 + noise(1)),
        write("ddim_respace10", lpips=EASY + noise(2)),
        write("ddim_respace20", lpips=EASY),
        write("ddim_respace50", lpips=EASY - 5 + noise(3)),
    )
    assert verdicts(quality) == ["worse", "as good", "as good", "better"]
    text = told(quality)
    assert f"- {A}: 10 with ddim, 100 for a video, 25 times fewer than the reference's 250;" in text
    same = quality.all_rows[2].judgements["lpips"]
    assert (same.worse, same.low, same.high, same.shown) == (0, 0, 0, 0)


def test_within_noise_the_estimate_decides_and_only_against_what_is_worse():
    wide = noise(1, 8.0)
    wide -= wide.mean()
    quality = compare(
        *(write(f"ddim_respace{n}", lpips=EASY + wide + shift) for n, shift in ((1, 1), (2, 0.2), (3, -1)))
    )
    assert verdicts(quality) == ["unclear", "as good", "no worse"]
    unclear = quality.all_rows[0].judgements["lpips"]
    assert unclear.low < 0 < 0.03 < unclear.worse < unclear.high
    assert unclear.worse == pytest.approx(1 / EASY.mean())


def test_what_is_worse_does_not_suffice_because_it_is_compared_with_many_others():
    shift = 0.5 + noise(1, 1.2) - noise(1, 1.2).mean()
    bad = write("dpm_respace10", lpips=EASY + shift)
    others = [write(f"ddim_respace{n}", lpips=EASY + noise(n, 1.0)) for n in range(20, 40)]
    alone, together = (compare(bad, *more).all_rows[0] for more in ((), others))
    assert alone.pairs["lpips"].p_holm < 0.05 < together.pairs["lpips"].p_holm
    assert 0 < together.judgements["lpips"].worse < 0.03
    assert [row.judgements["lpips"].verdict for row in (alone, together)] == ["worse", "unclear"]
    assert not together.suffices(["lpips"])


def test_higher_may_be_better():
    psnr = [{"psnr": lower(EASY + shift, higher_is_better=True)} for shift in (0.0, 2.0, -2.0)]
    reference, better, worse = (
        write(folder, **metrics)
        for folder, metrics in zip(("respace250", "respace5", "respace9"), psnr, strict=True)
    )
    quality = compare(better, worse, deciding=["psnr"], references=[reference])
    assert verdicts(quality, "psnr") == ["better", "worse"]
    assert [row.judgements["psnr"].worse for row in quality.all_rows] == pytest.approx(
        [-2 / EASY.mean(), 2 / EASY.mean()]
    )


def test_distances_from_the_truth_are_compared_in_parts_of_the_larger_value():
    truth = {"mean": 1.0, "standard_error_videos": 0.01}

    def seam(value):
        return {"seam": of_sets((value + noise(1, 0.001)).tolist(), "truth", truth=truth)}

    reference = write("respace250", **seam(0.5))
    quality = compare(
        write("ddim_respace5", **seam(1.6)),
        write("ddim_respace9", **seam(0.49)),
        deciding=["seam"],
        references=[reference],
    )
    found = [row.judgements["seam"] for row in quality.all_rows]
    assert [judgement.verdict for judgement in found] == ["worse", "worse"]
    assert [judgement.worse for judgement in found] == pytest.approx([0.1, 0.01], rel=0.02)


def test_too_few_videos_give_no_answer():
    few = EASY[:4]
    quality = compare(
        *(write(f"ddim_respace{n}", lpips=few + n) for n in (5, 10)),
        references=[write("respace250", lpips=few)],
    )
    assert set(verdicts(quality)) == {"too few videos"}
    text = told(quality)
    assert "- no answer: the videos are too few" in text and "of cases" not in text
    assert "4 videos are too few: no adjusted p can fall below 0.25" in text
    assert "in 2 tests; that needs 7 videos or more" in text


@given(tests=st.integers(1, 10_000))
def test_the_fewest_videos_are_just_enough(tests):
    videos = fewest_videos(tests)
    assert tests * 2.0 ** (1 - videos) <= 0.05 < tests * 2.0 ** (2 - videos)


@settings(deadline=None)
@given(
    value=st.floats(-10, 10),
    error=st.floats(0.001, 10),
    p=st.floats(0.001, 1),
    tests=st.integers(1, 40),
    higher=st.booleans(),
)
def test_verdicts_follow_from_p_and_the_estimate(value, error, p, tests, higher):
    record = Record.read(write("respace250"))
    record = record.adding(
        {"lpips": replace(record.metrics["lpips"], better="higher" if higher else "lower")}
    )
    found = judge(Pair(record, record, "lpips", Difference(value, error, p), p_holm=p, tests=tests))
    assert found.worse == pytest.approx((-1 if higher else 1) * value / EASY.mean())
    assert found.low <= found.worse <= found.high and found.shown >= (found.high - found.low) / 2 - 1e-12
    if p <= 0.05:
        assert found.verdict == ("worse" if found.worse > 0 else "better")
    elif abs(found.worse) <= 0.03:
        assert found.verdict == "as good"
    else:
        assert found.verdict == ("unclear" if found.worse > 0 else "no worse")
    assert found.suffices == (found.verdict in ("as good", "no worse", "better"))


def test_an_answer_needs_all_deciding_metrics_and_one_for_all_modes_all_modes():
    references = [write("respace250", mode, other=lower(EASY)) for mode in (A, B)]
    bad = EASY + 5
    shifts = {("ddim", 5, A): ("other",), ("ddim", 10, A): (), ("respace5", 5, B): (), ("ddim", 10, B): ()}
    paths = [
        write(
            f"{name}_respace{n}" if name == "ddim" else name,
            mode,
            bad if "lpips" in worse else EASY + noise(n),
            other=lower(bad if "other" in worse else EASY + noise(n)),
        )
        for (name, n, mode), worse in shifts.items()
    ]
    text = told(compare(*paths, deciding=["lpips", "other"], references=references))
    assert f"- {A}: 10 with ddim" in text and f"- {B}: 5 with ancestral" in text
    assert "- in all modes: 10 with ddim" in text
    none = compare(write("ddim_respace5", lpips=bad), write("ddim_respace9", B, bad), references=references)
    assert told(none).count("none of these") == 3


def test_more_evaluations_that_do_not_suffice_are_told():
    text = told(compare(write("ddim_respace5"), write("ddim_respace9", lpips=EASY + 5)))
    assert f"{A}: ddim suffices with 5 evaluations, but not with 9 (lpips)" in text


def test_samples_of_another_precision_than_the_references_are_told():
    reference, *paths = (
        write(folder, lpips=EASY) for folder in ("respace250", "ddim_respace5", "dpm_respace9")
    )
    said = ({"precision": "float32"}, {"precision": "float32"}, {"precision": "tf32", "compiled": True})
    for path, fingerprint in zip((reference, *paths), said, strict=True):
        (path.parent / "fingerprint.json").write_text(json.dumps(fingerprint))
    text = told(compare(*paths, references=[reference]))
    assert (
        f"warning: samples were made in different precisions, float32: {STEM}_respace250; "
        f"tf32, compiled: {STEM}_dpm_respace9"
    ) in text
    assert "different precisions" not in told(compare(paths[0], references=[reference]))


def test_the_resolution_of_the_test_is_told():
    rough, fine = noise(1, 8.0), noise(1, 0.01)
    text = told(compare(write("ddim_respace5", lpips=EASY + rough - rough.mean())))
    assert "need not be equal" in text and "3% of lpips takes some" in text
    text = told(compare(write("ddim_respace5", lpips=EASY + fine - fine.mean())))
    assert (
        "need not be equal" not in text
        and "would show in 80% of cases (median of samplers): lpips 0.0 %" in text
    )


def test_a_reference_of_0_does_not_hide_the_resolution_of_other_metrics():
    rough = noise(1, 8.0)
    reference = write("respace250", balls=lower(np.zeros(24)))
    path = write("ddim_respace5", lpips=EASY + rough - rough.mean(), balls=lower(np.arange(24.0)))
    text = told(compare(path, deciding=("balls", "lpips"), references=[reference]))
    assert "balls >1000 %" in text and "3% of lpips takes some" in text


def test_a_metric_that_is_not_defined_in_a_mode_decides_nothing_there():
    gone = lower(EASY, mean=None, undefined="no borders")
    references = [write("respace250", other=gone)]
    quality = compare(write("ddim_respace5", other=gone), deciding=["lpips", "other"], references=references)
    assert quality.all_rows[0].suffices(quality.deciding_in(A))
    text = told(quality)
    assert f"other decides nothing in {A}, where it is not defined: no borders" in text
    draw_quality("quality.png", quality)
    quality = compare(write("ddim_respace5", other=gone), deciding=["other"], references=references)
    assert "- no answer: nothing could be compared" in told(quality)


def test_what_is_not_compared_is_told_and_suffices_in_nothing():
    references = [write("respace250", other=lower(EASY, protocol={"range": 1}))]
    paths = [write(f"ddim_respace{n}", other=lower(EASY, protocol={"range": 2})) for n in (5, 9)]
    quality = compare(*paths, deciding=["lpips", "other"], references=references)
    assert not quality.all_rows[0].suffices(quality.deciding_in(A))
    assert "note: other is not compared: other.range=2 and other.range=1 (2 times)" in told(quality)
    alone = compare(*paths, deciding=["other"], references=references)
    assert "- no answer: nothing could be compared" in told(alone)
    two = [
        write(folder, lpips=EASY[:2], fvd=of_sets([1.0, 2.0], pseudo_values=None))
        for folder in ("respace250", "ddim_respace5")
    ]
    assert "fvd is not compared: of 2 videos it has no error" in told(
        compare(two[1], deciding=["fvd", "lpips"], references=two[:1])
    )


def test_what_cannot_be_compared_is_refused():
    reference, path = write("respace250"), write("ddim_respace5")
    with pytest.raises(InputError, match="no metric 'fvd'; found lpips"):
        compare(path, deciding=["fvd"])
    with pytest.raises(InputError, match="no reference of its mode"):
        compare(write("ddim_respace5", B))
    other = write_metrics(
        A, checkpoint=f"{STEM}_respace9", videos=24, metrics={"lpips": lower(EASY)}, test_videos_sha256="f"
    )
    with pytest.raises(InputError, match="cannot be compared: test videos differ"):
        compare(other, references=[reference])
    (row,) = compare(write("heun_respacekarras5")).all_rows
    assert (row.sampler, row.per_stage, row.per_video) == ("heun_karras", 9, 90)
    whole = write_metrics(A, checkpoint=STEM, videos=24, metrics={"lpips": lower(EASY)})
    with pytest.raises(InputError, match=f"{STEM}/{A} does not tell its network evaluations"):
        compare(path, references=[whole])


def test_treatments_are_compared_with_the_mode_without(monkeypatch):
    """Without a mode that is treated, nothing says so; guidance by history alone is drawn against its weight."""
    assert "treatment" not in quality_table(compare(write("ddim_respace5")))
    treated = [f"history-{w}-{A}" for w in (1.5, 2)]
    paths = [
        write("respace250", treated[0], EASY + 5 + noise(1)),
        write("respace250", treated[1], EASY - 5 + noise(2)),
        write("ddim_respace9", A, EASY + noise(3)),
    ]
    quality = compare(*paths)
    assert [(row.mode, row.name, row.per_stage) for row in quality.all_rows] == [
        (A, "history-1.5 ancestral", 500),
        (A, "history-2 ancestral", 500),
        (A, "ddim", 9),
    ]
    assert verdicts(quality) == ["worse", "better", "as good"]
    text = told(quality)
    assert f"- {A}: history-2 ancestral with 500, better in lpips; ddim with 9" in text
    table = quality_table(quality)
    assert list(table["treatment"]) == ["", "history-1.5", "history-2", ""]
    assert list(table["mode"]) == [A, *treated, A]
    drawn = []
    monkeypatch.setattr("viddiff.report.quality_picture.draw_trade_off", lambda *args: drawn.append(args))
    draw_quality("quality.png", quality)
    draw_quality("quality.png", compare(paths[0], write("respace250", f"noisy-0.1-{A}")))
    (_, by_weight, words), (_, by_cost, others) = drawn
    (panel,) = by_weight[A]
    assert words.places == "w of guidance by history" and panel.reference.place == 1.0
    lines = {name: [point.place for point in points] for name, points in panel.samplers.items()}
    assert lines == {"ancestral, 250 evaluations (w = 1)": [1.5, 2.0], "ddim, 9 evaluations (w = 1)": [1.0]}
    (panel,) = by_cost[A]
    assert others.places == "network evaluations of a video"
    assert list(panel.samplers) == ["noisy-0.1 ancestral", "history-1.5 ancestral"]


def test_table_and_picture():
    truth = {"mean": 1.0, "standard_error_videos": 0.01}

    def metrics(shift, seed):
        return {
            "lpips": EASY + shift + noise(seed),
            "fvd": lower(EASY, floor={"mean": 8.0, "standard_error_videos": 1.0}, per_video=None),
            "seam": of_sets((1.2 + shift / 10 + noise(seed, 0.02)).tolist(), "truth", truth=truth),
        }

    references = [write("respace250", mode, **metrics(0, 9)) for mode in (A, B)]
    paths = [write(f"ddim_respace{n}", mode, **metrics(4 / n, n)) for mode in (A, B) for n in (5, 10, 20)]
    quality = compare(*paths, deciding=["seam", "lpips", "fvd"], references=references)
    write_csv("quality.csv", quality_table(quality))
    with open("quality.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["mode"] for row in rows] == [A] * 4 + [B] * 4
    assert [int(row["evaluations of a stage"]) for row in rows[:4]] == [250, 5, 10, 20]
    assert int(rows[1]["evaluations"]) == 10 * 5 and rows[0]["lpips verdict"] == "reference"
    first = rows[1]
    assert float(first["lpips difference"]) == pytest.approx(0.8, abs=0.1)
    assert (
        float(first["lpips low"]) < 0.8 < float(first["lpips high"]) and float(first["lpips p holm"]) < 0.05
    )
    assert float(first["lpips worse by"]) == pytest.approx(
        float(first["lpips difference"]) / float(rows[0]["lpips"])
    )
    assert first["lpips verdict"] == "worse" and first["suffices"] == "no"
    assert (
        first["fvd verdict"].startswith("not compared: ")
        and "does not tell its values" in first["fvd verdict"]
    )
    assert first["deciding"] == "seam lpips fvd" and math.isfinite(float(first["seam worse by"]))
    draw_quality("quality.png", quality)
    with Image.open("quality.png") as image:
        assert image.width > 3 * 300 and image.height > 2 * 250 and len(image.getcolors(2**24)) > 100
