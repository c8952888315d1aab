"""Lives that a model has seen under another name, and training and test the wrong way round, are refused loudly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from loopwright.learn.lives.apart import check_apart, check_way_round
from loopwright.learn.lives.units import LifeSet, Unit
from loopwright.learn.sets import cmapss
from loopwright.learn.traps import LeakError
from tests.learn.made_lives import life_set

CMAPSS = Path(__file__).parents[3] / "shared" / "data" / "cmapss"
GIVEN = life_set(14, 12, conditions=2)


def renamed(unit: Unit, first: int = 0) -> Unit:
    """The same under another name, from its row `first` on."""
    return replace(unit, id="another", values=unit.values[first:], settings=unit.settings[first:])


def swapped(one: LifeSet) -> LifeSet:
    """The test units said to have failed at their last row; those that failed said to stop early."""
    return replace(one, train=tuple(replace(unit, left=0.0) for unit in one.test),
                   test=tuple(replace(unit, left=20.0) for unit in one.train))


def test_a_set_as_it_should_be_passes() -> None:
    check_apart(GIVEN)
    check_way_round(GIVEN)


@pytest.mark.parametrize("first", [0, 7])
def test_a_training_unit_that_is_asked_under_another_name_is_refused_from_whatever_row_on(first: int) -> None:
    leaked = replace(GIVEN, test=(*GIVEN.test, renamed(GIVEN.train[3], first)))
    with pytest.raises(LeakError, match=f"test unit another says the same as training unit {GIVEN.train[3].id}, row for row"):
        check_apart(leaked)


def test_one_training_unit_under_two_names_is_refused_for_one_tells_the_other_when_it_is_left_out() -> None:
    with pytest.raises(LeakError, match="training unit another says the same as training unit unit-5"):
        check_apart(replace(GIVEN, train=(*GIVEN.train, renamed(GIVEN.train[5]))))


def test_a_copy_in_one_fold_is_refused() -> None:
    units = GIVEN.train
    folds = ((units[:5], GIVEN.test[:1]), (units[5:9], (renamed(units[6]),)))
    with pytest.raises(LeakError, match="another"):
        check_apart(replace(GIVEN, folds=folds))


def test_units_that_stand_still_or_repeat_a_few_numbers_are_no_copies() -> None:
    still = tuple(Unit(f"s{i}", np.full((40, 2), 3.0), np.zeros((40, 0)), 0.0) for i in range(4))
    steps = tuple(Unit(f"t{i}", np.repeat([[1.0], [2.0]], 20, axis=0), np.zeros((40, 0)), 0.0) for i in range(4))
    for units in (still, steps):
        check_apart(LifeSet("still", units[:3], units[3:], ("x",)))


def test_training_and_test_that_are_swapped_are_refused() -> None:
    with pytest.raises(LeakError, match="training and test are swapped"):
        check_way_round(swapped(GIVEN))


def test_of_noise_nobody_says_that_it_is_swapped() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        units = [Unit(f"u{i}", rng.normal(size=(60, 4)), np.zeros((60, 0)), 0.0) for i in range(40)]
        check_way_round(LifeSet("noise", tuple(units[:28]), tuple(units[28:]), ("a", "b", "c", "d")))


@pytest.mark.skipif(not CMAPSS.is_dir(), reason="the C-MAPSS set is not beside the project")
@pytest.mark.slow
def test_nasas_sets_pass_and_each_is_refused_when_swapped() -> None:
    for one in cmapss.read(CMAPSS):
        check_apart(one)
        check_way_round(one)
        with pytest.raises(LeakError, match="swapped"):
            check_way_round(swapped(one))
