"""A user's own table told by a TOML file: every key does what it says, every mistake is named with its line and key."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.errors import InputError, LoopwrightError
from loopwright.learn.lives import own_lives
from loopwright.learn.sets import csv
from loopwright.learn.tables import own_map
from loopwright.learn.tables.own_map import told
from loopwright.learn.traps import LeakError

HOUR = 3600.0


def toml(path: Path, text: str) -> str:
    file = path / "mine.toml"
    file.write_text(text, "utf-8")
    return str(file)


def table(path: Path, lines: list[str]) -> Path:
    file = path / "mine.csv"
    file.write_text("\n".join(lines) + "\n", "utf-8")
    return file


def pumps(units: int = 6, hours: int = 30) -> list[str]:
    """Pumps at every hour whose vibration grows to their end; each lives three hours longer than the one before."""
    rng = np.random.default_rng(0)
    lines = ["pump,hour,vibration,speed,failed"]
    for u in range(units):
        life = hours + 3 * u
        lines += [f"p{u},{t},{np.exp((t - life) / 8) + rng.normal(0, 0.05):.4f},{rng.integers(2) * 500 + 1000},{life}"
                  for t in range(life)]
    return lines


def test_every_key_is_read(tmp_path: Path) -> None:
    own = told([toml(tmp_path, """
        task = "life"
        unit = "pump"
        time = "hour"
        time_unit = "h"
        target = ["vibration", "heat"]
        condition = "speed"
        label = "state"
        remaining = "left"
        group = "hall"
        cycle = "1.5 d"
        [failed_at]
        p0 = 2026-03-01T10:00:00Z
        p1 = 2026-03-01
        p2 = "2026-03-01 10:00"
        p3 = 12.5
        p4 = "running"
        [units]
        vibration = "mm/s"
    """)], "life")
    assert own.columns == {"unit": ("pump",), "time": ("hour",), "target": ("vibration", "heat"), "condition": ("speed",),
                           "label": ("state",), "remaining": ("left",), "group": ("hall",)}
    assert (own.time_s, own.cycle_s, own.measures) == (HOUR, 1.5 * 86_400, {"vibration": "mm/s"})
    day_s = np.datetime64("2026-03-01", "s").astype(np.int64)
    assert own.ended == {"p0": day_s + 10 * HOUR, "p1": day_s, "p2": day_s + 10 * HOUR, "p3": 12.5 * HOUR, "p4": None}


@pytest.mark.parametrize(("text", "word"), [
    ('unit = "pump"\ntarget = [1]', "line 2, key target: [1]; allowed: names of columns"),
    ('unit = "pump"\n\ntargt = ["x"]', "line 3, key targt: key: there is no 'targt'"),
    ('unit = ["a", "b"]', "line 1, key unit"),
    ('unit = "pump"\ntime_unit = "hours"', "line 2, key time_unit: 'hours'; allowed: ms, s, min, h, d"),
    ('time = "t"\ncycle = "6 hours"', "line 2, key cycle: '6 hours'"),
    ('time = "t"\ncycle = "0 h"', "line 2, key cycle"),
    ('time = "t"\ncycle = 6', "line 2, key cycle"),
    ('cycle = "6 h"', "no time is named"),
    ('time = "t"\n[failed_at]\np1 = "next week"', "line 3, key p1: 'next week'"),
    ('time = "t"\n[failed_at]\np1 = true', "line 3, key p1"),
    ('[units]\nheat = "grad"', "line 2, key heat: unit 'grad' is not known"),
    ('units = "mm"', "line 1, key units"),
    ('[unit]\nx = 1', "key unit: it is a table"),
    ('unit = "pump"\ntime = "pump"', "pump is unit and time"),
    ('unit = "pump\n', "it is not TOML: Illegal character"),
    ('task = "class"', "line 1, key task: it is for 'class'; allowed: 'life'"),
])
def test_a_mistake_is_named_with_its_line_and_key(tmp_path: Path, text: str, word: str) -> None:
    with pytest.raises(LoopwrightError) as caught:
        told([toml(tmp_path, text)], "life")
    assert word in str(caught.value)
    assert "mine.toml" in str(caught.value)


def test_a_file_of_an_editor_that_marks_utf_8_is_read(tmp_path: Path) -> None:
    file = tmp_path / "marked.toml"
    file.write_bytes(b"\xef\xbb\xbfunit = \"pump\"\r\n")
    assert told([str(file)]).columns == {"unit": ("pump",)}


def test_a_failure_among_the_columns_to_learn_from_is_the_answer(tmp_path: Path) -> None:
    with pytest.raises(LeakError, match=r"failed is .* and .*: it is the answer"):
        told([toml(tmp_path, 'unit = "pump"\ntime = "hour"\ntarget = ["failed"]\nfailed_at = "failed"')])


def test_a_file_that_is_not_there_or_stands_beside_pairs_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        told([str(tmp_path / "none.toml")])
    with pytest.raises(InputError, match="one TOML file, or pairs"):
        told([toml(tmp_path, ""), "unit=pump"])


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_in_words(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("any") / "any.toml"
    path.write_text(text, "utf-8", newline="")
    said = ""
    try:
        own = told([str(path)])
        said = f"{own.where} {sorted(own.columns)}"
    except LoopwrightError as error:
        said = str(error)
    assert str(path) in said


def test_lives_by_the_clock_are_those_counted_by_hand(tmp_path: Path) -> None:
    """A date of failure three hours after the last row, cycles of two hours: what is left is 1.5 cycles."""
    lines = ["pump,at,x"]
    for u in range(5):
        lines += [f"p{u},2026-01-01 {h:02d}:00,{h + u * 0.5}" for h in range(6 + 2 * u)]
    ends = "\n".join(f"p{u} = 2026-01-01T{8 + 2 * u:02d}:00:00" for u in range(4))
    own = told([toml(tmp_path, f'unit = "pump"\ntime = "at"\ncycle = "2 h"\n[failed_at]\n{ends}\np4 = "running"')])
    (one,), notes = own_lives.read(table(tmp_path, lines), own)
    whole = {unit.id: unit for unit in (*one.train, *one.whole)}
    assert {name: unit.left for name, unit in whole.items()} == {"p0": 1.5, "p1": 1.5, "p2": 1.5, "p3": 1.5, "p4": None}
    assert whole["p0"].values[:, 0].tolist() == [0.5, 2.5, 4.5]
    assert [unit.id for unit in one.running] == ["p4"]
    assert "a cycle is 2 h: lives, errors and estimates are in cycles" in notes


def test_rows_after_a_failure_are_left_out_and_gaps_stay_open(tmp_path: Path) -> None:
    lines = ["pump,hour,x,failed"]
    for u in range(5):
        lines += [f"p{u},{h},{h + u * 0.7},{10 + u}.5" for h in (*range(5), *range(8, 14))]
    own = told([toml(tmp_path, 'unit = "pump"\ntime = "hour"\ntime_unit = "h"\nfailed_at = "failed"\ncycle = "1 h"\ntarget = "x"')])
    (one,), notes = own_lives.read(table(tmp_path, lines), own)
    first = next(unit for unit in (*one.train, *one.whole) if unit.id == "p0")
    assert np.isnan(first.values[5:8]).all()
    assert (len(first), first.left) == (11, 0.5)
    assert "6 rows are later than the failure of their unit and left out" in notes


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 200), min_size=1, max_size=20, unique=True), st.integers(1, 40), st.integers(0, 99))
def test_means_of_cycles_are_those_of_exact_fractions(quarters: list[int], tenths: int, seed: int) -> None:
    times, cycle = [Fraction(q, 4) for q in sorted(quarters)], Fraction(tenths, 10)
    t_s, cycle_s = np.array([float(t) for t in times]), float(cycle)
    values = np.random.default_rng(seed).normal(size=(len(t_s), 2))
    values[::3, 0] = np.nan
    found = own_lives.binned(t_s, values, cycle_s, "u")
    back = [int((times[-1] - t) / cycle) for t in times]  # exact, rounded down
    for k in range(len(found)):
        inside = [values[i] for i, b in enumerate(back) if len(found) - 1 - b == k]
        for c in range(2):
            known = [row[c] for row in inside if np.isfinite(row[c])]
            assert (np.isnan(found[k, c]) and not known) or found[k, c] == pytest.approx(np.mean(known))


@pytest.mark.parametrize(("change", "word"), [
    (lambda rows: [*rows, "p0,-1,0,1000,99"], "one failure a unit"),
    (lambda rows: [rows[0], *(row.rsplit(",", 1)[0] + ",soon" for row in rows[1:])], "'soon'"),
    (lambda rows: [rows[0], *(row.rsplit(",", 1)[0] + ",-5" for row in rows[1:])], "every row is later than its failure"),
    (lambda rows: [rows[0], *(row.rsplit(",", 1)[0] + "," for row in rows[1:])], "0 units have a known end"),
])
def test_failures_that_cannot_be_are_told(tmp_path: Path, change: object, word: str) -> None:
    own = told([toml(tmp_path, 'unit = "pump"\ntime = "hour"\ntime_unit = "h"\nfailed_at = "failed"')])
    with pytest.raises(InputError) as caught:
        own_lives.read(table(tmp_path, change(pumps())), own)  # type: ignore[operator]
    assert word in str(caught.value)


@pytest.mark.parametrize(("ends", "word"), [("p0 = 5", "unit 'p1' is not there"), ("q0 = 5", "there is no 'q0'")])
def test_units_and_failures_that_do_not_meet_are_told(tmp_path: Path, ends: str, word: str) -> None:
    own = told([toml(tmp_path, f'unit = "pump"\ntime = "hour"\n[failed_at]\n{ends}')])
    with pytest.raises(LoopwrightError) as caught:
        own_lives.read(table(tmp_path, pumps()), own)
    assert word in str(caught.value)


def test_a_cycle_far_too_short_is_told(tmp_path: Path) -> None:
    own = told([toml(tmp_path, 'unit = "pump"\ntime = "hour"\ntime_unit = "h"\nfailed_at = "failed"\ncycle = "1 ms"')])
    with pytest.raises(InputError, match="a longer cycle"):
        own_lives.read(table(tmp_path, pumps()), own)


def test_the_hours_to_the_failure_among_the_columns_are_refused(tmp_path: Path) -> None:
    rows = pumps()
    told_ = [rows[0] + ",countdown"]
    for row in rows[1:]:
        _, hour, *_, end = row.split(",")
        told_.append(f"{row},{np.log1p(float(end) - float(hour)):.9f}")
    own = told([toml(tmp_path, 'unit = "pump"\ntime = "hour"\ntime_unit = "h"\nfailed_at = "failed"')])
    with pytest.raises(LeakError, match="column 'countdown': it goes one way with the answer"):
        own_lives.read(table(tmp_path, told_), own)


def test_a_column_that_a_unit_of_measure_is_told_of_must_be_there(tmp_path: Path) -> None:
    own = told([toml(tmp_path, 'unit = "pump"\n[units]\nvibraton = "mm/s"')])
    with pytest.raises(InputError, match="no column 'vibraton'"):
        own_map.read(table(tmp_path, pumps()), own)
    own = told([toml(tmp_path, 'unit = "pump"\n[units]\nvibration = "mm/s"')])
    assert "vibration in mm/s" in own_map.read(table(tmp_path, pumps()), own).notes


def test_hours_that_are_numbers_are_steps_of_hours_for_forecasts_and_rates_for_classes(tmp_path: Path) -> None:
    lines = ["meter,hour,kw,kind", *(f"m{u},{h},{h % 24 + u},{'ab'[u % 2]}" for u in range(4) for h in range(30))]
    file = table(tmp_path, lines)
    own = told([toml(tmp_path, 'unit = "meter"\ntime = "hour"\ntime_unit = "h"\ntarget = "kw"\nlabel = "kind"')])
    (series,), _ = csv.series(file, own)
    assert series.step_s == HOUR
    (cases,), _ = csv.cases(file, own)
    assert cases.cases.rate_hz == pytest.approx(1 / HOUR)
