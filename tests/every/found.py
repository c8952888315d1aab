"""Models as the examiners find them: by their files, passed over with a word where a library is missing."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from loopwright.core import plug
from loopwright.core.errors import MissingExtra


def names(room: str, heavy: tuple[str, ...] = ()) -> list[Any]:
    """The models of a room to go through; those that fit for long are marked slow, so that `make quick` passes over
    them. Every statement is held by all of them in the whole suite, and by the others in the quick one."""
    there = sorted(plug.find(room))
    assert set(heavy) < set(there), f"heavy models of {room} that are not there, or all of them: {heavy}"
    return [pytest.param(name, marks=pytest.mark.slow) if name in heavy else name for name in there]


def installed(room: str, name: str) -> ModuleType:
    """The module of that name in the room; skips the test where what it needs is not installed."""
    module = plug.load(room, name)
    try:
        getattr(module, "require", lambda: None)()
    except MissingExtra as missing:
        pytest.skip(str(missing))
    return module
