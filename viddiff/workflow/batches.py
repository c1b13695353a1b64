"""Missing samples, animations and ELBOs, cut into jobs.

A job makes a batch: consecutive test videos of one evaluation directory and one sample index. Snakemake
fixes the outputs of a rule when it reads it, so there is one rule per *span*, the last digits of the first
and the last video: span `0_9` makes `sample_<block>0` … `sample_<block>9`, whatever the block. A call has
the rules of the spans that it needs, and each rule takes just the files planned for it. So exactly what is
asked for and missing is made, for any number of videos, and a file that exists is no job's output: nothing
can delete or remake it.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path

from viddiff.files.npy import is_whole
from viddiff.tree.paths import ANIMATIONS, RUN_PATTERN, Evaluation, sample_name
from viddiff.workflow.targets import Pairs, Request

VIDEOS_PER_JOB = (1, 2, 5, 10, 20, 25, 50, 100)  # a block may not cross the digits that a span varies


@dataclass(frozen=True, order=True)
class Span:
    """The videos of a batch by their last digits, as many as `digits` says."""

    digits: int
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.first:0{self.digits}d}_{self.last:0{self.digits}d}"

    def endings(self) -> list[str]:
        """How the numbers of the videos end: `["0", "1", …]`."""
        return [f"{number:0{self.digits}d}" for number in range(self.first, self.last + 1)]


@dataclass(frozen=True)
class BatchRule:
    """A span, and the pattern of the wildcard `run` that lets in only the files planned for it."""

    span: Span
    run_pattern: str

    def paths(self, pattern: str) -> list[str]:
        """The pattern of each video's file: `pattern` with `{block}<last digits>` for `{video}`."""
        return [pattern.replace("{video}", "{block}" + ending) for ending in self.span.endings()]

    def path(self, pattern: str) -> str:
        """The pattern of the batch's file: `pattern` with the first and last video for `{video}`."""
        endings = self.span.endings()
        return pattern.replace("{video}", f"{{block}}{endings[0]}-{{block}}{endings[-1]}")


def missing_samples(request: Request) -> Pairs:
    """The samples to make: those that are asked for, or that an animation to make shows, and are not there whole."""
    wanted = {evaluation: set(pairs) for evaluation, pairs in request.samples.items()}
    for ext in ANIMATIONS:
        for evaluation, pairs in missing_animations(request, ext).items():
            wanted.setdefault(evaluation, set()).update(pairs)
    missing = {}
    for evaluation, pairs in wanted.items():
        whole = whole_in(evaluation.directory / "samples")
        missing[evaluation] = {
            pair
            for pair in pairs
            if f"{sample_name(*pair)}.npy" not in whole or str(evaluation.sample(*pair)) in request.files
        }
    return missing


def missing_animations(request: Request, ext: str) -> Pairs:
    """The animations of a kind to make: those that do not exist, or are older than their sample is or will be."""
    missing = {}
    for evaluation, pairs in request.animations.get(ext, {}).items():
        samples, videos = (
            whole_in(evaluation.directory / "samples"),
            files_in(evaluation.directory / "videos"),
        )
        asked = request.samples.get(evaluation, set())
        missing[evaluation] = {
            pair
            for pair in pairs
            if (made := videos.get(f"{sample_name(*pair)}.{ext}")) is None
            or _is_newer(samples.get(f"{sample_name(*pair)}.npy"), made, pair in asked)
            or str(evaluation.animation(*pair, ext)) in request.files
        }
    return missing


def missing_elbos(request: Request) -> Pairs:
    """The ELBOs to make: those that are not there whole."""
    missing = {}
    for evaluation, pairs in request.elbos.items():
        whole = whole_in(evaluation.elbo(0).parent)
        missing[evaluation] = {
            (video, 0)
            for video, _ in pairs
            if evaluation.elbo(video).name not in whole or str(evaluation.elbo(video)) in request.files
        }
    return missing


def damaged_files(missing: Mapping[str, Pairs]) -> list[str]:
    """Those of the missing `sample` and `elbo` files that are there, but cut off or no array files at all."""
    samples, elbos = missing["sample"].items(), missing["elbo"].items()
    folders = [
        (e.sample(0, 0).parent, {f"{sample_name(*pair)}.npy" for pair in pairs}) for e, pairs in samples
    ]
    folders += [(e.elbo(0).parent, {e.elbo(video).name for video, _ in pairs}) for e, pairs in elbos]
    there = [folder / name for folder, names in folders for name in names & files_in(folder).keys()]
    return [str(path) for path in there if not is_whole(path)]


def plan_batches(
    missing: Mapping[Evaluation, Iterable[tuple[int, int]]],
    videos_per_job: int,
    there: Mapping[Evaluation, set[tuple[int, int]]] | None = None,
) -> list[BatchRule]:
    """The rules that make the missing files, at most `videos_per_job`, one of `VIDEOS_PER_JOB`, in a job.

    there: those among them that are there, but need a rule. They share no job with others, which would touch them.
    """
    digits = 1 if 10 % videos_per_job == 0 else 2
    files: dict[Span, dict[Evaluation, dict[str, set[int]]]] = defaultdict(lambda: defaultdict(dict))
    for evaluation, pairs in missing.items():
        apart = (there or {}).get(evaluation, set())
        runs = (_runs(part, videos_per_job) for part in (set(pairs) - apart, apart))
        for first, last, sample in chain.from_iterable(runs):
            block, start = divmod(first, 10**digits)
            blocks = files[Span(digits, start, start + last - first)][evaluation]
            blocks.setdefault(f"{block:0{4 - digits}d}", set()).add(sample)
    return [BatchRule(span, _run_pattern(span, files[span])) for span in sorted(files)]


def named_batches(rule: str, arguments: Iterable[str]) -> list[BatchRule]:
    """The rules that the arguments of a submitted job name, as `<rule>_<span>:<wildcards>`."""
    matches = (re.match(rf"{rule}_([0-9]+)_([0-9]+):", argument) for argument in arguments)
    spans = {Span(len(match[1]), int(match[1]), int(match[2])) for match in matches if match}
    return [BatchRule(span, RUN_PATTERN) for span in sorted(spans)]


def files_in(folder: Path) -> dict[str, os.stat_result]:
    """The files by name, without what vanishes meanwhile, as the temporary files of a job do."""
    files = {}
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                files[entry.name] = entry.stat()
    return files


def whole_in(folder: Path) -> dict[str, os.stat_result]:
    """The array files that are whole. One header is read for each size: those of a folder have the same one."""
    files = {name: stat for name, stat in files_in(folder).items() if name.endswith(".npy")}
    first_of_size = {stat.st_size: folder / name for name, stat in files.items()}
    sizes = {size for size, path in first_of_size.items() if is_whole(path)}
    return {name: stat for name, stat in files.items() if stat.st_size in sizes}


def _is_newer(sample: os.stat_result | None, animation: os.stat_result, asked: bool) -> bool:
    """Whether a sample is newer than its animation, or will be: it is not there whole and is asked for."""
    return asked if sample is None else sample.st_mtime_ns > animation.st_mtime_ns


def _runs(pairs: Iterable[tuple[int, int]], videos_per_job: int) -> Iterator[tuple[int, int, int]]:
    """(first video, last video, sample) of runs of successive videos; none crosses a multiple of the size."""
    in_order = sorted((sample, video) for video, sample in pairs)
    starts = [
        index
        for index, (sample, video) in enumerate(in_order)
        if video % videos_per_job == 0 or index == 0 or in_order[index - 1] != (sample, video - 1)
    ]
    for start, end in pairwise([*starts, len(in_order)]):
        sample, first = in_order[start]
        yield first, in_order[end - 1][1], sample


def _run_pattern(span: Span, files: Mapping[Evaluation, Mapping[str, set[int]]]) -> str:
    """`RUN_PATTERN` behind a look-ahead at the rest of the path, which must be one of the planned files."""
    ending = "[0-9]" * span.digits
    paths = []
    for evaluation, blocks in files.items():
        by_samples = defaultdict(set)
        for block, samples in blocks.items():
            by_samples["|".join(map(str, sorted(samples)))].add(block)
        names = "|".join(
            f"{_any_of(blocks)}{ending}(?:-(?:{samples}))?[.]" for samples, blocks in by_samples.items()
        )
        directory = re.escape("/".join(evaluation.names))
        paths.append(f"{directory}/[a-z]+/[a-z]+_(?:{names})")
    return f"(?={'|'.join(paths)}){RUN_PATTERN}"


def _any_of(words: set[str]) -> str:
    """A short pattern of just these words of digits: equal ends are shared: `(?:[01](?:[02])|[2](?:[0]))`."""
    if words == {""}:
        return ""
    firsts: dict[str, str] = defaultdict(str)
    for first in sorted({word[0] for word in words if word}):
        firsts[_any_of({word[1:] for word in words if word[:1] == first})] += first
    choices = "|".join(f"[{first}]{ending}" for ending, first in firsts.items())
    return f"(?:{choices}){'?' if '' in words else ''}"  # some words end here where others go on
