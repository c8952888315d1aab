"""Overall equipment effectiveness by ISO 22400-2, in local shifts, with late data."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from loopwright.core.clock import from_iso
from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import POINTS, Event
from loopwright.serve.oee import Heard, Settings, Shift, decide, fold, produced, ratios, shift_windows, shifts, spent

S = 10**9
H = 3600
EARLY = Shift("early", "06:00", "14:00")
CODES = {"idle": 0, "active": 1, "setup": 2, "down": 3, "off": 4}


def settings(*given: Shift, zone: str = "UTC", cycle_s: float = 60.0, **more: Any) -> Settings:
    return Settings(given or (EARLY,), zone, {"mill-1": cycle_s}, **more)


def rows(signal: str, *pairs: tuple[str, int]) -> list[tuple[str, int, int]]:
    return [(signal, from_iso(when), code) for when, code in pairs]


def points(*given: tuple[str, int, int]) -> pa.Table:
    n = len(given)
    t_ns = [t for _, t, _ in given]
    return pa.table(
        {"thing": ["mill-1"] * n, "signal": [s for s, _, _ in given], "t_ns": t_ns, "n": [0] * n, "value": pa.nulls(n, pa.float64()),
         "code": [c for _, _, c in given], "quality": [0] * n, "known_ns": t_ns, "assumed": [False] * n}, schema=POINTS)


def units(good: int, bad: int, when: str = "2026-01-05T07:00:00Z") -> list[dict[str, Any]]:
    return [{"machine": "mill-1", "t_ns": from_iso(when), "good": i < good} for i in range(good + bad)]


def test_the_published_example_comes_out() -> None:
    """Vorne's worked example (oee.com, 'Calculate OEE'): a shift of 480 min with breaks of 60, 47 min of stops, ideal cycle
    1.0 s, 19,271 parts, 423 rejected: availability 88.81 %, performance 86.11 %, quality 97.80 %, OEE 74.79 %."""
    found = ratios(apt_s=373 * 60, pbt_s=420 * 60, pri_s=1.0, pq=19_271, gq=19_271 - 423)
    assert found["availability"] == pytest.approx(0.8881, abs=5e-5)
    assert found["effectiveness"] == pytest.approx(0.8611, abs=5e-5)
    assert found["quality"] == pytest.approx(0.9780, abs=6e-5)
    assert found["oee"] == pytest.approx(0.7479, abs=6e-5)


def test_nothing_to_divide_by_is_no_number_and_no_production_is_zero() -> None:
    assert ratios(0.0, 100.0, 1.0, 0, 0) == {"availability": 0.0, "effectiveness": None, "quality": None, "oee": 0.0}
    assert ratios(0.0, 0.0, 1.0, 0, 0)["oee"] is None
    with pytest.raises(InputError, match="GQ at most PQ"):
        ratios(1.0, 1.0, 1.0, 1, 2)


def test_a_whole_shift_from_states_counts_and_verdicts() -> None:
    """By hand: 8 h with a break of 30 min are 27,000 s; active 06:30 to 10:00 and 10:30 to 13:00 (the break 10:00 to 10:30 is
    planned) are 21,600 s: availability 0.8. 270 parts of 60 s: effectiveness 0.75. 243 good: quality 0.9. OEE 0.54."""
    shift = Shift("early", "06:00", "14:00", breaks=(("10:00", "10:30"),))
    table = points(
        *rows("machine.state", ("2026-01-05T05:00:00Z", 4), ("2026-01-05T06:00:00Z", 2), ("2026-01-05T06:30:00Z", 1),
              ("2026-01-05T13:00:00Z", 3), ("2026-01-05T13:30:00Z", 0)),
        *rows("part.count", ("2026-01-05T05:00:00Z", 1000), ("2026-01-05T09:00:00Z", 1100), ("2026-01-05T13:00:00Z", 1270)),
    )
    heard = Heard(table, units(243, 27))
    events, (decision,), _ = decide(heard, None, {}, from_iso("2026-01-05T15:00:00Z"), settings(shift))
    body = decision.body
    assert events == []
    assert (body["PBT_s"], body["APT_s"], body["PQ"], body["GQ"]) == (27_000.0, 21_600.0, 270, 243)
    assert body["elements_s"] == {"AUST": 1800.0, "APT": 21_600.0, "ADOT": 1800.0, "ADET": 1800.0, "off": 0.0}
    assert (body["availability"], body["effectiveness"], body["quality"]) == pytest.approx((0.8, 0.75, 0.9))
    assert decision.value == pytest.approx(0.54)
    assert decision.low == decision.high == decision.value
    assert "OEE 54.0%" in decision.says
    assert "set-up 30 min" in decision.says


def test_a_shift_that_is_not_over_is_not_judged() -> None:
    table = points(*rows("machine.state", ("2026-01-05T06:00:00Z", 1)))
    assert decide(Heard(table), None, {}, from_iso("2026-01-05T13:59:00Z"), settings())[1] == []


def test_time_of_which_nothing_is_known_is_not_production_but_the_upper_end() -> None:
    """Heard from 08:00 on: 2 of 8 h unknown. Active 6 h with 360 parts of 60 s, all good: OEE 0.75, at most 1."""
    table = points(*rows("machine.state", ("2026-01-05T08:00:00Z", 1)),
                   *rows("part.count", ("2026-01-05T08:00:00Z", 0), ("2026-01-05T13:59:59Z", 360)))
    _, (decision,), _ = decide(Heard(table, units(360, 0, "2026-01-05T09:00:00Z")), None, {}, from_iso("2026-01-05T15:00:00Z"), settings())
    assert decision.body["unknown_s"] == 2 * H
    assert (decision.value, decision.low, decision.high) == pytest.approx((0.75, 0.75, 1.0))
    assert "not known 120 min" in decision.says


def test_a_state_is_believed_only_as_long_as_it_may_be() -> None:
    t_ns = np.array([0, 100 * S])
    times = spent(t_ns, np.array([1, 0]), [(0, 200 * S)], settings(hold_s=30.0))
    assert times.elements == {"APT": 30.0, "ADET": 30.0}
    assert times.unknown_s == 140.0


def test_late_data_corrects_the_number_and_says_what_it_replaces() -> None:
    now_ns = from_iso("2026-01-05T15:00:00Z")
    early = rows("machine.state", ("2026-01-05T06:00:00Z", 1), ("2026-01-05T10:00:00Z", 0))
    late = rows("machine.state", ("2026-01-05T12:00:00Z", 1))
    count = rows("part.count", ("2026-01-05T06:00:00Z", 0), ("2026-01-05T09:00:00Z", 100))
    _, (first,), state = decide(Heard(points(*early, *count), units(100, 0)), None, {}, now_ns, settings())
    assert decide(Heard(points(*early, *count), units(100, 0)), None, state, now_ns, settings())[1] == []
    made = Event("decision.made", first.id, now_ns, "service:oee", {"decision": asdict(first)})
    assert fold([made]) == state
    _, (second,), _ = decide(Heard(points(*early, *late, *count), units(100, 0)), None, fold([made]), now_ns, settings())
    assert second.body["replaces"] == first.id
    assert second.body["APT_s"] == first.body["APT_s"] + 2 * H
    assert "Corrected" in second.says


@pytest.mark.parametrize(("start", "hours"), [("2026-03-28T21:00:00+00:00", 7), ("2026-10-24T20:00:00+00:00", 9), ("2026-01-10T21:00:00+00:00", 8)])
def test_a_night_shift_lasts_as_long_as_the_clocks_make_it(start: str, hours: int) -> None:
    """Clocks in Germany go forward on 29 March 2026 and back on 25 October 2026, both at 01:00 UTC."""
    night = Shift("night", "22:00", "06:00", days=("sat",))
    begin_ns = from_iso(start)
    found = list(shift_windows(settings(night, zone="Europe/Berlin"), begin_ns, begin_ns + S))
    ((shift, start_ns, ((a, b),)),) = found
    assert (shift.name, start_ns, a) == ("night", begin_ns, begin_ns)
    assert (b - a) / S / H == hours


def test_a_break_after_midnight_is_taken_out_of_a_night_shift() -> None:
    night = Shift("night", "22:00", "06:00", breaks=(("01:00", "01:30"),))
    (_, _, busy), *_ = shift_windows(settings(night), from_iso("2026-01-05T22:00:00Z"), from_iso("2026-01-05T23:00:00Z"))
    assert [(b - a) / S / H for a, b in busy] == [3.0, 4.5]


def test_only_working_days_have_shifts() -> None:
    week = list(shift_windows(settings(), from_iso("2026-01-05T00:00:00Z"), from_iso("2026-01-12T00:00:00Z")))
    assert len(week) == 5


def test_parts_are_counted_across_a_reset_of_the_counter() -> None:
    t_ns, count = np.array([0, 10, 20, 30, 40]), np.array([7, 9, 2, 3, 5])
    assert produced(t_ns, count, 0, 30) == 2 + 2 + 1
    assert produced(t_ns, count, 5, 30) == 2 + 2 + 1
    assert produced(t_ns, count, 50, 60) == 0
    assert produced(t_ns[1:], count[1:], 5, 15) == 0  # nothing is known of the count before


def test_parts_that_nobody_inspected_give_no_quality_and_no_oee() -> None:
    table = points(*rows("machine.state", ("2026-01-05T06:00:00Z", 1)), *rows("part.count", ("2026-01-05T06:00:00Z", 0), ("2026-01-05T09:00:00Z", 5)))
    _, (decision,), _ = decide(Heard(table), None, {}, from_iso("2026-01-05T15:00:00Z"), settings())
    assert decision.value is None
    assert decision.abstains == "no part was inspected"
    assert "availability 100.0%" in decision.says


def test_a_machine_that_was_not_heard_and_a_plant_without_data_abstain() -> None:
    table = points(*rows("machine.state", ("2026-01-05T15:00:00Z", 1)))
    heard = Heard(table, [])
    _, (decision,), _ = decide(heard, None, {}, from_iso("2026-01-05T16:00:00Z"), settings(window_ns=(from_iso("2026-01-05T06:00:00Z"), from_iso("2026-01-05T15:00:00Z"))))
    assert decision.abstains == "not heard"
    _, (decision,), _ = decide(Heard(points()), None, {}, 0, settings())
    assert decision.abstains == "no machine has said what it does"


def test_an_ideal_cycle_that_is_too_long_is_said() -> None:
    table = points(*rows("machine.state", ("2026-01-05T06:00:00Z", 1)), *rows("part.count", ("2026-01-05T06:00:00Z", 0), ("2026-01-05T09:00:00Z", 9)))
    _, (decision,), _ = decide(Heard(table, units(9, 0)), None, {}, from_iso("2026-01-05T15:00:00Z"), settings(cycle_s=7200.0))
    assert "ideal cycle is set too long" in decision.says


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(InputError, match="time zone 'Europe/Berlim'"):
        settings(zone="Europe/Berlim")
    with pytest.raises(InputError, match="above 0"):
        settings(cycle_s=0.0)
    with pytest.raises(InputError, match="not a time of day"):
        Shift("x", "6h", "14:00")
    with pytest.raises(UnknownName, match="did you mean 'mon'"):
        Shift("x", "06:00", "14:00", days=("mo",))
    with pytest.raises(InputError, match="HH:MM-HH:MM"):
        shifts(["06:00"])


def test_shifts_are_read_as_the_site_file_has_them() -> None:
    early, night = shifts(["06:00-14:00", "14:00-24:00"], ["mon"])
    assert (early.start, early.end, night.end, night.days) == ("06:00", "14:00", "00:00", ("mon",))
