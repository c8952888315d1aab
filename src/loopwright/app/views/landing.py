"""Where shots landed, seen from above: each shot, the ellipses that hold half and nine tenths of them, and the trend.

Sport-neutral: a shot is how far it went along the target line and how far to the right of it (left is negative).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from loopwright.app.views import shown
from loopwright.core import units
from loopwright.core.clock import NS_PER_S

SESSION_GAP_S = 3 * 3600.0  # a pause this long begins another session
DRAWN = 400  # newest shots that are drawn one by one


def pivot(table: pa.Table, things: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """POINTS rows as one dict a shot, in time order: {thing, t_ns, n, <signal>: value}."""
    wanted = None if things is None else set(things)
    out: dict[tuple[str, int, int], dict[str, Any]] = {}
    for row in table.select(["thing", "signal", "t_ns", "n", "value", "code"]).to_pylist():
        if wanted is not None and row["thing"] not in wanted:
            continue
        key = (row["thing"], row["t_ns"], row["n"])
        shot = out.setdefault(key, {"thing": row["thing"], "t_ns": row["t_ns"], "n": row["n"]})
        shot[row["signal"]] = row["value"] if row["value"] is not None else row["code"]
    return [out[key] for key in sorted(out, key=lambda k: (k[1], k[2], k[0]))]


def landed(shots: Sequence[Mapping[str, Any]], distance: str, side: str) -> list[dict[str, Any]]:
    """Shots that have both numbers, as {t_ns, thing, along_m, side_m}; the others cannot be drawn and are left out.

    distance  signal that says how far it flew, in a straight line from where it was hit; side: how far beside the line
    along is the part of the distance along the line: sqrt(distance^2 - side^2)
    Two that are equal in time, distance and side are one shot, seen from two sides.
    """
    out: dict[tuple[Any, ...], dict[str, Any]] = {}
    for shot in shots:
        if shot.get(distance) is None or shot.get(side) is None:
            continue
        far, aside = float(shot[distance]), float(shot[side])
        along = math.sqrt(max(0.0, far**2 - aside**2))
        row = {"t_ns": shot["t_ns"], "thing": shot["thing"], "along_m": along, "side_m": aside}
        out.setdefault(tuple(row.values()), row)
    return list(out.values())


def ellipse(along: np.ndarray, side: np.ndarray, share: float) -> dict[str, float]:
    """The ellipse that holds `share` of a two-dimensional normal distribution with the shots' mean and covariance.

    along, side  (n,) metres, n >= 3
    returns      centre (along, side), half axes (long, short) in metres, angle of the long axis from the target line
                 in rad

    Half axes are sqrt(-2 ln(1 - share)) times the square roots of the covariance's eigenvalues.
    Source: chi-square distribution with two degrees of freedom, whose quantile is -2 ln(1 - p).
    """
    cov = np.cov(np.vstack([along, side]))
    sizes, axes = np.linalg.eigh(cov)
    reach = math.sqrt(-2.0 * math.log(1.0 - share))
    long = axes[:, 1]
    return {
        "along": float(along.mean()),
        "side": float(side.mean()),
        "long": reach * math.sqrt(max(0.0, float(sizes[1]))),
        "short": reach * math.sqrt(max(0.0, float(sizes[0]))),
        "angle": math.atan2(float(long[1]), float(long[0])),
    }


def on_range(shots: Sequence[Mapping[str, Any]], system: str = "metric") -> dict[str, Any]:
    """The picture from above in the unit people like: {unit, shots, ellipses, mean, spread, count, near, far, wide,
    arcs}; {} without shots.

    shots     landed() rows; ellipses need at least five
    spread    standard deviations {along, side}; near, far: the distances the picture begins and ends with; wide: how
              far to either
              side it must reach; arcs: round distances
    """
    if not shots:
        return {}
    wanted = shown.unit_for("m", system, "carry")
    along = np.asarray(units.from_inside(np.array([s["along_m"] for s in shots]), wanted))  # type: ignore[arg-type]
    side = np.asarray(units.from_inside(np.array([s["side_m"] for s in shots]), wanted))  # type: ignore[arg-type]
    ellipses = [{"share": share, **ellipse(along, side, share)} for share in (0.5, 0.9)] if len(along) >= 5 else []
    near, far, wide = _field(along, side)
    step = next(s for s in (5, 10, 25, 50, 100, 200, 500) if (far - near) / s <= 6 or s == 500)
    drawn = list(zip(shots, along.tolist(), side.tolist(), strict=True))[-DRAWN:]
    return {
        "unit": wanted,
        "count": len(shots),
        "near": near,
        "far": far,
        "wide": wide,
        "arcs": [step * i for i in range(1, int(far // step) + 1) if step * i > near],
        "ellipses": ellipses,
        "shots": [
            {"t_ns": s["t_ns"], "thing": s["thing"], "along": a, "side": b, "age": i / max(1, len(drawn) - 1)}
            for i, (s, a, b) in enumerate(drawn)
        ],
        "mean": {"along": float(along.mean()), "side": float(side.mean())},
        "spread": {"along": _sd(along), "side": _sd(side)},
    }


def _field(along: np.ndarray, side: np.ndarray) -> tuple[float, float, float]:
    """Where the picture begins and ends along the line, and its half width: all shots, with air around them."""
    low, high = float(along.min()), float(along.max())
    air = max(0.12 * high, 0.25 * (high - low))
    near = 0.0 if low - air < 0.25 * high else low - air
    return near, high + 0.5 * air, float(np.abs(side).max()) * 1.15


def trend(shots: Sequence[Mapping[str, Any]], system: str = "metric") -> dict[str, Any]:
    """Session by session: {unit, sessions: [{start_ns, count, along, side, low, high, spread}]}.

    side is the session's mean to the right; low and high are its mean plus or minus 1.96 standard errors (normal
    approximation;
    None with fewer than five shots). A session ends with a pause of three hours.
    """
    wanted = shown.unit_for("m", system, "carry")
    sessions: list[list[Mapping[str, Any]]] = []
    for shot in shots:
        if not sessions or shot["t_ns"] - sessions[-1][-1]["t_ns"] > SESSION_GAP_S * NS_PER_S:
            sessions.append([])
        sessions[-1].append(shot)
    return {"unit": wanted, "sessions": [_session(rows, wanted) for rows in sessions]}


def _session(rows: Sequence[Mapping[str, Any]], wanted: str) -> dict[str, Any]:
    side = np.asarray(units.from_inside(np.array([s["side_m"] for s in rows]), wanted))  # type: ignore[arg-type]
    along = np.asarray(units.from_inside(np.array([s["along_m"] for s in rows]), wanted))  # type: ignore[arg-type]
    mean, sd = float(side.mean()), _sd(side)
    half = 1.96 * sd / math.sqrt(len(rows)) if sd is not None and len(rows) >= 5 else None
    return {
        "start_ns": rows[0]["t_ns"],
        "count": len(rows),
        "along": float(along.mean()),
        "side": mean,
        "spread": sd,
        "low": None if half is None else mean - half,
        "high": None if half is None else mean + half,
    }


def _sd(values: np.ndarray) -> float | None:
    return float(values.std(ddof=1)) if len(values) > 1 else None
