"""Metrics of completed videos: one file per metric, found by being in this folder."""
