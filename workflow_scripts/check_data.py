"""Look at every video of the datasets in use; all that is wrong goes to the terminal and the log."""

import logging

from viddiff.errors import InputError
from viddiff.jobs.dataset_check import check_with_record
from viddiff.workflow.job import job

with job(snakemake) as work:
    reports = [
        check_with_record(name, split, work.config.data_root, work.config.datasets, T)
        for name, split, T in snakemake.params.datasets
    ]
    for report in reports:
        counts = f"{report.videos} good videos, {len(report.problems)} problems"
        print(f"dataset {report.name}, {report.split}: {counts}", flush=True)
        for line in (*report.problems, *report.ignored):
            logging.warning("  %s", line)
    for line in snakemake.params.unknown:
        logging.warning("%s", line)
    broken = sum(bool(report.problems) for report in reports)
    if broken:
        raise InputError(f"{broken} of {len(reports)} datasets are not whole")
