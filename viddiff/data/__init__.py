"""Datasets of videos: one file per format on disk, found by being in this folder, read through `open_dataset`."""

from importlib import import_module
from pkgutil import iter_modules

from viddiff.data.base import DATASETS, TrainingCrops, VideoDataset, open_dataset
from viddiff.data.check import DatasetReport, check_dataset

for _module in iter_modules(__path__, prefix=f"{__name__}."):
    import_module(_module.name)

__all__ = ["DATASETS", "DatasetReport", "TrainingCrops", "VideoDataset", "check_dataset", "open_dataset"]
