"""Alarms: what needs somebody, what is hidden and why, and how much the alarms ask of people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from loopwright.app import alarming, detecting, reads, standing
from loopwright.app.console.frame import Drawn, View, head
from loopwright.app.console.markup import (
    Safe,
    action,
    card,
    div,
    empty,
    field,
    join,
    link,
    note,
    pill,
    small,
    stat,
    stats,
    table,
    tag,
)
from loopwright.app.views import alarms as views
from loopwright.app.views import when
from loopwright.govern import access
from loopwright.learn.detecting.budget import VERDICTS
from loopwright.serve.watch import life

PATH, EVERY_S = "/alarms", 2.0
AT_ONCE, PAST, DAYS = 3, 24, 30.0
SHOWN = (*life.WAITING, "acknowledged")
FIGURES_S = 20.0  # how often the figures are counted anew
STATES = {  # of an alarm, in words
    "unacknowledged": "nobody has seen it", "acknowledged": "seen, still true",
    "returned": "gone before anybody saw it", "shelved": "shelved", "suppressed": "suppressed by design",
    "out of service": "out of service", "normal": "over",
}
_URGENT = {"high": "bad", "medium": "warn"}  # tone of what waits for a person
_LENGTHS = (("30min", "30 minutes"), ("1h", "1 hour"), ("8h", "8 hours"), ("1d", "1 day"), ("7d", "7 days"))
_TONE = {"acceptable": "good", "manageable": "warn", "too many": "bad", "too few to say": ""}
_SCALED = ("per_hour", "per_10_min")  # the alarms a day in other words
_PERCENT = ("hours_above_30", "ten_min_above_10", "flood_share", "top_share")


def draw(view: View) -> Drawn:
    """What stands, what is hidden, the figures, and what is over."""
    rows = reads.alarms(view.front)
    up = views.standing(rows)
    blocks = {"head": head("Alarms", "Each is raised once, stands until its cause is gone, and is seen by somebody.",
                           crumb=link("Machines", "/machines"))}
    blocks["numbers"] = card(None, _numbers(rows, view))
    words = "A machine that goes silent, a value beyond its limit, or a machine that behaves unusually stands here."
    shown = alarm_list(up, view, whole=True) if up else empty("No alarm stands", words)
    blocks["standing"] = card("Alarms that stand" if up else None, shown)
    if hidden := views.hidden(standing.alarm_state(view.front)):
        blocks["hidden"] = card("Hidden", _hidden(hidden, view), note="recorded all the same, and shown to nobody")
    if judged := detecting.summaries(view.front.site.folder):
        blocks["detectors"] = card("Detectors", _detectors(judged), note="machines that behave unusually")
    blocks["figures"] = card("What they ask of people", *_figures(view), note=f"the last {DAYS:g} days")
    if past := [row for row in rows if row["state"] == "normal"]:
        blocks["past"] = card("Alarms that are over", alarm_list(past[:PAST], view, whole=True))
    return Drawn("Alarms", blocks)


def alarm_list(alarms: Sequence[Mapping[str, Any]], view: View, *, whole: bool = False) -> Safe:
    """Alarms with their evidence and the button that says 'seen'; beyond the first few folded away.

    whole  with what else can be done with them, on the page of alarms
    """
    at_once = PAST if whole else AT_ONCE
    first, rest = ([_alarm(alarm, view, whole) for alarm in some] for some in (alarms[:at_once], alarms[at_once:]))
    more = tag("summary", f"{len(rest)} more") + tag("ul", *rest, cls="alarms")
    shown = tag("ul", *first, cls="alarms")
    return join([shown, tag("details", more) if rest else None])


def _alarm(alarm: Mapping[str, Any], view: View, whole: bool) -> Safe:
    words = STATES[alarm["state"]]
    tone = _URGENT.get(alarm["priority"], "") if alarm["state"] in life.WAITING else ""
    seen = f", seen by {alarm['acknowledged_by']}" if alarm["acknowledged_by"] else ""
    since = when.ago(alarm["since_ns"], view.front.now_ns(), view.zone)
    often = f", {alarm['came']} times so far" if alarm["came"] > 1 else ""
    path, button, shelf = f"/api/alarms/{quote(alarm['id'])}", None, None
    if alarm["state"] in life.WAITING and access.can(view.who, "alarm.acknowledge"):
        button = action("Acknowledge", f"{path}/ack", cls="small", done="Acknowledged.")
    if whole and alarm["state"] in SHOWN and access.can(view.who, "alarm.shelve"):
        shelf = _shelve(path)
    if whole and access.can(view.who, "alarm.acknowledge"):
        shelf = join([_judge(path, alarm), shelf])
    role = pill(f"for the {alarm['role']}", "warn") if alarm["role"] not in ("", "operator") else None
    told = tag("div", tag("p", alarm["says"]), note(alarm["revised"]) if alarm["revised"] else None,
               note(f"{since}, {words}{seen}{often}"), _ranking(alarm["ranking"]), evidence(alarm["evidence"], view),
               shelf)
    return tag("li", told, div("buttons", role, pill(alarm["priority"], tone), button), cls="alarm")


def _judge(path: str, alarm: Mapping[str, Any]) -> Safe:
    """A form that says what an alarm was; a true one does not count as false."""
    said = f"{alarm['judged_by']} says: {alarm['verdict']}" if alarm["verdict"] else "Was it true?"
    options = [tag("option", word, value=word) for word in VERDICTS]
    form = tag("form", field("It was", tag("select", *options, name="verdict")),
               field("How you know", tag("input", name="why", maxlength=2000, placeholder="In a sentence")),
               tag("button", "Say so", type="submit", cls="button small"), data_post=f"{path}/judge", cls="shelve")
    return tag("details", tag("summary", said), div("", form, data_keep=True))


def _shelve(path: str) -> Safe:
    """A form that hides an alarm for a time."""
    options = [tag("option", words, value=length) for length, words in _LENGTHS]
    form = tag(
        "form", field("For how long", tag("select", *options, name="until")),
        field("Why", tag("input", name="why", required=True, maxlength=2000, placeholder="In a sentence")),
        tag("button", "Shelve", type="submit", cls="button small"), data_post=f"{path}/shelve", cls="shelve")
    return tag("details", tag("summary", "Shelve"), div("", form, data_keep=True))


def _ranking(rows: Sequence[Mapping[str, Any]]) -> Safe | None:
    """Which signals have most to do with it, as bars."""
    if not rows:
        return None
    bars = [
        tag("li", tag("span", row["signal"]), div("bar", div("", style=f"width:{100 * float(row['share']):.0f}%")),
            tag("b", f"{float(row['share']):.0%}")) for row in rows
    ]
    return tag("ol", *bars, cls="ranking", title="share of each signal in the score")


def evidence(rows: Sequence[Mapping[str, Any]], view: View) -> Safe | None:
    """What it rests on, folded away until somebody asks."""
    if not rows:
        return None
    items = [tag("li", pill(row.get("kind", "")), tag("span", _ref(row, view)), small(row.get("note"))) for row in rows]
    count = f"{len(rows)} {'piece' if len(rows) == 1 else 'pieces'} of evidence"
    return tag("details", tag("summary", count), tag("ul", *items, cls="evidence"))


def _ref(row: Mapping[str, Any], view: View) -> Safe | str:
    name = f"{row['ref']} {row.get('signal', '')}".strip()
    if row.get("start_ns"):
        name += f", {when.moment(row['start_ns'], view.zone)} to {when.moment(row['end_ns'], view.zone)}"
    known = row.get("kind") == "points" and any(machine.id == row["ref"] for machine in view.front.site.machines)
    return link(name, f"/machines/{row['ref']}") if known else name


def _numbers(rows: Sequence[Mapping[str, Any]], view: View) -> Safe:
    found = _counted(view)
    waiting, stale = len(views.waiting(rows)), len(found["stale_alarms"])
    return stats(
        stat(waiting, "wait for somebody", "bad" if waiting else "good"),
        stat(sum(row["state"] == "acknowledged" for row in rows), "seen, still true"),
        stat(sum(row["state"] in life.QUIET for row in rows), "hidden"),
        stat(stale, "stand too long", "warn" if stale else ""),
        stat(f"{found['per_day']:.3g}", "a day"),
    )


def _counted(view: View) -> dict[str, Any]:
    front = view.front
    return front.often("alarm figures", FIGURES_S,
                       lambda: alarming.figures_of(front.store, front.site, front.now_ns(), DAYS))


def _hidden(rows: Sequence[Mapping[str, Any]], view: View) -> Safe:
    items = []
    for row in rows:
        name = "all its alarms" if row["condition"] == life.ALL else row["condition"]
        until = f" until {when.moment(row['until_ns'], view.zone)}" if row["until_ns"] else ""
        told = tag("div", tag("p", f"{row['thing']}: {name}"), note(f"By {row['by']}{until}: {row['why']}"))
        items.append(tag("li", told, div("buttons", pill(row["state"]), _let_out(row, view)), cls="alarm"))
    return tag("ul", *items, cls="alarms")


def _let_out(row: Mapping[str, Any], view: View) -> Safe | None:
    path = f"/api/alarms/{quote(row['thing'])}/{quote(row['condition'])}"
    if row["state"] == "shelved" and access.can(view.who, "alarm.shelve"):
        return action("Show again", f"{path}/unshelve", cls="small")
    if row["state"] == "out of service" and access.can(view.who, "alarm.suppress"):
        return action("Put back", f"{path}/restore", cls="small")
    return None


def _detectors(rows: Sequence[Mapping[str, Any]]) -> Safe:
    """How much the detectors know, and how their budget of false alarms stands."""
    cells = []
    for row in rows:
        share = float(row["judged"])
        word = "learning" if share == 0.0 else f"{share:.0%} of signals judged"
        hours = float(row["watched_s"]) / 3600
        raised = f"{row['raised']} in {hours / 24:.1f} days" if hours >= 48 else f"{row['raised']} in {hours:.1f} h"
        if waiting := row.get("waiting"):
            first = waiting[0]
            word += f", {len(waiting)} learn ({first['thing']} {first['signal']}: "
            word += f"{first['rows'] or first['own']} values more)"
        cells.append((f"{row['things']} of kind {row['kind']}", pill(word, "good" if share else "live"), raised,
                      f"{row['per_day']:g} a day"))
    return table(("Machines", "Known", ("Raised", "n"), ("Allowed", "n")), cells)


def _figures(view: View) -> list[Safe]:
    found = _counted(view)
    rows = [
        (one["says"], f"{_number(name, one['value'])} of {_number(name, one['manageable'])}",
         pill(one["verdict"], _TONE[one["verdict"]])) for name, one in found["verdicts"].items() if name not in _SCALED
    ]
    parts = [table(("", ("of at most", "n"), ""), rows, cls="")]
    if found["most_frequent"]:
        often = [(_alarm_name(row["alarm"]), row["times"], f"{row['share']:.0%}") for row in found["most_frequent"]]
        heads = ("Most frequent", ("Times", "n"), ("Share", "n"))
        parts.append(div("figures", table(heads, often, cls="")))
    if found["stale_alarms"]:
        hours = [(_alarm_name(row["alarm"]), f"{row['stands_s'] / 3600:.0f} h") for row in found["stale_alarms"]]
        parts.append(div("figures", table(("Stand too long", ("For", "n")), hours, cls="")))
    parts.append(note("Limits: ANSI/ISA-18.2-2016 and EEMUA 191, for each operator."))
    return parts


def _alarm_name(key: str) -> str:
    condition, thing = key.split("/", 1)
    return f"{condition} on {thing}"


def _number(name: str, value: float) -> str:
    return f"{100 * value:.3g} %" if name in _PERCENT else f"{value:.3g}"
