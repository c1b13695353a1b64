"""Compare the metrics of the grid, and draw the contact sheet and the curves of each of its groups."""

from pathlib import Path

from viddiff.jobs.measurement import draw_contact_sheet
from viddiff.render.curve import draw_frame_curves
from viddiff.report.comparison import frame_curves, write_comparison
from viddiff.workflow.job import each, job
from viddiff.workflow.report_files import groups_of, picture, shown_videos
from viddiff.workflow.targets import read_grid

with job(snakemake) as work:
    write_comparison(snakemake.input.metrics, snakemake.input.elbos, snakemake.output[0], snakemake.output[1])

    folder = str(Path(snakemake.output[0]).parent)

    def draw(group):
        names, cells = group
        paths = [Path(cell.metrics("json")) for cell in cells]
        for metric in work.config.metrics.names:
            draw_frame_curves(picture(metric, *names, folder), *frame_curves(paths, metric))
        evaluations = [cell.evaluation for cell in cells]
        videos = shown_videos(cells, work.config.report.videos)
        draw_contact_sheet(picture("contact_sheet", *names, folder), evaluations, videos, work.open_videos)

    each(list(groups_of(read_grid(work.config.grid)).items()), draw)
