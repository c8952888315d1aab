"""Promises at order entry: seconds at 500 open orders, and how often the quick answer is that of ten seconds.

    python -m benchmarks.bench_promise

A generated plant: 500 open orders of 8 operations on 40 machines from 6 to 22 on weekdays, with setups on every second
machine, 60 people in shifts, tools and materials; seed 1. Orders more are asked for, one after the other, each beside
the same plan, in a warm process. `cpu` is processor time, which a busy machine does not stretch.

gaps: the date with nobody moved; proven says that no place in the gaps is earlier. moves: the date with nobody late,
beside ten seconds of the same search, and beside ten seconds of annealing (anneal.general) of the whole shop from the
quick answer, with the new order's end as its objective and a second of anybody's lateness at ten thousand times that.
"""

from __future__ import annotations

import random
import statistics
import time
from dataclasses import replace
from typing import Any

from loopwright.core.clock import monotonic_s
from loopwright.core.types import Plan
from loopwright.make.budget import Budget
from loopwright.make.check import check
from loopwright.make.objective import Objective
from loopwright.make.plan import plan
from loopwright.make.promise import Offer, Promise, promise
from loopwright.make.shop import Blocked, Job, Machine, Operation, Operator, Setup, Shop

HOUR, DAY = 3_600, 86_400
MACHINES, PEOPLE, STATES, SKILLS, MATERIALS = 40, 60, 6, 8, 30
LIMIT_S = 1.0


def plant(orders: int = 500, seed: int = 1, days: int = 60) -> Shop:
    """The plant with so many open orders, from a Monday at 6 on."""
    rng = random.Random(seed)
    machines = tuple(Machine(f"m{n:02d}", f"r{n % 10}", "c0") for n in range(MACHINES))
    closed = tuple(
        Blocked(m.id, day * DAY + (16 * HOUR if day % 7 < 5 else 0), (day + 1) * DAY, "closed shift")
        for m in machines for day in range(days))
    away = [tuple((day * DAY + begin_h * HOUR, day * DAY + (begin_h + 8) * HOUR) for day in range(days))
            for begin_h in (8, 0)]
    people = tuple(Operator(f"p{n:02d}", tuple(rng.sample([f"s{k}" for k in range(SKILLS)], 3)), away[n % 2])
                   for n in range(PEOPLE))
    setups = tuple(Setup(m.id, f"c{a}", f"c{b}", rng.randrange(300, 1500, 60))
                   for m in machines[::2] for a in range(STATES) for b in range(STATES) if a != b)
    materials = {f"x{n}": max(0, rng.randint(-5 * DAY, 6 * DAY)) for n in range(MATERIALS)}
    tools = {f"t{n}": 4 for n in range(10)}
    jobs = tuple(order(f"o{n:03d}", rng, rng.randint(4 * DAY, 25 * DAY)) for n in range(orders))
    return Shop(0, machines, jobs, closed, None, people, setups, tools, materials)


def order(name: str, rng: random.Random, due_s: int | None) -> Job:
    """An order of eight operations, the fourth and fifth beside each other."""
    operations = []
    for n in range(8):
        role, seconds = rng.randrange(10), rng.randrange(1200, 5400, 60)
        on = tuple((f"m{role + 10 * k:02d}", seconds * (9 + k) // 10) for k in range(rng.randint(1, 3)))
        after = () if n == 0 else ("op2",) if n == 4 else ("op3", "op4") if n == 5 else (f"op{n - 1}",)
        operations.append(Operation(
            name, f"op{n}", on, after, None, f"c{rng.randrange(STATES)}" if role % 2 == 0 else "",
            f"s{rng.randrange(SKILLS)}" if rng.random() < 0.4 else "", (f"t{rng.randrange(10)}",) if rng.random() < 0.2
            else (), (f"x{rng.randrange(MATERIALS)}",) if n == 0 else ()))
    return Job(name, tuple(operations), 0, due_s)


def asked(count: int, seed: int = 5) -> list[Job]:
    """Orders that are asked for, with the dates that their customers want."""
    rng = random.Random(seed)
    return [order(f"new{n:02d}", rng, rng.randint(1 * DAY, 10 * DAY)) for n in range(count)]


def measured(shop: Shop, there: Plan, job: Job) -> tuple[Promise, float, float]:
    """(the answer, seconds of wall, seconds of processor)."""
    wall_s, cpu_s = monotonic_s(), time.process_time()
    answer = promise(shop, there, job)
    return answer, monotonic_s() - wall_s, time.process_time() - cpu_s


def kept(answer: Promise) -> Offer:
    """The earliest offer with nobody late."""
    return [offer for offer in answer.offers if offer.how != "delays"][-1]


def annealed_s(shop: Shop, there: Plan, job: Job, quick: Offer, seconds: float) -> int:
    """When the job ends after annealing the whole shop from a quick answer, nobody late."""
    from loopwright.make.anneal.general import improve

    ends = {s.order: 0 for s in there.slots}
    for slot in there.slots:
        ends[slot.order] = max(ends[slot.order], slot.end_s)
    jobs = tuple(replace(one, due_s=max(one.due_s or 0, ends[one.id]), weight=1e4) for one in shop.jobs)
    whole = replace(shop, jobs=(*jobs, replace(job, due_s=0, weight=1.0)))
    slots = improve(whole, list(quick.plan.slots), Objective(tardiness=1.0), Budget(seconds, 2))
    last: dict[str, int] = {}
    for slot in slots:
        last[slot.order] = max(last.get(slot.order, 0), slot.end_s)
    fine = all(last[one.id] <= (one.due_s or 0) for one in jobs)
    return min(last[job.id], quick.end_s) if fine else quick.end_s


def measure(count: int, compared: int) -> list[dict[str, Any]]:
    """Seconds over `count` orders; dates beside longer searches over the first `compared` of them."""
    shop = plant()
    there = plan(shop, 0.0, "tardiness")
    jobs = asked(count + 1)
    promise(shop, there, jobs[-1])  # so that all is loaded
    answers = [measured(shop, there, job) for job in jobs[:count]]
    for (answer, _, _), job in zip(answers, jobs, strict=False):
        assert all(not check(replace(shop, jobs=(*shop.jobs, job)), offer.plan) for offer in answer.offers)
    rows: list[dict[str, Any]] = []
    for what, at in (("wall", 1), ("cpu", 2)):
        took = sorted(row[at] for row in answers)
        rows.append({"open_orders": len(shop.jobs), "operations": len(shop.operations), "asked": count, "seconds": what,
                     "p50_s": statistics.median(took), "p95_s": took[int(0.95 * (count - 1))], "limit_s": LIMIT_S,
                     "met": took[int(0.95 * (count - 1))] <= LIMIT_S})
    rows.append({"asked": count, "proven_gaps": sum(answer.proven for answer, _, _ in answers),
                 "earlier_with_nobody_late": sum(kept(answer).end_s < answer.end_s for answer, _, _ in answers),
                 "at_the_least": sum(kept(answer).end_s == answer.least_s for answer, _, _ in answers)})
    return rows + [_beside(shop, there, job, answer) for (answer, _, _), job in
                   zip(answers[:compared], jobs, strict=False)]


def _beside(shop: Shop, there: Plan, job: Job, answer: Promise) -> dict[str, Any]:
    quick, long = kept(answer), promise(shop, there, job, 10.0)
    end_s = annealed_s(shop, there, job, quick, 10.0)
    return {"order": job.id, "gaps_h": answer.end_s / HOUR, "proven": answer.proven, "gaps_10s_h": long.end_s / HOUR,
            "moves_h": quick.end_s / HOUR, "moves_10s_h": kept(long).end_s / HOUR, "annealed_10s_h": end_s / HOUR,
            "least_h": (long.least_s or 0) / HOUR,
            "same_as_10s": quick.end_s <= min(kept(long).end_s, end_s)}


def rows() -> list[dict[str, Any]]:
    """Twenty orders, four of them beside longer searches."""
    return measure(20, 4)


def full_rows() -> list[dict[str, Any]]:
    """Sixty orders, twenty of them beside longer searches."""
    return measure(60, 20)


def main() -> None:
    """Prints the rows."""
    from benchmarks.run import table

    print(table(rows()))


if __name__ == "__main__":
    main()
