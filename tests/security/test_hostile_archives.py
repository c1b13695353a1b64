"""Archives of arrays whose headers claim what they do not hold, or that would make the reader open other files."""

from __future__ import annotations

import resource
import zipfile

import h5py
import numpy as np
import pytest
from decoding import decode

from viddiff.data import stored
from viddiff.errors import InputError

MOST = 2**24
FRAMES = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)


class Runs:
    def __reduce__(self):
        return (exec, ("raise SystemExit('it ran')",))


def npy_bytes(folder, array):
    np.save(folder / "x.npy", array, allow_pickle=True)
    return (folder / "x.npy").read_bytes()


def zipped(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)


def objects(folder):
    np.savez(folder / "a.npz", np.array([Runs()], object))
    return folder / "a.npz", "not a plain array"


def two_arrays(folder):
    np.savez(folder / "a.npz", video=FRAMES, actions=FRAMES)
    return folder / "a.npz", "must hold one array, holds 2: video, actions"


def bomb(folder):
    zipped(folder / "a.npz", frames=bytes(2 * MOST))
    return folder / "a.npz", "bytes unpacked, at most"


def long_claim(folder):
    content = npy_bytes(folder, FRAMES).replace(b"(4, 16, 16, 3)", b"(2**33, 16, 16, 3)"[:14])
    zipped(folder / "a.npz", frames=content)
    return folder / "a.npz", "cannot be read"


def half_zip(folder):
    np.savez(folder / "a.npz", FRAMES)
    whole = (folder / "a.npz").read_bytes()
    (folder / "a.npz").write_bytes(whole[: len(whole) // 2])
    return folder / "a.npz", "cannot be read"


def external_link(folder):
    with h5py.File(folder / "secret.h5", "w") as file:
        file["frames"] = FRAMES
    with h5py.File(folder / "a.h5", "w") as file:
        file["frames"] = h5py.ExternalLink(str(folder / "secret.h5"), "/frames")
    return folder / "a.h5", "holds 0 .links are not followed"


def external_storage(folder):
    (folder / "secret.bin").write_bytes(FRAMES.tobytes())
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset(
            "x", FRAMES.shape, np.uint8, external=[(str(folder / "secret.bin"), 0, FRAMES.nbytes)]
        )
    return folder / "a.h5", "lies in other files"


def virtual(folder):
    external_link(folder)
    layout = h5py.VirtualLayout(FRAMES.shape, np.uint8)
    layout[:] = h5py.VirtualSource(folder / "secret.h5", "frames", FRAMES.shape)
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_virtual_dataset("x", layout)
    return folder / "a.h5", "lies in other files"


def plug_in(folder):
    with h5py.File(folder / "a.h5", "w") as file:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk(FRAMES.shape)
        plan.set_filter(32015, h5py.h5z.FLAG_OPTIONAL)
        space = h5py.h5s.create_simple(FRAMES.shape)
        h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_UINT8, space, plan)
    return folder / "a.h5", "packed by a plug-in, filter 32015"


def wide_frames(folder):
    with h5py.File(folder / "a.h5", "w") as file:  # without any chunk written
        file.create_dataset("x", (4, 2**17, 2**17, 3), np.uint8, chunks=(1, 8, 8, 3))
    return folder / "a.h5", "frames of 131072x131072"


def large_chunks(folder):
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("x", (2**20, 16, 16, 3), np.uint8, chunks=(2**20, 16, 16, 3))
    return folder / "a.h5", "chunks of"


def half_hdf5(folder):
    with h5py.File(folder / "a.h5", "w") as file:
        file["frames"] = FRAMES
    whole = (folder / "a.h5").read_bytes()
    (folder / "a.h5").write_bytes(whole[: len(whole) // 2])
    return folder / "a.h5", "cannot be read"


@pytest.mark.parametrize(
    "make",
    [
        *(objects, two_arrays, bomb, long_claim, half_zip),
        *(external_link, external_storage, virtual, plug_in, wide_frames, large_chunks, half_hdf5),
    ],
)
def test_an_archive_is_not_believed(tmp_path, make, monkeypatch):
    monkeypatch.setattr(stored, "MAX_BLOCK", MOST)
    path, message = make(tmp_path)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=message) as caught:
        decode(path, 16)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < own + 100_000  # kB
