"""Write down what the report shows, once it is whole, in place of what it showed before."""

from pathlib import Path

from viddiff.files.write import write_json
from viddiff.workflow.job import job
from viddiff.workflow.report_files import is_contents_file

with job(snakemake):
    output = Path(snakemake.output[0])
    for former in output.parent.glob("report_*.json"):
        if is_contents_file(former):
            former.unlink()
    write_json(output, snakemake.params.contents)
