"""The code of the how-to page runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from loopwright.store import open_store

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "keep-data.md"


def run(page: Path) -> None:
    """The Python of a page, from its beginning to its end."""
    code = "\n".join(re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S))
    exec(compile(code, str(page), "exec"), {"__name__": "page"})


def test_the_page_on_accounting_for_every_sample_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(PAGE.with_name("account-for-every-sample.md"))
    with open_store(tmp_path / "hall-4.plant", read_only=True) as store:
        assert store.hops()["mqtt"].lost == 2


def test_the_page_on_keeping_data_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(PAGE)
    with open_store(tmp_path / "hall-3.plant", read_only=True) as store:
        assert store.get().num_rows == 3
