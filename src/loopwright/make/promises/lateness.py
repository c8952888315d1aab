"""Why an order ends when it ends: the chain of its work and waits from its end back, which adds up to its flow time.

    flow = flow_of(shop, plan, "o-17")        flow.parts: work, setup, and every wait with its cause and who caused it
    late_orders(shop, plan)                   the flows of all orders that end after they are due, the latest first
    by_cause(flows)                           seconds by cause over many

From the end of the last operation the chain goes back to the operation that it waited for last, and so on to the
release. What lies between two operations is a wait, cut in time by its cause; where several hold at once, the first of
this list counts: material, machine (busy with other orders), closed, person, away, tool; then gap (the machine is free,
for less than it takes) and idle (the plan leaves room there).
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from loopwright.core.errors import UnknownName
from loopwright.core.types import Plan, Slot
from loopwright.make.promises.lines import Interval, floor_of
from loopwright.make.shop import Job, Key, Operation, Shop

CAUSES = ("work", "setup", "lag", "material", "machine", "closed", "person", "away", "tool", "gap", "idle")


@dataclass(frozen=True)
class Part:
    """A stretch of an order's time, whole seconds from the origin. what: the machine, material, skill or tool it is
    about; orders: whose operations were in the way."""

    cause: str
    start_s: int
    end_s: int
    operation: str
    what: str
    orders: tuple[str, ...] = ()
    says: str = ""

    @property
    def seconds(self) -> int:
        return self.end_s - self.start_s


@dataclass(frozen=True)
class Flow:
    """An order from its release (or its first operation, when that began before) to its end; the parts in turn."""

    order: str
    from_s: int
    end_s: int
    due_s: int | None
    parts: tuple[Part, ...]

    @property
    def late_s(self) -> int:
        """Seconds after it was due; 0 when it is in time or has no due date."""
        return 0 if self.due_s is None else max(0, self.end_s - self.due_s)

    @property
    def most(self) -> Part | None:
        """The longest wait, all of one cause and thing together."""
        total: dict[tuple[str, str], int] = defaultdict(int)
        for part in self.parts:
            if part.cause != "work":
                total[part.cause, part.what] += part.seconds
        if not total:
            return None
        cause, what = max(total, key=lambda key: total[key])
        return max((p for p in self.parts if (p.cause, p.what) == (cause, what)), key=lambda p: p.seconds)


def flow_of(shop: Shop, plan: Plan, order: str) -> Flow:
    """Why that order ends when it ends. UnknownName for an order that is not in the shop."""
    job = next((job for job in shop.jobs if job.id == order), None)
    if job is None:
        raise UnknownName("order", order, [job.id for job in shop.jobs])
    return _Reader(shop, plan.slots).flow(job)


def flows_of(shop: Shop, plan: Plan, orders: Collection[str]) -> dict[str, Flow]:
    """order -> why it ends when it ends, of several."""
    reader, wanted = _Reader(shop, plan.slots), set(orders)
    return {job.id: reader.flow(job) for job in shop.jobs if job.id in wanted}


def late_orders(shop: Shop, plan: Plan) -> list[Flow]:
    """The flows of all orders that end after they are due, the latest first."""
    ends: dict[str, int] = {}
    for slot in plan.slots:
        ends[slot.order] = max(slot.end_s, ends.get(slot.order, slot.end_s))
    late = [job for job in shop.jobs if job.due_s is not None and ends.get(job.id, job.due_s) > job.due_s]
    reader = _Reader(shop, plan.slots) if late else None
    flows = [reader.flow(job) for job in late if reader]
    return sorted(flows, key=lambda flow: (-flow.late_s, flow.order))


def by_cause(flows: Iterable[Flow]) -> dict[str, int]:
    """cause -> seconds in the chains of these orders; together the sum of their flow times."""
    total = dict.fromkeys(CAUSES, 0)
    for flow in flows:
        for part in flow.parts:
            total[part.cause] += part.seconds
    return {cause: seconds for cause, seconds in total.items() if seconds}


def lasting(seconds: float) -> str:
    """A time in two words: '45 s', '12 min', '3 h 20 min', '2 d 4 h'."""
    whole = round(abs(seconds))
    for unit, size, small, less in (("d", 86_400, "h", 3_600), ("h", 3_600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // less
            return f"{whole // size} {unit}" + (f" {rest} {small}" if rest else "")
    return f"{whole} s"


def as_row(flow: Flow) -> dict[str, Any]:
    """A flow as plain data."""
    parts = [{"cause": p.cause, "start_s": p.start_s, "end_s": p.end_s, "seconds": p.seconds, "operation": p.operation,
              "what": p.what, "orders": list(p.orders), "says": p.says} for p in flow.parts]
    return {"order": flow.order, "from_s": flow.from_s, "end_s": flow.end_s, "due_s": flow.due_s,
            "late_s": flow.late_s, "flow_s": flow.end_s - flow.from_s, "parts": parts}


class _Reader:
    """A plan looked at from its machines, persons and tools."""

    def __init__(self, shop: Shop, slots: Sequence[Slot]) -> None:
        self.shop, self.floor = shop, floor_of(shop, slots)
        self.at = {(s.order, s.operation): s for s in slots}
        self.doing: dict[str, list[Slot]] = defaultdict(list)  # person -> slots
        self.holding: dict[str, list[Slot]] = defaultdict(list)  # tool -> slots
        named: dict[Key, Operation] = {o.key: o for o in shop.operations}
        for slot in sorted(slots, key=lambda s: s.start_s):
            if slot.operator:
                self.doing[slot.operator].append(slot)
            for tool in named[slot.order, slot.operation].tools:
                self.holding[tool].append(slot)
        self.whys: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
        for blocked in shop.blocked:
            self.whys[blocked.machine].append((blocked.start_s, blocked.end_s, blocked.why))

    def flow(self, job: Job) -> Flow:
        """The chain of one job."""
        names = {o.name: o for o in job.operations}
        slots = {name: self.at[job.id, name] for name in names}
        last = max(job.operations, key=lambda o: (slots[o.name].end_s, slots[o.name].start_s))
        parts: list[Part] = []
        operation, end_s = last, slots[last.name].end_s
        at_s = end_s  # all after it is told; what has begun may stand in any order, so it only goes back
        while True:
            slot = slots[operation.name]
            start_s = min(slot.start_s, at_s)
            parts.append(_work(operation, slot, (start_s, at_s)))
            before = _last_before(operation, slots)
            from_s = min(start_s, job.release_s if before is None else before[0])
            parts += reversed(self._waited(operation, slot, from_s, start_s))
            at_s = from_s
            if before is None:
                break
            link, name = operation.link(before[1]), before[1]
            if link.lot_s is None and slots[name].end_s < at_s:
                says = f"{operation.name} may begin {lasting(link.lag_s)} after {name}"
                parts.append(Part("lag", slots[name].end_s, at_s, operation.name, name, (), says))
                at_s = slots[name].end_s
            operation = names[name]
        parts = [part for part in parts if part.start_s < part.end_s]
        return Flow(job.id, at_s, end_s, job.due_s, tuple(reversed(parts)))

    def _waited(self, operation: Operation, slot: Slot, from_s: int, to_s: int) -> list[Part]:
        """The wait before a slot, by causes, in turn."""
        begin_s = max(from_s, to_s - slot.setup_s)
        pieces = _joined(self._pieces(operation, slot, from_s, begin_s))
        if begin_s < to_s:
            need = f" for {operation.setup!r}" if operation.setup else ""
            says = f"{slot.machine} is made ready{need}"
            pieces.append(Part("setup", begin_s, to_s, operation.name, slot.machine, (), says))
        return pieces

    def _pieces(self, operation: Operation, slot: Slot, from_s: int, to_s: int) -> Iterator[Part]:
        """The time from from_s to to_s, cut wherever a cause begins or ends."""
        if from_s >= to_s:
            return
        edges = self._edges(operation, slot, from_s, to_s)
        cuts = sorted({t for t in edges if from_s < t < to_s} | {from_s, to_s})
        takes_s = slot.end_s - slot.start_s + slot.setup_s
        free: list[tuple[int, int]] = []
        for a, b in itertools.pairwise(cuts):
            found = self._cause(operation, slot, a)
            if found:
                yield from _room(operation, slot, free, takes_s)
                free = []
                cause, what, orders, says = found
                yield Part(cause, a, b, operation.name, what, orders, says)
            else:
                free.append((a, b))
        yield from _room(operation, slot, free, takes_s)

    def _edges(self, operation: Operation, slot: Slot, from_s: int, to_s: int) -> Iterator[int]:
        """Moments at which a cause may begin or end; all those in the time asked for, and some more."""
        for material in operation.materials:
            yield self.shop.materials[material]
        line = self.floor.lines[slot.machine]
        for group in itertools.islice(line.groups, bisect_right(line.ends, from_s), None):
            yield group.start_s - group.setup_s
            yield group.end_s
            if group.start_s >= to_s:
                break
        spans: list[Sequence[Interval]] = [self.floor.blocked[slot.machine]]
        spans += [self.floor.people[name] for name in self._able(operation)]
        spans += [self.floor.full[tool] for tool in operation.tools]
        for intervals in spans:
            for pair in intervals[max(0, bisect_left(intervals, (from_s, from_s)) - 1):bisect_left(intervals, (to_s,))]:
                yield from pair

    def _able(self, operation: Operation) -> Sequence[str]:
        return self.floor.skilled[operation.skill] if operation.skill else ()

    def _cause(self, operation: Operation, slot: Slot, at_s: int) -> tuple[str, str, tuple[str, ...], str] | None:
        """(cause, what, orders, in words) of what an operation waits for at a moment; None when for nothing."""
        missing = [m for m in operation.materials if self.shop.materials[m] > at_s]
        if missing:
            last = max(missing, key=lambda m: self.shop.materials[m])
            return "material", last, (), f"{last} has not arrived"
        line = self.floor.lines[slot.machine]
        at = bisect_right(line.ends, at_s)
        if at < len(line.groups) and line.groups[at].start_s - line.groups[at].setup_s <= at_s:
            group = line.groups[at]
            orders = tuple(sorted({s.order for s in group.members}))
            return "machine", slot.machine, orders, f"{slot.machine} does {_told(group.members)}"
        if _inside(self.floor.blocked[slot.machine], at_s):
            why = next(why for start_s, end_s, why in self.whys[slot.machine] if start_s <= at_s < end_s)
            return "closed", slot.machine, (), f"{slot.machine} is closed" + (f" ({why})" if why else "")
        able = self._able(operation)
        if able and all(_inside(self.floor.people[name], at_s) for name in able):
            return self._nobody(operation, able, at_s)
        for tool in operation.tools:
            if _inside(self.floor.full[tool], at_s):
                using = [s for s in self.holding[tool] if s.start_s <= at_s < s.end_s]
                return "tool", tool, tuple(sorted({s.order for s in using})), f"{tool} is in use for {_told(using)}"
        return None

    def _nobody(
        self, operation: Operation, able: Sequence[str], at_s: int
    ) -> tuple[str, str, tuple[str, ...], str]:
        """Who could do it, and what they do instead."""
        busy = {name: s for name in able for s in self.doing[name] if s.start_s <= at_s < s.end_s}
        words = [f"{name} does {_told([busy[name]])}" if name in busy else f"{name} is away" for name in able]
        orders = tuple(sorted({slot.order for slot in busy.values()}))
        says = f"nobody is free for {operation.skill!r}: {_some(words)}"
        return "person" if busy else "away", operation.skill, orders, says


def _work(operation: Operation, slot: Slot, span: tuple[int, int]) -> Part:
    says = f"{operation.name} on {slot.machine}" + (f" with {slot.operator}" if slot.operator else "")
    return Part("work", *span, operation.name, slot.machine, (), says)


def _last_before(operation: Operation, slots: dict[str, Slot]) -> tuple[int, str] | None:
    """(moment, name) of what let the operation go last."""
    found = []
    seconds = slots[operation.name].end_s - slots[operation.name].start_s
    for name in operation.after:
        link, before = operation.link(name), slots[name]
        whole_s = before.end_s + link.lag_s
        if link.lot_s is None:
            found.append((whole_s, name))
        else:
            found.append((max(before.start_s + link.lot_s, whole_s - seconds), name))
    return max(found, default=None)


def _room(operation: Operation, slot: Slot, free: list[tuple[int, int]], takes_s: int) -> Iterator[Part]:
    """Time in which nothing was in the way: too short for it, or left open by the plan."""
    if not free:
        return
    start_s, end_s = free[0][0], free[-1][1]
    short = end_s - start_s < takes_s and end_s < slot.start_s - slot.setup_s
    says = f"{slot.machine} is free, for less than the {lasting(takes_s)} it takes" if short else (
        f"{slot.machine} is free: the plan leaves room")
    yield Part("gap" if short else "idle", start_s, end_s, operation.name, slot.machine, (), says)


def _joined(parts: Iterable[Part]) -> list[Part]:
    """Parts one after the other of one cause and thing, made one."""
    joined = []
    for _, same in itertools.groupby(parts, key=lambda part: (part.cause, part.what)):
        run = list(same)
        orders = tuple(dict.fromkeys(order for part in run for order in part.orders))
        says = run[0].says
        if run[0].cause == "machine" and len(orders) > 1:
            says = f"{run[0].what} does {_some(orders)}"
        joined.append(Part(run[0].cause, run[0].start_s, run[-1].end_s, run[0].operation, run[0].what, orders, says))
    return joined


def _told(slots: Sequence[Slot]) -> str:
    return _some([f"{slot.order}/{slot.operation}" for slot in slots])


def _some(words: Sequence[str], most: int = 4) -> str:
    rest = len(words) - most
    return ", ".join(words[:most]) + (f" and {rest} more" if rest > 0 else "")


def _inside(intervals: Sequence[Interval], at_s: int) -> bool:
    at = bisect_left(intervals, (at_s + 1, at_s + 1)) - 1
    return at >= 0 and intervals[at][1] > at_s
