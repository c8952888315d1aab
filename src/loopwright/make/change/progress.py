"""How far the work of a shop has come: what is done, what runs, and the shop that is left.

    floor = Floor.of(shop, plan, now_s)
    floor.look()                  who has begun and who is done
    shop = shop_now(floor)        its origin is now
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import Plan, Slot
from loopwright.make.shop import Blocked, Job, Key, Machine, Operation, Operator, Shop


@dataclass
class Floor:
    """The shop while things happen to it; seconds from the old origin.

    slots  where each operation runs by the plan; begun, done: those that have; new ones are in none of these
    down   machine -> breakdowns so far
    """

    shop: Shop
    now_s: int
    operations: dict[str, dict[str, Operation]]
    jobs: dict[str, Job]
    slots: dict[Key, Slot]
    machines: dict[str, Machine]
    operators: dict[str, Operator]
    materials: dict[str, int]
    blocked: list[Blocked]
    begun: set[Key] = field(default_factory=set)
    done: set[Key] = field(default_factory=set)
    down: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    @classmethod
    def of(cls, shop: Shop, plan: Plan, now_s: int) -> Floor:
        """The shop with its plan."""
        if plan.origin_ns != shop.origin_ns:
            raise InputError("plan", f"from {plan.origin_ns} ns on, its shop from {shop.origin_ns} ns on", "one origin")
        slots = {(slot.order, slot.operation): slot for slot in plan.slots}
        missing = [o.key for o in shop.operations if o.key not in slots]
        if missing:
            raise InputError("plan", f"has no slot for {len(missing)} operations of the shop, first {missing[0]}",
                             "the plan of this shop")
        return cls(
            shop, now_s, {job.id: {o.name: o for o in job.operations} for job in shop.jobs},
            {job.id: job for job in shop.jobs}, slots, {m.id: m for m in shop.machines},
            {o.id: o for o in shop.operators}, dict(shop.materials), list(shop.blocked))

    def order(self, where: str, name: str) -> dict[str, Operation]:
        """The operations of an order."""
        if name not in self.operations:
            raise UnknownName(f"{where}: order", name, self.operations)
        return self.operations[name]

    def operation(self, where: str, order: str, name: str) -> Operation:
        """An operation of an order."""
        operations = self.order(where, order)
        if name not in operations:
            raise UnknownName(f"{where} of order {order!r}: operation", name, operations)
        return operations[name]

    def machine(self, where: str, name: str) -> str:
        """The machine's name, when it is there."""
        if name not in self.machines:
            raise UnknownName(f"{where}: machine", name, self.machines)
        return name

    def look(self) -> None:
        """Who has begun and who is done, by the plan: only what could begin has."""
        last: dict[str, Slot] = {}
        for key, slot in sorted(self.slots.items(), key=lambda item: (item[1].start_s, item[1].end_s)):
            operation = self.operations.get(key[0], {}).get(key[1])
            if operation is None or slot.start_s >= self.now_s:
                continue
            before = last.get(slot.machine)
            together = before is not None and (before.start_s, before.end_s) == (slot.start_s, slot.end_s)
            late = before is not None and before.end_s > slot.start_s and not together
            if (late or not self.could(operation, slot)) and not (operation.frozen and slot.start_s <= 0):
                continue
            self.begun.add(key)
            if slot.end_s <= self.now_s:
                self.done.add(key)
            last[slot.machine] = max(slot, before or slot, key=lambda s: s.end_s)

    def could(self, operation: Operation, slot: Slot) -> bool:
        """Whether all that it waits for has come far enough for that slot."""
        for name in operation.after:
            key, link = (operation.job, name), operation.link(name)
            if key not in self.begun:
                return False
            before = self.slots[key]
            if link.lot_s is None and before.end_s + link.lag_s > slot.start_s:
                return False
            if link.lot_s is not None and before.start_s + link.lot_s > slot.start_s:
                return False
        return all(self.materials[material] <= slot.start_s for material in operation.materials)

    def running(self, machine: str) -> list[Key]:
        """What runs there now."""
        return [key for key in self.begun - self.done if self.slots[key].machine == machine]


def shop_now(floor: Floor) -> Shop:
    """The shop from now on."""
    now_s, shop = floor.now_s, floor.shop
    stands = _standing(floor)
    jobs = []
    for id_, job in floor.jobs.items():
        left = _left(floor, floor.operations[id_], stands)
        if left:
            due_s = None if job.due_s is None else job.due_s - now_s
            jobs.append(replace(job, operations=left, release_s=max(0, job.release_s - now_s), due_s=due_s))
    state = {m.id: m.state for m in shop.machines}
    for key in sorted(floor.done, key=lambda k: floor.slots[k].start_s):
        made = floor.operations[key[0]].get(key[1])
        state[floor.slots[key].machine] = (made.setup if made else "") or state[floor.slots[key].machine]
    blocked = [Blocked(b.machine, max(0, b.start_s - now_s), b.end_s - now_s, b.why)
               for b in floor.blocked if b.end_s > now_s]
    operators = [replace(o, away=tuple((a - now_s, b - now_s) for a, b in o.away if b > now_s))
                 for o in floor.operators.values()]
    return Shop(
        shop.origin_ns + now_s * NS_PER_S, tuple(replace(m, state=state[m.id]) for m in shop.machines), tuple(jobs),
        tuple(blocked), None if shop.horizon_s is None else shop.horizon_s - now_s, tuple(operators), shop.setups,
        shop.tools, {name: max(0, at_s - now_s) for name, at_s in floor.materials.items()})


def _standing(floor: Floor) -> dict[Key, Slot]:
    """What stands where it is: what runs, and what was to begin so soon that its setup has begun, or is frozen ahead,
    where it still can."""
    stands = {key: floor.slots[key] for key in floor.begun - floor.done}
    named = {o.key: o for operations in floor.operations.values() for o in operations.values()}
    ahead = [key for key, o in named.items() if key in floor.slots and key not in floor.begun
             and (o.frozen or floor.slots[key].start_s - floor.slots[key].setup_s < floor.now_s)]
    for key in sorted(ahead, key=lambda k: floor.slots[k].start_s):
        slot, operation = floor.slots[key], named[key]
        if slot.start_s < floor.now_s or not _still(floor, operation, slot, stands):
            continue
        stands[key] = slot
        floor.begun.add(key)
    return stands


def _still(floor: Floor, operation: Operation, slot: Slot, stands: Mapping[Key, Slot]) -> bool:
    """Whether it can run there as planned."""
    seconds = dict(operation.on).get(slot.machine)
    if seconds != slot.end_s - slot.start_s or not floor.could(operation, slot):
        return False
    begin_s = slot.start_s - slot.setup_s
    if any(b.machine == slot.machine and b.start_s < slot.end_s and begin_s < b.end_s for b in floor.blocked):
        return False
    away = floor.operators[slot.operator].away if slot.operator in floor.operators else ()
    if any(a < slot.end_s and slot.start_s < b for a, b in away):
        return False
    span = (slot.start_s, slot.end_s)
    return not any(
        (begin_s if other.machine == slot.machine else slot.start_s) < other.end_s and other.start_s < slot.end_s
        and span != (other.start_s, other.end_s)  # nobody is needed for a setup
        for other in stands.values()
        if other.machine == slot.machine or (slot.operator and other.operator == slot.operator))


def _left(floor: Floor, operations: Mapping[str, Operation], stands: Mapping[Key, Slot]) -> tuple[Operation, ...]:
    """Of an order, what is still to be done or watched, waiting only for each other."""
    waited = {
        name for o in operations.values() if o.key not in floor.done and o.key not in stands
        for name in o.after if (o.job, name) in floor.done
        and floor.slots[o.job, name].end_s + o.link(name).lag_s > floor.now_s}
    left = {name: o for name, o in operations.items() if o.key not in floor.done or name in waited}
    found = []
    for name, o in left.items():
        after = tuple(a for a in o.after if a in left) if name not in waited else ()
        slot = stands.get(o.key) or (floor.slots[o.key] if name in waited else None)
        frozen = slot and replace(
            slot, start_s=slot.start_s - floor.now_s, end_s=slot.end_s - floor.now_s, frozen=True)
        links = tuple(link for link in o.links if link.operation in after)
        found.append(replace(o, after=after, links=links, frozen=frozen))
    return tuple(found)
