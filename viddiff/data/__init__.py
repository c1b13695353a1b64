"""Datasets of videos: one file per format on disk, found by being in this folder, read through `open_dataset`."""

from viddiff.data.base import TrainingCrops, VideoDataset, open_dataset
from viddiff.data.check import DatasetReport, check_dataset
from viddiff.data.decoded import DecodedVideos
from viddiff.dataset_settings import DatasetSettings

__all__ = [
    "DatasetReport",
    "DatasetSettings",
    "DecodedVideos",
    "TrainingCrops",
    "VideoDataset",
    "check_dataset",
    "open_dataset",
]
