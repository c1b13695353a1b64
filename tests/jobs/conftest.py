"""A small tree for jobs on the tiny network, made once for all files that use it."""

import pytest
from seeded import TINY, save_checkpoint, seeded_model

from viddiff.data.bouncy_balls import write_bouncy_balls


@pytest.fixture(scope="session")
def tiny_tree(tmp_path_factory):
    """`model_000100.pt`, and in `data/` five test videos of seven frames; nothing is to be written there."""
    root = tmp_path_factory.mktemp("tree")
    write_bouncy_balls(root / "data", "test", 5, length=7)
    save_checkpoint(root / "model_000100.pt", seeded_model(TINY).state_dict(), TINY, 100)
    return root
