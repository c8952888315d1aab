"""One unit: its whole thread on one page, the solid in 3D, and the way to its public page."""

from __future__ import annotations

from typing import Any

from loopwright.app import reads
from loopwright.app.console import pieces
from loopwright.app.console.draw import chart, driving_range, qr
from loopwright.app.console.frame import Drawn, View, head, title
from loopwright.app.console.markup import Safe, card, join, pill, table, tag
from loopwright.app.console.orders import TONES
from loopwright.app.views import shown, when

PATH, EVERY_S = "/units/{serial}", 4.0
STEP_POINTS = 300  # a step's chart is small


def draw(view: View) -> Drawn:
    """The thread on the left, what the unit is on the right."""
    thread = reads.unit_thread(view.front, view.params["serial"])
    serial = thread["serial"]
    crumb = tag("span", tag("a", "Orders", href="/orders"), f" / {thread['order']['id']}")
    words = (
        f"{title(thread['design']['family'] or 'unit')}, made to the rules of {thread['design']['revision']}"
        if thread["design"]["id"]
        else "Its design is not known here."
    )
    return Drawn(
        serial,
        {
            "head": head(serial, words, pill(title(thread["state"]), TONES.get(thread["state"], "")), crumb=crumb),
            "side": tag("div", _solid(thread), _facts(thread, view), _public(serial, view)),
            "thread": card(None, tag("ol", *_stations(thread, view), cls="thread-line")),
        },
        grid={"side": "unit-side", "thread": "unit-thread"},
    )


def _stations(thread: dict[str, Any], view: View) -> list[Safe]:
    order, zone = thread["order"], view.zone
    out = [
        pieces.station(
            "Ordered",
            order["placed_ns"],
            zone,
            tag(
                "p",
                f"{order['id']} for {order.get('person', 'somebody')}, {shown.money(order.get('price_minor'), order.get('currency', ''))}, due {when.day(order.get('due_ns'), zone)}.",
            ),
        )
    ]
    fitted = next((h["t_ns"] for h in thread["history"] if h["kind"] == "order.fitted"), None)
    out.append(pieces.station("Fitted to measure", fitted, zone, _parameters(thread, view)))
    out.append(pieces.station("Planned", None, zone, _slots(thread, view)))
    out.append(
        pieces.station(
            "Made",
            thread["steps"][0]["start_ns"] if thread["steps"] else None,
            zone,
            *[_step(step, view) for step in thread["steps"]] or [tag("p", "Not begun.", cls="empty")],
            pending=not thread["steps"],
        )
    )
    for attempt in thread["measured"]:
        out.append(_measured(attempt, view))
    if thread["scrap_reason"]:
        out.append(pieces.station("Scrapped", None, zone, tag("p", thread["scrap_reason"]), bad=True))
    else:
        out.append(
            pieces.station(
                "Shipped",
                thread["shipped_ns"],
                zone,
                tag("p", "With a one-time code for its owner." if thread["shipped_ns"] else "Not yet."),
                pending=not thread["shipped_ns"],
            )
        )
        out.append(
            pieces.station(
                "Claimed",
                thread["claimed_ns"],
                zone,
                tag("p", f"By {thread['owner']}." if thread["owner"] else "Waits for its owner."),
                pending=not thread["claimed_ns"],
            )
        )
        out.append(_played(thread, view))
    if thread["decisions"]:
        out.append(
            pieces.station(
                "What services said",
                None,
                zone,
                *[
                    tag("p", d["says"] or f"Nothing: {d['abstains']}.", cls="quote", style="margin-bottom:8px")
                    for d in thread["decisions"]
                ],
            )
        )
    return out


def _parameters(thread: dict[str, Any], view: View) -> Safe:
    rows = []
    for row in thread["design"]["parameters"]:
        value = shown.shown(row.get("value"), row.get("unit", ""), view.system, row["name"])
        low, high = (shown.shown(row.get(k), row.get("unit", ""), view.system, row["name"]) for k in ("low", "high"))
        reach = (
            tag(
                "span",
                tag("small", f"{low.text} to {high}", cls="note"),
                pieces.rangebar(row.get("value"), row.get("low"), row.get("high")),
            )
            if row.get("low") is not None
            else "–"
        )
        rows.append(
            [
                title(row["name"]),
                tag("b", value),
                reach,
                tag("span", title(str(row.get("rule", "")).partition("@")[0]), tag("small", row.get("source", ""), cls="note")),
            ]
        )
    return table(["Parameter", ("Value", "n"), "Range", "Rule and source"], rows, "stack", "No parameters are known.")


def _slots(thread: dict[str, Any], view: View) -> Safe:
    rows = [
        [
            title(slot["operation"]),
            slot["machine"],
            f"{when.clock_time(slot['start_ns'], view.zone, False)} to {when.clock_time(slot['end_ns'], view.zone, False)}",
            shown.took((slot["end_ns"] - slot["start_ns"]) / 1e9),
        ]
        for slot in thread["slots"]
    ]
    return table(["Operation", "Machine", "Planned", ("Takes", "n")], rows, "stack", "In no plan.")


def _step(step: dict[str, Any], view: View) -> Safe:
    times = (
        f"{when.clock_time(step['start_ns'], view.zone)} to {when.clock_time(step['end_ns'], view.zone)}, {shown.took(step['seconds'])}"
        if step["end_ns"]
        else f"since {when.clock_time(step['start_ns'], view.zone)}"
    )
    parts: list[Any] = [
        tag(
            "h3",
            title(step["operation"]),
            " on ",
            tag("a", step["machine"], href=f"/machines/{step['machine']}"),
            " ",
            pill("running", "live dot") if step["running"] else None,
        ),
        tag("p", times, cls="note"),
    ]
    if step["program_hash"]:
        parts.append(
            tag(
                "p",
                "Program ",
                tag("span", step["program_hash"][:16], cls="code", title=step["program_hash"]),
                f", run {step['run']}" if step["run"] else "",
                cls="note",
            )
        )
    lines = reads.step_series(view.front, step, view.system, STEP_POINTS)
    if lines:
        charts = [
            chart.line(line, step["heard_start_ns"], step["heard_end_ns"], view.zone, colour=i)
            for i, line in enumerate(lines)
        ]
        parts.append(
            tag(
                "details",
                tag(
                    "summary",
                    f"What {step['machine']} said: {len(step['signals'])} signals, {shown.whole(sum(line['count'] for line in lines))} samples shown",
                ),
                tag("div", *charts, cls="charts"),
                open=True,
            )
        )
    parts += [tag("p", pill("assumed", "warn"), " ", note, cls="note") for note in step["assumed"]]
    return tag("div", *parts, cls="step")


def _measured(attempt: dict[str, Any], view: View) -> Safe:
    rows = []
    for row in attempt["measures"]:
        value, wanted = (shown.shown(row[k], row["unit"], view.system, row["name"]) for k in ("value", "designed"))
        rows.append(
            [title(row["name"]), tag("b", value, cls=None if row["ok"] else "off"), str(wanted), chart.tolerance(row)]
        )
    tone = {"good": "good", "rework": "warn", "scrap": "bad"}.get(attempt["verdict"], "")
    name = "Measured" if attempt["attempt"] == 1 else f"Measured again, attempt {attempt['attempt']}"
    return pieces.station(
        tag("span", name, " ", pill(attempt["verdict"], tone)),
        attempt["t_ns"],
        view.zone,
        table(["Measure", ("As built", "n"), ("Designed", "n"), "Within tolerance"], rows, "stack"),
        *[tag("p", reason, cls="note") for reason in attempt["reasons"]],
        bad=attempt["verdict"] == "scrap",
    )


def _played(thread: dict[str, Any], view: View) -> Safe:
    data = reads.owner_shots(view.front, thread["things"], view.system)
    if not data["count"]:
        return pieces.station(
            "Played", None, view.zone, tag("p", "No shot was reported yet.", cls="empty"), pending=True
        )
    return pieces.station(
        "Played",
        None,
        view.zone,
        driving_range.words(data["range"]),
        tag("div", driving_range.drawn(data["range"], view.zone), style="max-width:460px;margin-top:14px"),
    )


def _solid(thread: dict[str, Any]) -> Safe:
    solid = thread["solid"]
    if not solid["files"]:
        return card(None, tag("p", "No solid model was made of it.", cls="empty"))
    files = [
        tag("a", kind.upper(), href=f"/api/units/{thread['serial']}/solid.{kind}", cls="button small", download=True)
        for kind in solid["files"]
    ]
    return card(
        None,
        pieces.solid(thread["serial"], solid["files"]),
        tag("div", *files, cls="buttons", style="margin-top:12px"),
        cls="solid-card",
    )


def _facts(thread: dict[str, Any], view: View) -> Safe:
    solid, design = thread["solid"], thread["design"]
    facts: list[tuple[str, Any]] = [
        ("Serial", thread["serial"]),
        ("Design", tag("span", design["id"], cls="code")),
        ("Hand", "left" if design["mirrored"] else "right"),
        ("Head mass", shown.shown(solid["mass_kg"], "kg", view.system)),
        ("Head volume", shown.shown(solid["volume_m3"], "m3", view.system)),
    ]
    return card("What it is", tag("dl", join(tag("dt", name) + tag("dd", value) for name, value in facts), cls="pairs"))


def _public(serial: str, view: View) -> Safe:
    url = f"{view.base_url}/u/{serial}"
    return card(
        "Its public page",
        tag(
            "div",
            tag("div", qr.drawn(url), cls="qr"),
            tag(
                "div",
                tag(
                    "p",
                    "Anybody who holds the unit may scan this. The page shows what it is and how it was made, and nothing about its owner.",
                    cls="note",
                ),
                tag("p", tag("a", f"/u/{serial}", href=f"/u/{serial}"), style="margin-top:8px"),
            ),
            cls="beside",
        ),
    )
