"""Pictures of results: animations and contact sheets of samples, plans, curves. Nothing here computes a result."""

from viddiff.render.curve import draw_frame_curves
from viddiff.render.gif import write_gif
from viddiff.render.mp4 import write_mp4
from viddiff.render.plan import draw_plan
from viddiff.render.plans import draw_plans
from viddiff.render.sheet import contact_sheet

__all__ = ["contact_sheet", "draw_frame_curves", "draw_plan", "draw_plans", "write_gif", "write_mp4"]
