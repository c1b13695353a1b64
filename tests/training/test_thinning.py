"""`keep_last` and `keep_every`: which sets stay, and that nothing else is removed."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import SETTINGS, Stub

from viddiff.training import loop
from viddiff.training.config import training_config
from viddiff.training.loop import train
from viddiff.training.run_files import kept_steps


@pytest.fixture(autouse=True)
def stub(monkeypatch):
    monkeypatch.setattr(loop, "build_model", lambda config: Stub())


def settings(**changes):
    return training_config(SETTINGS | {"save_interval": 1, "keep_last": 2} | changes)


def saved(run: Path, kind: str) -> list[int]:
    return sorted(int(path.stem[-6:]) for path in run.glob(f"{kind}_*.pt"))


@given(st.sets(st.integers(1, 50)), st.integers(0, 5), st.integers(0, 10))
def test_the_newest_and_the_multiples_stay(steps, keep_last, keep_every):
    kept = kept_steps(steps, keep_last, keep_every)
    newest = sorted(steps)[-keep_last:]
    assert set(kept) == {step for step in steps if step in newest or (keep_every and step % keep_every == 0)}
    assert kept == sorted(kept) and (not steps or max(steps) in kept)


@pytest.mark.parametrize(("keep_every", "left"), [(0, [7, 8]), (3, [3, 6, 7, 8])])
def test_a_training_keeps_these_and_goes_on_from_the_newest(tmp_path, data, keep_every, left):
    train(settings(steps=5, keep_every=keep_every), data, tmp_path / "run")
    train(settings(keep_every=keep_every), data, tmp_path / "run")
    assert saved(tmp_path / "run", "opt") == saved(tmp_path / "run", "ema_0.9") == left
    train(settings(keep_last=0), data, tmp_path / "whole")
    newest = "model_000008.pt"
    assert (tmp_path / "run" / newest).read_bytes() == (tmp_path / "whole" / newest).read_bytes()


def test_what_training_did_not_write_stays(tmp_path, data, caplog):
    train(settings(steps=2), data, tmp_path)
    (tmp_path / "ema_0.9_000001.pt").write_bytes(b"somebody's")
    (tmp_path / "ema_0.99_000001.pt").write_bytes(b"somebody's")
    with caplog.at_level(logging.WARNING):
        train(settings(), data, tmp_path)
    assert {path.name for path in tmp_path.glob("*_000001.pt")} == {"ema_0.9_000001.pt", "ema_0.99_000001.pt"}
    assert sum("not removed, as keep_last asks" in message for message in caplog.messages) == 2


def test_a_stop_changes_nothing_of_what_stays(tmp_path, data):
    """Planning has promised what the whole training leaves."""
    seen = iter(range(100))
    train(settings(steps=8, save_interval=2), data, tmp_path, stop=lambda: next(seen) == 6)
    assert saved(tmp_path, "opt") == [4, 6, 7]
    train(settings(steps=8, save_interval=2), data, tmp_path)
    assert saved(tmp_path, "opt") == [6, 8]
