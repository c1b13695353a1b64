"""Plain values are read from checkpoints as torch reads them, and nothing else is."""

from __future__ import annotations

import pickle
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch

from viddiff.errors import InputError
from viddiff.files.plain_values import read_plain, shape_of_tensor

DEMO = Path(__file__).parents[2] / "checkpoints" / "demo" / "ema_0.995_002082.pt"
PLAIN = {
    "config": {
        "dataset": "ball",
        "T": -1,
        "lr": 1e-4,
        "on": True,
        "off": False,
        "none": None,
        "ä": ["ü", [], {}],
    },
    "numbers": [0, 255, 256, 65_536, -1, 2**31, -(2**63), 1e300],
    "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
    "step": 4181,
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_values_are_those_that_torch_reads(tmp_path, protocol):
    weights = torch.nn.Sequential(torch.nn.Linear(2, 3)).state_dict()
    shared = PLAIN["numbers"]
    content = PLAIN | {"again": shared, "state_dict": weights}
    torch.save(content, tmp_path / "a.pt", pickle_protocol=protocol)
    assert read_plain(tmp_path / "a.pt") == PLAIN | {
        "again": shared,
        "state_dict": dict.fromkeys(weights),
    }


def test_the_demos_settings_are_read_without_torch():
    config = torch.load(DEMO, weights_only=True)["config"]
    code = f"""
import sys
from pathlib import Path
from viddiff.files.plain_values import read_plain, shape_of_tensor
print(read_plain(Path({str(DEMO)!r}))["config"], "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == f"{config} False\n", done.stderr


class Hostile:
    def __reduce__(self):
        return exec, ("raise SystemExit('it ran')",)


@pytest.mark.parametrize(
    "pickled",
    [
        b"",
        b"\x80\x02",
        b"\x80\x02}",
        b"\x80\x02.",
        b"\x80\x02tt.",
        b"\x80\x02h\x05.",
        b"\x80\x02]}s.",
        b"\x80\x02Xaaaa.",
        b"\x80\x02cos\nsystem\n(X\x02\x00\x00\x00lso.",
        b"\x80\x02K\x00r\xff\xff\xff\x7f]h\x00a2.",
    ],
)
def test_what_is_no_list_of_instructions_is_refused(tmp_path, pickled):
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
    with pytest.raises(InputError, match=r"a\.pt: its plain values cannot be read"):
        read_plain(tmp_path / "a.pt")


def test_nothing_is_called(tmp_path):
    content = {"config": {"dataset": Hostile()}, "ordered": OrderedDict(a=1)}
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(content, protocol=2))
    assert read_plain(tmp_path / "a.pt") == {"config": {"dataset": None}, "ordered": {"a": 1}}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_the_shape_of_one_tensor_is_told(tmp_path, dtype):
    path = tmp_path / "a.pt"
    torch.save(torch.zeros(300, 7, 1, 5, 4, dtype=dtype), path)
    assert shape_of_tensor(path, 5) == (300, 7, 1, 5, 4)
    assert shape_of_tensor(path, 4) is None
    torch.save({"a": torch.zeros(3, 7, 1, 5, 4)}, path)
    assert shape_of_tensor(path, 4) is None
    torch.save([torch.zeros(3, 2), torch.zeros(3, 2)], path)
    assert shape_of_tensor(path, 2) is None
