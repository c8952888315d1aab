"""The code of the how-to pages on watching, maintenance and OEE runs as it stands."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from loopwright.app.site import TABLES

PAGES = Path(__file__).parents[2] / "docs" / "how-to"


@pytest.mark.parametrize("name", ["watch-and-maintain.md", "oee.md", "forecast.md", "remaining-life.md"])
def test_the_python_of_the_page_runs(name: str) -> None:
    code = "\n".join(re.findall(r"```python\n(.*?)```", (PAGES / name).read_text(encoding="utf-8"), re.S))
    assert "import" in code
    exec(compile(code, name, "exec"), {"__name__": "page"})


@pytest.mark.parametrize("name", ["watch-and-maintain.md", "oee.md"])
def test_the_settings_of_the_page_are_those_of_the_site_file(name: str) -> None:
    for block in re.findall(r"```toml\n(.*?)```", (PAGES / name).read_text(encoding="utf-8"), re.S):
        for table, content in tomllib.loads(block).items():
            for keys in content if isinstance(content, list) else [content]:
                assert set(keys) <= set(TABLES[table])
