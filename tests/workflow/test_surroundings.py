"""The workflow used by another one, and called from another folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from types import SimpleNamespace

import pytest
import yaml
from small_project import CONFIG, FOLDER, MODES, ROOT, Project, make_project

from viddiff.errors import InputError
from viddiff.workflow.surroundings import check_paths, own_names

OUTER = f"""
configfile: "config/config.yaml"

module viddiff:
    snakefile: "{ROOT}/Snakefile"
    config: config["videos"]

use rule * from viddiff as viddiff_*

rule mine:
    default_target: True
    input:
        rules.viddiff_metrics.input,
"""

# Root may read and write everything; without these capabilities it is a user like any other.
RIGHTS = "-dac_override,-dac_read_search"
WITHOUT_RIGHTS = ["setpriv", f"--bounding-set={RIGHTS}", f"--inh-caps={RIGHTS}"] if os.geteuid() == 0 else []


@pytest.fixture
def outer(tmp_path) -> Project:
    """Another workflow, with data and a checkpoint, and nothing else of this project. All in processes of their own."""
    project = replace(make_project(tmp_path / "outer"), forks=False)
    for part in ("rules", "workflow_scripts", "profiles", "config"):
        shutil.rmtree(project.root / part)
    (project.root / "Snakefile").write_text(OUTER)
    videos = CONFIG | {"grid": [CONFIG["grid"][0] | {"modes": [MODES[0]], "videos": 1}]}
    (project.root / "config").mkdir()
    (project.root / "config" / "config.yaml").write_text(yaml.safe_dump({"theirs": 1, "videos": videos}))
    return project


@pytest.mark.long
def test_another_workflow_uses_this_one_as_a_module(outer):
    text = outer.make("--set-resources", "viddiff_sample:mem_mb=123")
    job = text.partition("rule viddiff_sample_0_0:")[2].partition("Select jobs")[0]
    assert "mem_mb=123" in job
    assert (outer.root / FOLDER / MODES[0] / "metrics_1-1-12.json").is_file()


def test_a_module_keeps_its_paths():
    paths = SimpleNamespace(replace_prefix=lambda path: path)
    check_paths(workflow_of(path_modifier=paths))
    paths.replace_prefix = lambda path: f"there/{path}"
    with pytest.raises(InputError, match="takes neither prefix nor replace_prefix"):
        check_paths(workflow_of(path_modifier=paths))


def test_it_works_in_the_folder_that_it_is_told(fresh, tmp_path):
    elsewhere = Project(tmp_path)
    snakefile = ["--snakefile", str(fresh.root / "Snakefile")]
    assert f"error: there is no config/config.yaml in {tmp_path}: call from" in elsewhere.refused(
        "-n", *snakefile
    )
    plan = f"{FOLDER}/{MODES[0]}/plan.json"
    assert elsewhere.outputs(*snakefile, "--directory", str(fresh.root), plan) == {plan}
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("closed", [".", "metadata/made"])
def test_a_second_user_without_rights_is_told_of_what(fresh, closed):
    records = fresh.root / ".snakemake"
    (records / "metadata").mkdir(parents=True, exist_ok=True)
    (records / "metadata" / "made").touch()
    (records / closed).chmod(0o500 if closed == "." else 0)
    command = [*WITHOUT_RIGHTS, *fresh.command("-n", "plans")]
    done = subprocess.run(command, cwd=fresh.root, env=fresh.environment(), capture_output=True, text=True)
    path = os.path.normpath(f".snakemake/{closed}")
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"error: no permission to read and write {path}, which belongs to ")
    assert "work in a folder of your own" in last and "Traceback" not in done.stderr


def workflow_of(used_as="*", **facts):
    return SimpleNamespace(
        modifier=SimpleNamespace(modify_rulename=lambda name: used_as.replace("*", name), **facts)
    )


def test_names_of_rules_are_known_where_another_workflow_renames_them():
    path = f"{FOLDER}/{MODES[0]}/plan.json"
    words = ["v_samples", "v_sample_0_4:run=a,mode=b", "samples", "-n", path]
    assert own_names(workflow_of("v_*"), words) == ["samples", "sample_0_4:run=a,mode=b", *words[2:]]
    assert own_names(workflow_of("*_v"), ["samples_v", "sample_0_4_v:run=a"]) == [
        "samples",
        "sample_0_4:run=a",
    ]
    assert own_names(workflow_of(), words) == own_names(workflow_of("fixed"), words) == words
