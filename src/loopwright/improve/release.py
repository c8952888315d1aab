"""A change comes into force, is taken back, and is checked by what happened afterwards; what is in force is a fold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from loopwright.core.errors import InputError, NotAllowed
from loopwright.core.types import Change, Event
from loopwright.improve.approve import needed
from loopwright.improve.outcomes import Outcome
from loopwright.improve.question import Question
from loopwright.improve.trial import plain, welch


def release(change: Change, revision: str, actor: str, now_ns: int) -> Event:
    """The event that brings a change into force.

    revision  the revision that the rules have with it (`load_rules(folder, released + [change.after]).revision`)
    Raises NotAllowed unless it passed its tests and enough people approved its release.
    """
    if change.state != "approved" or len(set(change.approvals)) < needed(change):
        raise NotAllowed(
            f"release of {change.id}",
            f"it is {change.state}, approved by {len(set(change.approvals))}",
            f"passed its tests and approved by {needed(change)}",
        )
    body = {
        "target": change.target,
        "rule": change.about,
        "before": dict(change.before),
        "after": dict(change.after),
        "revision": revision,
        "approvals": list(change.approvals),
    }
    return Event("change.released", change.id, now_ns, actor, body, key=f"released/{change.id}")


def undo(change: Change, actor: str, why: str, now_ns: int) -> Event:
    """The event that takes a released change out of force again; InputError when it is not in force."""
    if change.state != "released":
        raise InputError(f"undo of {change.id}", f"it is {change.state}", "released")
    return Event(
        "change.undone", change.id, now_ns, actor, {"why": why, "undo": dict(change.undo)}, key=f"undone/{change.id}"
    )


def in_force(events: Iterable[Event], target: str = "rule") -> list[dict[str, Any]]:
    """The changes in force, in the order of their release, as make/fit reads them.

    [{'rule': 'lie', 'offset': 0.017, 'change': id}, ...], offsets in inside units, each added to those before
    """
    standing: dict[str, dict[str, Any]] = {}
    for event in events:
        if event.kind == "change.released" and event.body["target"] == target:
            standing[event.about] = {**event.body["after"], "change": event.about}
        elif event.kind == "change.undone":
            standing.pop(event.about, None)
    return list(standing.values())


def check(before: Sequence[Outcome], after: Sequence[Outcome], question: Question) -> dict[str, Any]:
    """How the orders made since a release did, beside those made before it, with intervals.

    returns  mean and mean absolute error before and after; `moved` (how much the mean moved) and `abs_better` (how much
             smaller the mean absolute error of units became), each with its 95 % Welch interval; `nearer` (how much
             nearer to the target the mean came); `better` when the mean is nearer and the interval of `moved` leaves
             zero out; `says` in words
    Not randomised: what else changed between then and now is in it too. The trial is the proof, this is the watch kept
    afterwards.
    """
    a = np.array([o.outcome[question.outcome] for o in before if question.outcome in o.outcome]) - question.target
    b = np.array([o.outcome[question.outcome] for o in after if question.outcome in o.outcome]) - question.target
    if len(a) < 3 or len(b) < 3:
        return {
            "better": None,
            "worse": None,
            "units_before": len(a),
            "units_after": len(b),
            "says": f"{len(b)} units since the release: too few to say",
        }
    low, high = welch(a, b)
    abs_low, abs_high = welch(np.abs(a), np.abs(b))
    nearer = float(abs(a.mean()) - abs(b.mean()))
    clear = low > 0 or high < 0
    says = (
        f"mean {question.outcome} {question.say(float(a.mean()))} over {len(a)} units before, "
        f"{question.say(float(b.mean()))} over {len(b)} since: moved by {question.say(float(a.mean() - b.mean()))} "
        f"(95 % interval {question.say(low)} to {question.say(high)}); "
        f"mean absolute error {question.say(float(np.abs(a).mean()))} -> {question.say(float(np.abs(b).mean()))}"
    )
    numbers: Mapping[str, Any] = {
        "units_before": len(a),
        "units_after": len(b),
        "mean_before": float(a.mean()),
        "mean_after": float(b.mean()),
        "moved": float(a.mean() - b.mean()),
        "moved_low": low,
        "moved_high": high,
        "nearer": nearer,
        "abs_before": float(np.abs(a).mean()),
        "abs_after": float(np.abs(b).mean()),
        "abs_better": float(np.abs(a).mean() - np.abs(b).mean()),
        "abs_low": abs_low,
        "abs_high": abs_high,
        "better": nearer > 0 and clear,
        "worse": nearer < 0 and clear,
        "says": says,
    }
    return dict(plain(numbers))
