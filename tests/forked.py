"""Python processes that start at once: forks of one that has loaded other people's packages, and nothing of ours.

Snakemake takes longer to load than to plan, and each job loads PyTorch. A fork runs a script or a module as a process
of its own does, with its own arguments, folder, environment and output; our modules it loads anew. Jobs of a forked
Snakemake are forks too: the interpreter that it knows is a small client of the server.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from importlib import import_module
from pathlib import Path

PACKAGES = ["snakemake.cli", "torch", "pandas", "matplotlib.pyplot", "scipy.stats", "h5py", "jaxtyping"]
# Python as a process of its own, but for scripts and modules.
CLIENT = """#!{python} -IS
import array, json, os, socket, sys
if sys.argv[1:2] != ["-m"] and (not sys.argv[1:] or sys.argv[1].startswith("-")):
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    told = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
    server.sendmsg([len(told).to_bytes(4)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
    server.sendall(told)
    code = server.recv(1)
sys.exit(code[0] if code else "the process was killed")
"""


@functools.cache
def interpreter() -> Path:
    """The client, which is called as Python is. The server ends with this process."""
    folder = tempfile.TemporaryDirectory(prefix="forked-")
    atexit.register(folder.cleanup)
    address, client = f"{folder.name}/server", Path(folder.name) / "python"
    client.write_text(CLIENT.format(python=sys.executable, address=address))
    client.chmod(0o755)
    command = [sys.executable, __file__, address, str(client)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    server = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    )
    assert server.stdout.readline() == "ready\n"
    server.stdout.close()
    return client


def serve(address: str, client: str) -> None:
    """Fork for each caller, until standard input ends."""
    for package in PACKAGES:
        import_module(package)
    assert "viddiff" not in sys.modules and threading.active_count() == 1
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies
    with socket.socket(socket.AF_UNIX) as door, selectors.DefaultSelector() as waiting:
        door.bind(address)
        door.listen()
        print("ready", flush=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        waiting.register(sys.stdin.fileno(), selectors.EVENT_READ)
        waiting.register(door, selectors.EVENT_READ)
        while all(key.fileobj is door for key, _ in waiting.select()):
            caller, _ = door.accept()
            if os.fork() == 0:
                door.close()
                run(caller, client)
            caller.close()


def run(caller: socket.socket, client: str) -> None:
    """What a caller asks for: its exit code is the answer."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, files, _, _ = socket.recv_fds(caller, 4, 3)
    told = b""
    while len(told) < int.from_bytes(size):
        told += caller.recv(1 << 16)
    arguments, folder, environment = json.loads(told)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.executable = client
    code = 1
    try:
        execute(arguments)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        caller.sendall(bytes([code & 255]))
        os._exit(code & 255)


def execute(arguments: list[str]) -> None:
    """Run a script, or behind `-m` a module, as the main program."""
    module = arguments[0] == "-m"
    sys.argv = arguments[module:]
    first = os.getcwd() if module else str(Path(arguments[0]).resolve().parent)
    sys.path[:1] = [first, *filter(None, os.environ.get("PYTHONPATH", "").split(":"))]
    if module:
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    serve(*sys.argv[1:])
