"""The workflow's training script run in this process, as Snakemake runs it."""

from __future__ import annotations

import runpy
import signal
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

from viddiff.workflow.config import check_config, load_schema

ROOT = Path(__file__).parents[1]


def run_train_script(
    tmp_path: Path,
    data_root: Path,
    training: Mapping[str, Any],
    threads: int = 1,
    modes: Mapping[str, Any] = MappingProxyType({}),
) -> Any:
    """Train below `tmp_path` / run, on a CPU, with modes of the configuration; the script's exit code."""
    config = {"data_root": str(data_root), "device": "cpu", "grid": [], "modes": dict(modes)}
    check_config(config, load_schema(ROOT / "config" / "schema.yaml"))
    job = SimpleNamespace(
        params=SimpleNamespace(training=training, run_dir=str(tmp_path / "run")),
        config=config,
        log=[str(tmp_path / "train.log")],
        output=[str(tmp_path / "trained.json")],
        threads=threads,
        scriptdir=str(ROOT / "workflow_scripts"),
    )
    script = ROOT / "workflow_scripts" / "train.py"
    signals = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in signals]
    try:
        runpy.run_path(str(script), init_globals={"snakemake": job}, run_name="__main__")
    except SystemExit as end:
        return end.code
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
    return 0
