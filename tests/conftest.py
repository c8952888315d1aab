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

FEWER = int(os.environ.get("LOOPWRIGHT_FEWER_EXAMPLES", "0"))  # `make quick`: at most so many for each random test


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Random tests look at fewer examples where only a quick answer is wanted; each is still looked at."""
    for item in items if FEWER else []:
        test = getattr(item, "obj", None)
        now = getattr(test, "_hypothesis_internal_use_settings", None)
        if now is not None:  # what has no settings of its own (a machine of states) keeps its count
            fewer = min(now.max_examples, FEWER)
            test._hypothesis_internal_use_settings = hypothesis.settings(now, max_examples=fewer)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets (LOOPWRIGHT_DATA, else ../shared/data); skips with a clear word when it is not there."""
    folder = Path(os.environ.get("LOOPWRIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data here ({folder} is not a folder; set LOOPWRIGHT_DATA to use your own)")
    return folder
