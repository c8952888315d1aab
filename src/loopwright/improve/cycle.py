"""One improvement, from outcomes to release, as a small machine over events: the same code in a turn and in two hundred
seeds.

    state = cycle.read(events, "lie")                        where the improvement of this rule stands
    cycle.advance(state, outcomes, question, now_ns)         events to record next: proposed, not proposed, gated; []
    while it waits
    cycle.assign(state, orders, seed, now_ns)                which rule the next orders are built by, during a trial
    cycle.approve(state, approvers, now_ns, may)             an example site's approvals, where they are due
    cycle.release(state, revision, actor, now_ns)            brings it into force once approved

    watching -> proposed -> trial -> gated -> approved -> released -> watching (for the next one)
                   |          |        |
                   declined   rejected declined                      -> watching, with outcomes measured since then

Nothing is kept here: every state is a fold over the events that stand in the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from loopwright.core.types import Change, Event
from loopwright.improve import approve as approvals
from loopwright.improve import release as releases
from loopwright.improve.gate import gate
from loopwright.improve.outcomes import Outcome
from loopwright.improve.propose import NotSupported, propose
from loopwright.improve.question import Question, fingerprint
from loopwright.improve.trial import Assigned, Trial, evaluate, plain
from loopwright.improve.trial import assign as assign_orders

KINDS = (
    "change.proposed",
    "change.notproposed",
    "change.approved",
    "change.declined",
    "trial.assigned",
    "change.gated",
    "change.released",
    "change.undone",
    "order.refused",
)


@dataclass(frozen=True)
class State:
    """Where the improvement of one rule stands.

    stage     watching, proposed, trial, gated, approved
    change    the change under way, or the last one that ended; None before the first
    approved  purpose -> who approved it
    assigned  the orders of the trial under way; tried: orders of all trials (they are no evidence for a next proposal)
    lost      orders of the trial that were refused: their pairs are made up for
    released  changes in force, in order, of all rules
    since_ns  time of the newest outcome that an ended change was proposed from: only later ones are evidence for the
              next
    target    what kind of thing is changed: 'rule', or 'model' (then `rule` is the model's task)
    """

    rule: str
    stage: str = "watching"
    change: Change | None = None
    approved: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    assigned: tuple[Assigned, ...] = ()
    tried: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()
    released: tuple[Mapping[str, Any], ...] = ()
    since_ns: int = 0
    target: str = "rule"

    @property
    def on_trial(self) -> Change | None:
        """The change that orders are being randomised for now; None when no trial runs."""
        return self.change if self.stage == "trial" else None


def read(events: Iterable[Event], rule: str, target: str = "rule") -> State:
    """The state of the improvement of a rule: a fold over the events of `KINDS`, in the order of their recording."""
    state = State(rule, target=target)
    kept = list(events)
    for event in kept:
        state = _step(state, event)
    return replace(state, released=tuple(releases.in_force(kept, target)))


def _step(state: State, event: Event) -> State:
    if event.kind == "change.proposed":
        change = change_from(event.body["change"])
        if change.about == state.rule and change.target == state.target:
            return replace(state, stage="proposed", change=change, approved={}, assigned=(), lost=frozenset())
        return state
    if event.kind == "trial.assigned":
        if state.change is None or event.body["change"] != state.change.id:
            return state
        one = Assigned(event.about, str(event.body["arm"]), int(event.body["pair"]))
        return replace(state, assigned=(*state.assigned, one), tried=state.tried | {event.about})
    if event.kind == "order.refused":
        mine = any(a.order == event.about for a in state.assigned)
        return replace(state, lost=state.lost | {event.about}) if mine else state
    if state.change is None or event.about != state.change.id:
        return state
    return _decided(state, state.change, event)


def _decided(state: State, change: Change, event: Event) -> State:
    """What an event about the change under way makes of it."""
    if event.kind == "change.approved":
        return _approved(state, change, event)
    if event.kind == "change.gated":
        tested = replace(
            change, tests=(*change.tests, *event.body["tests"]), state="gated" if event.body["passed"] else "rejected"
        )
        return replace(state, stage="gated", change=tested) if event.body["passed"] else _ended(state, tested)
    if event.kind in ("change.declined", "change.released", "change.undone"):
        return _ended(state, replace(change, state=event.kind.removeprefix("change.")))
    return state


def _approved(state: State, change: Change, event: Event) -> State:
    purpose = str(event.body.get("purpose", "release"))
    people = tuple(dict.fromkeys((*state.approved.get(purpose, ()), event.actor)))
    state = replace(state, approved={**state.approved, purpose: people})
    if len(people) < approvals.needed(change):
        return state
    if purpose == "trial" and state.stage == "proposed":
        return replace(state, stage="trial", change=replace(change, state="trial"))
    if purpose == "release" and state.stage == "gated":
        return replace(state, stage="approved", change=replace(change, state="approved", approvals=people))
    return state


def _ended(state: State, change: Change) -> State:
    newest = int(change.tests[0].get("newest_ns", 0)) if change.tests else 0
    return replace(
        state, stage="watching", change=change, approved={}, assigned=(), since_ns=max(state.since_ns, newest)
    )


def advance(
    state: State,
    outcomes: Sequence[Outcome],
    question: Question,
    now_ns: int,
    revision: str = "",
    actor: str = "improve",
    final: bool = False,
) -> list[Event]:
    """The events to record next, at most one; [] while it waits for orders, outcomes or people.

    outcomes  everything measured so far
    revision  of the rules in force: proposals rest on units of this revision only ('' = all)
    final     no further outcome of the trial's orders will come: a trial that is `full` then ends with what it has
    """
    if state.stage == "watching":
        return _watch(state, outcomes, question, now_ns, revision, actor)
    if state.stage == "trial" and state.change is not None:
        trial = progress(state, outcomes, question)
        if not trial.over and final and full(state):
            trial = replace(trial, over="exhausted")
        if not trial.over:
            return []
        passed, tests = gate(state.change, trial, outcomes, state.assigned, question)
        body = {"tests": plain(tests), "passed": passed, "trial": trial.as_dict()}
        return [Event("change.gated", state.change.id, now_ns, actor, body, key=f"gated/{state.change.id}")]
    return []


def _watch(
    state: State, outcomes: Sequence[Outcome], question: Question, now_ns: int, revision: str, actor: str
) -> list[Event]:
    fresh = [
        o
        for o in outcomes
        if o.revision == (revision or o.revision) and o.order not in state.tried and o.t_ns > state.since_ns
    ]
    if not fresh and state.change is not None:
        return []  # a change has just ended, and nothing was measured since
    found = propose(fresh, question, actor)
    if isinstance(found, NotSupported):
        body = {"rule": question.rule, "reason": found.reason, "evidence": plain(dict(found.evidence))}
        key = f"notproposed/{question.rule}/{fingerprint(fresh)}"
        return [Event("change.notproposed", f"change-{question.rule}", now_ns, actor, body, key=key)]
    return [
        Event("change.proposed", found.id, now_ns, actor, {"change": plain(asdict(found))}, key=f"proposed/{found.id}")
    ]


def progress(state: State, outcomes: Sequence[Outcome], question: Question) -> Trial:
    """What the trial under way has shown so far; may be looked at as often as one likes."""
    if state.change is None:
        raise ValueError(f"no change of rule {state.rule!r} is under way")
    mine = {a.order for a in state.assigned}
    return evaluate(
        state.change, [o for o in outcomes if o.order in mine], state.assigned, question.outcome, question.target
    )


def assign(state: State, orders: Sequence[str], seed: int, now_ns: int, actor: str = "improve") -> list[Event]:
    """The events that give each of these orders its arm, while a trial runs.

    Orders without an arm are built by the rules in force: all when no trial runs, else those beyond its last pair.
    """
    change = state.on_trial
    if change is None:
        return []
    given = assign_orders(change, orders, state.assigned, seed, _wanted(state, change))
    return [
        Event(
            "trial.assigned",
            a.order,
            now_ns,
            actor,
            {"change": change.id, "arm": a.arm, "pair": a.pair},
            key=f"assigned/{change.id}/{a.order}",
        )
        for a in given
    ]


def _wanted(state: State, change: Change) -> int:
    """Orders the trial takes in all: two a pair, and a pair more for every order that was refused."""
    return 2 * (int(change.tests[0]["most_pairs"]) + len(state.lost))


def full(state: State) -> bool:
    """Whether the trial under way has all its orders: then it waits for their outcomes only."""
    return state.on_trial is not None and len(state.assigned) >= _wanted(state, state.on_trial)


def arms(state: State) -> dict[str, list[dict[str, Any]]]:
    """What each arm's orders are fitted with, as `make` reads it: {'old': [...], 'new': [..., the change on trial]}."""
    old = [dict(r) for r in state.released]
    change = state.on_trial
    return {"old": old, "new": [*old, dict(change.after)] if change else old}


def due(state: State) -> str:
    """What the change is waiting for people to approve: 'trial', 'release' or ''."""
    return {"proposed": "trial", "gated": "release"}.get(state.stage, "")


def approve(state: State, approvers: Sequence[str], now_ns: int, may: Callable[[str], None]) -> list[Event]:
    """Approvals of an example site's named approvers where they are due, as automatic (example); [] without names."""
    purpose = due(state)
    if state.change is None or not purpose:
        return []
    return approvals.automatic(
        state.change, purpose, approvers, now_ns, may=may, earlier=state.approved.get(purpose, ())
    )


def release(state: State, revision: str, actor: str, now_ns: int) -> list[Event]:
    """The release of an approved change; [] when none is. revision: that of the rules with the change in them."""
    if state.stage != "approved" or state.change is None:
        return []
    return [releases.release(state.change, revision, actor, now_ns)]


def change_from(body: Mapping[str, Any]) -> Change:
    """The Change that stands in an event."""
    names = Change.__dataclass_fields__
    known = {name: value for name, value in body.items() if name in names}
    return Change(**{**known, "tests": tuple(body.get("tests", ())), "approvals": tuple(body.get("approvals", ()))})
