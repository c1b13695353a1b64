"""Where results cannot be written is told before the first job. What Snakemake needs to write: test_surroundings.py."""

from __future__ import annotations

import pytest

from viddiff.errors import OutputError
from viddiff.workflow.permissions import check_writable


def test_folders_that_cannot_be_written_are_named(tmp_path, monkeypatch):
    check_writable(tmp_path / "not" / "yet" / "there")
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("file", "link"):
        with pytest.raises(OutputError, match=f"cannot write in .*/{name}/a/b: .*/{name} is not a folder"):
            check_writable(tmp_path / name / "a" / "b")
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path)  # root may write everywhere
    with pytest.raises(
        OutputError, match=f"cannot write in .*/a: no permission to write in {tmp_path}, which"
    ):
        check_writable(tmp_path / "a")
