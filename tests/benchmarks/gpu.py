"""What a GPU makes of this project, in ten minutes: is it right, how fast is it, and how near to what the card can do?

    PYTHONPATH=. python tests/benchmarks/gpu.py [--output FILE.json] [--sections card network …] [--minutes 10]

Sections, each in a process of its own with a limit of time: a section that fails, or takes too long, costs one line,
and the others go on. Tables are Markdown; `--output` has the same figures. Exits with 1 if a check or a section fails.
Needs torch, NumPy, jaxtyping, tqdm and `viddiff` alone; LPIPS and I3D need their weights (`--weights`), else they are
left out. `--device cpu --toy` tries all of it on a small scale.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import gpu_checks, gpu_network, gpu_videos
from benchmarks.apart import Part, PartFailed, Row, TimeOver, rows_of

from viddiff.device import find_device
from viddiff.errors import InputError

# What each is called, its title, and the most seconds that it may take; the last takes what is left.
SECTIONS: dict[str, tuple[Part, str, float]] = {
    "card": (gpu_network.card, "Matrix products", 40),
    "network": (gpu_network.network, "Calls of the network", 150),
    "checks": (gpu_checks.checks, "Is it right?", 90),
    "waves": (gpu_videos.waves, "Stages that share a call", 60),
    "videos": (gpu_videos.videos, "Videos per hour", 60),
    "metrics": (gpu_videos.metrics, "Networks of metrics", 40),
    "compiled": (gpu_network.compiled, "Compiled", 600),
}


def cell(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def show(row: Row, header: list[str]) -> list[str]:
    """Print a row, under a new header if it has other columns than the last; the columns."""
    if isinstance(row, str):
        print(f"\n{row}", flush=True)
        return []
    if list(row) != header:
        header = list(row)
        print(f"\n| {' | '.join(header)} |\n|{' --- |' * len(header)}")
    print(f"| {' | '.join(cell(value) for value in row.values())} |", flush=True)
    return header


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=("cpu", "cuda"))
    parser.add_argument("--toy", action="store_true", help="tiny networks, few repetitions")
    parser.add_argument("--sections", nargs="+", default=list(SECTIONS), choices=list(SECTIONS))
    parser.add_argument("--minutes", type=float, default=10.0, help="in which all must end")
    parser.add_argument(
        "--weights", type=Path, default=Path(".weights"), help="folder of alexnet.pt and i3d.pt"
    )
    parser.add_argument("--output", type=Path, help="JSON file to write")
    args = parser.parse_args(arguments)
    try:
        find_device(args.device)
    except InputError as error:
        parser.error(str(error))
    start, failed = time.monotonic(), False
    found: dict[str, list[Row]] = {}
    for name in args.sections:
        part, title, limit = SECTIONS[name]
        left = 60 * args.minutes - (time.monotonic() - start)
        print(f"\n### {title}", flush=True)
        rows, header = found.setdefault(name, []), []
        try:
            for row in rows_of(part, (args.device, args.toy, args.weights, found), min(limit, left)):
                rows.append(row)
                header = show(row, header)
        except PartFailed as error:
            rows.append(f"{name}: {error}")
            show(rows[-1], header)
            failed |= not isinstance(error, TimeOver)
        failed |= any(isinstance(row, dict) and row.get("verdict") == "FAIL" for row in rows)
        if args.output:
            content = {"seconds": time.monotonic() - start, "toy": args.toy, "sections": found}
            args.output.write_text(json.dumps(content, indent=1) + "\n")
    print(f"\n{time.monotonic() - start:.0f} s in all", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
