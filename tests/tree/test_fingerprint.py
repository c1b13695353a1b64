"""The claim on an evaluation directory."""

import errno
import json
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from viddiff.errors import InputError, OutputError
from viddiff.tree.fingerprint import NAME, check_claim, claim

FIELDS = {"checkpoint_sha256": "aa", "sampler": "ddim", "mode": {"T": 60}}


def test_first_claim_is_kept_and_equal_claims_pass(tmp_path):
    claim(tmp_path / "run", FIELDS)
    claim(tmp_path / "run", dict(reversed(FIELDS.items())))
    assert json.loads((tmp_path / "run" / NAME).read_text()) == FIELDS
    assert [path.name for path in (tmp_path / "run").iterdir()] == [NAME]


@pytest.mark.parametrize("field, value", [("checkpoint_sha256", "bb"), ("mode", {"T": 61})])
def test_a_difference_names_the_field_both_values_and_the_way_out(tmp_path, field, value):
    claim(tmp_path, FIELDS)
    with pytest.raises(InputError) as error:
        claim(tmp_path, FIELDS | {field: value})
    message = str(error.value)
    assert all(part in message for part in (field, repr(FIELDS[field]), repr(value), "remove", str(tmp_path)))
    assert "\n" not in message
    assert json.loads((tmp_path / NAME).read_text()) == FIELDS


@pytest.mark.parametrize("content", ["", "[]", '{"checkpoint_sha256": ', "\x00"])
def test_a_damaged_claim_is_refused(tmp_path, content):
    (tmp_path / NAME).write_text(content)
    with pytest.raises(InputError, match="remove"):
        claim(tmp_path, FIELDS)


@pytest.mark.parametrize("result", ["samples/sample_0000-0.npy", "elbos/elbo_0000.npy"])
def test_results_without_a_claim_are_not_added_to(tmp_path, result):
    (tmp_path / result).parent.mkdir()
    (tmp_path / result).touch()
    with pytest.raises(InputError, match=f"has no fingerprint.json, so nothing tells what made {result}"):
        claim(tmp_path, FIELDS)
    assert not (tmp_path / NAME).exists()


def test_a_part_is_compared_with_what_was_claimed_if_anything_was(tmp_path):
    check_claim(tmp_path, {"sampler": "ddim"})
    assert not list(tmp_path.iterdir())
    claim(tmp_path, FIELDS)
    check_claim(tmp_path, {"sampler": "ddim"})
    for part, message in (({"sampler": "x"}, "sampler was 'ddim', is now 'x'"), ({"new": 1}, "new was None")):
        with pytest.raises(InputError, match=message):
            check_claim(tmp_path, part)


def test_unwritable_directory(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        claim(tmp_path / "file" / "run", FIELDS)


def _no_hard_links(source, target):
    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))


def test_a_file_system_without_hard_links_will_do(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", _no_hard_links)
    test_first_claim_is_kept_and_equal_claims_pass(tmp_path)


def _claim(args):
    directory, number = args
    try:
        claim(directory, {"number": number})
        return number
    except InputError:
        return None


@pytest.mark.parametrize("hard_links", [True, False])
def test_of_jobs_that_come_at_once_one_wins(tmp_path, monkeypatch, hard_links):
    if not hard_links:
        monkeypatch.setattr(os, "link", _no_hard_links)
    with ProcessPoolExecutor(4, get_context("fork")) as pool:
        winners = [n for n in pool.map(_claim, [(tmp_path / "run", n) for n in range(16)]) if n is not None]
    assert winners == [json.loads((tmp_path / "run" / NAME).read_text())["number"]]


@pytest.mark.parametrize("now", ["aaaaaaaabbbbbbbb", "aaaaaaaabbbbbbbbcccccccc", "aaaaaaaa", None])
def test_videos_that_stay_in_their_places_are_the_same(tmp_path, now):
    claim(tmp_path, FIELDS | {"video_stamps": "aaaaaaaabbbbbbbb"})
    claim(tmp_path, FIELDS | ({} if now is None else {"video_stamps": now}))


def test_videos_of_an_older_fingerprint_are_not_compared(tmp_path):
    claim(tmp_path, FIELDS)
    claim(tmp_path, FIELDS | {"video_stamps": "aaaaaaaa"})
    assert json.loads((tmp_path / NAME).read_text()) == FIELDS


@pytest.mark.parametrize("now", ["aaaaaaaaccccccccbbbbbbbb", "aaaaaaaabbbbbbbc", "aaaaaaaacccccccc"])
def test_the_first_video_that_changed_is_named(tmp_path, now):
    claim(tmp_path, FIELDS | {"video_stamps": "aaaaaaaabbbbbbbb"})
    with pytest.raises(InputError, match="something else: video 1 of the dataset is another file"):
        claim(tmp_path, FIELDS | {"video_stamps": now})
