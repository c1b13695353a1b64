"""The metrics equal what the original computes."""

from __future__ import annotations

import lpips as reference_lpips
import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from viddiff.metrics.base import MetricSettings, metric
from viddiff.metrics.weights import load_alexnet
from viddiff.video import to_model


def compute(name, samples, truth, **settings):
    return metric.find(name).compute(samples, truth, MetricSettings(**settings))


@pytest.mark.parametrize(("name", "data_range", "key"), [
    ("psnr", 1.0, "psnr"),
    ("ssim", 1.0, "ssim"),
    ("ssim", 2.0, "ssim_data_range_2"),
])  # fmt: skip
def test_equal_to_the_original(golden, name, data_range, key):
    ours = compute(name, golden["samples_uint8"], golden["gt_uint8"], ssim_data_range=data_range)
    np.testing.assert_allclose(ours, golden[key], rtol=0, atol=1e-6)


def test_lpips_equal_to_the_original(golden, alexnet):
    ours = compute("lpips", golden["samples_uint8"], golden["gt_uint8"], alexnet=alexnet)
    np.testing.assert_allclose(ours, golden["lpips_alex"], rtol=0, atol=1e-5)


@pytest.fixture(scope="module", params=[(5, 3, 40, 56), (3, 3, 31, 31)], ids=str)
def other_frames(request):
    """Random frames and unlike ones, of other sizes than the recorded: rough, flat and dark regions."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 256, request.param, dtype=np.uint8)
    truth[:, :, :16] = 255
    truth[:, :, 16:20] //= 100
    samples = np.stack([np.roll(truth, 3, -1), rng.integers(0, 256, truth.shape, dtype=np.uint8)])
    return samples, truth


def test_equal_to_skimage(other_frames):
    samples, truth = other_frames
    for data_range in (1.0, 2.0):
        ssim = [
            [
                np.mean(
                    [
                        structural_similarity(a, b, data_range=255 * data_range)
                        for a, b in zip(x, y, strict=True)
                    ]
                )
                for x, y in zip(sample.astype(float), truth.astype(float), strict=True)
            ]
            for sample in samples
        ]
        ours = compute("ssim", samples, truth, ssim_data_range=data_range)
        np.testing.assert_allclose(ours, ssim, rtol=0, atol=1e-7)
    x, y = samples / 255.0, truth / 255.0
    psnr = [
        [np.mean([peak_signal_noise_ratio(b, a, data_range=1) for a, b in zip(*pair, strict=True)])
         for pair in zip(sample, y, strict=True)]
        for sample in x
    ]  # fmt: skip
    np.testing.assert_allclose(compute("psnr", samples, truth), psnr, rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def lpips_package(alexnet):
    """The network of the lpips package, with our convolutions and its own heads."""
    network = reference_lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    tensors = load_alexnet(alexnet).tensors
    for i in range(5):
        convolution = next(m for m in getattr(network.net, f"slice{i + 1}") if isinstance(m, torch.nn.Conv2d))
        convolution.weight.data = tensors[f"conv{i}.weight"]
        convolution.bias.data = tensors[f"conv{i}.bias"]
    return network


def test_heads_are_those_of_the_lpips_package(alexnet, lpips_package):
    for i in range(5):
        head = getattr(lpips_package, f"lin{i}").model[1].weight
        assert torch.equal(head.flatten(), load_alexnet(alexnet).tensors[f"head{i}.weight"])


def test_equal_to_the_lpips_package(other_frames, alexnet, lpips_package):
    samples, truth = other_frames
    with torch.no_grad():
        theirs = torch.stack([lpips_package(to_model(x), to_model(truth)).flatten() for x in samples])
    ours = compute("lpips", samples, truth, alexnet=alexnet)
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=1e-5)
