"""Ovens, cooling and transfer lots of a plant: from its route and what has happened to the shop that is planned."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loopwright.core.clock import NS_PER_S, from_iso
from loopwright.make.check import check
from loopwright.make.open_work import OpenOrder, Step, shop_from
from loopwright.make.plan import plan
from loopwright.make.route import RouteOperation
from loopwright.make.shop import Link, Machine

ROUTE = (
    RouteOperation("cast", "mould", 600),
    RouteOperation("bake", "oven", 1800, ("cast",), batch="180 degC"),
    RouteOperation("grind", "bench", 300, ("bake",), lag_s=900),
)
MACHINES = (Machine("mould-1", "mould"), Machine("oven-1", "oven", batch=2), Machine("bench-1", "bench"))
T0 = from_iso("2026-03-02T06:00:00Z")


def at(seconds: float) -> int:
    return T0 + round(seconds * NS_PER_S)


def orders(count: int) -> list[OpenOrder]:
    return [OpenOrder(f"o-{n}", ROUTE) for n in range(1, count + 1)]


def test_pieces_of_one_batch_share_the_oven_and_what_is_baked_cools_before_it_is_ground() -> None:
    steps = [Step(f"o-{n}", "cast", "mould-1", at(-700), at(-60)) for n in (1, 2)]
    shop = shop_from(T0, orders(2), MACHINES, steps)
    found = plan(shop)
    assert check(shop, found) == []
    slots = {(s.order, s.operation): (s.start_s, s.end_s) for s in found.slots}
    assert slots["o-1", "bake"] == slots["o-2", "bake"] == (0, 1800)
    assert min(slots[o, "grind"][0] for o in ("o-1", "o-2")) == 1800 + 900


def test_pieces_of_different_batches_never_share_the_oven() -> None:
    other = tuple(replace(o, batch="200 degC" if o.batch else "") for o in ROUTE)
    shop = shop_from(T0, [*orders(1), OpenOrder("o-2", other)], MACHINES)
    found = plan(shop)
    assert check(shop, found) == []
    first, second = sorted(s.start_s for s in found.slots if s.operation == "bake")
    assert second >= first + 1800


def test_what_still_cools_is_waited_for_after_the_oven_is_done() -> None:
    done = [Step("o-1", "cast", "mould-1", at(-4000), at(-3000)), Step("o-1", "bake", "oven-1", at(-2000), at(-200))]
    shop = shop_from(T0, orders(1), MACHINES, done)
    assert shop.operations[0].materials == ("rest after bake of o-1",)
    assert dict(shop.materials) == {"rest after bake of o-1": 700}
    assert plan(shop).slots[0].start_s == 700


def test_what_has_cooled_long_enough_waits_for_nothing() -> None:
    done = [Step("o-1", "cast", "mould-1", at(-9000), at(-8000)), Step("o-1", "bake", "oven-1", at(-7000), at(-1000))]
    shop = shop_from(T0, orders(1), MACHINES, done)
    assert (shop.operations[0].materials, dict(shop.materials)) == ((), {})


def test_pieces_that_run_in_one_oven_are_one_batch_until_the_last_of_them_is_done() -> None:
    steps = [Step(f"o-{n}", "cast", "mould-1", at(-900), at(-200)) for n in (1, 2)]
    steps += [Step("o-1", "bake", "oven-1", at(-120)), Step("o-2", "bake", "oven-1", at(-100))]
    shop = shop_from(T0, orders(3), MACHINES, steps)
    frozen = [o.frozen for o in shop.operations if o.frozen]
    assert [(s.machine, s.start_s, s.end_s) for s in frozen] == [("oven-1", -120, 1700)] * 2
    found = plan(shop)
    assert check(shop, found) == []
    assert {(s.order, s.operation): s.start_s for s in found.slots}["o-3", "bake"] >= 1700


@pytest.mark.parametrize(("lot_s", "starts"), [(None, 600), (100, 400)])
def test_a_transfer_lot_lets_the_next_operation_begin_before_the_first_has_ended(lot_s: int | None, starts: int) -> None:
    """600 s and 300 s: with lots the second begins early enough to end 100 s after the first at the earliest."""
    route = (RouteOperation("cast", "mould", 600),
             RouteOperation("pack", "bench", 300, ("cast",), lag_s=0 if lot_s is None else 100, lot_s=lot_s))
    shop = shop_from(T0, [OpenOrder("o-1", route)], MACHINES)
    assert shop.operations[1].links == (() if lot_s is None else (Link("cast", 100, lot_s),))
    found = plan(shop)
    assert check(shop, found) == []
    assert {s.operation: s.start_s for s in found.slots}["pack"] == starts
