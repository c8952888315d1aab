"""Drawings of plans: every operation is there, in its place, and says why it stands there."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise, takewhile
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.core.errors import InputError
from loopwright.core.types import Plan, Slot
from loopwright.make.draw.gantt import DRAWINGS, compared, lateness, load, machines, orders
from loopwright.make.draw.svg import OKABE_ITO, Time, colour, escaped, h_min
from loopwright.make.plan import plan
from loopwright.make.shop import Blocked, Job, Link, Machine, Operation, Operator, Setup, Shop
from tests.make.shops import FT06, club_shop, job_shop, shops

NS = 1_000_000_000
SVG = "{http://www.w3.org/2000/svg}"
MONDAY_6_BERLIN = 1_767_589_200  # 2026-01-05 06:00 +01:00, seconds UTC


def small() -> tuple[Shop, Plan]:
    """Two orders on a mill and a bench: setup, operator, blocked time, material, release, cooling; planned by hand."""
    a = Job("a", (
        Operation("a", "mill", (("mill", 600),), setup="steel"),
        Operation("a", "pack", (("bench", 300),), ("mill",), skill="pack", links=(Link("mill", 120),))), due_s=1500)
    b = Job("b", (
        Operation("b", "mill", (("mill", 600),), setup="brass"),
        Operation("b", "pack", (("bench", 300),), ("mill",), skill="pack", materials=("box",))), due_s=4200)
    c = Job("c", (Operation("c", "mill", (("mill", 60),)),), release_s=5000)
    shop = Shop(
        MONDAY_6_BERLIN * NS, (Machine("mill", "mill", "steel"), Machine("bench", "pack")), (a, b, c),
        (Blocked("mill", 1300, 1800, "service"),), None, (Operator("Ann", ("pack",)),),
        (Setup("mill", "*", "brass", 240),), {}, {"box": 3000})
    slots = (
        Slot("a", "mill", "mill", 0, 600), Slot("a", "pack", "bench", 720, 1020, operator="Ann"),
        Slot("b", "mill", "mill", 2040, 2640, setup_s=240), Slot("b", "pack", "bench", 3000, 3300, operator="Ann"),
        Slot("c", "mill", "mill", 5000, 5060))
    return shop, Plan(shop.origin_ns, slots, "feasible", "makespan", 5060, 5060, "by hand", 0.0)


def titles(drawn: str) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(drawn).iter(f"{SVG}title")]


def story(drawn: str, begins: str) -> str:
    (found,) = [text for text in titles(drawn) if text.startswith(begins)]
    return found


@pytest.mark.parametrize("what", sorted(DRAWINGS))
def test_every_drawing_is_a_file_of_its_own_without_a_script(what: str) -> None:
    shop, found = small()
    root = ElementTree.fromstring(DRAWINGS[what](shop, found, "Europe/Berlin"))
    assert root.tag == f"{SVG}svg"
    assert not [n for n in root.iter() if n.tag.endswith("script") or any("href" in name for name in n.attrib)]
    assert root.get("aria-label")


def test_a_box_says_what_when_and_what_it_waited_for() -> None:
    drawn = machines(*small())
    assert story(drawn, "a mill") == "a mill on mill\n0:00 to 0:10 (0:10)\nbegins at once"
    assert story(drawn, "a pack") == "a pack on bench\n0:12 to 0:17 (0:05)\nwith Ann\nwaits for its mill and 0:02 after it"
    assert story(drawn, "b mill") == (
        "b mill on mill\n0:34 to 0:44 (0:10)\nsetup 0:04 before, from 0:30\nwaits for mill, blocked (service)")
    assert story(drawn, "b pack").endswith("waits for box, which arrives then")
    assert story(drawn, "c mill").endswith("waits for its release")
    assert story(drawn, "mill is blocked: service") == "mill is blocked: service\n0:21:40 to 0:30 (0:08:20)"


def test_waiting_for_a_machine_or_for_a_person_names_who_had_them() -> None:
    jobs = tuple(Job(n, (Operation(n, "x", ((m, 60),), skill="s"),)) for n, m in (("a", "m"), ("b", "m"), ("c", "n")))
    shop = Shop(0, (Machine("m", "r"), Machine("n", "r")), jobs, operators=(Operator("Ann", ("s",)),))
    slots = tuple(Slot(n, "x", m, at, at + 60, operator="Ann") for n, m, at in (("a", "m", 0), ("b", "m", 60), ("c", "n", 120)))
    drawn = machines(shop, Plan(0, slots, "feasible", "makespan", 180, 180, "by hand", 0.0))
    assert story(drawn, "b x").endswith("waits for m, taken by a x; Ann, busy with a x")
    assert story(drawn, "c x").endswith("waits for Ann, busy with b x")


def test_times_are_told_in_the_zone_of_the_plant() -> None:
    drawn = machines(*small(), "Europe/Berlin")
    assert "Mon 5 Jan 06:34 to Mon 5 Jan 06:44" in story(drawn, "b mill")
    assert "times in Europe/Berlin" in drawn
    with pytest.raises(InputError, match="'Mars/North' "[:-1]):
        machines(*small(), "Mars/North")


@given(shops(begun=False))
def test_every_operation_of_any_plan_stands_once_in_either_view(shop: Shop) -> None:
    found = plan(shop, 0)
    for drawn in (machines(shop, found), orders(shop, found)):
        said = [text.split(" on ")[0] for text in titles(drawn) if " on " in text]
        assert sorted(said) == sorted(f"{s.order} {s.operation}" for s in found.slots)


def boxes(drawn: str, cls: str) -> list[tuple[float, float, float]]:
    """(x, width, y) of the last box of each group of a class."""
    groups = [g for g in ElementTree.fromstring(drawn).iter(f"{SVG}g") if cls in (g.get("class") or "").split()]
    last = [g.findall(f"{SVG}rect")[-1] for g in groups]
    return [(float(r.get("x", "")), float(r.get("width", "")), float(r.get("y", ""))) for r in last]


def test_boxes_are_as_long_as_the_work_and_in_the_lane_of_their_machine() -> None:
    shop = job_shop(FT06)
    found = plan(shop, 0)
    drawn = machines(shop, found)
    lane = {m.id: n for n, m in enumerate(shop.machines)}
    first = {}
    for slot in found.slots:
        (box,) = [b for b, t in zip(boxes(drawn, "s"), [t for t in titles(drawn) if " on " in t], strict=True)
                  if t.startswith(f"{slot.order} {slot.operation} on {slot.machine}")]
        scale = box[1] / (slot.end_s - slot.start_s)
        first.setdefault("scale", scale)
        assert scale == pytest.approx(first["scale"], abs=0.1)
        assert box[2] == pytest.approx(81 + 34 * lane[slot.machine])


def test_what_runs_together_stands_side_by_side() -> None:
    jobs = tuple(Job(f"j{n}", (Operation(f"j{n}", "fire", (("oven", 60),), batch="k"),)) for n in range(3))
    shop = Shop(0, (Machine("oven", "fire", batch=3),), jobs)
    slots = tuple(Slot(f"j{n}", "fire", "oven", 0, 60) for n in range(3))
    drawn = machines(shop, Plan(0, slots, "optimal", "makespan", 60, 60, "by hand", 0.0))
    rows = [y for _, _, y in boxes(drawn, "s")]
    assert len(set(rows)) == 3


def test_two_thousand_operations_are_drawn_wide_and_names_only_where_they_fit() -> None:
    shop = club_shop(334)
    found = plan(shop, 0)
    root = ElementTree.fromstring(machines(shop, found))
    assert len([t for t in titles(machines(shop, found)) if " on " in t]) == 2004
    assert 2_000 < float(root.get("width", "")) <= 12_500
    for group in root.iter(f"{SVG}g"):
        text = group.find(f"{SVG}text")
        if text is not None:
            box = group.findall(f"{SVG}rect")[-1]
            assert len(text.text or "") * 6 < float(box.get("width", ""))


def test_what_is_narrower_than_a_pixel_is_one_box_with_a_count() -> None:
    jobs = tuple(Job(f"j{n}", (Operation(f"j{n}", "x", (("m", 1 if n < 50 else 2_000_000),)),)) for n in range(151))
    shop = Shop(0, (Machine("m", "r"),), jobs)
    slots = [Slot(f"j{n}", "x", "m", n, n + 1) for n in range(50)]
    slots += [Slot(f"j{n}", "x", "m", 50 + 2_000_000 * (n - 50), 50 + 2_000_000 * (n - 49)) for n in range(50, 151)]
    end_s = slots[-1].end_s
    drawn = machines(shop, Plan(0, tuple(slots), "optimal", "makespan", end_s, end_s, "by hand", 0.0))
    assert "50 operations, 0:00 to 0:00:50" in titles(drawn)


def test_names_that_are_not_xml_are_drawn_as_text() -> None:
    name = "<b>\x00\x1b&\"'\ud800"
    shop = Shop(0, (Machine(name, "r"),), (Job(name, (Operation(name, name, ((name, 5),)),), due_s=3),))
    found = Plan(0, (Slot(name, name, name, 0, 5),), "optimal", "makespan", 5, 5, name, 0.0)
    for draw in DRAWINGS.values():
        assert ElementTree.fromstring(draw(shop, found, "")) is not None
    assert escaped("a\x01<") == "a\ufffd&lt;"


def test_an_empty_plan_is_drawn_empty() -> None:
    shop = Shop(0, (Machine("m", "r"),), ())
    for draw in DRAWINGS.values():
        assert "</svg>" in draw(shop, Plan(0, (), "optimal", "makespan", 0, 0, "dispatch", 0.0), "")


def test_the_load_of_a_machine_is_work_setup_blocked_and_idle() -> None:
    """The mill of the small plan: 1,260 s work, 240 s setup, 500 s blocked of 5,060 s."""
    drawn = load(*small())
    said = [text for text in titles(drawn) if text.startswith("mill:")]
    assert said == ["mill: 0:21 h work, 24.9%", "mill: 0:04 h setup, 4.7%", "mill: 0:08:20 h blocked, 9.9%",
                    "mill: 0:51 h idle, 60.5%"]
    assert "30% busy" in drawn


def test_lateness_shows_the_latest_first() -> None:
    """a ends at 1,020 s and is due at 1,500; b ends at 3,300, due at 4,200; then b is made due at 3,000."""
    shop, found = small()
    assert "0 of 2 jobs late" in lateness(shop, found)
    jobs = (shop.jobs[0], replace(shop.jobs[1], due_s=3000), shop.jobs[2])
    drawn = lateness(replace(shop, jobs=jobs), found)
    assert titles(drawn) == [
        "b ends 0:55, due 0:50: 0:05 late, weight 1", "a ends 0:17, due 0:25: 0:08 early, weight 1"]
    assert "1 of 2 jobs late" in drawn


def test_the_orders_view_shows_due_dates() -> None:
    shop, found = small()
    drawn = orders(shop, found)
    assert "a is due 0:25: kept" in titles(drawn)
    late = replace(shop, jobs=(replace(shop.jobs[0], due_s=1000), *shop.jobs[1:]))
    assert "a is due 0:16:40: 0:00:20 late" in titles(orders(late, found))


# the axis and the colours


@pytest.mark.parametrize(("seconds", "says"), [
    (0, "0:00"), (3900, "1:05"), (59, "0:00:59"), (-60, "-0:01"), (360_000, "100:00"), (-0.2, "0:00")])
def test_hours_and_minutes(seconds: float, says: str) -> None:
    assert h_min(seconds) == says


@given(st.integers(1, 10**9), st.sampled_from(["", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe"]))
def test_the_axis_has_round_steps_that_leave_room_for_words(span_s: int, zone: str) -> None:
    time = Time(MONDAY_6_BERLIN * NS, 0, span_s, 100, 1040, zone)
    at = [t for t, _, _ in time.ticks()]
    assert len(at) <= 15
    assert all(0 <= t <= span_s for t in at)
    assert all(b > a for a, b in pairwise(at))


def test_ticks_are_round_on_the_wall_clock_when_summer_time_begins() -> None:
    """Berlin, 29 March 2026: after 01:59:59 comes 03:00:00."""
    time = Time(1_774_738_800 * NS, 0, 6 * 3600, 0, 600, "Europe/Berlin")  # midnight
    assert [(t // 3600, word) for t, word, _ in time.ticks()] == [
        (0, "Sun 29 Mar 00:00"), (1, "01:00"), (2, "03:00"), (3, "04:00"), (4, "05:00"), (5, "06:00"), (6, "07:00")]


def test_twenty_one_orders_have_colours_of_their_own_the_first_seven_by_okabe_and_ito() -> None:
    tints = [colour(n) for n in range(21)]
    assert tuple(tints[:7]) == OKABE_ITO
    assert len(set(tints)) == 21
    assert all(re.fullmatch("#[0-9a-f]{6}", tint) for tint in tints)


# no word on another, every operation once


CHAR = {11: 5.6, 12: 6.2, 15: 8.6}  # pixels of a usual letter of the font by size: less than what the drawing reckons with


def placed(drawn: str) -> list[tuple[str, float, float, float, float]]:
    """(text, left, right, y, size) of every word of a drawing, by its own marks of size and anchor."""
    out = []
    root = ElementTree.fromstring(drawn)
    inside = {id(text) for g in root.iter(f"{SVG}g") if "s" in (g.get("class") or "").split() for text in g.iter(f"{SVG}text")}
    for node in root.iter(f"{SVG}text"):
        cls = (node.get("class") or "").split()
        size = 15 if "t" in cls else 11 if "m" in cls or id(node) in inside else 12
        text = node.text or ""
        wide, x = len(text) * CHAR[size], float(node.get("x", "0"))
        left = x - {"middle": wide / 2, "end": wide}.get(node.get("text-anchor") or "", 0)
        out.append((text, left, left + wide, float(node.get("y", "0")), size))
    return out


def crossing(drawn: str) -> list[str]:
    """Words of one height that lie on each other, and words that leave the drawing."""
    words = sorted(placed(drawn), key=lambda w: w[3])
    wide = float(ElementTree.fromstring(drawn).get("width", "0"))
    found = [f"cut {w[0]}" for w in words if w[1] < 0 or w[2] > wide + 1]
    for n, a in enumerate(words):
        near = takewhile(lambda b, a=a: b[3] - a[3] < 7, words[n + 1:])  # type: ignore[misc]
        found += [f"{a[0]} on {b[0]}" for b in near if b[1] < a[2] - 1 and a[1] < b[2] - 1]
    return found


@pytest.mark.parametrize("orders_", [1, 20, 334])
@pytest.mark.parametrize("what", sorted(DRAWINGS))
def test_no_word_lies_on_another(what: str, orders_: int) -> None:
    shop = club_shop(orders_)
    shop = replace(shop, jobs=tuple(replace(job, due_s=900 * n) for n, job in enumerate(shop.jobs)))
    drawn = DRAWINGS[what](shop, plan(shop, 0), "Europe/Berlin")
    assert crossing(drawn) == []


def test_the_words_of_the_axis_stand_again_where_a_drawing_is_tall() -> None:
    shop = club_shop(100)
    drawn = orders(shop, plan(shop, 0))
    heights = {y for text, _, _, y, size in placed(drawn) if re.fullmatch(r"\d+:\d\d", text) and size == 11}
    assert len(heights) == 3  # above 100 lanes, and every 41


def test_what_ends_late_is_marked_by_more_than_a_colour() -> None:
    shop, found = small()
    late = replace(shop, jobs=(replace(shop.jobs[0], due_s=1000), *shop.jobs[1:]))
    assert machines(shop, found).count('<path d="M') + 3 == machines(late, found).count('<path d="M')  # two corners, one in the legend
    assert "its job ends late" in machines(late, found)
    assert "its job ends late" not in machines(shop, found)


def test_a_plan_says_how_good_it_is() -> None:
    shop, found = small()
    assert "feasible, bound 1:24:20 h, gap 0.0%; by hand" in machines(shop, found)
    assert "how good is not proven" in machines(shop, replace(found, bound=0.0))
    assert "1:00 h late by weight, optimal, no plan is better" in machines(shop, replace(found, objective="tardiness", value=3600, bound=3600, status="optimal"))


def two_plans() -> tuple[Shop, Plan, Plan]:
    """a and b change places on m, c goes from m to n, d is new, e is gone, f was done before the second plan began."""
    jobs = tuple(Job(n, (Operation(n, "x", (("m", 60), ("n", 60))),)) for n in "abcdef")
    shop = Shop(0, (Machine("m", "r"), Machine("n", "r")), jobs)

    def planned(origin_s: int, *rows: tuple[str, str, int]) -> Plan:
        slots = tuple(Slot(n, "x", m, at, at + 60) for n, m, at in rows)
        return Plan(origin_s * NS, slots, "feasible", "makespan", slots[-1].end_s, 60, "by hand", 0.0)

    before = planned(0, ("f", "m", 0), ("a", "m", 60), ("b", "m", 120), ("c", "m", 180), ("e", "n", 120))
    after = planned(60, ("b", "m", 0), ("a", "m", 60), ("c", "n", 0), ("d", "n", 60))
    return shop, before, after


def test_two_plans_stand_on_one_axis_and_what_moved_is_joined() -> None:
    shop, before, after = two_plans()
    drawn = compared(shop, before, replace(shop, origin_ns=60 * NS), after, ("then", "now"))
    assert "33% of 3 operations kept, 2 moved, 1 new, 1 done, 1 gone" in drawn
    joined = re.findall(r'class="j" d="M([0-9.]+) [0-9.]+C', drawn)
    assert len(joined) == 2
    stories = [text.split("\n") for text in titles(drawn) if " on " in text]
    told = {s[0]: s[2] for s in stories}
    assert (told["c x on m"], told["c x on n"]) == ("moved: goes to n, 0:00", "moved: stood on m, 0:02")
    assert (told["d x on n"], told["e x on n"], told["f x on m"]) == ("new", "gone", "kept, or done")
    words = sorted((told["a x on m"].partition(":")[0], told["b x on m"].partition(":")[0]))
    assert words == ["kept, or done", "moved"]  # one of the two changed its place
    # c of the first plan begins 180 s after its origin, 120 s after the second one's: at the same place as 120 s there
    at = dict(zip([(s[0], s[1]) for s in stories], boxes(drawn, "s"), strict=True))
    c_before = next(box for (name, when), box in at.items() if name == "c x on m")
    d_after = next(box for (name, when), box in at.items() if name == "d x on n")
    assert c_before[0] == pytest.approx(d_after[0] + d_after[1], abs=0.2)


def test_two_plans_of_two_thousand_operations_are_drawn_without_words_that_cross() -> None:
    shop = club_shop(334)
    first, second = plan(shop, 0), plan(shop, 0, "tardiness")
    drawn = compared(shop, first, shop, second, zone="Europe/Berlin")
    assert len([text for text in titles(drawn) if " on " in text]) == 2 * 2004
    assert crossing(drawn) == []
