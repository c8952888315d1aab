"""What the page on fitting a club says, runs."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "fit-a-club.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_page_fits_a_person(capsys):
    exec(compile(BLOCKS[0], str(PAGE), "exec"), {})
    printed = capsys.readouterr().out
    assert "shaft_flex A" in printed
    assert "lie 1.09" in printed


@pytest.mark.slow
def test_the_page_makes_a_head(tmp_path, monkeypatch, capsys):
    pytest.importorskip("build123d", reason="needs the extra `solid`")
    monkeypatch.chdir(tmp_path)
    exec(compile(BLOCKS[1], str(PAGE), "exec"), {})
    assert capsys.readouterr().out.startswith("0.276")
    assert len(list((tmp_path / "solids").iterdir())) == 3
