"""What every test may use. Real data is read from the folder beside the checkout when it is there."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

# Under load an example may take any time; CI looks at the same examples in every run, people at new ones.
hypothesis.settings.register_profile("loopwright", deadline=None)
hypothesis.settings.register_profile("same", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("same" if os.environ.get("LOOPWRIGHT_SAME_EXAMPLES") else "loopwright")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets (LOOPWRIGHT_DATA, else ../shared/data); skips with a clear word when it is not there."""
    folder = Path(os.environ.get("LOOPWRIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data here ({folder} is not a folder; set LOOPWRIGHT_DATA to use your own)")
    return folder
