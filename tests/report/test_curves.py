from __future__ import annotations

import numpy as np
import pytest
from fake_metrics import of_sets, summary, write_baseline, write_metrics
from PIL import Image

from viddiff.errors import InputError
from viddiff.report.curves import read_curves
from viddiff.report.pictures import SPREAD_AND_SKILL, curve_pictures

MODES = ("autoreg_10_5_60_10", "autoreg_10_10_60_10")


@pytest.fixture(autouse=True)
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_line_of_each_mode_over_the_generated_frames():
    paths = [write_metrics(MODES[0]), write_metrics(MODES[1], psnr=5.0, goals=[59])]
    with pytest.raises(InputError, match="json: psnr has 50 values of frames, 49 were generated"):
        read_curves(paths, "psnr")
    write_metrics(MODES[1], psnr=5.0)
    picture = read_curves(paths, "psnr")
    assert (picture.axis, picture.label, picture.n_obs) == ("frame", "PSNR in dB (higher is better)", 10)
    assert [line.name for line in picture.lines] == list(MODES)
    assert list(picture.lines[1].positions) == list(range(10, 60)) and picture.lines[1].errors is None
    assert list(picture.lines[1].values) == [6.0] * 25 + [4.0] * 25
    twice = read_curves([paths[0], write_metrics(MODES[0], run="c")], "psnr").lines
    assert [line.name for line in twice] == [
        f"results/{run}/ema_0.9999_400000_respace10,15,25/{MODES[0]}/metrics_4-1-60.json"
        for run in ("a/b", "c")
    ]
    with pytest.raises(InputError, match="no metric 'lpips'; found psnr, ssim"):
        read_curves(paths, "lpips")
    with pytest.raises(InputError, match="length=60; other files differ"):
        read_curves([paths[0], write_metrics("autoreg_10_5_50_10", length=50)], "psnr")


def test_curves_have_the_errors_that_their_files_tell():
    banded = {"psnr": summary(5.0, unit="dB") | {"per_frame_standard_error_videos": [0.5] * 50}}
    paths = [write_metrics(MODES[0]), write_metrics(MODES[1], metrics=banded)]
    assert [line.errors for line in read_curves(paths, "psnr").lines] == [None, (0.5,) * 50]
    banded["psnr"]["per_frame_standard_error_videos"] = [0.5]
    with pytest.raises(InputError, match="of different lengths"):
        read_curves([write_metrics(MODES[1], metrics=banded)], "psnr")


def test_curves_of_a_metric_do_not_mind_the_protocol_of_another():
    other = {"psnr": summary(2.0), "ssim": summary(0.5, data_range=2.0)}
    assert (
        len(read_curves([write_metrics(MODES[0]), write_metrics(MODES[1], metrics=other)], "psnr").lines) == 2
    )


def test_baselines_of_the_same_videos_are_drawn_in_grey():
    paths = [write_metrics(MODES[0])]
    baselines = [
        write_baseline("last-frame", metrics={"psnr": summary(3.0), "ssim": summary(0.1, data_range=2.0)}),
        write_baseline("other-video", test_videos_sha256="f" * 64),
    ]
    lines = read_curves(paths, "psnr", baselines).lines
    assert [(line.name, line.kind) for line in lines[1:]] == [("last frame repeated", "baseline")]
    assert len(read_curves(paths, "ssim", baselines).lines) == 1  # measured by another protocol


def test_a_metric_of_sets_has_a_curve_along_its_axis():
    curve = {"axis": "lag in frames", "positions": [1, 4, 16], "values": [0.1, 0.2, 0.3]}
    more = {"standard_errors": [0.01, 0.02, 0.03], "truth": [0.2, 0.3, 0.4]}
    files = [
        write_metrics(mode, metrics={"fvd_windows": of_sets([1.0, 2.0], curve=curve | extra)})
        for mode, extra in zip(MODES, (more, {"truth": [0.2, 0.3, 0.4]}), strict=True)
    ]
    picture = read_curves(files, "fvd_windows")
    assert [line.kind for line in picture.lines] == ["mode", "mode", "truth"]
    assert (picture.axis, picture.lines[0].errors) == ("lag in frames", (0.01, 0.02, 0.03))
    other = write_baseline("other-video", metrics={"fvd_windows": of_sets([1.0], curve=curve)})
    lines = read_curves(files, "fvd_windows", [other]).lines
    assert [line.kind for line in lines] == ["mode", "mode", "baseline", "truth"]
    picture.draw("curve.png")
    assert np.asarray(Image.open("curve.png")).std() > 0
    undefined = of_sets([1.0]) | {"mean": None, "undefined": "1 window"}
    picture = read_curves([write_metrics(MODES[0], metrics={"fvd_windows": undefined})], "fvd_windows")
    assert picture.reason == "not defined: 1 window" and not picture.lines
    picture.draw("none.png")
    assert np.asarray(Image.open("none.png")).std() > 0


def test_spread_and_skill_share_a_picture():
    assert curve_pictures(["psnr", "spread", "fvd", "fvd_windows", "skill"]) == [
        "psnr",
        "fvd_windows",
        SPREAD_AND_SKILL,
    ]
    assert curve_pictures(["spread", "psnr"]) == ["spread", "psnr"]
    file = write_metrics(MODES[0], metrics={"spread": summary(0.1), "skill": summary(0.2)})
    picture = read_curves([file], SPREAD_AND_SKILL)
    assert [(line.name, line.kind) for line in picture.lines] == [
        (f"{MODES[0]}: skill", "mode"),
        (f"{MODES[0]}: spread", "companion"),
    ]
    picture.draw("both.png")
