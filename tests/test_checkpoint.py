from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from seeded import save_checkpoint

from viddiff.checkpoint import load_checkpoint
from viddiff.errors import InputError, OutputError
from viddiff.flat_config import DEFAULTS, config_format, with_defaults

WEIGHTS = {"input_blocks.0.0.weight": torch.arange(45.0).reshape(1, 5, 3, 3), "out.bias": torch.ones(3)}
CONFIG = {"dataset": "mazes_cwvae", "T": 30, "cond_emb_type": "channel", "observed_frames": "x_t_minus_1"}


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "ema_0.9999_000100.pt"
    save_checkpoint(path, WEIGHTS, CONFIG, 100)
    return path


def refused(path: Path, match: str) -> None:
    with pytest.raises(InputError, match=match) as error:
        load_checkpoint(path)
    assert "\n" not in str(error.value)
    assert path.name in str(error.value)


def test_a_checkpoint_comes_back(file):
    checkpoint = load_checkpoint(file)
    assert (checkpoint.path, checkpoint.config, checkpoint.step) == (file, CONFIG, 100)
    assert checkpoint.state_dict.keys() == WEIGHTS.keys()
    assert all(torch.equal(checkpoint.state_dict[name], value) for name, value in WEIGHTS.items())


def test_layout_is_the_originals(file):
    content = torch.load(file, weights_only=True)
    assert list(content) == ["state_dict", "config", "step"]
    assert type(content["config"]) is dict and content["step"] == 100


def test_equal_content_gives_equal_bytes(file):
    other = file.with_name("model_latest.pt")
    strided = WEIGHTS | {"input_blocks.0.0.weight": WEIGHTS["input_blocks.0.0.weight"].permute(0, 3, 2, 1)}
    back = {name: value.permute(0, 3, 2, 1) if value.ndim == 4 else value for name, value in strided.items()}
    save_checkpoint(other, back, CONFIG, 100)
    assert other.read_bytes() == file.read_bytes()
    assert sorted(path.name for path in file.parent.iterdir()) == sorted([file.name, other.name])


def test_a_missing_file_names_its_neighbours(file):
    refused(file.with_name("ema_0.999_000100.pt"), "holds ema_0.9999_000100.pt")
    refused(file.parent / "nowhere" / "model_latest.pt", "no folder")
    file.unlink()
    refused(file, "no .pt file")


@pytest.mark.parametrize("size", [0, 1, 100, 0.5, -1])
def test_a_truncated_file(file, size):
    data = file.read_bytes()
    file.write_bytes(data[: int(size * len(data)) if isinstance(size, float) else size])
    refused(file, "cut off, or not a checkpoint")


def test_other_files(file):
    file.write_text("no checkpoint at all")
    refused(file, "not a checkpoint")
    with open(file, "wb") as handle:
        np.savez(handle, a=np.zeros(3))
    refused(file, "not a checkpoint")
    torch.save([1, 2], file)
    refused(file, "holds a list")
    torch.save({"state_dict": WEIGHTS}, file)
    refused(file, "lacks config, step; .* this file 'state_dict'$")
    torch.save({"ema": WEIGHTS, "model": WEIGHTS, "args": CONFIG}, file)
    refused(file, "lacks state_dict, config, step; .* this file 'ema', 'model', 'args'$")
    torch.save(WEIGHTS, file)
    refused(file, "this file holds bare weights, without the settings of their training")
    torch.save({"state_dict": {"a": 1}, "config": CONFIG, "step": 1}, file)
    refused(file, "state_dict holds 'a', a int; must hold tensors by name")
    torch.save({"state_dict": [1], "config": CONFIG, "step": 1}, file)
    refused(file, "state_dict is a list, must be a dict of tensors")
    buffer = {"norm.num_batches_tracked": torch.tensor(3)}
    torch.save({"state_dict": WEIGHTS | buffer, "config": CONFIG, "step": 1}, file)
    refused(file, "state_dict holds 'norm.num_batches_tracked' of torch.int64, must hold real numbers alone")
    torch.save({"state_dict": WEIGHTS, "config": "none", "step": 1}, file)
    refused(file, "config is a str")
    torch.save({"state_dict": WEIGHTS, "config": CONFIG, "step": "1"}, file)
    refused(file, "step is '1'")
    file.unlink()
    file.mkdir()
    refused(file, "no checkpoint")


@pytest.mark.parametrize(
    "wrapped", ["module.{}", "_orig_mod.{}", "module._orig_mod.{}", "_orig_mod.module.{}"]
)
def test_names_that_torch_wrapped_are_read_and_it_is_said(file, wrapped, caplog):
    torch.save(
        {"state_dict": {wrapped.format(n): v for n, v in WEIGHTS.items()}, "config": CONFIG, "step": 1}, file
    )
    with caplog.at_level("INFO"):
        loaded = load_checkpoint(file).state_dict
    assert loaded.keys() == WEIGHTS.keys()
    assert f"{file}: names of parameters are read without" in caplog.text


def test_parts_that_were_compiled_alone_are_read_and_none_hides_another(file):
    name = next(iter(WEIGHTS))
    inner = name.replace(".", "._orig_mod.", 1) if "." in name else f"_orig_mod.{name}"
    renamed = {inner if n == name else n: v for n, v in WEIGHTS.items()}
    torch.save({"state_dict": renamed, "config": CONFIG, "step": 1}, file)
    assert load_checkpoint(file).state_dict.keys() == WEIGHTS.keys()
    torch.save({"state_dict": WEIGHTS | renamed, "config": CONFIG, "step": 1}, file)
    refused(file, "twice, also as")


class Payload:
    """Unpickled freely, it writes a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.write_text, (self.path, "ran")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("form", ["zip", "old", "pickle"])
def test_a_hostile_pickle_does_not_run(file, form):
    mark = file.parent / "ran"
    content = {"state_dict": WEIGHTS, "config": CONFIG | {"x": Payload(mark)}, "step": 1}
    if form == "pickle":
        file.write_bytes(pickle.dumps(content["config"]))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=form == "zip")
    refused(
        file, "not loaded, since unpickling can run code" if form != "pickle" else "checkpoint|unpickling"
    )
    assert not mark.exists()
    if form == "pickle":  # the payload is real
        pickle.loads(file.read_bytes())
        assert mark.exists()


def test_other_objects_are_refused(file):
    torch.save({"state_dict": WEIGHTS, "config": CONFIG | {"lr": np.float64(1)}, "step": 1}, file)
    refused(file, "objects other than tensors and plain values .numpy.*scalar")


def test_the_old_file_format_of_torch(file):
    content = {"state_dict": WEIGHTS, "config": CONFIG, "step": 7}
    latest = file.with_name("model_latest.pt")
    torch.save(content, latest, _use_new_zipfile_serialization=False)
    assert load_checkpoint(latest).step == 7


def test_defaults_fill_and_unknown_keys_stay():
    full = with_defaults(CONFIG)
    assert full.keys() == DEFAULTS.keys() | {"observed_frames"}
    assert full["rp_alpha"] == full["rp_gamma"] == 30
    assert with_defaults(CONFIG | {"rp_alpha": 4})["rp_alpha"] == 4


def test_the_config_tells_the_format():
    assert config_format(CONFIG) == "original"
    assert config_format({"dataset": "mazes_cwvae", "T": 30, "use_rpe_net": True}) == "refactored"


def test_unwritable(tmp_path):
    (tmp_path / "run").write_text("a file where a folder must be")
    with pytest.raises(OutputError, match=r"model_000001\.pt"):
        save_checkpoint(tmp_path / "run" / "model_000001.pt", WEIGHTS, CONFIG, 1)


def test_a_full_disk_keeps_the_old_file(file, full_disk):
    before = file.read_bytes()
    with full_disk(), pytest.raises(OutputError, match=r"cannot write .*ema_0\.9999_000100\.pt") as error:
        save_checkpoint(file, {"a": torch.zeros(10000)}, CONFIG, 1)
    assert "\n" not in str(error.value)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]
