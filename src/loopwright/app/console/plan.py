"""The plan: who does what when, why, how good it is at least, and what became of the plans before it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from loopwright.app import plan_reads
from loopwright.app.console import plan_past, plan_tries
from loopwright.app.console.draw import planned
from loopwright.app.console.frame import Drawn, View, head
from loopwright.app.console.markup import Safe, card, div, empty, link, note, stat, stats, tag
from loopwright.app.views import plan_load, shown, when

PATH, EVERY_S = "/plan", 5.0
_OBJECTIVES = {"makespan": "everything done as early as can be", "tardiness": "as little lateness as can be, by weight",
               "setup": "as little setup as can be"}


def draw(view: View) -> Drawn:
    """The plan in force, or the one that was asked for: numbers, drawing, load, lateness; then plans of the past."""
    asked = view.params.get("plan", "")
    data = plan_reads.chart(view.front, asked or plan_reads.NOW)
    if not data:
        words = "A plan is released as soon as an order is fitted. It shares all machines among all open orders."
        return Drawn("Plan", {"head": head("Plan"), "chart": card(None, empty("Nothing is planned", words))})
    rows = plan_reads.past(view.front)
    latest = data["plan"] == rows[0]["plan"]
    released = when.ago(data["released_ns"], view.front.now_ns(), view.zone)
    words = f"{data['plan']}, released {released}: {plan_past.reason(data['reason'], view.zone)}."
    crumb = None if latest else [link("The plan in force", "/plan"), " / a plan of the past, as it was released"]
    blocks = {
        "head": head("Plan", words, crumb=crumb), "numbers": card(None, _numbers(data)),
        "chart": _chart(view, "" if latest else data["plan"], _version(data)),
        "load": card("How busy machines are", planned.load(plan_load.load(data, view.zone)), _load_legend(),
                     note="work and setup of the hours that are open"),
        "late": _lateness(plan_load.lateness(data)),
        "tries": plan_tries.tries(view) if latest else None, "moved": plan_past.moved(view, data["plan"]),
        "past": plan_past.past(view, rows, data["plan"]),
    }
    fine = {("plan-version", "data-version"): _version(data)}
    return Drawn("Plan", {name: block for name, block in blocks.items() if block is not None}, fine)


def _version(data: Mapping[str, Any]) -> str:
    """Another word as soon as the drawing is to be read again."""
    state = data["slots"]["state"]
    return f"{data['plan']} {state.count(1)} {state.count(2)} {len(data['closed'])}"


def proof(data: Mapping[str, Any]) -> str:
    """What the gap says, in words."""
    if data["gap"] < 1e-9:
        return "no plan can be better" if data["objective"] != "makespan" else "no plan can be shorter"
    if data["bound"] <= 0:
        return "how good is not proven"
    return f"at most {data['gap'] * 100:.1f} % could be saved"


def _numbers(data: Mapping[str, Any]) -> Safe:
    """How long, how good at least, by whom, in what time."""
    aim, value, bound = data["objective"], data["value"], data["bound"]
    of = {"tardiness": "lateness, by weight", "setup": "of setup"}.get(aim, f"{aim}, in seconds")
    values = [] if aim == "makespan" else [stat(_long(value), of)]
    late = sum(due is not None and end > due for due, end in zip(data["due"], data["ends"], strict=True))
    dated = sum(due is not None for due in data["due"])
    lates = [stat(shown.whole(late), f"of {shown.whole(dated)} end late", "bad" if late else "")] if dated else []
    numbers = stats(
        stat(shown.took(data["makespan_s"]), "from first to last"), *values, stat(_long(bound), "proven lower bound"),
        stat(data["status"], proof(data)), stat(shown.whole(len(data["orders"])), "orders"),
        stat(shown.whole(len(data["slots"]["order"])), "operations"), *lates,
    )
    words = _OBJECTIVES.get(aim, f"a mix: {aim}")
    return numbers + note(f"Planned for {words}, in {shown.took(data['took_s'])}. Solver: {data['solver']}.",
                          style="margin-top:12px")


def _long(seconds: float) -> str:
    return shown.took(seconds) if seconds > 0 else "none"


def _chart(view: View, plan: str, version: str) -> Safe:
    """The frame that the browser draws in; it reads the plan again when the version is another."""
    told = {"plan": plan or plan_reads.NOW, "zone": view.zone}
    views = [tag("button", word, type="button", data_view=name, aria_pressed="true" if name == "machines" else "false",
                 cls="button small" + (" on" if name == "machines" else ""))
             for name, word in (("machines", "Machines"), ("orders", "Orders"))]
    find = tag("input", type="search", cls="plan-find", placeholder="Find order, operation, person",
               aria_label="Find an order, operation, machine or person", autocomplete="off", spellcheck="false")
    moves = [tag("button", word, type="button", data_do=do, aria_label=label, title=label, cls="button small")
             for word, do, label in (("◀", "back", "Earlier"), ("▶", "on", "Later"), ("+", "in", "Zoom in"),
                                     ("−", "out", "Zoom out"), ("All", "all", "Show all"), ("Now", "now", "Go to now"))]
    ghosts = tag("button", "What moved", type="button", data_do="moved", aria_pressed="false", cls="button small",
                 title="Where operations stood in the plan before")
    box = div("plan-box", div("plan-space", tag("canvas", aria_hidden="true")), tabindex="0", role="application",
              aria_label="The plan, drawn", aria_describedby="plan-keys")
    base = f"/api/plans/{quote(told['plan'], safe='')}"
    files = [tag("a", word, href=f"{base}/{path}", download=name, cls="button small") for word, path, name in (
        ("CSV", "operations.csv", "plan.csv"), ("SVG, machines", "drawing.svg?view=machines", "machines.svg"),
        ("SVG, orders", "drawing.svg?view=orders", "orders.svg"))]
    keys = ("Arrow keys walk from operation to operation, Enter opens the order, + and − zoom, Shift with an arrow "
            "moves, 0 shows all, N goes to now, / finds.")
    inside = tag(
        "div", div("plan-bar", div("buttons", *views, ghosts), find, div("buttons", *moves)),
        tag("p", "Reading…", cls="note plan-range"), div("plan-frame", box, div("chart-tip plan-tip", hidden=True)),
        tag("p", cls="plan-said", aria_live="polite"), _legend(), note(keys, id="plan-keys"),
        tag("details", tag("summary", "All operations as a table"), div("plan-table"), cls="plan-rows"),
        div("buttons plan-files", *files), data_plan=json.dumps(told), data_keep=True, data_key=f"plan {plan}")
    mark = tag("i", data_k="plan-version", data_version=version, hidden=True)
    return tag("section", mark, inside, cls="card plan-card")


def _legend() -> Safe:
    """What the marks mean; each differs by shape."""
    marks = (("planned", "planned"), ("running", "running ▶"), ("frozen", "fixed: it stays"), ("done", "done ✓"),
             ("late", "its order ends late"), ("setup", "setup"), ("idle", "idle"), ("closed", "closed"),
             ("work", "down or under repair"), ("due", "due date"), ("was", "where it stood"))
    rows = [tag("li", tag("i", cls=f"pm {cls}"), words) for cls, words in marks]
    return tag("ul", *rows, cls="chart-legend plan-legend")


def _load_legend() -> Safe:
    marks = (("work", "work"), ("setup", "setup"), ("idle", "open, idle"))
    return tag("ul", *[tag("li", tag("i", cls=f"lm {cls}"), words) for cls, words in marks], cls="chart-legend")


def _lateness(rows: Sequence[Mapping[str, Any]]) -> Safe | None:
    if not rows:
        return None
    late = sum(row["late_s"] > 0 for row in rows)
    words = f"{late} of {len(rows)} orders with a due date end late"
    return card("How late orders are", planned.lateness(rows), note=words)
