"""A plant with plans of any size for tests and eyes: orders of three operations over machines with shifts, setups, people.

    with serving(folder, "--orders", "334") as address: ...
    python -m tests.app.plan_plant FOLDER PORT --orders 100

Released are a first plan, and two hours later a second one, for a mill that is down, with a rush order; what should
have happened until then has happened. Everything is made up, from a seed.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from loopwright.core.clock import NS_PER_S
from loopwright.core.types import Event, Plan
from loopwright.make.open_work import as_body
from loopwright.make.plan import plan
from loopwright.make.shop import Blocked, Job, Link, Machine, Operation, Operator, Setup, Shop
from loopwright.store import Store
from tests.app.small_plant import small_plant

ROLES = (("saw", 2), ("mill", 5), ("lathe", 3), ("oven", 1), ("polish", 3), ("assembly", 4), ("gauge", 2))
ROUTES = (("saw", "mill", "polish", "assembly", "gauge", "pack"), ("lathe", "polish", "gauge"), ("saw", "lathe", "mill", "oven", "gauge", "pack"))
MINUTES = {"saw": (5, 15), "mill": (20, 70), "lathe": (15, 45), "oven": (40, 60), "polish": (10, 30), "assembly": (15, 40), "gauge": (5, 12), "pack": (4, 9)}
DAY, HOUR = 86_400, 3_600
REPAIRED_S = 2 * HOUR


def shop(orders: int, seed: int = 1, begins_s: int = 0) -> Shop:
    """Orders with due dates, some of them too tight; mills change colours; assembly takes a person; nights are closed."""
    rng = random.Random(seed)
    names = {role: [f"{role}-{n + 1}" for n in range(many)] for role, many in (*ROLES, ("pack", 1))}
    machines = tuple(Machine(name, role, "c0" if role == "mill" else "") for role, some in names.items() for name in some)
    jobs = tuple(_job(rng, f"L{n + 1:04d}", orders, names) for n in range(orders))
    days = 4 + orders // 12
    nights = tuple(Blocked(m.id, d * DAY + 10 * HOUR, (d + 1) * DAY, "night") for m in machines if m.role != "oven" for d in range(days))
    lunch = tuple(Blocked(m, d * DAY + 5 * HOUR, d * DAY + 5 * HOUR + 1800, "break") for m in names["assembly"] for d in range(days))
    people = tuple(Operator(name, ("assemble",), ((DAY, 2 * DAY),) if name == "Ada" else ()) for name in ("Ada", "Ben", "Cem"))
    colours = [f"c{n}" for n in range(4)]
    setups = tuple(Setup(m, a, b, rng.choice((300, 600, 900))) for m in names["mill"] for a in colours for b in colours if a != b)
    return Shop(0, machines, jobs, (*nights, *lunch), None, people, setups, {}, {"leather": 3 * HOUR})


def _job(rng: random.Random, name: str, orders: int, names: dict[str, list[str]]) -> Job:
    route = rng.choice(ROUTES)
    done: list[Operation] = []
    for role in route:
        minutes = rng.randint(*MINUTES[role])
        done.append(Operation(
            name, role, tuple((m, 60 * minutes) for m in names[role]), (done[-1].name,) if done else (),
            setup=f"c{rng.randrange(4)}" if role == "mill" else "", skill="assemble" if role == "assembly" else "",
            materials=("leather",) if role == "assembly" and rng.random() < 0.3 else (),
            links=(Link("oven", 1200),) if done and done[-1].name == "oven" else ()))
    work_s = sum(o.on[0][1] for o in done)
    due_s = int(work_s * rng.uniform(1.1, 4.0) + rng.uniform(0.0, 1.1) * orders / 75 * DAY)
    return Job(name, tuple(done), 0, due_s, float(rng.choice((1, 1, 3))))


def released(store: Store, origin_ns: int, orders: int) -> None:
    """The two plans and what happened between them."""
    first_shop = replace(shop(orders), origin_ns=origin_ns)
    first = plan(first_shop, 0, "tardiness")
    store.record([Event("plan.released", "plan-1", origin_ns, "plan", as_body(first, f"{orders} open orders", first_shop))])
    again_ns = origin_ns + REPAIRED_S * NS_PER_S
    store.record(_steps(first, origin_ns, REPAIRED_S))
    store.record([Event("workorder.opened", "w-1", again_ns, "erika", {"machine": "mill-2", "alarm": "a-1", "why": "spindle bearing", "duration_s": 5 * HOUR})])
    second_shop = _later(first_shop, first, REPAIRED_S)
    second = plan(second_shop, 0, "tardiness")
    reason = "repair: mill-2 is down, order R0001 is in a hurry"
    store.record([Event("plan.released", "plan-2", again_ns, "plan", as_body(second, reason, second_shop))])
    store.record(_steps(second, again_ns, HOUR))


def _steps(found: Plan, origin_ns: int, until_s: int) -> list[Event]:
    """What began, and what ended, until then, as planned."""
    out = []
    for slot in sorted(found.slots, key=lambda s: s.start_s):
        body = {"order": slot.order, "operation": slot.operation, "machine": slot.machine}
        start_ns, end_ns = (origin_ns + at * NS_PER_S for at in (slot.start_s, slot.end_s))
        if slot.end_s <= until_s and not (slot.frozen and slot.end_s <= 0):
            out.append(Event("step.finished", f"{slot.order}-1", end_ns, slot.machine, {**body, "start_ns": start_ns, "end_ns": end_ns, "program_hash": "", "signals": [], "run": ""}))
        elif 0 <= slot.start_s <= until_s:
            out.append(Event("step.started", f"{slot.order}-1", start_ns, slot.machine, body))
    return out


def _later(was: Shop, found: Plan, by_s: int) -> Shop:
    """The shop some time on: finished work gone, what runs frozen, mill-2 down for five hours, and a rush order."""
    at = {(s.order, s.operation): s for s in found.slots}
    jobs = []
    for job in was.jobs:
        done = {o.name for o in job.operations if at[o.key].end_s <= by_s}
        left = []
        for o in job.operations:
            slot = at[o.key]
            if o.name in done:
                continue
            frozen = replace(slot, start_s=slot.start_s - by_s, end_s=slot.end_s - by_s, frozen=True) if slot.start_s < by_s else None
            left.append(replace(o, after=tuple(a for a in o.after if a not in done), links=tuple(k for k in o.links if k.operation not in done), frozen=frozen))
        if left:
            jobs.append(replace(job, operations=tuple(left), due_s=None if job.due_s is None else job.due_s - by_s))
    rush = _job(random.Random(5), "R0001", 1, {role: [m.id for m in was.machines if m.role == role] for role, _ in (*ROLES, ("pack", 1))})
    blocked = [replace(b, start_s=max(0, b.start_s - by_s), end_s=b.end_s - by_s) for b in was.blocked if b.end_s > by_s]
    people = tuple(replace(p, away=tuple((a - by_s, b - by_s) for a, b in p.away)) for p in was.operators)
    running = max((o.frozen.end_s for job in jobs for o in job.operations if o.frozen and o.frozen.machine == "mill-2"), default=0)
    down = Blocked("mill-2", running, running + 5 * HOUR, "spindle bearing")
    return replace(was, origin_ns=was.origin_ns + by_s * NS_PER_S, jobs=(*jobs, replace(rush, due_s=8 * HOUR, weight=9.0)), blocked=(*blocked, down),
                   operators=people, materials={name: max(0, s - by_s) for name, s in was.materials.items()})


@contextmanager
def serving(folder: Path, *flags: str) -> Iterator[str]:
    """It, served by a process of its own; its address."""
    command = [sys.executable, "-m", "tests.app.plan_plant", str(folder), "0", *flags]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        if not line.isdigit():
            raise RuntimeError("the plant did not start")
        yield f"http://127.0.0.1:{line}"
        process.terminate()


def main(argv: list[str]) -> None:
    from loopwright.app import serve_http

    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("--orders", type=int, default=60)
    asked = parser.parse_args(argv)
    with small_plant(asked.folder, empty=True) as front:
        released(front.store, front.clock.now_ns() - (REPAIRED_S + HOUR) * NS_PER_S, asked.orders)
        app = serve_http.build_app(front.store, front.site, front.flow, front.auth, clock=front.clock)
        asyncio.run(serve_http.serve(app, "127.0.0.1", asked.port, ready=lambda port: print(port, flush=True)))


if __name__ == "__main__":
    main(sys.argv[1:])
