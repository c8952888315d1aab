"""Durations, shifts, due dates and the replay of a log, on small logs made by hand and, where it is there, the real one."""

from __future__ import annotations

import itertools
import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError, PlanError, UnknownName
from loopwright.make.check import check
from loopwright.make.past import attendance, durations
from loopwright.make.past.due import due_dates, usual
from loopwright.make.past.floor import Floor, as_it_was, by, first_in, idle_waits, pieces_of
from loopwright.make.past.replay import Assumed, Planning, by_plan, by_rule, learnt_at, shop_at, world_of
from loopwright.make.past.replayed import compared, drawing
from loopwright.make.past.work_log import Work, by_order, from_event, known_by, overlaps, seconds_each
from loopwright.packs.shop_floor.event_log import Log, events, read_log

H = 3_600 * NS_PER_S
MONDAY = int(datetime(2025, 1, 6, tzinfo=UTC).timestamp()) * NS_PER_S
EXAMPLE = Path(__file__).parents[2] / "examples" / "event_log" / "log.csv"


def work(order: str, activity: str, begin_h: float, end_h: float, who: str = "ann", **more: object) -> Work:
    return Work(order, activity, MONDAY + round(begin_h * H), MONDAY + round(end_h * H), operator=who, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def example() -> Log:
    return read_log(EXAMPLE, "Europe/Berlin")


# ---- the log


def test_work_that_ends_before_it_starts_or_that_nobody_did_is_refused() -> None:
    with pytest.raises(InputError, match="ends 3,600 s before it starts"):
        work("a", "saw", 2, 1)
    with pytest.raises(InputError, match="neither a machine nor an operator"):
        work("a", "saw", 1, 2, "")
    with pytest.raises(InputError, match="scrap -1"):
        work("a", "saw", 1, 2, scrap=-1.0)


def test_a_row_is_known_when_its_work_was_completed_and_not_before() -> None:
    rows = [work("a", "saw", 0, 2), work("a", "mill", 1, 5)]
    assert known_by(rows, MONDAY + 2 * H) == rows[:1]
    assert known_by(rows, MONDAY + 2 * H - 1) == []


def test_two_rows_at_once_share_the_time_of_the_one_who_did_both() -> None:
    rows = [work("a", "saw", 0, 8), work("b", "saw", 2, 4), work("c", "saw", 0, 8, "bob")]
    assert seconds_each(rows) == pytest.approx([7 * 3600, 3600, 8 * 3600])
    ann, bob = overlaps(rows)
    assert (ann.most, ann.recorded_s, ann.busy_s) == (2, 10 * 3600, 8 * 3600)
    assert ann.part == pytest.approx(0.2)
    assert bob.part == 0


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20), st.sampled_from("xy")), min_size=1, max_size=12))
def test_shared_time_adds_up_to_the_time_in_which_there_was_any(spans: list[tuple[int, int, str]]) -> None:
    rows = [work("a", "saw", begin, begin + long, who) for begin, long, who in spans]
    covered = {(who, hour) for begin, long, who in spans for hour in range(begin, begin + long)}
    assert sum(seconds_each(rows)) == pytest.approx(len(covered) * 3600)


# ---- shifts


def test_who_works_early_and_late_by_turns_has_a_rota_of_two_weeks() -> None:
    rows = []
    for week in range(6):
        for day in range(5):
            begin = week * 168 + day * 24 + (6 if week % 2 else 14)
            rows.append(work("a", "saw", begin, begin + 8))
    week = attendance.learn(rows, "UTC", MONDAY + 4 * 168 * H)
    assert week.rota == 2
    judged = attendance.judge(rows, week, MONDAY + 4 * 168 * H, MONDAY + 6 * 168 * H)
    assert (judged.hit, judged.right) == (1.0, 1.0)
    opened = attendance.open_times(week, "ann", MONDAY + 4 * 168 * H, MONDAY + (4 * 168 + 24) * H)
    assert opened == [(MONDAY + (4 * 168 + 14) * H, MONDAY + (4 * 168 + 22) * H)]
    assert attendance.open_times(week, "nobody", MONDAY, MONDAY + H) == []


def test_usual_hours_are_those_of_the_clock_on_the_wall_when_summer_time_begins() -> None:
    rows = [work("a", "saw", week * 168 + 7, week * 168 + 11) for week in range(11)]  # 8 to 12 in Berlin, in winter
    week = attendance.learn(rows, "Europe/Berlin", MONDAY + 11 * 168 * H)
    summer = attendance.open_times(week, "ann", MONDAY + 13 * 168 * H, MONDAY + 13 * 168 * H + 24 * H)
    assert summer == [(MONDAY + (13 * 168 + 6) * H, MONDAY + (13 * 168 + 10) * H)]


def test_a_learnt_week_knows_nothing_of_what_came_after() -> None:
    before = [work("a", "saw", d * 24 + 8, d * 24 + 16) for d in range(14)]
    after = [work("b", "saw", d * 24, d * 24 + 6, "bob") for d in range(14, 28)]
    until = MONDAY + 14 * 24 * H
    assert attendance.learn([*before, *after], "UTC", until) == attendance.learn(before, "UTC", until)


def test_capacity_is_how_many_rows_were_open_and_one_in_short_gaps() -> None:
    rows = [work("a", "saw", 0, 4), work("b", "saw", 2, 6), work("c", "saw", 8, 9), work("d", "saw", 20, 21)]
    mine = attendance.capacity(rows, 4 * 3600.0)["ann"]
    assert [((a - MONDAY) / H, (b - MONDAY) / H, n) for a, b, n in mine] == [(0, 2, 1), (2, 4, 2), (4, 9, 1), (20, 21, 1)]


# ---- durations


def made_up(rows: int, seed: int = 0, setup_s: float = 1800, piece_s: float = 300) -> list[Work]:
    """Rows of 30 minutes of setup and 5 a piece, with a spread of 20 %; bob needs half as long again."""
    rng = np.random.default_rng(seed)
    out = []
    for k in range(rows):
        q = int(rng.integers(1, 60))
        who = ("ann", "bob")[k % 2]
        seconds = (setup_s + piece_s * q) * (1.5 if who == "bob" else 1.0) * rng.lognormal(0, 0.2)
        out.append(work(f"o{k}", "mill", k * 24, k * 24 + seconds / 3600, who, quantity=float(q)))
    return out


def test_setup_and_time_per_piece_come_out_as_they_went_in() -> None:
    learnt = durations.fit(made_up(600))
    for q in (5, 30, 60):  # of 1 to 59
        asked = work("x", "mill", 0, 1, quantity=float(q))
        assert learnt.seconds(asked) == pytest.approx(1800 + 300 * q, rel=0.12)
        assert learnt.seconds(asked, 0.5, "bob") / learnt.seconds(asked) == pytest.approx(1.5, rel=0.1)
    ratio = learnt.seconds(asked, 0.9) / learnt.seconds(asked, 0.1)
    assert ratio == pytest.approx(math.exp(2 * 1.2816 * 0.2), rel=0.1)  # of a lognormal


def test_a_resource_with_few_rows_is_drawn_towards_the_others() -> None:
    rows = [*made_up(200), work("z", "mill", 9000, 9040, "new", quantity=10.0)]
    learnt = durations.fit(rows)
    asked = work("x", "mill", 0, 1, "new", quantity=10.0)
    assert learnt.seconds(asked) < 20 * 3600


def test_quantiles_rise_and_an_activity_never_seen_gets_those_of_all_work() -> None:
    learnt = durations.fit(made_up(50))
    asked = work("x", "paint", 0, 1, "new")
    found = [learnt.seconds(asked, p) for p in (0.05, 0.3, 0.5, 0.8, 0.95)]
    assert found == sorted(found)
    assert found[0] > 0
    with pytest.raises(InputError, match=r"quantile 1\.5"):
        learnt.seconds(asked, 1.5)
    with pytest.raises(InputError, match="none of 1 rows has a length"):
        durations.fit([work("a", "saw", 1, 1)])


def test_durations_of_a_week_are_judged_from_what_was_known_before_it() -> None:
    rows = made_up(120)
    split = rows[80].start_ns
    changed = [*rows[:80], *(work(w.order, w.activity, k * 24, k * 24 + 0.1, w.operator, quantity=w.quantity) for k, w in enumerate(rows[80:], 80))]
    first = durations.judge(rows, split)[0].guess[:5]
    assert np.array_equal(first, durations.judge(changed, split)[0].guess[:5])


def test_nine_in_ten_are_told_where_the_spread_is_as_before_and_the_fit_beats_medians() -> None:
    rows = made_up(500)
    ways = {way.name: way for way in durations.judge(rows, rows[200].start_ns)}
    inside = ways["fitted"].inside
    assert abs(inside - 0.8) < 4 * math.sqrt(0.8 * 0.2 / len(ways["fitted"].y))
    assert ways["fitted"].loss_s < ways["without quantity"].loss_s <= ways["one median"].loss_s * 1.05


def test_the_pinball_loss_is_that_of_koenker_and_bassett() -> None:
    assert durations.pinball(np.array([10.0, 10.0]), np.array([8.0, 14.0]), 0.9) == pytest.approx([1.8, 0.4])


# ---- due dates


def test_the_usual_time_counts_orders_still_open_as_at_least_so_long() -> None:
    took = np.array([6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35.0])
    ended = np.array([1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0], bool)
    assert usual(took, ended, 0.5) == 23  # the 6-MP data of Gehan (1965), whose Kaplan-Meier median is 23 weeks
    assert usual(took[:3], ended[:3], 0.5) == 6


def test_due_dates_are_allowances_from_first_work_by_rule() -> None:
    rows = [work("a", "saw", 0, 10), work("b", "saw", 20, 25), work("b", "saw", 28, 40), work("c", "saw", 100, 101)]
    same = due_dates(rows, MONDAY + 50 * H, "same")
    assert same["c"] - (MONDAY + 100 * H) == 10 * H
    assert due_dates(rows, MONDAY + 50 * H, "same", tight=2)["c"] - (MONDAY + 100 * H) == 20 * H
    by_rows = due_dates(rows, MONDAY + 50 * H, "operations")
    assert by_rows["b"] - (MONDAY + 20 * H) == 2 * (by_rows["c"] - (MONDAY + 100 * H))
    with pytest.raises(UnknownName, match="work"):
        due_dates(rows, MONDAY + 50 * H, "works")


# ---- the floor


def day_and_night(rows: list[Work]) -> dict[str, list[tuple[int, int, int]]]:
    return {name: [(MONDAY, MONDAY + 10_000 * H, 1)] for name in {w.resource for w in rows}}


def test_a_piece_waits_for_what_really_ended_before_it_and_for_nothing_else() -> None:
    rows = [work("a", "saw", 0, 2), work("a", "turn", 1, 3), work("a", "mill", 3, 4), work("a", "pack", 5, 6), work("b", "saw", 0, 1)]
    after = {p.key[1][4:]: [k[1][4:] for k in p.after] for p in pieces_of(rows) if p.key[0] == "a"}
    assert after == {"saw": [], "turn": [], "mill": ["saw", "turn"], "pack": ["mill"]}


def test_the_real_order_of_work_gives_the_real_ends(example: Log) -> None:
    start_ns = sorted(w.end_ns for w in example.works)[len(example.works) // 2]
    for assumed in (Assumed("Europe/Berlin"), Assumed("Europe/Berlin", "skilled", waits="idle")):
        world = world_of(example.works, start_ns, assumed)
        ends = by_rule(world, as_it_was(world.pieces))
        assert all(ends[order] <= world.real_ns[order][1] for order in world.orders)
    world = world_of(example.works, start_ns, Assumed("Europe/Berlin", waits="long", long_s=0.0, bridge_s=0.0))
    assert by_rule(world, as_it_was(world.pieces)) == {order: world.real_ns[order][1] for order in world.orders}


def test_what_is_not_done_when_somebody_leaves_goes_on_when_he_is_back_or_with_who_can() -> None:
    rows = [work("a", "saw", 0, 3)]
    there = {"ann": [(MONDAY, MONDAY + 2 * H, 1), (MONDAY + 10 * H, MONDAY + 20 * H, 1)], "bob": [(MONDAY + 4 * H, MONDAY + 6 * H, 1)]}
    pieces = pieces_of(rows)
    alone = Floor(pieces, there, {pieces[0].key: ("ann",)}, MONDAY - 1)
    alone.run(first_in)
    assert alone.ends == {"a": MONDAY + 11 * H}
    helped = Floor(pieces, there, {pieces[0].key: ("ann", "bob")}, MONDAY - 1)
    helped.run(first_in)
    assert helped.ends == {"a": MONDAY + 5 * H}


def test_two_hands_do_two_pieces_at_once_and_one_hand_one_after_the_other() -> None:
    rows = [work("a", "saw", 0, 3), work("b", "saw", 0, 3)]
    pieces = pieces_of(rows)
    able = {p.key: ("ann",) for p in pieces}
    for hands, end_h in ((2, 3), (1, 6)):
        floor = Floor(pieces, {"ann": [(MONDAY, MONDAY + 99 * H, hands)]}, able, MONDAY - 1)
        floor.run(first_in)
        assert max(floor.ends.values()) == MONDAY + end_h * H


def test_a_piece_that_nobody_can_ever_do_is_said() -> None:
    pieces = pieces_of([work("a", "saw", 5, 6)])
    floor = Floor(pieces, {"ann": [(MONDAY, MONDAY + H, 1)]}, {pieces[0].key: ("ann",)}, MONDAY - 1)
    with pytest.raises(PlanError, match="'001 saw' of order 'a': is never done"):
        floor.run(first_in)


def test_a_wait_is_kept_where_whoever_did_it_was_there_and_idle() -> None:
    rows = [work("a", "saw", 0, 2, "bob"), work("x", "mill", 2, 4), work("a", "mill", 5, 6), work("y", "mill", 6, 7)]
    pieces = pieces_of(rows)
    lags = {p.key[0]: p.lag_s for p in idle_waits(pieces, attendance.presence(rows, 4 * 3600)) if p.work.activity == "mill"}
    assert lags["a"] == 3600  # of three hours two were spent on x
    whole = {p.key[0]: p.lag_s for p in idle_waits(pieces, attendance.presence(rows, 4 * 3600), 2.5 * 3600) if p.work.activity == "mill"}
    assert whole["a"] == 3 * 3600


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 40), st.integers(1, 9), st.sampled_from("xyz")), min_size=2, max_size=14))
def test_whatever_the_rule_nobody_has_two_things_in_one_hand_and_nothing_begins_too_soon(rows_of: list[tuple[str, int, int, str]]) -> None:
    rows = [work(order, f"op{k}", begin, begin + long, who) for k, (order, begin, long, who) in enumerate(rows_of)]
    pieces = pieces_of(rows)
    floor = Floor(pieces, day_and_night(rows), {p.key: (p.work.resource,) for p in pieces}, MONDAY - 1)
    floor.run(by(lambda piece: -piece.seconds))
    begun = {p.key: floor.done[p.key] - round(p.seconds * NS_PER_S) for p in pieces}
    assert all(begun[p.key] >= max([floor.release[p.key[0]], *(floor.done[k] for k in p.after)]) for p in pieces)
    for name in {p.work.resource for p in pieces}:
        mine = sorted((begun[p.key], floor.done[p.key]) for p in pieces if p.work.resource == name)
        assert all(one[1] <= other[0] for one, other in itertools.pairwise(mine))


# ---- the replay


def test_a_longer_order_waits_for_a_shorter_where_the_due_dates_say_so() -> None:
    past = [work(f"p{k}", "saw", k * 10, k * 10 + 8) for k in range(3)]
    rows = [*past, work("long", "saw", 40, 60), work("short", "saw", 60, 61), work("long", "pack", 61, 62, "bob"), work("short", "pack", 62, 63, "bob")]
    world = world_of(rows, MONDAY + 40 * H, Assumed(there="usual"))
    both = [p for p in world.pieces if p.key[0] in ("long", "short") and p.work.activity == "saw"]
    assert world.orders == ("long", "short")
    due = {"long": MONDAY + 200 * H, "short": MONDAY + 41 * H}
    floor = world.floor()
    floor.release = dict.fromkeys(floor.release, MONDAY + 40 * H)
    for piece in both:
        floor._look(piece.key)
    shop = shop_at(world, floor, Planning(due))
    assert {o.key[1] for o in shop.operations} >= {"001 saw"}
    assert all(seconds < 9 * 3600 for o in shop.operations for _, seconds in o.on)  # as the past was, not as it will be


def test_the_planner_does_not_see_what_comes_later(example: Log) -> None:
    start_ns = sorted(w.end_ns for w in example.works)[len(example.works) // 2]
    later = [w for w in example.works if w.start_ns >= start_ns]
    known_orders = {w.order for w in example.works if w.start_ns < start_ns}
    longer = [Work(w.order, w.activity, w.start_ns, w.end_ns + 13 * 60 * NS_PER_S, w.machine, w.operator, quantity=w.quantity, rework=w.rework) if w in later and w.end_ns == max(x.end_ns for x in later if x.order == w.order) else w for w in example.works]
    worlds = [world_of(rows, start_ns, Assumed("Europe/Berlin")) for rows in (list(example.works), longer)]
    shops = [shop_at(world, world.floor(), Planning({})) for world in worlds]
    assert shops[0] == shops[1]
    assert {job.id for job in shops[0].jobs} <= known_orders
    assert learnt_at(worlds[0], worlds[0].floor()).rows == len([w for w in known_by(example.works, start_ns) if w.seconds])


def test_every_plan_of_a_replay_keeps_the_rules_and_every_order_is_done(example: Log) -> None:
    start_ns = sorted(w.end_ns for w in example.works)[len(example.works) * 9 // 10]
    world = world_of(example.works, start_ns, Assumed("Europe/Berlin", "skilled"))
    due = due_dates(example.works, start_ns)
    wrong: list[object] = []
    for mend in (False, True):
        done = by_plan(world, Planning(due, repair=mend, seconds=0.0, iterations=None), lambda shop, plan: wrong.extend(check(shop, plan)))
        assert set(done.ends_ns) == set(world.orders)
        assert done.plans > 1
        assert not wrong
    rows = compared(world, {"as it was": {o: world.real_ns[o][1] for o in world.orders}, "planned": done.ends_ns}, due)
    assert (rows[0].beside_d, rows[0].low_d, rows[0].high_d) == (0, 0, 0)
    assert rows[1].low_d <= rows[1].beside_d <= rows[1].high_d
    assert drawing(world, done.ends_ns, done.ends_ns).count("<circle") == len(world.orders)


def test_a_start_with_nothing_before_or_after_it_is_refused(example: Log) -> None:
    with pytest.raises(InputError, match="0 of 512 rows were completed before the start"):
        world_of(example.works, MONDAY - 999 * 24 * H, Assumed())
    late = [*example.works, work("z", "saw", 9_000, 9_001)]
    with pytest.raises(InputError, match="work at order 'z': begins 335 days after"):
        world_of(late, MONDAY + 30 * 24 * H, Assumed())
    with pytest.raises(InputError, match="'anybody'"):
        Assumed(who="anybody")


# ---- the real log


@pytest.fixture(scope="module")
def real(shared_data: Path) -> Log:
    path = shared_data / "factory_event_log" / "production_dev.csv.gz"
    if not path.is_file():
        pytest.skip(f"{path.name} is not there")
    return read_log(path)


def test_every_row_of_the_real_log_is_accounted_for(real: Log) -> None:
    assert real.rows == 3863 == len(real.works) + len(real.repeats) + len(real.refused)
    assert real.reasons == {"marks the start or end of an order, no work": 2 * len({w.order for w in real.works})}
    assert len({w.order for w in real.works}) == 173
    assert real.assumed["time_zone"] == "UTC"


@pytest.mark.slow
def test_the_real_order_of_work_of_the_real_shop_gives_the_real_ends(real: Log) -> None:
    start_ns = int(datetime(2012, 3, 5, tzinfo=UTC).timestamp()) * NS_PER_S
    world = world_of(real.works, start_ns, Assumed(bridge_s=0.0))
    ends = by_rule(world, as_it_was(world.pieces))
    assert len(world.orders) == 90
    assert all(ends[order] <= world.real_ns[order][1] for order in world.orders)


def test_shifts_of_the_real_shop_change_every_other_week(real: Log) -> None:
    week = attendance.learn(real.works, "UTC", int(datetime(2012, 3, 5, tzinfo=UTC).timestamp()) * NS_PER_S)
    assert week.rota == 2
    assert week.again[2] > 2 * week.again[1]


def test_events_of_the_real_log_give_its_rows_again(real: Log) -> None:
    told, names = events(real)
    assert (len(told), names) == (len(real.works), 0)
    again = by_order([from_event(event) for event in told])
    assert {order: len(rows) for order, rows in again.items()} == {order: len(rows) for order, rows in by_order(real.works).items()}
    assert all(event.body["known_ns"] == event.t_ns == event.body["end_ns"] for event in told)
    assert all(event.body["assumed"]["known_ns"] == "when the work was completed" for event in told[:3])
