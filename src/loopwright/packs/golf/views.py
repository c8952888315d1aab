"""What golf shows, as plain data in inside units. App draws it.

Shots from above, their trend, the card of a club, and where a person stands on the charts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.core.types import BAD
from loopwright.packs.golf.formulas import CHARTS, base_length_m, base_lie_rad, chart_constants
from loopwright.packs.golf.swingweight import name as swing_weight_name

# Legacy PING colours, 0.75 degrees apart, black in the middle (see charts/lie.toml).
COLOURS = (
    "gold", "brown", "orange", "purple", "red", "black", "blue", "yellow", "green", "white", "silver", "maroon",
)
_NINE_TENTHS = math.sqrt(-2.0 * math.log(0.1))  # half axis of the ellipse that holds 90 % of a two-dimensional normal


def dispersion(points: pa.Table) -> dict[str, Any]:
    """Shots from above: {type: 'scatter', axes, shots: [{thing, t_ns, along, side}], centre, ellipse}.

    points   rows of kind 'club' or 'swing'; a shot needs carry and carry.deviation
    ellipse  half axes (m) and turn (rad from the target line, to the right positive) that hold nine shots in ten, from
             5 shots on, else None
    """
    rows = _joined(points, ("carry", "carry.deviation"))
    side = rows[:, 1]
    along = np.sqrt(np.maximum(rows[:, 0] ** 2 - side**2, 0.0))
    shots = [{"along": float(a), "side": float(s)} for a, s in zip(along, side, strict=True)]
    ellipse = None
    if len(shots) >= 5:
        sizes, axes = np.linalg.eigh(np.cov(np.stack([along, side])))
        ellipse = {
            "long_m": _NINE_TENTHS * math.sqrt(max(0.0, sizes[1])),
            "short_m": _NINE_TENTHS * math.sqrt(max(0.0, sizes[0])),
            "turn_rad": math.atan2(axes[1, 1] * math.copysign(1.0, axes[0, 1]), abs(axes[0, 1])),
        }
    return {
        "type": "scatter", "axes": {"along": "m", "side": "m"}, "shots": shots, "ellipse": ellipse,
        "centre": {"along": float(along.mean()), "side": float(side.mean())} if shots else None,
    }


def trend(points: pa.Table, signal: str = "carry.deviation.angle", block: int = 10) -> dict[str, Any]:
    """A signal over shots in blocks: {type: 'intervals', signal, rows: [{first, last, value, low, high}]}, 95 %."""
    values = _joined(points, (signal,))[:, 0]
    rows = []
    for start in range(0, len(values) - block + 1, block):
        part = values[start:start + block]
        half = 2.26 * float(part.std(ddof=1)) / math.sqrt(block)  # Student's t, 9 degrees of freedom
        mean = float(part.mean())
        rows.append({"first": start + 1, "last": start + block, "value": mean, "low": mean - half, "high": mean + half})
    return {"type": "intervals", "signal": signal, "rows": rows}


def spec_card(parameters: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A club's card: {type: 'table', columns, rows: [[what, value, unit, in the trade's words, rule]]}.

    parameters  rows with name, value, unit and rule, as an order.fitted event holds them
    """
    rows = [[p["name"], p["value"], p["unit"], _trade(p["name"], p["value"]), p.get("rule", "")] for p in parameters]
    return {"type": "table", "columns": ["parameter", "value", "unit", "in words", "rule"], "rows": rows}


def chart_position(measures: Mapping[str, float]) -> dict[str, Any]:
    """Where a person stands on the charts of length and lie: {type: 'positions', charts: [{name, low, high, value,
    standard, unit, words}]}; the charts as published, whatever changes have been released since."""
    length, lie = chart_constants("length"), chart_constants("lie")
    made, angle = base_length_m(measures), base_lie_rad(measures)
    return {"type": "positions", "charts": [
        {"name": "length", "value": made, "standard": length["standard_length"], "low": 0.876, "high": 1.003,
         "unit": "m", "words": _trade("length", made)},
        {"name": "lie", "value": angle, "standard": lie["standard_lie"], "low": math.radians(55),
         "high": math.radians(71), "unit": "rad", "words": _trade("lie", angle)},
    ], "source": str(CHARTS.name)}


def _trade(name: str, value: Any) -> str:
    """A parameter as the trade says it: 'D1.0', '+1/2 in', 'blue'."""
    if name == "swing_weight":
        return swing_weight_name(float(value))
    if name == "lie":
        step = round((float(value) - chart_constants("lie")["standard_lie"]) / chart_constants("lie")["colour"])
        place = COLOURS.index("black") + step
        return COLOURS[place] if 0 <= place < len(COLOURS) else ("flatter than gold" if step < 0 else "beyond maroon")
    if name == "length":
        quarters = round((float(value) - chart_constants("length")["standard_length"]) / 0.0254 * 4)
        return f"{quarters / 4:+g} in" if quarters else "standard"
    return ""


def _joined(points: pa.Table, signals: Sequence[str]) -> np.ndarray:
    """(shots, signals) of the shots that have all of them, in the order of time; two views of a swing count once."""
    wanted = points.filter(pc.field("value").is_valid() & (pc.field("quality") < BAD))
    columns: list[dict[tuple[str, int, int], float]] = []
    filmed = set(points.filter(pc.field("signal") == "view")["thing"].to_pylist())
    for signal in signals:
        mine = wanted.filter(pc.field("signal") == signal)
        rows = zip(*(mine[c].to_pylist() for c in ("thing", "t_ns", "n", "value")), strict=True)
        columns.append({(thing, t, n // 2 if thing in filmed else n): value for thing, t, n, value in rows})
    keys = sorted(set(columns[0]).intersection(*columns[1:]), key=lambda key: (key[1], key[2], key[0]))
    return np.array([[column[key] for column in columns] for key in keys]).reshape(len(keys), len(signals))


VIEWS: dict[str, Callable[..., Any]] = {
    "dispersion": dispersion, "trend": trend, "spec_card": spec_card, "chart_position": chart_position,
}
