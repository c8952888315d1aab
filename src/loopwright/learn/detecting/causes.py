"""Which channel an alarm comes from: the one that moved early and most.

    ranked = explain(module, state, rows, names)      the detector's own parts of the rows before an alarm
    ranked = rank(parts, names)                       (N, C) parts of a score, the newest row last

A channel's share is its part of what the score rose by since the first quarter of the rows; its onset is the first row
from which the root of its part stays above what it was there (median and five spreads) for three rows. Ranked by
share * 2^(-4 (onset - earliest onset) / N): a channel that moved a quarter of the rows after the first counts half.
Limits: channels that move together are not told apart, and a cause that is not measured is not among them.
Source: after S. J. Qin, Annu. Rev. Control 36 (2012) 220 (contributions and their smearing, hence the onset).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from loopwright.core.errors import InputError
from loopwright.learn.detecting.level import settle

FAR = 5.0  # spreads
STAYS = 3  # rows


@dataclass(frozen=True)
class Cause:
    """One channel's part in an alarm.

    channel   its name
    share     0..1 of what the score rose by; over all channels 1
    onset     row from which it stood out, None where it never did
    weight    what it is ranked by
    """

    channel: str
    share: float
    onset: int | None
    weight: float


def explain(module: ModuleType, state: dict[str, Any], rows: np.ndarray, names: Sequence[str]) -> list[Cause]:
    """The channels ranked for rows that led to an alarm, by the parts of the detector's own score.

    state  of the detector before these rows
    rows   (N, C), at least 4; the newest last; NaN: missing, its channel's part is the last that was known
    """
    parts, _ = module.channels(state, rows)
    return rank(_held(parts, np.isfinite(rows)), names)


def rank(parts: np.ndarray, names: Sequence[str]) -> list[Cause]:
    """The causes, the likeliest first. Equal weights stand in the order of the channels."""
    parts = np.asarray(parts, dtype=float)
    if parts.ndim != 2 or parts.shape[1] != len(names) or len(parts) < 4 or not np.isfinite(parts).all():
        given = f"parts of shape {parts.shape} for {len(names)} channels"
        raise InputError("causes", given, "(N, C) numbers, at least 4 rows, a name for each channel")
    early = parts[: max(2, len(parts) // 4)]
    level, _ = settle(early)
    rise = np.maximum(parts - level, 0.0)
    rise = rise / max(float(rise.max()), 1e-300)  # sums of very large parts stay finite
    total = rise.sum(axis=0)
    share = total / total.sum() if total.sum() > 0 else np.full(len(names), 1.0 / len(names))
    roots = np.sqrt(np.maximum(parts, 0.0))  # parts are squares, whose far values are no news
    middle, width = settle(roots[: len(early)])
    onsets = [_onset(column > edge) for column, edge in zip(roots.T, middle + FAR * width, strict=True)]
    first = min((onset for onset in onsets if onset is not None), default=0)
    late = np.array([len(parts) if onset is None else onset - first for onset in onsets])
    weight = share * 2.0 ** (-4.0 * late / len(parts))
    order = np.argsort(-weight, kind="stable")
    return [Cause(names[i], float(share[i]), onsets[i], float(weight[i])) for i in order]


def _held(parts: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The parts with those of missing values replaced by the last known one before them: a gap is not a return."""
    rows = np.arange(len(parts))[:, None]
    last = np.maximum.accumulate(np.where(known, rows, -1), axis=0)
    return np.where(last >= 0, np.take_along_axis(parts, np.maximum(last, 0), axis=0), parts)


def _onset(above: np.ndarray) -> int | None:
    """The first row that begins STAYS rows above."""
    runs = np.convolve(above.astype(int), np.ones(STAYS, dtype=int))[STAYS - 1 : len(above)]
    at = np.flatnonzero(runs == STAYS)
    return int(at[0]) if len(at) else None
