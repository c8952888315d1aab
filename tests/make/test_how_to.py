"""The page docs/how-to/make-a-product.md does what it says: its files load, its code runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "make-a-product.md"


def test_the_page_makes_a_product_from_its_own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    for block in re.findall(r"```toml\n(# (\S+)\n.*?)```", text, re.DOTALL):
        path = tmp_path / block[1]
        path.parent.mkdir(exist_ok=True)
        path.write_text(block[0], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(code, str(PAGE), "exec"), names)
    said = capsys.readouterr().out
    assert "seat_height 0.46 m because stature 1.8 m (180 cm) is between 170 cm and 190 cm -> 460 mm" in said
    assert "rule 'seat_height', measure 'stature': 1.3 m (130 cm) is out of range; allowed: 1.5 m (150 cm) to 2.05 m (205 cm)" in said
    assert "G65 P9001" in said


@pytest.mark.slow
def test_the_page_on_repairs_mends_a_plan_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    text = (PAGE.parent / "repair-a-plan.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(code, "repair-a-plan.md", "exec"), names)
    said = capsys.readouterr().out
    assert "operations" in said
    assert "go from press-1 to press-2: press-1 is down (breakdown) for another 5 h 00 min" in said
