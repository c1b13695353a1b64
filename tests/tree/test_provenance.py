"""Records of what jobs made."""

import json
import subprocess
import sys
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version

import pytest
import torch

from viddiff.tree.provenance import recorded, versions


def records(folder):
    return [json.loads(path.read_text()) for path in (folder / "provenance").iterdir()]


def test_a_record_tells_what_was_made_by_what_and_when(tmp_path):
    with recorded(tmp_path, "samples_0000-0", "cpu", {"command": "snakemake x"}) as made:
        (begun,) = records(tmp_path)
        made.append(tmp_path / "samples" / "sample_0000-0.npy")
    assert "ended" not in begun and begun["command"] == "snakemake x"
    (record,) = records(tmp_path)
    assert record["made"] == ["samples/sample_0000-0.npy"] and record["outcome"] == "done"
    assert record["device"] == f"cpu ({torch.get_num_threads()} x)"
    assert record["versions"]["torch"] == torch.__version__
    assert datetime.fromisoformat(record["began"]) <= datetime.fromisoformat(record["ended"])
    assert datetime.fromisoformat(record["began"]).utcoffset() is not None


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_work_that_is_cut_short_is_recorded_as_such(tmp_path, error):
    with pytest.raises(error), recorded(tmp_path, "job", "cpu", {}) as made:
        made.append(tmp_path / "one")
        raise error
    (record,) = records(tmp_path)
    assert record["outcome"] == error.__name__ and record["made"] == ["one"]


def test_no_record_replaces_another(tmp_path):
    for _ in range(3):
        with recorded(tmp_path, "job", "cpu", {}):
            pass
    assert len(records(tmp_path)) == 3


def test_what_is_not_installed_has_no_version(monkeypatch):
    def found(package):
        if package != "numpy":
            raise PackageNotFoundError(package)
        return version(package)

    monkeypatch.setattr("viddiff.tree.provenance.version", found)
    told = versions.__wrapped__()
    assert told["viddiff"] is None and told["snakemake"] is None and told["numpy"] == version("numpy")


def test_the_commit_is_told_where_there_is_one(tmp_path):
    """A package in a git checkout with and without changes, and in none."""
    code = "import viddiff.tree.provenance as p; print(p._commit(p.Path('.')))"

    def commit() -> str:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def git(*arguments: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        return subprocess.run(
            ["git", *who, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout.strip()

    assert commit() == "None"
    git("init")
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "-m", "one")
    assert commit() == git("rev-parse", "HEAD")
    (tmp_path / "file").write_text("two")
    assert commit() == git("rev-parse", "HEAD") + "-dirty"
    assert {"viddiff", "torch", "numpy", "snakemake", "python", "platform", "commit", "cuda"} == set(
        versions()
    )
