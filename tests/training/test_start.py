"""Runs that start from the weights of a checkpoint: what is taken, what is fitted, what is refused."""

from __future__ import annotations

import logging

import pytest
import torch
from seeded import MODELS, save_checkpoint, seeded_model
from tiny import SETTINGS, make_data, open_data

from viddiff.checkpoint import load_checkpoint
from viddiff.errors import InputError
from viddiff.files.write import sha256_file
from viddiff.model.attention import Buckets, bucket_of
from viddiff.model.build import build_model
from viddiff.training.config import training_config
from viddiff.training.loop import train
from viddiff.training.start import fitted_channels, fitted_table, fitted_weights, take_start
from viddiff.window import Window

SMALL = {
    "dataset": "bouncy_balls", "T": 12, "steps": 1, "image_size": 32, "num_channels": 32, "num_res_blocks": 1,
    "num_heads": 1, "attention_resolutions": "2", "max_frames": 4,
}  # fmt: skip


def flat(**changes):
    return training_config(SMALL | changes).to_flat()


def started(tmp_path, there: dict, here: dict, caplog=None):
    """A network with seeded weights of one config, and one of another config that starts from it."""
    source = seeded_model(there)
    save_checkpoint(tmp_path / "start.pt", source.state_dict(), there, 7)
    model = build_model(here)
    if caplog is not None:
        caplog.set_level(logging.INFO)
    digest = take_start(model, tmp_path / "start.pt", here)
    assert digest == sha256_file(tmp_path / "start.pt")
    return source, model.eval()


def window(size: int = 32) -> tuple[Window, torch.Tensor]:
    frames = torch.linspace(-1, 1, 3 * 3 * size * size).view(1, 3, 3, size, size).sin()
    observed = torch.tensor([[True, False, False]])
    return Window(frames, torch.tensor([[0, 2, 7]]), observed, ~observed), frames.flip(1).cos()


def outputs(*models):
    with torch.no_grad():
        return [model(window()[1], torch.tensor([3.0]), window()[0]) for model in models]


def test_weights_of_the_same_network_are_all_taken(tmp_path, caplog):
    source, model = started(tmp_path, flat(), flat(lr=1.0), caplog)
    assert all(torch.equal(model.state_dict()[name], value) for name, value in source.state_dict().items())
    (line,) = caplog.messages
    assert line.startswith(f"start from {tmp_path}/start.pt, step 7, SHA-256 ")


REFACTORED = MODELS["refactored"]["config"]


@pytest.mark.parametrize(
    ("there", "changes"),
    [
        (REFACTORED, {}),  # no learnt encoding of places, no second mark
        (flat(cond_emb_type="t=0"), {"cond_emb_type": "t=0", "use_frame_encoding": False}),
        (flat(use_rpe_net=False), {"use_rpe_net": False, "T": 30}),  # more buckets
        (flat(learn_sigma=True), {}),
        (flat(use_spatial_encoding=False), {}),
    ],
)
def test_the_network_begins_as_that_of_the_file(tmp_path, there, changes):
    if there is REFACTORED:
        keys = ("num_channels", "num_res_blocks", "num_heads", "attention_resolutions", "T")
        changes = {key: there[key] for key in keys} | changes
    source, model = started(tmp_path, there, flat(**changes))
    expected, found = outputs(source, model)
    torch.testing.assert_close(found, expected[:, :, :3], rtol=0, atol=1e-6)
    assert expected.abs().max() > 0.1


def test_a_network_that_learns_variances_starts_with_the_mean_of_one_that_does_not(tmp_path):
    source, model = started(tmp_path, flat(), flat(learn_sigma=True))
    expected, found = outputs(source, model)
    torch.testing.assert_close(found[:, :, :3], expected, rtol=0, atol=1e-6)
    assert not found[:, :, 3:].any()  # as its last layer starts


def test_what_is_not_taken_is_listed(tmp_path, caplog):
    there = flat(use_rpe_net=False, predict_xstart=True, use_spatial_encoding=False)
    started(tmp_path, there, flat(cond_emb_type="duplicate", attention_resolutions="2,4"), caplog)
    text = "\n".join(caplog.messages)
    assert "input_blocks.0.0.weight is fitted from [32, 5, 3, 3] to [32, 6, 3, 3]" in text
    assert "spatial_encoding is not in the file, starts at 0" in text
    assert "parameters are not in the file, start anew: " in text and "rpe_q.rpe_net.out.weight" in text
    assert "parameters are in the file alone, are not taken: " in text and "lookup_table_weight" in text
    assert (
        "the file's settings differ: attention_resolutions '2', here '2,4', predict_xstart True, here False, "
        "use_spatial_encoding False, here True, use_rpe_net False, here True, "
        "cond_emb_type 'channel', here 'duplicate'"
    ) in text


def test_parameters_of_other_shapes_start_anew():
    here = build_model(flat(num_heads=2, use_rpe_net=False))
    there = build_model(flat(use_rpe_net=False))
    taken, told = fitted_weights(here.state_dict(), there.state_dict(), here.arch, there.arch)
    tables = [name for name in here.state_dict() if name.endswith("lookup_table_weight")]
    assert taken.keys() == here.state_dict().keys() - set(tables)
    assert told == [
        f"{len(tables)} parameters are of another shape in the file, start anew: {', '.join(tables)}"
    ]


def test_places_are_interpolated(tmp_path):
    source, model = started(tmp_path, flat(), flat(image_size=[48, 32]))
    old, new = source.spatial_encoding, model.spatial_encoding
    assert new.shape[2] == old.shape[2] * 3 // 2 and new.shape[3] == old.shape[3]
    torch.testing.assert_close(new.mean(), old.mean(), rtol=0.1, atol=0.02)
    assert old.min() <= new.min() and new.max() <= old.max()


def test_input_channels_by_what_they_show():
    weight = torch.arange(5.0).view(1, 5, 1, 1).expand(1, 5, 3, 3)
    colours = ("red", "green", "blue")
    channel = (*colours, "mark", "second mark")
    copies = (*colours, "observed red", "observed green", "observed blue")

    def to(here, there=channel, weight=weight):
        return fitted_channels(weight, there, here)[0, :, 0, 0].tolist()

    assert to((*colours, "mark")) == [0, 1, 2, 3]
    assert to(copies) == [0, 1, 2, 0, 1, 2]
    assert to(channel, colours, weight[:, :3] + 1) == [1, 2, 3, 0, 0]
    assert to(channel, copies, torch.arange(6.0).view(1, 6, 1, 1).expand(1, 6, 3, 3)) == [0, 1, 2, 0, 0]


@pytest.mark.parametrize("there", [Buckets(5, 5, 5), Buckets(3, 8, 40), Buckets(20, 20, 20)])
@pytest.mark.parametrize("here", [Buckets(9, 9, 9), Buckets(4, 6, 30), Buckets(2, 12, 13)])
def test_tables_by_distance(there, here):
    table = torch.arange(2 * there.beta + 1.0).view(-1, 1, 1)
    fitted = fitted_table(table, there, here)
    assert len(fitted) == 2 * here.beta + 1
    shortest: dict[int, int] = {}
    for distance in range(100):
        shortest.setdefault(int(bucket_of(torch.tensor(distance), here)), distance)
    for bucket in range(here.beta + 1):
        for sign in (1, -1):
            if bucket in shortest:
                distance = torch.tensor(sign * shortest[bucket])
                assert fitted[sign * bucket] == table[bucket_of(distance, there)]
            else:
                assert not fitted[sign * bucket]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_channels": 64}, "its network has num_channels 32, which must be 64$"),
        ({"num_res_blocks": 2}, "its network has num_res_blocks 1, which must be 2$"),
        ({"image_size": 64}, "its network has image_size 32, which must be 64, or of the same levels$"),
    ],
)
def test_a_file_that_fits_nothing(tmp_path, changes, message):
    with pytest.raises(InputError, match=rf"start\.pt is no start for this run: {message}"):
        started(tmp_path, flat(), flat(**changes))


def test_a_file_that_is_no_checkpoint(tmp_path):
    with pytest.raises(InputError, match=r"no checkpoint .*absent\.pt"):
        take_start(build_model(flat()), tmp_path / "absent.pt", flat())
    (tmp_path / "bad.pt").write_bytes(b"bad")
    with pytest.raises(InputError, match=r"bad\.pt"):
        take_start(build_model(flat()), tmp_path / "bad.pt", flat())


def test_a_run_starts_from_a_file_once_and_remembers_it(tmp_path, caplog):
    make_data(tmp_path / "data")
    data, run, file = open_data(tmp_path / "data"), tmp_path / "run", tmp_path / "start.pt"
    settings = SETTINGS | {
        "ema_rate": "0.5",
        "max_frames": 2,
        "steps": 1,
        "attention_resolutions": "2",
        "start_from": str(file),
    }
    weights = seeded_model(training_config(settings).to_flat()).state_dict()
    save_checkpoint(file, weights, training_config(settings).to_flat(), 9)
    train(training_config(settings), data, run)
    digest = sha256_file(file)
    first = load_checkpoint(run / "ema_0.5_000001.pt")
    assert first.config["start_from"] == str(file) and first.config["start_from_sha256"] == digest
    assert first.step == 1
    distance = max((first.state_dict[name] - value).abs().max() for name, value in weights.items())
    assert 0 < distance < 2e-3  # half an update at lr 0.001 away
    assert "initial weights" not in caplog.text

    file.unlink()
    train(training_config(settings | {"steps": 2}), data, run)
    assert load_checkpoint(run / "model_000002.pt").config["start_from_sha256"] == digest
    with pytest.raises(InputError, match=r"start_from was .*start\.pt' and is ''"):
        train(training_config(settings | {"steps": 3, "start_from": ""}), data, run)
    with pytest.raises(InputError, match="no checkpoint"):
        train(training_config(settings), data, tmp_path / "other")


@pytest.mark.parametrize("name", ["seed_default", "refactored"])
def test_checkpoints_of_both_programs_start_a_run(tmp_path, name, caplog):
    entry = MODELS[name]
    here = flat(
        **{key: entry["config"][key] for key in ("num_heads", "attention_resolutions", "T", "max_frames")}
    )
    started(tmp_path, entry["config"], here, caplog)
    assert "start anew" not in caplog.text and "not taken" not in caplog.text
