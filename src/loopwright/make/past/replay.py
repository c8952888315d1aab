"""The last weeks of a log planned again from what was known at the time, and carried out with what it really took.

    world = world_of(works, start_ns, Assumed(zone="Europe/Berlin"))
    ends = by_rule(world, first_in)                   order -> when it would have ended
    ends = by_plan(world, Planning(every_s=86_400))   planned every day, or repaired

At each moment of planning the planner knows: orders that have begun, the operations of their routes (rework when it can
begin), what is done and what runs, usual weeks and durations learnt from what was completed by then. It does not know
how long anything will take, who will be there, or orders to come. What the replay assumes stands in
docs/how-to/replay-a-shop.md.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError
from loopwright.core.types import Plan, Slot
from loopwright.make.past import attendance
from loopwright.make.past.attendance import Capacity, Times, Week
from loopwright.make.past.durations import Durations, fit
from loopwright.make.past.floor import Choose, Floor, Piece, Running, idle_waits, pieces_of
from loopwright.make.past.work_log import Work, known_by
from loopwright.make.plan import plan
from loopwright.make.repair import repair
from loopwright.make.shop import Blocked, Job, Key, Machine, Operation, Shop

DAY_S = 86_400
WHO, THERE, WAITS = ("same", "skilled"), ("seen", "usual"), ("none", "idle", "long")
STANDSTILL_D = 92
AHEAD_S = 28 * DAY_S  # how far the calendar is looked at
AGAIN = " #"  # between a resource's name and the number of its lane
AFTER_S = 84 * DAY_S  # how long after the log's end people are taken to come as usual


@dataclass(frozen=True)
class Assumed:
    """What the log does not say.

    who      'same': only whoever did a piece can do it; 'skilled': whoever was seen at its activity before the start
             at least `times` times
    bridge_s who was idle for no longer was there, and could have done one thing
    there    'seen': nobody was there otherwise; 'usual': everybody was there in his usual hours as well, at one thing
    waits    'none' are kept; 'idle': those in which whoever did it was there and idle; 'long': those, and whole waits
             of more than long_s
    """

    zone: str = "UTC"
    who: str = "same"
    bridge_s: float = 4 * 3600.0
    there: str = "seen"
    waits: str = "none"
    long_s: float = 2.0 * DAY_S
    times: int = 3

    def __post_init__(self) -> None:
        for name, allowed in (("who", WHO), ("there", THERE), ("waits", WAITS)):
            if getattr(self, name) not in allowed:
                raise InputError(f"replay: {name}", repr(getattr(self, name)), ", ".join(allowed))


@dataclass(frozen=True)
class World:
    """A log made ready to be done again. there: resource -> when, and for how much; able: piece -> resources.

    week    learnt by start_ns, and lanes: how many things each does at once
    orders  those with work left at start_ns; real_ns: order -> (first start, last end) in the log
    """

    start_ns: int
    assumed: Assumed
    works: tuple[Work, ...]
    pieces: tuple[Piece, ...]
    there: Mapping[str, Capacity]
    able: Mapping[Key, tuple[str, ...]]
    week: Week
    lanes: Mapping[str, int]
    orders: tuple[str, ...]
    real_ns: Mapping[str, tuple[int, int]]

    def floor(self) -> Floor:
        """The shop as it really stood at start_ns."""
        return Floor(self.pieces, self.there, self.able, self.start_ns)


def world_of(works: Sequence[Work], start_ns: int, assumed: Assumed) -> World:
    """A log, ready to be done again from start_ns on. Raises InputError when nothing is known before, or left
    after, or the shop stands still for a quarter of a year."""
    rows = sorted(works, key=lambda w: (w.end_ns, w.order, w.line))
    known = known_by(rows, start_ns)
    if not known or len(known) == len(rows):
        raise InputError("replay", f"{len(known)} of {len(rows)} rows were completed before the start",
                         "some before and some after", "another start")
    _refuse_gap(rows)
    pieces = pieces_of(rows)
    seen = attendance.presence(rows, assumed.bridge_s)
    if assumed.waits != "none":
        pieces = idle_waits(pieces, seen, assumed.long_s if assumed.waits == "long" else None)
    skilled = attendance.skills(known)
    there = _there(rows, assumed, skilled)
    able = {p.key: _able(p, assumed, there, skilled) for p in pieces}
    real: dict[str, tuple[int, int]] = {}
    for p in pieces:
        first, last = real.get(p.key[0], (p.work.start_ns, p.work.end_ns))
        real[p.key[0]] = min(first, p.work.start_ns), max(last, p.work.end_ns)
    orders = tuple(sorted(order for order, (_, last) in real.items() if last > start_ns))
    week = attendance.learn(rows, assumed.zone, start_ns)
    lanes = attendance.at_once(attendance.capacity(known, assumed.bridge_s))
    return World(start_ns, assumed, tuple(rows), tuple(pieces), there, able, week, lanes, orders, real)


def _refuse_gap(rows: Sequence[Work]) -> None:
    """A wrong year in one date leaves the shop standing still for years."""
    for before, after in itertools.pairwise(rows):
        gap_d = (after.start_ns - before.end_ns) / NS_PER_S / DAY_S
        if gap_d > STANDSTILL_D:
            where = f"work at order {after.order!r}" + (f", line {after.line}" if after.line else "")
            raise InputError(f"replay: {where}", f"begins {gap_d:,.0f} days after everything before it has ended",
                             f"{STANDSTILL_D} days at most", "correct its date, or cut the log there")


def _there(rows: Sequence[Work], assumed: Assumed, skilled: Mapping[str, Any]) -> dict[str, Capacity]:
    """As it was, and after the log's end as usual. Who can do less is asked first."""
    end_ns = rows[-1].end_ns
    usual = attendance.learn(rows, assumed.zone, end_ns)
    seen = attendance.capacity(rows, assumed.bridge_s)
    often = attendance.at_once(seen)
    found = {}
    for name in sorted(seen, key=lambda n: (len(skilled.get(n, ())), n)):
        later = attendance.open_times(usual, name, end_ns, end_ns + AFTER_S * NS_PER_S)
        later = later or [(end_ns, end_ns + AFTER_S * NS_PER_S)]  # seen too little to have usual hours
        here = seen[name]
        if assumed.there == "usual":
            hours = attendance.open_times(usual, name, rows[0].start_ns, end_ns)
            here = attendance.with_hours(here, hours)
        found[name] = [*here, *((a, b, often[name]) for a, b in later)]
    return found


def _lanes(world: World, name: str) -> list[str]:
    """The machines of the planner's shop that stand for a resource: one for each thing it does at once."""
    return [name, *(f"{name}{AGAIN}{n}" for n in range(2, world.lanes.get(name, 1) + 1))]


def _able(
    piece: Piece, assumed: Assumed, there: Mapping[str, Any], skilled: Mapping[str, Mapping[str, int]]
) -> tuple[str, ...]:
    names = {piece.work.resource}
    if assumed.who == "skilled":
        names |= {n for n in there if skilled.get(n, {}).get(piece.work.activity, 0) >= assumed.times}
    return tuple(sorted(names))


def by_rule(world: World, choose: Choose) -> dict[str, int]:
    """order -> when it would have ended, with everybody going by that rule."""
    floor = world.floor()
    floor.run(choose)
    return {order: floor.ends[order] for order in world.orders}


@dataclass(frozen=True)
class Planning:
    """How the shop is planned.

    every_s   from one planning to the next; first at the start
    due_ns    order -> when it should have ended; objective: of `plan`
    repair    repair the plan before instead of planning anew
    told      whether the planner is told the durations that will be: what exact durations would be worth
    seconds, iterations, seed   of each planning
    """

    due_ns: Mapping[str, int]
    every_s: float = DAY_S
    objective: str = "tardiness"
    repair: bool = False
    told: bool = False
    seconds: float = 1.0
    iterations: int | None = 20_000
    seed: int = 0


@dataclass
class Replayed:
    """order -> end; and what the planning took: times planned, largest number of operations, kept parts of repairs."""

    ends_ns: dict[str, int] = field(default_factory=dict)
    plans: int = 0
    largest: int = 0
    took_s: list[float] = field(default_factory=list)
    kept: list[float] = field(default_factory=list)
    solvers: set[str] = field(default_factory=set)


def by_plan(world: World, planning: Planning, check: Callable[[Shop, Plan], Any] | None = None) -> Replayed:
    """The weeks with a plan, made again every so often.

    Everybody takes the first of his planned operations that is ready; who has none takes a ready one that is not
    planned yet, or that is planned for somebody else and that he can do, the earliest first.
    check  called with every shop and plan
    """
    floor, said, old = world.floor(), Replayed(), None
    at_ns, last_ns = world.start_ns, max(mine[-1][1] for mine in world.there.values())
    while floor.busy:
        shop = shop_at(world, floor, planning)
        if shop.operations:
            found = _planned(shop, old, planning, said)
            said.plans, said.largest = said.plans + 1, max(said.largest, len(shop.operations))
            said.took_s.append(found.took_s)
            said.solvers.add(found.solver)
            if check:
                check(shop, found)
            old = found
        at_ns += round(planning.every_s * NS_PER_S)
        floor.run(_as_planned(old), at_ns if at_ns < last_ns else None)
    said.ends_ns = {order: floor.ends[order] for order in world.orders}
    return said


def _planned(shop: Shop, old: Plan | None, planning: Planning, said: Replayed) -> Plan:
    if old is None or not planning.repair:
        return plan(shop, planning.seconds, planning.objective, planning.seed, iterations=planning.iterations)
    mended = repair(shop, old, min(planning.seconds, 1.0), objective=planning.objective, seed=planning.seed,
                    iterations=planning.iterations)
    said.kept.append(mended.kept_part)
    return mended.plan


def _as_planned(current: Plan | None) -> Choose:
    mine: dict[str, set[Key]] = defaultdict(set)
    start: dict[Key, int] = {}
    for slot in current.slots if current else ():
        mine[slot.machine.partition(AGAIN)[0]].add((slot.order, slot.operation))
        start[slot.order, slot.operation] = slot.start_s

    def choose(floor: Floor, name: str, ready: list[Piece]) -> Key | None:
        planned = [piece for piece in ready if piece.key in mine[name]]
        return min(planned or ready, key=lambda p: (start.get(p.key, -1), p.key)).key

    return choose


def shop_at(world: World, floor: Floor, planning: Planning) -> Shop:
    """What the planner sees at the floor's moment."""
    now_ns = floor.now_ns
    open_ = {name: _expected(world, floor, name) for name in world.there}
    longest_ns = {name: max(b - a for a, b in times) for name, times in open_.items()}
    guess = _Guess(learnt_at(world, floor), longest_ns, planning.told)
    jobs: dict[str, list[Operation]] = defaultdict(list)
    for name, hands in floor.running.items():
        for lane, one in zip(_lanes(world, name), hands, strict=False):  # what has no lane is taken to be nearly done
            slot = _running(one, lane, guess.seconds(one.piece, name), now_ns)
            jobs[slot.order].append(Operation(*one.piece.key, ((lane, slot.end_s - slot.start_s),), (), slot))
    known = {p.key for p in floor.todo.values() if _seen(p, floor)}
    open_keys = known | {o.key for mine in jobs.values() for o in mine}
    after = {p.key: p.after for p in world.pieces}
    for key in sorted(known):
        piece = floor.todo[key]
        on = tuple((lane, guess.seconds(piece, name)) for name in world.able[key] for lane in _lanes(world, name))
        jobs[key[0]].append(Operation(*key, on, tuple(name for _, name in _waits(key, after, open_keys))))
    due = planning.due_ns
    return Shop(
        now_ns, tuple(Machine(lane, "work") for name in world.there for lane in _lanes(world, name)),
        tuple(Job(order, tuple(mine), due_s=(due[order] - now_ns) // NS_PER_S if order in due else None)
              for order, mine in jobs.items()),
        tuple(Blocked(lane, (a - now_ns) // NS_PER_S, (b - now_ns) // NS_PER_S, "not expected")
              for name, times in open_.items() for lane in _lanes(world, name)
              for a, b in attendance.closed_times(times, now_ns, now_ns + AHEAD_S * NS_PER_S)))


def learnt_at(world: World, floor: Floor) -> Durations:
    """Durations from what was completed by then: in the log before the replay, on the floor since.

    They do not look at the pieces of a row, which a log tells only when the work is done.
    """
    return fit([p.work for p in world.pieces if p.key in floor.done], None, lambda work: 0.0)


def _expected(world: World, floor: Floor, name: str) -> Times:
    """When the planner expects somebody: as usual; who is there now stays four hours at least; who has no usual hours
    is taken to be there, since the route sends work to him."""
    now_ns = floor.now_ns
    usual = attendance.open_times(world.week, name, now_ns, now_ns + AHEAD_S * NS_PER_S)
    here = [(now_ns, now_ns + 4 * 3600 * NS_PER_S)] if floor.hands(name) else []
    return attendance.merged([*usual, *here]) if usual else [(now_ns, now_ns + AHEAD_S * NS_PER_S)]


@dataclass(frozen=True)
class _Guess:
    """What the planner takes a piece to last: the median, no longer than the longest shift of who does it."""

    learnt: Durations
    longest_ns: Mapping[str, int]
    told: bool

    def seconds(self, piece: Piece, name: str) -> int:
        expected = piece.seconds if self.told else self.learnt.seconds(piece.work, 0.5, name)
        return max(1, min(max(60, round(expected)), self.longest_ns[name] // NS_PER_S))


def _running(one: Running, lane: str, seconds: int, now_ns: int) -> Slot:
    """Where a running piece is taken to end: its median from its start, at least a tenth of that from now."""
    end_ns = max(one.start_ns + seconds * NS_PER_S, now_ns + seconds * NS_PER_S // 10)
    order, operation = one.piece.key
    start_s = -((now_ns - one.start_ns) // NS_PER_S)
    return Slot(order, operation, lane, min(start_s, 0), max(1, (end_ns - now_ns) // NS_PER_S), frozen=True)


def _seen(piece: Piece, floor: Floor) -> bool:
    """Whether the planner knows of it: its order has begun, and it is on the route or can begin."""
    if floor.release[piece.key[0]] > floor.now_ns:
        return False
    return piece.known or all(key in floor.done for key in piece.after)


def _waits(key: Key, after: Mapping[Key, tuple[Key, ...]], known: set[Key]) -> list[Key]:
    """What it waits for as far as that is known and open: through what is not known to what came before it."""
    found, look, seen = set(), list(after[key]), set(after[key])
    while look:
        other = look.pop()
        if other in known:
            found.add(other)
        else:
            new = [k for k in after[other] if k not in seen]
            look += new
            seen |= set(new)
    return sorted(found)
