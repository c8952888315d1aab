"""Random things that happen in a shop, for the tests of disturbances and repairs."""

from __future__ import annotations

from hypothesis import strategies as st

from loopwright.core.types import Plan, Slot
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
from loopwright.make.dispatching.dispatch import best
from loopwright.make.objective import parse
from loopwright.make.shop import Job, Operation, Shop
from tests.make.general_shops import as_plan


def planned(shop: Shop, objective: str = "makespan") -> Plan:
    """A plan of any shop, by rules."""
    return as_plan(shop, best(shop, parse(objective)), objective)


def running(plan: Plan, now_s: int) -> list[Slot]:
    return [s for s in plan.slots if s.start_s < now_s < s.end_s]


def finished(plan: Plan, now_s: int) -> list[Slot]:
    return [s for s in plan.slots if s.start_s < now_s and s.end_s <= now_s]


@st.composite
def happenings(draw: st.DrawFn, shop: Shop, plan: Plan, now_s: int) -> Disturbance:
    """One of the eight kinds that can happen at that moment."""
    later = now_s + draw(st.integers(0, 20))
    until = later + draw(st.integers(1, 30))
    machine = draw(st.sampled_from([m.id for m in shop.machines]))
    can = ["breakdown", "slower", "rush"]
    can += ["late"] if shop.materials else []
    can += ["away"] if shop.operators else []
    begun = [s for s in plan.slots if s.start_s < now_s]
    done, runs = finished(plan, now_s), running(plan, now_s)
    can += (["scrap"] if begun else []) + (["rework"] if done else []) + (["finish"] if runs else [])
    match draw(st.sampled_from(can)):
        case "breakdown":
            return Breakdown(machine, later, until)
        case "slower":
            return Slower(machine, draw(st.sampled_from((0.5, 1.3, 2.0, 3.0))))
        case "rush":
            operations = tuple(
                Operation("rush", f"op{n}", ((draw(st.sampled_from([m.id for m in shop.machines])), draw(st.integers(1, 12))),),
                          (f"op{n - 1}",) if n else ()) for n in range(draw(st.integers(1, 3))))
            return Rush(Job("rush", operations, later, until + 10, 5.0))
        case "late":
            return LateMaterial(draw(st.sampled_from(sorted(shop.materials))), until)
        case "away":
            return Away(draw(st.sampled_from([o.id for o in shop.operators])), later, until)
        case "scrap":
            slot = draw(st.sampled_from(begun))
            return Scrap(slot.order, slot.operation)
        case "rework":
            slot = draw(st.sampled_from(done))
            return Rework(slot.order, (slot.operation,))
        case _:
            slot = draw(st.sampled_from(runs))
            return Finish(slot.order, slot.operation, max(slot.start_s + 1, draw(st.integers(now_s - 3, now_s + 20))))


@st.composite
def hits(draw: st.DrawFn, shop: Shop, objective: str = "makespan") -> tuple[Plan, int, tuple[Disturbance, ...]]:
    """A plan of the shop, a moment of it, and one or two things that happen then."""
    plan = planned(shop, objective)
    now_s = draw(st.integers(0, max(1, plan.makespan_s)))
    happen = draw(st.lists(happenings(shop, plan, now_s), min_size=1, max_size=2, unique_by=type))
    scrapped = [one.order for one in happen if isinstance(one, Scrap)]
    if isinstance(happen[-1], Rework) and happen[-1].order in scrapped:
        happen = happen[:1]  # what is lost cannot be worked again: it has another name now
    return plan, now_s, tuple(happen)
