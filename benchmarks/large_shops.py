"""Large shops for benchmarks and tests, each the same on every run for its seed; times in seconds.

    orders_shop(10_000)                 orders of 8 operations on 60 machines: choices, setups, nights, due dates
    cut_shop(1000, 100_000, 1000)       re-entrant shop cut out of a full schedule: its shortest makespan is known
    bottleneck_shop(5_000, 60)          re-entrant shop with one machine that has most of the work
"""

from __future__ import annotations

import random

from loopwright.make.shop import Blocked, Job, Machine, Operation, Setup, Shop

DAY_S, SHIFT_S = 86_400, 57_600  # the shop works 16 of 24 hours
FULL_S = 600_000


def orders_shop(orders: int, operations: int = 8, machines: int = 60, seed: int = 1) -> Shop:
    """Orders over machines in groups of three; a third of the operations may go to all three, which differ in speed.

    Every second group needs one of 6 setups; a quarter of the machines rests at night; releases are spread so that the
    shop is loaded to about nine tenths, due dates 1.5 to 6 times an order's work after its release.
    """
    rng = random.Random(seed)
    names = [f"m{n:02d}" for n in range(machines)]
    groups = [names[k:k + 3] for k in range(0, machines, 3)]
    span_s = int(orders * operations * 1_000 / machines / 0.75)
    jobs = []
    for n in range(orders):
        route, colour = rng.sample(range(len(groups)), min(operations, len(groups))), f"c{rng.randrange(6)}"
        made = []
        for k, at in enumerate(route):
            seconds = rng.randint(200, 1_800)
            chosen = groups[at] if rng.random() < 1 / 3 else [rng.choice(groups[at])]
            on = tuple((m, seconds * (90 + 10 * names.index(m) % 3) // 100) for m in chosen)
            made.append(Operation(f"o{n}", f"op{k}", on, (f"op{k - 1}",) if k else (), setup=colour if at % 2 else ""))
        work_s = sum(o.on[0][1] for o in made)
        release_s = rng.randrange(span_s)
        due_s = release_s + int(work_s * rng.uniform(1.5, 6))
        jobs.append(Job(f"o{n}", tuple(made), release_s, due_s, float(rng.randint(1, 5))))
    setups = tuple(
        Setup(m, f"c{a}", f"c{b}", rng.randrange(60, 600)) for at, group in enumerate(groups) if at % 2 for m in group
        for a in range(6) for b in range(6) if a != b)
    nights = tuple(
        Blocked(m, day * DAY_S + SHIFT_S, (day + 1) * DAY_S, "night") for m in names[::4]
        for day in range(3 * span_s // DAY_S + 10))
    return Shop(0, tuple(Machine(m, m, "c0") for m in names), tuple(jobs), nights, setups=setups)


def cut_shop(machines: int, operations: int, jobs: int, seed: int = 1) -> Shop:
    """A shop whose machines are all busy from 0 to FULL_S in some schedule, so that no plan can end before.

    Every machine's time is cut into pieces at random; each piece goes to a job whose last piece has ended by then.
    Source of the idea: G. Da Col, E. Teppan, Industrial-size job shop scheduling with constraint programming
    (Operations Research Perspectives 9, 2022).
    """
    rng = random.Random(seed)
    pieces = []
    for machine in range(machines):
        cuts = sorted(rng.sample(range(1, FULL_S), operations // machines - 1))
        pieces += [(a, b, machine) for a, b in zip([0, *cuts], [*cuts, FULL_S], strict=True)]
    ends = [0] * jobs
    routes: list[list[tuple[int, int]]] = [[] for _ in range(jobs)]
    for start, end, machine in sorted(pieces):
        free = [k for k in rng.sample(range(len(ends)), min(40, len(ends))) if ends[k] <= start]
        if not free:
            ends.append(0)
            routes.append([])
            free = [len(ends) - 1]
        job = max(free, key=lambda k: ends[k])
        ends[job] = end
        routes[job].append((machine, end - start))
    return _plain(machines, [route for route in routes if route])


def bottleneck_shop(jobs: int, machines: int = 60, seed: int = 1) -> Shop:
    """Jobs of 1 to 12 operations that come back to some machines; a few machines have most of the work."""
    rng = random.Random(seed)
    weights = [1 / (k + 1) ** 1.5 for k in range(machines)]
    return _plain(machines, [
        [(m, rng.randint(1, 1_100)) for m in rng.choices(range(machines), weights, k=rng.randint(1, 12))]
        for _ in range(jobs)])


def _plain(machines: int, routes: list[list[tuple[int, int]]]) -> Shop:
    jobs = [Job(f"j{n}", tuple(
        Operation(f"j{n}", f"op{k}", ((f"m{m}", seconds),), (f"op{k - 1}",) if k else ())
        for k, (m, seconds) in enumerate(route))) for n, route in enumerate(routes)]
    return Shop(0, tuple(Machine(f"m{k}", f"m{k}") for k in range(machines)), tuple(jobs))
