"""Strategies in Python files of users: one function with `@strategy`, loaded and guarded."""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Iterator
from dataclasses import replace
from functools import wraps
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from operator import index
from pathlib import Path
from types import CodeType
from typing import Any

from viddiff.errors import InputError, PlanError
from viddiff.inference.plan import Stage
from viddiff.inference.strategies import Stages, Strategy, strategy

MOST_STAGES_PER_FRAME = 100  # of a user's function; more mean that it does not end
ANY_PARAMETERS = (64, 8, 16, 4)  # with which a name is tried: only its own faults count


class _Source(SourceFileLoader):
    """Loads a Python file as it is now: no bytecode is kept, so none can be older than the file."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def load_strategy(name: str, path: Path) -> Strategy:
    """The one strategy that a Python file registers, guarded."""
    if path.is_absolute() or ".." in path.parts or path.suffix != ".py":
        raise InputError(
            f"file is {str(path)!r:.200}, must be a .py file below the working directory, without .."
        )
    if not path.is_file():
        raise InputError(f"no file {path}")
    module_name = f"viddiff_mode_{name.replace('-', '_')}"
    loader = _Source(module_name, str(path))
    spec = spec_from_loader(module_name, loader)
    assert spec is not None  # of a loader that is given
    module = module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        with strategy.apart() as registered:
            loader.exec_module(module)
    except Exception as error:
        raise InputError(_failure(path, error)) from error
    if list(registered) != [name]:
        found = ", ".join(registered) or "no strategy"
        raise InputError(f'{path} registers {found}, must register {name} alone: @strategy("{name}")')
    try:
        inspect.signature(registered[name].stages).bind(*ANY_PARAMETERS)
    except TypeError as error:
        raise InputError(
            f"{path}: the strategy must take length, n_obs, window, step_size, and options by keyword: {error}"
        ) from None
    return replace(registered[name], stages=_guarded(registered[name].stages, path))


def _guarded(rule: Stages, path: Path) -> Stages:
    """The same rule; whatever goes wrong in it is a `PlanError` that names the file."""

    @wraps(rule)
    def stages(length: int, n_obs: int, window: int, step_size: int, **options: Any) -> Iterator[Stage]:
        try:
            for count, stage in enumerate(rule(length, n_obs, window, step_size, **options)):
                if count == MOST_STAGES_PER_FRAME * length:
                    raise PlanError(f"{path} makes more than {count} stages: it does not seem to end")
                if not isinstance(stage, Stage):
                    raise PlanError(f"{path} yields {stage!r}, must yield stages, Stage(observed, latent)")
                observed, latent, starts, ends = (
                    tuple(map(index, numbers))
                    for numbers in (stage.observed, stage.latent, stage.starts, stage.ends)
                )
                levels, phase = map(index, (stage.levels, stage.phase))
                if stage.n_select:
                    raise PlanError(
                        f"{path} yields a stage with n_select: frames are selected by the variant adaptive- alone"
                    )
                yield Stage(observed, latent, 0, levels, starts, ends, bool(stage.second), phase)
        except InputError:
            raise
        except Exception as error:
            raise PlanError(_failure(path, error)) from error

    return stages


def _failure(path: Path, error: Exception) -> str:
    """What went wrong in a user's file, and where."""
    lines = [
        entry.lineno for entry in traceback.extract_tb(error.__traceback__) if entry.filename == str(path)
    ]
    if isinstance(error, SyntaxError):
        lines, error = [error.lineno], type(error)(error.msg)
    where = f", line {lines[-1]}" if lines else ""
    return f"{path}{where}: {type(error).__name__}: {error}"
