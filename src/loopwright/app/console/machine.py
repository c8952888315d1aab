"""One machine: live charts, states, every signal of its table, its alarms, effectiveness and wear."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from loopwright.app import reads
from loopwright.app.console import corrections
from loopwright.app.console.alarms import alarm_list
from loopwright.app.console.draw import bars
from loopwright.app.console.frame import Drawn, View, head
from loopwright.app.console.machines import charts, speaks, state_pills
from loopwright.app.console.markup import Safe, card, chips, link, table, tag
from loopwright.app.views import machines as views
from loopwright.app.views import when
from loopwright.core.types import Kind

PATH, EVERY_S = "/machines/{machine}", 1.0
SPANS = ((120, "2 min"), (600, "10 min"), (3600, "1 h"), (28_800, "8 h"))
POINTS = 320  # in a chart of this page


def draw(view: View) -> Drawn:
    """Charts over the chosen span on top, then how it did, then the newest value of everything."""
    one = reads.machine_card(view.front, view.params["machine"])
    span_s = next((s for s, _ in SPANS if str(s) == view.params.get("span")), reads.LIVE_S)
    kind = view.front.kinds().get(one["kind"])
    meaning = kind.meaning if kind else one["kind"]
    crumb = link("Machines", "/machines")
    blocks = {"head": head(one["id"], f"{meaning} {speaks(one, view)}.", state_pills(one), crumb=crumb)}
    if mine := [alarm for alarm in reads.alarms(view.front) if alarm["thing"] == one["id"]]:
        blocks["alarms"] = card("Alarms", alarm_list(mine[:8], view))
    data = reads.machine_lines(view.front, one, view.system, span_s=span_s, n=POINTS)
    spans = chips((word, f"/machines/{one['id']}?span={s}", s == span_s) for s, word in SPANS)
    mend = link("Mark or correct values", corrections.address(one["id"]))
    lines = charts(data, one, view)
    any_time = link("any other time", f"/chart?thing={quote(one['id'])}")
    blocks["charts"] = card("What it says", spans, lines, mend, note=["ends with the last thing it said; ", any_time])
    if shifts := reads.effectiveness(view.front, one["id"]):
        blocks["oee"] = card("Effectiveness by shift", bars.shifts(shifts[:3]), note="ISO 22400-2")
    if runs := reads.wear(view.front, one["id"]):
        words = "probability that the tool was worn; a ring is what inspection found"
        blocks["wear"] = card("Tool wear, run by run", bars.runs(runs[-40:]), note=words)
    if kind:
        blocks["values"] = _values(one, kind, view)
    return Drawn(one["id"], blocks, grid={"oee": "tile-set", "wear": "tile-set"})


def _values(one: dict[str, Any], kind: Kind, view: View) -> Safe:
    """The newest value of every signal; those that were never heard are folded away."""
    rows = views.values(one, kind, view.system)
    heard = [
        [row["signal"], tag("b", row["text"]), when.moment(row["t_ns"], view.zone), row["meaning"]]
        for row in rows if row["t_ns"]
    ]
    silent = [[row["signal"], row["meaning"]] for row in rows if not row["t_ns"]]
    more = None
    if silent:
        words = tag("summary", f"{len(silent)} more in its table that it never said")
        more = tag("details", words, tag("div", table(["Signal", "Meaning"], silent)))
    newest = table(["Signal", ("Newest", "n"), "Spoken of", "Meaning"], heard, "It has not said anything yet.")
    return card("Every signal", newest, more, note=f"{len(rows)} in the table of a {kind.name}")
