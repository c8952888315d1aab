"""The proof of remaining life: every table has its floor, the champion is chosen without the truth, files are as asked."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from loopwright.core.errors import InputError, StoreError
from loopwright.learn.lives import life_files, life_rows
from loopwright.learn.lives.features import Windows
from loopwright.learn.lives.units import LifeSet, remaining
from loopwright.learn.metrics import life as metrics
from loopwright.learn.models.life import blend
from loopwright.learn.proof import life
from loopwright.learn.rows import document
from loopwright.learn.traps import LeakError
from tests.learn.made_lives import life_set

CMAPSS = Path(__file__).parents[3] / "shared" / "data" / "cmapss"


def nasa(folder: Path, name: str, one: LifeSet, truth: bool = True) -> None:
    """Writes a set of five sensors in NASA's form; the other sensors stand still."""
    for part, units in (("train", one.train), ("test", one.test)):
        rows = [
            " ".join(f"{v:.6f}" for v in (e + 1, t + 1, *unit.settings[t], 100.0, *unit.values[t], *np.ones(16)))
            for e, unit in enumerate(units) for t in range(len(unit))
        ]
        (folder / f"{part}_{name}.txt.gz").write_bytes(gzip.compress("\n".join(rows).encode()))
    if truth:
        (folder / f"RUL_{name}.txt").write_text("".join(f"{unit.left:.0f}\n" for unit in one.test))


def anchor(one: LifeSet) -> tuple[float, float]:
    """(raw, capped) error of scikit-learn's boosting on statistics of a window of 30 cycles, the peer of these models."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    frame = life_rows.fit(one.train, Windows((30,), (30,), (30,), True))
    x = np.vstack([life_rows.table(frame, unit)[:, :-1] for unit in one.train])  # without the age
    left = np.minimum(np.concatenate([remaining(unit) for unit in one.train]), 125.0)
    with threadpool_limits(1):
        model = HistGradientBoostingRegressor(max_iter=300, learning_rate=0.04, random_state=0).fit(x, left)
        told = model.predict(life_rows.newest(frame, one.test)[:, :-1])
    truth = np.array([unit.left for unit in one.test])
    return metrics.rmse(told, truth), metrics.capped(told, truth)


def test_a_set_gives_a_row_a_model_a_champion_and_a_file_of_its_estimates(tmp_path: Path) -> None:
    given = life_set(14, 9)
    nasa(tmp_path, "FD001", given)
    nasa(tmp_path, "FD003", life_set(14, 6, seed=3), truth=False)
    said: list[str] = []
    rows, champion = life.rows(tmp_path, ["mean_life", "ridge", "survival"], 2, tmp_path / "out", said.append)
    assert [(row.set, row.model) for row in rows] == [
        (f"cmapss/{name}", model) for name in ("FD001", "FD003") for model in ("mean_life", "ridge", "survival")]
    told = document(rows, champion)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    first, blind = rows[1], rows[4]
    assert first.metrics["rmse_raw"] is not None
    assert first.metrics["rmse_raw"] < 0.7 * (rows[0].metrics["rmse_raw"] or 0)
    assert set(first.spread) == set(first.metrics)
    assert blind.metrics["rmse_raw"] is None
    assert blind.metrics["left_out_rmse_raw"] is not None
    assert "not there" in blind.notes[-1]
    best = champion["cmapss/FD001"]
    assert best.model in ("ridge", "survival")
    assert "left out" in best.chosen_on
    lines = (tmp_path / "out" / "FD003.csv").read_text().splitlines()
    assert len(lines) == 6
    assert all(0 <= float(line) <= 125 for line in lines)
    assert any("90 %" in line for line in said)


def test_the_truth_of_the_test_units_changes_neither_champion_nor_estimates(tmp_path: Path) -> None:
    given = life_set(12, 8)
    lied = replace(given, test=tuple(replace(unit, left=float(7 * i)) for i, unit in enumerate(given.test)))
    found = []
    for name, one in (("a", given), ("b", lied)):
        folder = tmp_path / name
        folder.mkdir()
        nasa(folder, "FD001", one)
        _, champion = life.rows(folder, ["mean_life", "ridge"], 1, folder, lambda _: None)
        found.append((champion["cmapss/FD001"], (folder / "FD001.csv").read_text()))
    assert found[0] == found[1]


def test_a_test_unit_that_was_learned_from_is_refused() -> None:
    given = life_set(6, 4)
    leaked = replace(given, test=(*given.test, replace(given.train[2], id="another")))
    with pytest.raises(LeakError, match="another"):
        life.check_apart(leaked)
    with pytest.raises(InputError, match="twice"):
        life.check_apart(replace(given, test=(*given.test, given.train[2])))
    life.check_apart(given)


def test_a_table_of_ones_own_is_told_by_its_columns(tmp_path: Path) -> None:
    lines = ["engine,cycle,heat,flow"]
    for number, unit in enumerate(life_set(10, 2).train):
        lines += [f"e{number},{t},{row[0]:.4f},{row[1]:.4f}" for t, row in enumerate(unit.values)]
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(lines) + "\n")
    columns = {"unit": ("engine",), "time": ("cycle",), "target": ("heat", "flow")}
    rows, champion = life.rows(path, ["mean_life", "ridge"], 1, None, lambda _: None, columns)
    assert len(rows) == 2
    assert len(champion) == 1


def test_a_folder_without_lives_and_a_place_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no layout with lives"):
        life.read(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        life_files.estimates(tmp_path / "file" / "FD001.csv", np.ones(3))


@pytest.mark.skipif(not CMAPSS.is_dir(), reason="the C-MAPSS set is not beside the project")
@pytest.mark.slow
def test_on_nasas_first_set_the_anchor_stands_and_the_blend_keeps_its_goal() -> None:
    pytest.importorskip("sklearn")
    (one,), _ = life.read(CMAPSS / "train_FD001.txt.gz")
    assert (len(one.train), len(one.test), sum(len(unit) for unit in one.train)) == (100, 100, 20_631)
    truth = np.array([unit.left for unit in one.test])
    raw, capped = anchor(one)
    # published beside the data: 12.82 raw and 11.54 capped; its settings are not, ours come within 3 %
    assert raw == pytest.approx(12.82, rel=0.04)
    assert capped == pytest.approx(11.54, rel=0.04)
    estimate, _ = blend.predict(blend.fit(one.train, 0), one.test)
    assert metrics.rmse(estimate, truth) <= 12.3
    assert metrics.capped(estimate, truth) <= 11.3
