"""Every kind of event in the house, in one list: what it is about, what it means, and what its body holds.

A body holds ids, numbers and salted hashes; never personal data (names, body measures), which stand in an erasable table.
`check(event)` is called by the store on every event: an unknown kind or a missing field is refused there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import Event


@dataclass(frozen=True)
class EventKind:
    """name, what `about` is the id of, one sentence, the fields its body must have.

    links  fields of the body that hold an id on which this rests: 'order', 'rules', 'decision.because.ref'
    leads  fields of the body that hold an id for which this was done: 'slots.order'
    state  the noun whose state it moves; '' is the part of the name before the dot
    """

    name: str
    about: str
    meaning: str
    body: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    leads: tuple[str, ...] = ()
    state: str = ""

    @property
    def noun(self) -> str:
        """Whose state it moves: a noun with `about` as its id."""
        return self.state or self.name.partition(".")[0]


_KINDS = [
    # make
    EventKind("person.added", "person", "A person's measures are known (kept apart, erasable).", ("source", "measures_hash", "handedness")),
    EventKind("person.erased", "person", "A person's data was deleted.", ()),
    EventKind("order.placed", "order", "A person asked for something.", ("person", "family", "wishes", "quantity", "due_ns", "price_minor", "currency"), links=("person",)),
    EventKind("order.refused", "order", "An order cannot be made, with the reason.", ("person", "reason"), links=("person",)),
    EventKind("order.fitted", "order", "The parameters of an order's design, each with its rule.", ("design", "family", "revision", "parameters", "mirrored", "rules"), links=("rules", "revision"), leads=("design",)),
    EventKind("solid.made", "order", "The solid model of a design: files with hashes, mass, centre of gravity, volume.", ("design", "files", "mass_kg", "cg_m", "volume_m3"), links=("design",)),
    EventKind("plan.released", "plan", "A plan for all open orders.", ("origin_ns", "slots", "status", "objective", "makespan_s", "bound_s", "solver", "took_s", "reason"), leads=("slots.order",)),
    EventKind("plan.tried", "whatif", "A plan of the plant with something changed, to be looked at: what was changed, the plan, the one it is compared with.", ("plan", "base", "changes", "table", "origin_ns", "why"), links=("base",), state="whatif"),
    EventKind("plan.adopted", "whatif", "A tried plan became the plan of the plant.", ("why", "released"), leads=("released",), state="whatif"),
    EventKind("plan.dropped", "whatif", "A tried plan is no longer wanted.", ("why",), state="whatif"),
    EventKind("order.promised", "order", "The date that an order's customer is told, with the plan that proves it.", ("promised_ns", "plan", "plan_sha256", "slots", "due_ns", "met", "waits"), links=("plan",), state="promise"),
    EventKind("order.due", "order", "When an order is due, or what its lateness weighs, was changed.", ("due_ns", "weight", "why"), state="due"),
    EventKind("material.late", "material", "Material arrives at another time.", ("arrives_ns", "why")),
    EventKind("operator.away", "operator", "A person is not there for a time.", ("start_ns", "until_ns", "why")),
    EventKind("operator.back", "operator", "A person is there again.", ()),
    EventKind("machine.down", "machine", "A machine can do nothing; until_ns 0: nobody knows until when.", ("until_ns", "why")),
    EventKind("machine.up", "machine", "A machine works again, as fast as ever.", ("why",)),
    EventKind("machine.slower", "machine", "A machine takes so many times as long as planned.", ("factor", "why")),
    EventKind("step.started", "unit", "A machine began an operation on a unit.", ("order", "operation", "machine"), links=("order", "machine"), state="unit"),
    EventKind("step.finished", "unit", "A machine ended an operation on a unit.", ("order", "operation", "machine", "start_ns", "end_ns", "program_hash", "signals", "run"), links=("order", "machine", "run", "lots"), state="unit"),
    EventKind("work.logged", "work", "A shop's own log says that somebody worked at an order; known, it is assumed, when it was completed.", ("order", "activity", "machine", "operator", "start_ns", "end_ns", "quantity", "known_ns", "assumed"), links=("order", "machine")),
    EventKind("unit.measured", "unit", "As-built measurements against tolerance.", ("order", "measures", "verdict", "attempt"), links=("order",)),
    EventKind("unit.reworked", "unit", "A unit out of tolerance went back.", ("order", "reason", "attempt"), links=("order",)),
    EventKind("unit.scrapped", "unit", "A unit cannot be mended.", ("order", "reason"), links=("order",)),
    EventKind("unit.finished", "unit", "A unit is made, within tolerance.", ("order", "design", "as_built", "made_ns"), links=("order", "design", "revision", "lots")),
    EventKind("unit.shipped", "unit", "A unit left; whoever has its one-time code may claim it.", ("order", "code_hash", "salt"), links=("order",)),
    # use
    EventKind("claim.refused", "unit", "Somebody tried to claim a unit with a wrong code.", ()),
    EventKind("unit.claimed", "unit", "An owner claimed a unit.", ("owner",), links=("owner",)),
    EventKind("consent.given", "person", "An owner agrees to a purpose until a time.", ("purpose", "until_ns")),
    EventKind("consent.withdrawn", "person", "An owner no longer agrees to a purpose.", ("purpose",)),
    EventKind("file.imported", "file", "A file was read: what came of its rows.", ("path", "hash", "what", "rows", "stored", "duplicate", "refused")),
    EventKind("pairing.assumed", "pairing", "Two data sets were joined by assumption, not by fact.", ("left", "right", "seed", "assumed"), links=("left", "right")),
    # machines
    EventKind("thing.added", "thing", "A thing is heard from now on.", ("kind",)),
    EventKind("link.state", "link", "A link to a peer opened, was lost or ended.", ("state", "word")),
    EventKind("run.labelled", "run", "What inspection found about a machining run (tool worn or unworn).", ("thing", "start_ns", "end_ns", "label"), links=("thing",)),
    EventKind("alarm.raised", "alarm", "A condition needs a person.", ("condition", "thing", "says", "evidence", "priority"), links=("thing", "decision", "evidence.ref")),
    EventKind("alarm.acknowledged", "alarm", "Somebody has seen it.", ()),
    EventKind("alarm.judged", "alarm", "A person says what an alarm was: true, false or unknown. The last word counts; only a true one is given back to the budget of false alarms.", ("condition", "thing", "verdict", "why"), links=("thing",)),
    EventKind("alarm.cleared", "alarm", "The condition is gone.", ()),
    EventKind("alarm.escalated", "alarm", "Nobody acknowledged it in time: it goes one priority up, and to the next role.", ("condition", "thing", "priority", "role", "step", "why"), links=("thing",)),
    EventKind("alarm.shelved", "suppression", "A person does not want to see an alarm of a thing ('*': all of it) until a time.", ("condition", "thing", "why", "until_ns"), links=("thing",), state="suppression"),
    EventKind("alarm.unshelved", "suppression", "It is shown again: its time is over, or somebody wants to see it.", ("condition", "thing", "why"), links=("thing",), state="suppression"),
    EventKind("alarm.suppressed", "suppression", "Alarms of a thing are not shown by design, because of what it does: it is off, under maintenance.", ("condition", "thing", "why"), links=("thing",), state="suppression"),
    EventKind("alarm.unsuppressed", "suppression", "What suppressed the alarms is over.", ("condition", "thing", "why"), links=("thing",), state="suppression"),
    EventKind("alarm.outofservice", "suppression", "An alarm was taken out of service, until somebody puts it back.", ("condition", "thing", "why"), links=("thing",), state="suppression"),
    EventKind("alarm.inservice", "suppression", "An alarm is back in service.", ("condition", "thing", "why"), links=("thing",), state="suppression"),
    EventKind("workorder.opened", "workorder", "Work on a machine that the plan must make room for.", ("machine", "alarm", "duration_s", "why"), links=("machine", "alarm")),
    EventKind("workorder.done", "workorder", "The work was done.", ("machine",), links=("machine",)),
    EventKind("command.sent", "thing", "What was really sent to a machine.", ("decision", "signal", "value", "unit", "before"), links=("decision",)),
    # learn, serve, improve, govern
    EventKind("model.trained", "model", "A model's card; it is kept under the name of its weights.", ("card",)),
    EventKind("training.ended", "task", "A model of a task was trained, how far it came, or why there is none.", ("task", "model", "came", "why", "outcomes", "took_s"), links=("model",)),
    EventKind("model.checked", "model", "How a model that serves does beside the baseline, on predictions whose outcome is known, and how far its inputs moved.", ("scored", "test", "drift")),
    EventKind("model.demoted", "model", "A model no longer serves: the baseline does, with the reason and the test.", ("task", "why", "change", "test"), links=("change",)),
    EventKind("decision.made", "decision", "What a service says.", ("decision",), links=("decision.about", "decision.model", "decision.because.ref")),
    EventKind("decision.approved", "decision", "A person approved what a decision asks for.", ()),
    EventKind("decision.declined", "decision", "A person declined what a decision asks for.", ("why",)),
    EventKind("outcome.measured", "unit", "What the product did in use, beside how it was built.", ("outcome", "as_built")),
    EventKind("change.proposed", "change", "A change with its reason.", ("change",)),
    EventKind("change.notproposed", "change", "A change was looked for and is not supported, with the reason.", ("reason", "evidence")),
    EventKind("trial.assigned", "order", "The rule an order of a randomised trial is built by, old or new.", ("change", "arm", "pair"), links=("change",)),
    EventKind("change.gated", "change", "What the gate tested.", ("tests", "passed")),
    EventKind("change.approved", "change", "A person approved it.", ("automatic",)),
    EventKind("change.declined", "change", "A person declined it.", ("why",)),
    EventKind("change.released", "change", "It is in force.", ("target", "rule", "before", "after", "revision"), leads=("revision",)),
    EventKind("change.undone", "change", "It is no longer in force.", ("why",)),
    EventKind("change.checked", "change", "How the orders made since a release did, beside those before.", ("check",)),
    EventKind("user.added", "user", "A user with a role.", ("role",)),
    EventKind("user.removed", "user", "A user can no longer enter.", ()),
    EventKind("points.corrected", "thing", "Values were replaced, by whom and why.", ("reason",)),
    EventKind("points.undone", "thing", "A correction of values, or an undoing, was taken back.", ("reason", "undoes"), links=("undoes",)),
    EventKind("points.recomputed", "thing", "Values of a derived signal were replaced, because what they are computed from changed.", ("reason", "signal", "start_ns", "end_ns")),
    EventKind("alarm.revised", "alarm", "What later data or a correction says of an alarm: it stands, it would not have been raised, or one was missed.", ("condition", "thing", "says", "verdict", "start_ns", "end_ns"), links=("thing",)),
    # keeping
    EventKind("plant.restored", "plant", "The plant was made from a backup; what came after that generation is not in it.", ("generation", "made_ns", "head")),
    EventKind("plant.exported", "plant", "Personal data left the plant as files, by whom and why.", ("what", "why", "persons")),
    EventKind("points.expired", "plant", "Values older than their signals are kept for were removed.", ("samples", "rows", "rules")),
    EventKind("edge.started", "edge", "An edge began to listen.", ("site", "epoch")),
    EventKind("edge.stopped", "edge", "An edge ended as it was told to.", ("waiting",)),
    EventKind("edge.head", "edge", "The head of an edge's own chain of events, as the centre heard it.", ("count", "head")),
    # the loop itself
    EventKind("site.checked", "site", "The site file as it was resolved.", ("hash",)),
    EventKind("turn.started", "turn", "One turn of the loop began.", ("orders", "seed", "number")),
    EventKind("turn.stage", "turn", "A stage of a turn is done.", ("stage", "seconds")),
    EventKind("turn.finished", "turn", "One turn of the loop is done.", ("report",)),
]
KINDS: dict[str, EventKind] = {kind.name: kind for kind in _KINDS}
LONGEST_ID = 500  # characters; a longer text in a field of ids is no id
PARENTS = {"unit": "order"}  # noun -> noun whose state moves with it, named by that field of the first body that has it
_CALLED = {"rules": "rule", "machine": "thing", "owner": "person", "lots": "lot", "left": "thing", "right": "person",
           "undoes": "event"}
_EVIDENCE = {"points": "thing"}  # what the word of an evidence calls it -> noun


def references(event: Event, *, leads: bool = False) -> list[tuple[str, str, str]]:
    """(field, noun, id) of what stands in the body of an event as an id, each once, in the order of the declared
    fields.

    leads  what it was done for, instead of what it rests on
    """
    declared = KINDS.get(event.kind)
    if declared is None:
        return []
    found: dict[tuple[str, str], str] = {}
    for way, field, usual in _ways(declared.leads if leads else declared.links):
        for row in _rows(event.body, way) if way else (event.body,):
            ids, noun = row.get(field), usual
            if field in ("ref", "about"):
                noun = str(row.get("kind", "")) if field == "ref" else ""
                noun = _EVIDENCE.get(noun, noun)
            for id_ in ids if isinstance(ids, (list, tuple)) else (ids,):
                if isinstance(id_, str) and 0 < len(id_) <= LONGEST_ID and "\0" not in id_:
                    found.setdefault((field, id_), noun)
    return [(field, noun, id_) for (field, id_), noun in found.items()]


def called(path: str) -> str:
    """What stands in a field of a body: 'order' for 'slots.order', 'thing' for 'machine'."""
    field = path.rpartition(".")[2]
    return _CALLED.get(field, field)


@cache
def _ways(paths: tuple[str, ...]) -> list[tuple[list[str], str, str]]:
    """(tables to go through, field, noun) of each path."""
    return [(path.split(".")[:-1], path.rpartition(".")[2], called(path)) for path in paths]


def _rows(body: Any, way: list[str]) -> list[Mapping[str, Any]]:
    """The tables at the end of a way through a body: one, or the rows of a list."""
    found: list[Any] = [body]
    for step in way:
        inner = [row.get(step) for row in found if isinstance(row, Mapping)]
        found = [one for some in inner for one in (some if isinstance(some, (list, tuple)) else (some,))]
    return [row for row in found if isinstance(row, Mapping)]


def check(event: Event) -> None:
    """Raises UnknownName or InputError unless the event is of a known kind with every field of its body."""
    if event.kind not in KINDS:
        raise UnknownName("kind of event", event.kind, KINDS)
    missing = [name for name in KINDS[event.kind].body if name not in event.body]
    if missing:
        raise InputError(f"event {event.kind} about {event.about!r}", f"its body lacks {', '.join(missing)}")
    if not event.about or not event.actor:
        raise InputError(f"event {event.kind}", "needs about (an id) and actor (who did it)")
