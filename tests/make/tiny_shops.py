"""Shops so small that every plan of whole seconds can be looked at; what is a plan, `make.check` alone decides."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from hypothesis import strategies as st

from loopwright.core.types import Plan, Slot
from loopwright.make.check import check
from loopwright.make.objective import parse, value
from loopwright.make.shop import Blocked, Job, Link, Machine, Operation, Operator, Setup, Shop

STATES = ("", "red", "blue")


@st.composite
def tiny_shops(draw: st.DrawFn, operations_at_most: int = 3, horizon: bool = False) -> Shop:
    """One to three operations on one or two machines with all that a shop may have, in a few seconds."""
    names = ["m0", "m1"][: draw(st.integers(1, 2))]
    machines = tuple(Machine(m, m, draw(st.sampled_from(STATES)), draw(st.sampled_from((1, 1, 2)))) for m in names)
    changes = {(m, a, b): draw(st.integers(0, 2)) for m in names for a in ("*", "red", "blue") for b in ("red", "blue") if draw(st.booleans())}
    left, jobs = draw(st.integers(1, operations_at_most)), []
    while left:
        count = draw(st.integers(1, min(2, left)))
        left -= count
        jobs.append(draw(_jobs(f"j{len(jobs)}", names, count)))
    if draw(st.integers(0, 3)) == 0:
        jobs[0] = _begun(draw, jobs[0])
    small = st.integers(0, 5)
    blocked = tuple(Blocked(draw(st.sampled_from(names)), a, a + draw(st.integers(1, 3)), "shift") for a in draw(st.lists(small, max_size=2)))
    people = tuple(
        Operator(f"p{n}", ("x", "y") if n == 0 else ("x",), tuple((a, a + draw(st.integers(1, 3))) for a in draw(st.lists(small, max_size=1))))
        for n in range(draw(st.integers(1, 2))))
    return Shop(
        0, machines, tuple(jobs), blocked, draw(st.integers(2, 12)) if horizon else None, people,
        tuple(Setup(*key, seconds) for key, seconds in changes.items()), {"hook": 1}, {"steel": draw(small)})


@st.composite
def _jobs(draw: st.DrawFn, job: str, names: list[str], count: int) -> Job:
    operations: list[Operation] = []
    for n in range(count):
        on = tuple((m, draw(st.integers(1, 3))) for m in draw(st.lists(st.sampled_from(names), min_size=1, unique=True)))
        after = ("op0",) if n and draw(st.booleans()) else ()
        links = (Link("op0", draw(st.integers(0, 2)), draw(st.sampled_from((None, 0, 1)))),) if after and draw(st.booleans()) else ()
        operations.append(Operation(
            job, f"op{n}", on, after, None, draw(st.sampled_from(STATES)), draw(st.sampled_from(("", "", "x", "y"))),
            draw(st.sampled_from(((), (), ("hook",)))), draw(st.sampled_from(((), (), ("steel",)))), links, draw(st.sampled_from(("", "b")))))
    due = draw(st.none() | st.integers(0, 6))
    return Job(job, tuple(operations), draw(st.integers(0, 3)), due, draw(st.sampled_from((0.5, 1.0, 3.0))))


def _begun(draw: st.DrawFn, job: Job) -> Job:
    """The job with its first operation running, or standing in the frozen zone ahead."""
    first = job.operations[0]
    machine, seconds = first.on[0]
    start_s = draw(st.integers(-1, 4))
    slot = Slot(first.job, first.name, machine, start_s, max(0, start_s + seconds), True, draw(st.integers(0, 1)),
                draw(st.sampled_from(("", "p0"))) if first.skill else "")
    running = Operation(first.job, first.name, first.on, (), slot, first.setup, first.skill, first.tools, batch=first.batch)
    return Job(job.id, (running, *job.operations[1:]), job.release_s, job.due_s, job.weight)


def cheapest(shop: Shop, objective: str, last_s: int) -> float | None:
    """What the best of all plans costs that end by last_s and that the checker lets pass; None: there is none."""
    aim = parse(objective)
    found = sorted(((value(aim, shop, slots), n, slots) for n, slots in enumerate(_all(shop, last_s))), key=lambda entry: entry[:2])
    for cost, _, slots in found:
        if not check(shop, Plan(shop.origin_ns, slots, "feasible", objective, cost, 0.0, "all", 0.0)):
            return cost
    return None


def _all(shop: Shop, last_s: int) -> Iterator[tuple[Slot, ...]]:
    """Every machine, start, person for every operation, with the setups that their order asks for."""
    choices = [_slots(shop, o, last_s) for o in shop.operations]
    for slots in itertools.product(*choices):
        yield _with_setups(shop, slots)


def _slots(shop: Shop, o: Operation, last_s: int) -> list[Slot]:
    if o.frozen:
        return [o.frozen]
    job = next(job for job in shop.jobs if job.id == o.job)
    people = [p.id for p in shop.operators if o.skill in p.skills] if o.skill else [""]
    return [
        Slot(o.job, o.name, m, start, start + seconds, False, 0, person)
        for m, seconds in o.on for start in range(shop.ready_s(job, o), last_s - seconds + 1) for person in people]


def _with_setups(shop: Shop, slots: Sequence[Slot]) -> tuple[Slot, ...]:
    lines = {(s.machine, s.before, s.after): s.seconds for s in shop.setups}
    needs = {o.key: o.setup for o in shop.operations}
    state = {m.id: m.state for m in shop.machines}
    changed: dict[int, Slot] = {}
    shown = sorted(enumerate(slots), key=lambda entry: (entry[1].start_s, entry[1].end_s))
    for (_, _, machine), group in itertools.groupby(sorted(shown, key=lambda e: (e[1].start_s, e[1].end_s, e[1].machine)),
                                                    key=lambda e: (e[1].start_s, e[1].end_s, e[1].machine)):
        together = list(group)
        want = next((needs[s.order, s.operation] for _, s in together if needs[s.order, s.operation]), "")
        before = state[machine]
        general = lines.get((machine, "*", want), 0) if want != before else 0
        seconds = lines.get((machine, before, want), general) if want and before else 0
        for n, s in together:
            changed[n] = s if s.frozen else Slot(s.order, s.operation, s.machine, s.start_s, s.end_s, False, seconds, s.operator)
        state[machine] = want or before
    return tuple(changed[n] for n in range(len(slots)))
