"""Models: who serves, how each does beside the simplest baseline, and the worst cases, to be looked at."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from loopwright.app import model_reads
from loopwright.app.console.draw import chart
from loopwright.app.console.draw import league as figures
from loopwright.app.console.frame import Drawn, View, head, title
from loopwright.app.console.markup import (
    Safe,
    action,
    card,
    div,
    empty,
    link,
    note,
    pill,
    small,
    stat,
    stats,
    table,
    tag,
)
from loopwright.app.console.pieces import pairs
from loopwright.app.scored import WORN
from loopwright.app.views import decisions, series, when
from loopwright.app.views import models as views
from loopwright.core.clock import NS_PER_S, iso
from loopwright.core.errors import UnknownName
from loopwright.govern import access
from loopwright.learn.wear.train import TASK
from loopwright.serve import maintain

PATH, EVERY_S = "/models", 10.0
DRAWN, TABLED = 3, 6  # worst cases whose signals are drawn, and that stand in a table
BACK_NS = 3600 * NS_PER_S  # how far back the signals of a case are drawn where no run is known
_TONE = {"serves": "live dot", "waits": "warn dot", "rejected": "bad", "declined": "bad", "demoted": "bad"}
_HEADS = ["Model", "State", ("Unseen loss", "n"), ("Baseline", "n"), ("Units", "n extra"), ("Scored live", "n"),
          ("Live loss", "n"), ("Baseline live", "n")]


def draw(view: View) -> Drawn:
    """The league, then one model in full: the one that was asked for, else the first that serves."""
    rows = view.front.often("models", EVERY_S / 2, lambda: model_reads.rows(view.front.store))
    words = "Each beside the simplest baseline: on units it had not seen, and live, scored when the outcome is known."
    blocks = {"head": head("Models", words)}
    if not rows:
        none = ("One is trained once enough is known: runs inspected, tools worn out, hours heard. "
                "Until one is approved, a baseline serves.")
        return Drawn("Models", {**blocks, "none": card(None, empty("No model was trained yet", none))})
    asked = view.params.get("model", "")
    here = next((row for row in rows if row["model"] == asked), None)
    if asked and here is None:
        raise UnknownName("model", asked, [row["model"] for row in rows])
    here = here or rows[0]
    blocks["tasks"] = card(None, stats(*[_task(one) for one in model_reads.tasks(rows)]))
    blocks["league"] = card("The league", table(_HEADS, [_row(row, here["model"]) for row in rows]),
                            note="loss: smaller is better")
    told = view.front.often(("model", here["model"]), EVERY_S / 2,
                            lambda: model_reads.show(view.front.store, here["model"]))
    return Drawn("Models", blocks | _one(view, told))


def _task(one: dict[str, Any]) -> Safe:
    """What serves a task, as a large word."""
    return stat(one["model"].rpartition("/")[2].partition("@")[0] or one["baseline"],
                f"serves {one['task']}" + ("" if one["model"] else ", the baseline"), "" if one["model"] else "warn")


def _row(row: dict[str, Any], here: str) -> list[Any]:
    live = row["live"]
    name = tag("b", row["model"]) if row["model"] == here else link(row["model"], _address(row["model"]))
    file = pill(row["file"], "bad") if row["file"] else None
    return [tag("span", name, small(row["says"]), file), pill(row["state"], _TONE.get(row["state"], "")),
            _number(row["loss"]), _number(row["baseline_loss"]), "–" if row["units"] is None else row["units"],
            live["scored"] or "–", _number(live["loss"]), _number(live["baseline_loss"])]


def _address(model: str) -> str:
    return f"{PATH}?{urlencode({'model': model})}"


def _number(value: float | None) -> str:
    """Three digits; thousands in full, what is next to nothing as nothing."""
    if value is None:
        return "–"
    if abs(value) < 1e-9:
        return "0"
    return f"{value:,.0f}".replace(",", "\u202f") if 1000 <= abs(value) < 1e9 else f"{value:.3g}"


def _one(view: View, told: dict[str, Any]) -> dict[str, Safe]:
    """Blocks of one model."""
    row, facts = told["row"], told["card"]
    blocks = {"model-head": tag("h2", facts["id"], id="model", cls="section"), "says": _says(view, told)}
    drawn = [_curve(view, told), _calibration(told)]
    if any(drawn):
        words = f"mean {facts['loss']} so far, with its 95 % interval: smaller is better"
        blocks["curves"] = card("Curves", div("charts", *drawn), note=words)
    if told["latest"]:
        blocks["latest"] = card("What it says", _latest(view, told["latest"]), note="the newest of each thing")
    if worst := _worst(view, told):
        blocks["worst"] = worst
    blocks["gate"] = card("What its gate found", _tests(told["tests"])) if told["tests"] else _never(row)
    blocks["card"] = card("Card", _card(facts, view), tag("p", facts["limits"], cls="quote", style="margin-top:14px"))
    if told["drift"]:
        blocks["drift"] = card("Drift of its inputs", _drift(told["drift"]), note="PSI against training")
    return blocks


def _drift(rows: list[dict[str, Any]]) -> Safe:
    """Inputs that moved first; those of which too little is known together."""
    told = [one for one in rows if one["word"] != "too few"]
    lines = [tag("li", pill(one["word"], "bad" if one["word"] in ("some", "much") else ""), tag("span", one["says"]))
             for one in told]
    few = [one["input"] for one in rows if one["word"] == "too few"]
    if few:
        words = f"too few values to speak of drift: {', '.join(few)}"
        lines.append(tag("li", pill("too few"), tag("span", words)))
    return tag("ul", *lines, cls="evidence")


def _says(view: View, told: dict[str, Any]) -> Safe:
    """In a sentence how it does live, its intervals, and what a person may do."""
    row, live = told["row"], told["row"]["live"]
    says = f"{live['says'][:1].upper()}{live['says'][1:]}."
    parts = [tag("p", says, cls="says")]
    if live["coverage"]:
        parts.append(note(live["coverage"]["says"]))
    button = None
    if access.can(view.who, "change.approve"):
        path = f"/api/models/{quote(row['model'])}"
        if row["state"] == "serves":
            button = action("Demote", f"{path}/demote", done="Demoted.", ask="Why is it taken out of force?")
        elif row["state"] != "waits":
            button = action("Put up for promotion", f"{path}/promote", cls="main", done="Proposed.")
    answer = div("buttons", button) if button else None
    waits = link("Approve or decline it", f"/decisions#{row['change']}") if row["state"] == "waits" else None
    return card(None, *parts, waits, answer)


def _curve(view: View, told: dict[str, Any]) -> Safe | None:
    """Error over time, live; before there is any, over the units that were left out in training."""
    error, left = told["error"], told["left_out"]
    if error["due_ns"]:
        ends = (when.moment(error["due_ns"][0], view.zone), when.moment(error["due_ns"][-1], view.zone))
        names = [f"{about}, {when.moment(t, view.zone)}"
                 for about, t in zip(error["about"], error["due_ns"], strict=True)]
        band = error["low"], error["high"]
        return figures.curves(error["ours"], error["theirs"], names, "Live error so far", ends, band)
    if left:
        ends = (left["unit"][0], left["unit"][-1])
        title, band = "Error on units left out so far", (left["low"], left["high"])
        return figures.curves(left["ours"], left["theirs"], left["unit"], title, ends, band)
    return None


def _calibration(told: dict[str, Any]) -> Safe | None:
    found = told["calibration"]
    return figures.calibration(found["bins"], found["of"], found["kind"] == "quantile") if found else None


def _latest(view: View, rows: list[dict[str, Any]]) -> Safe:
    """What was said last of each thing, beside the baseline, and what came true."""
    heads = ["About", "When", ("Says", "n"), ("Interval", "n"), ("Baseline", "n extra"), ("Found", "n")]
    lines = []
    for one in rows:
        span = "–" if one["low"] is None else f"{_number(one['low'])} to {_number(one['high'])}"
        lines.append([tag("span", link(one["about"], _signals(one)), small(one["signal"])),
                      when.moment(one["due_ns"], view.zone), _number(one["said"]), span, _number(one["baseline"]),
                      "open" if one["found"] is None else _number(one["found"])])
    return table(heads, lines)


def _signals(one: dict[str, Any]) -> str:
    """Where the signals of a thing are drawn, about the time of a case."""
    around = {"thing": one["about"], "from": iso(one["due_ns"] - BACK_NS), "to": iso(one["due_ns"] + BACK_NS // 6)}
    return f"/chart?{urlencode(around)}"


def _worst(view: View, told: dict[str, Any]) -> Safe | None:
    """The cases it was most wrong about: all as bars, the first with what the machine said then."""
    live = told["worst"]
    if live:
        rows = [{**one, "says": f"{one['says']} ({when.moment(one['due_ns'], view.zone)})"} for one in live]
        drawn = [_case(view, one) for one in live[:DRAWN]]
        return card("Worst cases, live", figures.losses(rows), _cases(view, live), div("charts", *drawn),
                    note="the line is the baseline's loss; point at a bar")
    rows = [{**one, "says": f"{one['unit']}: {one['says']}"} for one in told["card"]["worst"]]
    if not rows:
        return None
    return card("Worst cases among units left out", figures.losses(rows),
                note="the line is the baseline's loss; point at a bar")


def _cases(view: View, live: list[dict[str, Any]]) -> Safe:
    """The same as a table, each with a way to its signals."""
    heads = ["Case", "When", ("Said", "n"), ("Found", "n"), ("Loss", "n"), ("Baseline's", "n extra")]
    return table(heads, [[link(one["about"], _signals(one)), when.moment(one["due_ns"], view.zone),
                          _number(one["said"]), _number(one["found"]), _number(one["loss"]),
                          _number(one["baseline_loss"])] for one in live[:TABLED]])


def _case(view: View, one: dict[str, Any]) -> Safe:
    """One case with the signal of its thing at that time."""
    thing = view.front.store.things().get(one["about"])
    kind = view.front.kinds().get(thing.kind) if thing else None
    caption = note(f"{one['says']}; loss {one['loss']:.3g}, baseline {_number(one['baseline_loss'])}")
    if kind is None:
        return tag("div", caption)
    start_ns, end_ns = _span(view, one)
    names = [signal.name for signal in kind.signals]
    wanted = [name for name in (one["signal"], *maintain.Settings().shown) if name in names][:1]
    if not wanted:
        return tag("div", caption)
    data = view.front.often(("case", one["about"], wanted[0], start_ns, end_ns), 60.0, lambda: series.series(
        view.front.store.get(things=[one["about"]], signals=wanted, start_ns=start_ns, end_ns=end_ns + 1),
        one["about"], kind, wanted[0], system=view.system, n=400))
    return tag("div", chart.line(data, start_ns, end_ns, view.zone), caption,
               note(link(f"Other signals of {one['about']}", _signals(one))))


def _span(view: View, one: dict[str, Any]) -> tuple[int, int]:
    """When the case was: the run that ended then, else the hour before."""
    if one["signal"] == WORN:
        for event in view.front.events("run.labelled"):
            if event.body["thing"] == one["about"] and int(event.body["end_ns"]) == one["due_ns"]:
                return int(event.body["start_ns"]), int(event.body["end_ns"])
    return one["due_ns"] - BACK_NS, one["due_ns"]


def _tests(tests: list[dict[str, Any]]) -> Safe:
    return tag("ul", *[tag("li", tag("b", title(str(test["name"]))), div("note", test["says"]),
                           cls=decisions.mark(test)) for test in tests], cls="check")


def _never(row: dict[str, Any]) -> Safe:
    return card("What its gate found", tag("p", f"Nothing: {row['says']}.", cls="empty"))


def _card(facts: dict[str, Any], view: View) -> Safe:
    cost = facts["cost"]
    took = f"{cost['wall_s']:.2f} s, {views.energy_in_words(cost)}" if cost else None
    groups = [f"{name}: {_number(one['loss'])} against {_number(one['baseline_loss'])} over {one['units']} units"
              for name, one in facts["groups"].items()]
    seen = [f"{word}: {value}" for word, value in facts["data"].items() if isinstance(value, int)]
    return pairs({
        "Task": facts["task"], "Has seen nothing known after": when.moment(facts["known_by_ns"], view.zone),
        "Newest run it learned from": _newest(facts, view),
        "Split": facts["split"] or "not stated", "Learned from": ", ".join(seen) or None,
        "Things": ", ".join(facts["things"]) or None, "Inputs": len(facts["signals"]),
        **{title(group.partition(": ")[0]): group.partition(": ")[2] for group in groups},
        "Training took": took, "Kept as": facts["weights_hash"][:16], "Code": facts["code_version"],
    })


def _newest(facts: dict[str, Any], view: View) -> str | None:
    """When the newest run ended that a model of tool wear could learn from: the time of happening, beside that of
    knowing. None for other tasks."""
    if facts["task"] != TASK:
        return None
    known = [event for event in view.front.events("run.labelled")
             if event.known_ns <= facts["known_by_ns"] and event.body["thing"] in facts["things"]]
    ends = [int(event.body["end_ns"]) for event in known]
    return when.moment(max(ends), view.zone) if ends else None
