"""Order to plan: seconds for 1, 12 and 60 open orders of the golf product, through a worker, cold and warm.

    python -m benchmarks.bench_plan_first

Beside each plan stand the dispatching rule alone (its peer) and the bound (what no plan can beat). Limits: one order
under 2 s warm from order to released plan, 60 orders planned within 1 s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from loopwright.core.clock import NS_PER_S, from_iso, monotonic_s
from loopwright.core.types import Design, Order, Parameter
from loopwright.engine.local import Workers
from loopwright.make.check import check
from loopwright.make.open_work import Closed, OpenOrder, shop_from
from loopwright.make.product import load_product
from loopwright.make.route import RouteOperation, operations
from loopwright.make.shifts import closed_times
from loopwright.make.shop import Machine, Shop
from loopwright.packs import golf

PLAN = "loopwright.make.plan:plan"
ROLES = {"mill": 3, "drill": 1, "bend": 1, "polish": 1, "cut": 1, "assemble": 1, "measure": 1}
WEEK = {day: ["06:00-14:00", "14:00-22:00"] for day in ("mon", "tue", "wed", "thu", "fri")}
LIMIT_S = {1: 2.0, 12: 2.0, 60: 1.2}  # 1 s of planning, and 0.2 s to hand over a shop and its plan


def golf_shop(count: int, mixed: bool = False) -> Shop:
    """`count` open orders of the golf product on nine machines that work two shifts, from a Monday morning on.

    mixed  durations differ from order to order by up to a fifth, which is harder than equal orders
    """
    product = load_product(Path(str(golf.PACK.product)))
    design = Design("iron/o@r0", "iron", "r0", (Parameter("lie", 1.08, "rad", None, None, "lie@r0", "benchmark"),))
    route = operations(product, Order("o", "p", product.family), design)
    machines = [Machine(f"{role}-{n}", role) for role, many in ROLES.items() for n in range(1, many + 1)]
    start_ns = from_iso("2026-01-05T06:00:00+01:00")
    end_ns = start_ns + 60 * 86_400 * NS_PER_S
    hours = closed_times(WEEK, "Europe/Berlin", start_ns, end_ns)
    closed = [Closed(machine.id, a, b, "closed shift") for machine in machines for a, b in hours]
    orders = [OpenOrder(f"o-{n:03d}", _scaled(route, n) if mixed else route) for n in range(count)]
    return shop_from(start_ns, orders, machines, (), closed, horizon_ns=end_ns)


def _scaled(route: Sequence[RouteOperation], n: int) -> tuple[RouteOperation, ...]:
    return tuple(replace(o, seconds=o.seconds * (80 + (17 * n + 29 * at) % 41) // 100) for at, o in enumerate(route))


def rows() -> list[dict[str, Any]]:
    """One row a shop: seconds cold (a new worker) and warm, makespan, bound, dispatched makespan, limit, if met."""
    out = []
    with Workers() as workers:
        begun_s = monotonic_s()
        workers.call("empty", "os:getpid").result()
        start_s = monotonic_s() - begun_s
        for count, mixed in ((1, False), (12, False), (60, False), (12, True), (60, True)):
            shop = golf_shop(count, mixed)
            cold_s, _ = _timed(workers, f"cold-{count}-{mixed}", shop, 1.0)
            workers.warm("plan", PLAN).result()
            warm = sorted((_timed(workers, "plan", shop, 1.0) for _ in range(3)), key=lambda t: t[0])[1]
            _, peer = _timed(workers, "plan", shop, 0.0)
            assert not check(shop, warm[1])
            plan = warm[1]
            out.append({
                "orders": count, "mixed": mixed, "worker_start_s": start_s, "cold_s": cold_s, "warm_s": warm[0],
                "makespan_s": plan.value, "bound_s": plan.bound, "status": plan.status, "solver": plan.solver,
                "dispatch_s": peer.value, "limit_s": LIMIT_S[count], "met": warm[0] <= LIMIT_S[count]})
    return out


def _timed(workers: Workers, name: str, shop: Shop, seconds: float) -> tuple[float, Any]:
    begun_s = monotonic_s()
    plan = workers.call(name, PLAN, shop, seconds).result()
    return monotonic_s() - begun_s, plan


def main() -> None:
    """Prints the rows as a table."""
    table = rows()
    print(f"a worker starts in {table[0]['worker_start_s']:.3f} s")
    print("orders  shop   cold s  warm s  limit s  makespan s  bound s  gap %  dispatch s  status, solver")
    for row in table:
        gap = 100 * (row["makespan_s"] - row["bound_s"]) / row["makespan_s"]
        shop = "mixed" if row["mixed"] else "equal"
        print(f"{row['orders']:6d}  {shop}{row['cold_s']:7.3f} {row['warm_s']:7.3f} {row['limit_s']:8.1f} "
              f"{row['makespan_s']:11.0f} {row['bound_s']:8.0f} {gap:6.2f} {row['dispatch_s']:11.0f}  "
              f"{row['status']}, {row['solver']}")


if __name__ == "__main__":
    main()
