"""Completing a long video window by window: plans, the strategies that make them, and the names of modes."""
