"""Charts agree with a slow twin over the rows that stand, whatever came when, and read the coarsest rows that do."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.clock import SimClock
from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import BLOCKS_IN, POINTS_IN, Event
from loopwright.store import Store, open_store, reroll
from loopwright.store.chart import chart
from loopwright.store.levels import DAY, HOUR, MINUTE, SECOND, level_for, levels_of, snapped, step_for
from tests.store.plant import MILL, S, blocks, declared, plain, points, speeds

SIGNALS = {"spindle.speed": False, "parts": False, "vibration": True}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "plant", SimClock()) as opened:
        yield declared(opened)


def slow(store: Store, signal: str, pixels: int, **known: Any) -> list[dict[str, Any]]:
    """The chart by a loop over every row that stands."""
    rows = read(store, signal, **known)
    made = chart(store, "mill-1", signal, pixels=pixels, **known)
    step = int(made.schema.metadata[b"step_ns"])
    buckets: dict[int, dict[str, Any]] = {}
    for r in sorted(rows, key=lambda r: (r["t_ns"], r["n"], r["value"] or 0)):
        value = r["value"] if r["value"] is not None else r.get("code")
        b = buckets.setdefault(r["t_ns"] // step * step, {"count": 0, "bad": 0, "gaps": 0, "all": [], "quality": 0})
        b["quality"] = max(b["quality"], r["quality"])
        word = "gaps" if value is None else "bad" if r["quality"] == 2 else "count"
        b[word] += 1
        if word == "count":
            b["all"].append(float(value))
    return [
        {
            "t_ns": t_ns, "count": b["count"], "bad": b["bad"], "gaps": b["gaps"], "min": min(b["all"], default=None),
            "max": max(b["all"], default=None), "last": b["all"][-1] if b["all"] else None, "quality": b["quality"],
            "mean": math.fsum(b["all"]) / len(b["all"]) if b["all"] else None,
        }
        for t_ns, b in sorted(buckets.items())
    ]


def read(store: Store, signal: str, **known: Any) -> list[dict[str, Any]]:
    """Every sample that stands."""
    if not SIGNALS[signal]:
        return store.get(things="mill-1", signals=signal, **known).to_pylist()
    return [
        {"t_ns": r["t_ns"] + i * r["dt_ns"], "n": 0, "value": v, "quality": r["quality"]}
        for r in store.get(things="mill-1", signals=signal, blocks=True, **known).to_pylist()
        for i, v in enumerate(r["values"])
    ]


def same(made: pa.Table, expected: list[dict[str, Any]]) -> None:
    found = made.to_pylist()
    assert [{k: v for k, v in r.items() if k != "mean"} for r in found] == [
        {k: v for k, v in r.items() if k != "mean"} for r in expected]
    for a, b in zip(found, expected, strict=True):
        assert (a["mean"] is None) == (b["mean"] is None)
        assert a["mean"] is None or a["mean"] == pytest.approx(b["mean"], rel=1e-12, abs=1e-12)


# what may happen to a plant, one after another; times lie where minutes and hours meet
TIMES = st.integers(-2 * HOUR // S, 30 * HOUR // S).map(lambda s: s * S) | st.sampled_from(
    [0, MINUTE - 1, MINUTE, HOUR - 1, HOUR, HOUR + 1, DAY])
ROW = st.tuples(TIMES, st.integers(-5, 5) | st.none(), st.integers(0, 2), st.integers(0, 1))
PUT = st.tuples(st.just("put"), st.sampled_from(["spindle.speed", "parts"]), st.lists(ROW, min_size=1, max_size=12))
RUN = st.tuples(st.just("run"), TIMES, st.sampled_from([10**6, 333_333_333, 7 * S]), st.integers(1, 40),
                st.integers(0, 2), st.integers(-100, 100))
ACTS = st.lists(
    PUT | RUN | st.tuples(st.just("correct"), st.sampled_from(["spindle.speed", "parts"]), st.integers(0, 99),
                          st.integers(0, 5) | st.none(), st.integers(0, 2))
    | st.tuples(st.just("lengthen"), st.integers(0, 99), st.integers(1, 60))
    | st.tuples(st.sampled_from(["flush", "write", "reopen", "compact"])), min_size=1, max_size=14,
)


def rows_in(signal: str, rows: list[tuple[int, int | None, int, int]]) -> pa.Table:
    """POINTS_IN of (t_ns, value, quality, n)."""
    column = "code" if signal == "parts" else "value"
    return pa.Table.from_pylist([
        {"thing": "mill-1", "signal": signal, "t_ns": t, "n": n, "quality": q, "value": None, "code": None,
         column: None if v is None else abs(v) if column == "code" else float(abs(v))}
        for t, v, q, n in rows], schema=POINTS_IN)


def correction(store: Store) -> str:
    return store.record([Event("points.corrected", "mill-1", 1, "erika", {"reason": "it was wrong"})])[0].id


def act(store: Store, what: tuple[Any, ...], path: Path, clock: SimClock) -> Store:
    """Does it, and gives the store that is open then."""
    if what[0] == "put":
        store.put(plain(rows_in(what[1], what[2])))
    elif what[0] == "run":
        _, t_ns, dt_ns, size, quality, value = what
        table = blocks(("mill-1", "vibration", t_ns + 7, dt_ns, [float(value + i % 7) for i in range(size)]))
        at = BLOCKS_IN.get_field_index("quality")
        store.put(plain(table.set_column(at, "quality", pa.array([quality], pa.int8()))))
    elif what[0] == "correct":
        have = store.get(things="mill-1", signals=what[1]).to_pylist()
        if have:
            old = have[what[2] % len(have)]
            store.put(plain(rows_in(what[1], [(old["t_ns"], what[3], what[4], old["n"])]), correction=correction(store)))
    elif what[0] == "lengthen":
        have = store.get(things="mill-1", signals="vibration", blocks=True).to_pylist()
        if have:
            old = have[what[1] % len(have)]
            values = [float(i % 5) for i in range(what[2])]
            table = blocks(("mill-1", "vibration", old["t_ns"], old["dt_ns"], values))
            store.put(plain(table, correction=correction(store)))
    elif what[0] == "reopen":
        store.close()
        return open_store(path, clock)
    else:
        store.flush()
        if what[0] in ("write", "compact"):
            reroll.write(store)
        if what[0] == "compact":
            while store.tables["rollups"].compact():
                pass
    return store


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(ACTS, st.sampled_from([1, 3, 40, 700, 3000]))
def test_a_chart_is_what_a_loop_over_the_rows_gives(acts: list[tuple[Any, ...]], pixels: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, clock = Path(folder) / "plant", SimClock()
        store = declared(open_store(path, clock))
        try:
            middle_ns = 0
            for i, what in enumerate(acts):
                store = act(store, what, path, clock)
                middle_ns = store._known if i == len(acts) // 2 else middle_ns
            for signal in SIGNALS:
                if store.newest("mill-1", signal).num_rows:
                    same(chart(store, "mill-1", signal, pixels=pixels), slow(store, signal, pixels))
                    known = {"known_by_ns": middle_ns}
                    if read(store, signal, **known):
                        same(chart(store, "mill-1", signal, pixels=pixels, **known), slow(store, signal, pixels, **known))
            store.flush()
            assert reroll.verify(store) == []
        finally:
            store.close()


@pytest.mark.parametrize(("pixels", "level"), [(2000, 0), (800, MINUTE), (100, MINUTE), (14, HOUR), (1, HOUR)])
def test_the_coarsest_rows_that_will_do_are_read(store: Store, pixels: int, level: int) -> None:
    store.put(plain(speeds(np.arange(48_000) % 77)))
    store.flush()
    told = chart(store, "mill-1", "spindle.speed", pixels=pixels).schema.metadata
    assert int(told[b"level"]) == level
    assert told[b"unit"] == b"rad/s"


def test_a_fast_signal_is_drawn_from_its_seconds() -> None:
    vibration = MILL.signal("vibration")
    assert levels_of(vibration) == (SECOND, MINUTE, HOUR)
    assert level_for(5 * S, levels_of(vibration)) == SECOND
    assert level_for(500_000_000, levels_of(vibration)) == 0


@settings(deadline=None)
@given(st.integers(-10**18, 10**18), st.integers(1, 10**18), st.integers(1, 5000))
def test_there_are_never_more_buckets_than_pixels(start_ns: int, lasts_ns: int, pixels: int) -> None:
    step_ns = step_for(start_ns, start_ns + lasts_ns, pixels)
    begin, end = snapped(start_ns, start_ns + lasts_ns, step_ns)
    assert begin <= start_ns < start_ns + lasts_ns <= end
    assert begin % step_ns == end % step_ns == 0
    assert (end - begin) // step_ns <= max(pixels, 2)


def test_a_range_is_made_longer_to_whole_buckets(store: Store) -> None:
    store.put(plain(speeds(range(100))))
    made = chart(store, "mill-1", "spindle.speed", 13 * S + 5, 41 * S, pixels=5)
    assert (int(made.schema.metadata[b"start_ns"]), int(made.schema.metadata[b"end_ns"])) == (10 * S, 50 * S)
    assert made.column("t_ns").to_pylist() == [10 * S, 20 * S, 30 * S, 40 * S]
    assert made.column("min").to_pylist() == [10, 20, 30, 40]
    assert made.column("max").to_pylist() == [19, 29, 39, 49]


def test_one_peak_among_a_hundred_thousand_is_seen_at_every_zoom(store: Store) -> None:
    values = np.full(100_000, 5.0)
    values[61_803] = 2999.0
    store.put(plain(speeds(values)))
    store.flush()
    for pixels in (1, 10, 100, 1000, 5000):
        assert max(chart(store, "mill-1", "spindle.speed", pixels=pixels).column("max").to_pylist()) == 2999.0


def test_bad_values_and_gaps_are_counted_and_drawn_nowhere(store: Store) -> None:
    table = points(("mill-1", "spindle.speed", 0, 5.0), ("mill-1", "spindle.speed", S, 2999.0),
                   ("mill-1", "spindle.speed", 2 * S, None))
    at = table.schema.get_field_index("quality")
    store.put(plain(table.set_column(at, "quality", pa.array([1, 2, 0], pa.int8()))))
    made = chart(store, "mill-1", "spindle.speed", pixels=1).to_pylist()
    assert made == [{"t_ns": 0, "count": 1, "bad": 1, "gaps": 1, "min": 5.0, "max": 5.0, "mean": 5.0, "last": 5.0,
                     "quality": 2}]


def test_what_cannot_be_drawn_is_told(store: Store) -> None:
    with pytest.raises(UnknownName, match="mill-9"):
        chart(store, "mill-9", "parts")
    with pytest.raises(UnknownName, match="part"):
        chart(store, "mill-1", "part")
    with pytest.raises(InputError, match="vector"):
        chart(store, "mill-1", "force")
    with pytest.raises(InputError, match="no samples yet"):
        chart(store, "mill-1", "parts")
    with pytest.raises(InputError, match="an end after the start"):
        chart(store, "mill-1", "parts", 5, 5)
    assert chart(store, "mill-1", "parts", 0, S).num_rows == 0


def test_a_reader_beside_the_writer_sees_the_same_chart(store: Store) -> None:
    store.put(plain(speeds(range(200))))
    store.flush()
    reroll.write(store)
    store.put(plain(speeds(range(50), start_ns=200 * S)))
    store.flush()
    store.put(plain(speeds(range(3), start_ns=S // 2)))
    with open_store(store.path, read_only=True) as reader:
        for pixels in (1, 4, 300):
            assert chart(reader, "mill-1", "spindle.speed", pixels=pixels).equals(
                chart(store, "mill-1", "spindle.speed", pixels=pixels))
