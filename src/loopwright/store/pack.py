"""Decimal numbers as whole ones, exactly: what a sensor says with three digits takes three digits, not eight bytes.

A value is kept as `digits / divisor`, a power of ten, when that division gives it back bit for bit, and as itself
otherwise. Both are exact in a float64 (|digits| < 2^53, divisor <= 10^15), so the quotient is the correctly rounded one
in every language: `coalesce(value, digits / divisor)`; of samples in blocks, the float32 nearest to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

POWERS = np.array([float(f"1e{i}") for i in range(16)])
_EXACT = {8: 2.0**53, 4: 2.0**24}  # bytes of a float -> below this its whole numbers are exact, and worth it
_SAMPLE = 4096  # of so many values it is seen how many places are worth trying
_MOST = 0.98  # of a series' values decide its places; the few that need more stand as they are


def decimals(value: Any, starts: Any) -> tuple[Any, Any]:
    """Whole numbers and the powers of ten by which they are to be divided.

    value    (rows,) float64, NaN where there is none
    starts   (series,) int64, the row with which each series begins
    returns  digits (rows,) int64, divisor (rows,) float64, 0 where the value has to stand as itself
    """
    needed = _places(value)
    sizes = np.diff(np.append(starts, len(value)))
    scale = np.repeat(_of_series(needed, sizes), sizes)
    divisor = POWERS[np.maximum(scale, 0)]
    with np.errstate(invalid="ignore", over="ignore"):
        digits = np.rint(value * divisor)
        exact = (needed >= 0) & (needed <= scale) & _gives(digits, divisor, value)
    return np.where(exact, digits, 0).astype(np.int64), np.where(exact, divisor, 0.0)


def counts(value: Any, starts: Any) -> tuple[Any, Any]:
    """The same for samples in blocks, of which all are whole numbers or none.

    value    (samples,) float32, those of all blocks one after another; starts (blocks,) int64: no block is empty
    returns  digits (samples,) int32, divisor (blocks,) float64, 0 where the samples have to stand as themselves
    """
    if not len(starts):
        return np.zeros(0, np.int32), np.zeros(0)
    needed = _places(value)
    sizes = np.diff(np.append(starts, len(value)))
    scale = np.where(np.minimum.reduceat(needed, starts) < 0, -1, np.maximum.reduceat(needed, starts))
    divisor = np.repeat(POWERS[np.maximum(scale, 0)], sizes)
    with np.errstate(invalid="ignore", over="ignore"):
        digits = np.rint(value.astype(np.float64) * divisor)
    exact = (scale >= 0) & np.logical_and.reduceat(_gives(digits, divisor, value), starts)
    return np.where(np.repeat(exact, sizes), digits, 0).astype(np.int32), np.where(exact, divisor[starts], 0.0)


def _places(value: Any) -> Any:
    """(rows,) int8: how many decimal places give the value exactly, -1 where none do or none that most need."""
    sample = _tried(value[:: max(1, len(value) // _SAMPLE)], len(POWERS) - 1)
    return _tried(value, int(sample.max(initial=-1)))


def _tried(value: Any, most: int) -> Any:
    places = np.full(len(value), -1, np.int8)
    left = np.flatnonzero(np.isfinite(value) & ~((value == 0) & np.signbit(value)))
    for count in range(most + 1):
        own = value[left]
        with np.errstate(over="ignore"):
            good = _gives(np.rint(own.astype(np.float64) * POWERS[count]), POWERS[count], own)
        places[left[good]] = count
        left = left[~good]
        if not len(left):
            break
    return places


def _gives(digits: Any, divisor: Any, value: Any) -> Any:
    """(rows,) bool: whether the quotient is the value, and the digits are exact. -0.0 is not told from 0.0."""
    with np.errstate(invalid="ignore", over="ignore"):
        return ((digits / divisor).astype(value.dtype) == value) & (np.abs(digits) < _EXACT[value.dtype.itemsize])


def _of_series(needed: Any, sizes: Any) -> Any:
    """(series,) int64: as many places as most of its decimals need, -1 where not even half of its values are any."""
    width = len(POWERS) + 1
    series = np.repeat(np.arange(len(sizes)), sizes)
    counted = np.bincount(series * width + needed + 1, minlength=len(sizes) * width).reshape(-1, width)[:, 1:]
    enough = np.cumsum(counted, axis=1) >= _MOST * counted.sum(axis=1, keepdims=True)
    return np.where(2 * counted.sum(axis=1) >= sizes, enough.argmax(axis=1), -1)
