"""One unit: its whole thread on one page, the solid in 3D, and the way to its public page."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from loopwright.app import reads, standing
from loopwright.app.console import pieces
from loopwright.app.console.draw import chart, driving_range, qr
from loopwright.app.console.frame import Drawn, View, head, title
from loopwright.app.console.markup import Safe, card, div, link, note, pill, small, table, tag
from loopwright.app.console.orders import TONES
from loopwright.app.views import shown, when
from loopwright.govern import access

PATH, EVERY_S = "/units/{serial}", 4.0
STEP_POINTS = 240  # a step's chart is small
_VERDICT = {"good": "good", "rework": "warn", "scrap": "bad"}


def draw(view: View) -> Drawn:
    """What the unit is on the right, its thread on the left."""
    thread = reads.unit_thread(view.front, view.params["serial"])
    design, order = thread["design"], thread["order"]["id"]
    words = f"{title(design['family'])}, made to the rules of {design['revision']}." if design["id"] else None
    state = pill(title(thread["state"]), TONES.get(thread["state"], ""))
    crumb = tag("span", link("Orders", "/orders"), f" / {order}")
    blocks = {
        "head": head(thread["serial"], words, state, crumb=crumb),
        "side": tag("div", _solid(thread), _facts(thread, view), *_about(thread["serial"], view)),
        "thread": card(None, tag("ol", *_making(thread, view), *_living(thread, view), cls="thread-line")),
    }
    return Drawn(thread["serial"], blocks, grid={"side": "unit-side", "thread": "unit-thread"})


def _making(thread: dict[str, Any], view: View) -> list[Safe]:
    """From the order to the gauge."""
    order, steps, zone = thread["order"], thread["steps"], view.zone
    fitted = next((h["t_ns"] for h in thread["history"] if h["kind"] == "order.fitted"), None)
    price = shown.money(order.get("price_minor"), order.get("currency", ""))
    due = when.day(order.get("due_ns"), zone)
    ordered = f"{order['id']} for {order.get('person', 'somebody')}, {price}, due {due}."
    made = [_step(step, view) for step in steps] or [tag("p", "Not begun.", cls="empty")]
    return [
        pieces.station("Ordered", order["placed_ns"], zone, tag("p", ordered)),
        pieces.station("Fitted to measure", fitted, zone, _parameters(thread, view)),
        *_promise(thread["promise"], zone),
        pieces.station("Planned", None, zone, _slots(thread, view)),
        pieces.station("Made", steps[0]["start_ns"] if steps else None, zone, *made, pending=not steps),
        *[_measured(attempt, view) for attempt in thread["measured"]],
    ]


def _living(thread: dict[str, Any], view: View) -> list[Safe]:
    """From the door of the shop to the range, and what services said about it."""
    zone, shipped, claimed = view.zone, thread["shipped_ns"], thread["claimed_ns"]
    if thread["scrap_reason"]:
        out = [pieces.station("Scrapped", None, zone, tag("p", thread["scrap_reason"]), bad=True)]
    else:
        code = "With a one-time code for its owner." if shipped else "Not yet."
        owner = f"By {thread['owner']}." if thread["owner"] else "Waits for its owner."
        out = [
            pieces.station("Shipped", shipped, zone, tag("p", code), pending=not shipped),
            pieces.station("Claimed", claimed, zone, tag("p", owner), pending=not claimed),
            _played(thread, view),
        ]
    said = [tag("p", d["says"] or f"Nothing: {d['abstains']}.", cls="quote") for d in thread["decisions"]]
    return [*out, pieces.station("What services said", None, zone, *said)] if said else out


def _parameters(thread: dict[str, Any], view: View) -> Safe:
    rows = []
    for row in thread["design"]["parameters"]:
        name, unit = row["name"], row.get("unit", "")
        value, low, high = (shown.shown(row.get(key), unit, view.system, name) for key in ("value", "low", "high"))
        bar = pieces.rangebar(row.get("value"), row.get("low"), row.get("high"))
        trade = thread["in_words"].get(name, "")
        rule = title(str(row.get("rule", "")).partition("@")[0])
        rows.append([
            title(name),
            tag("span", tag("b", value), small("" if trade.removesuffix(".0") == value.text else trade)),
            tag("span", small(f"{low.text} to {high}"), bar) if bar else "–",
            tag("span", rule, small(row.get("source", ""))),
        ])
    return table(["Parameter", ("Value", "n"), "Range", "Rule and source"], rows, "No parameters are known.")


def _promise(told: dict[str, Any], zone: str) -> list[Safe]:
    """The date that the customer was told, with the plan that proves it."""
    if not told:
        return []
    due = f", {'in time for' if told['met'] else 'after'} the due date, {when.moment(told['due_ns'], zone)}"
    words = f"For {when.moment(told['promised_ns'], zone)}{due if told['due_ns'] else ''}."
    waits = note(f"Longest on the way: {told['waits']}.") if told["waits"] else None
    digest = tag("span", told["plan_sha256"][:16], cls="code", title=told["plan_sha256"])
    proof = note("Proof: ", link(told["plan"], f"/plan?plan={quote(told['plan'])}"),
                 f", which holds its {told['operations']} operations, SHA-256 ", digest)
    because = f": {told['why']}" if told["why"] else ""
    before = note(f"Promised before for {when.moment(told['was_ns'], zone)}{because}.") if told["was_ns"] else None
    return [pieces.station("Promised", told["t_ns"], zone, tag("p", words), before, waits, proof, bad=not told["met"])]


def _slots(thread: dict[str, Any], view: View) -> Safe:
    rows = []
    for slot in thread["slots"]:
        start, end = (when.clock_time(slot[key], view.zone, False) for key in ("start_ns", "end_ns"))
        takes = shown.took((slot["end_ns"] - slot["start_ns"]) / 1e9)
        rows.append([title(slot["operation"]), slot["machine"], f"{start} to {end}", takes])
    return table(["Operation", "Machine", "Planned", ("Takes", "n")], rows, "In no plan.")


def _step(step: dict[str, Any], view: View) -> Safe:
    """One operation: machine, times, program, and what the machine said while it ran."""
    start = when.clock_time(step["start_ns"], view.zone)
    times = f"since {start}"
    if step["end_ns"]:
        times = f"{start} to {when.clock_time(step['end_ns'], view.zone)}, {shown.took(step['seconds'])}"
    running = pill("running", "live dot") if step["running"] else None
    machine = link(step["machine"], f"/machines/{step['machine']}")
    parts: list[Any] = [tag("h3", title(step["operation"]), " on ", machine, " ", running), note(times)]
    if step["program_hash"]:
        program = tag("span", step["program_hash"][:16], cls="code", title=step["program_hash"])
        parts.append(note("Program ", program, f", run {step['run']}" if step["run"] else ""))
    parts += [_heard(step, view), *[note(pill("assumed", "warn"), " ", words) for words in step["assumed"]]]
    return div("step", *parts)


def _heard(step: dict[str, Any], view: View) -> Safe | None:
    lines = reads.step_series(view.front, step, view.system, STEP_POINTS)
    if not lines:
        return None
    samples = shown.whole(sum(line["count"] for line in lines))
    words = f"What {step['machine']} said: {len(step['signals'])} signals; {len(lines)} of them here, {samples} samples"
    start, end = step["heard_start_ns"], step["heard_end_ns"]
    charts = [chart.line(line, start, end, view.zone, colour=i) for i, line in enumerate(lines)]
    return tag("details", tag("summary", words), div("charts", *charts), open=True)


def _measured(attempt: dict[str, Any], view: View) -> Safe:
    rows = []
    for row in attempt["measures"]:
        value, wanted = (shown.shown(row[key], row["unit"], view.system, row["name"]) for key in ("value", "designed"))
        built = tag("b", value, cls=None if row["ok"] else "off")
        rows.append([title(row["name"]), built, str(wanted), chart.tolerance(row)])
    again = f" again, attempt {attempt['attempt']}" if attempt["attempt"] > 1 else ""
    name = tag("span", f"Measured{again} ", pill(attempt["verdict"], _VERDICT.get(attempt["verdict"], "")))
    measures = table(["Measure", ("As built", "n"), ("Designed", "n"), "Within tolerance"], rows)
    reasons = [note(reason) for reason in attempt["reasons"]]
    return pieces.station(name, attempt["t_ns"], view.zone, measures, *reasons, bad=attempt["verdict"] == "scrap")


def _played(thread: dict[str, Any], view: View) -> Safe:
    data = reads.owner_shots(view.front, thread["things"], view.system)
    if not data["count"]:
        nothing = tag("p", "No shot was reported yet.", cls="empty")
        return pieces.station("Played", None, view.zone, nothing, pending=True)
    picture = div("field-of-play", driving_range.drawn(data["range"], view.zone))
    told = (driving_range.words(data["range"]), pieces.assumed(data["assumed"]), picture)
    return pieces.station("Played", None, view.zone, *told)


def _solid(thread: dict[str, Any]) -> Safe:
    files, serial = thread["solid"]["files"], thread["serial"]
    if not files:
        return card(None, tag("p", "No solid model was made of it.", cls="empty"))
    at = f"/api/units/{serial}/solid"
    saves = [tag("a", kind.upper(), href=f"{at}.{kind}", cls="button small", download=True) for kind in files]
    return card(None, pieces.solid(serial, files), div("buttons", *saves, style="margin-top:12px"), cls="solid-card")


def _facts(thread: dict[str, Any], view: View) -> Safe:
    solid, design = thread["solid"], thread["design"]
    facts = {
        "Serial": thread["serial"],
        "Design": tag("span", design["id"], cls="code"),
        "Hand": "left" if design["mirrored"] else "right",
        "Head mass": shown.shown(solid["mass_kg"], "kg", view.system),
        "Head volume": shown.shown(solid["volume_m3"], "m3", view.system),
    }
    return card("What it is", pieces.pairs(facts))


def _about(serial: str, view: View) -> list[Safe | None]:
    return [_siblings(serial, view), _public(serial, view)]


def _siblings(serial: str, view: View) -> Safe | None:
    """Units by the same rules, of the same lot, or on the same machine at about that time; not for owners."""
    rows = []
    for one in standing.siblings(view.front, serial) if access.can(view.who, "plant.see") else ():
        more = f" and {one['more']:,} more" if one["more"] else ""
        units = [part for unit in one["units"] for part in (link(unit, f"/units/{unit}"), " ")]
        rows.append([tag("span", title(one["why"]), small(one["id"])), tag("span", *units, more)])
    words = "Same machine: within an hour before or after."
    return card("Its siblings", table([("Shares", "whole"), "With"], rows), note=words) if rows else None


def _public(serial: str, view: View) -> Safe:
    words = "Anybody who holds the unit may scan this. The page shows that it is genuine, and nothing about its owner."
    code = div("qr", qr.drawn(f"{view.base_url}/u/{serial}"))
    way = tag("p", link(f"/u/{serial}", f"/u/{serial}"), style="margin-top:8px")
    return card("Its public page", div("beside", code, tag("div", note(words), way)))


