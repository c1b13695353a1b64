"""The state of a training run on disk: per saved step a set of files `{opt,model,ema_<rate>}_<step>.pt`.

The opt file holds the hashes of the others; a set is complete if all are there and match. A set is first written
whole under names of its own, `.next-<kind>.pt`, then renamed file by file, the opt file last, to its step or to
`latest`. A kill at any moment leaves a complete set, perhaps under both names, and an opt file that knows each file
that was renamed or is to be replaced. So whatever no opt file knows is somebody else's, and stays. The random state is
the seed and the step: all draws come from them.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from viddiff.checkpoint import checkpoint_dict, encode, load_checkpoint, load_tensors
from viddiff.errors import InputError
from viddiff.files.write import sha256_file, write_bytes
from viddiff.training.changeable import changed_settings, recorded_changes
from viddiff.training.data_record import data_changes
from viddiff.training.originals import continue_original
from viddiff.training.run_files import (
    RunFile,
    check_resumable,
    foreign,
    original_set,
    run_files,
    set_path,
    staged_path,
)
from viddiff.training.run_state import (
    START,
    SavedSet,
    TrainingState,
    averages_of,
    check_rates,
    is_finite,
    other_settings,
    take_moments,
    take_over,
)

_KIND = re.compile(r"model|ema_[0-9][0-9.e-]*|power_[0-9.]+")
logger = logging.getLogger(__name__)


def save_state(run_dir: Path, state: TrainingState, config: dict[str, Any], data: str = "") -> None:
    """Write the set of files of the present step. data: a record of the training data, see `record_data`.

    Raises `OutputError` if the system refuses, `InputError` if files of this step are there already.
    """
    if state.start_sha256:
        config = config | {START: state.start_sha256}
    weights = {"model": state.model.state_dict()}
    for kind, average in state.named_averages().items():
        weights[kind] = weights["model"] | average
    files = {kind: encode(checkpoint_dict(values, config, state.step)) for kind, values in weights.items()}
    hashes = {kind: hashlib.sha256(data).hexdigest() for kind, data in files.items()}
    told = {"step": state.step, "seed": config["fake_seed"], "sha256": hashes, "config": config, "data": data}
    if state.history is not None:
        told["history"] = state.history.saved()
    if state.scaler.is_enabled():
        told["scaler"] = state.scaler.state_dict()
    files["opt"] = encode(state.optimizer.state_dict() | told)
    targets = _targets(run_dir, files, state.step, config)
    if not config["save_latest_only"] and (there := [path for path in targets.values() if path.exists()]):
        raise foreign(there[0])
    for kind, content in files.items():
        write_bytes(staged_path(run_dir, kind), content)
    for kind, target in targets.items():
        os.replace(staged_path(run_dir, kind), target)


def resume_state(
    run_dir: Path, state: TrainingState, config: dict[str, Any], last_step: int, data: str = ""
) -> dict[str, tuple[Any, Any]]:
    """Set `state` to the newest set that is complete and finite; leave it if the run has none.

    Others are skipped with a warning. If the newest is beyond `last_step`, its step alone is taken, with a warning.
    The set found gets the names that `config` asks for, if it has others. What stands where training will write is set
    aside if it is the run's own. data: as of `save_state`; a warning says what has changed. A run that has files of the
    original alone goes on from its newest set, see `viddiff.training.originals`.

    Returns the settings that have changed since the set: by key, what they were and what they are.

    Raises `InputError`, before anything is changed, if training would overwrite files that are not the run's own, if
    the set was trained with other settings, or if the run has files but no sound set.
    """
    check_resumable(run_dir, last_step, config["save_latest_only"])
    if original := original_set(run_dir):
        differing = continue_original(run_dir, original, state, config, last_step)
        clear_staged(run_dir)
        return differing
    opts = _own_opts(run_dir)
    found = None
    for found in _complete_sets(run_dir, opts, config):
        if found.step > last_step:
            logger.warning(
                "%s: is trained to step %d, beyond the %d asked for; nothing is done",
                run_dir,
                found.step,
                last_step,
            )
            state.step = found.step
            return {}
        check_rates(
            found.files["opt"], found.opt.get("config", {}), state, found.files, found.step == last_step
        )
        if _restore(state, found, run_dir, config):
            break
        logger.warning("not resumed from: %s: holds weights that are not finite", found.files["model"])
    else:
        if files := run_files(run_dir):
            raise InputError(
                f"{files[0].path}: there is no whole and finite set of files to go on from; move the checkpoints of "
                f"{run_dir} away to start anew, or name another run"
            )
    in_the_way = _in_the_way(run_dir, state.step, last_step, config, opts)
    if found is not None:
        if changes := data_changes(str(found.opt.get("data", "")) or data, data):
            logger.warning("%s: the training data are not those of step %d: %s", run_dir, state.step, changes)
        _rename_set(run_dir, found, config)
    for file in in_the_way:
        aside = _free_name(file.path)
        logger.warning("%s: unsound, set aside as %s", file.path, aside.name)
        os.replace(file.path, aside)
    clear_staged(run_dir)
    return {} if found is None else recorded_changes(found.opt.get("config", {}) or config, config)


def clear_staged(run_dir: Path) -> None:
    """Remove what a kill left of savings that it cut short."""
    staged = staged_path(run_dir, "*").name
    for leftover in (staged, f".tmp-*-{staged}", ".tmp-*-log.csv"):  # of savings that a kill cut short
        for path in run_dir.glob(leftover):
            path.unlink()


def _restore(state: TrainingState, found: SavedSet, run_dir: Path, config: dict[str, Any]) -> bool:
    """Take over a set; false, and nothing is taken, if it is not finite. Raises `InputError` for other settings."""
    model = load_checkpoint(found.files["model"])
    saved = averages_of(state, model, found.files)
    if not is_finite([model.state_dict, found.opt["state"], *saved.values()]):
        return False
    if changed := _changed(model.config, config):
        raise other_settings(run_dir, changed)
    if state.history is not None and model.config.get("schedule_sampler") == config["schedule_sampler"]:
        state.history.restore(found.opt.get("history"), found.files["opt"])
    take_moments(state.optimizer, {key: found.opt[key] for key in ("state", "param_groups")})
    if state.scaler.is_enabled() and "scaler" in found.opt:
        state.scaler.load_state_dict(found.opt["scaler"])
    take_over(state, model, saved)
    state.start_sha256 = model.config.get(START, "")
    return True


def _rename_set(run_dir: Path, found: SavedSet, config: dict[str, Any]) -> None:
    """Give a set the names that the settings ask for: finish what a kill cut short, or copy it from other names."""
    for kind, target in _targets(run_dir, found.files, found.step, config).items():
        path = found.files[kind]
        if path == staged_path(run_dir, kind):
            os.replace(path, target)
        elif path != target:
            write_bytes(target, path.read_bytes())


def _targets(
    run_dir: Path, kinds: Mapping[str, Any], step: int, config: Mapping[str, Any]
) -> dict[str, Path]:
    """The names of a set's files, the opt file last."""
    end = None if config["save_latest_only"] else step
    return {kind: set_path(run_dir, kind, end) for kind in sorted(kinds, key=lambda kind: kind == "opt")}


def _in_the_way(
    run_dir: Path, step: int, last_step: int, config: dict[str, Any], opts: Mapping[Path, Mapping[str, Any]]
) -> list[RunFile]:
    """The run's own files of unsound sets where training from `step` will write numbered ones, opt files last.

    Raises `InputError` for files there, or of the `latest` set that it will replace, that are not the run's own.
    """
    own = {path: opt for path, opt in opts.items() if not _changed(opt.get("config", {}), config, opt)}
    known = {digest for opt in own.values() for digest in opt["sha256"].values()}
    own_steps = {opt["step"] for path, opt in own.items() if path == set_path(run_dir, "opt", opt["step"])}
    latest = config["save_latest_only"]
    found = []
    for file in run_files(run_dir):
        if file.step == (None if latest else step):
            if file.path not in own and sha256_file(file.path) not in known:
                raise foreign(file.path)
        elif not latest and file.step is not None and step < file.step <= last_step:
            if file.step not in own_steps:
                raise foreign(file.path)
            found.append(file)
    return sorted(found, key=lambda file: file.kind == "opt")


def _own_opts(run_dir: Path) -> dict[Path, dict[str, Any]]:
    """What the opt files of this program hold, those of a set that is being saved too."""
    paths = [file.path for file in run_files(run_dir) if file.kind == "opt"]
    opts = {}
    for path in [*paths, staged_path(run_dir, "opt")]:
        if not path.is_file():
            continue
        try:
            content = load_tensors(path, mmap=True)
            if content.keys() == {"state", "param_groups"}:
                continue  # the original's, which this run may have gone on from
            step, hashes = content["step"], content["sha256"]
            # The names become file names.
            if not isinstance(step, int) or not isinstance(hashes, dict) or "model" not in hashes:
                raise TypeError("step and sha256 are not those of a training state")
            if strange := [kind for kind in hashes if not _KIND.fullmatch(str(kind))]:
                raise TypeError(f"sha256 names {strange[0]!r:.60}, which training does not write")
            opts[path] = content
        except InputError as error:
            logger.warning("not resumed from: %s", error)
        except KeyError as error:
            logger.warning("not resumed from: %s: lacks %s", path, error)
        except TypeError as error:
            logger.warning("not resumed from: %s: %s", path, error)
    return opts


def _complete_sets(
    run_dir: Path, opts: Mapping[Path, Mapping[str, Any]], config: Mapping[str, Any]
) -> Iterator[SavedSet]:
    """The complete sets, the newest first."""
    for opt_path, opt in sorted(opts.items(), key=lambda item: item[1]["step"], reverse=True):
        files = {"opt": opt_path}
        for kind, digest in opt["sha256"].items():
            ends = (None, opt["step"]) if config["save_latest_only"] else (opt["step"], None)
            places = [*(set_path(run_dir, kind, end) for end in ends), staged_path(run_dir, kind)]
            found = next((path for path in places if path.is_file() and sha256_file(path) == digest), None)
            if found is None:
                if opt_path != staged_path(run_dir, "opt"):
                    logger.warning("not resumed from: %s: its %s file is missing or damaged", opt_path, kind)
                break
            files[kind] = found
        else:
            yield SavedSet(opt["step"], files, opt)


def _changed(
    saved: Mapping[str, Any], config: Mapping[str, Any], opt: Mapping[str, Any] | None = None
) -> str:
    """Which settings differ that a run cannot change, in words.

    opt: what an opt file holds, which may be older than the record of its settings and then tells the seed alone.
    """
    if opt is not None and not saved:
        return "" if opt.get("seed") == config["fake_seed"] else "seed"
    return changed_settings(saved, config)


def _free_name(path: Path) -> Path:
    """A name beside `path` that nothing has, and that is no checkpoint's."""
    names = (path.with_name(f"{path.name}.unsound{number or ''}") for number in range(10**6))
    return next(name for name in names if not name.exists())
