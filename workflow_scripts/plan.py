"""Write a mode's plan."""

from viddiff.files import write_text
from viddiff.inference.modes import make_plan, parse_mode
from viddiff.script import job

with job(snakemake.log[0]):
    write_text(snakemake.output[0], make_plan(parse_mode(snakemake.wildcards.mode)).to_json())
