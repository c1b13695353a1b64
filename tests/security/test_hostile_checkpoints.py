"""Checkpoints that would take more memory or time than they have bytes, or that say what no checkpoint says."""

from __future__ import annotations

import copy
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from viddiff.checkpoint import load_checkpoint
from viddiff.diffusion.process import diffusion_of
from viddiff.errors import InputError
from viddiff.files.archives import check_whole
from viddiff.flat_config import with_defaults
from viddiff.model.build import build_model
from viddiff.model.load import load_network
from viddiff.training.run_state import TrainingState
from viddiff.training.state import resume_state

EMPTY_CONFIG = {"state_dict": {}, "config": {}, "step": 1}


def refused(path: Path, message: str) -> None:
    """Loading the file and its network ends in one line that names it."""
    with pytest.raises(InputError, match=message) as caught:
        load_network(load_checkpoint(path), "cpu")
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def deflated(source: Path, target: Path) -> Path:
    with zipfile.ZipFile(source) as one, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as two:
        for member in one.infolist():
            two.writestr(member.filename, one.read(member))
    return target


def bomb(folder: Path) -> Path:
    """50 kB that unpack to 50 MB."""
    torch.save(EMPTY_CONFIG | {"state_dict": {"a": torch.zeros(12_500_000)}}, folder / "large.pt")
    path = deflated(folder / "large.pt", folder / "bomb.pt")
    assert path.stat().st_size < 100_000
    return path


def test_a_compressed_archive(tmp_path):
    refused(bomb(tmp_path), "a compressed archive")


def test_a_compressed_archive_behind_another_list_of_contents(tmp_path):
    """Python and torch look for the list in two places if there are two: here Python finds one that is harmless."""
    data = bomb(tmp_path).read_bytes()
    end = data.rindex(b"PK\x05\x06")
    size, start = struct.unpack("<II", data[end + 12 : end + 20])
    harmless = bytearray(data[start : start + size])
    entry = 0
    while (entry := harmless.find(b"PK\x01\x02", entry)) >= 0:
        harmless[entry + 10 : entry + 12] = bytes(2)  # stored
        harmless[entry + 24 : entry + 28] = harmless[entry + 20 : entry + 24]
        harmless[entry + 42 : entry + 46] = bytes(4)
        entry += 4
    path = tmp_path / "two.pt"
    path.write_bytes(data[:end] + harmless + data[end:])
    with zipfile.ZipFile(path) as archive:
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())
    assert torch.load(path, weights_only=True)["state_dict"]["a"].numel() == 12_500_000
    refused(path, "cut off, or not a checkpoint")


def test_entries_that_share_their_bytes(tmp_path, honest):
    path = tmp_path / "overlap.pt"
    path.write_bytes(honest.read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        largest = max(archive.filelist, key=lambda entry: entry.file_size)
        for number in range(100):
            again = copy.copy(largest)
            again.filename = f"{largest.filename}{number}"
            archive.filelist.append(again)
        archive.writestr("end", "")
    refused(path, "claim more bytes than the file has")


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(1).expand(3 * 10**8),
        torch.zeros(1).expand(10**6, 10**6),
        torch.zeros(10).as_strided((10**9, 2), (0, 1)),
    ],
)
def test_a_tensor_that_repeats_its_storage(hostile, little_memory, tensor):
    path = hostile(weights={"out.2.bias": tensor})
    with little_memory():
        refused(path, "tensors need more bytes than the file has")


def test_a_network_of_such_tensors(hostile, honest):
    weights = torch.load(honest, weights_only=True)["state_dict"]
    path = hostile(weights={name: torch.zeros(1).expand(value.shape) for name, value in weights.items()})
    assert path.stat().st_size < 100_000 < honest.stat().st_size
    refused(path, "tensors need more bytes than the file has")


@pytest.mark.filterwarnings("ignore:Validating sparse tensor")
@pytest.mark.parametrize(
    "value",
    [torch.eye(3).to_sparse(), torch.zeros(3, device="meta"), torch.zeros(3, dtype=torch.int64), 3, "text"],
)
def test_weights_of_another_kind(hostile, value):
    refused(hostile(weights={"out.2.bias": value}), "dense tensors|must hold real numbers|must hold tensors")


def nested(levels: int, copies: int):
    value = []
    for _ in range(levels):
        value = [value] * copies
    return value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (nested(40, 2), "more than"),  # 2**40 lists, in a few hundred bytes
        (nested(100, 1), "levels deep"),
        ({"a": {1: 2}}, "a key that is not a text"),
        (torch.zeros(2), "must hold texts, numbers"),
        pytest.param(10**100, "must hold texts, numbers", id="number"),
        pytest.param("x" * 10**6, "a text of 1000000 characters", id="text"),
    ],
)
def test_a_config_that_could_not_be_written_down(hostile, value, message):
    refused(hostile(config={"extra": value}), f"holds .*{message}")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_channels": 3200}, "do not belong together"),  # 70 GB
        ({"image_size": 256}, "do not belong together"),
        ({"num_res_blocks": 32}, "do not belong together"),
        ({"num_channels": 32 * 10**6}, "num_channels is 32000000; must be .* 4096 at most"),
        ({"num_res_blocks": 10**9}, "num_res_blocks is 1000000000; must be 1 to 32"),
        ({"use_rpe_net": False, "rp_beta": 10**9}, "rp_beta is 1000000000; must be 1 to 100000"),
        ({"use_rpe_net": False, "rp_alpha": 10**18}, "rp_alpha is 1000000000000000000; must be 1 to 100000"),
        ({"use_frame_encoding": True, "T": -1}, "T is -1; with use_frame_encoding"),
        ({"attention_resolutions": "1" * 5000}, "attention_resolutions is '1+; must be numbers"),
        ({"num_heads": 0}, "num_heads is 0"),
        ({"dropout": float("nan")}, "dropout is nan"),
    ],
)
def test_a_config_that_asks_for_too_much(hostile, little_memory, changes, message):
    path = hostile(config=changes)
    with little_memory():
        refused(path, message)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_channels", "32"),
        ("num_channels", 32.0),
        ("num_res_blocks", True),
        ("dropout", "high"),
        ("attention_resolutions", 16),
        ("use_rpe_net", 1),
        ("image_size", None),
        ("dataset", ["minerl"]),
        ("max_frames", "10"),
        ("noise_schedule", {"name": "x" * 1000}),
    ],
)
def test_a_value_of_the_wrong_type(hostile, key, value):
    refused(hostile(config={key: value}), f"config key {key} is .*must be (a|true)")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"diffusion_steps": 10**12}, "diffusion_steps is 1000000000000; allowed: 1 to 100000"),
        ({"diffusion_steps": -1}, "diffusion_steps is -1"),
        ({"timestep_respacing": "9" * 5000}, "must be like 25, ddim25, 10,15,20, "),
        ({"timestep_respacing": "ddim" + "9" * 5000}, "must be like 25, ddim25, 10,15,20, "),
        ({"timestep_respacing": ",".join(["1"] * 10**4)}, "from a section of 0"),
    ],
)
def test_a_diffusion_process_that_asks_for_too_much(hostile, little_memory, changes, message):
    config = with_defaults(load_checkpoint(hostile(config=changes)).config)
    with little_memory(), pytest.raises(InputError, match=message) as caught:
        diffusion_of(config)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("step", [-1, 10**12, 10**30, True, "1"])
def test_an_impossible_step(hostile, step):
    refused(hostile(step=step), "step is ")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
def test_an_honest_network_is_that_of_the_file(hostile, honest, dtype):
    saved = torch.load(honest, weights_only=True)
    weights = {name: value.to(dtype) for name, value in saved["state_dict"].items()}
    before = torch.get_rng_state()
    model = load_network(load_checkpoint(hostile(weights=weights)), "cpu")
    assert torch.equal(torch.get_rng_state(), before)
    expected = build_model(saved["config"])
    expected.load_state_dict(weights)
    assert not model.training and not any(value.requires_grad for value in model.parameters())
    for (name, value), other in zip(model.named_parameters(), expected.parameters(), strict=True):
        assert torch.equal(value, other), name
        assert value.dtype == torch.float32 and value.stride() == other.stride(), (
            name
        )  # as fast as one that is built
    assert not list(model.buffers())  # those on the device `meta` would be left there


@pytest.mark.parametrize("size", [0, 1, 4, 1000, 0.5, -1, -30])
def test_the_end_tells_whether_a_checkpoint_is_whole(tmp_path, honest, size):
    check_whole(honest)
    path, data = tmp_path / "cut.pt", honest.read_bytes()
    path.write_bytes(data[: int(size * len(data)) if isinstance(size, float) else size])
    with pytest.raises(InputError, match=r"cut\.pt: cut off, or not a checkpoint"):
        check_whole(path)


def test_old_checkpoints_pass_and_others_do_not(tmp_path):
    path = tmp_path / "old.pt"
    torch.save(EMPTY_CONFIG, path, _use_new_zipfile_serialization=False)
    check_whole(path)
    path.write_bytes(b"PK\x03\x04 and no archive")
    with pytest.raises(InputError, match="cut off"):
        check_whole(path)
    with pytest.raises(InputError, match="No such file"):
        check_whole(tmp_path / "absent.pt")


def test_the_checks_of_planning_load_no_torch():
    modules = "viddiff.files.archives, viddiff.files.npy, viddiff.workflow.preflight"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"step": 1, "sha256": {"model": "0", "../../elsewhere": "0"}}, "'../../elsewhere', which training"),
        ({"step": 1, "sha256": {"model": "0", "/tmp/x": "0"}}, "'/tmp/x', which training does not write"),
        ({"step": "1", "sha256": {"model": "0"}}, "not those of a training state"),
        ({"step": 1, "sha256": ["model"]}, "not those of a training state"),
    ],
)
def test_a_training_state_names_no_other_files(tmp_path, caplog, content, message):
    run = tmp_path / "run"
    run.mkdir()
    torch.save(content | {"seed": 1}, run / "opt_000001.pt")
    model = torch.nn.Linear(1, 1)
    state = TrainingState(model, torch.optim.SGD(model.parameters()), {})
    with pytest.raises(InputError, match="no whole and finite set of files to go on from"):
        resume_state(run, state, {"save_latest_only": False}, 0)
    assert len(caplog.records) == 1 and message in caplog.text
