"""Compare the metrics of the grid, draw contact sheet, curves and videos of each of its groups, and make its page."""

from pathlib import Path

from viddiff.jobs.animation import animate_modes
from viddiff.jobs.measurement import draw_contact_sheet
from viddiff.jobs.page import make_page
from viddiff.report.comparison import write_comparison
from viddiff.report.curves import read_curves
from viddiff.report.pairs_text import write_pairs
from viddiff.report.pictures import curve_pictures
from viddiff.workflow.job import LoggedProgress, each, job
from viddiff.workflow.page import page_groups, page_title
from viddiff.workflow.report_files import groups_of, modes_video, picture, shown_videos
from viddiff.workflow.targets import read_grid

with job(snakemake) as work:
    files, output = snakemake.input, snakemake.output
    write_comparison(files.metrics, files.elbos, output[0], output.text, files.baselines)
    write_pairs(files.metrics, output[1], output.pairs_text, LoggedProgress())

    folder, baselines = str(Path(output[0]).parent), list(map(Path, files.baselines))

    def draw(group):
        names, cells = group
        paths = [Path(cell.metrics("json")) for cell in cells]
        for name in curve_pictures(work.config.metrics.names):
            read_curves(paths, name, baselines).draw(picture(name, *names, folder))
        evaluations = [cell.evaluation for cell in cells]
        videos = shown_videos(cells, work.config.report.videos)
        draw_contact_sheet(picture("contact_sheet", *names, folder), evaluations, videos, work.open_videos)
        for video in range(videos if "mp4" in work.config.videos.formats else 0):
            animate_modes(modes_video(video, *names, folder), evaluations, video, work.open_videos)

    each(list(groups_of(read_grid(work.config.grid)).items()), draw)
    shown = page_groups(work.config, baselines)
    make_page(Path(output.page), page_title(work.config), shown, Path(output[1]), work.open_videos)
