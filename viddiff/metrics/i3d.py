"""I3D, the network of FVD (Carreira and Zisserman 2017), as it was trained on Kinetics-400 in TensorFlow.

Its layers have the published names. BatchNorm has no scale and epsilon 1e-3, and is folded into the convolutions.
Padding is TensorFlow's SAME: as little as reaches all of the input, the odd one at the end. The first layers (the stem)
hold most of the memory: they run over parts of the video, each with the frames beside it that it sees, and give the
same bits as over the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from viddiff.precision import full_float32

SIZE = 224
CLASSES = 400
EPSILON = 1e-3
STEM_FRAMES = 32  # of the stem's output, each from two frames, at a time
MIXED = {
    # name: channels in; out of branch 0, branch 1 (two layers), branch 2 (two layers), branch 3
    "Mixed_3b": (192, (64, 96, 128, 16, 32, 32)),
    "Mixed_3c": (256, (128, 128, 192, 32, 96, 64)),
    "Mixed_4b": (480, (192, 96, 208, 16, 48, 64)),
    "Mixed_4c": (512, (160, 112, 224, 24, 64, 64)),
    "Mixed_4d": (512, (128, 128, 256, 24, 64, 64)),
    "Mixed_4e": (512, (112, 144, 288, 32, 64, 64)),
    "Mixed_4f": (528, (256, 160, 320, 32, 128, 128)),
    "Mixed_5b": (832, (256, 160, 320, 32, 128, 128)),
    "Mixed_5c": (832, (384, 192, 384, 48, 128, 128)),
}


def same_padding(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME: what is put before and after, so that ceil(length / stride) outputs come."""
    total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
    return total // 2, total - total // 2


class Unit(nn.Module):
    """A convolution with its BatchNorm folded in, padded as SAME, and ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1):
        super().__init__()
        self.conv3d = nn.Conv3d(inputs, outputs, kernel, stride)

    def forward(self, x: Float[Tensor, "B C T H W"], time: tuple[int, int] | None = None) -> Tensor:
        """time: the padding before and after in time, if the input is part of a video."""
        kernels, strides = self.conv3d.kernel_size, self.conv3d.stride
        pads = [same_padding(n, k, s) for n, k, s in zip(x.shape[2:], kernels, strides, strict=True)]
        if time is not None:
            pads[0] = time
        common = [min(pad) for pad in pads]
        rest = [end - least for pad, least in zip(pads, common, strict=True) for end in pad]
        if any(rest):
            x = F.pad(x, [rest[i] for i in (4, 5, 2, 3, 0, 1)])
        return F.conv3d(x, self.conv3d.weight, self.conv3d.bias, strides, common).relu_()


class Mixed(nn.Module):
    """Four branches of different sight beside each other."""

    def __init__(self, inputs: int, channels: tuple[int, ...]):
        super().__init__()
        self.b0 = Unit(inputs, channels[0])
        self.b1a, self.b1b = Unit(inputs, channels[1]), Unit(channels[1], channels[2], 3)
        self.b2a, self.b2b = Unit(inputs, channels[3]), Unit(channels[3], channels[4], 3)
        self.b3b = Unit(inputs, channels[5])

    def forward(self, x: Float[Tensor, "B C T H W"]) -> Tensor:
        branches = (
            self.b0(x),
            self.b1b(self.b1a(x)),
            self.b2b(self.b2a(x)),
            self.b3b(max_pool(x, (3, 3, 3), 1)),
        )
        return torch.cat(branches, 1)


def max_pool(x: Float[Tensor, "B C T H W"], kernel: tuple[int, int, int], stride: int) -> Tensor:
    """Maximum with SAME padding, over time only where the kernel reaches beyond a frame.

    After ReLU nothing is below 0, so that it is all the same whether zeros are put around or nothing.
    """
    strides = [stride if k > 1 else 1 for k in kernel]
    before = [same_padding(n, k, s)[0] for n, k, s in zip(x.shape[2:], kernel, strides, strict=True)]
    return F.max_pool3d(x, kernel, strides, before, ceil_mode=True)


class I3D(nn.Module):
    """The network up to its 400 logits, averaged over time."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = Unit(3, 64, 7, 2)
        self.Conv3d_2b_1x1 = Unit(64, 64)
        self.Conv3d_2c_3x3 = Unit(64, 192, 3)
        for name, (inputs, channels) in MIXED.items():
            setattr(self, name, Mixed(inputs, channels))
        self.logits = nn.ModuleDict({"conv3d": nn.Conv3d(1024, CLASSES, 1)})

    @torch.no_grad()
    def forward(self, videos: Float[Tensor, "B 3 T 224 224"]) -> Float[Tensor, "B 400"]:
        """Logits of videos in [-1, 1] of 9 frames or more."""
        return self.logits_of(lambda frames: videos[:, :, frames], videos.shape[2])

    @torch.no_grad()
    def logits_of(
        self, part: Callable[[slice], Float[Tensor, "B 3 t 224 224"]], length: int
    ) -> Float[Tensor, "B 400"]:
        """The same of videos of `length` frames, of which `part(frames)` gives some at a time."""
        with full_float32():
            x = torch.cat(list(self._stem(part, length)), 2)
            for name in ("Mixed_3b", "Mixed_3c"):
                x = getattr(self, name)(x)
            x = max_pool(x, (3, 3, 3), 2)
            for name in ("Mixed_4b", "Mixed_4c", "Mixed_4d", "Mixed_4e", "Mixed_4f"):
                x = getattr(self, name)(x)
            x = max_pool(x, (2, 2, 2), 2)
            for name in ("Mixed_5b", "Mixed_5c"):
                x = getattr(self, name)(x)
            return self.logits["conv3d"](F.avg_pool3d(x, (2, 7, 7), 1)).mean((2, 3, 4))

    def _stem(self, part: Callable[[slice], Tensor], length: int) -> Iterator[Tensor]:
        """The layers up to the third pooling, for some frames of their output after the other.

        An output frame sees three of the first layer's, each of which sees seven frames of the video.
        """
        count, (before, _) = -(-length // 2), same_padding(length, 7, 2)
        for first in range(0, count, STEM_FRAMES):
            stop = min(first + STEM_FRAMES, count)
            low, high = max(first - 1, 0), min(stop + 1, count)
            start, end = 2 * low - before, 2 * (high - 1) - before + 7
            frames = slice(max(start, 0), min(end, length))
            x = self.Conv3d_1a_7x7(part(frames), (frames.start - start, end - frames.stop))
            x = self.Conv3d_2b_1x1(max_pool(x, (1, 3, 3), 2))
            x = self.Conv3d_2c_3x3(x, (low - (first - 1), stop + 1 - high))
            yield max_pool(x, (1, 3, 3), 2)


def fold_batch_norm(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The network's own tensors from the published ones.

    `<layer>.conv3d.weight`, `<layer>.bn.bias`, `.running_mean` and `.running_var` become a weight and a bias of the
    convolution, computed in float64; `logits.conv3d.weight` and `.bias` stay.
    """
    folded = {}
    for name, tensor in tensors.items():
        layer, _, kind = name.partition(".conv3d.")
        if kind == "weight" and layer != "logits":
            scale = (tensors[f"{layer}.bn.running_var"].double() + EPSILON).rsqrt()
            mean, bias = (tensors[f"{layer}.bn.{part}"].double() for part in ("running_mean", "bias"))
            folded[name] = (tensor.double() * scale.view(-1, 1, 1, 1, 1)).float()
            folded[f"{layer}.conv3d.bias"] = (bias - mean * scale).float()
        elif kind:
            folded[name] = tensor
    return folded


def build_i3d(tensors: Mapping[str, Tensor], device: str = "cpu") -> I3D:
    """The network with the published tensors, in evaluation mode on a device."""
    with torch.device("meta"):  # no random weights for nothing
        network = I3D()
    network.load_state_dict(fold_batch_norm(tensors), assign=True)
    return network.requires_grad_(False).eval().to(device)
