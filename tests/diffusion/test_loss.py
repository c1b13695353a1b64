"""The training loss: recorded values, the variational bound against known distributions, masks and gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from seeded import MODELS, recorded, seeded_noise
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from viddiff.diffusion.likelihood import decoder_bits, kl_bits
from viddiff.diffusion.loss import Losses, training_loss
from viddiff.diffusion.process import Diffusion, diffusion_of
from viddiff.flat_config import DEFAULTS, with_defaults
from viddiff.window import Window

SHAPE = (2, 3, 3, 4, 4)
T = torch.tensor([0, 30])


def process(**config: object) -> Diffusion:
    return diffusion_of(DEFAULTS | {"diffusion_steps": 50, **config})


def window() -> Window:
    """Frames: observed, latent, padding."""
    frames = torch.rand(SHAPE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    roles = torch.eye(3, dtype=torch.bool)[:, None].expand(3, 2, 3)
    return Window(frames, torch.arange(3).expand(2, 3), roles[0], roles[1])


class Says:
    """A network that says the same whatever it sees, and notes what it is asked."""

    def __init__(self, output: Tensor) -> None:
        self.output = output

    def positions(self, _: Window) -> None: ...

    def __call__(self, x_t: Tensor, t: Tensor, window: Window, positions: None = None) -> Tensor:
        self.x_t, self.t = x_t, t
        return self.output


def loss_of(diffusion: Diffusion, output: Tensor, noise: Tensor, t: Tensor = T) -> Losses:
    w = window()
    return training_loss(Says(output), diffusion, w, t, noise, ~w.observed)


def draw(seed: int, channels: int = 3) -> Tensor:
    shape = (*SHAPE[:2], channels, *SHAPE[3:])
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", [name for name in MODELS if name != "refactored"])
def test_loss_is_the_recorded_one(name: str) -> None:
    r = recorded(name)
    noise = seeded_noise(int(r.results["train_noise_seed"]), tuple(r.x_t.shape))
    with torch.no_grad():
        losses = training_loss(
            r.model, diffusion_of(with_defaults(r.config)), r.window, r.t, noise, ~r.window.observed
        )
    np.testing.assert_allclose(losses.loss, r.results["train_loss"], rtol=1e-5)
    np.testing.assert_allclose(losses.latent_mse, r.results["train_eval_mse"], rtol=1e-5)


@pytest.mark.parametrize("predict_xstart", [False, True])
def test_loss_counts_masked_frames_and_divides_by_all_elements(predict_xstart: bool) -> None:
    noise, output = draw(1), draw(2)
    losses = loss_of(process(predict_xstart=predict_xstart), output, noise)
    error = (output - (window().frames if predict_xstart else noise)) ** 2
    torch.testing.assert_close(losses.loss, error[:, 1:].flatten(1).sum(dim=1) / error[0].numel())
    torch.testing.assert_close(losses.latent_mse, error[:, 1].flatten(1).sum(dim=1) / error[0].numel())


def test_the_network_sees_noisy_frames_at_the_rescaled_step() -> None:
    w, noise, diffusion = window(), draw(1), process(noise_schedule="cosine")
    network = Says(draw(2))
    training_loss(network, diffusion, w, T, noise, ~w.observed)
    assert network.t.tolist() == [0.0, 600.0]
    for b, step in enumerate(T):
        alpha_bar = float(diffusion.schedule.alpha_bar[step])
        expected = math.sqrt(alpha_bar) * w.frames[b] + math.sqrt(1.0 - alpha_bar) * noise[b]
        torch.testing.assert_close(network.x_t[b], expected)


def test_a_perfect_network_has_no_loss() -> None:
    noise = draw(1)
    assert loss_of(process(), noise, noise).loss.count_nonzero() == 0
    # With the true x_0 and the posterior's variance (v = -1), all steps but the first have no divergence either.
    perfect = torch.cat([noise, -torch.ones(SHAPE)], dim=2)
    loss = loss_of(process(learn_sigma=True), perfect, noise, torch.tensor([20, 30])).loss
    assert loss.abs().max() < 1e-4


def test_the_bound_trains_the_learned_variance_and_not_the_mean() -> None:
    noise = draw(1)
    output = torch.cat([draw(2), 0.1 * draw(3)], dim=2).requires_grad_()
    learned = loss_of(process(learn_sigma=True), output, noise).loss
    (gradient,) = torch.autograd.grad(learned.sum(), output)
    mean = output[:, :, :3].detach().requires_grad_()
    plain = loss_of(process(), mean, noise).loss
    (mean_gradient,) = torch.autograd.grad(plain.sum(), mean)
    torch.testing.assert_close(gradient[:, :, :3], mean_gradient)
    assert gradient[:, 1:, 3:].count_nonzero() > 0
    assert gradient[:, :1].count_nonzero() == 0  # observed frames are not counted
    assert (learned != plain).all()


def test_the_bound_is_weighted_by_the_steps_if_rescaled() -> None:
    noise, output = draw(1), torch.cat([draw(2), 0.1 * draw(3)], dim=2)
    mse = loss_of(process(), output[:, :, :3], noise).loss
    rescaled = loss_of(process(learn_sigma=True), output, noise).loss - mse
    whole = loss_of(process(learn_sigma=True, rescale_learned_sigmas=False), output, noise).loss - mse
    torch.testing.assert_close(rescaled, 0.05 * whole, rtol=1e-3, atol=1e-5)
    kl = loss_of(process(learn_sigma=True, use_kl=True), output, noise).loss
    torch.testing.assert_close(kl, 50 * whole, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("sigma_small", [True, False])
@pytest.mark.parametrize("predict_xstart", [True, False])
def test_the_bound_is_the_divergence_of_the_two_transitions(sigma_small: bool, predict_xstart: bool) -> None:
    diffusion = process(use_kl=True, sigma_small=sigma_small, predict_xstart=predict_xstart)
    noise, x_0, step = draw(1), window().frames, 30
    output = (x_0 if predict_xstart else noise) + 0.01 * draw(2)
    tables = diffusion.schedule
    alpha, sigma = math.sqrt(tables.alpha_bar[step]), math.sqrt(1.0 - tables.alpha_bar[step])
    x_t = alpha * x_0 + sigma * noise
    estimate = output if predict_xstart else (x_t - sigma * output) / alpha
    weights = float(tables.posterior_mean_x_0[step]), float(tables.posterior_mean_x_t[step])
    variance = float(tables.posterior_variance[step])
    truth = Normal(weights[0] * x_0 + weights[1] * x_t, math.sqrt(variance))
    own = math.sqrt(variance if sigma_small else tables.betas[step])
    model = Normal(weights[0] * estimate + weights[1] * x_t, own)
    bits = kl_divergence(truth, model)[:, 1:].flatten(1).sum(dim=1) / x_0[0].numel() / math.log(2.0)
    losses = loss_of(diffusion, output, noise, torch.tensor([step, step]))
    torch.testing.assert_close(losses.loss, 50 * bits, rtol=1e-3, atol=1e-3)


def test_divergence_of_gaussians() -> None:
    mean_p, mean_q = torch.tensor([0.0, 1.0, -0.5]), torch.tensor([0.2, -1.0, -0.5])
    log_p, log_q = torch.tensor([-1.0, 0.3, 0.0]), torch.tensor([0.5, -0.2, 0.0])
    exact = kl_divergence(Normal(mean_p, (0.5 * log_p).exp()), Normal(mean_q, (0.5 * log_q).exp()))
    torch.testing.assert_close(kl_bits(mean_p, log_p, mean_q, log_q), exact / math.log(2.0))


@pytest.mark.parametrize("mean", [-1.2, -0.3, 0.0, 0.99])
@pytest.mark.parametrize("log_variance", [-9.0, -4.0, 0.0])
def test_the_decoder_shares_all_probability_among_the_grey_levels(mean: float, log_variance: float) -> None:
    levels = torch.arange(256) / 127.5 - 1.0
    means, log_variances = torch.full((256,), mean), torch.full((256,), log_variance)
    probability = torch.exp2(-decoder_bits(levels, means, log_variances))
    torch.testing.assert_close(probability.sum(), torch.tensor(1.0), atol=1e-4, rtol=0)
    normal = Normal(mean, math.exp(0.5 * log_variance))
    inner = normal.cdf(levels + 1 / 255) - normal.cdf(levels - 1 / 255)
    # The tanh approximation of the distribution function is good to 4e-4.
    torch.testing.assert_close(probability[1:-1], inner[1:-1], atol=1e-3, rtol=0)
