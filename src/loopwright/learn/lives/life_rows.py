"""From lives to rows that a model of remaining life learns from, in the same way for every model.

    frame = fit(units)                    how to read a unit: conditions, pace, windows; plain data
    rows = gather(frame, units, seed)     rows to learn from: features, life left, whether the end is known
    x = newest(frame, units)              (n, F) features after the last row of each unit

A fleet that still runs is met late in its lives more often than a log of whole lives is read: lives are cut where it
begins to matter. Rows with more life left than `reach` are therefore drawn ever more seldom: half as often every 20
cycles more. A longer remaining life than the cap counts as the cap, since no sensor tells those apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from loopwright.learn.lives import conditions
from loopwright.learn.lives.features import Windows, describe
from loopwright.learn.lives.units import CAP, Unit, check, failures, remaining

REACH, HALF, FIRST = 150.0, 20.0, 10  # cycles at pace 1: see the docstring; the shortest history that is learned from
USUAL = (100.0, 400.0)  # rows: median lives of these lengths are read at pace 1, others relative to 200
ROWS = 7000  # rows to learn from; more cost time and gain nothing, since rows of one unit resemble each other
MOST = 64  # channels that are described; of more, those that tell most of the end


@dataclass(frozen=True)
class Rows:
    """Rows to learn from.

    x      (n, F)  features
    left   (n,)    cycles left; where the end is not known: cycles it is known to have lived on
    ended  (n,)    whether `left` is the truth (else it is at least that)
    unit   (n,)    which unit a row is of
    """

    x: np.ndarray
    left: np.ndarray
    ended: np.ndarray
    unit: np.ndarray


def fit(units: Sequence[Unit], windows: Windows | None = None) -> dict[str, Any]:
    """The frame: conditions and channels of all units, pace and cap of those whose end is known.

    pace  1 for lives of 100 to 400 rows, else the median life / 200: every length in rows or cycles is times that
    Raises InputError where no unit has a known end.
    """
    lives = np.array([len(unit) + float(unit.left or 0.0) for unit in failures(units, 1)])
    middle = float(np.median(lives))
    pace = 1.0 if USUAL[0] <= middle <= USUAL[1] else max(middle, 2.0) / 200.0
    values, settings = np.vstack([u.values for u in units]), np.vstack([u.settings for u in units])
    norm = conditions.fit(values, settings)
    norm["kept"] = _telling(norm, failures(units, 1), CAP * pace)
    spans = (windows or Windows()).at(pace)
    return {"norm": norm, "pace": pace, "cap": CAP * pace, "width": values.shape[1], "under": settings.shape[1],
            "means": list(spans.means), "slopes": list(spans.slopes), "spreads": list(spans.spreads),
            "last": spans.last}


def _telling(norm: dict[str, Any], units: Sequence[Unit], cap: float) -> np.ndarray:
    """(C',) the kept channels; of more than MOST those that go up or down most evenly towards the end."""
    kept: np.ndarray = norm["kept"]
    if len(kept) <= MOST:
        return kept
    left = np.concatenate([np.minimum(remaining(unit), cap) for unit in units])
    strength = np.zeros(len(kept))
    for begin in range(0, len(kept), 256):
        some = slice(begin, begin + 256)
        part = norm | {"kept": kept[some]}
        z = np.vstack([conditions.apply(part, unit.values, unit.settings) for unit in units])
        off = z - z.mean(axis=0)
        strength[some] = np.abs((left - left.mean()) @ off) / np.sqrt(np.maximum((off * off).sum(axis=0), 1e-12))
    return np.sort(kept[np.argsort(-strength, kind="stable")[:MOST]])


def windows_of(frame: dict[str, Any]) -> Windows:
    """The windows of a frame, at its pace."""
    return Windows(tuple(frame["means"]), tuple(frame["slopes"]), tuple(frame["spreads"]), frame["last"])


def table(frame: dict[str, Any], unit: Unit, at: np.ndarray | None = None) -> np.ndarray:
    """(k, F) features after each row of a unit, or after the rows at (k,)."""
    return describe(conditions.apply(frame["norm"], unit.values, unit.settings), windows_of(frame), at)


def often(frame: dict[str, Any], left: np.ndarray) -> np.ndarray:
    """(n,) how often a row with so much life left is drawn, 1 up to the reach, half as often every HALF cycles more."""
    over = np.maximum(0.0, left / frame["pace"] - REACH)
    return 0.5 ** (over / HALF)


def gather(frame: dict[str, Any], units: Sequence[Unit], seed: int = 0, most: int = ROWS) -> Rows:
    """About `most` rows at the most, drawn evenly over the units by `often`; at least one of each unit.

    A unit whose end is not known gives rows that say 'at least so long'.
    """
    check(units, frame["width"], frame["under"])
    rng = np.random.default_rng(seed)
    spare = [remaining(unit) if unit.failed else np.arange(len(unit) - 1, -1, -1.0) for unit in units]
    first = max(1, round(FIRST * frame["pace"]))
    chance = [often(frame, left) * (np.arange(1, len(left) + 1) >= min(first, len(left))) for left in spare]
    share = min(1.0, most / max(1.0, float(sum(one.sum() for one in chance))))
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
    for which, (unit, left) in enumerate(zip(units, spare, strict=True)):
        picked = np.flatnonzero(rng.random(len(left)) < chance[which] * share)
        picked = picked if len(picked) else np.array([len(left) - 1])
        parts.append((table(frame, unit, picked), left[picked], np.full(len(picked), unit.failed),
                      np.full(len(picked), which)))
    return Rows(*(np.concatenate([part[i] for part in parts]) for i in range(4)))


def newest(frame: dict[str, Any], units: Sequence[Unit]) -> np.ndarray:
    """(n, F) features after the last row of each unit. Raises InputError for units of another width."""
    check(units, frame["width"], frame["under"])
    return np.vstack([table(frame, unit, np.array([len(unit) - 1])) for unit in units])


def at_cuts(frame: dict[str, Any], units: Sequence[Unit], cuts: Sequence[tuple[int, int]]) -> np.ndarray:
    """(n, F) features of units cut after so many rows: [(which unit, rows kept)].

    A feature rests on earlier rows only, so a unit is read once for all its cuts, which stand side by side.
    """
    which = np.array([unit for unit, _ in cuts], dtype=np.int64)
    last = np.array([rows - 1 for _, rows in cuts], dtype=np.int64)
    order = list(dict.fromkeys(which.tolist()))
    return np.vstack([table(frame, units[unit], last[which == unit]) for unit in order])
