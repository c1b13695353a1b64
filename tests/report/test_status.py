"""`viddiff status`: what it says of trees with known times, and the command as it is run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from viddiff.errors import InputError
from viddiff.report import progress
from viddiff.report.progress import read_progress, stages_of
from viddiff.report.status import configured_grid, duration, status, summarise, wanted_samples
from viddiff.tree.paths import Evaluation
from viddiff.workflow.targets import pairs

ROOT = Path(__file__).parents[2]
NOW = 1_700_000_000.0
RUN, CHECKPOINT = "deep/tiny", "ema_0.9999_000100_respace2"
MODES = ["autoreg_4_2_12_4", "hierarchy-2_4_2_12_4"]  # of 4 stages each
AUTOREG, HIERARCHY = (Evaluation.named(RUN, CHECKPOINT, mode) for mode in MODES)
GRID = {"runs": [RUN], "checkpoints": [CHECKPOINT], "modes": MODES, "videos": 6, "samples": 2}


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A project without results, in the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("config").mkdir()
    Path("config/config.yaml").write_text(yaml.safe_dump({"grid": [GRID]}))


def touch(path: Path, seconds_ago: float, now: float = NOW) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (now - seconds_ago, now - seconds_ago))


def finish(evaluation: Evaluation, videos: range, seconds_ago: float, now: float = NOW) -> None:
    """Finish sample 0 of some videos."""
    for video in videos:
        touch(evaluation.sample(video, 0), seconds_ago, now)


def begin(evaluation: Evaluation, videos: range, *seconds_ago: float, now: float = NOW) -> None:
    """Begin sample 0 of some videos: its stages were done so long ago."""
    for video in videos:
        for stage, seconds in enumerate(seconds_ago):
            touch(evaluation.partial(video, 0) / f"stage_{stage:04d}.npy", seconds, now)


def table(*paths: str) -> str:
    return status(wanted_samples(paths, configured_grid()), NOW)


def line(evaluation: Evaluation, videos: int = 6):
    return summarise([read_progress(evaluation, set(pairs(videos, 2)))], NOW)


def test_an_empty_grid_and_one_without_results():
    assert table().splitlines()[-1] == "Nothing is done yet."
    assert table().count("0/12") == 2 and table().count("0/24") == 1
    assert status({}, NOW) == "The configured grid is empty.\n"


def test_the_table():
    finish(AUTOREG, range(4), 600)
    begin(AUTOREG, range(4, 6), 300, 120)
    finish(HIERARCHY, range(1), 7200)
    assert table() == (
        "run: deep/tiny   checkpoint: ema_0.9999_000100_respace2\n"
        "\n"
        "mode                  samples  begun  their stages   done  samples/h   time left  last progress\n"
        "───────────────────────────────────────────────────────────────────────────────────────────────\n"
        "autoreg_4_2_12_4         4/12      2           4/8  41.6%        7.5      56 min      2 min ago\n"
        "hierarchy-2_4_2_12_4     1/12      -             -   8.3%          -           -        2 h ago\n"
        "all                      5/24      2           4/8  25.0%        7.5  2 h 24 min      2 min ago\n"
    )


def test_an_evaluation_is_measured_by_samples_and_stages():
    finish(AUTOREG, range(4), 600)
    begin(AUTOREG, range(4, 6), 300, 120)
    seen = line(AUTOREG)
    assert (seen.wanted, seen.done, seen.begun, seen.stages_begun, seen.stages_to_do) == (12, 4, 2, 4, 8)
    assert seen.share == 20 / 48
    assert seen.rate == pytest.approx(4 / 480 / 4 * 3600)  # four stages in the 480 seconds since the samples
    assert seen.seconds_left == pytest.approx(28 / (4 / 480))


def test_only_what_is_wanted_counts():
    finish(AUTOREG, range(4), 600)
    begin(AUTOREG, range(4, 6), 300)
    begin(AUTOREG, range(3, 4), 700)  # of a sample that is finished
    touch(AUTOREG.sample(0, 2), 10)
    touch(AUTOREG.executed_plan(0, 0), 10)
    touch(AUTOREG.sample(0, 0).with_name(".tmp-0a0a0a0a-sample_0004-1.npy"), 10)
    touch(AUTOREG.partial(4, 0) / ".tmp-0a0a0a0a-stage_0001.npy", 10)
    AUTOREG.partial(4, 1).mkdir()
    seen = line(AUTOREG, videos=5)
    assert (seen.wanted, seen.done, seen.begun, seen.stages_begun) == (10, 4, 1, 1)
    assert seen.activity.last == NOW - 300


def test_what_is_done_has_no_time_left():
    for video, sample in pairs(6, 2):
        touch(AUTOREG.sample(video, sample), 60 * video)
    text = table(f"{AUTOREG.directory}/")
    assert text.splitlines()[-2:] == [
        "autoreg_4_2_12_4    12/12      -             -  100.0%          -       none        0 s ago",
        "All samples are done.",
    ]


def test_a_run_that_stopped_has_no_time_left():
    begin(AUTOREG, range(2), 3 * 3600 + 600, 3 * 3600)
    seen = line(AUTOREG)
    assert (seen.rate, seen.seconds_left, seen.activity.stopped) == (None, None, True)
    assert table().splitlines()[-1] == "No progress for 3 h: nothing seems to run."


def test_a_directory_that_is_not_in_the_grid_has_no_total_unless_a_metrics_file_is_named():
    other = Evaluation.named(RUN, CHECKPOINT, "independent_4_2_12_4")
    finish(other, range(3), 600)
    text = table(str(other.directory))
    assert text.splitlines()[-2].split() == [
        str(other.mode),
        "3",
        "-",
        "-",
        "-",
        "-",
        "-",
        "10",
        "min",
        "ago",
    ]
    assert text.splitlines()[-1] == (
        f"How many samples are wanted is not known of {other.directory}: add /metrics_<videos>-<samples>-<T>.pkl"
    )
    assert "3/20" in table(str(other.metrics(10, 2, 12)))
    assert "3/20" in table(str(other.metrics(10, 2, 12)), str(other.directory))
    assert "all" in table(str(other.directory), str(AUTOREG.directory)).splitlines()[-2]


def test_paths_of_one_evaluation_add_up():
    paths = [str(AUTOREG.metrics(videos, samples, 12)) for videos, samples in [(2, 3), (5, 1)]]
    assert wanted_samples(paths, configured_grid()) == {AUTOREG: {*pairs(2, 3), *pairs(5, 1)}}
    assert wanted_samples([str(AUTOREG.directory), *paths], configured_grid()) == {
        AUTOREG: {*pairs(6, 2), *pairs(2, 3)}
    }


def test_a_stage_costs_the_same_everywhere():
    short = Evaluation.named(RUN, CHECKPOINT, "autoreg_10_8_12_4")
    assert (stages_of(AUTOREG), stages_of(short)) == (4, 1)
    finish(short, range(3), 600)
    begin(AUTOREG, range(1), 480, 360, 240, 120)
    both = [read_progress(short, set(pairs(4, 1))), read_progress(AUTOREG, set(pairs(4, 1)))]
    seen = summarise(both, NOW)
    assert (seen.done, seen.wanted, seen.share) == (3, 8, 7 / 20)
    assert seen.seconds_left == pytest.approx(13 * 120)
    assert seen.rate == pytest.approx(30 / (20 / 8))


def test_modes_whose_plan_is_not_known_yet():
    assert stages_of(Evaluation.named(RUN, CHECKPOINT, "autoreg_optimal-linspace-t_4_2_12_4")) == 4
    assert stages_of(Evaluation.named(RUN, CHECKPOINT, "autoreg_None_None_12_4")) == 1


def test_what_vanishes_while_it_is_read_does_no_harm(monkeypatch):
    begin(AUTOREG, range(3), 300, 200, 100)
    finish(AUTOREG, range(3, 6), 600)
    scandir = os.scandir
    gone = []

    class Listing:
        """A folder that is removed between listing and looking."""

        def __init__(self, folder):
            self.folder, self.entries = folder, list(scandir(folder))

        def __enter__(self):
            if self.folder.name == gone[0]:
                self.folder.rename(f"removed{len(list(Path().iterdir()))}")
            return iter(self.entries)

        def __exit__(self, *error):
            pass

    monkeypatch.setattr(progress.os, "scandir", Listing)
    for name, begun, done in [
        ("none", 3, 3),
        ("sample_0001-0", 2, 3),
        (".partial", 0, 3),
        ("samples", 0, 0),
        ("samples", 0, 0),
    ]:
        gone[:] = [name]
        seen = line(AUTOREG)
        assert (seen.begun, seen.done) == (begun, done)


def test_a_sample_that_is_finished_while_it_is_read_is_not_missed(monkeypatch):
    begin(AUTOREG, range(1), 300)
    scandir = os.scandir

    def finishing(folder):
        if folder.name == "samples":
            finish(AUTOREG, range(1), 0)
        return scandir(folder)

    monkeypatch.setattr(progress.os, "scandir", finishing)
    assert (line(AUTOREG).begun, line(AUTOREG).done) == (0, 1)


def test_a_folder_that_cannot_be_read_is_an_error():
    touch(AUTOREG.directory / "samples", 0)
    with pytest.raises(InputError, match=f"cannot read {AUTOREG.directory}/samples.*: Not a directory"):
        line(AUTOREG)


@pytest.mark.parametrize(
    "seconds, text",
    [
        (-5, "0 s"),
        (89, "89 s"),
        (90, "2 min"),
        (5399, "90 min"),
        (5400, "1 h 30 min"),
        (7199, "2 h"),
        (172_799, "48 h"),
        (172_800, "2 d"),
        (190_000, "2 d 5 h"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "viddiff", "status", *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


def test_the_command():
    now = time.time()
    finish(AUTOREG, range(6), 600, now)
    begin(HIERARCHY, range(2), 400, 200, now=now)
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    assert [row.split()[:2] for row in done.stdout.splitlines()[-3:]] == [
        ["autoreg_4_2_12_4", "6/12"],
        ["hierarchy-2_4_2_12_4", "0/12"],
        ["all", "6/24"],
    ]
    assert run(str(AUTOREG.metrics(6, 1, 12))).stdout.splitlines()[-1] == "All samples are done."


def test_the_command_starts_without_heavy_packages():
    heavy = "{'torch', 'pandas', 'matplotlib', 'snakemake'}"
    code = f"import sys, viddiff.__main__; sys.exit(bool({heavy} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)


def test_the_command_lays_files_over_the_configuration():
    mine = {"modes": {"mine": {"strategy": "autoreg"}}, "grid": [GRID | {"modes": ["mine_4_2_12_4"]}]}
    Path("mine.yaml").write_text(yaml.safe_dump(mine))
    Path("more.yaml").write_text(yaml.safe_dump({"modes": {"other": {"strategy": "mine"}}}))
    directory = f"results/{RUN}/{CHECKPOINT}/other_4_2_12_4/metrics_5-1-12.pkl"
    done = run(
        directory,
        "results/deep/tiny/ema_0.9999_000100_respace2/mine_4_2_12_4",
        "--configfile",
        "mine.yaml",
        "more.yaml",
    )
    assert [row.split()[:2] for row in done.stdout.splitlines()[-4:-1]] == [
        ["other_4_2_12_4", "0/5"],
        ["mine_4_2_12_4", "0/12"],
        ["all", "0/17"],
    ]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["results"], "results is neither results/<run>/<checkpoint>/<mode> nor metrics_"),
        (["results/a/b/autoreg_4_2_12_4"], "checkpoint 'b' is not of the form"),
        ([f"results/a/{CHECKPOINT}/autoreg_4_2_12_4"], "does not exist and is not in the configured grid"),
        ([f"results/a/{CHECKPOINT}/autogre_4_2_12_4/metrics_4-1-12.pkl"], "mode 'autogre_4_2_12_4': "),
        ([f"results/a/{CHECKPOINT}/autoreg_4_2_12_4/metrics_4-1-13.pkl"], "metrics of 13 frames"),
        (["--configfile", "no.yaml"], "no.yaml: cannot be read: No such file"),
        (["--configfile", "list.yaml"], "list.yaml: not a configuration: must hold keys with values"),
        (["--configfile", "odd.yaml"], "odd.yaml: not a configuration: "),
        (["--configfile", "key.yaml"], "config key gird is unknown; did you mean grid?"),
    ],
)
def test_what_is_wrong_ends_the_command_with_one_line(arguments, message):
    Path("list.yaml").write_text("[1]")
    Path("odd.yaml").write_text("a: [1\nb: 2")
    Path("key.yaml").write_text("gird: []")
    done = run(*arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("error: ") and message in done.stderr


def test_the_command_runs_in_the_folder_of_a_project():
    shutil.rmtree("config")
    done = run()
    assert done.returncode == 1
    assert (
        done.stderr
        == f"error: no config/config.yaml in {Path.cwd()}: viddiff status runs in the folder of a project\n"
    )
