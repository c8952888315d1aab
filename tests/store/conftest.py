"""A store in an empty folder, on a clock that the test moves."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopwright.core.clock import SimClock
from loopwright.store import Store, open_store
from tests.store.plant import declared


@pytest.fixture
def clock() -> SimClock:
    return SimClock()


@pytest.fixture(scope="session")
def empty_plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty plant with the mill declared, to be copied: quicker than making one for each test."""
    folder = tmp_path_factory.mktemp("template") / "plant"
    with open_store(folder, SimClock()) as opened:
        declared(opened)
    return folder


@pytest.fixture
def store(empty_plant: Path, tmp_path: Path, clock: SimClock) -> Iterator[Store]:
    shutil.copytree(empty_plant, tmp_path / "plant")
    with open_store(tmp_path / "plant", clock) as opened:
        yield opened
