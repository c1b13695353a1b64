"""JSON files that are too large, too deep or not what they should be, for every reader of such files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from viddiff.data import open_dataset
from viddiff.errors import InputError
from viddiff.files.json_files import GROWING, LONGEST_TEXT, MOST_BYTES, parse_json
from viddiff.files.write import save_npy
from viddiff.inference.modes import make_plan
from viddiff.inference.plan import Plan, Stage
from viddiff.inference.search import StageSearch
from viddiff.jobs.baselines import read_floors
from viddiff.jobs.measurement import true_videos
from viddiff.report.comparison import comparison_table
from viddiff.report.cost_card import CostCard, cost_card
from viddiff.report.curves import read_curves
from viddiff.report.pairs import compare_pairs
from viddiff.tree.elbos import STAGE, summarise_elbos
from viddiff.tree.fingerprint import check_claim
from viddiff.tree.paths import Baseline, Evaluation
from viddiff.tree.samples import executed_plan
from viddiff.tree.schedules import read_choices, read_schedule
from viddiff.tree.timing import read_timings
from viddiff.workflow.metric_preflight import check_measured
from viddiff.workflow.sections import Metrics

RUN = Evaluation.named("run", "ema_0.9999_000100", "autoreg_4_2_12_4")
BASELINE = Baseline("other-video", "balls", "test", 4).metrics(1, 12)
METRICS = RUN.metrics(1, 1, 12, "json")
PLANNED = Plan(6, 3, (Stage((2,), (3,), n_select=1), Stage((3,), (4, 5), n_select=1)))
SEARCH = StageSearch(0, (4,), (0, 1, 2), (), 2)
METRICS_CONTENT = {
    "format": 1,
    "videos": 1,
    "samples_per_video": 1,
    "length": 12,
    "obs_length": 4,
    "test_videos_sha256": "0" * 64,
    "metrics": {
        "psnr": {
            "mean": 20.0,
            "standard_error_videos": None,
            "standard_error_samples": 0.5,
            "unit": "dB",
            "higher_is_better": True,
            "per_frame": [20.0] * 8,
            "protocol": {"data_range": 1},
        }
    },
    "samples": {},
}
CARD = {
    "stages": 4,
    "chain": 4,
    "diffusion_steps": 1000,
    "max_frames": 4,
    "largest_window": 4,
    "filled": 1.0,
    "selected": 0,
    "evaluations": 4000,
    "sequential_evaluations": 4000,
    "steps_from": "as trained",
    "estimates": [{"device": "cpu", "seconds_per_evaluation": 0.1, "timings": ["results/a.json"]}],
}

# The file that each reads, and the reader.
READERS = {
    "fingerprint": (RUN.directory / "fingerprint.json", lambda path: check_claim(RUN.directory, {})),
    "plan": (RUN.directory / "plan.json", Plan.read),
    "executed plan": (RUN.executed_plan(0, 0), lambda path: executed_plan(path, PLANNED)),
    "schedule": (RUN.directory / "optimal_schedule.json", read_schedule),
    "choices": (RUN.directory / "optimal/stage_0.json", lambda path: read_choices(path, SEARCH)),
    "metrics in a table": (METRICS, lambda path: comparison_table([path])),
    "metrics in a curve": (METRICS, lambda path: read_curves([path], "psnr")),
    "metrics in pairs": (METRICS, lambda path: compare_pairs([path, path])),
    "baselines": (BASELINE, lambda path: read_floors([path], ["psnr"], "0" * 64)),
    "baselines in a table": (BASELINE, lambda path: comparison_table([METRICS], baselines=[path])),
    "ELBOs": (RUN.elbo_summary(1), lambda path: comparison_table([METRICS], [path])),
    "timing": (RUN.directory / "timings/samples_0000-0-0.json", lambda path: read_timings([path])),
    "cost card": (RUN.directory / "plan_cost.json", CostCard.read),
    "training config, for data": (
        RUN.directory / "model_config.json",
        lambda path: true_videos(RUN, open_dataset),
    ),
    "training config, for cost": (
        RUN.directory / "model_config.json",
        lambda path: cost_card(RUN, make_plan(RUN.mode), {}, path, []),
    ),
}
NO_JSON = {
    "deep lists": b"[" * 100_000,
    "deep mappings": b'{"metrics":' * 100_000,
    "closed": b"[" * 60 + b"]" * 60,
    "digits": b"1" * 10_000,
    "not text": b"\xff\xfe\x00",
    "cut off": b'{"metrics": {"psnr"',
    "empty": b"",
}


@pytest.fixture
def put(tmp_path, monkeypatch):
    """A function that writes a file, in a folder of its own that is the working directory."""
    monkeypatch.chdir(tmp_path)

    def write(path: Path, content: bytes) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    return write


def refused(path: Path, read) -> str:
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert len(str(caught.value)) < 2000
    return str(caught.value)


@pytest.mark.parametrize("content", NO_JSON.values(), ids=NO_JSON)
@pytest.mark.parametrize(("path", "read"), READERS.values(), ids=READERS)
def test_no_reader_takes_it(put, path, read, content):
    put(METRICS, json.dumps(METRICS_CONTENT).encode())
    refused(put(path, content), read)


@pytest.mark.parametrize(("path", "read"), READERS.values(), ids=READERS)
def test_a_file_without_end(put, path, read):
    put(METRICS, json.dumps(METRICS_CONTENT).encode())
    os.truncate(put(path, b""), 2 * GROWING)
    line = refused(path, read)
    assert any(f"has more than {most} bytes" in line for most in (MOST_BYTES, GROWING))


def test_what_need_not_be_read_is_left_alone(put):
    """An existing metrics file is looked at in planning, where those who read it are still to come."""
    wanted = Metrics(("psnr",), ssim_data_range=1, elbos=False)
    for content in NO_JSON.values():
        check_measured(wanted, put(METRICS, content))


def changed(content: dict, keys: str, value) -> bytes:
    """JSON of `content` with another value at the keys, `a.b.c`."""
    content = json.loads(json.dumps(content))
    *outer, last = keys.split(".")
    part = content
    for key in outer:
        part = part[int(key)] if isinstance(part, list) else part[key]
    part[last] = value
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        ("metrics.psnr.unit", "\x1b]0;title\x07\x1b[2J"),  # steers the terminal that shows the table
        ("metrics.psnr.unit", "dB\nnext line"),
        ("metrics.psnr.unit", "x" * (LONGEST_TEXT + 1)),
        (
            "metrics",
            {'=HYPERLINK("http://x")': METRICS_CONTENT["metrics"]["psnr"]},
        ),  # a formula, to a spreadsheet
        ("metrics.psnr.higher_is_better", "no"),
        ("metrics.psnr.mean", "20"),
        ("metrics.psnr.mean", float("nan")),
        ("metrics.psnr.standard_error_videos", [1]),
        ("metrics.psnr.per_frame", ["x"]),
        ("metrics.psnr.per_frame", 3),
        ("metrics.psnr.better", "\x1b[2J"),
        ("metrics.psnr.per_video", ["x"]),
        ("metrics.psnr.warnings", ["\x1b[2J"]),
        ("metrics.psnr.warnings", ['=HYPERLINK("http://x")']),
        ("metrics.psnr.undefined", "\x1b[2J"),
        ("metrics.psnr.truth", {"mean": "x"}),
        ("metrics.psnr.aggregates", {"best": 3}),
        ("metrics.psnr.curve", {"axis": "lag", "positions": [1], "values": [1, 2]}),
        ("metrics", [1, 2]),
        ("test_videos_sha256", "\x1b[2J"),
        ("videos", "1"),
        ("length", 12.5),
    ],
)
def test_wrong_values_of_metrics(put, keys, value):
    assert len(comparison_table([put(METRICS, json.dumps(METRICS_CONTENT).encode())])) == 1
    refused(put(METRICS, changed(METRICS_CONTENT, keys, value)), lambda path: comparison_table([path]))


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        ("stages", "4"),
        ("filled", None),
        ("steps_from", "\x1b[2J"),
        ("estimates.0.device", "cpu\n"),
        ("estimates.0.seconds_per_evaluation", float("inf")),
        ("estimates", 3),
    ],
)
def test_wrong_values_of_a_cost_card(put, keys, value):
    path = put(RUN.directory / "plan_cost.json", json.dumps(CARD).encode())
    assert CostCard.read(path).lines()
    refused(put(path, changed(CARD, keys, value)), CostCard.read)


def test_a_timing_steers_no_terminal(put):
    timing = {"device": "\x1b[2J", "window_evaluations": 1, "seconds": 1, "max_frames": 4, "image_size": 32}
    path = put(RUN.directory / "timings/samples_0000-0-0.json", json.dumps(timing).encode())
    refused(path, lambda path: read_timings([path]))


@pytest.mark.parametrize("dataset", [["minerl"], {"a": 1}, 3, "a\nb"])
def test_a_dataset_is_a_name(put, dataset):
    path = put(RUN.directory / "model_config.json", json.dumps({"dataset": dataset}).encode())
    refused(path, lambda path: true_videos(RUN, open_dataset))


def test_a_fingerprint_is_not_printed_whole(put):
    path = RUN.directory / "fingerprint.json"
    put(path, json.dumps({"plan_sha256": "x" * 10**6}).encode())
    with pytest.raises(InputError) as caught:
        check_claim(RUN.directory, {"plan_sha256": "0"})
    assert len(str(caught.value)) < 2000


def test_the_summary_of_elbos_needs_a_list_of_steps(put):
    save_npy(RUN.elbo(0), np.ones(2, STAGE))
    names = dict.fromkeys(("checkpoint_sha256", "diffusion_steps", "variance", "dataset"), 3)
    put(RUN.directory / "fingerprint.json", json.dumps(names).encode())
    with pytest.raises(InputError, match=r"fingerprint\.json: not a fingerprint of ELBOs"):
        summarise_elbos(RUN, 1)


def test_depth_is_limited_below_what_python_can_print():
    assert parse_json("[" * 40 + "]" * 40)
    with pytest.raises(ValueError, match="levels deep"):
        parse_json("[" * 500 + "]" * 500)
