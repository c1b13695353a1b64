"""Datasets of videos: one file per format on disk, all read through `open_dataset`."""

from viddiff.data import arrays, bouncy_balls, carla, video_folder  # noqa: F401  (each registers its datasets)
from viddiff.data.base import DATASETS, TrainingCrops, VideoDataset, open_dataset
from viddiff.data.check import DatasetReport, check_dataset

__all__ = ["DATASETS", "DatasetReport", "TrainingCrops", "VideoDataset", "check_dataset", "open_dataset"]
