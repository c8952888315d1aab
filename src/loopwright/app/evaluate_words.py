"""The table of `loopwright evaluate`: a block a set, the baseline among the rows, what must be said under it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

LEAST, WIDEST = 3, 9  # metrics side by side, as many as the terminal is wide enough for; the others stand in --json


def told(document: Mapping[str, Any]) -> str:
    """Words for a person."""
    blocks = []
    for (name, horizon), rows in groupby(document["rows"], key=lambda row: (row["set"], row["horizon"])):
        blocks.append(_block(name, horizon, list(rows), document["champion"]))
    for path, why in document.get("skipped", {}).items():
        blocks.append(f"not scored: {path}: {why}")
    if document.get("stopped"):
        blocks.append("Stopped early: these are the rows so far.")
    return "\n\n".join(blocks)


def _block(name: str, horizon: str | None, rows: Sequence[Mapping[str, Any]], champion: Mapping[str, Any]) -> str:
    place = f"{name}/{horizon}" if horizon else name
    every = dict.fromkeys(metric for row in rows for metric in row["metrics"])
    metrics = [name for name in every if any(row["metrics"].get(name) is not None for row in rows)] or list(every)
    best = champion.get(place, {}).get("model", "")
    shown = metrics[:WIDEST]
    lines = _columns(_table(rows, shown, best))
    room = shutil.get_terminal_size((200, 24)).columns
    while len(shown) > LEAST and max(map(len, lines)) > room:
        shown = shown[:-1]
        lines = _columns(_table(rows, shown, best))
    return "\n".join([_head(place, rows), *lines, *_under(place, rows, champion, metrics[len(shown):])])


def _table(rows: Sequence[Mapping[str, Any]], shown: Sequence[str], best: str) -> list[tuple[str, ...]]:
    """Cells: a head, then a row a model; the champion has a star."""
    table: list[tuple[str, ...]] = [("model", *shown, "fit s", "us/point", "MB")]
    for row in rows:
        cost = row["cost"]
        numbers = [_number(row["metrics"].get(m), row.get("spread", {}).get(m)) for m in shown]
        costs = (f"{cost['fit_s']:.3g}", f"{cost['us_per_point']:.3g}", f"{cost['peak_mb']:.3g}")
        table.append((row["model"] + ("*" if row["model"] == best else ""), *numbers, *costs))
    return table


def _head(place: str, rows: Sequence[Mapping[str, Any]]) -> str:
    splits = " / ".join(dict.fromkeys(str(row["split"]) for row in rows))
    bases = " / ".join(dict.fromkeys(str(row["baseline"]) for row in rows))
    seeds = " / ".join(dict.fromkeys(str(row["seeds"]) for row in rows))
    return f"{place}   {rows[0]['task']}, split by {splits}, seeds {seeds}, baseline {bases}"


def _under(
    place: str, rows: Sequence[Mapping[str, Any]], champion: Mapping[str, Any], hidden: Sequence[str]
) -> list[str]:
    lines = []
    if place in champion:
        best = champion[place]
        lines.append(f"  * champion {best['model']}, chosen on {best['chosen_on']}")
    lines += [f"  threshold: {text}" for text in dict.fromkeys(row.get("threshold", "") for row in rows) if text]
    lines += [f"  {note}" for note in dict.fromkeys(note for row in rows for note in row.get("notes", ()))]
    if hidden:
        lines.append(f"  with --json also: {', '.join(hidden)}")
    return lines


def _number(value: float | None, spread: float | None) -> str:
    if value is None:
        return "-"
    text = f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e7 else f"{value:.4g}"
    return f"{text} ±{spread:.2g}" if spread else text


def _columns(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    return [
        "  " + "  ".join(cell.ljust(w) if n == 0 else cell.rjust(w) for n, (cell, w) in
                         enumerate(zip(row, widths, strict=True))).rstrip()
        for row in table
    ]
