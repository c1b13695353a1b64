from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fake_metrics import CHECKPOINT, of_sets, summary, write_baseline, write_metrics

from viddiff.errors import InputError, OutputError
from viddiff.inference.user_modes import register_modes
from viddiff.metrics.base import MetricSettings
from viddiff.metrics.measurement import Measurement
from viddiff.metrics.record import write_measurement
from viddiff.report.comparison import comparison_table, write_csv
from viddiff.report.comparison_text import COUNTS, format_table
from viddiff.report.curves import read_curves


@pytest.fixture(autouse=True)
def tree(tmp_path, monkeypatch):
    """Paths of results are relative to the folder in which the workflow runs."""
    monkeypatch.chdir(tmp_path)


def test_rows_hold_the_numbers_of_the_files():
    paths = [write_metrics("autoreg_10_5_60_10", psnr=20.0), write_metrics("autoreg_10_10_60_10", psnr=21.5)]
    table = comparison_table(paths)
    assert table.to_dict("records")[0] == {
        "run": "a/b",
        "checkpoint": CHECKPOINT,
        "mode": "autoreg_10_5_60_10",
        "psnr [dB]": 20.0,
        "psnr se videos [dB]": 0.25,
        "psnr se samples [dB]": None,
        "ssim": 0.5,
        "ssim se videos": 0.0123,
        "ssim se samples": None,
        "videos": 4,
        "samples": 1,
        "frames": 50,
        "stages": 10,
        "evaluations": 500,
        "protocol": "",
    }
    assert table["psnr [dB]"].tolist() == [20.0, 21.5]


def test_reads_what_an_evaluation_writes():
    values = {"psnr": np.array([[[10.0, 20.0]], [[30.0, 40.0]]]), "ssim": np.full((2, 1, 2), 0.5)}
    evaluation = Measurement(values, MetricSettings(), 2, 1, 2, 4, (8, 8), {}, "f" * 64)
    path = Path("results/a/model_000100/autoreg_2_1_4_2/metrics_2-1-4.json")
    write_measurement(evaluation, path.with_suffix(".pkl"), path)
    row = comparison_table([path]).iloc[0]
    assert (row["psnr [dB]"], row["psnr se videos [dB]"]) == pytest.approx((25.0, 10.0))
    assert (row["ssim"], row["videos"], row["samples"], row["frames"], row["stages"]) == (0.5, 2, 1, 2, 2)
    (line,) = read_curves([path], "psnr").lines
    assert (line.name, *map(list, (line.positions, line.values, line.errors))) == (
        "autoreg_2_1_4_2",
        [2, 3],
        [20.0, 30.0],
        [10.0, 10.0],
    )


def test_metrics_that_some_files_lack_are_missing():
    both = write_metrics("autoreg_10_5_60_10")
    one = write_metrics("independent_10_5_60_10", metrics={"ssim": summary(0.75)})
    table = comparison_table([both, one])
    assert table["psnr [dB]"].isna().tolist() == [False, True]
    assert table["ssim"].tolist() == [0.5, 0.75]
    assert table["protocol"].tolist() == ["", ""]
    assert format_table(table).splitlines()[5].split()[1] == "-"


def write_elbos(mode: str, mean: float, **protocol: Any) -> Path:
    path = Path("results", "a/b", CHECKPOINT, mode, "elbos_4.json")
    bpd = {"mean": mean, "standard_error_videos": 0.125, "per_video": [], "higher_is_better": False}
    path.write_text(json.dumps({"bpd": bpd, "protocol": {"videos": 4, "diffusion_steps": 50} | protocol}))
    return path


def test_bits_per_dimension_stand_beside_the_metrics():
    modes = ["autoreg_10_5_60_10", "independent_10_5_60_10", "gibbs-1-autoreg_10_5_60_10"]
    paths = [write_metrics(mode) for mode in modes]
    elbos = [write_elbos(modes[0], 2.5), write_elbos(modes[1], 3.0)]
    table = comparison_table(paths, elbos)
    assert table["bpd"].tolist()[:2] == [2.5, 3.0] and pd.isna(table["bpd"][2])
    assert table["bpd se videos"][0] == 0.125
    assert set(table["protocol"]) == {""}
    assert "2.50 ± 0.12" in format_table(table)
    differing = comparison_table(paths[:2], [elbos[0], write_elbos(modes[1], 3.0, diffusion_steps=10)])
    assert differing["protocol"].tolist() == ["bpd.diffusion_steps=50", "bpd.diffusion_steps=10"]
    assert "bpd" not in comparison_table(paths)


def test_refuses_what_is_no_summary_of_elbos():
    path = write_metrics("autoreg_10_5_60_10")
    with pytest.raises(InputError, match="not a summary of ELBOs: no key 'protocol'"):
        comparison_table([path], [path])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"length": 50}, ("length=60", "length=50")),
        ({"obs_length": 5}, ("obs_length=10", "obs_length=5")),
        ({"test_videos_sha256": "f" * 64}, ("test_videos=01234567", "test_videos=ffffffff")),
        ({"metrics": {"ssim": summary(0.5, data_range=2.0)}}, ("ssim.data_range=1.0", "ssim.data_range=2.0")),
        ({"libraries": {"torch": "2.7"}}, ("", "")),
        ({"metrics": {"ssim": summary(0.5, weights_source="here")}}, ("", "")),
    ],
)
def test_rows_measured_differently_say_in_what(changes, expected):
    first, second = write_metrics("autoreg_10_5_60_10"), write_metrics("x_autoreg_10_5_60_10", **changes)
    table = comparison_table([first, second])
    assert tuple(table["protocol"]) == expected
    text = format_table(table)
    assert all(field in text for field in expected)
    assert ("protocol" in text) == bool(expected[0])


@pytest.mark.parametrize(
    ("checkpoint", "config", "expected"),
    [
        ("model_000100", None, None),
        ("model_000100", {"diffusion_steps": 32}, 320),
        ("model_000100", {"diffusion_steps": 1000, "timestep_respacing": "ddim25"}, 250),
        ("model_000100_ddim_respace8", {"diffusion_steps": 1000}, 80),
        ("model_000100_respaceddim50", None, 500),
        ("model_000100_heun_respacekarras50", None, 990),
        ("model_000100_unipc-order3_respacelogsnr8", None, 80),
    ],
)
def test_network_evaluations(checkpoint, config, expected):
    path = write_metrics("autoreg_10_5_60_10", checkpoint=checkpoint)
    if config:
        (path.parent / "model_config.json").write_text(json.dumps(config))
    evaluations = comparison_table([path])["evaluations"][0]
    assert pd.isna(evaluations) if expected is None else evaluations == expected


@pytest.mark.parametrize(
    ("mode", "stages"), [("autoreg_optimal-linspace-t_10_5_60_10", 10), ("autoreg_10_5_None_10", None)]
)
def test_stages(mode, stages):
    found = comparison_table([write_metrics(mode)])["stages"][0]
    assert pd.isna(found) if stages is None else found == stages


def test_text_says_once_what_rows_share():
    paths = [write_metrics("autoreg_10_5_60_10", psnr=20.0), write_metrics("autoreg_10_10_60_10", psnr=9.125)]
    lines = format_table(comparison_table(paths)).splitlines()
    assert lines[0] == f"run: a/b   checkpoint: {CHECKPOINT}   videos: 4   samples: 1   frames: 50"
    assert lines[2].split() == ["mode", "psnr", "[dB]", "ssim", "stages", "evaluations"]
    assert re.split(" {2,}", lines[4]) == ["autoreg_10_5_60_10", "20.00 ± 0.25", "0.500 ± 0.012", "10", "500"]
    assert re.split(" {2,}", lines[5]) == ["autoreg_10_10_60_10", "9.12 ± 0.25", "0.500 ± 0.012", "5", "250"]
    assert len({len(line) for line in lines[2:6]}) == 1  # numbers end where their header ends


def test_text_without_errors():
    path = write_metrics("autoreg_10_5_60_10", metrics={"psnr": summary(20.0, None)})
    assert format_table(comparison_table([path])).splitlines()[4].split()[1] == "20.000"


def test_csv_keeps_every_digit(tmp_path):
    table = comparison_table([write_metrics("autoreg_10_5_60_10", psnr=1 / 3)])
    write_csv(tmp_path / "table.csv", table)
    with open(tmp_path / "table.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert list(row) == list(table)
    assert float(row["psnr [dB]"]) == 1 / 3
    assert (row["psnr se samples [dB]"], row["stages"], row["protocol"]) == ("", "10", "")
    with pytest.raises(OutputError):
        write_csv(tmp_path / "table.csv" / "table.csv", table)


def test_a_mean_of_nearly_zero_has_no_sign():
    path = write_metrics("autoreg_10_5_60_10", metrics={"psnr": summary(-0.001, 0.5, unit="dB")})
    assert " 0.00 ± 0.50" in format_table(comparison_table([path]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "json: cannot be read: No such file"),
        ("{", "not a metrics file"),
        ("[]", "not a metrics file"),
        ("{}", "no key 'videos'"),
        ('{"videos": 1}', "no key 'samples_per_video'"),
    ],
)
def test_refuses_what_is_no_metrics_file(text, message):
    path = Path("results/a/model_000100/autoreg_10_5_60_10/metrics_4-1-60.json")
    path.parent.mkdir(parents=True)
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=message):
        comparison_table([path])


def test_refuses_no_files():
    with pytest.raises(InputError, match="no metrics files"):
        comparison_table([])


MODES = ("autoreg_10_5_60_10", "autoreg_10_10_60_10")


def test_aggregates_of_several_samples_are_columns():
    parts = {"best": {"mean": 22.0, "standard_error_videos": 0.5}, "best_on_average": {"mean": 21.0}}
    parts["best_on_average"]["standard_error_videos"] = None
    metrics = {"psnr": summary(20.0, unit="dB") | {"aggregates": parts}}
    path = write_metrics(MODES[0], metrics=metrics, samples_per_video=3)
    row = comparison_table([path]).iloc[0]
    assert (row["psnr best [dB]"], row["psnr best se videos [dB]"]) == (22.0, 0.5)
    assert row["psnr best on average [dB]"] == 21.0
    assert "best" not in format_table(comparison_table([path])).splitlines()[2]


def test_baselines_and_the_truth_stand_under_the_evaluations():
    error = {"standard_error_videos": 0.02}
    truths = [{"mean": mean, "standard_error_videos": 0.01} for mean in (1.02, 1.04)]
    paths = [
        write_metrics(
            mode, metrics={"psnr": summary(20.0), "seam": of_sets([1.4, 1.5], "truth", truth=truth, **error)}
        )
        for mode, truth in zip(MODES, truths, strict=True)
    ]
    baselines = [
        write_baseline("last-frame", metrics={"psnr": summary(9.0), "ssim": summary(0.2)}),
        write_baseline("other-video", missing="no 4 other true videos"),
    ]
    table = comparison_table(paths, baselines=baselines)
    assert table["mode"].tolist() == [*MODES, "last frame repeated"]
    assert table["run"].tolist() == ["a/b", "a/b", ""] and pd.isna(table["stages"][2])
    assert table["seam truth"].tolist()[:2] == [1.02, 1.04] and pd.isna(table["seam truth"][2])
    text = format_table(table)
    rows = [re.split(" {2,}", line) for line in text.splitlines()[2:]]
    assert rows[5] == ["truth", "-", "-", "-", "1.020 … 1.040"]
    assert rows[6][0] == "last frame repeated" and rows[6][1] == "9.00 ± 0.25"
    assert "note: another true video: no 4 other true videos" in text
    assert "best near the truth: seam" in text
    other = [write_baseline("last-frame", test_videos_sha256="f" * 64, metrics={"psnr": summary(9.0)})]
    table = comparison_table(paths, baselines=other)
    assert table["mode"].tolist() == list(MODES)
    assert f"{other[0]} is of other videos than the samples: remove it" in format_table(table)


def test_metrics_of_sets_have_their_errors_floor_and_warnings():
    floor = {"mean": 60.0, "standard_error_videos": 5.0, "videos": 4}
    warning = "4 videos: with fewer than 256, fvd is mostly bias"
    fvd = of_sets([100.0, 120.0], floor=floor, warnings=[warning])
    seam = of_sets([1.0], "truth") | {"mean": None, "standard_error_videos": None, "undefined": "no border"}
    paths = [write_metrics(mode, metrics={"fvd": fvd, "seam": seam}) for mode in MODES]
    table = comparison_table(paths)
    assert table["fvd floor"].tolist() == [60.0, 60.0] and table["fvd floor se videos"][0] == 5.0
    text = format_table(table)
    assert "\nfloor of fvd: that of another true video\n" in text
    assert "110.0 ± 2.0" in text and text.count(f"note: {warning}") == 1 and " truth " not in text
    assert f"note: {MODES[0]}: seam is not defined: no border" in text and "by the jackknife" in text
    missing = of_sets([1.0], floor={"missing": "too few videos"})
    table = comparison_table([write_metrics(MODES[0], metrics={"fvd": missing})])
    assert "fvd floor" not in table and table["notes"].tolist() == ["fvd has no floor: too few videos"]


def test_a_wide_table_is_split_by_kind_and_fits_a_terminal():
    frames = {name: summary(123.456, 0.0123) for name in ("psnr", "ssim", "lpips")}
    sets = {
        name: of_sets([123.0, 456.0]) for name in ("fvd", "kvd", "seam", "frozen", "motion", "drift", "lag")
    }
    sets["fvd_windows"] = of_sets([1.0, 2.0])
    lines = format_table(comparison_table([write_metrics(MODES[0], metrics=frames | sets)])).splitlines()
    heads = [line.split() for line in lines if line.startswith("mode")]
    assert heads[0] == ["mode", "psnr", "ssim", "lpips", "stages", "evaluations"]
    assert [name for head in heads[1:] for name in head if name != "mode"] == list(sets)
    assert max(map(len, lines)) <= 120
    unit = {"seam": of_sets([1.0, 2.0], unit="borders / elsewhere"), "psnr": summary(1.0, unit="dB")}
    text = format_table(comparison_table([write_metrics(MODES[0], metrics=unit)]))
    assert "seam: borders / elsewhere" in text and "psnr [dB]" in text and "seam [" not in text


def test_the_text_tells_which_values_are_better_of_metrics_of_which_some_are():
    text = format_table(
        pd.DataFrame(
            {"run": ["a"], "checkpoint": ["b"], "mode": ["c"], "spread": [1.0], "skill": [2.0]}
        ).assign(**dict.fromkeys(COUNTS, 1), protocol="")
    )
    assert "lower is better: skill" in text and "higher" not in text


def test_a_network_of_the_users_may_have_any_name_that_the_configuration_takes():
    name = "fd-V" + 59 * "e"
    assert name in comparison_table([write_metrics("autoreg_10_5_60_10", metrics={name: summary(1.0)})])


def test_a_second_checkpoint_is_told():
    second = {"run": "gaps", "checkpoint": "model_000001"}
    register_modes({"two": {"strategy": "hierarchy-2", "second": second}})
    try:
        table = comparison_table([write_metrics("two_10_5_60_10"), write_metrics("autoreg_10_5_60_10")])
    finally:
        register_modes({})
    assert table["notes"].tolist() == ["two_10_5_60_10: phases from 2 on by gaps/model_000001", ""]


def test_samples_of_different_precisions_are_told():
    paths = [
        write_metrics(mode) for mode in ("autoreg_10_5_60_10", "autoreg_10_10_60_10", "exp-past_10_5_60_10")
    ]
    assert "notes" not in comparison_table(paths)  # trees of the original have no fingerprint
    for path, precision in zip(paths, ["tf32", "tf32", "tf32"], strict=True):
        (path.parent / "fingerprint.json").write_text(json.dumps({"precision": precision}))
    assert "notes" not in comparison_table(paths)
    (paths[1].parent / "fingerprint.json").write_text(json.dumps({"precision": "float32"}))
    table = comparison_table(paths)
    note = (
        "samples were made in different precisions, tf32: autoreg_10_5_60_10, exp-past_10_5_60_10; "
        "float32: autoreg_10_10_60_10"
    )
    assert table["notes"].tolist() == [note, "", ""] and set(table["protocol"]) == {""}
    assert f"note: {note}\n" in format_table(table)
