"""Shops and what happens in them, made from a seed: the cases of bench_repair.

    shop = made("flexible", 300, seed)           job, flexible, people
    things = happening("breakdown", shop, plan, now_s, seed)

job       a route over all machines, each once, 1 to 99 s an operation (the random job shops of E. Taillard, Benchmarks
          for basic scheduling problems, EJOR 64, 1993, with the generator of this Python)
flexible  the same with one to three machines an operation, equally fast or up to a fifth slower
people    flexible, with setups between four states on every second machine, six people with two skills for a third of
          the operations, two of a tool for a tenth, material for the first operation of every fourth job
All have due dates, releases and weights; the makespan does not see them. Sizes are open operations, about, at the
moment in which something happens, which is when a quarter of the plan is over: a third more are made.
"""

from __future__ import annotations

import random
from dataclasses import replace

from loopwright.core.types import Plan
from loopwright.make.change.disturb import (
    Away,
    Breakdown,
    Disturbance,
    Finish,
    LateMaterial,
    Rework,
    Rush,
    Scrap,
    Slower,
)
from loopwright.make.shop import Job, Machine, Operation, Operator, Setup, Shop

KINDS = ("job", "flexible", "people")
HAPPENS = ("breakdown", "slower", "scrap", "rework", "late", "rush", "away", "finish")
MACHINES = {100: 10, 300: 15, 1000: 20}
SKILLS = ("bore", "paint")


def made(kind: str, size: int, seed: int) -> Shop:
    """A shop of about 4/3 * size operations."""
    rng = random.Random(f"{kind} {size} {seed}")
    count = MACHINES.get(size, max(2, round(size ** 0.5 / 1.5)))
    names = [f"m{n + 1}" for n in range(count)]
    jobs = tuple(_job(rng, kind, f"o{n + 1}", names, n) for n in range(max(1, round(size * 4 / 3 / count))))
    load = sum(s for job in jobs for o in job.operations for _, s in o.on[:1]) / count
    jobs = tuple(_dated(rng, job, load) for job in jobs)
    if kind != "people":
        return Shop(0, tuple(Machine(m, m) for m in names), jobs)
    states = ("red", "blue", "green", "black")
    setups = tuple(Setup(m, a, b, rng.randint(5, 40)) for m in names[::2] for a in states for b in states if a != b)
    people = tuple(Operator(f"p{n + 1}", SKILLS if n % 3 == 0 else (SKILLS[n % 2],)) for n in range(6 * count // 10))
    return Shop(0, tuple(Machine(m, m, "red") for m in names), jobs, (), None, people, setups,
                {"gauge": 2}, {"steel": int(0.4 * load), "paint": int(0.7 * load), "screws": 0})


def _job(rng: random.Random, kind: str, name: str, machines: list[str], nth: int) -> Job:
    operations: list[Operation] = []
    for k, m in enumerate(rng.sample(range(len(machines)), len(machines))):
        seconds, state = rng.randint(1, 99), rng.choice(("red", "blue", "green", "black"))
        others = [] if kind == "job" else rng.sample([n for n in range(len(machines)) if n != m], rng.randint(0, 2))
        on = [(machines[m], seconds), *((machines[n], max(1, int(seconds * rng.uniform(1.0, 1.2)))) for n in others)]
        o = Operation(name, f"op{k + 1}", tuple(on), (operations[-1].name,) if operations else ())
        if kind == "people":
            chance = rng.random()
            o = replace(
                o, setup=state if m % 2 == 0 else "", skill=SKILLS[m % 2] if chance < 0.33 else "",
                tools=("gauge",) if chance > 0.9 else (),
                materials=(rng.choice(("steel", "paint", "screws")),) if not k and nth % 4 == 0 else ())
        operations.append(o)
    return Job(name, tuple(operations))


def _dated(rng: random.Random, job: Job, load: float) -> Job:
    """With a release within the first half of the work, a due date as tight as a busy shop's, and a weight."""
    release_s = int(rng.uniform(0, 0.5) * load) if rng.random() < 0.5 else 0
    work = sum(o.on[0][1] for o in job.operations)
    due_s = release_s + int(work * rng.uniform(0.9, 1.6) + rng.uniform(0, 0.3) * load)
    return replace(job, release_s=release_s, due_s=due_s, weight=float(rng.choice((1, 1, 1, 2, 5))))


def happening(what: str, shop: Shop, plan: Plan, now_s: int, seed: int) -> Disturbance | None:
    """What happens then; None where the shop has nothing that it could happen to."""
    rng = random.Random(f"{what} {seed} {len(plan.slots)}")
    span = plan.makespan_s
    begun = [s for s in plan.slots if s.start_s < now_s]
    runs, done = [s for s in begun if s.end_s > now_s], [s for s in begun if s.end_s <= now_s]
    machine = rng.choice(shop.machines).id
    match what:
        case "breakdown":
            return Breakdown(machine, now_s, now_s + int(span * rng.uniform(0.05, 0.15)))
        case "slower":
            return Slower(machine, rng.uniform(1.2, 2.0))
        case "scrap":
            slot = rng.choice(runs)
            return Scrap(slot.order, slot.operation)
        case "rework":
            slot = rng.choice(done)
            return Rework(slot.order, (slot.operation,))
        case "late":
            if not any(at_s > now_s for at_s in shop.materials.values()):
                return None
            name = rng.choice([name for name, at_s in shop.materials.items() if at_s > now_s])
            return LateMaterial(name, shop.materials[name] + int(span * rng.uniform(0.05, 0.15)))
        case "rush":
            like = rng.choice(shop.jobs)
            work = sum(o.on[0][1] for o in like.operations)
            operations = tuple(replace(o, job="rush", materials=()) for o in like.operations)
            return Rush(Job("rush", operations, now_s, now_s + int(1.2 * work), 10.0))
        case "away":
            if not shop.operators:
                return None
            return Away(rng.choice(shop.operators).id, now_s, now_s + int(span * rng.uniform(0.05, 0.15)))
        case _:
            slot = max(runs, key=lambda s: (s.end_s, s.order))
            return Finish(slot.order, slot.operation, slot.end_s + int(span * rng.uniform(0.02, 0.08)))
