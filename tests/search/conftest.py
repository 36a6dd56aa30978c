from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sshd import Server, skip_without_server


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Server]:
    """A device that is reached by ssh."""
    skip_without_server()
    with Server(tmp_path / "device") as server:
        yield server
