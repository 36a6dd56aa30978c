from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sshd import Server, why_not


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Server]:
    """A device that is reached by ssh."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with Server(tmp_path / "device") as server:
        yield server
