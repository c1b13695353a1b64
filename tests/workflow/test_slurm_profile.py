"""The SLURM profile without a cluster: what it says, what is wrong before anything is submitted, and other folders."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from small_project import FOLDER, MODES, ROOT

from viddiff.errors import InputError
from viddiff.workflow.cluster import check_profiles
from viddiff.workflow.sections import Training
from viddiff.workflow.trainings import training_resources, with_gpu_model

METRICS = f"{FOLDER}/{MODES[0]}/metrics_7-1-12.pkl"


def profile(name: str) -> dict:
    return yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())


def test_no_key_is_in_both_profiles():
    check_profiles(ROOT / "profiles/default/config.yaml", [ROOT / "profiles/slurm/config.yaml"])
    assert not profile("default").keys() & profile("slurm").keys()


def test_the_default_profile_does_not_limit_a_cluster_to_this_machine():
    assert not profile("default").keys() & {"cores", "jobs", "executor", "default-resources", "set-resources"}


def test_every_rule_with_a_gpu_has_the_gpu_partition_and_no_other():
    rules = {"sample", "elbo", "search_stage", "train"}
    settings = profile("slurm")["set-resources"]
    assert {name for name, given in settings.items() if given.get("slurm_partition") == "gpu"} == rules
    text = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    assert text.count("gpu=1") + text.count("training_resources(CONFIG") == len(rules)


@pytest.mark.parametrize(
    ("nodes", "gpus", "asked"),
    [
        (1, 1, {"gpu": 1}),
        (1, 4, {"gres": "gpu:4"}),
        (2, 1, {"gres": "gpu:1", "nodes": 2, "mpi": "srun", "tasks": 2, "tasks_per_gpu": 0}),
        (2, 4, {"gres": "gpu:4", "nodes": 2, "mpi": "srun", "tasks_per_node": 4}),
    ],
)
def test_a_training_asks_for_all_its_gpus_and_for_their_model(nodes, gpus, asked):
    training = Training("x", 6, 10, (0.9,), True, 5, 0, 0, nodes, gpus, {})
    assert training_resources(training, True) == {"gpu": 1} and training_resources(training, False) == asked
    told = {"train_a": {"gpu_model": "a100", "runtime": 5}, "sample": {"gpu_model": "a100"}}
    settings = SimpleNamespace(overwrite_resources=told)
    workflow = SimpleNamespace(
        resource_settings=settings, modifier=SimpleNamespace(modify_rulename=lambda name: name)
    )
    found = with_gpu_model(workflow, "train_a", asked)
    if "gpu" in asked:
        assert found == asked and settings.overwrite_resources is told
        return
    assert found == asked | {"gres": f"gpu:a100:{gpus}"}
    assert settings.overwrite_resources == {"train_a": {"runtime": 5}, "sample": {"gpu_model": "a100"}}
    assert with_gpu_model(workflow, "train_a", asked) == asked


def test_a_key_in_both_profiles_is_refused_by_name(fresh):
    extra = fresh.root / "extra"
    extra.mkdir()
    (extra / "config.yaml").write_text("keep-going: false\njobs: 3\n")
    text = fresh.refused("-n", "--profile", "extra", "--", METRICS)
    assert "error: extra/config.yaml and " in text and "both set keep-going" in text


@pytest.mark.parametrize("content", ["a: [", "\x00", "- list", "text"])
def test_a_profile_that_cannot_be_read_is_named(tmp_path, content):
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(InputError, match=r"config\.yaml"):
        check_profiles(ROOT / "profiles/default/config.yaml", [tmp_path / "config.yaml"])


def test_a_machine_without_slurm_is_told_so_in_the_dry_run(fresh, tmp_path):
    (tmp_path / "bin").mkdir()
    for program in (path for path in Path("/usr/bin").iterdir() if path.name != "sbatch"):
        (tmp_path / "bin" / program.name).symlink_to(program)
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--profile", "slurm", "-n", METRICS],
        cwd=fresh.root,
        env=fresh.environment() | {"PATH": str(tmp_path / "bin")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "error: executor slurm: there is no sbatch on PATH" in done.stderr


def test_resources_of_a_kind_hold_for_its_jobs(fresh):
    text = fresh.make(
        "-n",
        METRICS,
        "--set-resources",
        "sample:mem_mb=1234",
        "evaluate:mem_mb=55",
        "--set-threads",
        "sample=1",
    )
    jobs = {block.split(":")[0]: block for block in text.split("\nrule ")[1:]}
    assert {name for name, block in jobs.items() if "mem_mb=1234" in block} == {"sample_0_4", "sample_5_6"}
    assert "mem_mb=55" in jobs["evaluate"]


def test_a_machine_without_gpu_is_refused_if_the_configuration_says_so(fresh):
    fresh.configure(device="cuda")
    text = fresh.refused(f"{FOLDER}/{MODES[0]}/samples/sample_0000-0.npy")
    assert "error: config key device is cuda, but PyTorch finds no GPU here" in text
    fresh.configure(device="auto")
    text = fresh.make(f"{FOLDER}/{MODES[0]}/samples/sample_0000-0.npy")
    assert text.count("no GPU found: runs on the CPU") == 1


def test_from_another_folder(fresh, tmp_path):
    """The documented way."""
    root = fresh.root
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "-n",
        "--directory",
        str(root),
        "--snakefile",
        f"{root}/Snakefile",
    ]
    done = subprocess.run(
        [*command, "--profile", f"{root}/profiles/slurm", "--executor", "local", "--", METRICS],
        cwd=tmp_path,
        env=fresh.environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "mem_mb=16000" in done.stdout and "slurm_partition=gpu" in done.stdout
