"""What can be known to fail of metrics before the first job starts: weights, videos, samples, files that are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from viddiff.errors import InputError, missing_file, naming
from viddiff.files.archives import check_whole, is_torchscript
from viddiff.files.json_files import GROWING, read_json
from viddiff.registry import declared_facts
from viddiff.workflow.permissions import check_writable
from viddiff.workflow.sections import Configuration, Metrics
from viddiff.workflow.targets import Cell


def check_weights(path: Path, what: str) -> None:
    """Raise `InputError` if a file of weights that a rule makes is damaged, or not there and cannot be written."""
    if path.is_file():
        check_whole(path, f"file of {what} weights")
    else:
        check_writable(path.parent)


def check_metric_weights(config: Configuration) -> None:
    """Raise `InputError` if a network that the configured metrics need is damaged, cannot be had or is not there."""
    if config.metrics.needs_alexnet:
        check_weights(Path(config.alexnet), "LPIPS")
    if config.metrics.needs_i3d:
        check_weights(Path(config.i3d), "I3D")
    named = {"fvd.weights": config.metrics.fvd.weights}
    for name in config.metrics.descriptors & config.metrics.extractors.keys():
        named[f"extractors.{name}.file"] = config.metrics.extractors[name].file
    for key, file in named.items():
        if file is None:
            continue
        if not file.is_file():
            raise missing_file(f"file that config key metrics.{key} names:", file)
        with naming(f"config key metrics.{key}"):
            if key != "fvd.weights" and not is_torchscript(file):
                raise InputError(f"{file} is no TorchScript file, as torch.jit.save makes it")
            if not is_torchscript(file):
                check_whole(file, "file of weights")


def check_measurable(metrics: Metrics, cell: Cell, true_frames: int | None = None) -> None:
    """Check that the configured metrics exist for so many videos, samples and frames, which costs no look at a file.

    true_frames: of the videos of the dataset, if they are known.

    Raises `InputError` that names the file, the metric and what it needs.
    """
    facts, of_sets = declared_facts("metric", "viddiff.metrics"), metrics.set_facts
    descriptors = declared_facts("descriptor", "viddiff.metrics")
    descriptors |= {name: {"fewest_frames": part.frames} for name, part in metrics.extractors.items()}
    for name in metrics.names:
        of_set = of_sets.get(name, {"descriptor": ""})
        fewest_videos = of_set.get("fewest_videos", 1)
        fewest_frames = descriptors.get(of_set["descriptor"], {}).get("fewest_frames", 1)
        fewest_samples = 2 if facts.get(name, {}).get("joint") else 1
        measured = min(cell.T, true_frames or cell.T)
        frames = [("frames with a truth" if measured < cell.T else "frames", measured, fewest_frames)]
        if metrics.options(name).get("frames") == ("fvd.frames", "generated"):
            made = measured - cell.evaluation.mode.given("obs_length")
            frames = [("generated frames", made, fewest_frames)]
        for what, found, fewest in (
            ("videos", cell.videos, fewest_videos),
            ("samples of each video", cell.samples, fewest_samples),
            *frames,
        ):
            if found < fewest:
                path = cell.metrics("json")
                raise InputError(f"{path}: metric {name} needs {fewest} {what} or more, found {found}")


def check_defined(metrics: Metrics, cell: Cell, dataset: str, kind: str) -> None:
    """Raise `InputError` if a configured metric is not defined for the kind of a cell's dataset."""
    facts = declared_facts("metric", "viddiff.metrics") | metrics.set_facts
    for name in metrics.names:
        allowed = facts.get(name, {}).get("datasets", ())
        if allowed and kind not in allowed:
            of_kind = "" if kind == dataset else f" of kind {kind}"
            raise InputError(
                f"{cell.metrics('json')}: metric {name} is defined for {' and '.join(allowed)} alone, the dataset is "
                f"{dataset}{of_kind}"
            )


def check_measured(wanted: Metrics, path: Path) -> None:
    """Check that an existing metrics file, `.json`, holds what the configuration asks for.

    Raises `InputError` if a metric is missing, or was measured by another protocol; the file is never made anew by
    itself. A file that cannot be read is left to those who read it.
    """
    try:
        held = read_json(path, GROWING)["metrics"]
        protocols = {name: dict(held[name].get("protocol", {})) for name in wanted.names if name in held}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    way_out = (
        f"remove {path.with_suffix('')}.* to have them measured anew "
        f"(for all modes, {path.parents[1]}/*/{path.stem}.*); samples stay"
    )
    if lacking := [name for name in wanted.names if name not in held]:
        raise InputError(f"{path} lacks {', '.join(lacking)}, which metrics.names asks for; {way_out}")
    for name, protocol in protocols.items():
        for part, (key, value) in wanted.options(name).items():
            if part in protocol and (found := protocol[part]) != value:
                raise InputError(
                    f"{path}: {name} was measured with {key} {_plain(found)}, the configuration says "
                    f"{_plain(value)}; {way_out}"
                )


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else f"{value!r:.40}"
