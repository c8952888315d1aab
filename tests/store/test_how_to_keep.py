"""The code of the pages on keeping runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"


@pytest.mark.parametrize("page", ["backup-and-restore.md", "charts-and-rollups.md", "retention-and-export.md"])
def test_the_code_of_the_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = "\n".join(re.findall(r"```python\n(.*?)```", (HOW_TO / page).read_text(encoding="utf-8"), re.S))
    assert "open_store" in code
    exec(compile(code, page, "exec"), {"__name__": "page"})
