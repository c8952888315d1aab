"""What if: a shop with something changed, and two plans beside each other.

    other = changed(shop, [Change("machine-more", "mill-1"), Change("order-earlier", "A12", seconds=172_800)], calendar)
    table = compared(shop, plan, other, plan(other))
    svg = drawn(shop, plan, other, other_plan)

Nothing is planned here, and no plant is known here: a shop goes in, another comes out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import Plan, Slot
from loopwright.make.change.kept import kept
from loopwright.make.objective import setup, tardiness
from loopwright.make.shifts import DAYS, open_times
from loopwright.make.shop import Blocked, Job, Key, Machine, Operation, Setup, Shop, merged

CLOSED_SHIFT = "closed shift"  # why a machine is blocked outside its shifts
_AWAY_S = 60 * 86_400  # how far shifts are changed where the shop has no horizon


@dataclass(frozen=True)
class Change:
    """One thing that is otherwise.

    kind     one of KINDS
    name     of the machine, order, operator, material, or the day 'mon' to 'sun'
    seconds  how much earlier or later, or for how long from the origin on; 0: for good
    factor   speed: how many times as fast
    new      the name of what is new, '' for the old one's with '+1'
    """

    kind: str
    name: str
    seconds: int = 0
    factor: float = 1.0
    new: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UnknownName("what if: change", self.kind, KINDS)
        if self.seconds < 0:
            raise InputError(f"what if: {self.kind} {self.name}", f"{self.seconds} s", "seconds from 0 on")
        if not 0.01 <= self.factor <= 100:
            raise InputError(f"what if: {self.kind} {self.name}", f"{self.factor:g} times", "0.01 to 100")

    def says(self) -> str:
        """In a few words: 'one machine more like mill-1'."""
        return KINDS[self.kind][1].format(
            name=self.name, time=_span(self.seconds), factor=f"{self.factor:g}",
            while_=f" for {_span(self.seconds)}" if self.seconds else "")


@dataclass(frozen=True)
class Calendar:
    """When the shop is open: zone, an IANA name; hours: the shifts of a day that is worked, 'HH:MM-HH:MM'."""

    zone: str = "UTC"
    hours: tuple[str, ...] = ("00:00-24:00",)


ALWAYS = Calendar()


@dataclass(frozen=True)
class _Side:
    """A plan in numbers, seconds from its origin."""

    makespan_s: int
    tardiness_s: float
    setup_s: int
    ends: Mapping[str, int]
    late: Mapping[str, int]
    busy: Mapping[str, int] = field(default_factory=dict)


def changed(shop: Shop, changes: Sequence[Change], calendar: Calendar = ALWAYS) -> Shop:
    """The shop with all the changes, one after the other. What has begun stays where it is.

    Raises UnknownName for a machine, order, operator, material or day that is not there, InputError for a change that
    makes no sense: an order earlier that has no due date, a name that is taken.
    """
    for change in changes:
        shop = KINDS[change.kind][0](shop, change, calendar)
    return shop


def _find(name: str, names: Sequence[str], what: str) -> str:
    if name not in names:
        raise UnknownName(f"what if: {what}", name, names)
    return name


def _fresh(change: Change, names: Sequence[str]) -> str:
    """The name of one more like another."""
    if change.new:
        if change.new in names:
            raise InputError(f"what if: {change.kind} {change.name}", f"{change.new!r} is there", "another name")
        return change.new
    number = 1
    while f"{change.name}+{number}" in names:
        number += 1
    return f"{change.name}+{number}"


def _operations(shop: Shop, each: Callable[[Operation], Operation]) -> Shop:
    """The shop with operations that have not begun made otherwise."""
    return replace(shop, jobs=tuple(
        replace(job, operations=tuple(o if o.frozen else each(o) for o in job.operations)) for job in shop.jobs))


def _machine_more(shop: Shop, change: Change, _: Calendar) -> Shop:
    like = _find(change.name, [m.id for m in shop.machines], "machine")
    new = _fresh(change, [m.id for m in shop.machines])
    old = next(m for m in shop.machines if m.id == like)
    machines = (*shop.machines, Machine(new, old.role, old.state, old.batch))
    blocked = tuple(replace(b, machine=new) for b in shop.blocked if b.machine == like and b.why == CLOSED_SHIFT)
    setups = tuple(Setup(new, s.before, s.after, s.seconds) for s in shop.setups if s.machine == like)
    more = replace(shop, machines=machines, blocked=shop.blocked + blocked, setups=shop.setups + setups)
    return _operations(more, lambda o: replace(o, on=(*o.on, *((new, s) for m, s in o.on if m == like))))


def _machine_away(shop: Shop, change: Change, _: Calendar) -> Shop:
    name = _find(change.name, [m.id for m in shop.machines], "machine")
    if change.seconds:
        return replace(shop, blocked=(*shop.blocked, Blocked(name, 0, change.seconds, "what if: away")))
    return _operations(shop, lambda o: replace(o, on=tuple((m, s) for m, s in o.on if m != name)))


def _speed(shop: Shop, change: Change, _: Calendar) -> Shop:
    name = _find(change.name, [m.id for m in shop.machines], "machine")
    return _operations(shop, lambda o: replace(
        o, on=tuple((m, max(1, math.ceil(s / change.factor)) if m == name else s) for m, s in o.on)))


def _span_s(shop: Shop) -> int:
    return _AWAY_S if shop.horizon_s is None else shop.horizon_s


def _days(shop: Shop, change: Change, calendar: Calendar, hours: Sequence[str]) -> list[tuple[int, int]]:
    """The hours of that day of the week, in seconds from the origin."""
    day = _find(change.name, DAYS, "day")
    end_ns = shop.origin_ns + _span_s(shop) * NS_PER_S
    spans = open_times({day: list(hours)}, calendar.zone, shop.origin_ns, end_ns)
    return [((a - shop.origin_ns) // NS_PER_S, -((shop.origin_ns - b) // NS_PER_S)) for a, b in spans]


def _shift_less(shop: Shop, change: Change, calendar: Calendar) -> Shop:
    spans = _days(shop, change, calendar, ("00:00-24:00",))
    shut = tuple(Blocked(m.id, a, b, CLOSED_SHIFT) for m in shop.machines for a, b in spans)
    return replace(shop, blocked=shop.blocked + shut)


def _shift_more(shop: Shop, change: Change, calendar: Calendar) -> Shop:
    opened = merged(_days(shop, change, calendar, calendar.hours))
    left = [b for b in shop.blocked if b.why != CLOSED_SHIFT]
    for one in shop.blocked:
        if one.why == CLOSED_SHIFT:
            left += [replace(one, start_s=a, end_s=b) for a, b in _without(one.start_s, one.end_s, opened)]
    return replace(shop, blocked=tuple(left))


def _without(start_s: int, end_s: int, opened: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """What is left of a time without these."""
    parts = []
    for a, b in opened:
        if a < end_s and b > start_s:
            parts += [(start_s, a)] if a > start_s else []
            start_s = max(start_s, b)
    return [*parts, (start_s, end_s)] if start_s < end_s else parts


def _job(shop: Shop, change: Change) -> Job:
    _find(change.name, [job.id for job in shop.jobs], "order")
    return next(job for job in shop.jobs if job.id == change.name)


def _moved_due(sign: int) -> Callable[[Shop, Change, Calendar], Shop]:
    def by(shop: Shop, change: Change, _: Calendar) -> Shop:
        job = _job(shop, change)
        if job.due_s is None:
            raise InputError(f"what if: {change.kind} {job.id}", "it has no due date", "an order with a due date")
        moved = replace(job, due_s=job.due_s + sign * change.seconds)
        return replace(shop, jobs=tuple(moved if one is job else one for one in shop.jobs))
    return by


def _order_gone(shop: Shop, change: Change, _: Calendar) -> Shop:
    job = _job(shop, change)
    return replace(shop, jobs=tuple(one for one in shop.jobs if one is not job))


def _order_more(shop: Shop, change: Change, _: Calendar) -> Shop:
    job = _job(shop, change)
    new = _fresh(change, [one.id for one in shop.jobs])
    operations = tuple(replace(o, job=new, frozen=None) for o in job.operations)
    return replace(shop, jobs=(*shop.jobs, replace(job, id=new, operations=operations)))


def _operator_more(shop: Shop, change: Change, _: Calendar) -> Shop:
    names = [one.id for one in shop.operators]
    name = _find(change.name, names, "operator")
    like = next(one for one in shop.operators if one.id == name)
    return replace(shop, operators=(*shop.operators, replace(like, id=_fresh(change, names))))


def _operator_away(shop: Shop, change: Change, _: Calendar) -> Shop:
    name = _find(change.name, [one.id for one in shop.operators], "operator")
    span = (0, change.seconds or _span_s(shop))
    return replace(shop, operators=tuple(
        replace(one, away=(*one.away, span)) if one.id == name else one for one in shop.operators))


def _material(sign: int) -> Callable[[Shop, Change, Calendar], Shop]:
    def by(shop: Shop, change: Change, _: Calendar) -> Shop:
        name = _find(change.name, list(shop.materials), "material that is late")
        at_s = max(0, shop.materials[name] + sign * change.seconds)
        return replace(shop, materials={**shop.materials, name: at_s})
    return by


Apply = Callable[[Shop, Change, Calendar], Shop]
# kind of change -> what it does, how it is told
KINDS: dict[str, tuple[Apply, str]] = {
    "machine-more": (_machine_more, "one machine more like {name}"),
    "machine-away": (_machine_away, "{name} is away{while_}"),
    "speed": (_speed, "{name} is {factor} times as fast"),
    "shift-more": (_shift_more, "shifts on {name} too"),
    "shift-less": (_shift_less, "no shift on {name}"),
    "order-earlier": (_moved_due(-1), "{name} is due {time} earlier"),
    "order-later": (_moved_due(1), "{name} is due {time} later"),
    "order-gone": (_order_gone, "without {name}"),
    "order-more": (_order_more, "one order more like {name}"),
    "operator-more": (_operator_more, "one person more like {name}"),
    "operator-away": (_operator_away, "{name} is away{while_}"),
    "material-earlier": (_material(-1), "{name} arrives {time} earlier"),
    "material-later": (_material(1), "{name} arrives {time} later"),
}


def compared(shop: Shop, plan: Plan, other_shop: Shop, other: Plan) -> dict[str, Any]:
    """Two plans side by side, plain data, seconds from the origin, which both must share.

    returns  {figures: [{what, before, after, unit}], machines: [{machine, before_s, after_s, before_share,
             after_share}], orders: [{order, due_s, before_s, after_s, late_before_s, late_after_s}], operations, kept,
             moved, added, gone}. An order or machine that only one has is None on the other side. Machines: seconds of
             work and setup, and their share of the makespan. kept: operations not begun that keep machine and order.
    Raises InputError for two origins.
    """
    if plan.origin_ns != other.origin_ns:
        raise InputError("what if", f"plans from {plan.origin_ns} ns and from {other.origin_ns} ns on", "one origin")
    before, after = _side(shop, plan), _side(other_shop, other)
    was, now = _free(plan), _free(other)
    both = {key: was[key] for key in was.keys() & now.keys()}
    same = kept(both, now)
    figures = [
        ("makespan", before.makespan_s, after.makespan_s, "s"),
        ("tardiness", before.tardiness_s, after.tardiness_s, "s"),
        ("late orders", len(before.late), len(after.late), "1"), ("setup", before.setup_s, after.setup_s, "s")]
    return {
        "figures": [dict(zip(("what", "before", "after", "unit"), row, strict=True)) for row in figures],
        "machines": [_load(m.id, before, after) for m in _either(shop.machines, other_shop.machines)],
        "orders": [_ends(job, before, after, shop, other_shop) for job in _either(shop.jobs, other_shop.jobs)],
        "operations": len(both), "kept": len(same), "moved": len(both) - len(same),
        "added": len(now.keys() - was.keys()), "gone": len(was.keys() - now.keys()),
    }


def _either(these: Sequence[Any], those: Sequence[Any]) -> list[Any]:
    """All of these, and of those what is not among them, by id."""
    known = {one.id for one in these}
    return [*these, *(one for one in those if one.id not in known)]


def _free(plan: Plan) -> dict[Key, Slot]:
    return {(s.order, s.operation): s for s in plan.slots if not s.frozen}


def _side(shop: Shop, plan: Plan) -> _Side:
    ends: dict[str, int] = {}
    work: dict[str, list[tuple[int, int]]] = {machine.id: [] for machine in shop.machines}
    for slot in plan.slots:
        ends[slot.order] = max(ends.get(slot.order, slot.end_s), slot.end_s)
        work.setdefault(slot.machine, []).append((max(0, slot.start_s - slot.setup_s), slot.end_s))
    due = {job.id: job.due_s for job in shop.jobs if job.due_s is not None}
    late = {order: end_s - due[order] for order, end_s in ends.items() if order in due and end_s > due[order]}
    busy = {name: sum(b - a for a, b in merged(spans)) for name, spans in work.items()}
    return _Side(plan.makespan_s, tardiness(shop, plan.slots), setup(plan.slots), ends, late, busy)


def _load(machine: str, before: _Side, after: _Side) -> dict[str, Any]:
    row: dict[str, Any] = {"machine": machine}
    for word, side in (("before", before), ("after", after)):
        busy = side.busy.get(machine)
        row[f"{word}_s"] = busy
        row[f"{word}_share"] = None if busy is None else round(busy / max(1, side.makespan_s), 4)
    return row


def _ends(job: Job, before: _Side, after: _Side, shop: Shop, other: Shop) -> dict[str, Any]:
    due = {one.id: one.due_s for one in (*shop.jobs, *other.jobs)}
    return {
        "order": job.id, "due_s": due[job.id], "before_s": before.ends.get(job.id), "after_s": after.ends.get(job.id),
        "late_before_s": before.late.get(job.id, 0), "late_after_s": after.late.get(job.id, 0)}


def drawn(
    shop: Shop, plan: Plan, other_shop: Shop, other: Plan, names: tuple[str, str] = ("before", "after"), zone: str = ""
) -> str:
    """Both plans in one SVG, machine by machine, on one scale of time, what moved joined. zone: as in `draw.gantt`."""
    from loopwright.make.draw.beside import compared as beside

    return beside(shop, plan, other_shop, other, names, zone)


def _span(seconds: int) -> str:
    """A length of time: '2 d', '3 h', '1 h 30 min'."""
    parts = []
    for word, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        parts += [f"{count} {word}"] if count else []
    return " ".join(parts[:2]) or "0 s"
