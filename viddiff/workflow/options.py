"""What a command line asks of files that are there: to make them anew, or to delete them.

Samples and ELBOs that are there belong to no job, nor do checkpoints and data: Snakemake can neither delete them nor
make them anew. Who asks for that is told so, instead of being shown a job that does nothing and has "Finished".
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viddiff.errors import InputError
from viddiff.tree.paths import RESULTS
from viddiff.workflow.targets import COLLECTORS, relative

_AS_NEEDED = re.compile(
    r"(?:sample|gif|mp4|elbo)_[0-9]+_[0-9]+|train_.+|make_bouncy_balls(?:_curtain)?|(?:lpips|fvd)_weights"
)


@dataclass(frozen=True)
class Options:
    """Names of rules, and paths as Snakemake takes them.

    targets: what is asked for by its name; forced: what of it is to be made even if it is there; forces_all: whether
    all else is, too; deletes: whether the call deletes outputs instead of making them.
    """

    targets: frozenset[str] = frozenset()
    forced: frozenset[str] = frozenset()
    forces_all: bool = False
    deletes: bool = False

    def makes(self, rule: str, file: str) -> bool:
        """Whether a file outside of `results/` is an output of its rule: it is not there, or is asked for."""
        asked = not self.deletes and not {rule, file}.isdisjoint(self.targets - self.forced)
        return asked or not Path(file).exists()


def read_options(arguments: Sequence[str]) -> Options:
    """The options of a command line, and of its profiles."""
    from snakemake.cli import parse_args

    with redirect_stderr(io.StringIO()):  # Snakemake has told already which profiles it uses
        call = parse_args(arguments)[1]
    targets, forced = (frozenset(map(relative, names or ())) for names in (call.targets, call.forcerun))
    return Options(
        targets=targets,
        # --touch makes nothing.
        forced=frozenset() if call.touch else forced | (targets if call.force or call.forceall else set()),
        forces_all=call.forceall and not call.touch,
        deletes=call.delete_all_output or call.delete_temp_output,
    )


def check_forced(workflow: Any, options: Options, whole: Collection[str]) -> None:
    """Check that what is forced can be made anew. Called when all rules are known.

    whole: the samples and ELBOs among the targets that are there. Raises `InputError` with the way out.
    """
    for name in sorted(options.forced):
        if name in whole:
            raise InputError(
                f"{name} is there: made again it would be the same, since it depends on its seeds alone. Remove it to "
                "have it made again"
            )
        if not workflow.modifier.is_main_snakefile():
            continue  # it may be another workflow's
        if name in COLLECTORS and not options.forces_all:
            raise InputError(
                f"{name} makes nothing itself: remove the files that are to be made again, or name the rule that makes "
                "them"
            )
        if workflow.is_rule(name) and workflow.get_rule(name).output:
            continue
        if _AS_NEEDED.fullmatch(name):
            raise InputError(f"{name} has nothing to make: remove the files that are to be made again")
        if Path(name).exists() and not name.startswith(f"{RESULTS}/"):
            raise InputError(f"{name} is there, and no rule makes it again: move it away first")
