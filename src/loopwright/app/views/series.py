"""Points made ready for a chart: few enough to draw, extremes kept, gaps left open."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.app.views import shown
from loopwright.core import units
from loopwright.core.types import Kind, Signal

CHART_POINTS = 2_000  # no chart draws more
GAP = 6.0  # a pause of this many usual steps is a gap, and the line breaks there


def downsample(values: np.ndarray, n: int = CHART_POINTS) -> np.ndarray:
    """Which of the points to draw so that the picture is the same: the lowest and the highest of each of n/2 spans.

    values   (m,)   float64 in time order, may hold NaN
    returns  (<=n,) ascending indexes, with the exact minimum and maximum among them

    Min-max decimation; a span of NaN alone keeps its first row, so that a gap stays a gap.
    """
    m = len(values)
    if m <= n or n < 4:
        return np.arange(min(m, n))
    edges = np.linspace(0, m, n // 2 + 1).astype(np.int64)
    starts = edges[:-1]
    span = np.repeat(np.arange(len(starts)), np.diff(edges))
    lowest = np.lexsort((np.where(np.isnan(values), np.inf, values), span))[starts]
    highest = np.lexsort((np.where(np.isnan(values), np.inf, -values), span))[starts]
    return np.unique(np.concatenate([lowest, highest]))


def columns(table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """(t_ns, number) of POINTS rows of one signal in time order: the gauge, else the counter or state, NaN for a
    reported gap."""
    number = pc.coalesce(table.column("value"), pc.cast(table.column("code"), pa.float64()))
    t_ns = table.column("t_ns").to_numpy()
    values = number.to_numpy(zero_copy_only=False).astype(np.float64)
    order = np.argsort(t_ns, kind="stable")
    return t_ns[order], values[order]


def series(
    table: pa.Table, thing: str, kind: Kind, signal: str, *, system: str = "metric", n: int = CHART_POINTS
) -> dict[str, Any]:
    """One signal of one thing as a line: {thing, signal, meaning, unit, t_ns, values, breaks, low, high, last, count}.

    table  POINTS rows (other things and signals are left out); values come in the unit that `system` shows
    values is None where the source reported a gap; a new piece of the line begins at each index of breaks (a pause
    in the data)
    """
    row = kind.signal(signal)
    mine = table.filter(pc.and_(pc.equal(table.column("thing"), thing), pc.equal(table.column("signal"), signal)))
    t_ns, values = columns(mine)
    wanted = shown.unit_for(row.unit, system, signal)
    if row.unit in units.UNITS and wanted != row.unit:
        values = np.asarray(units.from_inside(units.to_inside(values, row.unit), wanted))  # type: ignore[arg-type]
    count, piece = len(values), _pieces(t_ns)
    kept = downsample(values, n)
    t_ns, values, piece = t_ns[kept], values[kept], piece[kept]
    finite = values[np.isfinite(values)]
    return {
        "thing": thing,
        "signal": signal,
        "meaning": row.meaning,
        "unit": shown.word(wanted),
        "count": count,
        "t_ns": t_ns.tolist(),
        "values": [float(v) if math.isfinite(v) else None for v in values.tolist()],
        "breaks": (np.flatnonzero(np.diff(piece)) + 1).tolist(),
        "low": float(finite.min()) if len(finite) else None,
        "high": float(finite.max()) if len(finite) else None,
        "last": float(finite[-1]) if len(finite) else None,
    }


def _pieces(t_ns: np.ndarray) -> np.ndarray:
    """Which unbroken piece each row belongs to: a new one begins after a pause of GAP times the usual step."""
    if len(t_ns) < 3:
        return np.zeros(len(t_ns), dtype=np.int64)
    steps = np.diff(t_ns)
    return np.concatenate([[0], np.cumsum(steps > np.median(steps) * GAP)]).astype(np.int64)


def strip(table: pa.Table, signal: Signal, end_ns: int) -> list[dict[str, Any]]:
    """The states one after another: [{code, word, start_ns, end_ns}], each ending where the next begins, the last at
    end_ns.

    table  POINTS rows of this one signal of one thing
    """
    t_ns, codes = columns(table)
    out: list[dict[str, Any]] = []
    for t, code in zip(t_ns.tolist(), codes.tolist(), strict=True):
        if math.isnan(code):
            if out:
                out[-1]["end_ns"] = min(out[-1]["end_ns"], t)
            continue
        if out and out[-1]["code"] == int(code) and out[-1]["end_ns"] >= end_ns:
            continue
        if out:
            out[-1]["end_ns"] = min(out[-1]["end_ns"], t)
        out.append(
            {"code": int(code), "word": signal.codes.get(int(code), str(int(code))), "start_ns": t, "end_ns": end_ns}
        )
    return out


def scale(low: float | None, high: float | None, count: int = 4) -> tuple[float, float, list[float]]:
    """A round axis that holds low and high: (bottom, top, ticks), ticks at 1, 2 or 5 times a power of ten.

    What lies below zero by less than a hundredth of the range gets that much room and no tick of its own.
    """
    if low is None or high is None:
        return 0.0, 1.0, [0.0, 0.5, 1.0]
    if high - low < 1e-12 * max(1.0, abs(high)):
        pad = abs(high) * 0.1 or 1.0
        low, high = low - pad, high + pad
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * (1 - 1e-9))
    bottom, top = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    if low < 0.0 < high and -low < 0.01 * (high - low):
        return low, top, [i * step for i in range(round(top / step) + 1)]
    ticks = [bottom + i * step for i in range(round((top - bottom) / step) + 1)]
    return bottom, top, ticks


def newest(table: pa.Table, things: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """thing -> signal -> {value, t_ns, quality, known_ns} from the rows that `Store.newest` gives, of these things."""
    out: dict[str, dict[str, dict[str, Any]]] = {}
    for row in table.to_pylist():
        if row["thing"] in things:
            value = row["value"] if row["value"] is not None else row["code"]
            out.setdefault(row["thing"], {})[row["signal"]] = {
                "value": value,
                "t_ns": row["t_ns"],
                "quality": row["quality"],
                "known_ns": row["known_ns"],
            }
    return out
