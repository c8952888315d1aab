"""What a shop floor shows, as plain data: strips of states, wear by run, effectiveness by shift. App draws them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.packs.shop_floor.signals import MILL

# Signals that belong on one chart of a mill, by its title.
CHARTS: dict[str, tuple[str, ...]] = {
    "Spindle": ("s.velocity", "s.output_power", "s.current_feedback"),
    "Steadiness": ("s.acceleration", "s.vibration"),
    "Feed": ("program.feed",),
    "Axes": ("x.position", "y.position", "z.position"),
}


def state_strip(table: pa.Table, thing: str, signal: str = "machine.state") -> dict[str, Any]:
    """A state over time: {type: 'strip', thing, signal, segments: [{start_ns, end_ns, word}]}.

    table  POINTS rows; other things and signals are left out. The last segment ends at the last row: what came after is
    not known
    """
    codes = MILL.signal(signal).codes
    wanted = (pc.field("thing") == thing) & (pc.field("signal") == signal) & pc.field("code").is_valid()
    mine = table.filter(wanted).sort_by([("t_ns", "ascending")])
    t_ns, code = mine.column("t_ns").to_numpy(), mine.column("code").to_numpy()
    segments: list[dict[str, Any]] = []
    if len(t_ns):
        starts = np.concatenate([[0], np.flatnonzero(np.diff(code)) + 1])
        ends = np.concatenate([starts[1:], [len(t_ns) - 1]])
        segments = [
            {"start_ns": int(t_ns[a]), "end_ns": int(t_ns[b]), "word": codes.get(int(code[a]), str(int(code[a])))}
            for a, b in zip(starts, ends, strict=True)
        ]
    return {"type": "strip", "thing": thing, "signal": signal, "segments": segments}


def wear_by_run(decisions: Iterable[Mapping[str, Any]], labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    """How likely the tool was worn, run by run: {type: 'intervals', axis, rows: [{run, value, low, high, judged, ..}]}.

    decisions  bodies of maintenance decisions; labels: run -> what inspection found ('worn', 'unworn')
    """
    found = labels or {}
    rows = [
        {"run": d["about"], "value": d["value"], "low": d["low"], "high": d["high"], "judged": d["body"]["judged"],
         "found": found.get(d["about"], "")}
        for d in decisions
        if d["service"] == "maintain" and not d["abstains"]
    ]
    return {"type": "intervals", "axis": {"name": "probability of a worn tool", "low": 0.0, "high": 1.0}, "rows": rows}


def models_table(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """Every model beside its baselines: {type: 'table', columns, rows}; rows of models that could not run say why."""
    columns = ["model", "right", "accuracy", "95 % from", "to", "AUC", "fit s", "us a run"]
    rows: list[Sequence[Any]] = []
    for name, m in evaluation.get("models", {}).items():
        if m.get("skipped"):
            rows.append([name, m["skipped"], None, None, None, None, None, None])
            continue
        rows.append([name, f"{m['correct']} of {m['of']}", m["accuracy"], m["low"], m["high"], m["auc"], m["fit_s"],
                     m["predict_us_per_run"]])
    return {"type": "table", "columns": columns, "rows": rows, "says": evaluation.get("verdict", "")}


def effectiveness(decisions: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """OEE and its three parts by machine and shift: {type: 'bars', axis, rows: [{machine, shift, start_ns, ...}]}.

    Of two decisions about one shift the later counts.
    """
    last: dict[str, Mapping[str, Any]] = {}
    mine = [d for d in decisions if d["service"] == "oee" and d["body"].get("key")]
    for d in sorted(mine, key=lambda d: d["made_ns"]):
        last[d["body"]["key"]] = d
    parts = ("availability", "effectiveness", "quality", "oee")
    rows = [
        {"machine": d["about"], "shift": d["body"]["shift"], "start_ns": d["body"]["start_ns"], "says": d["says"],
         **{part: d["body"][part] for part in parts}, "losses_s": d["body"]["elements_s"]}
        for d in last.values()
    ]
    return {"type": "bars", "axis": {"name": "share", "low": 0.0, "high": 1.0}, "rows": rows}


VIEWS: dict[str, Callable[..., Any]] = {
    "state_strip": state_strip,
    "wear_by_run": wear_by_run,
    "models_table": models_table,
    "effectiveness": effectiveness,
}
