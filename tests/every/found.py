"""Models as the examiners find them: by their files, passed over with a word where a library is missing."""

from __future__ import annotations

from types import ModuleType

import pytest

from loopwright.core import plug
from loopwright.core.errors import MissingExtra


def installed(room: str, name: str) -> ModuleType:
    """The module of that name in the room; skips the test where what it needs is not installed."""
    module = plug.load(room, name)
    try:
        getattr(module, "require", lambda: None)()
    except MissingExtra as missing:
        pytest.skip(str(missing))
    return module
