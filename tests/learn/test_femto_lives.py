"""Bearings as lives: each left out whole, cut where it is said, truths counted by hand, the challenge's score as printed."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loopwright.core.errors import InputError
from loopwright.learn.metrics.life import challenge
from loopwright.learn.proof import life
from loopwright.learn.rows import document
from loopwright.learn.sets import femto

TOTALS = {"Bearing1_1": 245, "Bearing1_2": 300, "Bearing2_1": 361}


def bearing(total: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(snapshots, acceleration (S, 64, 2)): every twelfth snapshot and the last one; louder towards the end."""
    rng = np.random.default_rng(seed)
    number = np.array(sorted({*range(1, total + 1, 12), total}))
    loud = 0.5 + 3.0 * np.exp((number - total) / (0.15 * total))
    return number, loud[:, None, None] * rng.normal(size=(len(number), 64, 2))


def tables(path: Path, names: dict[str, int]) -> Path:
    for seed, (name, total) in enumerate(names.items()):
        number, g = bearing(total, seed)
        pq.write_table(pa.table({"snapshot": np.repeat(number, 64), "horiz_g": g[..., 0].ravel(), "vert_g": g[..., 1].ravel()}),
                       path / f"{name}.parquet")
    (path / "total_snapshots.json").write_text(json.dumps(names))
    return path


def published(folder: Path, total: int, until: int, seed: int) -> None:
    """acc_00001.csv and so on; the files between every twelfth are empty and never read."""
    folder.mkdir(parents=True)
    number, g = bearing(total, seed)
    there = dict(zip(number.tolist(), g, strict=True))
    for n in range(1, until + 1):
        rows = [f"9,39,39,{i},{h:.4f},{v:.4f}" for i, (h, v) in enumerate(there[n].tolist())] if n % 12 == 1 else []
        (folder / f"acc_{n:05d}.csv").write_text("\n".join(rows))


@pytest.mark.parametrize(("predicted", "true", "a"), [
    (100.0, 100.0, 1.0), (80.0, 100.0, 0.5), (60.0, 100.0, 0.25), (105.0, 100.0, 0.5), (110.0, 100.0, 0.25), (0.0, 50.0, 2.0**-5)])
def test_the_score_of_the_challenge_halves_each_twenty_percent_early_and_each_five_percent_late(
    predicted: float, true: float, a: float
) -> None:
    """By the formula as published, worked by hand: A = exp(-ln 0.5 Er / 5) for Er <= 0, exp(ln 0.5 Er / 20) else."""
    er = 100 * (true - predicted) / true
    assert a == pytest.approx(math.exp(-math.log(0.5) * er / 5) if er <= 0 else math.exp(math.log(0.5) * er / 20))
    assert challenge(np.array([predicted]), np.array([true])) == pytest.approx(a)
    both = challenge(np.array([predicted, 7.0]), np.array([true, 7.0]))
    assert both == pytest.approx((a + 1) / 2)


def test_a_bearing_that_has_nothing_left_has_no_relative_error_and_a_very_late_answer_scores_nothing() -> None:
    assert challenge(np.array([3.0]), np.array([0.0])) is None
    assert challenge(np.array([1e9]), np.array([1e-3])) == pytest.approx(0.0)


def test_each_bearing_is_left_out_and_asked_where_it_is_said(tmp_path: Path) -> None:
    (one,) = femto.lives(tables(tmp_path, TOTALS))
    assert [unit.id for unit in one.train] == list(TOTALS)
    assert len(one.folds) == 3
    for unit, (train, asked) in zip(one.train, one.folds, strict=True):
        assert unit.id not in {other.id for other in train}
        assert [one.id for one in asked] == [f"{unit.id}@{at:.0%}" for at in femto.ASKED_AT]
    # Bearing1_1: snapshots 1, 13, ..., 241 and 245, so 21 cycles and 4 / 12 of one left; at 50 % 10 rows: the last is 109
    first = one.train[0]
    assert (len(first), first.left) == (21, pytest.approx(4 / 12))
    half = one.folds[0][1][0]
    assert (len(half), half.left) == (10, pytest.approx((245 - 109) / 12))
    assert first.settings[0].tolist() == [1800.0, 4000.0]
    assert one.train[2].settings[0].tolist() == [1650.0, 4200.0]


def test_as_published_the_test_set_is_asked_and_the_full_one_tells_the_truth(tmp_path: Path) -> None:
    for seed, (name, total) in enumerate(TOTALS.items()):
        published(tmp_path / "Learning_set" / name, total, total, seed)
    published(tmp_path / "Test_set" / "Bearing1_3", 130, 97, 7)
    published(tmp_path / "Test_set" / "Bearing3_3", 130, 61, 8)
    published(tmp_path / "Full_Test_Set" / "Bearing1_3", 130, 130, 7)
    (one,) = femto.lives(tmp_path)
    assert [unit.id for unit in one.train] == list(TOTALS)
    assert [(unit.id, unit.left) for unit in one.test] == [("Bearing1_3", pytest.approx((130 - 97) / 12)), ("Bearing3_3", None)]
    assert one.folds == ()


def test_two_bearings_are_too_few(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 3"):
        femto.lives(tables(tmp_path, {"Bearing1_1": 245, "Bearing1_2": 300}))


@pytest.mark.slow
def test_the_table_of_bearings_has_its_score_its_baseline_and_what_choosing_gets(tmp_path: Path) -> None:
    rows, champion = life.rows(tables(tmp_path, TOTALS), ["mean_life", "survival"], 1, tmp_path / "out", lambda _: None)
    told = document(rows, champion)["rows"]
    assert [(row["model"], row["split"], row["baseline"]) for row in told] == [
        ("mean_life", "bearing", "mean_life"), ("survival", "bearing", "mean_life")]
    assert all(0 < row["metrics"]["phm2012"] <= 1 for row in told)
    assert any("chosen in each fold on its other units, then used: phm2012" in note for note in told[0]["notes"])
    assert len((tmp_path / "out" / "bearing_femto.csv").read_text().splitlines()) == 18
