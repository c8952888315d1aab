"""Decisions and changes: what was said and why, what waits for a person, and who agreed."""

from __future__ import annotations

from typing import Any

from loopwright.app import reads
from loopwright.app.console.alarms import evidence
from loopwright.app.console.frame import Drawn, View, head, title
from loopwright.app.console.markup import Safe, action, card, div, empty, note, pill, tag
from loopwright.app.console.owner import interval
from loopwright.app.views import decisions as views
from loopwright.app.views import shown, when
from loopwright.govern import access
from loopwright.govern.roles import EVERYONE

PATH, EVERY_S = "/decisions", 3.0
SHOWN = 24
ABOUT = 3  # ids that a group of silences names
_STATES = {  # of a decision: words, tone
    "open": ("waits for a person", "warn dot"), "approved": ("approved", "good"), "declined": ("declined", "bad"),
    "said": ("for information", ""), "silent": ("says nothing", ""),
}
_CHANGE = {
    "released": "good", "gated": "warn dot", "proposed": "warn", "on trial": "live dot", "approved": "good",
    "rejected": "bad", "declined": "bad", "undone": "", "not proposed": "",
}
_OFFSETS = {"lie": "rad", "loft": "rad", "length": "m", "club_length": "m", "grip_diameter": "m", "head_mass": "kg"}


def draw(view: View) -> Drawn:
    """What waits for a person, then the changes, then what was said."""
    rows, changes = reads.decisions(view.front), reads.changes(view.front)
    waiting = {f"d-{row['id']}": _decision(row, view) for row in rows if row["state"] == "open"}
    spoke = [row for row in rows if row["state"] not in ("open", "silent")][:SHOWN]
    said = {f"d-{row['id']}": _decision(row, view) for row in spoke}
    said |= {f"s-{i}": _silence(group, view) for i, group in enumerate(views.silences(rows)[:SHOWN])}
    words = "Each names its evidence, its uncertainty and who agreed. Nobody approves what they proposed."
    if view.who.role == EVERYONE:
        words += " Approving takes people with names: loopwright users add NAME approver --site SITE."
    looked = {f"c-{change['id']}": _change(change, view) for change in changes[:SHOWN]}
    if not looked:
        none = "Outcomes are weighed after each turn. A change is proposed only when the evidence holds."
        looked = {"changes-none": card(None, empty("No change was looked for yet", none))}
    if not said:
        said = {"said-none": card(None, tag("p", "Nothing yet.", cls="empty"))}
    blocks = {
        "head": head("Decisions and changes", words), **waiting,
        "changes-head": tag("h2", "Changes", id="changes", cls="section"), **looked,
        "said-head": tag("h2", "What services said", cls="section"), **said,
    }
    return Drawn("Decisions", blocks, grid=dict.fromkeys(said, "tile-set said"))


def _lead(word: str, tone: str, meta: str) -> Safe:
    return div("buttons", pill(word, tone), tag("span", meta, cls="note"), style="margin-bottom:10px")


def _answers(path: str, word: str) -> Safe:
    """Approve, or decline with a reason."""
    return div(
        "buttons", action(word, f"{path}/approve", cls="main", done="Approved."),
        action("Decline", f"{path}/decline", done="Declined.", ask="Why do you decline?"), style="margin-top:16px",
    )


def _decision(row: dict[str, Any], view: View) -> Safe:
    word, tone = _STATES[row["state"]]
    made = when.ago(row["made_ns"], view.front.now_ns(), view.zone)
    meta = f"{row['service']}, about {row['about']}, {made}" + (f", by {row['model']}" if row.get("model") else "")
    asks = note("Asks to ", row["action"], ".") if row.get("action") else None
    answer = None
    if row["by"]:
        answer = note(f"{word.capitalize()} by {row['by']}, {when.moment(row['answered_ns'], view.zone)}. {row['why']}")
    elif row["state"] == "open" and access.can(view.who, "change.approve"):
        answer = _answers(f"/api/decisions/{row['id']}", "Approve")
    body = (tag("p", row["says"], cls="says"), asks, interval(row, view), evidence(row["because"], view), answer)
    return card(None, _lead(word, tone, meta), *body)


def _silence(group: dict[str, Any], view: View) -> Safe:
    """Why a service says nothing, and about whom."""
    word, tone = _STATES["silent"]
    made = when.ago(group["made_ns"], view.front.now_ns(), view.zone)
    about = ", ".join(group["about"][:ABOUT])
    more = f" and {len(group['about']) - ABOUT} more" if len(group["about"]) > ABOUT else ""
    lead = _lead(word, tone, f"{group['service']}, about {about}{more}, {made}")
    return card(None, lead, tag("p", f"Nothing, because {group['abstains']}.", cls="says"))


def _change(change: dict[str, Any], view: View) -> Safe:
    since = when.ago(change["t_ns"], view.front.now_ns(), view.zone)
    meta = f"{change['target']} {change['about']}".strip() + f", {since}, {change['id']}"
    lead = _lead(change["state"], _CHANGE.get(change["state"], ""), meta)
    if change["state"] == "not proposed":
        often = f" {change['looks']} times" if change["looks"] > 1 else ""
        why = f"Looked for{often}, and not supported: {change['why'].rstrip('.')}."
        return card(None, lead, tag("p", why, cls="says"), id_=change["id"])
    before, after = (tag("span", _values(change, key, view), cls=key) for key in ("before", "after"))
    both = div("twins", _tests(change), _approvals(change, view))
    return card(None, lead, tag("p", change["why"], cls="says"), div("delta", before, "→", after), both,
                _answer(change, view), id_=change["id"])


def _values(change: dict[str, Any], key: str, view: View) -> str:
    """Before or after in words; the offset of a rule in the unit that people give it."""
    parts = []
    for name, value in change[key].items():
        unit = _OFFSETS.get(str(change["about"]), "")
        if name == "offset" and unit and isinstance(value, (int, float)):
            parts.append(f"offset {shown.shown(value, unit, view.system, 'offset', 2)}")
        elif name not in ("rule", "change"):
            parts.append(f"{name} {value}")
    return ", ".join(parts) or "as it was"


def _tests(change: dict[str, Any]) -> Safe:
    rows = [
        tag("li", tag("b", title(str(test.get("name", "")))), div("note", test.get("says", "")),
            cls=views.mark(test))
        for test in (change["tests"] if change["passed"] is not None else [])
    ]
    so_far = f", with {change['tried']} orders so far" if change["tried"] else ""
    waits = tag("li", f"They run when its trial is over{so_far}.", cls="wait")
    return tag("div", tag("h3", "Tests of the gate"), tag("ul", *rows or [waits], cls="check"))


def _approvals(change: dict[str, Any], view: View) -> Safe:
    rows = []
    for approval in change["approvals"]:
        how = ", automatic (example)" if approval["automatic"] else ""
        time = div("note", when.moment(approval["t_ns"], view.zone))
        rows.append(tag("li", f"{approval['by']} agreed to the {approval['purpose']}{how}", time))
    if change["state"] in ("proposed", "gated"):
        who = "somebody else" if change["agreed"] else "somebody"
        wait = tag("li", f"{who} must agree to the {change['asked']}", cls="wait")
        rows += [wait] * max(0, change["needed"] - change["agreed"])
    if change["undo_why"]:
        rows.append(tag("li", f"{change['state']} by {change['by']}: {change['undo_why']}", cls="no"))
    if change["revision"]:
        time = div("note", when.moment(change["released_ns"], view.zone))
        rows.append(tag("li", f"in force as {change['revision']}", time))
    people = "Two people must agree" if change["needed"] == 2 else "One person must agree"
    return tag("div", tag("h3", people), tag("ul", *rows, cls="check"))


def _answer(change: dict[str, Any], view: View) -> Safe | None:
    """The buttons for whoever may answer and has not."""
    waits = change["state"] in ("proposed", "gated")
    if not waits or not access.can(view.who, "change.approve", proposer=change["proposer"]):
        return None
    agreed = {a["by"] for a in change["approvals"] if a["purpose"] == change["asked"]}
    if view.who.name in agreed:
        return note("You agreed. Somebody else must too.", style="margin-top:14px")
    return _answers(f"/api/changes/{change['id']}", f"Approve the {change['asked']}")
