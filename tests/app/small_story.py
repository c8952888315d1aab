"""What was said, decided and changed in the small plant: events in every state that a page must show. All made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from loopwright.core.clock import NS_PER_S
from loopwright.core.types import Change, Decision, Event, Evidence
from tests.app.small_parts import SIDE

MIN, DAY = 60 * NS_PER_S, 86_400 * NS_PER_S


def consents(now: int, people: Sequence[str]) -> list[Event]:
    """The first owner agrees to two purposes; the second took theirs back."""
    first, second, until = people[0], people[1], now + 340 * DAY
    given = [(first, "coaching"), (first, "improvement"), (second, "coaching")]
    out = [Event("consent.given", who, now - 20 * DAY, who, {"purpose": purpose, "until_ns": until}) for who, purpose in given]
    return [*out, Event("consent.withdrawn", second, now - 3 * DAY, second, {"purpose": "coaching"})]


def alarms(now: int) -> list[Event]:
    """One that nobody has seen, one of a silent machine, one that is over; and the work order of the first."""

    def raised(id_: str, ago_min: int, actor: str, **body: Any) -> Event:
        return Event("alarm.raised", id_, now - ago_min * MIN, actor, {"evidence": [], **body})

    rests_on = [Evidence("points", "mill-2", "s.output_power", now - 24 * MIN, now - 12 * MIN, "power under load rose by 31 %"), Evidence("model", "wear-logistic@3")]
    says = "Tool on mill-2 is probably worn: 0.86 (interval 0.71 to 0.95) over its last run; feed and clamp alone would say 0.52."
    return [
        raised("alarm-0012", 11, "maintain", condition="tool worn", thing="mill-2", priority="high", says=says, evidence=[asdict(one) for one in rests_on]),
        raised("alarm-0013", 6, "watch", condition="stale", thing="mill-3", priority="medium", says="mill-3 has been silent for 6 minutes; it speaks every second."),
        raised("alarm-0009", 140, "watch", condition="limit", thing="mill-1", priority="low", says="Spindle power of mill-1 above 260 W for 20 s."),
        Event("alarm.acknowledged", "alarm-0009", now - 132 * MIN, "mara"),
        Event("alarm.cleared", "alarm-0009", now - 130 * MIN, "watch"),
        Event("workorder.opened", "wo-0004", now - 10 * MIN, "maintain", {"machine": "mill-2", "alarm": "alarm-0012", "duration_s": 1500, "why": "change the tool of mill-2", "start_ns": now + 4 * MIN}),
    ]


def decisions(now: int, people: Sequence[str], units: Sequence[str]) -> list[Event]:
    """One that waits for a person, one that advises, one that is silent, one for information."""
    power = Evidence("points", "mill-2", "s.output_power", now - 24 * MIN, now - 12 * MIN, "power under load rose by 31 % over the run")
    side = Evidence("points", units[0], SIDE, now - 25 * DAY, now - 5 * DAY, "117 shots in 6 sessions")
    shift = Evidence("points", "mill-1", "machine.state", now - 480 * MIN, now, "one shift")
    advice = "Your shots start 5 m right on average. Closing the face by about 1.5° at impact is expected to bring 4.1 m of it back."
    rows = [
        Decision("d-0031", "maintain", "mill-2", now - 11 * MIN, "Change the tool of mill-2 before its next part.", 0.86, "1", 0.71, 0.95, (power,), "wear-logistic@3", "open a work order of 25 minutes", True),
        Decision("d-0030", "coach", people[0], now - 2 * DAY, advice, 4.1, "m", 1.6, 6.4, (side,), "side-by-face@2", body={"kind": "observational: other things may have changed with it"}),
        Decision("d-0029", "coach", people[1], now - 2 * DAY, "", abstains="the owner has withdrawn consent to coaching"),
        Decision("d-0028", "oee", "mill-1", now - 90 * MIN, "mill-1 was effective for 71 % of its planned time.", 0.71, "1", because=(shift,), body=_shift(now)),
    ]
    return [Event("decision.made", row.id, row.made_ns, row.service, {"decision": asdict(row)}) for row in rows]


def _shift(now: int) -> dict[str, Any]:
    parts = {"availability": 0.83, "effectiveness": 0.91, "quality": 0.94, "oee": 0.71}
    return {"key": f"mill-1/{now}", "shift": "06:00-14:00", "start_ns": now - 480 * MIN, "elements_s": {"ADET": 4900.0, "APT": 23_900.0}, **parts}


def changes(now: int) -> list[Event]:
    """One in force, one that one more person must agree to, one just proposed, and one that is not supported."""
    reason = "grip size: the interval of its effect on side, -2.1 m to 1.8 m, holds zero (31 units)"
    return [
        *_change("change-0003", "lie", 0.0122, now - 9 * DAY, steps=6), *_change("change-0004", "lie", -0.0085, now - 29 * MIN, steps=4),
        *_change("change-0005", "club_length", 0.004, now - 14 * MIN, steps=0),
        Event("change.notproposed", "change-grip_size", now - 4 * DAY, "propose", {"rule": "grip_size", "reason": reason, "evidence": {}}),
    ]


def _change(id_: str, rule: str, offset: float, t: int, steps: int) -> list[Event]:
    """A change that has come `steps` steps far: two approvals of its trial, the gate, two of its release, the release."""
    why = f"Shots of 24 units miss to one side by more the further their {rule.replace('_', ' ')} is from where it would be straight."
    change = Change(id_, "rule", rule, {"rule": rule, "offset": 0.0}, {"rule": rule, "offset": offset}, why, "propose")

    def agreed(who: str, purpose: str, at: int) -> Event:
        return Event("change.approved", id_, t + at * MIN, who, {"automatic": False, "purpose": purpose})

    tests = [
        {"name": "benefit in a randomised trial", "passed": True, "says": "mean side 6.2 m by the old rule, 2.9 m by the new; nearer by at least 1.1 m (95 % however often one looks)"},
        {"name": "enough units", "passed": True, "says": "24 complete pairs, 12 needed"},
        {"name": "no group worse than the limit", "passed": True, "says": "left-handed 1.0 m nearer, right-handed 3.4 m nearer"},
    ]
    released = {"target": "rule", "rule": rule, "before": change.before, "after": change.after, "revision": "r4-9c1e07d2"}
    later = [
        agreed("anna", "trial", 1), agreed("bo", "trial", 1), Event("change.gated", id_, t + 2 * MIN, "gate", {"tests": tests, "passed": True}),
        agreed("anna", "release", 3), agreed("bo", "release", 4), Event("change.released", id_, t + 5 * MIN, "release", released),
    ]
    return [Event("change.proposed", id_, t, "propose", {"change": asdict(change)}), *later[:steps]]
