"""A fork does what a process of its own does: what it sees, what it prints, and how it ends."""

from __future__ import annotations

import subprocess
import sys

import pytest
from forked import interpreter

SEEN = """
import os, sys
print(__name__, sys.argv, os.getcwd(), sys.path[:2], os.environ.get("WORD"), "viddiff" in sys.modules)
print("error", file=sys.stderr)
"""


@pytest.mark.parametrize(
    "end",
    ["", "sys.exit()", "sys.exit(3)", "sys.exit('a reason')", "1 / 0", "os.kill(os.getpid(), 9)"],
)
def test_a_fork_is_as_a_process_of_its_own(tmp_path, end):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "told.py").write_text(SEEN + end)
    (tmp_path / "told.py").write_text(SEEN)
    for command in (["scripts/told.py", "-m", "b"], ["-m", "told", "c"]):
        own, fork = (
            subprocess.run(
                [python, *command],
                cwd=tmp_path,
                env={"WORD": "a word", "PYTHONPATH": "/somewhere"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
            for python in (sys.executable, interpreter())
        )
        assert fork.stdout == own.stdout or "kill" in end
        assert fork.stderr.splitlines()[0] == "error" or "kill" in end
        assert fork.stderr.splitlines()[-1:] == own.stderr.splitlines()[-1:] or "kill" in end
        assert fork.returncode == own.returncode or (fork.returncode > 0 and own.returncode < 0)
