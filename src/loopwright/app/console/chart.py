"""Charts: signals of a thing over any time, from a minute to everything, one below the other on one axis of time."""

from __future__ import annotations

import json
from typing import Any

from loopwright.app.console.frame import Drawn, View, head
from loopwright.app.console.markup import Safe, card, div, empty, field, link, note, tag
from loopwright.core.errors import LoopwrightError
from loopwright.core.moments import moment_ns
from loopwright.core.types import Kind, Thing

PATH, EVERY_S = "/chart", 5.0
MOST_THINGS, MOST_SIGNALS = 500, 8  # offered in the list of names; drawn at once
SPANS = (
    (60, "1 min"), (600, "10 min"), (3600, "1 h"), (28_800, "8 h"), (86_400, "1 d"), (604_800, "1 w"),
    (2_592_000, "30 d"), (31_536_000, "1 y"), (0, "All"),
)
_KEYS = "Arrow keys move, + and − zoom, 0 shows all, N goes to now, Shift with an arrow reads one value after another."


def draw(view: View) -> Drawn:
    """What can be chosen, then the charts, which the browser draws and reads by itself."""
    store = view.front.store
    things = store.things()
    words = "Every bucket shows its lowest, mean and highest value. Gaps stay open."
    blocks = {"head": head("Charts", words, crumb=link("Data", "/data"))}
    if not things:
        nothing = "As soon as a machine is declared and speaks, what it says can be looked at here."
        return Drawn("Charts", {**blocks, "none": card(None, empty("Nothing is heard yet", nothing))})
    chosen = things.get(view.params.get("thing", "")) or _first(view, things)
    kind = store.kinds()[chosen.kind]
    signals = _signals(view, chosen, kind)
    blocks["pick"] = card(None, _picker(view, chosen, kind, signals, list(things)), cls="chart-pick")
    blocks["charts"] = _charts(view, chosen, signals)
    return Drawn(f"{chosen.id}, charts", blocks)


def _first(view: View, things: dict[str, Thing]) -> Thing:
    """The site's first machine, else the first thing there is."""
    names = [m.id for m in view.front.site.machines if m.protocol and m.id in things]
    return things[names[0]] if names else next(iter(things.values()))


def _signals(view: View, thing: Thing, kind: Kind) -> list[str]:
    """What was asked for of what there is; else the first gauges that were heard."""
    drawable = [s.name for s in kind.signals if not s.shape]
    if wanted := [name for name in view.params.get("signals", "").split(",") if name in drawable]:
        return wanted[:MOST_SIGNALS]
    heard = set(view.front.store.newest([thing.id]).column("signal").to_pylist())
    said = [s.name for s in kind.signals if s.name in heard and not s.shape]
    return ([s.name for s in kind.signals if s.name in said and s.kind == "gauge"] or said or drawable)[:2]


def _picker(view: View, thing: Thing, kind: Kind, signals: list[str], things: list[str]) -> Safe:
    """Which thing, which of its signals, as of when."""
    names = tag("datalist", *[tag("option", value=name) for name in things[:MOST_THINGS]], id="chart-things")
    which = tag("input", names, type="text", name="thing", value=thing.id, list="chart-things", autocomplete="off",
                autocapitalize="none", spellcheck="false", required=True)
    boxes = [
        tag("label", tag("input", type="checkbox", value=s.name, checked=s.name in signals), tag("span", s.name),
            title=s.meaning)
        for s in kind.signals if not s.shape
    ]
    known = tag("input", type="datetime-local", name="known_by", step="1")
    clear = tag("button", "Now", type="button", cls="button small", data_clear="known_by", title="as it is known now")
    fields = field("Thing", which, names), field(f"As known at ({view.zone})", div("row", known, clear))
    return tag(
        "form", div("chart-fields", *fields),
        tag("fieldset", tag("legend", f"Signals of a {kind.name}, at most {MOST_SIGNALS}"), div("checks", *boxes)),
        data_chart_pick=True, data_keep=True, data_key=f"{thing.id} {','.join(signals)}",
    )


def _charts(view: View, thing: Thing, signals: list[str]) -> Safe:
    spans = [tag("button", word, type="button", data_span=s, cls="button small") for s, word in SPANS]
    moves = [
        tag("button", word, type="button", data_do=do, aria_label=label, title=label, cls="button small")
        for word, do, label in (("◀", "back", "Earlier"), ("▶", "on", "Later"), ("+", "in", "Zoom in"),
                                ("−", "out", "Zoom out"), ("Live", "live", "Follow what comes in"))
    ]
    told = {
        "thing": thing.id, "signals": signals, "zone": view.zone, "units": view.system,
        "now_ns": str(view.front.now_ns()),
        "start": _time(view, "start"), "end": _time(view, "end"), "known_by": _time(view, "known_by"),
    }
    return tag(
        "section", div("chart-bar", div("buttons spans", *spans), div("buttons", *moves)),
        tag("p", "Reading…", cls="note chart-range", aria_live="polite"), div("chart-panels"),
        _legend(), note(_KEYS), cls="card chart-card", data_chart=json.dumps(told), data_keep=True,
        data_key=f"{thing.id} {','.join(signals)} {view.system}", tabindex="0", aria_label=f"Charts of {thing.id}",
    )


def _legend() -> Safe:
    """What the marks mean."""
    marks = (("band", "lowest to highest"), ("mean", "mean"), ("gap", "gap: the source said that it has no value"),
             ("bad", "bad"), ("doubtful", "doubtful"), ("late", "came late"), ("corrected", "corrected"))
    return tag("ul", *[tag("li", tag("i", cls=f"mark {cls}"), words) for cls, words in marks], cls="chart-legend")


def _time(view: View, name: str) -> Any:
    """A time of the address as text of nanoseconds, '' for none or one that cannot be read."""
    try:
        t_ns = moment_ns(view.params.get(name), name)
    except LoopwrightError:
        return ""
    return "" if t_ns is None else str(t_ns)
