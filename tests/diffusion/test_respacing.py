"""Respacing: the recorded steps, and what must hold for any number of steps."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seeded import GOLDEN

from viddiff.diffusion.respacing import check_respacing, diffusion_steps, respaced_steps
from viddiff.errors import InputError

RESPACINGS = json.loads((GOLDEN / "timestep_respacing.json").read_text())


@pytest.mark.parametrize("key", RESPACINGS)
def test_respacing_is_the_recorded_one(key: str) -> None:
    n_steps, spec = key.split("|")
    if isinstance(RESPACINGS[key], str):  # the original's error
        with pytest.raises(InputError, match=f"'{spec}'"):
            respaced_steps(int(n_steps), spec)
    else:
        assert list(respaced_steps(int(n_steps), spec)) == RESPACINGS[key]


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(0, 200))
def test_respacing_keeps_so_many_of_each_section(counts: list[int], more: int) -> None:
    n_steps = len(counts) * max(counts) + more
    kept = respaced_steps(n_steps, ",".join(map(str, counts)))
    assert all(a < b for a, b in pairwise(kept))
    assert kept[0] == 0 and kept[-1] < n_steps
    sections = np.array_split(np.arange(n_steps), len(counts))
    assert [len(np.intersect1d(kept, section)) for section in sections] == counts
    assert counts[-1] == 1 or kept[-1] == n_steps - 1


@settings(deadline=None)  # a busy machine is no failure
@given(st.integers(2, 1000), st.integers(1, 1000))
def test_ddim_respacing_is_a_stride_or_an_error(n_steps: int, count: int) -> None:
    possible = [stride for stride in range(1, n_steps) if len(range(0, n_steps, stride)) == count]
    if possible:
        assert respaced_steps(n_steps, f"ddim{count}") == tuple(range(0, n_steps, possible[0]))
    else:
        with pytest.raises(InputError, match=f"ddim{count}"):
            respaced_steps(n_steps, f"ddim{count}")


@pytest.mark.parametrize("spec", ["ddim", "ddimx", "0", "-3", "2.5", "5,", "a", "5 5", "ddim0", "25;"])
def test_a_wrong_respacing_is_named(spec: str) -> None:
    with pytest.raises(InputError, match="respacing") as error:
        respaced_steps(100, spec)
    assert repr(spec) in str(error.value)


def test_a_respacing_tells_its_number_of_steps():
    counts = {"250": 250, "logsnr7": 7, "karras7": 7, "trailing7": 7, "ddim10": 10, "10,15,20": 45, "1": 1}
    assert {spec: diffusion_steps(spec) for spec in counts} == counts
    for spec in ("", "0", "ddim", "10,", "ddim5,5", "x", "karras", "logsnr5,5", "trailing0"):
        with pytest.raises(InputError, match="must be like 25, ddim25, 10,15,20, logsnr25, "):
            diffusion_steps(spec)


def test_trailing_keeps_the_last_step_and_as_much_before_the_first_one():
    """The example of Lin et al. 2023, section 3.3, counted from 0."""
    assert respaced_steps(1000, "trailing5") == (199, 399, 599, 799, 999)
    assert respaced_steps(1000, "trailing1") == (999,)


@settings(deadline=None)  # a busy machine is no failure
@given(st.integers(1, 60), st.integers(0, 200))
def test_trailing_keeps_exactly_so_many(count: int, more: int) -> None:
    kept = respaced_steps(count + more, f"trailing{count}")
    assert len(set(kept)) == len(kept) == count
    assert list(kept) == sorted(kept) and kept[0] >= 0 and kept[-1] == count + more - 1


@pytest.mark.parametrize("spec", ["trailing11", "logsnr11", "karras11", "11"])
def test_steps_that_are_not_there_are_told_without_the_noise_schedule(spec: str) -> None:
    with pytest.raises(InputError, match=f"'{spec}': cannot take 11 "):
        check_respacing(10, spec)
    check_respacing(11, spec)
