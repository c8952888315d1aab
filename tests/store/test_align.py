"""As-of joins, values between rows and resampling: as pandas has it where nothing is missing, and never across a gap."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.clock import SimClock
from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import Event, Windows
from loopwright.store import Store, align, open_store
from loopwright.store.resample import rolled
from tests.store import slow
from tests.store.plant import MILL, S, blocks, declared, plain, points, speeds

MIN = 60 * S


def column(found: Windows, c: int = 0, b: int = 0) -> list[float | None]:
    """One series of a grid, None where the mask says that there is nothing."""
    return [v if m else None for v, m in zip(found.values[b, :, c].tolist(), found.mask[b, :, c].tolist(), strict=True)]


# as-of joins of tables


@pytest.mark.parametrize("direction", ["backward", "nearest"])
@pytest.mark.parametrize("tolerance_ns", [None, 0, 4])
def test_a_join_of_tables_is_the_one_of_pandas(direction: Any, tolerance_ns: int | None) -> None:
    rng = np.random.default_rng(7)
    left = pd.DataFrame({"thing": rng.choice(["a", "b", "c", "d"], 300), "t_ns": rng.integers(0, 400, 300), "shot": np.arange(300)})
    right = pd.DataFrame({"thing": rng.choice(["a", "b", "c"], 120), "t_ns": rng.integers(0, 400, 120), "value": rng.normal(0, 1, 120)})
    right = right.drop_duplicates(["thing", "t_ns"])
    golden = pd.merge_asof(left.sort_values("t_ns", kind="stable"), right.sort_values("t_ns"), on="t_ns", by="thing", tolerance=tolerance_ns, direction=direction).sort_values("shot")
    found = align.asof_join(pa.Table.from_pandas(left, preserve_index=False), pa.Table.from_pandas(right, preserve_index=False), tolerance_ns=tolerance_ns, direction=direction)
    assert found.column_names == ["thing", "t_ns", "shot", "value", "value_t_ns"]
    np.testing.assert_array_equal(found.column("value").to_pandas(), golden["value"].to_numpy())
    assert found.column("shot").to_pylist() == list(range(300))


def test_a_null_ends_what_stood_before_it_in_both_directions() -> None:
    """By hand: 1.0 at 10, nothing known from 20, 3.0 at 30."""
    right = pa.table({"thing": ["a"] * 3, "t_ns": [10, 20, 30], "value": [1.0, None, 3.0]})
    left = pa.table({"thing": ["a"] * 6, "t_ns": [5, 10, 19, 20, 29, 31]})
    found = {d: align.asof_join(left, right, direction=d).column("value").to_pylist() for d in ("backward", "nearest")}
    assert found["backward"] == [None, 1.0, 1.0, None, None, 3.0]
    assert found["nearest"] == [1.0, 1.0, 1.0, None, None, 3.0]


def test_of_equal_times_the_last_row_counts_and_other_types_stay() -> None:
    right = pa.table({"line": pa.array([1, 1]), "at": [5, 5], "word": ["first", "second"]})
    found = align.asof_join(pa.table({"line": [1, 2], "at": [6, 6]}), right, by="line", on="at", value="word")
    assert found.to_pylist() == [{"line": 1, "at": 6, "word": "second", "word_t_ns": 5}, {"line": 2, "at": 6, "word": None, "word_t_ns": None}]
    assert align.asof_join(pa.table({"line": [1], "at": [6]}), right.slice(0, 0), by="line", on="at", value="word").column("word").to_pylist() == [None]


def test_what_cannot_be_joined_is_said() -> None:
    table = pa.table({"thing": ["a"], "t_ns": [1], "value": [1.0]})
    with pytest.raises(UnknownName, match=r"left table.*did you mean 't_ns'"):
        align.asof_join(table, table, on="t_n")
    with pytest.raises(UnknownName, match="direction"):
        align.asof_join(table, table, direction="forward")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="tolerance_ns of -1"):
        align.asof_join(table, table, tolerance_ns=-1)
    with pytest.raises(InputError, match="'thing' holds nulls"):
        align.asof_join(table, pa.table({"thing": pa.array([None], pa.string()), "t_ns": [1], "value": [1.0]}))


def test_timestamps_of_any_unit_are_times_and_other_types_are_refused(store: Store) -> None:
    store.put(plain(speeds([1.0, 2.0])))
    for unit in ("s", "us", "ns"):
        happened = pa.table({"thing": ["mill-1"], "t_ns": pa.array([S], pa.timestamp("ns")).cast(pa.timestamp(unit))})
        assert align.asof(store, happened, "spindle.speed").column("spindle.speed").to_pylist() == [2.0]
    with pytest.raises(InputError, match="column 't_ns' is double"):
        align.asof(store, pa.table({"thing": ["mill-1"], "t_ns": [1.5]}), ["spindle.speed"])
    with pytest.raises(InputError, match="things are int64"):
        align.asof(store, pa.table({"thing": [1], "t_ns": [1]}), ["spindle.speed"])


# as-of joins with what is kept


def test_what_a_machine_said_when_something_happened(store: Store) -> None:
    """By hand: speed 10 at 0 s, 20 at 100 s, a gap at 200 s; mode 1 at 50 s, bad at 150 s."""
    store.put(plain(points(("mill-1", "spindle.speed", 0, 10.0), ("mill-1", "spindle.speed", 100 * S, 20.0), ("mill-1", "spindle.speed", 200 * S, None), ("mill-1", "mode", 50 * S, 1))))
    bad = points(("mill-1", "mode", 150 * S, 7)).to_pydict() | {"quality": [2]}
    store.put(plain(pa.table(bad, schema=points().schema)))
    happened = pa.table({"thing": ["mill-1", "mill-1", "mill-2", "mill-1", "nobody"], "t_ns": [160 * S, 99 * S, 0, 250 * S, 1], "what": list("abcde")})
    found = align.asof(store, happened, ["spindle.speed", "mode"])
    assert found.column("what").to_pylist() == list("abcde")
    assert found.column("spindle.speed").to_pylist() == [20.0, 10.0, None, None, None]
    assert found.column("spindle.speed.t_ns").to_pylist() == [100 * S, 0, None, None, None]
    assert found.column("mode").to_pylist() == [None, 1.0, None, None, None]
    assert found.schema.field("spindle.speed").metadata == {b"unit": b"rad/s"}
    assert align.asof(store, happened, ["spindle.speed"], tolerance_ns=60 * S).column("spindle.speed").to_pylist() == [20.0, None, None, None, None]
    assert align.asof(store, happened, ["spindle.speed"], direction="nearest").column("spindle.speed").to_pylist() == [20.0, 20.0, None, None, None]


def test_a_value_of_years_ago_still_holds(store: Store) -> None:
    year = 365 * 86_400 * S
    store.put(plain(points(("mill-1", "spindle.speed", 0, 10.0), ("mill-2", "spindle.speed", 40 * year, 11.0))))
    store.flush()
    happened = pa.table({"thing": ["mill-1", "mill-2", "mill-2"], "t_ns": [50 * year, 50 * year, 39 * year]})
    assert align.asof(store, happened, ["spindle.speed"]).column("spindle.speed").to_pylist() == [10.0, 11.0, None]
    assert align.asof(store, happened, ["spindle.speed"], direction="nearest").column("spindle.speed").to_pylist() == [10.0, 11.0, 11.0]


def test_a_join_as_it_was_known_then(store: Store, clock: SimClock) -> None:
    store.put(plain(speeds([10.0])))
    then_ns = clock.now_ns()
    clock.set_ns(then_ns + S)
    event = store.record([Event("points.corrected", "mill-1", S, "erika", {"reason": "read high"})])[0]
    store.put(plain(speeds([9.0]), source="http/erika", correction=event.id))
    happened = pa.table({"thing": ["mill-1"], "t_ns": [5]})
    assert align.asof(store, happened, ["spindle.speed"]).column("spindle.speed").to_pylist() == [9.0]
    assert align.asof(store, happened, ["spindle.speed"], known_by_ns=then_ns).column("spindle.speed").to_pylist() == [10.0]
    assert align.at(store, ["mill-1"], ["spindle.speed"], [5], max_gap_ns=S, how="previous", known_by_ns=then_ns).values.item() == 10.0
    assert align.resample(store, ["mill-1"], ["spindle.speed"], 0, S, S, how="max", known_by_ns=then_ns).values.item() == 10.0


# values between rows


def test_a_line_is_drawn_between_rows_and_never_across_a_gap_or_too_far_or_beyond_the_ends(store: Store) -> None:
    """By hand: 0 at 10 s, 10 at 20 s, a gap at 25 s, 30 at 30 s, 40 at 32 s, 50 at 60 s."""
    store.put(plain(points(*(("mill-1", "spindle.speed", t * S, v) for t, v in ((10, 0.0), (20, 10.0), (25, None), (30, 30.0), (32, 40.0), (60, 50.0))))))
    times = np.array([9, 10, 15, 20, 22, 25, 28, 30, 31, 40, 60, 61]) * S
    asked = (store, ["mill-1"], ["spindle.speed"], times)
    assert column(align.at(*asked, max_gap_ns=10 * S)) == [None, 0.0, 5.0, 10.0, None, None, None, 30.0, 35.0, None, 50.0, None]
    assert column(align.at(*asked, max_gap_ns=28 * S))[9] == pytest.approx(40 + 10 * 8 / 28)
    assert column(align.at(*asked, max_gap_ns=5 * S, how="previous")) == [None, 0.0, 0.0, 10.0, 10.0, None, None, 30.0, 30.0, None, 50.0, 50.0]


def test_a_line_is_the_one_of_numpy_where_nothing_is_missing(store: Store) -> None:
    rng = np.random.default_rng(3)
    t_ns, value = np.unique(rng.integers(0, 1000, 60)), rng.uniform(0, 100, 60)
    value = value[:len(t_ns)]
    store.put(plain(points(*(("mill-1", "spindle.speed", int(t), float(v)) for t, v in zip(t_ns, value, strict=True)))))
    asked = np.arange(int(t_ns[0]), int(t_ns[-1]) + 1)
    found = align.at(store, ["mill-1"], ["spindle.speed"], asked, max_gap_ns=1000)
    assert found.mask.all()
    np.testing.assert_allclose(found.values[0, :, 0], np.interp(asked, t_ns, value), rtol=1e-12)
    assert found.units == ("rad/s",)


def test_states_and_counters_have_nothing_between_their_values(store: Store) -> None:
    for name in ("mode", "parts"):
        with pytest.raises(InputError, match="use how='previous'"):
            align.at(store, ["mill-1"], [name], [1], max_gap_ns=1)
    store.put(plain(points(("mill-1", "mode", 0, 7))))
    assert column(align.at(store, ["mill-1"], ["mode"], [5], max_gap_ns=9, how="previous")) == [7.0]
    with pytest.raises(UnknownName, match="way to interpolate"):
        align.at(store, ["mill-1"], ["mode"], [1], max_gap_ns=1, how="cubic")  # type: ignore[arg-type]


def test_a_fast_signal_has_values_between_its_samples(store: Store) -> None:
    store.put(plain(blocks(("mill-1", "vibration", 0, 10, [0.0, 1.0, 2.0]), ("mill-1", "vibration", 100, 10, [5.0]))))
    assert column(align.at(store, ["mill-1"], ["vibration"], [5, 15, 25, 100], max_gap_ns=10)) == [0.5, 1.5, None, 5.0]


# resampling


def test_a_step_told_in_each_way(store: Store) -> None:
    """By hand: 2 at 1 s, 4 at 3 s, bad at 4 s, 6 at 9 s, a gap at 12 s; steps of 5 s from 0."""
    table = points(*(("mill-1", "spindle.speed", t * S, v) for t, v in ((1, 2.0), (3, 4.0), (4, 99.0), (9, 6.0), (12, None)))).to_pydict()
    table["quality"] = [0, 1, 2, 0, 0]
    store.put(plain(pa.table(table, schema=points().schema)))
    golden = {"mean": [3.0, 6.0, None], "min": [2.0, 6.0, None], "max": [4.0, 6.0, None], "sum": [6.0, 6.0, None], "count": [2.0, 1.0, 0.0], "first": [2.0, 6.0, None], "last": [4.0, 6.0, None]}
    for how, expected in golden.items():
        found = align.resample(store, ["mill-1"], ["spindle.speed"], 0, 15 * S, 5 * S, how=how)
        assert column(found) == expected, how
        assert (found.t_ns.tolist(), found.units) == ([0, 5 * S, 10 * S], ("rad/s",))


def test_a_value_weighs_as_long_as_it_held(store: Store) -> None:
    """By hand: 10 from -4 s, 20 from 2 s, unknown from 4 s to 6 s, 40 from 6 s, 0 from 9 s; steps of 5 s.

    0-5 s: 10 for 2 s, 20 for 2 s: 15. 5-10 s: 40 for 3 s, then 0 of which nobody knows how long it held: 40; with 1 s allowed:
    20 for 1 s in the first step (10 is older): 20; 40 for 1 s and 0 for 1 s: 20.
    """
    store.put(plain(points(*(("mill-1", "spindle.speed", t * S, v) for t, v in ((-4, 10.0), (2, 20.0), (4, None), (6, 40.0), (9, 0.0))))))
    asked = (store, ["mill-1"], ["spindle.speed"], 0, 15 * S, 5 * S)
    assert column(align.resample(*asked, how="time_mean")) == [15.0, 40.0, None]
    assert column(align.resample(*asked, how="time_mean", max_gap_ns=S)) == [20.0, 20.0, None]


def test_a_step_between_two_rows_is_told_by_the_one_before(store: Store) -> None:
    store.put(plain(points(("mill-1", "spindle.speed", 0, 10.0), ("mill-1", "spindle.speed", 3000 * S, 20.0))))
    found = align.resample(store, ["mill-1"], ["spindle.speed"], 1000 * S, 1010 * S, 5 * S, how="time_mean")
    assert column(found) == [10.0, 10.0]


def test_a_counter_that_was_reset_goes_on_growing(store: Store) -> None:
    """By hand: 100 before; 103, 105 | reset: 2, 4 | gap, 9 | gap and 10 within one step, 12."""
    rows = ((-1, 100), (1, 103), (4, 105), (6, 2), (9, 4), (11, None), (12, 9), (16, None), (17, 10), (18, None), (19, 12))
    store.put(plain(points(*(("mill-1", "parts", t * S, v) for t, v in rows))))
    asked = (store, ["mill-1"], ["parts"], 0, 25 * S, 5 * S)
    assert column(align.resample(*asked, how="delta")) == [5.0, 4.0, None, 2.0, None]
    assert column(align.resample(*asked, how="delta", max_gap_ns=2 * S)) == [3.0, 2.0, None, 2.0, None]
    assert column(align.resample(*asked, how="count")) == [2.0, 2.0, 1.0, 2.0, 0.0]


@pytest.mark.parametrize(("signal", "how"), [("mode", "mean"), ("mode", "time_mean"), ("parts", "sum"), ("spindle.speed", "delta")])
def test_a_way_that_makes_no_sense_is_refused(store: Store, signal: str, how: str) -> None:
    with pytest.raises(InputError, match=f"{how!r} of a"):
        align.resample(store, ["mill-1"], [signal], 0, S, S, how=how)
    with pytest.raises(UnknownName, match="way to resample"):
        align.resample(store, ["mill-1"], [signal], 0, S, S, how="median")


def test_resampling_agrees_with_pandas_where_nothing_is_missing(store: Store) -> None:
    rng = np.random.default_rng(5)
    t_ns, value = np.unique(rng.integers(0, 3600 * S, 500)), rng.uniform(0, 100, 500)
    store.put(plain(points(*(("mill-1", "spindle.speed", int(t), float(v)) for t, v in zip(t_ns, value[:len(t_ns)], strict=True)))))
    store.flush()
    series = pd.Series(value[:len(t_ns)], index=pd.to_datetime(t_ns))
    for how in ("mean", "min", "max", "sum", "count", "first", "last"):
        golden = getattr(series.resample("60s", origin="epoch"), how)()
        found = align.resample(store, ["mill-1"], ["spindle.speed"], 0, 3600 * S, MIN, how=how)
        np.testing.assert_allclose(found.values[0, :, 0][found.mask[0, :, 0]], golden[golden.notna()].to_numpy(), rtol=1e-12)


@pytest.mark.slow
def test_long_ranges_are_told_from_rollups_as_from_the_samples(store: Store, clock: SimClock) -> None:
    """Four hours of a 10 Hz signal: over 100,000 samples declared, so that rollups are asked; known_by asks the samples."""
    rng = np.random.default_rng(11)
    for nth in range(4):
        t_ns = np.unique(rng.integers(0, 14_400 * S, 400))
        said = points(*(("mill-1", "spindle.speed", int(t), float(v) if v > 1 else None) for t, v in zip(t_ns, rng.uniform(0, 100, len(t_ns)), strict=True)))
        said = said.set_column(6, "quality", pa.array(rng.choice([0, 0, 0, 1, 2], len(t_ns)), pa.int8()))
        store.put(plain(said, source=f"http/{nth}"))
        if nth < 3:
            store.flush()
    event = store.record([Event("points.corrected", "mill-1", S, "erika", {"reason": "read high"})])[0]
    store.put(plain(points(("mill-1", "spindle.speed", int(t_ns[7]), 2000.0)), source="http/erika", correction=event.id))
    for how in ("mean", "min", "max", "sum", "count"):
        for step_ns in (MIN, 60 * MIN, 7 * MIN):
            asked = (store, ["mill-1", "mill-2"], ["spindle.speed"], 0, 14_280 * S // step_ns * step_ns, step_ns)
            quick, plainly = align.resample(*asked, how=how), align.resample(*asked, how=how, known_by_ns=2**62)
            np.testing.assert_array_equal(quick.mask, plainly.mask)
            (np.testing.assert_allclose if how in ("mean", "sum") else np.testing.assert_array_equal)(quick.values, plainly.values)
            assert rolled(store, ["mill-1", "mill-2"], [MILL.signals[0]], asked[3:], how) is not None


def test_values_that_disagree_are_all_counted(store: Store) -> None:
    store.put(plain(speeds([1.0])))
    store.put(plain(speeds([3.0]), source="http/other"))
    asked = (store, ["mill-1"], ["spindle.speed"], 0, S, S)
    assert [align.resample(*asked, how=how).values.item() for how in ("count", "mean", "first", "last")] == [2.0, 2.0, 1.0, 3.0]


def test_the_page_on_reading_data_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path(__file__).parents[2] / "docs" / "how-to" / "read-data.md"
    monkeypatch.chdir(tmp_path)
    code = "\n".join(re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S))
    assert "resample" in code
    exec(compile(code, str(page), "exec"), {"__name__": "page"})


# everything against a loop over rows

ROW = st.tuples(st.sampled_from(["mill-1", "mill-2"]), st.integers(0, 60), st.integers(0, 5), st.sampled_from([0, 0, 0, 2]))


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.lists(ROW, max_size=25), st.integers(1, 25), st.integers(0, 30), st.booleans())
def test_the_fast_ways_agree_with_a_loop_over_rows(rows: list[tuple[str, int, int, int]], step_ns: int, gap_ns: int, flushed: bool) -> None:
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder), SimClock(10**18)) as store:
        declared(store)
        for signal in ("spindle.speed", "parts"):
            table = points(*((thing, signal, t, (float(v) if signal == "spindle.speed" else v) if v else None) for thing, t, v, _ in rows))
            store.put(plain(table.set_column(6, "quality", pa.array([q for *_, q in rows], pa.int8()))))
        if flushed:
            store.flush()
        times = np.arange(-5, 70, 3)
        agree(store, times, step_ns, gap_ns)
        assert store.hops()["http"].into == 2 * len(rows)


def agree(store: Store, times: Any, step_ns: int, gap_ns: int) -> None:
    things = ["mill-2", "mill-1"]
    for how in ("linear", "previous"):
        found = align.at(store, things, ["spindle.speed"], times, max_gap_ns=gap_ns, how=how)  # type: ignore[arg-type]
        for b, thing in enumerate(things):
            said = once(slow.rows_of(store, thing, "spindle.speed"))
            np.testing.assert_allclose([np.nan if v is None else v for v in column(found, b=b)], [between(said, t, gap_ns, how) for t in times.tolist()], rtol=1e-12)
    for how in ("time_mean", "delta"):
        signal = "parts" if how == "delta" else "spindle.speed"
        for gap in (None, gap_ns):
            found = align.resample(store, things, [signal], 5, 55, step_ns, how=how, max_gap_ns=gap)
            for b, thing in enumerate(things):
                said = once(slow.rows_of(store, thing, signal))
                expected = [(grown if how == "delta" else weighed)(said, t, min(t + step_ns, 55), step_ns, gap) for t in range(5, 55, step_ns)]
                np.testing.assert_allclose([np.nan if v is None else v for v in column(found, b=b)], expected, rtol=1e-12)


def once(rows: list[slow.Row]) -> list[tuple[int, float | None]]:
    return sorted({t: value for t, _, value in rows}.items())


def between(rows: list[tuple[int, float | None]], t: int, gap_ns: int, how: str) -> float:
    before, after = [r for r in rows if r[0] <= t], [r for r in rows if r[0] > t]
    if not before or before[-1][1] is None:
        return np.nan
    t0, v0 = before[-1]
    if how == "previous" or t0 == t:
        return v0 if t - t0 <= gap_ns else np.nan
    if not after or after[0][1] is None or after[0][0] - t0 > gap_ns:
        return np.nan
    return v0 + (after[0][1] - v0) * (t - t0) / (after[0][0] - t0)


def weighed(rows: list[tuple[int, float | None]], start: int, end: int, step_ns: int, gap: int | None) -> float:
    """Nanosecond by nanosecond."""
    held = []
    for t in range(start, end):
        before, after = [r for r in rows if r[0] <= t], [r for r in rows if r[0] > t]
        if not before or before[-1][1] is None or (gap is not None and t - before[-1][0] >= gap) or (gap is None and not after):
            continue
        held.append(before[-1][1])
    return float(np.mean(held)) if held else np.nan


def grown(rows: list[tuple[int, float | None]], start: int, end: int, step_ns: int, gap: int | None) -> float:
    total, told, last, broken = 0.0, False, None, False
    for t, value in rows:
        if value is None:
            broken = True
            continue
        if last is not None and start <= t < end and (not broken or last[0] >= start) and (gap is None or t - last[0] <= gap):
            total, told = total + (value - last[1] if value >= last[1] else value), True
        last, broken = (t, value), False
    return total if told else np.nan
