"""One machine: live charts, states, every signal of its table, its alarms."""

from __future__ import annotations

from typing import Any

from loopwright.app import reads
from loopwright.app.console.frame import Drawn, View, head
from loopwright.app.console.machines import PROTOCOLS, alarm_list, charts
from loopwright.app.console.markup import Safe, card, pill, table, tag
from loopwright.app.views import machines as views
from loopwright.app.views import when
from loopwright.core.types import Kind

PATH, EVERY_S = "/machines/{machine}", 1.0
SPANS = ((120, "2 min"), (600, "10 min"), (3600, "1 h"), (28_800, "8 h"))


def draw(view: View) -> Drawn:
    """Charts over the chosen span on top, then the newest value of everything."""
    one = reads.machine_card(view.front, view.params["machine"])
    span_s = next((s for s, _ in SPANS if str(s) == view.params.get("span")), 600)
    data = reads.machine_lines(view.front, one, view.system, span_s=span_s, n=800)
    kind = view.front.kinds().get(one["kind"])
    words = f"{kind.meaning if kind else one['kind']} Speaks {PROTOCOLS.get(one['protocol'], one['protocol'])}; heard {when.ago(one['heard_ns'], view.front.now_ns(), view.zone)}."
    state = tag(
        "div",
        pill(one["state"], "live dot" if one["tone"] == "run" else "bad" if one["stale"] else ""),
        pill("silent", "bad dot") if one["stale"] else None,
        pill(f"played by a {one['twin']}") if one["twin"] else None,
        cls="buttons",
    )
    blocks = {"head": head(one["id"], words, state, crumb=tag("a", "Machines", href="/machines"))}
    mine = [a for a in reads.alarms(view.front) if a["thing"] == one["id"]]
    if mine:
        blocks["alarms"] = card("Alarms", alarm_list(mine[:8], view))
    blocks["charts"] = card(
        "What it says", _spans(one["id"], span_s), charts(data, one, view), note="ends with the last thing it said"
    )
    if kind:
        blocks["values"] = _values(one, kind, view)
    return Drawn(one["id"], blocks)


def _values(one: dict[str, Any], kind: Kind, view: View) -> Safe:
    """The newest value of every signal; those that were never heard are folded away."""
    heads: list[Any] = ["Signal", ("Newest", "n"), "Heard", "Meaning"]
    rows = views.values(one, kind, view.system)
    heard = [
        [r["signal"], tag("b", r["text"]), when.ago(r["t_ns"], view.front.now_ns(), view.zone), r["meaning"]]
        for r in rows
        if r["t_ns"]
    ]
    silent = [[r["signal"], r["meaning"]] for r in rows if not r["t_ns"]]
    more = (
        tag(
            "details",
            tag("summary", f"{len(silent)} more in its table that it never said"),
            tag("div", table(["Signal", "Meaning"], silent, "stack")),
        )
        if silent
        else None
    )
    return card(
        "Every signal",
        table(heads, heard, "stack", "It has not said anything yet."),
        more,
        note=f"{len(rows)} in the table of a {kind.name}",
    )


def _spans(machine: str, span_s: int) -> Safe:
    return tag(
        "div",
        *[
            tag("a", word, href=f"/machines/{machine}?span={s}", cls="here" if s == span_s else None)
            for s, word in SPANS
        ],
        cls="chips",
        style="margin-bottom:6px",
    )
