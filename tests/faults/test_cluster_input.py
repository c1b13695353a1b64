"""What bad settings of the SLURM profile get from a real cluster: one line, at once, in the dry run too."""

import pytest
from conftest import METRICS


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "slurm_partition: gpu",
            "slurm_partition: gpus",
            "slurm_partition is 'gpus', must be one of both, cpu, gpu",
        ),
        (
            "slurm_partition: cpu",
            "slurm_partition: main",
            "slurm_partition is 'main', must be one of both, cpu, gpu",
        ),
        (
            "# slurm_account: my-account",
            "slurm_account: my-account",
            "slurm_account is 'my-account', but this cluster keeps no accounts: leave it out",
        ),
    ],
)
def test_unknown_partitions_and_accounts_are_refused_before_anything_is_submitted(remote, old, new, message):
    remote.edit_profile(old, new)
    before = remote.cluster.run("squeue", "--noheader", "--states=all", "--format=%i")
    for arguments in (["-n", METRICS], [METRICS]):
        assert f"error: {message}" in remote.refused(*arguments)
    assert remote.cluster.run("squeue", "--noheader", "--states=all", "--format=%i") == before
