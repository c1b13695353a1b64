"""Completing a long video window by window: plans, the strategies that make them, and the names of modes."""

from viddiff.inference import frame_skip  # noqa: F401  (registers its strategies)
