"""Datasets of videos: one file per format on disk, all read through `open_dataset`."""

from viddiff.data import bouncy_balls  # noqa: F401  (registers the built-in datasets)
from viddiff.data.base import DATASETS, VideoDataset, open_dataset

__all__ = ["DATASETS", "VideoDataset", "open_dataset"]
