"""Decisions and changes: what was said and why, what waits for a person, and who agreed."""

from __future__ import annotations

from typing import Any

from loopwright.app import reads
from loopwright.app.console.frame import Drawn, View, head, title
from loopwright.app.console.machines import evidence
from loopwright.app.console.markup import Safe, action, card, empty, pill, tag
from loopwright.app.console.owner import interval
from loopwright.app.views import shown, when
from loopwright.govern import access
from loopwright.govern.roles import EVERYONE

PATH, EVERY_S = "/decisions", 3.0
_STATES = {
    "open": ("warn dot", "waits for a person"),
    "approved": ("good", "approved"),
    "declined": ("bad", "declined"),
    "said": ("", "for information"),
    "silent": ("", "says nothing"),
}
_CHANGE = {
    "released": "good",
    "gated": "warn dot",
    "proposed": "warn",
    "on trial": "live dot",
    "approved": "good",
    "rejected": "bad",
    "declined": "bad",
    "undone": "",
    "not proposed": "",
}
SHOWN = 24


def draw(view: View) -> Drawn:
    """What waits, then what was said; then the changes."""
    rows, changes = reads.decisions(view.front), reads.changes(view.front)
    blocks: dict[str, Safe] = {
        "head": head(
            "Decisions and changes",
            "Each names its evidence, its uncertainty and who agreed. Nobody approves what they proposed."
            + _people(view),
        )
    }
    waiting = [row for row in rows if row["state"] == "open"]
    for row in waiting:
        blocks[f"d-{row['id']}"] = _decision(row, view)
    blocks["changes-head"] = tag("h2", "Changes", id="changes", cls="section")
    if changes:
        for change in changes[:SHOWN]:
            blocks[f"c-{change['id']}"] = _change(change, view)
    else:
        blocks["changes-none"] = card(
            None,
            empty(
                "No change was looked for yet",
                "Outcomes are weighed after each turn. A change is proposed only when the evidence holds.",
            ),
        )
    blocks["said-head"] = tag("h2", "What services said", cls="section")
    rest = [row for row in rows if row["state"] != "open"]
    for row in rest[:SHOWN]:
        blocks[f"d-{row['id']}"] = _decision(row, view)
    if not rest:
        blocks["said-none"] = card(None, tag("p", "Nothing yet.", cls="empty"))
    return Drawn("Decisions", blocks, grid={f"d-{row['id']}": "tile-set said" for row in rest[:SHOWN]})


def _people(view: View) -> str:
    if view.who.role != EVERYONE:
        return ""
    return " Approving takes people with names: loopwright users add NAME approver --site SITE."


def _decision(row: dict[str, Any], view: View) -> Safe:
    tone, word = _STATES[row["state"]]
    says = row["says"] or f"Nothing, because {row['abstains']}."
    meta = f"{row['service']}, about {row['about']}, {when.ago(row['made_ns'], view.front.now_ns(), view.zone)}" + (
        f", by {row['model']}" if row.get("model") else ""
    )
    buttons = None
    if row["state"] == "open" and access.can(view.who, "change.approve"):
        buttons = tag(
            "div",
            action("Approve", f"/api/decisions/{row['id']}/approve", cls="main", done="Approved."),
            action("Decline", f"/api/decisions/{row['id']}/decline", done="Declined.", ask="Why do you decline?"),
            cls="buttons",
            style="margin-top:14px",
        )
    answer = (
        tag(
            "p",
            f"{word.capitalize()} by {row['by']}, {when.moment(row['answered_ns'], view.zone)}. {row['why']}",
            cls="note",
        )
        if row["by"]
        else None
    )
    return card(
        None,
        tag("div", pill(word, tone), tag("span", meta, cls="note"), cls="buttons", style="margin-bottom:10px"),
        tag("p", says, cls="says"),
        tag("p", "Asks to ", row["action"], ".", cls="note") if row.get("action") else None,
        interval(row, view),
        evidence(row["because"], view),
        answer,
        buttons,
    )


def _change(change: dict[str, Any], view: View) -> Safe:
    tone = _CHANGE.get(change["state"], "")
    lead = tag(
        "div",
        pill(change["state"], tone),
        tag(
            "span",
            f"{change['target']} {change['about']}".strip()
            + f", {when.ago(change['t_ns'], view.front.now_ns(), view.zone)}, {change['id']}",
            cls="note",
        ),
        cls="buttons",
        style="margin-bottom:10px",
    )
    if change["state"] == "not proposed":
        return card(
            None,
            lead,
            tag(
                "p", f"Looked for{_often(change['looks'])}, and not supported: {change['why'].rstrip('.')}.", cls="says"
            ),
            id_=change["id"],
        )
    delta = tag(
        "div",
        tag("span", _values(change["before"], view)),
        "→",
        tag("span", _values(change["after"], view), cls="after"),
        cls="delta",
    )
    return card(
        None,
        lead,
        tag("p", change["why"], cls="says"),
        delta,
        tag("div", _tests(change), _approvals(change, view), cls="twins"),
        _answer(change, view),
        id_=change["id"],
    )


def _often(looks: int) -> str:
    return f" {looks} times" if looks > 1 else ""


def _values(values: dict[str, Any], view: View) -> str:
    """Before or after as words; an offset of a rule in degrees or millimetres is read from its size by people, so
    both are given."""
    parts = []
    for name, value in values.items():
        if name == "offset" and isinstance(value, (int, float)) and values.get("rule") in ("lie", "loft"):
            parts.append(f"offset {shown.shown(value, 'rad', view.system)}")
        elif name == "offset" and isinstance(value, (int, float)) and "length" in str(values.get("rule")):
            parts.append(f"offset {shown.shown(value, 'm', view.system, 'offset')}")
        elif name not in ("rule", "change"):
            parts.append(f"{name} {value}")
    return ", ".join(parts) or "as it was"


def _tests(change: dict[str, Any]) -> Safe:
    tests = change["tests"] if change["passed"] is not None else []
    rows = [
        tag(
            "li",
            tag("b", title(str(test.get("name", "")))),
            tag("small", test.get("says", ""), cls="note", style="display:block"),
            cls=None if test.get("passed") else "no",
        )
        for test in tests
    ]
    return tag(
        "div",
        tag("h3", "Tests of the gate"),
        tag(
            "ul",
            *rows
            or [
                tag(
                    "li",
                    f"They run when its trial is over{', with ' + str(change['tried']) + ' orders so far' if change['tried'] else ''}.",
                    cls="wait",
                )
            ],
            cls="check",
        ),
    )


def _approvals(change: dict[str, Any], view: View) -> Safe:
    rows = []
    for purpose in ("trial", "release"):
        given = [a for a in change["approvals"] if a["purpose"] == purpose]
        for approval in given:
            how = ", automatic (example)" if approval["automatic"] else ""
            rows.append(
                tag(
                    "li",
                    f"{approval['by']} agreed to the {purpose}{how}",
                    tag("small", when.moment(approval["t_ns"], view.zone), cls="note", style="display:block"),
                )
            )
        if change["asked"] == purpose and change["state"] in ("proposed", "gated"):
            missing = max(0, change["needed"] - len({a["by"] for a in given}))
            rows += [
                tag("li", f"somebody {'else ' if given else ''}must agree to the {purpose}", cls="wait")
                for _ in range(missing)
            ]
    if change["undo_why"]:
        rows.append(tag("li", f"{change['state']} by {change['by']}: {change['undo_why']}", cls="no"))
    if change["revision"]:
        rows.append(
            tag(
                "li",
                f"in force as {change['revision']}",
                tag("small", when.moment(change["released_ns"], view.zone), cls="note", style="display:block"),
            )
        )
    return tag(
        "div",
        tag("h3", f"{'Two people' if change['needed'] == 2 else 'One person'} must agree"),
        tag("ul", *rows, cls="check"),
    )


def _answer(change: dict[str, Any], view: View) -> Safe | None:
    if change["state"] not in ("proposed", "gated") or not access.can(
        view.who, "change.approve", proposer=change["proposer"]
    ):
        return None
    if view.who.name in {a["by"] for a in change["approvals"] if a["purpose"] == change["asked"]}:
        return tag("p", "You agreed. Somebody else must too.", cls="note", style="margin-top:14px")
    return tag(
        "div",
        action(f"Approve the {change['asked']}", f"/api/changes/{change['id']}/approve", cls="main", done="Approved."),
        action("Decline", f"/api/changes/{change['id']}/decline", done="Declined.", ask="Why do you decline?"),
        cls="buttons",
        style="margin-top:16px",
    )
