"""How many windows share a network call, and what happens when memory runs out."""

from __future__ import annotations

import logging

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from viddiff import call_size
from viddiff.call_size import MOST_WINDOWS, CallSize, is_out_of_memory, windows_in, windows_that_fit
from viddiff.errors import InputError
from viddiff.inference.complete import complete
from viddiff.inference.modes import make_plan, parse_mode
from viddiff.seeds import SampleIdentity

GB = 10**9


def noisy(window, noise):
    """A fake sampler whose frames depend on the observed ones, the indices and the noise, row by row."""
    return (
        0.5 * window.frames.mean(dim=1, keepdim=True)
        + 0.01 * window.frame_index[..., None, None, None]
        + noise()
    )


def small(most, sizes):
    """The same sampler on a device that holds `most` windows."""

    def sample(window, noise):
        sizes.append(len(window.frames))
        frames = noisy(window, noise)  # noise is drawn before memory runs out
        if sizes[-1] > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return frames

    return sample


@pytest.mark.parametrize("mode", ["autoreg_4_2_9_3", "hierarchy-3_4_2_20_3", "google_8_2_30_3"])
@pytest.mark.parametrize("most", [1, 2, 3])
def test_where_memory_runs_out_calls_are_halved_and_the_result_is_the_same(mode, most, caplog):
    plan = make_plan(parse_mode(mode))
    videos = torch.zeros(7, plan.length, 3, 4, 4)
    identities = [SampleIdentity("c0ffee", mode, "", number, 0) for number in range(7)]
    whole = complete(plan, videos, identities, noisy, windows_per_call=7).frames
    calls, sizes, kept, done = CallSize(7), [], [], []
    made = complete(
        plan, videos, identities, small(most, sizes), windows_per_call=calls,
        keep=lambda row, stage, made: kept.append((row, stage)), progress=done.append,
    )  # fmt: skip
    torch.testing.assert_close(made.frames, whole, rtol=0, atol=1e-6)
    assert sorted(kept) == [(row, stage) for row in range(7) for stage in range(len(plan.stages))]
    assert done[-1] == len(plan.stages)
    assert calls.most <= most and [size for size in sizes if size > most] == [7, 3][: 2 if most < 3 else 1]
    assert (
        caplog.records[0].getMessage()
        == "out of memory with 7 windows in a network call, goes on with 3 at most"
    )


def test_one_window_that_does_not_fit_ends_in_one_line():
    plan = make_plan(parse_mode("autoreg_4_2_9_3"))
    identities = [SampleIdentity("c0ffee", "", "", number, 0) for number in range(2)]
    with pytest.raises(
        InputError,
        match=r"^out of memory with a single window in a network call \(CUDA out of .*\): end what else",
    ) as error:
        complete(plan, torch.zeros(2, 9, 3, 4, 4), identities, small(0, []))
    assert "\n" not in str(error.value)


def test_other_errors_are_not_taken_for_it():
    def broken(most):
        raise RuntimeError("expected scalar type Float")

    calls = CallSize(4)
    with pytest.raises(RuntimeError, match="scalar type"):
        calls.run(4, broken)
    assert calls.most == 4


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("any"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_running_out_of_memory_looks_like(error, is_one):
    assert is_out_of_memory(error) is is_one


def test_the_memory_of_the_machine_counts_too():
    with pytest.raises(InputError, match=r"out of memory with a single window .*allocate"):
        CallSize(1).run(1, lambda most: torch.empty(2**60, dtype=torch.uint8))


@given(st.integers(0, 200 * GB), st.integers(0, GB), st.integers(0, GB), st.integers(1, 4 * GB))
def test_the_windows_found_take_most_of_the_free_memory_and_no_more(free, in_use, shared, each):
    found = windows_in(free, in_use, in_use + shared + each, in_use + shared + 2 * each)
    assert 1 <= found <= MOST_WINDOWS
    assert found == 1 or shared + found * each <= 0.8 * free
    assert found == MOST_WINDOWS or shared + (found + 1) * each > 0.8 * free - 1


class Gpu:
    """A GPU's memory, as far as the trial looks at it."""

    def __init__(self, monkeypatch, free, fits=1000):
        self.peak, self.fits, self.calls = GB, fits, []
        for name, value in {
            "reset_peak_memory_stats": lambda device: None,
            "max_memory_allocated": lambda device: self.peak,
            "memory_allocated": lambda device: GB,
            "memory_reserved": lambda device: 3 * GB,
            "mem_get_info": lambda device: (free, free),
        }.items():
            monkeypatch.setattr(call_size.torch.cuda, name, value)

    def evaluate(self, window):
        windows = len(window.frames)
        assert window.frames.shape == (windows, 5, 3, 8, 8) and (window.observed ^ window.latent).all()
        self.calls.append(windows)
        if windows > self.fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.peak = GB + GB // 2 * windows


def test_a_trial_tells_how_many_windows_fit(monkeypatch, caplog):
    gpu = Gpu(monkeypatch, free=8 * GB)
    with caplog.at_level(logging.INFO):
        # 0.8 of what is free, with the 2 GB that are held and not in use
        assert windows_that_fit(gpu.evaluate, (5, 3, 8, 8), torch.device("cpu")) == 16
    assert gpu.calls == [1, 1, 2]
    assert caplog.records[0].getMessage() == (
        "16 windows in a network call at most: one takes 0.50 GB, 10.0 GB are free"
    )
    assert windows_that_fit(Gpu(monkeypatch, free=800 * GB).evaluate, (5, 3, 8, 8), torch.device("cpu")) == 64
    assert (
        windows_that_fit(Gpu(monkeypatch, free=GB, fits=1).evaluate, (5, 3, 8, 8), torch.device("cpu")) == 1
    )
