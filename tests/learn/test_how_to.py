"""The code of the page on models runs as it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopwright.store import open_store
from tests.store.test_how_to import run

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "models-and-the-league.md"


def test_the_page_on_models_and_the_league_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(PAGE)
    with open_store(tmp_path / "hall-5.plant", read_only=True) as store:
        assert [thing.kind for thing in store.things().values()] == ["belt", "prediction-force"]
