"""From where the workflow is called: another folder, or another workflow that uses it as a module.

A module shares command line, profiles and rules with the workflow around it, which may give its rules other names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from viddiff.errors import InputError
from viddiff.tree.paths import RESULTS

CONFIG_FILE = "config/config.yaml"


def config_files(workflow: Any) -> list[str | Path]:
    """The configuration files that Snakemake reads for this workflow, none if it is a module that is handed its own.

    Raises `InputError` if there is none in the working directory, and none is named by the call.
    """
    if workflow.modifier.skip_configfile:
        return []
    named = list(workflow.overwrite_configfiles)
    if Path(CONFIG_FILE).is_file():
        return [CONFIG_FILE, *named]
    if named:
        return named
    raise InputError(
        f"there is no {CONFIG_FILE} in {Path.cwd()}: call from the project's folder, give it by --directory, or name a "
        "configuration by --configfile"
    )


def check_paths(workflow: Any) -> None:
    """Raise `InputError` if the workflow is a module whose paths are put elsewhere: they say how files were made."""
    path = f"{RESULTS}/plans.csv"
    if workflow.modifier.path_modifier.replace_prefix(path) != path:
        raise InputError("this workflow as a module takes neither prefix nor replace_prefix")


def folder_of(workflow: Any) -> Path:
    """The folder of the file of rules that is being read."""
    return Path(workflow.current_basedir.get_path_or_uri(secret_free=True))


def own_names(workflow: Any, arguments: Iterable[str]) -> list[str]:
    """Arguments with the names of rules as this workflow calls them.

    Of `use rule * from viddiff as viddiff_*`, `viddiff_samples` becomes `samples`.
    """
    before, star, after = workflow.modifier.modify_rulename("*").partition("*")
    pattern = re.compile(rf"{re.escape(before)}(\w+?){re.escape(after)}(?=:|$)")
    return [pattern.sub(r"\1", word) if star and pattern.match(word) else word for word in arguments]
