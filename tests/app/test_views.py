"""Views: plain data from events and points."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.app.flow import STAGES, Flow
from loopwright.app.views import (
    alarms,
    circle,
    decisions,
    landing,
    loss,
    machines,
    orders,
    owner,
    series,
    shown,
    unit,
    when,
)
from loopwright.core.clock import NS_PER_S, SimClock, from_iso
from loopwright.core.errors import UnknownName
from loopwright.core.types import POINTS, Event, Hop, Kind, Signal


def points(signal: str, t_ns: list[int], value: list[float | None] | None = None, code: list[int | None] | None = None, thing: str = "m") -> pa.Table:
    n = len(t_ns)
    return pa.table(
        {
            "thing": [thing] * n,
            "signal": [signal] * n,
            "t_ns": pa.array(t_ns, pa.int64()),
            "n": pa.array([0] * n, pa.int32()),
            "value": pa.array(value if value is not None else [None] * n, pa.float64()),
            "code": pa.array(code if code is not None else [None] * n, pa.int64()),
            "quality": pa.array([0] * n, pa.int8()),
            "known_ns": pa.array(t_ns, pa.int64()),
            "assumed": [False] * n,
        },
        POINTS,
    )


# numbers as people like them (factors: NIST SP 811, appendix B.8)


@pytest.mark.parametrize(
    ("value", "unit", "system", "name", "text"),
    [
        (0.9398, "m", "imperial", "length", "37.00 in"),
        (0.9398, "m", "metric", "length", "94.0 cm"),
        (150 * 0.9144, "m", "imperial", "carry", "150.0 yd"),
        (44.704, "m/s", "imperial", "ball.speed", "100.0 mph"),
        (44.704, "m/s", "metric", "ball.speed", "44.7 m/s"),
        (math.pi / 6, "rad", "metric", "loft", "30.0°"),
        (100 * math.pi, "rad/s", "metric", "s.velocity", "3\u202f000 rpm"),
        (0.02286, "m", "metric", "grip_diameter", "22.86 mm"),
        (0.0254, "m", "imperial", "x.position", "1.00 in"),
        (0.27, "kg", "imperial", "head_mass", "270.0 g"),
        (20.0, "degC", "imperial", "air", "68.0 °F"),
        (None, "m", "metric", "carry", "–"), (-1e-9, "W", "metric", "power", "0 W"),
        (float("nan"), "m", "metric", "carry", "–"),
        ("stiff", "", "metric", "flex", "stiff"),
    ],
)
def test_a_number_is_shown_in_the_unit_a_person_is_used_to(value: float | None, unit: str, system: str, name: str, text: str) -> None:
    assert str(shown.shown(value, unit, system, name)) == text


@pytest.mark.parametrize(("number", "word"), [(0.0, "D0"), (2.0, "D2"), (-1.0, "C9"), (1.6, "D1.6"), (-10.0, "C0"), (10.0, "E0"), (9.96, "E0"), (-30.0, "A0")])
def test_a_swing_weight_reads_as_in_the_trade(number: float, word: str) -> None:
    assert shown.swing_weight(number) == word


def test_inside_units_are_left_alone_when_nobody_asked_for_others() -> None:
    assert shown.unit_for("m", "inside", "carry") == "m"
    assert shown.unit_for("furlong", "metric") == "furlong"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0004, "0 ms"),
        (0.042, "42 ms"),
        (0.42, "0.42 s"),
        (4.2, "4.2 s"),
        (75, "75 s"),
        (200, "3 min 20 s"),
        (3660, "1 h 01 min"),
        (7200, "2 h"),
        (270_000, "3 d 3 h"),
        (None, "–"),
    ],
)
def test_a_duration_reads_in_its_largest_units(seconds: float | None, text: str) -> None:
    assert shown.took(seconds) == text


def test_scarce_room_gets_short_counts() -> None:
    assert [shown.short(n) for n in (950, 9_999, 12_340, 4_560_000, None)] == ["950", "9\u202f999", "12.3k", "4.56M", "–"]


def test_times_are_told_in_the_plants_zone_across_the_change_to_summer_time() -> None:
    assert when.moment(from_iso("2026-03-29T00:59:00Z"), "Europe/Berlin") == "29 Mar 2026, 01:59"
    assert when.moment(from_iso("2026-03-29T01:01:00Z"), "Europe/Berlin") == "29 Mar 2026, 03:01"


def test_ticks_are_round_local_times_inside_the_span() -> None:
    start, end = from_iso("2026-01-05T06:07:00+01:00"), from_iso("2026-01-05T09:50:00+01:00")
    assert [word for _, word in when.ticks(start, end, 6, "Europe/Berlin")] == ["07:00", "08:00", "09:00"]
    assert [word for _, word in when.ticks(start, start + 40 * NS_PER_S, 4, "Europe/Berlin")] == ["06:07:00", "06:07:10", "06:07:20", "06:07:30", "06:07:40"]


def test_long_ago_is_told_as_a_day() -> None:
    now = from_iso("2026-11-21T12:00:00Z")
    assert when.ago(now - 240 * NS_PER_S, now) == "4 min ago"
    assert when.ago(now + 7300 * NS_PER_S, now) == "in 2 h"
    assert when.ago(from_iso("2026-01-05T06:00:00Z"), now) == "on 5 Jan 2026"


# charts


def slow_downsample(values: list[float], n: int) -> list[int]:
    """The same by a plain loop: the first lowest and the first highest of each of n/2 spans, and the first row of a span without numbers."""
    m, out = len(values), set()
    if m <= n:
        return list(range(m))
    edges = np.linspace(0, m, n // 2 + 1).astype(int).tolist()
    for start, end in pairwise(edges):
        known = [i for i in range(start, end) if not math.isnan(values[i])]
        out |= {min(known, key=lambda i: (values[i], i)), min(known, key=lambda i: (-values[i], i))} if known else {start}
    return sorted(out)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=0, max_size=400), st.integers(2, 40))
def test_a_chart_of_few_points_keeps_the_exact_extremes(values: list[float], half: int) -> None:
    kept = series.downsample(np.array(values, dtype=np.float64), 2 * half).tolist()
    assert kept == slow_downsample(values, 2 * half) if half >= 2 else True
    assert len(kept) <= max(2 * half, 0) or len(values) <= 2 * half
    finite = [v for v in values if not math.isnan(v)]
    if finite:
        drawn = [values[i] for i in kept if not math.isnan(values[i])]
        assert (min(drawn), max(drawn)) == (min(finite), max(finite))


MILL = Kind(
    "mill",
    "A mill.",
    (
        Signal("speed", "rad/s", "gauge", 1.0, None, None, "How fast it turns."),
        Signal("state", "", "state", None, None, None, "What it does.", {0: "idle", 1: "active", 2: "alarm"}),
    ),
)


def test_a_line_breaks_where_the_data_pauses_and_where_the_source_reported_a_gap() -> None:
    t = [*range(10), *range(40, 50)]
    value: list[float | None] = [float(i) for i in range(20)]
    value[5] = None
    line = series.series(points("speed", [s * NS_PER_S for s in t], value), "m", MILL, "speed", system="inside")
    assert line["breaks"] == [10]
    assert line["values"][5] is None
    assert (line["low"], line["high"], line["last"], line["count"]) == (0.0, 19.0, 19.0, 20)


def test_a_line_comes_in_the_unit_that_was_asked_for() -> None:
    line = series.series(points("speed", [0], [math.pi]), "m", MILL, "speed", system="metric")
    assert line["unit"] == "rpm"
    assert line["values"] == [pytest.approx(30.0)]  # half a turn a second


def test_states_follow_each_other_and_the_last_one_lasts() -> None:
    strip = series.strip(points("state", [0, 10, 20, 30], code=[0, 1, 1, 2]), MILL.signal("state"), 50)
    assert [(s["word"], s["start_ns"], s["end_ns"]) for s in strip] == [("idle", 0, 10), ("active", 10, 30), ("alarm", 30, 50)]


def test_a_gap_ends_a_state() -> None:
    strip = series.strip(points("state", [0, 10, 20], code=[1, None, 0]), MILL.signal("state"), 30)
    assert [(s["word"], s["start_ns"], s["end_ns"]) for s in strip] == [("active", 0, 10), ("idle", 20, 30)]


@pytest.mark.parametrize(("low", "high", "ticks"), [(0.3, 9.7, [0, 5, 10]), (-0.02, 0.013, [-0.02, 0.0, 0.02]), (-0.1, 3100.0, [0, 2000, 4000]), (-300.0, 3100.0, [-2000, 0, 2000, 4000]), (5.0, 5.0, [4.5, 5.0, 5.5])])
def test_an_axis_has_round_ticks_that_hold_the_data(low: float, high: float, ticks: list[float]) -> None:
    bottom, top, found = series.scale(low, high, 3)
    assert bottom <= low
    assert top >= high
    assert found == pytest.approx(ticks)


def test_a_little_below_zero_does_not_cost_the_picture_a_step() -> None:
    assert series.scale(-0.1, 3100.0, 3)[:2] == (-0.1, 4000.0)


def test_a_test_that_judged_nothing_has_a_mark_of_its_own() -> None:
    row = {"name": "group mill-1", "says": "4 units: fewer than 5, too few to judge"}
    assert decisions.mark({**row, "passed": True, "judged": False}) == "wait"
    assert decisions.mark({**row, "passed": True}) is None
    assert decisions.mark({**row, "passed": False}) == "no"


# folds


def event(kind: str, about: str, t: int, actor: str = "x", **body: object) -> Event:
    return Event(kind, about, t, actor, body, id=f"{kind}/{about}/{t}", known_ns=t)


def raised(t: int = 1) -> Event:
    return event("alarm.raised", "a", t, condition="worn", thing="m", says="The tool is worn.", evidence=[], priority="high")


@pytest.mark.parametrize(
    ("kinds", "state"),
    [([], "unacknowledged"), (["acknowledged"], "acknowledged"), (["cleared"], "returned"), (["acknowledged", "cleared"], "normal"), (["cleared", "acknowledged"], "normal")],
)
def test_an_alarm_goes_through_the_states_of_isa_18_2(kinds: list[str], state: str) -> None:
    events = [raised(), *(event(f"alarm.{kind}", "a", t) for t, kind in enumerate(kinds, 2))]
    (row,) = alarms.alarms(events)
    assert row["state"] == state
    assert bool(alarms.standing([row])) == (state != "normal")


def test_alarms_that_stand_come_by_priority_and_then_the_newest_first() -> None:
    told = [("a", "low", 5), ("b", "high", 1), ("c", "medium", 4), ("d", "high", 3), ("e", "odd", 6)]
    events = [Event("alarm.raised", name, t, "watch", {"condition": "limit", "thing": name, "priority": priority, "says": "", "evidence": []}, id=f"e{t}", known_ns=t)
              for name, priority, t in told]
    assert [row["id"] for row in alarms.alarms(events)] == ["d", "b", "c", "e", "a"]


def test_an_alarm_that_comes_back_is_unacknowledged_again() -> None:
    (row,) = alarms.alarms([raised(1), event("alarm.acknowledged", "a", 2), event("alarm.cleared", "a", 3), raised(4)])
    assert (row["state"], row["since_ns"], row["acknowledged_by"]) == ("unacknowledged", 4, "")


def made(serial: str, order: str, t: int) -> list[Event]:
    return [
        event("step.finished", serial, t, order=order, operation="mill", machine="m", start_ns=t - 5, end_ns=t, program_hash="sha", signals=[], run=""),
        event("unit.measured", serial, t + 1, order=order, measures=[], verdict="good", attempt=1),
        event("unit.finished", serial, t + 2, order=order, design="d", as_built={}, made_ns=t + 2),
    ]


def placed(order: str, t: int = 0) -> Event:
    return event("order.placed", order, t, person="p", family="iron", wishes={}, quantity=1, due_ns=9, price_minor=100, currency="EUR")


def test_an_order_is_as_far_as_its_furthest_unit() -> None:
    scrapped = event("unit.scrapped", "o-1-1", 20, order="o-1", reason="too thin")
    rows = {
        r["order"]: r
        for r in orders.order_rows(
            [
                placed("o-1"),
                placed("o-2"),
                placed("o-3"),
                *made("o-1-1", "o-1", 10),
                scrapped,
                *made("o-1-2", "o-1", 30),
                *made("o-2-1", "o-2", 10),
                event("unit.scrapped", "o-2-1", 20, order="o-2", reason="too thin"),
                event("order.refused", "o-3", 2, person="p", reason="too tall"),
            ]
        )
    }
    assert {o: r["state"] for o, r in rows.items()} == {"o-1": "finished", "o-2": "scrapped", "o-3": "refused"}
    assert [u["serial"] for u in rows["o-1"]["units"]] == ["o-1-1", "o-1-2"]


def test_orders_are_found_by_state_and_by_any_of_their_names() -> None:
    rows = orders.order_rows([placed("o-1"), placed("o-2"), *made("o-2-1", "o-2", 10)])
    assert [r["order"] for r in orders.filtered(rows, "finished")] == ["o-2"]
    assert [r["order"] for r in orders.filtered(rows, "", "O-2-1")] == ["o-2"]
    assert orders.filtered(rows, "", "nobody") == []
    assert orders.state_counts(rows) == {"ordered": 1, "finished": 1}


def thread_events() -> list[Event]:
    fitted = event(
        "order.fitted",
        "o",
        1,
        design="iron/o@r1",
        family="iron",
        revision="r1",
        mirrored=True,
        rules=["lie"],
        parameters=[{"name": "lie", "value": 1.1, "unit": "rad", "low": 1.0, "high": 1.2, "rule": "lie", "source": "chart", "because": "wrist 0.83 m"}],
    )
    measured = event(
        "unit.measured",
        "o-1",
        11,
        order="o",
        attempt=1,
        verdict="rework",
        reasons=["lie is low"],
        measures=[{"name": "lie", "unit": "rad", "designed": 1.1, "as_built": 1.08, "deviation": -0.02, "good": 0.01, "scrap": 0.05, "verdict": "rework"}],
    )
    slot = {"order": "o", "operation": "mill", "machine": "m", "start_s": 0, "end_s": 60}
    planned = [
        event(
            "plan.released",
            f"p{i}",
            2 + i,
            origin_ns=i,
            slots=[slot] if i == 0 else [],
            status="optimal",
            objective="makespan",
            makespan_s=60,
            bound_s=60,
            solver="x",
            took_s=0.1,
            reason="r",
        )
        for i in (0, 1)
    ]
    return [
        placed("o"),
        fitted,
        *planned,
        *made("o-1", "o", 10)[:1],
        measured,
        *made("o-1", "o", 20)[1:],
        event("unit.shipped", "o-1", 30, order="o", code_hash="c", salt="s"),
        event("unit.claimed", "o-1", 40, owner="p-17"),
    ]


def test_the_thread_of_a_unit_runs_from_the_order_to_its_owner() -> None:
    thread = unit.thread("o-1", thread_events())
    assert (thread["state"], thread["order"]["id"], thread["design"]["revision"], thread["owner"]) == ("claimed", "o", "r1", "p-17")
    assert [h["kind"] for h in thread["history"]] == [
        "order.placed",
        "order.fitted",
        "step.finished",
        "unit.measured",
        "unit.measured",
        "unit.finished",
        "unit.shipped",
        "unit.claimed",
    ]
    assert [(m["attempt"], m["verdict"]) for m in thread["measured"]] == [(1, "rework"), (1, "good")]
    assert thread["measured"][0]["measures"][0]["ok"] is False
    assert [(s["operation"], s["plan"]) for s in thread["slots"]] == [("mill", "p0")]


@pytest.mark.parametrize("agreed", [True, False])
def test_the_public_page_knows_nobody(agreed: bool) -> None:
    public = unit.public(unit.thread("o-1", thread_events()), agreed)
    assert not {"p-17", "p", "o", 100, "wrist 0.83 m"} & set(_leaves(public))
    assert ("parameters" in public) == agreed


def _leaves(value: object) -> list[object]:
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in _leaves(inner)]
    return [leaf for inner in value for leaf in _leaves(inner)] if isinstance(value, list) else [value]


def test_an_unclaimed_unit_shows_how_it_was_made() -> None:
    events = [e for e in thread_events() if e.kind != "unit.claimed"]
    assert "parameters" in unit.public(unit.thread("o-1", events), False)


def test_a_serial_nobody_knows_has_no_history() -> None:
    assert unit.thread("nope", thread_events())["history"] == []


def change_events() -> list[Event]:
    body = {"target": "rule", "about": "lie", "before": {}, "after": {"offset": 0.1}, "why": "they miss", "proposer": "improve", "touches": "person"}

    def agreed(by: str, purpose: str, t: int) -> Event:
        return event("change.approved", "c", t, by, automatic=False, purpose=purpose)

    return [
        event("change.proposed", "c", 1, change=body),
        agreed("anna", "trial", 2),
        agreed("anna", "trial", 3),
        agreed("bo", "trial", 4),
        event("trial.assigned", "o-9", 5, change="c", arm="new", pair=1),
        event("change.gated", "c", 6, tests=[{"name": "benefit", "passed": True}], passed=True),
        agreed("anna", "release", 7),
        agreed("bo", "release", 8),
        event("change.released", "c", 9, target="rule", rule="lie", before={}, after={}, revision="r1"),
    ]


@pytest.mark.parametrize(
    ("known", "state", "asked", "count"),
    [
        (1, "proposed", "trial", 0),
        (3, "proposed", "trial", 1),
        (4, "on trial", "trial", 2),
        (6, "gated", "release", 0),
        (8, "approved", "release", 2),
        (9, "released", "release", 2),
    ],
)
def test_a_change_needs_two_people_for_its_trial_and_two_for_its_release(known: int, state: str, asked: str, count: int) -> None:
    (row,) = decisions.changes(change_events()[:known])
    assert (row["state"], row["asked"], row["agreed"], row["needed"]) == (state, asked, count, 2)


def test_a_change_that_is_not_supported_says_why_and_how_often_it_was_looked_for() -> None:
    (row,) = decisions.changes([event("change.notproposed", "change-lie", t, rule="lie", reason=f"because {t}", evidence={}) for t in (1, 2)])
    assert (row["state"], row["why"], row["looks"]) == ("not proposed", "because 2", 2)


def test_decisions_that_wait_for_a_person_come_first() -> None:
    def said(id_: str, t: int, **more: object) -> Event:
        return event("decision.made", id_, t, decision={"service": "s", "about": "m", "made_ns": t, "says": "x", **more})

    rows = decisions.decisions(
        [said("a", 1, approval=True), said("b", 2), said("c", 3, abstains="no consent"), said("d", 4, approval=True), event("decision.declined", "d", 5, "bo", why="no")]
    )
    assert [(r["id"], r["state"]) for r in rows] == [("a", "open"), ("d", "declined"), ("c", "silent"), ("b", "said")]


def test_silences_with_one_reason_are_told_once() -> None:
    def silent(id_: str, about: str, why: str, t: int) -> dict[str, object]:
        return {"state": "silent", "service": "coach", "abstains": why, "about": about, "made_ns": t, "id": id_}
    groups = decisions.silences([silent("a", "p-1", "no consent", 1), silent("b", "p-2", "few shots", 2), silent("c", "p-3", "few shots", 3), {"state": "said"}])
    assert [(g["abstains"], g["count"], g["about"], g["made_ns"]) for g in groups] == [("few shots", 2, ["p-2", "p-3"], 3), ("no consent", 1, ["p-1"], 1)]


def test_every_hop_shows_whether_its_equation_holds() -> None:
    hops = {
        "journal": Hop("journal", 10, 8, waiting=2),
        "mqtt": Hop("mqtt", 20, 10, duplicate=4, refused={"out of range": 1}, waiting=2, lost=3),
        "files": Hop("files", 5, 5, lost=None, word="not counted"),
        "points": Hop("points", 8, 7),
    }
    rows = loss.loss_rows(hops)
    assert [(r["name"], r["adds_up"]) for r in rows] == [("mqtt", True), ("files", None), ("journal", True), ("points", False)]
    total = loss.total(rows)
    assert (total["heard"], total["kept"], total["lost"], total["unknown"], total["adds_up"]) == (25, 7, 3, 1, False)


def test_a_machine_is_silent_by_when_it_was_heard_not_by_the_time_it_spoke_of() -> None:
    newest = {"m": {"speed": {"value": 1.0, "t_ns": 5, "quality": 0, "known_ns": 1000 * NS_PER_S}, "state": {"value": 1, "t_ns": 5, "quality": 0, "known_ns": 1000 * NS_PER_S}}}
    row = {"id": "m", "kind": "mill", "role": "mill", "protocol": "mqtt", "stale_after_s": 60.0, "twin": ""}
    (soon,) = machines.cards([row], {"mill": MILL}, newest, [], [], 1030 * NS_PER_S)
    (late,) = machines.cards([row], {"mill": MILL}, newest, [], [], 1100 * NS_PER_S)
    assert (soon["stale"], soon["state"], soon["tone"], late["stale"], late["tone"]) == (False, "active", "run", True, "quiet")


def test_a_unit_belongs_to_whoever_claimed_it_last() -> None:
    events = [event("unit.claimed", "u", 1, owner="a"), event("unit.claimed", "u", 2, owner="b"), event("unit.claimed", "v", 3, owner="a")]
    assert (owner.owner_of(events, "u"), owner.owner_of(events, "x")) == ("b", "")
    assert [row["serial"] for row in owner.owned(events, "a")] == ["v"]


# shots from above


def test_the_ellipse_of_nine_tenths_holds_nine_tenths_of_normal_shots() -> None:
    rng = np.random.default_rng(3)
    along, side = rng.multivariate_normal([120, 4], [[60, 25], [25, 40]], 20_000).T
    one = landing.ellipse(along, side, 0.9)
    a, b = along - one["along"], side - one["side"]
    c, s = math.cos(one["angle"]), math.sin(one["angle"])
    inside = ((a * c + b * s) / one["long"]) ** 2 + ((-a * s + b * c) / one["short"]) ** 2 <= 1
    assert inside.mean() == pytest.approx(0.9, abs=0.01)


def test_half_axes_come_from_the_chi_square_table() -> None:
    # three points with unit variance along and none aside; the 0.90 quantile of chi-square with 2 degrees is 4.605 (any printed table)
    one = landing.ellipse(np.array([-1.0, 0.0, 1.0]), np.zeros(3), 0.9)
    assert (one["long"] ** 2, one["short"]) == (pytest.approx(4.605, abs=0.001), pytest.approx(0.0, abs=1e-9))


def test_the_picture_comes_in_yards_for_those_who_think_in_yards() -> None:
    shots = [{"t_ns": i * NS_PER_S, "thing": "c", "along_m": 91.44, "side_m": 9.144} for i in range(6)]
    data = landing.on_range(shots, "imperial")
    assert (data["unit"], data["mean"]) == ("yd", {"along": pytest.approx(100.0), "side": pytest.approx(10.0)})
    assert landing.on_range([], "metric") == {}


def test_a_swing_filmed_from_two_sides_is_one_shot() -> None:
    table = pa.concat_tables([points(signal, [5, 5, 9], [value] * 3, thing="g") for signal, value in (("carry", 50.0), ("carry.deviation", 30.0))])
    table = table.set_column(3, "n", pa.array([0, 1, 0] * 2, pa.int32()))
    assert landing.landed(landing.pivot(table), "carry", "carry.deviation") == [{"t_ns": t, "thing": "g", "along_m": 40.0, "side_m": 30.0} for t in (5, 9)]


def test_a_pause_of_three_hours_begins_another_session() -> None:
    shots = [{"t_ns": t * NS_PER_S, "thing": "c", "along_m": 100.0, "side_m": float(i)} for i, t in enumerate((0, 60, 120, 180, 240, 240 + 3 * 3600 + 1))]
    sessions = landing.trend(shots)["sessions"]
    assert [(s["count"], s["side"]) for s in sessions] == [(5, 2.0), (1, 5.0)]
    assert sessions[0]["high"] - 2.0 == pytest.approx(1.96 * math.sqrt(2.5) / math.sqrt(5))  # sd of 0..4 is sqrt(2.5)
    assert sessions[1]["low"] is None


# the loop


def test_the_figure_of_eight_joins_its_lobes_by_tangents() -> None:
    figure = circle.figure(100.0, 60.0)
    numbers = [float(n) for n in figure["path"].replace("M", " ").replace("L", " ").replace("A", " ").replace("Z", "").split()]
    (x1, y1), (x2, y2), (x3, y3) = (numbers[0], numbers[1]), (numbers[7], numbers[8]), (numbers[9], numbers[10])
    assert math.hypot(x1 + 100, y1) == pytest.approx(60, abs=0.02)
    assert (x2 + 100) * (x3 - x2) + y2 * (y3 - y2) == pytest.approx(0, abs=1.0)  # the radius stands upright on the tangent
    assert list(figure["places"]) == list(STAGES)
    with pytest.raises(ValueError, match="overlap"):
        circle.figure(50.0, 60.0)


def test_the_flow_tells_what_happens_now_in_the_order_of_the_loop() -> None:
    flow = Flow(SimClock())
    flow.turn(2)
    flow.stage("order", "12 people order")
    flow.count("order", 5)
    flow.count("order", 7)
    flow.done("order", 0.25)
    flow.stage("make", "mill-1 cuts")
    said = flow.snapshot()
    assert [s["name"] for s in said["stages"]] == list(STAGES)
    assert said["stages"][0] == {"name": "order", "state": "done", "words": "12 people order", "count": 12, "seconds": 0.25}
    assert (said["turn"], said["active"], said["now"]["words"]) == (2, ["make"], "mill-1 cuts")
    data = circle.picture(said, circle.counts({"order.placed": 40}, {"mqtt": Hop("mqtt", 9, 9), "journal": Hop("journal", 9, 9)}))
    assert (data["headline"], data["stages"][0]["total"], data["stages"][6]["total"]) == ("mill-1 cuts", 40, 9)
    with pytest.raises(UnknownName, match="did you mean 'make'"):
        flow.stage("mke")


def test_many_threads_count_without_losing_one() -> None:
    from concurrent.futures import ThreadPoolExecutor

    flow = Flow()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: [flow.count("keep", 1) for _ in range(500)], range(8)))
    assert next(s for s in flow.snapshot()["stages"] if s["name"] == "keep")["count"] == 4000
