"""What networks predict: each kind against its paper, and a Gaussian, for which all must give the same samples."""

from __future__ import annotations

import math
from dataclasses import fields

import numpy as np
import pytest
import torch
from gaussian import MEAN, SAMPLERS, SPREAD, gaussian, generator_noise
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from viddiff.diffusion.denoiser import network_denoiser
from viddiff.diffusion.elbo import window_bound
from viddiff.diffusion.loss import training_loss
from viddiff.diffusion.noise_schedule import Level
from viddiff.diffusion.prediction import PREDICTION, SIGMA_DATA
from viddiff.diffusion.process import Diffusion, diffusion_of
from viddiff.diffusion.samplers.base import find_sampler
from viddiff.diffusion.settings import PREDICTIONS, check_diffusion
from viddiff.errors import InputError
from viddiff.flat_config import DEFAULTS, with_defaults
from viddiff.window import Window

KINDS = st.sampled_from(PREDICTIONS)
NUMBERS = st.floats(-3.0, 3.0)
ANGLES = st.floats(0.01, 1.56)


def process(kind: str, respacing: str = "", **config: object) -> Diffusion:
    told = {"predict_xstart": True} if kind == "x_0" else {} if kind == "eps" else {"prediction": kind}
    return diffusion_of(
        with_defaults({"noise_schedule": "cosine", "sigma_small": True, **told, **config}), respacing
    )


class Optimal:
    """The best network of a kind for values from N(MEAN, SPREAD²): E[target | x_t], as both are Gaussian."""

    def __init__(self, diffusion: Diffusion) -> None:
        self.diffusion, self.kind = diffusion, PREDICTION[diffusion.predicts]
        self.levels = {float(np.float32(level.t)): level for level in diffusion.levels()}

    def positions(self, _: Window) -> None: ...

    def __call__(self, seen: Tensor, t: Tensor, window: Window, positions: None = None) -> Tensor:
        return torch.stack([self.row(x, self.levels[float(time)]) for x, time in zip(seen, t, strict=True)])

    def row(self, seen: Tensor, level: Level) -> Tensor:
        x_t = seen / self.kind.input(1.0, level.alpha, level.sigma)
        x_0 = gaussian(x_t, level).x_0
        eps = (x_t - level.alpha * x_0) / level.sigma
        return self.kind.target(x_0, eps, level.alpha, level.sigma)


def window(values: Tensor) -> Window:
    """Latent frames alone."""
    batch, frames = values.shape[:2]
    marks = torch.ones(batch, frames, dtype=torch.bool)
    return Window(values, torch.arange(frames).expand(batch, -1), ~marks, marks)


@settings(deadline=None)
@given(KINDS, NUMBERS, NUMBERS, ANGLES)
def test_the_target_leads_back_to_the_clean_frames(kind: str, x_0: float, eps: float, angle: float) -> None:
    alpha, sigma = math.cos(angle), math.sin(angle)
    prediction = PREDICTION[kind]
    output = prediction.target(x_0, eps, alpha, sigma)
    found = prediction.x_0((alpha * x_0 + sigma * eps), output, alpha, sigma)
    assert found == pytest.approx(x_0, abs=1e-12 / alpha)


@settings(deadline=None)
@given(NUMBERS, NUMBERS, ANGLES)
def test_v_is_the_speed_along_the_circle(x_0: float, eps: float, angle: float) -> None:
    """Salimans & Ho 2022, appendix D: v = d x_t / d angle."""
    step = 1e-5
    ends = [math.cos(a) * x_0 + math.sin(a) * eps for a in (angle - step, angle + step)]
    v = PREDICTION["v"].target(x_0, eps, math.cos(angle), math.sin(angle))
    assert (ends[1] - ends[0]) / (2 * step) == pytest.approx(v, abs=1e-8)


@settings(deadline=None)
@given(NUMBERS, NUMBERS, ANGLES)
def test_flow_is_the_straight_line_through_the_rescaled_level(x_0: float, eps: float, angle: float) -> None:
    alpha, sigma = math.cos(angle), math.sin(angle)
    tau, z = sigma / (alpha + sigma), (alpha * x_0 + sigma * eps) / (alpha + sigma)
    u = PREDICTION["flow"].target(x_0, eps, alpha, sigma)
    assert z == pytest.approx((1 - tau) * x_0 + tau * eps, abs=1e-12)
    assert PREDICTION["flow"].x_0(z * (alpha + sigma), u, alpha, sigma) == pytest.approx(
        z - tau * u, abs=1e-12
    )


@settings(deadline=None)
@given(NUMBERS, NUMBERS, ANGLES)
def test_edm_is_the_preconditioning_of_the_paper(x_t: float, output: float, angle: float) -> None:
    """Karras et al. 2022, table 1, in their variables: y = x_0 + s eps."""
    alpha, sigma = math.cos(angle), math.sin(angle)
    y, s = x_t / alpha, sigma / alpha
    c_skip = SIGMA_DATA**2 / (s**2 + SIGMA_DATA**2)
    c_out = s * SIGMA_DATA / math.sqrt(s**2 + SIGMA_DATA**2)
    c_in = 1 / math.sqrt(s**2 + SIGMA_DATA**2)
    edm = PREDICTION["edm"]
    assert edm.x_0(x_t, output, alpha, sigma) == pytest.approx(c_skip * y + c_out * output, abs=1e-11)
    assert edm.input(x_t, alpha, sigma) == pytest.approx(c_in * y, abs=1e-11)


def test_edm_is_told_the_logarithm_of_the_noise() -> None:
    diffusion = process("edm", diffusion_steps=50)
    times = [math.log(level.sigma / level.alpha) / 4 for level in diffusion.levels()]
    assert [level.t for level in diffusion.levels()] == pytest.approx(times, rel=1e-6)
    told = diffusion.network_time(torch.tensor([49, 3]))
    assert told.tolist() == pytest.approx([times[0], times[-4]], rel=1e-6)
    respaced = process("edm", "10", diffusion_steps=50)
    assert all(any(math.isclose(level.t, time) for time in times) for level in respaced.levels())


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_all_kinds_give_the_same_samples(sampler: str) -> None:
    """Of the best network of each: it says the same of the clean frames, whatever it predicts."""
    made = {}
    for kind in PREDICTIONS:
        diffusion = process(kind, "8", diffusion_steps=100)
        w = window(generator_noise(6, 1)().reshape(2, 3, 1, 1, 1))
        denoise = network_denoiser(Optimal(diffusion), diffusion, w)
        noise = generator_noise(6, 2)
        made[kind] = find_sampler(sampler)(
            denoise, w.frames, diffusion.levels(), lambda noise=noise, w=w: noise().reshape(w.frames.shape)
        )
    noise = generator_noise(6, 2)
    exact = find_sampler(sampler)(
        gaussian, w.frames, diffusion.levels(), lambda: noise().reshape(w.frames.shape)
    )
    for kind, x in made.items():
        # eps divides by alpha, which is 2e-3 at the noisiest level.
        torch.testing.assert_close(x, exact, atol=1e-9, rtol=0, msg=lambda text, kind=kind: f"{kind}: {text}")


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("spec", ["6", "trailing6", "logsnr6", "karras6", "ddim5", ""])
def test_from_noise_alone(sampler: str, spec: str) -> None:
    """With zero terminal SNR the kinds that allow it give the same samples, with every spacing."""
    made = []
    for kind in ("x_0", "v", "flow"):
        diffusion = process(kind, spec, diffusion_steps=20, zero_terminal_snr=True)
        assert (diffusion.levels()[0].alpha == 0.0) is (spec != "ddim5")
        w = window(generator_noise(6, 1)().reshape(2, 3, 1, 1, 1))
        noise = generator_noise(6, 2)
        made.append(
            find_sampler(sampler)(
                network_denoiser(Optimal(diffusion), diffusion, w),
                w.frames,
                diffusion.levels(),
                lambda noise=noise, w=w: noise().reshape(w.frames.shape),
            )
        )
        assert made[-1].isfinite().all()
        torch.testing.assert_close(made[-1], made[0], atol=1e-9, rtol=0)


def test_noise_alone_has_no_prior_to_pay_for() -> None:
    diffusion = process("v", diffusion_steps=10, zero_terminal_snr=True)
    values = (MEAN + SPREAD * generator_noise(48, 1)().float()).clamp(-1, 1).reshape(1, 1, 3, 4, 4)
    bound = window_bound(
        Optimal(diffusion), diffusion, window(values), lambda step: torch.zeros(1, 3, 4, 4), 4
    )
    assert bound.prior == 0.0
    assert all(np.isfinite(term).all() for term in (bound.vb, bound.xstart_mse, bound.mse))


@pytest.mark.parametrize("kind", PREDICTIONS)
def test_the_loss_of_the_best_network_is_the_variance_that_is_left(kind: str) -> None:
    """Var(target | x_t): the best guess of the target errs by what x_t does not tell."""
    diffusion = process(kind, diffusion_steps=20)
    generator = torch.Generator().manual_seed(3)
    shape = (20, 1, 3, 60, 60)
    x_0 = MEAN + SPREAD * torch.randn(shape, generator=generator, dtype=torch.float64)
    noise = torch.randn(shape, generator=generator, dtype=torch.float64)
    t = torch.arange(20)
    marks = torch.ones(20, 1, dtype=torch.bool)
    losses = training_loss(Optimal(diffusion), diffusion, window(x_0), t, noise, marks)
    alpha_bar = diffusion.schedule.alpha_bar
    alpha, sigma = np.sqrt(alpha_bar), np.sqrt(1 - alpha_bar)
    # Of x_0 given x_t, times how far the target moves with x_0 where x_t stays.
    left = SPREAD**2 * sigma**2 / (SPREAD**2 * alpha_bar + sigma**2)
    prediction = PREDICTION[diffusion.predicts]
    moved = prediction.target(1.0, -alpha / sigma, alpha, sigma)
    np.testing.assert_allclose(losses.loss, left * moved**2, rtol=0.05)
    np.testing.assert_allclose(losses.latent_mse, losses.loss)


@pytest.mark.parametrize("learned", [False, True])
def test_bounds_are_the_same_whatever_is_predicted(learned: bool) -> None:
    bounds = []
    for kind in PREDICTIONS:
        diffusion = process(kind, diffusion_steps=10, learn_sigma=learned)
        network = Optimal(diffusion)

        def says(*arguments: object, network: Optimal = network) -> Tensor:
            output = network(*arguments)
            return torch.cat([output, torch.full_like(output, 0.3)], dim=2) if learned else output

        says.positions = network.positions
        values = (MEAN + SPREAD * generator_noise(48, 1)().float()).clamp(-1, 1).reshape(1, 1, 3, 4, 4)
        bounds.append(
            window_bound(
                says, diffusion, window(values), lambda step: torch.full((1, 3, 4, 4), 0.1 * step), 4
            )
        )
    for bound in bounds[1:]:
        for item in fields(bound):
            np.testing.assert_allclose(
                getattr(bound, item.name), getattr(bounds[0], item.name), rtol=2e-3, err_msg=item.name
            )


def test_the_originals_key_stays_readable() -> None:
    assert diffusion_of(DEFAULTS).predicts == "eps"
    assert diffusion_of(DEFAULTS | {"predict_xstart": True}).predicts == "x_0"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"prediction": "w"}, "prediction is 'w'; allowed: eps, x_0, v, flow, edm"),
        ({"prediction": 3}, "prediction is 3; must be a text"),
        ({"prediction": "v", "predict_xstart": True}, "prediction is 'v', and predict_xstart is True"),
        ({"prediction": "x_0"}, "prediction is 'x_0', and predict_xstart is False"),
        ({"prediction": "edm", "cond_emb_type": "t=0"}, "its mark, a step of -1, is a noise level of edm"),
        ({"prediction": "edm", "diffusion_steps": 20}, "noisiest step has no signal"),
        ({"prediction": "edm", "zero_terminal_snr": True}, "noisiest step has no signal"),
        ({"zero_terminal_snr": True}, "zero_terminal_snr is true, and the network predicts eps"),
        ({"min_snr_gamma": -1.0}, "min_snr_gamma is -1.0; must be 0"),
        ({"min_snr_gamma": float("nan")}, "min_snr_gamma is nan; must be 0"),
        (
            {"min_snr_gamma": 5.0, "use_kl": True},
            "min_snr_gamma weighs the squared error, and use_kl is true",
        ),
        (
            {"min_snr_gamma": 5.0, "zero_terminal_snr": True, "prediction": "v"},
            "its loss would have no weight; take min_snr_gamma or zero_terminal_snr out",
        ),
    ],
)
def test_contradictions_are_refused(config: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_diffusion(DEFAULTS | config)
