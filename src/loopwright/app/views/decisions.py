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


def silences(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Decisions that say nothing, those of one service with one reason together, the most frequent first.

    {service, abstains, count, about: ids, made_ns: of the newest}
    """
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["state"] == "silent":
            groups.setdefault((row["service"], row["abstains"]), []).append(row)
    out = [
        {"service": service, "abstains": why, "count": len(mine), "about": sorted({str(row["about"]) for row in mine}),
         "made_ns": max(row["made_ns"] for row in mine)}
        for (service, why), mine in groups.items()
    ]
    return sorted(out, key=lambda group: -group["count"])


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
        return _not_proposed(id_, mine)
    body: Mapping[str, Any] = proposed.body["change"]
    last = {word: fold.last(mine, f"change.{word}") for word in ("gated", "released", "declined", "undone")}
    gated, released, ended = last["gated"], last["released"], last["declined"] or last["undone"]
    approvals = [_approval(event) for event in fold.of(mine, "change.approved")]
    asked, needed = "release" if gated else "trial", 1 if body.get("touches") == "nothing" else 2
    agreed = len({a["by"] for a in approvals if a["purpose"] == asked})
    return {
        "id": id_, "target": body["target"], "about": body["about"], "before": dict(body["before"]),
        "after": dict(body["after"]), "why": body["why"], "proposer": body["proposer"],
        "touches": body.get("touches", "person"), "t_ns": proposed.t_ns, "evidence": None, "looks": 1,
        "tests": fold.rows(gated.body["tests"] if gated else body.get("tests")),
        "passed": bool(gated.body["passed"]) if gated else None, "approvals": approvals, "asked": asked,
        "agreed": agreed, "needed": needed, "state": _state(last, agreed >= needed), "by": (ended or proposed).actor,
        "undo_why": ended.body["why"] if ended else "", "revision": released.body["revision"] if released else "",
        "released_ns": released.t_ns if released else None,
    }


def _approval(event: Event) -> dict[str, Any]:
    automatic, purpose = bool(event.body["automatic"]), event.body.get("purpose", "release")
    return {"by": event.actor, "t_ns": event.t_ns, "automatic": automatic, "purpose": purpose}


def _state(last: Mapping[str, Event | None], agreed: bool) -> str:
    """Where a change stands by the last event of each kind; agreed: enough people gave what is asked for now."""
    for word in ("undone", "released", "declined"):
        if last[word]:
            return word
    gated = last["gated"]
    if gated is None:
        return "on trial" if agreed else "proposed"
    if not gated.body["passed"]:
        return "rejected"
    return "approved" if agreed else "gated"


def _not_proposed(id_: str, mine: list[Event]) -> dict[str, Any]:
    """A change that was looked for and is not supported, as it was found the last time."""
    event = fold.last(mine, "change.notproposed") or mine[-1]
    return {
        "id": id_, "state": "not proposed", "looks": len(mine), "t_ns": event.t_ns, "why": event.body.get("reason", ""),
        "evidence": event.body.get("evidence"), "target": event.body.get("target", "rule"),
        "about": event.body.get("rule", ""), "before": {}, "after": {}, "tests": [], "approvals": [], "asked": "",
        "agreed": 0, "needed": 0, "passed": None, "proposer": event.actor, "touches": "", "by": "", "undo_why": "",
        "revision": "", "released_ns": None,
    }


def mark(test: Mapping[str, Any]) -> str | None:
    """Which mark stands beside a test of a gate: 'no' where it failed, 'wait' where there was too little to judge by,
    None (a tick) where it passed."""
    if not test.get("passed"):
        return "no"
    return None if test.get("judged", True) else "wait"
