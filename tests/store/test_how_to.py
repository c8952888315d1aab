"""The code of the how-to page runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from loopwright.store import open_store

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "keep-data.md"


def test_the_page_on_keeping_data_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S))
    exec(compile(code, str(PAGE), "exec"), {"__name__": "page"})
    with open_store(tmp_path / "hall-3.plant", read_only=True) as store:
        assert store.get().num_rows == 3
