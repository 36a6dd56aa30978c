"""What all tests share: a cache of their own, and the images and weights beside the project where they are."""

import gc
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests import old_python

# What the tests import lives to the end; looking for garbage in it takes a third of the time until the first test.
gc.disable()

with suppress(ImportError):  # `make test-gpu` runs in an environment that need not have it
    from hypothesis import settings

    settings.register_profile("nas-sr", deadline=None)  # how long an example takes says how busy the machine is
    settings.load_profile("nas-sr")

# A shell that starts the tests in the background has them, and all that they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

BESIDE = Path(os.environ.get("NAS_SR_SHARED", Path(__file__).parents[2] / "shared"))


def pytest_collection_finish() -> None:
    """From here on garbage is looked for, in what the tests themselves make."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests never read or write the user's cache, and do not wait for others that measure on this machine."""
    import torch

    # Short, because the paths of Ray's sockets lie in it and may have 107 bytes.
    with (
        tempfile.TemporaryDirectory(prefix="nas-sr-", ignore_cleanup_errors=True) as temporary,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("TMPDIR", temporary)  # the device's lock is there
        patch.setenv("NAS_SR_CACHE", str(tmp_path_factory.mktemp("cache")))
        # Tests run side by side; threads that fight for the same cores make all of them several times slower.
        patch.setenv("OMP_NUM_THREADS", "1")
        torch.set_num_threads(1)
        yield


@pytest.fixture(autouse=True)
def _denormal_numbers_as_they_are() -> Iterator[None]:
    """A runtime that a test calls in this process may leave the processor flushing them to zero."""
    yield
    import torch

    torch.set_flush_denormal(False)


@pytest.fixture(scope="session")
def python38(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python 3.8 with ONNX Runtime."""
    base = tmp_path_factory.getbasetemp()
    made = old_python.made((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "python3.8")
    if isinstance(made, str):
        pytest.skip(made)
    return made


@pytest.fixture
def images() -> Path:
    """The image sets beside the project: Set5, Set14, BSD100, Kodak24, photos."""
    return _beside("data")


@pytest.fixture
def official_weights() -> Path:
    """The published checkpoint of core=16 with attention."""
    return _beside("weights") / "imdeception_core16_nla_x4_official.pth"


def _beside(name: str) -> Path:
    folder = BESIDE / name
    if not folder.is_dir():
        pytest.skip(f"needs {name} beside the project, in shared/{name} (or $NAS_SR_SHARED/{name})")
    return folder
