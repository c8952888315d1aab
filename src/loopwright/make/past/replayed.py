"""What a replay says, in numbers: flow time and lateness of the same orders, done in several ways.

    ways = {"as it was": ends_ns, "plan daily": ends_ns}
    rows = compared(world, ways, due_ns)            one Way each, with intervals of its difference to the first
    svg = drawing(world, ways["as it was"], ways["plan daily"])
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from loopwright.core.clock import NS_PER_S
from loopwright.make.draw.svg import EARLY, LATE, MUTED, number, rect, sheet, titled, words
from loopwright.make.past.replay import DAY_S, World

DRAWS = 4_000  # of the bootstrap


@dataclass(frozen=True)
class Way:
    """Flow time (first work to last) and lateness in days, means over orders.

    beside  mean flow time less that of the first way; low, high: its 95 % interval, orders drawn with replacement
    late    part of the orders that end after their due date; late_d: mean days by which they do, none counted as less
    """

    name: str
    orders: int
    flow_d: float
    median_d: float
    beside_d: float
    low_d: float
    high_d: float
    late: float
    late_d: float


def flows_d(world: World, ends_ns: Mapping[str, int]) -> np.ndarray:
    """(orders,) days from an order's first work to its end."""
    return np.array([(ends_ns[order] - world.real_ns[order][0]) / NS_PER_S / DAY_S for order in world.orders])


def compared(
    world: World, ways: Mapping[str, Mapping[str, int]], due_ns: Mapping[str, int], seed: int = 0
) -> list[Way]:
    """A row for each way; all are compared with the first, order by order."""
    first = flows_d(world, next(iter(ways.values())))
    draw = np.random.default_rng(seed).integers(0, len(first), (DRAWS, len(first)))
    found = []
    for name, ends_ns in ways.items():
        flow = flows_d(world, ends_ns)
        late = np.array([max(0, ends_ns[o] - due_ns[o]) / NS_PER_S / DAY_S for o in world.orders])
        low, high = np.quantile((flow - first)[draw].mean(axis=1), [0.025, 0.975])
        found.append(Way(name, len(flow), float(flow.mean()), float(np.median(flow)), float((flow - first).mean()),
                         float(low), float(high), float(np.mean(late > 0)), float(late.mean())))
    return found


def drawing(world: World, real_ns: Mapping[str, int], other_ns: Mapping[str, int], name: str = "planned") -> str:
    """Flow times as it was and otherwise, an order a line, the longest above, as SVG."""
    real, other = flows_d(world, real_ns), flows_d(world, other_ns)
    line, left, wide, top = 11.0, 110.0, 640.0, 64.0
    most = max(1.0, float(max(real.max(), other.max())))
    title = f"Days from first work to end: as it was (bar) and {name} (dot)"
    parts = [words(16, 24, title, ' class="t"'),
             words(16, 42, f"{len(real)} orders; {int(np.sum(other < real - 1e-9))} end earlier, "
                           f"{int(np.sum(other > real + 1e-9))} later", ' class="m"')]
    tall = top + line * len(real)
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10**6) if s * 10 >= most)
    for day in range(0, int(most) + 1, step):
        x = number(left + wide * day / most)
        parts += [f'<path class="h" d="M{x} {number(top - 4)}V{number(tall)}"/>',
                  words(left + wide * day / most, top - 7, str(day), ' class="m" text-anchor="middle"')]
    for place, k in enumerate(np.argsort(-real, kind="stable")):
        y, a, b = top + line * place, left + wide * real[k] / most, left + wide * other[k] / most
        shade = EARLY if other[k] <= real[k] else LATE
        inside = rect(left, y + 3, max(0.5, a - left), line - 6, f' fill="{MUTED}" fill-opacity=".35"')
        inside += f'<path d="M{number(a)} {number(y + line / 2)}H{number(b)}" stroke="{shade}" stroke-width="1.6"/>'
        inside += f'<circle cx="{number(b)}" cy="{number(y + line / 2)}" r="3.2" fill="{shade}"/>'
        inside += words(left - 8, y + line - 1, world.orders[k][:16], ' class="m" text-anchor="end"')
        says = f"{world.orders[k]}: {real[k]:.1f} days as it was, {other[k]:.1f} {name}"
        parts.append(titled(inside, says, "o"))
    return sheet(left + wide + 24, tall + 16, title, parts)
