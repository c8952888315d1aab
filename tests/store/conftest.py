"""A store in an empty folder, on a clock that the test moves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from loopwright.core.clock import SimClock
from loopwright.store import Store, open_store
from tests.store.plant import declared


@pytest.fixture
def clock() -> SimClock:
    return SimClock()


@pytest.fixture
def store(tmp_path: Path, clock: SimClock) -> Iterator[Store]:
    with open_store(tmp_path / "plant", clock) as opened:
        yield declared(opened)
