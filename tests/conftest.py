"""What tests of several folders need. Helpers beside this file (`seeded`, `literal`) can be imported from all."""

import resource
import signal
from contextlib import contextmanager
from pathlib import Path

import jaxtyping
import pytest

ROOT = Path(__file__).parents[1]

# Types and shapes are checked at every call. The hook changes what is imported from here on.
jaxtyping.install_import_hook(
    "viddiff", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
)


@pytest.fixture
def types_unchecked(monkeypatch):
    """In tests that hand in what a user may, but a type forbids: as outside of the tests, types are not checked."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture(scope="session")
def alexnet() -> Path:
    """The LPIPS-AlexNet weights file; fetched once per checkout into `.weights/`."""
    from viddiff.metrics.weights import fetch_alexnet

    path = ROOT / ".weights" / "alexnet.pt"
    if not path.exists():
        fetch_alexnet(path)
    return path


@pytest.fixture(scope="session")
def i3d() -> Path:
    """The weights file of I3D; fetched once per checkout into `.weights/`."""
    from viddiff.metrics.i3d_weights import fetch_i3d

    path = ROOT / ".weights" / "i3d.pt"
    if not path.exists():
        fetch_i3d(path)
    return path


@pytest.fixture
def full_disk():
    """A context in which no file grows beyond 10 kB: writing fails half-way, as on a full disk."""

    @contextmanager
    def limit():
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, old)

    return limit
