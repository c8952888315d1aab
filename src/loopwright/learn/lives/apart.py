"""Checks that lives which are asked about were not learned from, and that training and test stand the right way round.

    check_apart(one)        LeakError: a unit under two names, on both sides or twice among those learned from
    check_way_round(one)    LeakError: the test units end further gone than the training units said to have failed
"""

from __future__ import annotations

import hashlib

import numpy as np

from loopwright.learn.lives import conditions
from loopwright.learn.lives.units import LifeSet, Unit, check
from loopwright.learn.traps import LeakError

LONGEST, LEAST = 16, 3  # rows one after another that are no chance when they are the same in two units
BEGIN, END = 20, 5  # rows at the beginning and the end of a unit that are compared
FEWEST, FURTHER = 10, 1.5  # units on each side to judge by; how much further gone the test units may be


def check_apart(one: LifeSet) -> None:
    """Raises LeakError where a stretch of rows of a unit that is learned from stands in another unit too.

    A stretch is LONGEST rows (the shortest unit's, if it is shorter) of which half or more differ from each other. Two
    training units count too: when one of them is left out to choose a model, the other one has told its end.
    """
    for train, test in one.parts:
        check([*train, *test])
        length = min(LONGEST, min(len(unit) for unit in (*train, *test)))
        if length < LEAST:
            continue
        seen: dict[bytes, str] = {}
        for unit in train:
            twin = _twin(unit, seen, length)
            if twin:
                raise _same(one, f"training unit {unit.id}", twin)
            seen.update(dict.fromkeys(_stretches(unit, length), unit.id))
        for unit in test:
            twin = _twin(unit, seen, length)
            if twin:
                raise _same(one, f"test unit {unit.id}", twin)


def _twin(unit: Unit, seen: dict[bytes, str], length: int) -> str:
    return next((seen[stretch] for stretch in _stretches(unit, length) if stretch in seen), "")


def _same(one: LifeSet, which: str, twin: str) -> LeakError:
    return LeakError(f"set {one.name}", f"{which} says the same as training unit {twin}, row for row", "",
                     "keep one of them, or give both one name if they are one unit")


def _stretches(unit: Unit, length: int) -> list[bytes]:
    """A hash of every `length` rows one after another of which half or more differ from each other."""
    rows = [hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in np.ascontiguousarray(unit.values + 0.0)]
    least = max(LEAST, length // 2)
    found = (rows[at : at + length] for at in range(len(rows) - length + 1))
    return [b"".join(stretch) for stretch in found if len(set(stretch)) >= least]


def check_way_round(one: LifeSet) -> None:
    """Raises LeakError where the test units have gone FURTHER times as far as units that are said to have failed.

    How far: the change from the first rows of a unit to its last ones, each channel normalised within its condition and
    weighed by how evenly it moves in the training units. Fewer than FEWEST units on a side, or sensors that do not
    agree on a direction, say nothing.
    """
    ended = [unit for unit in one.train if unit.left == 0.0 and len(unit) >= 2 * BEGIN]
    asked = [unit for unit in one.test if len(unit) >= 2 * BEGIN]
    if one.folds or min(len(ended), len(asked)) < FEWEST:
        return
    norm = conditions.fit(np.vstack([u.values for u in ended]), np.vstack([u.settings for u in ended]))
    moved = np.array([_moved(norm, unit) for unit in ended])
    way = moved.mean(axis=0) / np.maximum(moved.var(axis=0), 1e-12)
    far = moved @ way
    if far.mean() < 3.0 * far.std() / np.sqrt(len(asked)):
        return
    times = float(np.mean([_moved(norm, unit) @ way for unit in asked]) / far.mean())
    if times > FURTHER:
        given = f"its test units end {times:.1f} times as far gone as its training units, which are said to have failed"
        raise LeakError(f"set {one.name}", given, "", "training and test are swapped: give each file its own name")


def _moved(norm: dict[str, np.ndarray], unit: Unit) -> np.ndarray:
    """(C',) last rows less first rows, in spreads."""
    z = conditions.apply(norm, unit.values, unit.settings)
    return np.asarray(z[-END:].mean(axis=0) - z[:BEGIN].mean(axis=0))
