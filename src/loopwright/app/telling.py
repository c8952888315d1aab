"""What people tell of their shop: an operation began or ended, a unit is scrapped, a machine is down. Each becomes an
event, and the plan follows by itself.

    tell(plant, "mara", {"what": "down", "about": "mill-1", "until": "2h", "why": "spindle bearing"})

Where a process runs the plant it is told over its API, in the name of whose token LOOPWRIGHT_TOKEN holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from loopwright.app import planning
from loopwright.app.correcting import ask_there, me
from loopwright.app.lasting import moment_or_length_ns
from loopwright.app.open_shop import Told, open_work
from loopwright.app.plant import Plant, open_plant
from loopwright.app.upsets import upsets
from loopwright.core.clock import NS_PER_S, iso
from loopwright.core.errors import InputError, PlantBusy, UnknownName
from loopwright.core.moments import moment_ns
from loopwright.core.types import Event
from loopwright.make import again
from loopwright.make.open_work import OpenOrder, Step
from loopwright.make.route import RouteOperation

AHEAD_NS = 60 * NS_PER_S  # by which a clock may be ahead of ours
LONG_AGO_NS = 366 * 86_400 * NS_PER_S  # nobody tells of it so late; what was meant is another year
FIELDS = ("what", "about", "operations", "machine", "operator", "at", "until", "why", "factor", "weight")


def tell(plant: Plant, author: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Records what somebody tells, {says, event}.

    asked  `what`, one of WHATS; `about`: an order, machine, person, material or work order; `at`: when (now);
           `until`: a moment, or a length of time from `at` on; operations, machine, operator, why, factor, weight
    Raises UnknownName for a name that is not there, InputError for what cannot have happened.
    """
    what = str(asked.get("what", ""))
    if what not in WHATS:
        raise UnknownName("what is told", what, WHATS)
    if not str(asked.get("about") or "").strip():
        raise InputError(f"tell {what}", "nothing it is about", WHATS[what][1])
    at_ns = moment_ns(str(asked.get("at") or ""), "--at")
    now_ns = plant.clock.now_ns()
    if at_ns is not None and at_ns > now_ns + AHEAD_NS and what not in ("down", "away", "workorder"):
        raise InputError("--at", str(asked["at"]), "a moment that has been: it is told when it has happened")
    if at_ns is not None and at_ns < now_ns - LONG_AGO_NS:
        raise InputError("--at", str(asked["at"]), "a moment of the last 366 days")
    event = WHATS[what][0](plant, asked, now_ns if at_ns is None else at_ns)
    recorded = plant.store.record([Event(event.kind, event.about, event.t_ns, author, event.body, key=event.key)])[0]
    return {"says": f"Noted: {planning.says(recorded)}.", "event": recorded.id}


def _order(told: Told, id_: str) -> OpenOrder:
    by_id = {order.id: order for order in told.work}
    if id_ not in by_id:
        raise UnknownName("open order", id_, by_id)
    return by_id[id_]


def _operation(order: OpenOrder, asked: Mapping[str, Any]) -> RouteOperation:
    names = [str(name) for name in asked.get("operations") or ()]
    by_name = {o.name: o for o in order.operations}
    if len(names) != 1:
        raise InputError(f"tell {asked['what']} {order.id}", f"operations {names}", f"one of {', '.join(by_name)}")
    if names[0] not in by_name:
        raise UnknownName(f"operation of order {order.id!r}", names[0], by_name)
    return by_name[names[0]]


def _machine(plant: Plant, told: Told, order: OpenOrder, operation: RouteOperation, asked: Mapping[str, Any]) -> str:
    """The machine that was named, or where the plan has it, or the only one that can."""
    machines = {m.id: m for m in plant.site.machines}
    given = str(asked.get("machine") or "")
    if given:
        if given not in machines:
            raise UnknownName("machine", given, machines)
        return given
    slots = told.plan.body["slots"] if told.plan else []
    planned = [s["machine"] for s in slots if (s["order"], s["operation"]) == (order.id, operation.name)]
    able = [m.id for m in plant.site.machines if m.role == operation.role]
    if not planned and len(able) != 1:
        raise InputError(f"{operation.name} of {order.id}", "no machine is given", ", ".join(able), "--machine NAME")
    return str((planned or able)[0])


def _began(plant: Plant, asked: Mapping[str, Any], at_ns: int) -> Event:
    told = open_work(plant)
    order = _order(told, str(asked["about"]))
    operation = _operation(order, asked)
    machine = _machine(plant, told, order, operation, asked)
    where = f"{operation.name} of {order.id}"
    steps = {(s.order, s.operation): s for s in told.steps}
    if (order.id, operation.name) in steps:
        step = steps[order.id, operation.name]
        raise InputError(where, f"has {'begun' if step.end_ns is None else 'ended'} on {step.machine} already",
                         "an operation that has not begun")
    _behind(order, operation, steps, where, lots=operation.lot_s is not None)
    _ordered(plant, order, at_ns, where)
    _free(plant, told, machine, operation, where)
    body = {"order": order.id, "operation": operation.name, "machine": machine, "setup": operation.setup}
    who = str(asked.get("operator") or "")
    if who:
        _known(who, [str(row["id"]) for row in plant.site.shop.get("operator", ())], "operator")
        body["operator"] = who
    return Event("step.started", _serial(order, operation), at_ns, "", body)


def _free(plant: Plant, told: Told, machine: str, operation: RouteOperation, where: str) -> None:
    """Raises InputError when the machine has no room: it runs one operation, or a batch that this is none of."""
    most = next(m.batch for m in plant.site.machines if m.id == machine)
    batches = {(order.id, o.name): o.batch for order in told.work for o in order.operations}
    running = [step for step in told.steps if step.machine == machine and step.end_ns is None]
    alike = operation.batch and all(batches.get((s.order, s.operation)) == operation.batch for s in running)
    if running and not (alike and len(running) < most):
        step = running[0]
        also = f" and {len(running) - 1} more" if len(running) > 1 else ""
        raise InputError(where, f"{machine} runs {step.operation} of {step.order}{also}",
                         "a machine that is free, or runs a batch that it belongs to and has room",
                         f"loopwright tell SITE finished {step.order} {step.operation}")


def _behind(
    order: OpenOrder, operation: RouteOperation, steps: Mapping[tuple[str, str], Step], where: str, lots: bool = False
) -> None:
    """Raises InputError while what it waits for has not ended; lots: has not begun."""
    for name in operation.after:
        step = steps.get((order.id, name))
        if lots and step is not None:
            continue
        if (step is None or step.end_ns is None) and name in {o.name for o in order.operations}:
            raise InputError(where, f"waits for {name!r}, which has not ended", "what it waits for first",
                             f"loopwright tell SITE finished {order.id} {name}")


def _ordered(plant: Plant, order: OpenOrder, at_ns: int, where: str) -> None:
    placed = plant.store.recall(kind="order.placed", about=order.id)
    if placed and at_ns < placed[0].t_ns:
        raise InputError(f"{where}: --at", iso(at_ns), f"a moment after it was ordered, {iso(placed[0].t_ns)}")


def _ended(plant: Plant, asked: Mapping[str, Any], at_ns: int) -> Event:
    told = open_work(plant)
    order = _order(told, str(asked["about"]))
    operation = _operation(order, asked)
    where = f"{operation.name} of {order.id}"
    steps = {(s.order, s.operation): s for s in told.steps}
    step = steps.get((order.id, operation.name))
    if step and step.end_ns is not None:
        raise InputError(where, f"has ended on {step.machine} already", "an operation that has not ended")
    _behind(order, operation, steps, where)
    _ordered(plant, order, at_ns, where)
    machine = step.machine if step and not asked.get("machine") else _machine(plant, told, order, operation, asked)
    start_ns = step.start_ns if step else at_ns - operation.seconds * NS_PER_S
    if start_ns > at_ns:
        raise InputError(where, "ends before it began", "a moment after its begin")
    body = {"order": order.id, "operation": operation.name, "machine": machine, "start_ns": start_ns, "end_ns": at_ns,
            "program_hash": operation.program_sha256, "signals": [], "run": "", "setup": operation.setup,
            "assumed": [] if step else ["when it began: its seconds before its end"]}
    return Event("step.finished", _serial(order, operation), at_ns, "", body)


def _serial(order: OpenOrder, operation: RouteOperation) -> str:
    return f"{order.id}-{again.number_of(operation.name)}"


def _unit(plant: Plant, asked: Mapping[str, Any]) -> tuple[OpenOrder, int, dict[tuple[str, str], Step]]:
    """(order, number of the piece in the making, what was done); a piece on which nothing was done is refused."""
    told = open_work(plant)
    order = _order(told, str(asked["about"]))
    number = max(again.number_of(o.name) for o in order.operations)
    steps = {(s.order, s.operation): s for s in told.steps}
    if not any((order.id, o.name) in steps for o in order.operations if again.number_of(o.name) == number):
        raise InputError(f"tell {asked['what']} {order.id}", "nothing has begun on it", "a unit in the making")
    return order, number, steps


def _scrapped(plant: Plant, asked: Mapping[str, Any], at_ns: int) -> Event:
    order, number, _ = _unit(plant, asked)
    body = {"order": order.id, "reason": str(asked.get("why") or "not said")}
    return Event("unit.scrapped", f"{order.id}-{number}", at_ns, "", body, key=f"scrapped/{order.id}-{number}")


def _reworked(plant: Plant, asked: Mapping[str, Any], at_ns: int) -> Event:
    order, number, steps = _unit(plant, asked)
    by_name = {o.name: o for o in order.operations if again.number_of(o.name) == number}
    names = [str(name) for name in asked.get("operations") or ()]
    ended = [name for name in by_name if (s := steps.get((order.id, name))) and s.end_ns is not None]
    for name in names:
        if name not in ended:
            raise UnknownName(f"operation of order {order.id!r} that has ended", name, ended)
    if not names:
        raise InputError(f"tell rework {order.id}", "no operation", f"those to be done again: {', '.join(ended)}")
    running = [name for name in by_name if (s := steps.get((order.id, name))) and s.end_ns is None]
    if running:
        raise InputError(f"tell rework {order.id}", f"{running[0]} runs", "a unit that waits",
                         f"loopwright tell SITE finished {order.id} {running[0]}")
    attempt = max(again.attempt_of(name) for name in by_name) + 1
    body = {"order": order.id, "reason": str(asked.get("why") or "not said"), "attempt": attempt, "operations": names}
    return Event("unit.reworked", f"{order.id}-{number}", at_ns, "", body)


def _known(name: str, names: Sequence[str], what: str) -> str:
    if name not in names:
        raise UnknownName(what, name, names)
    return name


def _machine_named(plant: Plant, asked: Mapping[str, Any]) -> str:
    return _known(str(asked["about"]), [m.id for m in plant.site.machines], "machine")


def _why(asked: Mapping[str, Any]) -> str:
    return str(asked.get("why") or "")


def _down(plant: Plant, asked: Mapping[str, Any], at_ns: int) -> Event:
    machine = _machine_named(plant, asked)
    until_ns = _until(asked, at_ns) if asked.get("until") else 0
    return Event("machine.down", machine, at_ns, "", {"until_ns": until_ns, "why": _why(asked)})


def _until(asked: Mapping[str, Any], at_ns: int) -> int:
    until_ns = moment_or_length_ns(str(asked.get("until") or ""), at_ns, "--until")
    if until_ns <= at_ns:
        raise InputError("--until", str(asked["until"]), "a moment after it begins")
    return until_ns


def _up(plant: Plant, asked: Mapping[str, Any], at_ns: int) -> Event:
    machine, now = _machine_named(plant, asked), upsets(plant, plant.clock.now_ns())
    if machine not in now.slow and not any(down.open for down in now.downs if down.machine == machine):
        raise InputError(f"tell up {machine}", "it is neither down nor slower", "one that was told down or slower")
    return Event("machine.up", machine, at_ns, "", {"why": _why(asked)})


def _slower(plant: Plant, asked: Mapping[str, Any], at_ns: int) -> Event:
    machine, factor = _machine_named(plant, asked), asked.get("factor")
    if not isinstance(factor, (int, float)) or isinstance(factor, bool) or not 0.01 <= factor <= 100:
        raise InputError(f"tell slower {machine}", f"--factor {factor}", "0.01 to 100: 1.5 takes half as long again")
    return Event("machine.slower", machine, at_ns, "", {"factor": float(factor), "why": _why(asked)})


def _operator(plant: Plant, asked: Mapping[str, Any]) -> str:
    return _known(str(asked["about"]), [str(row["id"]) for row in plant.site.shop.get("operator", ())], "operator")


def _away(plant: Plant, asked: Mapping[str, Any], at_ns: int) -> Event:
    body = {"start_ns": at_ns, "until_ns": _until(asked, at_ns), "why": _why(asked)}
    return Event("operator.away", _operator(plant, asked), at_ns, "", body)


def _back(plant: Plant, asked: Mapping[str, Any], at_ns: int) -> Event:
    who = _operator(plant, asked)
    if not any(end_ns > at_ns for _, end_ns in upsets(plant, plant.clock.now_ns()).away.get(who, ())):
        raise InputError(f"tell back {who}", "nobody said that they are away then", "an operator who was told away")
    return Event("operator.back", who, at_ns, "", {})


def _late(plant: Plant, asked: Mapping[str, Any], at_ns: int) -> Event:
    used = {name for step in plant.product.route for name in step.materials}
    material = _known(str(asked["about"]), sorted(used), "material that an operation of the route waits for")
    return Event("material.late", material, at_ns, "", {"arrives_ns": _until(asked, at_ns), "why": _why(asked)})


def _due(plant: Plant, asked: Mapping[str, Any], at_ns: int) -> Event:
    order = _order(open_work(plant), str(asked["about"]))
    due_ns = moment_or_length_ns(str(asked["until"]), at_ns, "--until") if asked.get("until") else order.due_ns
    weight = order.weight if asked.get("weight") is None else asked["weight"]
    if not isinstance(weight, (int, float)) or isinstance(weight, bool) or not 0 <= weight <= 1e6:
        raise InputError(f"tell due {order.id}", f"--weight {weight}", "0 to 1,000,000")
    if due_ns == order.due_ns and weight == order.weight:
        raise InputError(f"tell due {order.id}", "changes nothing", "--until MOMENT, --weight NUMBER")
    return Event("order.due", order.id, at_ns, "", {"due_ns": due_ns, "weight": float(weight), "why": _why(asked)})


def _workorder(plant: Plant, asked: Mapping[str, Any], at_ns: int) -> Event:
    machine = _machine_named(plant, asked)
    seconds = (_until(asked, at_ns) - at_ns) // NS_PER_S
    body = {"machine": machine, "alarm": "", "duration_s": seconds, "why": _why(asked) or "maintenance",
            "start_ns": at_ns}
    return Event("workorder.opened", f"workorder/{machine}/{at_ns}", at_ns, "", body,
                 key=f"workorder/{machine}/{at_ns}/opened")


def _done(plant: Plant, asked: Mapping[str, Any], at_ns: int) -> Event:
    done = {event.about for event in plant.store.recall(kind="workorder.done")}
    opened = {e.about: e for e in plant.store.recall(kind="workorder.opened") if e.about not in done}
    about = _known(str(asked["about"]), list(opened), "open work order")
    return Event("workorder.done", about, at_ns, "", {"machine": opened[about].body["machine"]}, key=f"{about}/done")


Make = Callable[[Plant, Mapping[str, Any], int], Event]
# what may be told: how it becomes an event, what it is about
WHATS: dict[str, tuple[Make, str]] = {
    "started": (_began, "an open order, and the operation that began"),
    "finished": (_ended, "an open order, and the operation that ended"),
    "scrapped": (_scrapped, "an open order whose unit cannot be mended"),
    "rework": (_reworked, "an open order, and the operations to be done again"),
    "down": (_down, "a machine that can do nothing, --until when it is known"),
    "up": (_up, "a machine that works again, as fast as ever"),
    "slower": (_slower, "a machine, --factor 1.5 when it takes half as long again"),
    "away": (_away, "an operator who is not there --until"),
    "back": (_back, "an operator who is there again"),
    "late": (_late, "material that arrives at --until"),
    "due": (_due, "an open order that is due at --until, or weighs --weight"),
    "workorder": (_workorder, "a machine that is worked on from --at for --until 2h"),
    "done": (_done, "a work order that is done"),
}


def run_tell(path: Path, author: str, asked: dict[str, Any]) -> dict[str, Any]:
    """The command: on the plant of a site, whose plan is repaired at once, or over the API of the process that runs
    it."""
    from loopwright.app.opening import there
    from loopwright.app.site import site_of

    site = site_of(path)
    there(site)
    try:
        with open_plant(site, actor="plan") as plant:
            told = tell(plant, author or me(), asked)
            event = planning.catch_up(plant)
            return told | ({"plan": event.about, "reason": event.body["reason"]} if event else {})
    except PlantBusy as busy:
        return ask_there(site, busy, "/shop-events", asked)


def in_words(told: Mapping[str, Any]) -> str:
    """The answer of the command."""
    return str(told["says"]) + (f"\n{told['plan']}: {told['reason']}" if told.get("plan") else "")
