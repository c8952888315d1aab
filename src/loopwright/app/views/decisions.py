"""What services decided and what was changed: with evidence, uncertainty, and who approved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from loopwright.app.views import fold
from loopwright.core.types import Event

KINDS = ("decision.made", "decision.approved", "decision.declined")
CHANGE_KINDS = (
    "change.proposed",
    "change.notproposed",
    "change.gated",
    "change.approved",
    "change.declined",
    "change.released",
    "change.undone",
    "trial.assigned",
)


def decisions(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Every decision, newest first, those that wait for a person before all others.

    {id, service, about, made_ns, says, value, unit, low, high, because, model, action, approval, abstains, state,
    by, why}
    state: 'open' (waits for approval), 'approved', 'declined', 'said' (needs nobody) or 'silent' (it abstained, and
    says why).
    """
    out = []
    for id_, mine in fold.by_about(fold.of(events, *KINDS)).items():
        made = fold.last(mine, "decision.made")
        if made is None:
            continue
        body = dict(made.body["decision"])
        answer = fold.last(mine, "decision.approved") or fold.last(mine, "decision.declined")
        state = (
            answer.kind.split(".")[1]
            if answer
            else ("silent" if body.get("abstains") else "open" if body.get("approval") else "said")
        )
        out.append(
            {
                **body,
                "id": id_,
                "actor": made.actor,
                "because": fold.rows(body.get("because"), "ref"),
                "state": state,
                "by": answer.actor if answer else "",
                "answered_ns": answer.t_ns if answer else None,
                "why": answer.body.get("why", "") if answer else "",
                "event": made.id,
            }
        )
    return sorted(out, key=lambda d: (d["state"] != "open", -int(d["made_ns"])))


def changes(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Every change and every change that was looked for and not proposed, newest first.

    {id, target, about, before, after, why, proposer, touches, tests, passed, approvals: [{by, t_ns, automatic,
    purpose}], asked, agreed, needed, state, ...}
    tried   orders that its trial has assigned so far; looks: how often a change that is not supported was looked for
    asked   what approval is asked for now: 'trial' before it is tried, 'release' once it was tested; agreed: how
            many gave it
    needed  approvals it takes: two when it touches a person or a machine, else one
    state   proposed, 'on trial', gated, rejected, approved, declined, released, undone, 'not proposed'
    """
    kept = list(events)
    tried: dict[str, int] = {}
    for event in fold.of(kept, "trial.assigned"):
        tried[str(event.body["change"])] = tried.get(str(event.body["change"]), 0) + 1
    about = fold.by_about(fold.of(kept, *(kind for kind in CHANGE_KINDS if kind.startswith("change."))))
    return sorted(
        ({**_change(id_, mine), "tried": tried.get(id_, 0)} for id_, mine in about.items()), key=lambda c: -c["t_ns"]
    )


def _change(id_: str, mine: list[Event]) -> dict[str, Any]:
    proposed = fold.last(mine, "change.proposed")
    if proposed is None:
        event = fold.last(mine, "change.notproposed") or mine[0]
        return {
            "id": id_,
            "state": "not proposed",
            "looks": len(mine),
            "t_ns": event.t_ns,
            "why": event.body.get("reason", ""),
            "evidence": event.body.get("evidence"),
            "target": event.body.get("target", "rule"),
            "about": event.body.get("rule", ""),
            "before": {},
            "after": {},
            "tests": [],
            "approvals": [],
            "asked": "",
            "agreed": 0,
            "needed": 0,
            "passed": None,
            "proposer": event.actor,
            "touches": "",
            "by": "",
            "undo_why": "",
            "revision": "",
            "released_ns": None,
        }
    body: Mapping[str, Any] = proposed.body["change"]
    gated, released, declined, undone = (
        fold.last(mine, f"change.{word}") for word in ("gated", "released", "declined", "undone")
    )
    given = fold.of(mine, "change.approved")
    approvals = [
        {
            "by": e.actor,
            "t_ns": e.t_ns,
            "automatic": bool(e.body["automatic"]),
            "purpose": e.body.get("purpose", "release"),
        }
        for e in given
    ]
    needed = 1 if body.get("touches") == "nothing" else 2
    passed = bool(gated.body["passed"]) if gated else None
    asked = "trial" if gated is None else "release"
    agreed = len({a["by"] for a in approvals if a["purpose"] == asked})
    if undone:
        state = "undone"
    elif released:
        state = "released"
    elif declined:
        state = "declined"
    elif passed is False:
        state = "rejected"
    else:
        state = (
            "approved"
            if gated and agreed >= needed
            else "gated"
            if gated
            else "on trial"
            if agreed >= needed
            else "proposed"
        )
    return {
        "id": id_,
        "target": body["target"],
        "about": body["about"],
        "before": dict(body["before"]),
        "after": dict(body["after"]),
        "why": body["why"],
        "proposer": body["proposer"],
        "touches": body.get("touches", "person"),
        "t_ns": proposed.t_ns,
        "tests": fold.rows(gated.body["tests"] if gated else body.get("tests")),
        "passed": passed,
        "approvals": approvals,
        "asked": asked,
        "agreed": agreed,
        "needed": needed,
        "state": state,
        "by": (declined or undone or proposed).actor,
        "evidence": None,
        "undo_why": (declined or undone).body["why"] if declined or undone else "",  # type: ignore[union-attr]
        "revision": released.body["revision"] if released else "",
        "released_ns": released.t_ns if released else None,
    }
