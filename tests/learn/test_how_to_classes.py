"""The page docs/how-to/classify-runs.md does what it says: its code runs, and it names every model there is."""

from __future__ import annotations

import re
from pathlib import Path

from loopwright.core import plug

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "classify-runs.md"


def test_the_code_of_the_page_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), {})


def test_the_page_names_every_model() -> None:
    text = PAGE.read_text("utf-8")
    assert not [name for name in plug.find("learn.models.classes") if f"`{name}`" not in text]
