"""The plans of the past on the plan's page: what each kept, and what moved against the one before and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from loopwright.app import plan_reads
from loopwright.app.console.frame import View
from loopwright.app.console.markup import Safe, card, link, note, pill, small, table, tag
from loopwright.app.views import shown, when

PAST, MOVES = 40, 60  # plans and moved operations listed


def reason(reason: str, zone: str) -> str:
    """Why it was planned; a time in nanoseconds at its end is told as a time."""
    words, _, last = reason.rpartition(" ")
    return f"{words} {when.moment(int(last), zone)}" if last.isdigit() and len(last) > 15 else reason


def moved(view: View, plan: str) -> Safe | None:
    """What moved against the plan before, and why."""
    told = plan_reads.moved(view.front, plan)
    if not told:
        return None
    words = [f"Of {told['both']} operations that had not begun and stood in both plans, "
             f"{_share(told['kept'])} stay on their machine in their order." if told["both"] else
             "The two plans have no operation in common that had not begun."]
    words += [f" {told['moved']} moved, {told['shifted']} only start at another time."] if told["both"] else []
    words += [f" {told['added']['operations']} are new, {told['gone']['operations']} are done or gone."]
    heads = ["Operation", ("From", "extra"), "To", ("Starts", "n"), "Now waits for"]
    rows = [[tag("span", link(row["order"], f"/orders?text={quote(row['order'])}"), f" {row['operation']}"),
             f"{row['from_machine']}, {when.moment(row['from_ns'], view.zone)}",
             f"{row['to_machine']}, {when.moment(row['to_ns'], view.zone)}", _shift(row["shift_s"]), row["why"] or "–"]
            for row in told["rows"][:MOVES]]
    more = len(told["rows"]) - MOVES + told["more"]
    words_of = f"{len(told['rows']) + told['more']} operations start elsewhere or at another time"
    inside = tag("div", table(heads, rows), note(f"and {more} more") if more > 0 else None)
    listed = tag("details", tag("summary", words_of), inside) if rows else None
    title = f"Against {told['before']}"
    says = tag("ul", *[tag("li", one) for one in told["says"]], cls="plan-says") if told["says"] else None
    return card(title, tag("p", words), says, note(f"Why it was planned again: {reason(told['reason'], view.zone)}.",
                                             style="margin-top:6px"), listed)


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share * 100:.0f} %"


def _shift(seconds: int) -> str:
    if not seconds:
        return "as before"
    return f"{shown.took(abs(seconds))} {'later' if seconds > 0 else 'earlier'}"


def past(view: View, rows: Sequence[Mapping[str, Any]], here: str) -> Safe:
    """The plans that were released; each can be looked at."""
    heads = ["Plan", "Released", ("Why", "extra"), ("Length", "n"), ("Could save at most", "n extra"), "Solver",
             ("Kept", "n")]
    lines = []
    for n, row in enumerate(rows[:PAST]):
        name = tag("b", row["plan"]) if row["plan"] == here else link(
            row["plan"], "/plan" if n == 0 else f"/plan?{urlencode({'plan': row['plan']})}")
        lines.append([
            tag("span", name, pill("in force", "live") if n == 0 else None, cls="plan-name"),
            when.ago(row["released_ns"], view.front.now_ns(), view.zone), reason(row["reason"], view.zone),
            shown.took(row["makespan_s"]), "–" if row["bound"] <= 0 < row["gap"] else f"{row['gap'] * 100:.1f} %",
            tag("span", row["solver"], small(f"{row['status']}, {shown.took(row['took_s'])}")), _share(row["kept"])])
    words = "kept: of the operations in both plans, the share on the same machine in the same order"
    return card("Plans so far", table(heads, lines), note=words)
