"""Lives, their features and conditions: nothing looks ahead, what is fast agrees with what is plain."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.errors import InputError
from loopwright.learn.lives import conditions, life_fit, life_rows
from loopwright.learn.lives.features import (
    Windows,
    channels,
    columns,
    describe,
    window_mean,
    window_slope,
    window_spread,
)
from loopwright.learn.lives.units import LEVELS, Unit, check, cut, folds, remaining
from loopwright.learn.sets import cmapss
from tests.learn.made_lives import fleet

FLEET = fleet(8, life=80.0, conditions=3)


@settings(max_examples=40)
@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 10**6))
def test_windows_agree_with_numpy_row_by_row(rows: int, window: int, seed: int) -> None:
    z = np.random.default_rng(seed).normal(5.0, 2.0, (rows, 2))
    for t in range(rows):
        past = z[max(0, t + 1 - window): t + 1]
        np.testing.assert_allclose(window_mean(z, window)[t], past.mean(axis=0), atol=1e-9)
        np.testing.assert_allclose(window_spread(z, window)[t], past.std(axis=0), atol=1e-5)
        slope = np.polyfit(np.arange(len(past)), past, 1)[0] if len(past) > 1 else np.zeros(2)
        np.testing.assert_allclose(window_slope(z, window)[t], slope, atol=1e-7)


def test_features_of_a_row_rest_on_nothing_later() -> None:
    z = np.random.default_rng(0).normal(size=(60, 3))
    whole = describe(z, Windows(spreads=(5,), last=True))
    for rows in (1, 2, 17, 59):
        np.testing.assert_allclose(describe(z[:rows], Windows(spreads=(5,), last=True)), whole[:rows], atol=1e-12)


def test_columns_of_a_part_are_those_that_the_part_alone_would_give() -> None:
    z = np.random.default_rng(0).normal(size=(50, 3))
    part = Windows((10, 30, 80), (30, 80))
    np.testing.assert_array_equal(describe(z, Windows())[:, columns(3, Windows(), part)], describe(z, part))
    assert len(channels(3, Windows())) == describe(z, Windows()).shape[1]


def test_conditions_are_found_and_what_they_add_is_taken_away() -> None:
    values, under = (np.vstack([getattr(unit, name) for unit in FLEET]) for name in ("values", "settings"))
    norm = conditions.fit(values, under)
    assert len(norm["centres"]) == 3
    assert norm["kept"].tolist() == [0, 1, 2, 4], "the sensor that never moves is left out"
    z = conditions.apply(norm, values, under)
    which = conditions.nearest(norm, under)
    for k in range(3):
        np.testing.assert_allclose(z[which == k].mean(axis=0), 0, atol=0.02)
        np.testing.assert_allclose(z[which == k].std(axis=0), 1, atol=0.05)


def test_settings_that_vary_without_holes_are_one_condition_and_unknown_ones_the_nearest() -> None:
    rng = np.random.default_rng(0)
    assert len(conditions.centres(rng.uniform(size=(500, 2)))[0]) == 1
    assert len(conditions.centres(np.zeros((5, 0)))[0]) == 1
    norm = conditions.fit(*(np.vstack([getattr(u, n) for u in FLEET]) for n in ("values", "settings")))
    assert conditions.nearest(norm, np.array([[np.nan, 60.0], [21.0, np.nan], [np.nan, np.nan]])).tolist()[:2] == [2, 1]


def test_missing_values_are_as_last_heard_and_zero_before() -> None:
    z = np.array([[np.nan, 1.0], [2.0, np.nan], [np.nan, np.nan]])
    np.testing.assert_array_equal(conditions.forward_filled(z), [[0, 1], [2, 1], [2, 1]])


def test_a_cut_keeps_the_truth_and_cuts_are_drawn_within_the_reach_after_some_history() -> None:
    unit = FLEET[0]
    assert cut(unit, 30).left == len(unit) - 30
    np.testing.assert_array_equal(remaining(unit)[:30], remaining(cut(unit, 30)))
    many = fleet(60, life=250.0)
    found = life_fit.life_cuts(life_rows.fit(many), many, 0)
    left = np.array([remaining(many[which])[rows - 1] for which, rows in found])
    assert min(rows for _, rows in found) >= 20
    assert len(set(found)) == len(found) == 60 * life_fit.EACH
    near, far = (left < 50).mean(), ((left >= 100) & (left < 150)).mean()
    assert near == pytest.approx(far, abs=0.06), "up to the reach all are as frequent"
    assert (left > 220).mean() < 0.02, "beyond it ever fewer"


def test_every_unit_is_left_out_once_and_whole() -> None:
    which = folds(FLEET, 4, 0)
    assert sorted(np.bincount(which).tolist()) == [2, 2, 2, 2]
    state = life_fit.fit(life_fit.How(lambda rows, frame, seed: {}, lambda model, x: np.zeros(len(x))), FLEET, 0)
    cuts = life_fit.left_out(state)
    assert all(len(set(cuts.fold[cuts.unit == unit])) == 1 for unit in range(8))


def test_a_model_never_sees_the_unit_that_it_is_asked_about() -> None:
    seen: list[set[float]] = []

    def learn(rows: life_rows.Rows, frame: dict, seed: int) -> dict:  # type: ignore[type-arg]
        seen.append(set(np.round(rows.x[:, 0], 9).tolist()))
        return {"fit": len(seen) - 1}

    def say(model: dict, x: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        if model["fit"]:
            assert not seen[model["fit"]] & set(np.round(x[:, 0], 9).tolist())
        return np.zeros(len(x))

    life_fit.fit(life_fit.How(learn, say), FLEET, 0)
    assert len(seen) == 5


@settings(max_examples=30)
@given(st.integers(1, 30), st.integers(0, 10**6))
def test_quantiles_agree_with_the_plain_rule(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    seen, left, estimate = rng.uniform(0, 125, count), rng.uniform(0, 200, count), float(rng.uniform(0, 125))
    found = life_fit.quantiles(np.array([estimate]), seen, left, 5.0)[0]
    pairs = sorted((t - s, np.exp(-0.5 * ((estimate - s) / 5.0) ** 2)) for s, t in zip(seen, left, strict=True))
    total = sum(weight for _, weight in pairs) + 1.0
    last = 0.0
    for q, level in enumerate(LEVELS):
        sums, told = (1.0 if level < 0.5 else 0.5 if level == 0.5 else 0.0), pairs[-1][0]
        for off, weight in pairs:
            sums += weight
            if sums >= level * total - 1e-12:
                told = off
                break
        last = max(last, 0.0, estimate + told)
        assert found[q] == pytest.approx(last, abs=1e-9)


def test_intervals_hold_on_new_units_as_often_as_they_say() -> None:
    from loopwright.learn.models.life import ridge

    state = ridge.fit(fleet(40, seed=1, life=100.0), 0)
    rng = np.random.default_rng(5)
    new = [cut(unit, int(rng.integers(40, len(unit) - 5))) for unit in fleet(150, seed=77, life=100.0, prefix="new")]
    _, quantiles = ridge.predict(state, new)
    left = np.array([unit.left for unit in new])
    share = float(((quantiles[:, 0] <= left) & (left <= quantiles[:, -1])).mean())
    assert 0.82 <= share <= 0.97, "three standard deviations of 150 units round 90 %"


@pytest.mark.parametrize(("values", "under", "left", "says"), [
    (np.zeros((0, 3)), np.zeros((0, 1)), 0.0, "values of shape"), (np.zeros(5), np.zeros((5, 1)), 0.0, "values of shape"),
    (np.zeros((5, 2)), np.zeros((4, 1)), 0.0, "settings of shape"), (np.zeros((5, 2)), np.zeros((5, 1)), -1.0, "cycles left"),
    (np.zeros((5, 2)), np.zeros((5, 1)), float("nan"), "cycles left"),
])
def test_a_unit_that_is_none_is_refused(values: np.ndarray, under: np.ndarray, left: float, says: str) -> None:
    with pytest.raises(InputError, match=says):
        Unit("engine-7", values, under, left)


def test_two_units_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="unit-0"):
        check([FLEET[0], FLEET[0]])


def _nasa(folder: Path, zipped: bool, truth: bool = True) -> Path:
    """Three training engines of 4, 3 and 5 cycles and two of 2 and 3 to be told, in NASA's form, with its blanks."""
    def text(lengths: list[int]) -> str:
        rows = [[e + 1, c + 1, 0.1, 0.2, 100.0, *(e + c / 10 + s for s in range(21))] for e, n in enumerate(lengths) for c in range(n)]
        return "".join(" ".join(f"{v:g}" for v in row) + "  \n" for row in rows)

    files = {"train_FD001.txt": text([4, 3, 5]), "test_FD001.txt": text([2, 3])} | ({"RUL_FD001.txt": "112 \n98 \n"} if truth else {})
    for name, body in files.items():
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(body.encode()))
        else:
            (folder / name).write_text(body)
    return folder


@pytest.mark.parametrize("zipped", [False, True])
def test_nasas_layout_is_read_plain_and_zipped(tmp_path: Path, zipped: bool) -> None:
    assert cmapss.recognises(_nasa(tmp_path, zipped))
    (one,) = cmapss.read(tmp_path)
    assert one.name == "cmapss/FD001"
    assert [len(unit) for unit in one.train] == [4, 3, 5]
    assert [unit.left for unit in one.test] == [112.0, 98.0]
    assert one.test[1].values[2, 20] == pytest.approx(1 + 0.2 + 20)
    assert one.train[0].settings.shape == (4, 3)


def test_without_its_truth_the_set_can_still_be_predicted(tmp_path: Path) -> None:
    (one,) = cmapss.read(_nasa(tmp_path, False, truth=False))
    assert [unit.left for unit in one.test] == [None, None]


@pytest.mark.parametrize(("name", "line", "says"), [
    ("RUL_FD001.txt", "112\n", "1 lines"), ("test_FD001.txt", "1 1 0 0\n", "4 columns"),
    ("train_FD001.txt", "1 1" + " 0" * 24 + "\n1 1" + " 0" * 24 + "\n", "twice"),
])
def test_files_that_do_not_fit_are_refused_with_what_is_wrong(tmp_path: Path, name: str, line: str, says: str) -> None:
    (_nasa(tmp_path, False) / name).write_text(line)
    with pytest.raises(InputError, match=says):
        cmapss.read(tmp_path)


def test_of_ten_thousand_channels_those_are_taken_that_tell_of_the_end() -> None:
    from loopwright.learn.models.life import ridge

    rng = np.random.default_rng(0)
    wide = []
    for unit in fleet(6, life=40.0):
        values = rng.normal(size=(len(unit), 10_000))
        values[:, [17, 9_000]] = unit.values[:, :2]
        wide.append(Unit(unit.id, values, unit.settings, 0.0))
    state = ridge.fit(wide, 0)
    assert len(state["frame"]["norm"]["kept"]) == life_rows.MOST
    assert {17, 9_000} <= set(state["frame"]["norm"]["kept"].tolist())
    assert np.isfinite(ridge.predict(state, wide)[1]).all()


def test_features_at_some_rows_are_those_of_all_rows() -> None:
    z = np.random.default_rng(0).normal(size=(90, 3))
    at = np.array([0, 4, 60, 89])
    np.testing.assert_array_equal(describe(z, Windows(spreads=(9,), last=True), at), describe(z, Windows(spreads=(9,), last=True))[at])
