"""Every kind of event in the house, in one list: what it is about, what it means, and what its body holds.

A body holds ids, numbers and salted hashes; never personal data (names, body measures), which stand in an erasable table.
`check(event)` is called by the store on every event: an unknown kind or a missing field is refused there.
"""

from __future__ import annotations

from dataclasses import dataclass

from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import Event


@dataclass(frozen=True)
class EventKind:
    """name, what `about` is the id of, one sentence, the fields its body must have."""

    name: str
    about: str
    meaning: str
    body: tuple[str, ...] = ()


_KINDS = [
    # make
    EventKind("person.added", "person", "A person's measures are known (kept apart, erasable).", ("source", "measures_hash", "handedness")),
    EventKind("person.erased", "person", "A person's data was deleted.", ()),
    EventKind("order.placed", "order", "A person asked for something.", ("person", "family", "wishes", "quantity", "due_ns", "price_minor", "currency")),
    EventKind("order.refused", "order", "An order cannot be made, with the reason.", ("person", "reason")),
    EventKind("order.fitted", "order", "The parameters of an order's design, each with its rule.", ("design", "family", "revision", "parameters", "mirrored", "rules")),
    EventKind("solid.made", "order", "The solid model of a design: files with hashes, mass, centre of gravity, volume.", ("design", "files", "mass_kg", "cg_m", "volume_m3")),
    EventKind("plan.released", "plan", "A plan for all open orders.", ("origin_ns", "slots", "status", "objective", "makespan_s", "bound_s", "solver", "took_s", "reason")),
    EventKind("step.started", "unit", "A machine began an operation on a unit.", ("order", "operation", "machine")),
    EventKind("step.finished", "unit", "A machine ended an operation on a unit.", ("order", "operation", "machine", "start_ns", "end_ns", "program_hash", "signals", "run")),
    EventKind("unit.measured", "unit", "As-built measurements against tolerance.", ("order", "measures", "verdict", "attempt")),
    EventKind("unit.reworked", "unit", "A unit out of tolerance went back.", ("order", "reason", "attempt")),
    EventKind("unit.scrapped", "unit", "A unit cannot be mended.", ("order", "reason")),
    EventKind("unit.finished", "unit", "A unit is made, within tolerance.", ("order", "design", "as_built", "made_ns")),
    EventKind("unit.shipped", "unit", "A unit left; whoever has its one-time code may claim it.", ("order", "code_hash", "salt")),
    # use
    EventKind("claim.refused", "unit", "Somebody tried to claim a unit with a wrong code.", ()),
    EventKind("unit.claimed", "unit", "An owner claimed a unit.", ("owner",)),
    EventKind("consent.given", "person", "An owner agrees to a purpose until a time.", ("purpose", "until_ns")),
    EventKind("consent.withdrawn", "person", "An owner no longer agrees to a purpose.", ("purpose",)),
    EventKind("file.imported", "file", "A file was read: what came of its rows.", ("path", "hash", "what", "rows", "stored", "duplicate", "refused")),
    EventKind("pairing.assumed", "pairing", "Two data sets were joined by assumption, not by fact.", ("left", "right", "seed", "assumed")),
    # machines
    EventKind("thing.added", "thing", "A thing is heard from now on.", ("kind",)),
    EventKind("link.state", "link", "A link to a peer opened, was lost or ended.", ("state", "word")),
    EventKind("run.labelled", "run", "What inspection found about a machining run (tool worn or unworn).", ("thing", "start_ns", "end_ns", "label")),
    EventKind("alarm.raised", "alarm", "A condition needs a person.", ("condition", "thing", "says", "evidence", "priority")),
    EventKind("alarm.acknowledged", "alarm", "Somebody has seen it.", ()),
    EventKind("alarm.cleared", "alarm", "The condition is gone.", ()),
    EventKind("workorder.opened", "workorder", "Work on a machine that the plan must make room for.", ("machine", "alarm", "duration_s", "why")),
    EventKind("workorder.done", "workorder", "The work was done.", ("machine",)),
    EventKind("command.sent", "thing", "What was really sent to a machine.", ("decision", "signal", "value", "unit", "before")),
    # learn, serve, improve, govern
    EventKind("model.trained", "model", "A model's card.", ("card",)),
    EventKind("decision.made", "decision", "What a service says.", ("decision",)),
    EventKind("decision.approved", "decision", "A person approved what a decision asks for.", ()),
    EventKind("decision.declined", "decision", "A person declined what a decision asks for.", ("why",)),
    EventKind("outcome.measured", "unit", "What the product did in use, beside how it was built.", ("outcome", "as_built")),
    EventKind("change.proposed", "change", "A change with its reason.", ("change",)),
    EventKind("change.notproposed", "change", "A change was looked for and is not supported, with the reason.", ("reason", "evidence")),
    EventKind("trial.assigned", "order", "The rule an order of a randomised trial is built by, old or new.", ("change", "arm", "pair")),
    EventKind("change.gated", "change", "What the gate tested.", ("tests", "passed")),
    EventKind("change.approved", "change", "A person approved it.", ("automatic",)),
    EventKind("change.declined", "change", "A person declined it.", ("why",)),
    EventKind("change.released", "change", "It is in force.", ("target", "rule", "before", "after", "revision")),
    EventKind("change.undone", "change", "It is no longer in force.", ("why",)),
    EventKind("change.checked", "change", "How the orders made since a release did, beside those before.", ("check",)),
    EventKind("user.added", "user", "A user with a role.", ("role",)),
    EventKind("user.removed", "user", "A user can no longer enter.", ()),
    EventKind("points.corrected", "thing", "Values were replaced, by whom and why.", ("reason",)),
    # the loop itself
    EventKind("site.checked", "site", "The site file as it was resolved.", ("hash",)),
    EventKind("turn.started", "turn", "One turn of the loop began.", ("orders", "seed", "number")),
    EventKind("turn.stage", "turn", "A stage of a turn is done.", ("stage", "seconds")),
    EventKind("turn.finished", "turn", "One turn of the loop is done.", ("report",)),
]
KINDS: dict[str, EventKind] = {kind.name: kind for kind in _KINDS}


def check(event: Event) -> None:
    """Raises UnknownName or InputError unless the event is of a known kind with every field of its body."""
    if event.kind not in KINDS:
        raise UnknownName("kind of event", event.kind, KINDS)
    missing = [name for name in KINDS[event.kind].body if name not in event.body]
    if missing:
        raise InputError(f"event {event.kind} about {event.about!r}", f"its body lacks {', '.join(missing)}")
    if not event.about or not event.actor:
        raise InputError(f"event {event.kind}", "needs about (an id) and actor (who did it)")
