"""Draw a mode's plan."""

from pathlib import Path

from viddiff.inference.modes import parse_mode
from viddiff.inference.plan import Plan
from viddiff.render.plan import draw_plan
from viddiff.script import job

with job(snakemake):
    mode = snakemake.wildcards.mode
    plan = Plan.from_json(Path(snakemake.input[0]).read_text(encoding="utf-8"))
    draw_plan(snakemake.output[0], plan, parse_mode(mode).max_frames, title=mode)
