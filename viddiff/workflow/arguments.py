"""The command line, looked at before Snakemake acts on it.

The default profile calls `check_arguments`: Snakemake reads it first, before the files of `--configfile`. What it would
do without a word, or end in a traceback, ends in one line.
"""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from viddiff.errors import InputError, in_one_line
from viddiff.tree.paths import RESULTS
from viddiff.workflow.config import check_plain
from viddiff.workflow.targets import GRID_TARGETS

_KEY = re.compile(r"[a-zA-Z_][\w-]*\w")  # what Snakemake takes for a key of --config
# Options with which Snakemake prints something else than what it would do.
_OTHER_OUTPUT = (
    "dag",
    "rulegraph",
    "filegraph",
    "d3dag",
    "summary",
    "detailed_summary",
    "delete_all_output",
    "delete_temp_output",
)


def check_arguments(words: Sequence[str]) -> None:
    """End the process with one line if `--configfile` or `--config` of a command line is wrong."""
    options = _parse(words)
    with in_one_line():
        check_config_files(options.configfile)
        check_config_entries(options.config or [])


def check_config_files(files: Iterable[Path | str]) -> None:
    """Raise `InputError` unless the words behind `--configfile` are files that `check_plain` lets through."""
    first, *others = [str(file) for file in files] or [""]
    swallowed = [file for file in others if Path(file).parts[0] == RESULTS or not Path(file).is_file()]
    if swallowed:
        kept = [first, *(file for file in others if file not in swallowed)]
        raise _swallows("--configfile", "config files", swallowed, kept)
    for file in filter(None, [first, *others]):
        check_plain(file)


def check_config_entries(entries: Sequence[str]) -> None:
    """Raise `InputError` unless the words behind `--config` are `key=value`, of keys that Snakemake takes."""
    if swallowed := [entry for entry in entries if "=" not in entry]:
        raise _swallows("--config", "key=value", swallowed, [e for e in entries if e not in swallowed])
    for entry in entries:
        key, _, value = entry.partition("=")
        if not _KEY.fullmatch(key):
            outermost, *inner = key.split(".")
            for part in reversed(inner):
                value = f"{{{part}: {value}}}"
            advice = f": write '{outermost}={value}'" if inner else ""
            raise InputError(f"--config {entry}: {key!r} is no key of the configuration{advice}")


def told_by_dry_run(words: Sequence[str]) -> Literal["jobs", "numbers", "table"] | None:
    """What a dry run tells behind the table of what is missing: each job, their numbers, or nothing; `None` for others.

    Each job of a call for the grid would fill pages: -p asks for them.
    """
    options = _parse(words)
    quiet = {str(kind) for kind in options.quiet or ()}
    if not options.dryrun or any(getattr(options, name) for name in _OTHER_OUTPUT):
        return None
    if "all" in quiet or quiet >= {"progress", "rules"}:
        return "table"
    more = options.printshellcmds or options.verbose or options.debug_dag
    return "jobs" if more or not set(GRID_TARGETS).issuperset(options.targets) else "numbers"


def _parse(words: Sequence[str]) -> Namespace:
    from snakemake.cli import get_argument_parser

    return get_argument_parser().parse_args(words)


def _swallows(option: str, kind: str, swallowed: Sequence[str], kept: Sequence[str]) -> InputError:
    return InputError(
        f"{option} takes every word behind it for {kind}, {', '.join(swallowed)} too: put targets in front of it: "
        f"{' '.join([*swallowed, option, *kept])}"
    )
