"""A SLURM cluster of this machine's own: real daemons on the loopback address, with two nodes.

Node n1 is the partition `cpu`, node n2 the partition `gpu`, both are the partition `both`. GPUs are character devices
that do nothing. The daemons need no root and no service manager, and write into one folder. Debian's packages:
slurmctld slurmd slurm-client munge.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
NODES = {"n1": 26901, "n2": 26902}
GPUS = 4

SLURM_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=26817
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SrunPortRange=26950-26999
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
PlugStackConfig={folder}/plugstack.conf
MpiDefault=none
SwitchType=switch/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
ReturnToService=2
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
GresTypes=gpu
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
SlurmctldTimeout=10
SlurmdTimeout=10
InactiveLimit=0
KillWait=5
MinJobAge=3600
CompleteWait=0
Waittime=0
JobRequeue=0
MailProg=/bin/true
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port=26901 CPUs=16 RealMemory=200000 Gres=gpu:{gpus} State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port=26902 CPUs=16 RealMemory=200000 Gres=gpu:{gpus} State=UNKNOWN
PartitionName=cpu Nodes=n1 Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=n2 MaxTime=INFINITE State=UP
PartitionName=both Nodes=n1,n2 MaxTime=INFINITE State=UP
"""


class Cluster:
    """The daemons in a folder, started by `start`; `environment` leads commands to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        }

    def start(self) -> None:
        """Write the configuration, start all daemons, wait until both nodes are idle."""
        if missing := [name for name in ("slurmctld", "slurmd", "sbatch", "munged") if not _program(name)]:
            raise RuntimeError(f"no {', '.join(missing)}: install Debian's {' '.join(PACKAGES)}")
        self._configure()
        socket_file, key = self.folder / "munge.socket", self.folder / "munge.key"
        munged = [f"--key-file={key}", f"--socket={socket_file}", f"--pid-file={self.folder / 'munged.pid'}"]
        munged += [f"--log-file={self.folder / 'munged.log'}", f"--seed-file={self.folder / 'munged.seed'}"]
        self.run(_program("munged"), *munged)
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        self.wait_until_idle()

    def stop(self) -> None:
        """End all daemons and what their jobs left."""
        for file in sorted(self.folder.glob("*.pid"), reverse=True):
            self.kill(file.stem, signal.SIGKILL)
        for process in self.job_processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def cancel_all(self) -> None:
        """Cancel all jobs, and bring up what a test left down."""
        if not self._runs("slurmctld"):
            self.start_controller()
        for node in NODES:
            if not self._runs(f"slurmd-{node}"):
                self.start_node(node)
        self.run("scancel", f"--user={os.getuid()}", check=False)
        for process in self.job_processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.wait_until_idle()

    def _runs(self, daemon: str) -> bool:
        try:
            return Path("/proc", (self.folder / f"{daemon}.pid").read_text().strip()).exists()
        except FileNotFoundError:
            return False

    def start_controller(self) -> None:
        self.run(_program("slurmctld"), "-i")

    def start_node(self, node: str) -> None:
        self.run(_program("slurmd"), "-N", node)

    def kill(self, daemon: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to a daemon, `slurmctld` or `slurmd-n2`, and wait for its end."""
        file = self.folder / f"{daemon}.pid"
        process = int(file.read_text())
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)
            wait_for(lambda: not Path(f"/proc/{process}").exists(), 30, f"the end of {daemon}")
        file.unlink(missing_ok=True)

    def run(self, *command: str, check: bool = True) -> str:
        """Run one of SLURM's commands; returns what it prints."""
        done = subprocess.run(
            command,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}")
        return done.stdout

    def jobs(self, *states: str) -> list[str]:
        """The ids of jobs in these states, such as RUNNING."""
        return self.run("squeue", "--noheader", f"--states={','.join(states)}", "--format=%i").split()

    def show(self, job: str) -> dict[str, str]:
        """What `scontrol` tells of a job."""
        words = self.run("scontrol", "show", "job", job).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def wait_until_idle(self) -> None:
        def idle() -> bool:
            states = self.run("sinfo", "--noheader", "--Node", "--format=%N %T", check=False).splitlines()
            return {f"{node} idle" for node in NODES} <= set(states)

        wait_for(idle, 60, "idle nodes")

    def job_processes(self) -> list[int]:
        """Processes of this cluster's jobs: they inherit the way to it."""
        mark = f"SLURM_CONF={self.folder / 'slurm.conf'}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                variables = (folder / "environ").read_bytes().split(b"\0")
                if mark in variables and any(v.startswith(b"SLURM_JOB_ID=") for v in variables):
                    found.append(int(folder.name))
        return found

    def _configure(self) -> None:
        host = socket.gethostname().split(".")[0]
        if not socket.gethostbyname(host).startswith("127."):
            raise RuntimeError(
                f"host name {host} must resolve to 127.x: add '127.0.0.1 {host}' to /etc/hosts"
            )
        self.folder.chmod(0o755)  # munge insists
        for name in ("state", "bin", *(f"spool-{node}" for node in NODES)):
            (self.folder / name).mkdir()
        (self.folder / "munge.key").write_bytes(secrets.token_bytes(1024))
        (self.folder / "munge.key").chmod(0o600)
        (self.folder / "plugstack.conf").touch()
        values = {"host": host, "user": self.run("id", "-un").strip(), "folder": self.folder, "gpus": GPUS}
        (self.folder / "slurm.conf").write_text(SLURM_CONF.format(**values))
        devices = f"{self.folder}/gpu[0-{GPUS - 1}]"
        try:
            for number in range(GPUS):
                os.mknod(self.folder / f"gpu{number}", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        except PermissionError:
            devices = f"/dev/tty[0-{GPUS - 1}]"
        (self.folder / "gres.conf").write_text(f"NodeName=n[1-2] AutoDetect=off Name=gpu File={devices}\n")
        # The plugin's inner step loses SLURM_CONF.
        wrapper = self.folder / "bin" / "srun"
        wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {_program("srun")} "$@"\n')
        wrapper.chmod(0o755)


def wait_for(condition, seconds: float, what: str):
    """Wait until a condition holds; returns what it returned."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.1)
    return value


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
