"""Shops with everything in them for the tests: random small ones, a generated paint shop, and trying everything."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence

from hypothesis import strategies as st

from loopwright.core.types import Plan, Slot
from loopwright.make.objective import parse, value
from loopwright.make.shop import Blocked, Job, Link, Machine, Operation, Operator, Setup, Shop

STATES = ("", "red", "blue")


def as_plan(shop: Shop, slots: Sequence[Slot], objective: str = "makespan") -> Plan:
    """What a search returned, as a plan the checker can look at."""
    return Plan(shop.origin_ns, tuple(slots), "feasible", objective, value(parse(objective), shop, slots), 0, "test", 0.0)


@st.composite
def general_shops(draw: st.DrawFn, jobs_at_most: int = 5, operations_at_most: int = 3, begun: bool = True, batches: bool = True) -> Shop:
    """Up to 3 machines with setups, persons, tools, materials, lags and lots, batches, closed times, what has begun."""
    names = [f"m{n}" for n in range(draw(st.integers(1, 3)))]
    machines = tuple(Machine(m, m, draw(st.sampled_from(STATES)), draw(st.integers(1, 3)) if batches else 1) for m in names)
    times = st.integers(0, 40)
    setups = {(m, a, b): draw(st.integers(0, 9)) for m in names for a in ("*", "red", "blue") for b in ("red", "blue") if draw(st.booleans())}
    operators = tuple(
        Operator(f"p{n}", tuple(draw(st.sets(st.sampled_from(("x", "y")), max_size=2))) + (("x", "y") if n == 0 else ()),
                 tuple((a, a + draw(st.integers(1, 15))) for a in draw(st.lists(times, max_size=2))))
        for n in range(draw(st.integers(1, 2))))
    jobs = [draw(_general_job(f"j{n}", names, operations_at_most, batches)) for n in range(draw(st.integers(1, jobs_at_most)))]
    if begun and draw(st.booleans()):
        jobs[0] = _begun(draw, jobs[0])
    blocked = tuple(Blocked(draw(st.sampled_from(names)), a, a + draw(st.integers(1, 20)), "shift") for a in draw(st.lists(times, max_size=4)))
    return Shop(
        0, machines, tuple(jobs), blocked, None, operators, tuple(Setup(*key, s) for key, s in setups.items()),
        {"hook": draw(st.integers(1, 2)), "gauge": 1}, {"steel": draw(times), "paint": 0})


@st.composite
def _general_job(draw: st.DrawFn, job: str, machines: list[str], operations_at_most: int, batches: bool) -> Job:
    operations: list[Operation] = []
    for n in range(draw(st.integers(1, operations_at_most))):
        chosen = draw(st.lists(st.sampled_from(machines), min_size=1, max_size=2, unique=True))
        on = tuple((m, draw(st.integers(1, 12))) for m in chosen)
        after = tuple(draw(st.lists(st.sampled_from([o.name for o in operations]), max_size=2, unique=True))) if n else ()
        links = tuple(Link(a, draw(st.integers(0, 6)), draw(st.sampled_from((None, None, 0, 3)))) for a in after if draw(st.booleans()))
        operations.append(Operation(
            job, f"op{n}", on, after, None, draw(st.sampled_from(STATES)), draw(st.sampled_from(("", "", "x", "y"))),
            tuple(draw(st.sets(st.sampled_from(("hook", "gauge")), max_size=1))), tuple(draw(st.sets(st.sampled_from(("steel", "paint")), max_size=1))),
            links, draw(st.sampled_from(("", "b"))) if batches else ""))
    return Job(job, tuple(operations), draw(st.integers(0, 20)), draw(st.none() | st.integers(-5, 60)), draw(st.sampled_from((0.5, 1.0, 3.0))))


def _begun(draw: st.DrawFn, job: Job) -> Job:
    """The job with its first operation running, or standing in the frozen zone ahead."""
    first = job.operations[0]
    start_s = draw(st.integers(-5, 30))
    slot = Slot(first.job, first.name, first.on[0][0], start_s, max(0, start_s + first.on[0][1]), True, draw(st.integers(0, 5)),
                draw(st.sampled_from(("", "p0"))) if first.skill else "")
    running = Operation(first.job, first.name, first.on, (), slot, first.setup, first.skill, first.tools)
    return Job(job.id, (running, *job.operations[1:]), job.release_s, job.due_s, job.weight)


def paint_shop(jobs: int, seed: int = 0, machines: int = 4, colours: int = 6, operations: int = 3, shifts: bool = True) -> Shop:
    """Jobs of some operations over machines with setups between colours, due dates that are tight, and closed nights."""
    rng = random.Random(seed)
    names = [f"m{n}" for n in range(machines)]
    made = []
    for n in range(jobs):
        route = rng.sample(range(machines), min(operations, machines))
        colour = f"c{rng.randrange(colours)}"
        done = [Operation(f"j{n}", f"op{k}", ((names[m], rng.randint(300, 3600)),), (f"op{k - 1}",) if k else (), setup=colour if m % 2 == 0 else "")
                for k, m in enumerate(route)]
        work = sum(o.on[0][1] for o in done)
        release = rng.randint(0, 2000 * jobs * operations // machines // 2)
        made.append(Job(f"j{n}", tuple(done), release, release + int(work * rng.uniform(1, 4)), float(rng.randint(1, 5))))
    setups = tuple(Setup(m, f"c{a}", f"c{b}", rng.randint(300, 1800)) for m in names for a in range(colours) for b in range(colours) if a != b)
    nights = tuple(Blocked(m, d * 86400 + 57600, (d + 1) * 86400, "night") for m in names for d in range(2 + jobs // 10)) if shifts else ()
    return Shop(0, tuple(Machine(m, m, "c0") for m in names), tuple(made), nights, setups=setups)


def brute_force(shop: Shop, objective: str) -> float:
    """The least cost of a tiny shop without batches: every order, every machine, each second tried from 0 on."""
    best, free = float("inf"), [o for o in shop.operations if not o.frozen]
    goal = parse(objective)
    begun = [o.frozen for o in shop.operations if o.frozen]
    for order in itertools.permutations(free):
        places = {o.key for o in shop.operations if o.frozen}
        if any((o.job, name) not in places and (o.job, name) not in {p.key for p in order[:k]} for k, o in enumerate(order) for name in o.after):
            continue
        for machines in itertools.product(*(o.on for o in order)):
            for people in itertools.product(*([p.id for p in shop.operators if o.skill in p.skills] if o.skill else [""] for o in order)):
                slots = list(begun)
                for o, (machine, seconds), person in zip(order, machines, people, strict=True):
                    slots.append(next(_places(shop, slots, o, machine, seconds, person)))
                best = min(best, value(goal, shop, slots))
    return best


def _places(shop: Shop, slots: list[Slot], o: Operation, machine: str, seconds: int, person: str) -> Iterator[Slot]:
    """Where an operation can go behind all that its machine has, the earliest first."""
    job = next(j for j in shop.jobs if j.id == o.job)
    lines = {(s.machine, s.before, s.after): s.seconds for s in shop.setups}
    named = {p.key: p for p in shop.operations}
    at = {(s.order, s.operation): s for s in slots}
    here = [s for s in slots if s.machine == machine]
    state = next((m.state for m in shop.machines if m.id == machine), "")
    for s in sorted(here, key=lambda s: s.start_s):
        state = named[s.order, s.operation].setup or state
    changed = state and o.setup
    setup_s = (lines.get((machine, state, o.setup), lines.get((machine, "*", o.setup), 0) if state != o.setup else 0)) if changed else 0
    away = {p.id: p.away for p in shop.operators}.get(person, ())
    for start in itertools.count(max([setup_s, shop.ready_s(job, o), *(s.end_s + setup_s for s in here)])):
        end = start + seconds
        links = [(at[o.job, name], o.link(name)) for name in o.after]
        if any(start < s.end_s + link.lag_s if link.lot_s is None else start < s.start_s + link.lot_s or end < s.end_s + link.lag_s for s, link in links):
            continue
        if any(b.machine == machine and b.start_s < end and start - setup_s < b.end_s for b in shop.blocked):
            continue
        if any(a < end and start < b for a, b in away) or (person and any(s.operator == person and s.start_s < end and start < s.end_s for s in slots)):
            continue
        using = [s for s in slots if s.start_s < end and start < s.end_s]
        if any(sum(tool in named[s.order, s.operation].tools and s.start_s <= t < s.end_s for s in using) >= shop.tools[tool]
               for tool in o.tools for t in range(start, end)):
            continue
        yield Slot(o.job, o.name, machine, start, end, False, setup_s, person)
