"""Ovens of a plant, and plans that get better while nothing happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopwright.app.open_shop import open_work, shop_at
from loopwright.app.planning import Planning
from loopwright.app.releasing import Found, Why, release
from loopwright.core.errors import InputError
from loopwright.make.check import check
from loopwright.make.open_work import from_body
from tests.app.stick_plans import after, planned, repaired, say
from tests.app.stick_shop import slots, stick_shop, stick_site


def test_an_oven_of_the_site_takes_a_batch_and_pieces_in_it_stay_together(tmp_path: Path) -> None:
    """Three sticks are finished in one oven; two were put in a minute apart, and a repair leaves them where they are."""
    oven = '[[machine]]\nid = "oven-1"\nkind = "lathe"\nrole = "bake"\nbatch = 3\n'
    site = stick_site(tmp_path, more=oven, product='batch = "lacquer"\nwait_minutes = 5')
    product = site.parent / "product.toml"
    product.write_text(product.read_text().replace('role = "finish"', 'role = "bake"'))
    with stick_shop(tmp_path) as plant:
        first = slots(repaired(plant))
        baked = {key: slot for key, slot in first.items() if slot[0] == "oven-1"}
        assert len(baked) == 3
        name = next(iter(baked))[1]
        assert all(start >= first[order, "turn"][2] + 5 for (order, _), (_, start, _) in baked.items())
        for minute, order, lathe in ((38, "S001", "lathe-1"), (39, "S002", "lathe-2")):
            after(plant, minute)
            say(plant, "finished", order, "turn", machine=lathe)
        for minute, order in ((46, "S001"), (47, "S002")):
            after(plant, minute)
            say(plant, "started", order, name, machine="oven-1")
        with pytest.raises(InputError, match=r"oven-1 runs finish of S00. and 1 more"):
            say(plant, "started", "S003", "turn", machine="oven-1")
        again = slots(repaired(plant))
        assert again["S001", name] == again["S002", name] == ("oven-1", 46, 67)
        assert again["S003", name][1] >= 67
        assert min(again[o, "measure"][1] for o in ("S001", "S002")) >= 67
        assert check(shop_at(plant, plant.clock.now_ns(), open_work(plant)), from_body(planned(plant).body)) == []


def test_while_nothing_happens_a_better_plan_is_looked_for_and_then_left_alone(tmp_path: Path) -> None:
    """The plan in force makes one order after the other on one lathe; the second lathe stands idle."""
    settings = "settle_s = 0.0\nseconds = 0.0\nrepair_s = 0.0\nidle_s = 0.3\nstability = 0.0"
    stick_site(tmp_path, plan=settings)
    with stick_shop(tmp_path) as plant:
        planning = Planning(plant)
        first = planning.step(1e6)
        assert first
        told = open_work(plant)
        shop = shop_at(plant, plant.clock.now_ns(), told)
        slow, at_s = [], 0
        for order in ("S001", "S002", "S003"):
            for row in (r for r in first.body["slots"] if r["order"] == order):
                length_s = row["end_s"] - row["start_s"]
                machine = "lathe-1" if row["machine"] == "lathe-2" else row["machine"]
                slow.append({**row, "machine": machine, "start_s": at_s, "end_s": at_s + length_s})
                at_s += length_s
        poor = from_body({**first.body, "slots": slow, "makespan_s": at_s, "value": at_s, "status": "feasible"})
        assert check(shop, poor) == []
        released = release(plant, shop, Found(poor), Why("by hand", "plan-00002", first, exact=True))
        now_s, found = 2e6, []
        for _ in range(12):
            event = planning.step(now_s)
            found += [event] if event else []
            now_s += 10.0
        assert found
        assert all(event.body["idle"] for event in found)
        assert found[0].body["repairs"] == released.about
        assert "while nothing happened" in found[0].body["reason"]
        assert float(planned(plant).body["value"]) < at_s
        assert planned(plant).id == found[-1].id
        assert planning.step(now_s + 1e6) is None, "three searches in a row found nothing better"


def test_without_idle_s_a_plan_is_left_as_it_is(tmp_path: Path) -> None:
    with stick_shop(tmp_path) as plant:
        planning = Planning(plant)
        assert planning.step(1e6)
        assert all(planning.step(1e6 + 100.0 * n) is None for n in range(1, 5))
