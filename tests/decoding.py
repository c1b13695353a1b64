"""All frames of a stored video, without a dataset around it."""

from __future__ import annotations

from pathlib import Path

from viddiff.data.stored import stored_video
from viddiff.data.video_folder import decode_stored
from viddiff.dataset_settings import AS_STORED
from viddiff.video import Video


def decode(path: Path, side: int) -> Video:
    return decode_stored(stored_video(path, (side, side)), AS_STORED)
