"""Experiments on long-video diffusion.

The public names below are looked up as they are used, so that `import viddiff` and planning load no torch. See
docs/library.md.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from viddiff.data import open_dataset
    from viddiff.errors import InputError
    from viddiff.inference.user_modes import register_modes
    from viddiff.metrics.measure import measure
    from viddiff.render.gif import write_gif
    from viddiff.render.mp4 import write_mp4
    from viddiff.render.plan import draw_plan
    from viddiff.report.results import Results
    from viddiff.tree.samples import load_sample
    from viddiff.tree.schedules import plan_of_mode as plan
    from viddiff.video_model import VideoModel

__all__ = [
    "InputError",
    "Results",
    "VideoModel",
    "draw_plan",
    "load_sample",
    "measure",
    "open_dataset",
    "plan",
    "register_modes",
    "write_gif",
    "write_mp4",
]

_PLACES = {
    "InputError": ("viddiff.errors", "InputError"),
    "Results": ("viddiff.report.results", "Results"),
    "VideoModel": ("viddiff.video_model", "VideoModel"),
    "draw_plan": ("viddiff.render.plan", "draw_plan"),
    "load_sample": ("viddiff.tree.samples", "load_sample"),
    "measure": ("viddiff.metrics.measure", "measure"),
    "open_dataset": ("viddiff.data", "open_dataset"),
    "plan": ("viddiff.tree.schedules", "plan_of_mode"),
    "register_modes": ("viddiff.inference.user_modes", "register_modes"),
    "write_gif": ("viddiff.render.gif", "write_gif"),
    "write_mp4": ("viddiff.render.mp4", "write_mp4"),
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("viddiff")
    if name not in _PLACES:
        raise AttributeError(f"module 'viddiff' has no attribute {name!r}; it has {', '.join(__all__)}")
    module, attribute = _PLACES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
