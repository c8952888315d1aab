"""What the alarms ask of people: by hand, and beside counting that looks at every pair."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.errors import InputError
from loopwright.core.types import Event
from loopwright.serve.watch.figures import Occurrence, figures, occurrences
from loopwright.serve.watch.life import quiet_event

S = 10**9
MIN, HOUR, DAY = 60 * S, 3600 * S, 86_400 * S


def shown(*at_s: float, key: str = "hot/mill-1", lasts_s: float | None = 30.0, priority: str = "low") -> list[Occurrence]:
    """Occurrences at these seconds, each over after `lasts_s`."""
    return [Occurrence(f"{key}/{t}", key, priority, round(t * S), None if lasts_s is None else round((t + lasts_s) * S)) for t in at_s]


def test_eleven_alarms_in_ten_minutes_are_a_flood_and_ten_are_none() -> None:
    assert figures(shown(*range(0, 600, 60)), 0, DAY)["floods"] == []
    (flood,) = figures(shown(*range(0, 550, 50)), 0, DAY)["floods"]
    assert (flood["start_ns"], flood["alarms"], flood["most"]) == (500 * S, 11, 11)


def test_a_flood_ends_when_fewer_than_five_came_in_the_last_ten_minutes() -> None:
    """By hand: 11 alarms at 0, 50 .. 500 s; the seventh of them leaves the last ten minutes at 300 + 600 s."""
    found = figures(shown(*range(0, 550, 50)), 0, DAY)
    assert found["floods"][0]["end_ns"] == 900 * S
    assert found["flood_share"] == pytest.approx(400 / 86_400)


def test_a_flood_that_goes_on_ends_with_the_time_that_is_looked_at() -> None:
    assert figures(shown(*range(11)), 0, 60 * S)["floods"][0]["end_ns"] == 60 * S


def test_two_operators_take_twice_as_many() -> None:
    assert figures(shown(*range(0, 600, 30)), 0, DAY, operators=2)["floods"] == []
    assert len(figures(shown(*range(0, 600, 30)), 0, DAY, operators=1)["floods"]) == 1


def test_rates_are_those_of_the_whole_time_for_each_operator() -> None:
    found = figures(shown(*range(0, 86_400, 576)), 0, DAY)  # 150 in a day
    assert (found["per_day"], found["per_hour"]) == (pytest.approx(150), pytest.approx(6.25))
    assert found["verdicts"]["per_day"]["verdict"] == "acceptable"
    twice = figures(shown(*range(0, 86_400, 288)), 0, DAY)
    assert twice["verdicts"]["per_day"] == {"value": pytest.approx(300), "acceptable": 150, "manageable": 300, "says": "alarms a day and operator", "verdict": "manageable"}
    assert figures(shown(*range(0, 86_400, 100)), 0, DAY)["verdicts"]["per_day"]["verdict"] == "too many"


def test_hours_and_ten_minutes_with_too_many_are_counted_by_the_clock_of_the_time_looked_at() -> None:
    found = figures(shown(*range(0, 3100, 100)), 0, 10 * HOUR)  # 31 in the first hour, 6 or 7 in each ten minutes
    assert (found["hours_above_30"], found["ten_min_above_10"]) == (pytest.approx(0.1), 0.0)


def test_the_ten_most_frequent_are_told_with_their_share() -> None:
    rows = [one for i in range(12) for one in shown(*[1000.0 * i + 61 * n for n in range(12 - i)], key=f"c{i:02d}/mill-1")]
    found = figures(rows, 0, DAY)
    assert [row["alarm"] for row in found["most_frequent"]] == [f"c{i:02d}/mill-1" for i in range(10)]
    assert found["top_share"] == pytest.approx(75 / 78)
    assert found["verdicts"]["top_share"]["verdict"] == "too few to say"


@pytest.mark.parametrize(("at_s", "chatters"), [((0, 30, 60), True), ((0, 30, 61), False), ((0, 60, 120, 180), False), ((0, 500, 510, 520), True)])
def test_an_alarm_chatters_when_it_comes_three_times_in_a_minute(at_s: tuple[float, ...], chatters: bool) -> None:
    found = figures(shown(*at_s, lasts_s=1.0), 0, DAY)
    assert found["chattering"] == int(chatters)
    assert found["chattering_alarms"] == ([{"alarm": "hot/mill-1", "times": len(at_s), "share": 1.0}] if chatters else [])


def test_an_alarm_is_fleeting_when_it_is_gone_in_seconds_before_anybody_saw_it() -> None:
    assert figures(shown(0, lasts_s=9.9), 0, DAY)["fleeting"] == 1
    assert figures(shown(0, lasts_s=10.0), 0, DAY)["fleeting"] == 0
    assert figures([Occurrence("a", "hot/mill-1", "low", 0, 5 * S, 2 * S)], 0, DAY)["fleeting"] == 0


def test_an_alarm_that_stands_for_longer_than_a_day_is_stale_whenever_it_began() -> None:
    rows = [Occurrence("old", "a/m", "low", 0, None), Occurrence("gone", "b/m", "low", 0, 2 * DAY), Occurrence("new", "c/m", "low", 9 * DAY + 1, None)]
    found = figures(rows, 9 * DAY, 10 * DAY)
    assert [(row["id"], row["stands_s"]) for row in found["stale_alarms"]] == [("old", 864_000.0)]
    assert figures(rows, 9 * DAY, 10 * DAY, stale_s=11 * 86_400)["stale"] == 0


def test_nothing_shown_is_nothing_asked() -> None:
    found = figures([], 0, DAY)
    assert {one["verdict"] for name, one in found["verdicts"].items() if name != "top_share"} == {"acceptable"}
    assert found["seen_after_s"] == {"median": None, "p90": None}


def test_a_time_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(InputError, match="ends after it begins"):
        figures([], DAY, DAY)


def test_the_average_of_the_standard_is_one_alarm_in_ten_minutes() -> None:
    """By hand, ISA-18.2 table of metrics: 144 a day = 6 an hour = 1 in ten minutes; with two operators half of each."""
    found = figures(shown(*range(0, 86_400, 600)), 0, DAY)
    assert (found["per_day"], found["per_hour"], found["per_10_min"]) == pytest.approx((144.0, 6.0, 1.0))
    assert {found["verdicts"][name]["verdict"] for name in ("per_day", "per_hour", "per_10_min")} == {"acceptable"}
    assert figures(shown(*range(0, 86_400, 600)), 0, DAY, operators=2)["per_10_min"] == pytest.approx(0.5)


def test_the_priorities_of_the_standard_are_eighty_fifteen_and_five_in_a_hundred() -> None:
    rows = [one for n, word in ((80, "low"), (15, "medium"), (5, "high")) for one in shown(*range(n), key=f"{word}/m", priority=word)]
    assert figures(rows, 0, DAY)["priorities"] == pytest.approx({"low": 0.80, "medium": 0.15, "high": 0.05})


ALPI = Path(__file__).parents[3] / "shared" / "data" / "alpi" / "all_alarms.npz"


@pytest.mark.skipif(not ALPI.is_file(), reason="the alarm logs of packaging machines are not here")
def test_figures_of_a_real_log_are_those_of_counting_by_hand() -> None:
    """ALPI, machine 3: codes of windows of eight hours without times, and runs of one code written once. Assumed here: the windows
    follow one another, and each window's alarms come one every twenty seconds from its beginning."""
    with np.load(ALPI) as log:
        windows = log["y_train"][log["stratify_train"] == 3][:200]
    at = [(n * 8 * 3600 + 20 * i, int(code)) for n, row in enumerate(windows) for i, code in enumerate(row[row > 0])]
    found = figures([Occurrence(f"{t}", f"code {code}/m", "low", t * S, (t + 15) * S) for t, code in at], 0, 200 * 8 * HOUR)
    times, codes = np.array([t for t, _ in at]), np.array([code for _, code in at])
    days = 200 / 3
    assert found["alarms"] == int((windows > 0).sum())
    assert found["per_day"] == pytest.approx(len(at) / days)
    ten = sorted(np.bincount(codes).tolist(), reverse=True)[:10]
    assert found["top_share"] == pytest.approx(sum(ten) / len(at))
    in_ten = [int(((times > t - 600) & (times <= t)).sum()) for t in times]
    assert found["most_in_10_min"] == max(in_ten)
    hours = np.bincount(times // 3600, minlength=1600)
    assert found["hours_above_30"] == pytest.approx(float((hours > 30).mean()))
    chattering = {code for code in set(codes.tolist()) for t in times[codes == code] if ((times[codes == code] >= t) & (times[codes == code] <= t + 60)).sum() >= 3}
    assert found["chattering"] == len(chattering)
    going_on, flooded = False, 0
    for second in range(0, 200 * 8 * 3600, 20):  # every alarm and every end of ten minutes is on the grid
        last = int(np.searchsorted(times, second, side="right") - np.searchsorted(times, second - 600, side="right"))
        going_on = last > 10 or (going_on and last >= 5)
        flooded += 20 * going_on
    assert found["flood_share"] == pytest.approx(flooded / (200 * 8 * 3600))
    assert found["flood_share"] > 0.0
    assert found["stale"] == 0


# from events

def event(kind: str, at_s: float, about: str = "a", **body: Any) -> Event:
    return Event(f"alarm.{kind}", about, round(at_s * S), "mara", body)


def raised(at_s: float, about: str, condition: str = "hot") -> Event:
    return event("raised", at_s, about, condition=condition, thing="mill-1", priority="low", says="", evidence=[])


def test_only_what_was_shown_counts_and_what_is_let_out_is_shown_then() -> None:
    events = [
        quiet_event("alarm.shelved", "*", "mill-1", 0, "mara", why="known", until_ns=50 * S), raised(10, "a"), event("cleared", 20, "a"),
        raised(30, "b"), quiet_event("alarm.unshelved", "*", "mill-1", 50 * S, "service:watch", why="over"), event("acknowledged", 60, "b"),
        quiet_event("alarm.shelved", "hot", "mill-1", 70 * S, "mara", why="again", until_ns=90 * S), event("cleared", 80, "b"),
    ]
    assert occurrences(events) == [Occurrence("b", "hot/mill-1", "low", 50 * S, 70 * S, 60 * S, 50 * S, hushed=True)]


def test_an_alarm_that_comes_again_ends_the_one_before() -> None:
    assert [(one.id, one.cleared_ns) for one in occurrences([raised(0, "a"), raised(9, "b")])] == [("a", 9 * S), ("b", None)]


def test_an_alarm_that_was_seen_after_it_was_gone_was_seen() -> None:
    (one,) = occurrences([raised(0, "a"), event("cleared", 5, "a"), event("acknowledged", 9, "a"), event("acknowledged", 12, "a")])
    assert (one.cleared_ns, one.seen_ns) == (5 * S, 9 * S)


def test_weeks_of_a_plant_that_pass_in_a_minute_of_peoples_time_are_counted_by_the_plants_and_waited_for_by_theirs() -> None:
    events = [Event(e.kind, e.about, e.t_ns, e.actor, e.body, known_ns=20 * DAY + i) for i, e in enumerate([raised(0, "a"), raised(86_400, "b"), raised(172_800, "c")])]
    found = figures(occurrences(events), 0, 10 * DAY)
    assert (found["alarms"], found["chattering"], found["most_in_10_min"]) == (3, 0, 1.0)
    assert figures(occurrences(events), 15 * DAY, 20 * DAY + HOUR)["stale"] == 0
    assert figures(occurrences(events), 15 * DAY, 22 * DAY)["stale"] == 1


# a slow twin

@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 2000), max_size=60), st.integers(1, 2))
def test_floods_are_those_that_a_second_by_second_count_finds(at_s: list[int], operators: int) -> None:
    found = figures(shown(*at_s), 0, 3000 * S, operators)
    slow: list[list[int]] = []
    going_on = False
    for second in range(3000):
        last = sum(second - 600 < t <= second for t in at_s)
        if not going_on and last > 10 * operators:
            going_on = True
            slow.append([second, 3000])
        elif going_on and last < 5 * operators:
            going_on = False
            slow[-1][1] = second
    assert [[one["start_ns"] // S, one["end_ns"] // S] for one in found["floods"]] == slow
    assert found["most_in_10_min"] == max((sum(t - 600 < other <= t for other in at_s) for t in at_s), default=0) / operators
