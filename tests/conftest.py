"""What every test may use. Real data is read from the folder beside the checkout when it is there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets (LOOPWRIGHT_DATA, else ../shared/data); skips with a clear word when it is not there."""
    folder = Path(os.environ.get("LOOPWRIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data here ({folder} is not a folder; set LOOPWRIGHT_DATA to use your own)")
    return folder
