"""What a command line asks of files that are there: refused in one line where no job can do it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from viddiff.errors import InputError
from viddiff.workflow.options import Options, check_forced, read_options

SAMPLE = "results/run/model_000001/autoreg_4_4_12_4/samples/sample_0003-0.npy"


def workflow_of(*rules, main=True):
    modifier = SimpleNamespace(is_main_snakefile=lambda: main)
    return SimpleNamespace(
        modifier=modifier,
        is_rule=lambda name: name in rules,
        get_rule=lambda name: SimpleNamespace(output=[] if name.startswith("train_") else ["a file"]),
    )


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "test.pt").touch()
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("all", Options(frozenset({"all"}))),
        ("-R a ./b -- all", Options(frozenset({"all"}), frozenset({"a", "b"}))),
        ("--force a", Options(frozenset({"a"}), frozenset({"a"}))),
        ("-F a", Options(frozenset({"a"}), frozenset({"a"}), forces_all=True)),
        ("--touch -F a", Options(frozenset({"a"}))),
        ("--delete-all-output a", Options(frozenset({"a"}), deletes=True)),
        ("--delete-temp-output", Options(deletes=True)),
    ],
)
def test_options_are_read(line, wanted):
    assert read_options(["--cores", "1", *line.split()]) == wanted


def test_a_file_that_is_there_is_an_output_only_if_it_is_asked_for():
    assert Options().makes("rule", "data/train.pt") and not Options().makes("rule", "data/test.pt")
    for name in ("rule", "data/test.pt"):
        asked = frozenset({name})
        assert Options(asked).makes("rule", "data/test.pt")
        assert not Options(asked, deletes=True).makes("rule", "data/test.pt")
        assert not Options(asked, forced=asked).makes("rule", "data/test.pt")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (SAMPLE, f"^{SAMPLE} is there: made again it would be the same, .* Remove it to have it made again$"),
        ("samples", "^samples makes nothing itself: remove the files"),
        ("sample_0_4", "^sample_0_4 has nothing to make: remove the files"),
        ("train_demo", "^train_demo has nothing to make: remove the files"),
        ("data/test.pt", "^data/test.pt is there, and no rule makes it again: move it away first$"),
    ],
)
def test_what_is_forced_and_cannot_be_made_anew_is_refused(name, message):
    with pytest.raises(InputError, match=message):
        check_forced(workflow_of("samples", "train_demo"), Options(forced=frozenset({name})), {SAMPLE})


def test_what_is_forced_and_has_a_rule_is_let_through():
    names = frozenset({"evaluate", "sample_0_4", "data/train.pt", "results/plans.csv"})
    check_forced(workflow_of("evaluate", "sample_0_4"), Options(forced=names), {SAMPLE})
    check_forced(workflow_of("all"), Options(forced=frozenset({"all"}), forces_all=True), {SAMPLE})
    # Rules and files of another workflow that uses this one.
    others = frozenset({"all", "train_theirs", "data/test.pt"})
    check_forced(workflow_of(main=False), Options(forced=others), {SAMPLE})
