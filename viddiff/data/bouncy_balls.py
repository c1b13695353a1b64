"""Bouncing balls: three equal discs in a box, elastic collisions (Sutskever, Hinton and Taylor 2008, RTRBM).

The data are made, not downloaded. Motion between collisions is straight, so the simulation steps from one
collision to the next and is exact: to rounding, balls never overlap nor leave the box and energy is constant.
On disk: `{train,test}.pt`, each a float tensor `[N, T, 1, H, W]` in [0, 1].
"""

from __future__ import annotations

import hashlib
import os
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8

from viddiff.data.arrays import open_pt
from viddiff.data.base import CHANNELS, Counted, Source, VideoDataset, ask, dataset
from viddiff.errors import InputError
from viddiff.files.write import atomic_path
from viddiff.video import Video

BALLS = 3
RADIUS = 1.2
BOX = 10.0
IMAGE_SIZE = 32
LENGTH = 100
SPEED = 0.5  # Euclidean norm of all velocities together, in box units per frame
MOST_COLLISIONS = 1000  # in a frame: more are a jam, of balls for which the box has no room
CHUNK = 64  # videos drawn or converted at a time


def start_state(
    n_videos: int, seed: int
) -> tuple[Float[np.ndarray, "N balls 2"], Float[np.ndarray, "N balls 2"]]:
    """Positions (in the box, no overlap) and velocities at frame 0; video i depends on `(seed, i)` alone."""
    positions = np.empty((n_videos, BALLS, 2))
    velocities = np.empty((n_videos, BALLS, 2))
    for video in range(n_videos):
        generator = np.random.default_rng([seed, video])
        velocity = generator.standard_normal((BALLS, 2))
        velocities[video] = velocity * (SPEED / np.linalg.norm(velocity))
        while True:
            position = generator.uniform(RADIUS, BOX - RADIUS, (BALLS, 2))
            if all(
                np.linalg.norm(position[i] - position[j]) > 2 * RADIUS
                for i, j in combinations(range(BALLS), 2)
            ):
                break
        positions[video] = position
    return positions, velocities


def simulate(
    positions: Float[np.ndarray, "N balls 2"], velocities: Float[np.ndarray, "N balls 2"], length: int
) -> tuple[Float[np.ndarray, "N T balls 2"], Float[np.ndarray, "N T balls 2"]]:
    """Positions and velocities at `length` frames, the first of which is the given state, of any number of balls."""
    x, v = positions.copy(), velocities.copy()
    all_x, all_v = np.empty((2, len(x), length, *x.shape[1:]))
    for frame in range(length):
        all_x[:, frame], all_v[:, frame] = x, v
        remaining = np.ones(len(x))
        for _ in range(MOST_COLLISIONS):
            if not (moving := np.flatnonzero(remaining > 0)).size:
                break
            x[moving], v[moving], remaining[moving] = _to_next_collision(
                x[moving], v[moving], remaining[moving]
            )
        else:
            x[remaining > 0] = np.nan
    return all_x, all_v


def _to_next_collision(x: np.ndarray, v: np.ndarray, remaining: np.ndarray) -> tuple[np.ndarray, ...]:
    """Move each video to its next collision and bounce, or by `remaining` frames if none comes sooner."""
    balls = x.shape[1]
    pairs = np.array(list(combinations(range(balls), 2)), np.intp).reshape(-1, 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        wall = np.where(v > 0, BOX - RADIUS, RADIUS)
        wall_time = np.where(v == 0, np.inf, (wall - x) / v)
        apart = x[:, pairs[:, 0]] - x[:, pairs[:, 1]]
        relative = v[:, pairs[:, 0]] - v[:, pairs[:, 1]]
        # |apart + t * relative| = 2 r, the earlier root; only balls that approach (b < 0) can meet.
        a, b = (relative**2).sum(-1), (apart * relative).sum(-1)
        root = b**2 - a * ((apart**2).sum(-1) - (2 * RADIUS) ** 2)
        pair_time = np.where((b < 0) & (root > 0), (-b - np.sqrt(np.abs(root))) / a, np.inf)
    times = np.maximum(np.concatenate([wall_time.reshape(len(x), -1), pair_time], axis=1), 0)
    event = times.argmin(1)
    first = times[np.arange(len(x)), event]
    step = np.minimum(first, remaining)
    x = np.clip(x + v * step[:, None, None], RADIUS, BOX - RADIUS)
    remaining = np.where(first < remaining, remaining - step, 0)

    n_walls = balls * 2
    hits = np.flatnonzero((first < np.inf) & (first == step) & (event < n_walls))
    ball, axis = np.divmod(event[hits], 2)
    v[hits, ball, axis] *= -1
    hits = np.flatnonzero((first < np.inf) & (first == step) & (event >= n_walls))
    one, two = pairs[event[hits] - n_walls].T
    normal = x[hits, one] - x[hits, two]
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    exchange = ((v[hits, one] - v[hits, two]) * normal).sum(-1, keepdims=True) * normal
    v[hits, one] -= exchange
    v[hits, two] += exchange
    return x, v, remaining


def draw(
    positions: Float[np.ndarray, "N T balls 2"], image_size: int = IMAGE_SIZE
) -> Float32[np.ndarray, "N T 1 H W"]:
    """Each ball as `exp(-(d^2 / r^2)^4)` of the distance d to its centre, summed and clipped at 1."""
    centres = ((np.arange(image_size) + 0.5) * (BOX / image_size)).astype(np.float32)
    images = np.zeros((*positions.shape[:2], 1, image_size, image_size), np.float32)
    for first in range(0, len(positions), CHUNK):
        chunk = images[first : first + CHUNK, :, 0]
        for ball in range(positions.shape[2]):
            x, y = np.moveaxis(positions[first : first + CHUNK, :, ball].astype(np.float32), -1, 0)
            across, down = (centres - x[..., None]) ** 2, (centres - y[..., None]) ** 2
            ratio = (across[..., None, :] + down[..., :, None]) / np.float32(RADIUS**2)
            chunk += np.exp(-np.square(np.square(ratio)))
        np.minimum(chunk, 1, out=chunk)
    return images


def make_bouncy_balls(
    n_videos: int, length: int = LENGTH, seed: int = 0, image_size: int = IMAGE_SIZE
) -> Float32[np.ndarray, "N T 1 H W"]:
    """Videos in [0, 1]. Video i depends on `(seed, i)` alone, so a larger set begins with the smaller one."""
    positions, _ = simulate(*start_state(n_videos, seed), length)
    return draw(positions, image_size)


def write_bouncy_balls(
    root: str | os.PathLike[str], split: str, n_videos: int, length: int = LENGTH, seed: int = 0
) -> None:
    """Write `<root>/bouncy_balls/<split>.pt`, see `made_videos`."""
    write_videos(root, "bouncy_balls", split, made_videos(split, n_videos, length, seed))


def made_videos(split: str, n_videos: int, length: int, seed: int) -> Float32[np.ndarray, "N T 1 H W"]:
    """The videos of a split: `train` is made from the seed `2 * seed`, `test` from the next."""
    return make_bouncy_balls(n_videos, length, 2 * seed + (split == "test"))


def write_videos(
    root: str | os.PathLike[str], name: str, split: str, videos: Float32[np.ndarray, "N T 1 H W"]
) -> None:
    """Write `<root>/<name>/<split>.pt`."""
    with atomic_path(Path(root) / name / f"{split}.pt") as temporary, open(temporary, "wb") as file:
        torch.save(torch.from_numpy(videos), file)


@dataset("bouncy_balls", image_size=IMAGE_SIZE, folders=("bouncing_balls_100",))
class BouncyBalls(VideoDataset):
    """All videos of a split in memory, as uint8 with one channel: a quarter of the file's size."""

    def __init__(self, source: Source):
        super().__init__(source)
        self.path = source.path / f"{source.split}.pt"
        self.videos = self._load()

    def _load(self) -> UInt8[np.ndarray, "N T 1 H W"]:
        if not self.path.is_file():
            raise InputError(f"{self.path}: no such file")
        stored = open_pt(self.local(self.path))
        height, width = self.frame_size
        wanted = f"float [N, T, 1, {height}, {width}] in [0, 1]"
        if not stored.is_floating_point():
            raise InputError(f"{self.path}: dtype {stored.dtype}, must be {wanted}")
        if stored.ndim != 5 or stored.shape[2:] != (1, height, width) or stored.numel() == 0:
            raise InputError(f"{self.path}: shape {list(stored.shape)}, must be {wanted}")
        videos = np.empty(tuple(stored.shape), np.uint8)
        for first in range(0, len(stored), CHUNK):
            chunk = stored[first : first + CHUNK].float()
            if not (chunk.min() >= 0 and chunk.max() <= 1):  # also true of NaN
                raise InputError(f"{self.path}: values outside [0, 1], must be {wanted}")
            videos[first : first + CHUNK] = (chunk * 255 + 0.5).to(torch.uint8).numpy()
        return videos

    @classmethod
    def examine(cls, source: Source, counted: Counted = ask) -> tuple[list[tuple[Path, int]], list[str]]:
        try:
            dataset = cls(source)
        except InputError as error:
            return [], [str(error)]
        return [(dataset.path, dataset.length(index)) for index in range(len(dataset))], []

    def __len__(self) -> int:
        return len(self.videos)

    def file(self, index: int) -> Path:
        return self.path

    def length(self, index: int) -> int:
        return self.videos.shape[1]

    def stamp(self, index: int) -> str:
        """The video itself: it is in memory, and made anew it is the same."""
        return hashlib.sha256(self.videos[index].tobytes()).hexdigest()

    def frames(self, index: int, start: int, stop: int) -> Video:
        return self.videos[index, start:stop].repeat(CHANNELS, axis=1)
