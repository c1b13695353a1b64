"""The command line, looked at first: words that an option swallows, and how much a dry run tells."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from small_project import FOLDER, MODES, copy_parts, sample

from viddiff.errors import InputError
from viddiff.workflow.arguments import check_config_entries, check_config_files, told_by_dry_run

METRICS = f"{FOLDER}/{MODES[0]}/metrics_7-1-12.json"


def test_a_target_behind_a_config_file_is_told_where_to_stand(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.yaml").write_text("sampling: {batch_size: 4}")
    (tmp_path / METRICS).parent.mkdir(parents=True)
    (tmp_path / METRICS).write_text("{}")
    check_config_files([])
    check_config_files(["my.yaml", "my.yaml"])
    for target in ("samples", METRICS):
        with pytest.raises(InputError, match=f"^--configfile .*: {target} --configfile my.yaml$"):
            check_config_files(["my.yaml", target])
    with pytest.raises(InputError, match=r"^no\.yaml: cannot be read: No such file"):
        check_config_files(["no.yaml"])


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (["device=cpu", "samples"], "--config .*: samples --config device=cpu$"),
        (["sampling.batch_size=4"], r"^--config .*: write 'sampling=\{batch_size: 4\}'$"),
        (["a.b.c=d"], r"^--config .*: write 'a=\{b: \{c: d\}\}'$"),
        (["=4"], "^--config =4: '' is no key of the configuration$"),
    ],
)
def test_what_snakemake_ends_in_a_traceback_ends_in_a_line(entries, message):
    with pytest.raises(InputError, match=message):
        check_config_entries(entries)
    check_config_entries(["device=cpu", "sampling={batch_size: 4}", "data_cache="])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", None),
        ("-n", "numbers"),
        ("-n all samples", "numbers"),
        ("-np samples", "jobs"),
        (f"-n {METRICS}", "jobs"),
        ("-n train", "jobs"),
        ("-n --quiet", "table"),
        ("-n --quiet all", "table"),
        ("-n --quiet rules", "numbers"),
        ("-n --dag", None),
        ("-n --summary", None),
    ],
)
def test_what_a_dry_run_tells(words, told):
    assert told_by_dry_run(words.split()) == told


def test_a_dry_run_begins_with_a_table_and_names_no_job(fresh):
    (fresh.root / FOLDER / MODES[0] / "samples").mkdir(parents=True)
    for video in range(6):
        np.save(fresh.root / sample(MODES[0], video), np.zeros((12, 1, 32, 32), np.uint8))
    with (fresh.root / sample(MODES[0], 3)).open("ab") as file:
        file.truncate(1000)
    text = fresh.make("-n")
    table = text[text.index("run: ") : text.index("Building DAG")]
    rows = [line.split() for line in table.splitlines()]
    assert [MODES[0], "7", "5", "1", "1"] in rows and [MODES[1], "7", "0", "7", "0"] in rows
    assert "output: " not in text and "sample_0_4" in text
    quiet = fresh.make("-n", "--quiet").strip().splitlines()
    assert quiet[-1].split() == ["all", "14", "5", "8", "1"] and len(quiet) < 12


def test_config_of_the_command_line_has_types_and_is_laid_over(fresh):
    text = fresh.make("-n", "samples", "--config", "sampling={videos_per_job: 2}", "report={videos: 1}")
    assert "sample_0_1" in text
    line = fresh.refused("-n", "--config", "sampling={batch_size: four}").splitlines()[-1]
    assert line == 'error: config key sampling.batch_size is "four", must be auto or a whole number'


def test_a_demo_that_was_killed_says_how_to_go_on(fresh):
    """Snakemake's own word about the lock, and the command."""
    copy_parts(fresh.root, "Makefile", "pyproject.toml")
    snakemake = fresh.root / ".venv" / "bin" / "snakemake"
    snakemake.parent.mkdir(parents=True)
    snakemake.write_text(f'#!/bin/sh\nexec {sys.executable} -m snakemake "$@"\n')
    snakemake.chmod(0o755)
    (fresh.root / ".venv" / "ready").touch()
    locks = fresh.root / ".snakemake" / "locks"
    locks.mkdir(parents=True)
    (locks / "0.output.lock").write_text("results/comparison.csv\n")
    done = subprocess.run(
        ["make", "demo"], cwd=fresh.root, env=fresh.environment(), capture_output=True, text=True
    )
    assert done.returncode == 2 and "Directory cannot be locked" in done.stdout + done.stderr
    assert ".venv/bin/snakemake --unlock, then make demo again" in done.stdout
