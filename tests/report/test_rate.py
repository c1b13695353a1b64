"""The estimate of the rate: exact where the times tell it, near the truth for jobs that are simulated."""

from __future__ import annotations

import random

import pytest

from viddiff.report.rate import Activity, Trace, activity

HOUR = 3600.0


def lockstep(first: float, step: float, stages: int, samples: int) -> tuple[tuple[float, ...], ...]:
    """Samples of one batch: a stage of each is done every `step` seconds, one sample 0.1 s after the other."""
    return tuple(tuple(first + step * n + row / 10 for n in range(stages)) for row in range(samples))


def test_before_the_first_progress_there_is_none():
    assert activity([], 0) is None
    assert activity([Trace(10, (), ()), Trace(5, (), ())], 0) is None


def test_a_run_that_began_minutes_ago_is_measured_by_its_stages():
    one = activity([Trace(27, (), lockstep(1000, 120, 1, 8))], 1060)
    assert one == Activity(1000.7, stopped=False, rate=None)
    two = activity([Trace(27, (), lockstep(1000, 120, 2, 8))], 1130)
    assert two.rate == pytest.approx(8 / 120)
    five = activity([Trace(27, (), lockstep(1000, 120, 5, 8))], 1490)
    assert five.rate == pytest.approx(32 / 480)


def test_jobs_one_after_the_other_are_measured_from_the_end_of_one():
    finished = (0.0,) * 10 + (500.0,) * 10 + (1000.0,) * 10
    assert activity([Trace(20, finished, ())], 1100).rate == pytest.approx(2 * 10 * 20 / 1000)
    under_way = lockstep(1030, 25, 3, 8)
    rate = activity([Trace(20, finished, under_way)], 1100).rate
    assert rate == pytest.approx((2 * 10 * 20 + 3 * 8) / 1080.7)


def test_a_finished_sample_counts_with_what_was_made_of_it_since_the_start():
    under_way = ((0.0, 600.0, 1200.0, 1800.0),)
    trace = Trace(20, (900.0, 1800.0), under_way)  # finished in two other jobs, at the same pace
    assert activity([trace], 1800).rate == pytest.approx((3 + 900 / 600 + 1800 / 600) / 1800)


def test_what_was_done_long_ago_does_not_count():
    new = lockstep(100 * HOUR, 120, 4, 2)
    assert activity([Trace(9, (5.0, 9.0), new)], 100 * HOUR + 400) == activity(
        [Trace(9, (), new)], 100 * HOUR + 400
    )


def test_a_pause_within_the_hour_does_not_count():
    before, after = lockstep(0, 60, 10, 1)[0], lockstep(540 + 1800, 60, 5, 1)[0]
    assert activity([Trace(27, (), (before + after,))], 2600).rate == pytest.approx(1 / 60)


def test_long_stages_are_no_pauses():
    assert activity([Trace(27, (), lockstep(0, 1200, 3, 8))], 2500).rate == pytest.approx(8 / 1200)


def test_long_jobs_are_no_pauses():
    finished = (0.0,) * 10 + (700.0,) * 10 + (1400.0,) * 10 + (2100.0,) * 5
    assert activity([Trace(20, finished, ())], 2200).rate == pytest.approx(25 * 20 / 2100)


@pytest.mark.parametrize("silence, stopped", [(590, False), (610, True)])
def test_work_has_stopped_after_ten_minutes(silence, stopped):
    seen = activity([Trace(27, (), lockstep(0, 60, 5, 1))], 240 + silence)
    assert (seen.last, seen.stopped, seen.rate is None) == (240, stopped, stopped)


@pytest.mark.parametrize("silence, stopped", [(3590, False), (3610, True)])
def test_work_of_long_stages_or_unknown_rate_may_be_silent_for_longer(silence, stopped):
    assert activity([Trace(27, (), lockstep(0, 1200, 3, 1))], 2400 + silence).stopped == stopped
    assert activity([Trace(27, (50.0, 50.0), ())], 50 + silence).stopped == stopped


def test_evaluations_add_up():
    one, two = Trace(10, (), lockstep(0, 60, 11, 1)), Trace(30, (), lockstep(0, 60, 11, 2))
    assert activity([one, two], 601).rate == pytest.approx(3 / 60)


def simulated(slots: int, batches: tuple[int, ...], seconds: float, now: float, stages: int) -> Trace:
    """What is seen of jobs, in as many slots, that make one batch after the other; `seconds` is a stage of a sample.

    All samples of a job that is done have its time, as Snakemake leaves them.
    """
    rng = random.Random(0)
    finished: list[float] = []
    under_way: list[tuple[float, ...]] = []
    for _ in range(slots):
        time = rng.random() * sum(batches) * stages * seconds
        while time < now:
            time += 20  # to start the job
            job: list[float] = []
            for size in batches:
                times = []
                for _ in range(stages):
                    time += size * seconds * rng.uniform(0.8, 1.2)
                    times.append(time)
                if time <= now:
                    job += [time] * size
                elif seen := tuple(t for t in times if t <= now):
                    under_way += [seen] * size
            finished += [time] * len(job) if time <= now else job
    return Trace(stages, tuple(finished), tuple(under_way))


@pytest.mark.parametrize("slots", [1, 16])
@pytest.mark.parametrize("batches", [(8,), (8, 2), (5, 5)])
@pytest.mark.parametrize("seconds", [0.5, 2, 30])
def test_the_rate_is_near_that_of_simulated_jobs(slots, batches, seconds):
    stages = 27
    job = 20 + sum(batches) * stages * seconds
    true = slots * sum(batches) * stages / job
    for k in range(20):
        now = 2 * HOUR + job * (2 + 0.13 * k)
        seen = activity([simulated(slots, batches, seconds, now, stages)], now)
        assert not seen.stopped
        assert seen.rate is None or 0.7 * true < seen.rate < 1.5 * true
