"""The folder of a page: the page itself, its style, scripts and figures. Pictures and videos lie there already."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any

import plotly
from jinja2 import Environment, PackageLoader, StrictUndefined

from viddiff.files.write import atomic_path, write_text
from viddiff.report.page.content import Page
from viddiff.report.page.figures import script_of

INDEX = "index.html"
ASSETS = PurePosixPath("assets")
MEDIA = PurePosixPath("media")
_OURS = ("page.css", "page.js", "videos.js")
_PLOTLY = "plotly.min.js"
_FIGURES = "figures.js"
_EARLIER = re.compile(r"(\.tmp-[0-9a-f]{8}-)?((plan|training)-\d{2,}\.png|\d{4,}-\d{2,}\.(mp4|jpg))")


def write_page(index: Path, page: Page, figures: Mapping[str, Any]) -> None:
    """Write a page as `index`, when all that it needs is beside it; then remove files of an earlier one.

    figures: by the identifiers that the page names. Raises `OutputError` if something cannot be written.
    """
    folder = index.parent
    ours = files(__package__) / "files"
    for name in _OURS:
        write_text(folder / ASSETS / name, (ours / name).read_text(encoding="utf-8"))
    with atomic_path(folder / ASSETS / _PLOTLY) as temporary:
        shutil.copyfile(Path(plotly.__file__).parent / "package_data" / _PLOTLY, temporary)
    write_text(folder / ASSETS / _FIGURES, script_of(figures))
    write_text(index, render(page))
    _remove_others(folder, set(page.files()))


def render(page: Page) -> str:
    """The page as HTML. All texts are escaped."""
    environment = Environment(
        loader=PackageLoader("viddiff.report.page", "files"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("index.html").render(page=page)


def _remove_others(folder: Path, kept: set[PurePosixPath]) -> None:
    """Remove pictures and videos of an earlier page, by their names: other files in its folder are not ours."""
    for path in (folder / ASSETS).glob(".tmp-????????-*"):  # of a job that was killed
        path.unlink()
    media = folder / MEDIA
    for path in (*media.glob("*"), *media.glob("[0-9]*/*")):
        own = _EARLIER.fullmatch(path.name) and path.is_file()
        if own and PurePosixPath(path.relative_to(folder)) not in kept:
            path.unlink()
