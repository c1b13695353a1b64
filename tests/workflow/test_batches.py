"""What is missing, cut into batches: exactly the missing files, no two rules for one file."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viddiff.tree.paths import CHECKPOINT_PATTERN, Evaluation
from viddiff.workflow.batches import (
    VIDEOS_PER_JOB,
    BatchRule,
    Span,
    damaged_files,
    missing_animations,
    missing_elbos,
    missing_samples,
    named_batches,
    plan_batches,
)
from viddiff.workflow.targets import Request

HERE = Evaluation.named("deep/run.1", "ema_0.9999_000100", "autoreg_4_2_12_4")
THERE = Evaluation.named("run", "ema_0.9999_000100_ddim_respace10,20", "autoreg_4_2_12_4")


def producers(rules: list[BatchRule], path: str) -> list[tuple[Span, str]]:
    """Span and block of each rule that Snakemake would find for a path."""
    found = []
    for rule in rules:
        for ending in rule.span.endings():
            pattern = (
                rf"results/(?P<run>{rule.run_pattern})/{CHECKPOINT_PATTERN}/{CHECKPOINT_PATTERN}/samples/"
                rf"sample_(?P<block>[0-9][0-9]+){ending}-(?:0|[1-9][0-9]*)\.npy"
            )
            if match := re.fullmatch(pattern, path):
                found.append((rule.span, match["block"]))
    return found


@settings(max_examples=60, deadline=None)
@given(
    here=st.sets(st.tuples(st.integers(0, 130), st.integers(0, 1)), max_size=60),
    there=st.sets(
        st.tuples(st.integers(990, 1010) | st.integers(9990, 10020), st.just(11)), max_size=40
    ),  # the first digits of some are all of others
    size=st.sampled_from(VIDEOS_PER_JOB),
)
def test_each_missing_file_has_one_rule_and_no_other_file_has_any(here, there, size):
    rules = plan_batches({HERE: here, THERE: there}, size)
    for evaluation, missing, others in ((HERE, here, there), (THERE, there, here)):
        jobs = {}
        for video, sample in missing | others:
            found = producers(rules, str(evaluation.sample(video, sample)))
            if (video, sample) not in missing:
                assert not found
                continue
            assert len(found) == 1
            jobs.setdefault((*found[0], sample), set()).add(video)
        for (span, block, _), videos in jobs.items():
            assert videos == {int(block + ending) for ending in span.endings()}
            assert len(videos) <= size


def test_a_test_set_of_any_size_ends_with_a_shorter_batch():
    rules = plan_batches({HERE: [(video, 0) for video in range(27)]}, 10)
    assert [rule.span for rule in rules] == [Span(1, 0, 6), Span(1, 0, 9)]
    assert [str(rule.span) for rule in rules] == ["0_6", "0_9"]
    assert rules[0].paths("sample_{video}-{sample}.npy")[6] == "sample_{block}6-{sample}.npy"
    assert rules[0].path("{video}_{sample}.log") == "{block}0-{block}6_{sample}.log"


def test_blocks_of_more_than_ten_videos_vary_two_digits():
    rules = plan_batches({HERE: [(video, 0) for video in range(50)]}, 20)
    assert [str(rule.span) for rule in rules] == ["00_19", "20_39", "40_49"]


def test_ten_thousand_files_have_a_short_pattern():
    rules = plan_batches({HERE: [(video, 0) for video in range(10_000)]}, 10)
    assert len(rules) == 1
    assert len(rules[0].run_pattern) < 300


def test_elbos_have_rules_like_samples():
    rules = plan_batches({HERE: [(video, 0) for video in (3, 4, 12)]}, 10)
    assert [str(rule.span) for rule in rules] == ["2_2", "3_4"]
    for video, matching in (
        (3, [False, True]),
        (4, [False, True]),
        (12, [True, False]),
        (22, [False, False]),
    ):
        path = str(HERE.elbo(video)).removeprefix("results/")
        assert [bool(re.match(rule.run_pattern, path)) for rule in rules] == matching


def test_a_submitted_job_names_its_rule():
    arguments = [
        "snakemake",
        "--target-jobs",
        "sample_03_07:run=a,block=000,sample=1",
        "gif_0_4:run=a",
        "sample",
    ]
    assert [rule.span for rule in named_batches("sample", arguments)] == [Span(2, 3, 7)]
    assert [rule.span for rule in named_batches("gif", arguments)] == [Span(1, 0, 4)]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree of results with samples 0 to 2; animation 0 is there, 1 is older than its sample."""
    monkeypatch.chdir(tmp_path)
    for video in range(3):
        touch(HERE.sample(video, 0), 1000)
    touch(HERE.animation(0, 0, "gif"), 2000)
    touch(HERE.animation(1, 0, "gif"), 500)
    return tmp_path


def touch(path: Path, time: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.zeros(4, np.uint8)) if path.suffix == ".npy" else path.touch()
    os.utime(path, (time, time))


def test_missing_elbos_are_those_that_do_not_exist_or_are_targets(tree):
    request = Request()
    touch(HERE.elbo(0), 1000)
    touch(HERE.elbo(1), 1000)
    request.elbos[HERE] |= {(video, 0) for video in range(3)}
    request.files.add(str(HERE.elbo(1)))
    assert missing_elbos(request) == {HERE: {(1, 0), (2, 0)}}


def test_missing_are_files_that_do_not_exist_and_animations_that_are_old(tree):
    request = Request()
    request.samples[HERE] |= {(video, 0) for video in range(4)}
    assert missing_samples(request) == {HERE: {(3, 0)}}
    request.animations["gif"][HERE] |= {(video, 0) for video in range(5)}
    assert missing_animations(request, "gif") == {HERE: {(1, 0), (2, 0), (3, 0), (4, 0)}}
    assert missing_samples(request) == {HERE: {(3, 0), (4, 0)}}


def test_an_animation_whose_sample_was_deleted_is_left_alone(tree):
    HERE.sample(0, 0).unlink()
    request = Request()
    request.animations["gif"][HERE].add((0, 0))
    assert missing_animations(request, "gif") == {HERE: set()}
    assert missing_samples(request) == {HERE: set()}


def test_a_file_that_cannot_be_looked_at_hides_no_other(tree):
    (tree / HERE.sample(9, 0)).symlink_to("nowhere")
    request = Request()
    request.samples[HERE] |= {(video, 0) for video in (0, 1, 2, 9)}
    assert missing_samples(request) == {HERE: {(9, 0)}}


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00v\x00", b"text"])
def test_damaged_files_are_made_again_and_so_are_their_animations(tree, content):
    request = Request()
    for wanted in (request.samples, request.animations["gif"], request.elbos):
        wanted[HERE] |= {(video, 0) for video in range(2)}
    touch(HERE.elbo(0), 1000)
    touch(HERE.elbo(1), 1000)
    assert missing_animations(request, "gif") == {HERE: {(1, 0)}} and missing_elbos(request) == {HERE: set()}
    for path in (HERE.sample(0, 0), HERE.elbo(1)):
        path.write_bytes(content)
    assert missing_samples(request) == {HERE: {(0, 0)}} and missing_elbos(request) == {HERE: {(1, 0)}}
    assert missing_animations(request, "gif") == {HERE: {(0, 0), (1, 0)}}
    missing = {"sample": missing_samples(request), "elbo": {HERE: {(0, 0), (1, 0), (7, 0)}}}
    assert sorted(damaged_files(missing)) == [str(HERE.elbo(1)), str(HERE.sample(0, 0))]


def test_a_target_that_exists_keeps_a_rule(tree):
    request = Request()
    assert request.add_path(str(HERE.sample(1, 0)))
    assert missing_samples(request) == {HERE: {(1, 0)}}
