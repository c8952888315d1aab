"""The page on anomalies: its code runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "find-anomalies.md"


def test_the_code_of_the_page_runs_as_it_stands() -> None:
    pytest.importorskip("numba")
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 5
    there: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), there)
