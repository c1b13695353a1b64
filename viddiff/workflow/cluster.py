"""What can be wrong with a profile or a cluster, found before anything is submitted."""

from __future__ import annotations

import getpass
import io
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import yaml

from viddiff.errors import InputError, one_line
from viddiff.tree.paths import Evaluation

_NAME = re.compile(r"[A-Za-z0-9_.-]+")  # anything else is an expression


def check_executor(workflow: Any, arguments: Sequence[str]) -> bool:
    """Check the profiles of a call, and the cluster if it has one: `check_profiles`, `check_slurm`.

    arguments: of the command line. Returns whether all jobs run on this machine.
    """
    from snakemake.cli import get_profile_dir, parse_args

    with redirect_stderr(io.StringIO()):  # Snakemake has told already which profiles it uses
        call = parse_args(arguments)[1]
    profiles = [get_profile_dir(name) for name in call.profile or []]
    default = Path(workflow.basedir) / "profiles" / "default" / "config.yaml"
    if default.is_file():  # another workflow that uses this one may have none
        check_profiles(default, [file for _, file in filter(None, profiles)])
    if call.executor == "slurm":
        partitions, accounts = (
            _resources(workflow.resource_settings, name) for name in ("slurm_partition", "slurm_account")
        )
        check_slurm(partitions, accounts)
    return call.executor in (None, "local")


def check_submitted(evaluation: Evaluation) -> None:
    """Raise `InputError` if a submitted job of an evaluation would be misunderstood: Snakemake tells it the names
    between commas, and does not read the quotes that it puts about a name with commas."""
    if any("," in name for name in evaluation.names):
        raise InputError(
            f"{evaluation.directory} has a comma in its name, where Snakemake cuts the names of jobs that it submits; "
            "without the cluster's profile it can be made"
        )


def check_profiles(default: Path, others: Iterable[Path]) -> None:
    """Raise `InputError` if another profile sets what the default profile sets too, which would win silently."""
    ours = _read_profile(default)
    for path in others:
        if both := sorted(ours & _read_profile(path)):
            raise InputError(
                f"{path} and {default} both set {', '.join(both)}: {default.name} of {default.parent} would win; "
                "leave it in one of them"
            )


def check_slurm(partitions: Iterable[str], accounts: Iterable[str]) -> None:
    """Raise `InputError` if there is no SLURM here, or no such partition or account for this user.

    Names that are expressions are left to SLURM.
    """
    if shutil.which("sbatch") is None:
        raise InputError(
            "executor slurm: there is no sbatch on PATH; call from a login node of the cluster, or leave out "
            "--profile slurm to run on this machine"
        )
    known = _lines(["sinfo", "--noheader", "--format=%R"])
    if known is None:
        raise InputError("executor slurm: sinfo fails; is SLURM's controller up?")
    for name in filter(_NAME.fullmatch, partitions):
        if name not in known:
            raise InputError(f"slurm_partition is {name!r}, must be one of {', '.join(sorted(known))}")
    for name in filter(_NAME.fullmatch, accounts):
        user = getpass.getuser()
        own = _lines(
            [
                "sacctmgr",
                "--noheader",
                "--parsable2",
                "list",
                "associations",
                f"user={user}",
                "format=account",
            ]
        )
        if own is None:
            raise InputError(f"slurm_account is {name!r}, but this cluster keeps no accounts: leave it out")
        if name not in own:
            raise InputError(
                f"slurm_account is {name!r}, must be one of {user}'s: {', '.join(sorted(own)) or 'none'}"
            )


def _resources(settings: Any, name: str) -> set[str]:
    """The values of a resource that profile and command line set for all rules, or for some."""
    groups = [settings.default_resources or {}, *settings.overwrite_resources.values()]
    return {str(group[name].raw) for group in groups if name in group}


def _lines(command: list[str]) -> set[str] | None:
    """The lines that a command prints, `None` if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return (
        {line.strip() for line in done.stdout.splitlines() if line.strip()} if done.returncode == 0 else None
    )


def _read_profile(path: Path) -> set[str]:
    """The keys that a profile sets."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"cannot read profile {path}: {one_line(error)}") from error
    if not isinstance(content, dict):
        raise InputError(f"profile {path} holds a {type(content).__name__}, must hold keys and values")
    # What Snakemake evaluates is no setting.
    return {key for key, value in content.items() if value is not None and not key.startswith(("__", "?"))}
