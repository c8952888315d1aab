"""Rollups kept at write time: nothing twice and nothing missing through crashes, corrections and declarations."""

from __future__ import annotations

import itertools
import math
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.clock import SimClock
from loopwright.core.errors import InputError, StoreError, UnknownName
from loopwright.core.types import Event, Kind, Signal, Thing
from loopwright.store import Store, open_store, reroll, rolling
from loopwright.store.buckets import increase, rollup
from loopwright.store.chart import chart
from loopwright.store.levels import HOUR, MINUTE
from loopwright.store.retain import Keep, retain
from tests.store.plant import MILL, S, blocks, declared, plain, points, speeds


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "plant", SimClock()) as opened:
        yield declared(opened)


def written(store: Store) -> Store:
    """The store, with all of it in files."""
    store.flush()
    with store._flushing:
        reroll.write(store)
    return store


def counters(values: list[int], start_ns: int = 0, step_ns: int = S) -> pa.Table:
    return points(*(("mill-1", "parts", start_ns + i * step_ns, v) for i, v in enumerate(values)))


def levels_in_files(store: Store) -> dict[str, set[int]]:
    scan = store.tables["rollups"].snapshot.scan()
    found = store._reader.run(f"SELECT DISTINCT signal, level FROM {scan}", {}).to_pylist()
    return {name: {row["level"] // S for row in found if row["signal"] == name} for name in {r["signal"] for r in found}}


# what is in a row

ROW = st.tuples(st.integers(0, 3), st.integers(0, 400), st.integers(0, 2), st.integers(-9, 9), st.booleans(),
                st.integers(0, 2))


@settings(deadline=None)
@given(st.lists(ROW, min_size=1, max_size=60), st.lists(st.integers(0, 3), min_size=60, max_size=60))
def test_rows_folded_in_parts_and_put_together_are_those_of_all_samples(rows: list[Any], part: list[int]) -> None:
    rows = sorted({r[:3]: r for r in rows}.values())
    columns = [np.array(c) for c in zip(*rows, strict=True)]
    samples = rolling.Samples(columns[0], columns[1], columns[2], columns[3] * 1.0, columns[4], columns[5].astype(np.int8))
    parts = [rolling.fold(samples.take(np.array(part[:len(rows)]) == i), 60) for i in range(4)]
    made = rolling.coarser(rolling.merged(rolling.joined(parts)), 120)
    expected: dict[tuple[int, int], list[Any]] = {}
    for slot, t, n, value, has, quality in rows:
        expected.setdefault((slot, t // 120 * 120), []).append((t, n, float(value), has, quality))
    assert list(zip(made["slot"].tolist(), made["t_ns"].tolist(), strict=True)) == sorted(expected)
    for i, key in enumerate(sorted(expected)):
        good = [(t, n, v) for t, n, v, has, q in expected[key] if has and q != 2]
        assert made["count"][i] == len(good)
        assert made["gaps"][i] == sum(not has for *_, has, _q in expected[key])
        assert made["bad"][i] == sum(has and q == 2 for *_, has, q in expected[key])
        assert made["quality"][i] == max(q for *_, q in expected[key])
        if good:
            values = [v for _, _, v in good]
            assert (made["vmin"][i], made["vmax"][i], made["vsum"][i]) == (min(values), max(values), math.fsum(values))
            assert (made["last_t_ns"][i], made["last_n"][i], made["last"][i]) == max(good)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(1, 30), st.integers(1, 12)), min_size=1, max_size=5))
def test_blocks_are_cut_at_the_edges_of_buckets(runs: list[tuple[int, int, int]]) -> None:
    flat = np.arange(sum(size for _, _, size in runs), dtype=np.float32)
    starts = np.cumsum([0, *(size for _, _, size in runs)])[:-1]
    t_ns, dt_ns, lengths = (np.array(c) for c in zip(*runs, strict=True))
    none = np.zeros(len(runs), np.int64)
    made = rolling.fold_runs(rolling.Runs(none, t_ns, dt_ns, none, none, flat, starts, lengths, none > 0), 10)
    expected: dict[int, list[tuple[int, float]]] = {}
    for (t, dt, size), start in zip(runs, starts, strict=True):
        for i in range(size):
            expected.setdefault((t + i * dt) // 10 * 10, []).append((t + i * dt, float(flat[start + i])))
    assert made["t_ns"].tolist() == sorted(expected)
    for i, key in enumerate(sorted(expected)):
        values = [v for _, v in expected[key]]
        assert (made["count"][i], made["vmin"][i], made["vmax"][i]) == (len(values), min(values), max(values))
        assert made["vsum"][i] == sum(values)
        assert (made["last_t_ns"][i], made["last"][i]) == max(expected[key])


def test_a_row_that_is_whole_puts_aside_what_came_before_it() -> None:
    rows = rolling.blank(4)
    rows |= {"count": np.array([5, 7, 1, 2]), "batch": np.array([1, 3, 3, 4]), "whole": np.array([0, 1, 0, 0], bool)}
    assert rolling.merged(rows)["count"].tolist() == [7 + 2]


# through a plant's life

def test_a_day_of_a_signal_is_a_row_a_minute_and_a_row_an_hour(store: Store) -> None:
    store.put(plain(speeds(np.arange(7200) % 100)))
    written(store)
    rows = rollup(store, "mill-1", "spindle.speed", "minute").to_pylist()
    assert len(rows) == 120
    assert rows[1] == {
        "thing": "mill-1", "signal": "spindle.speed", "t_ns": MINUTE, "count": 60, "bad": 0, "gaps": 0, "min": 0.0,
        "max": 99.0, "mean": sum([*range(60, 100), *range(20)]) / 60, "last": 19.0, "last_t_ns": 119 * S, "quality": 0,
    }
    hours = rollup(store, "mill-1", "spindle.speed", "hour")
    assert hours.column("count").to_pylist() == [3600, 3600]
    assert rollup(store, step="minute", start_ns=60 * MINUTE, end_ns=62 * MINUTE).num_rows == 2


def test_slow_signals_have_no_rows_that_hold_fewer_than_three_samples(tmp_path: Path) -> None:
    rates = {"fast": 100.0, "often": 1 / 20, "seldom": 1 / 21, "rare": 1 / 1201, "unknown": None}
    signals = [Signal(name, "1", "gauge", rate, None, None, "A signal.") for name, rate in rates.items()]
    with open_store(tmp_path, SimClock()) as store:
        store.declare([Kind("k", "a kind", tuple(signals))], [Thing("t", "k")])
        store.put(plain(points(*(("t", name, 5, 1.0) for name in rates if name != "fast"))))
        store.put(plain(blocks(("t", "fast", 5, 10**7, [1.0, 2.0]))))
        found = levels_in_files(written(store))
        assert found == {"fast": {1, 60, 3600}, "often": {60, 3600}, "seldom": {3600}, "unknown": {60, 3600}}
        assert rollup(store, signals=["rare", "seldom"]).column("count").to_pylist() == [1, 1]  # from samples
        assert store.close() is None


def test_many_flushes_make_a_row_a_bucket_and_not_a_row_a_flush(store: Store) -> None:
    for i in range(30):
        store.put(plain(speeds([i], start_ns=i * S)))
        store.flush()
    assert written(store).tables["rollups"].snapshot.rows.sum() == 2
    assert rollup(store).column("count").to_pylist() == [30]


def test_neighbouring_files_are_joined_and_say_the_same(store: Store) -> None:
    for i in range(20):
        store.put(plain(speeds([i], start_ns=i * 20 * S)))
        written(store)
    store.put(plain(speeds([100], start_ns=7 * S)))
    expected = rollup(written(store))
    assert len(store.tables["rollups"].snapshot.files) < 12
    assert rollup(store).equals(expected)
    assert reroll.verify(store) == []


@pytest.mark.parametrize("where", ["points", "fold", "rollups", "after"])
def test_a_crash_between_the_commits_counts_nothing_twice(tmp_path: Path, where: str, monkeypatch: Any) -> None:
    class Crash(BaseException):
        pass

    def crash(*_: Any) -> Any:
        raise Crash

    store = declared(open_store(tmp_path / "plant", SimClock()))
    store.put(plain(speeds(range(100))))
    written(store)
    store.put(plain(speeds(range(50), start_ns=100 * S)))
    store.put(plain(blocks(("mill-1", "vibration", 1, 10**6, [1.0, 2.0, 3.0]))))
    with monkeypatch.context() as patch:
        if where == "points":
            patch.setattr(store.tables["blocks"], "append", crash)
        elif where == "fold":
            patch.setattr(store._memory.rollups, "add", crash)
        elif where == "rollups":
            patch.setattr(store.tables["rollups"], "append", crash)
        else:
            patch.setattr(store._memory.rollups, "_clear", crash)
        with pytest.raises(Crash):
            written(store)
    store.close()
    with open_store(tmp_path / "plant", SimClock()) as again:
        assert rollup(again, signals="spindle.speed").column("count").to_pylist() == [60, 60, 30]
        assert rollup(again, signals="vibration").column("count").to_pylist() == [3]
        written(again)
        assert rollup(again, signals="spindle.speed").column("count").to_pylist() == [60, 60, 30]
        assert reroll.verify(again) == []


def test_a_disk_that_fills_up_leaves_the_rollups_in_memory(store: Store, monkeypatch: Any) -> None:
    store.put(plain(speeds(range(100))))
    with monkeypatch.context() as patch:
        patch.setattr("loopwright.store.rollups._FLUSHES", 1)
        patch.setattr(store.tables["rollups"], "append", _full)
        assert store.flush() == 100
    assert rollup(store).column("count").to_pylist() == [60, 40]
    assert rollup(written(store)).column("count").to_pylist() == [60, 40]


def _full(*_: Any) -> None:
    raise StoreError("points", "the table cannot be written (no space left)")


def corrected(store: Store, table: pa.Table) -> None:
    event = store.record([Event("points.corrected", "mill-1", 1, "erika", {"reason": "it read too high"})])[0]
    store.put(plain(table, correction=event.id))


def test_a_correction_is_seen_at_once_and_after_every_step(store: Store) -> None:
    store.put(plain(speeds([5.0, 2000.0, 7.0])))
    written(store)
    corrected(store, points(("mill-1", "spindle.speed", S, 6.0)))
    for step in (lambda s: s, lambda s: s.flush(), written, lambda s: s.put(plain(speeds([8.0], 3 * S)))):
        step(store)
        found = rollup(store).to_pylist()[0]
        assert (found["max"], found["mean"]) == ((7.0, 6.0) if found["count"] == 3 else (8.0, 6.5))
        assert chart(store, "mill-1", "spindle.speed", 0, HOUR, 1).column("max").to_pylist() == [found["max"]]
    assert found["count"] == 4


def test_a_shorter_block_takes_back_the_seconds_of_a_longer_one(store: Store) -> None:
    store.put(plain(blocks(("mill-1", "vibration", 0, 10**8, [1.0] * 40))))
    written(store)
    corrected(store, blocks(("mill-1", "vibration", 0, 10**8, [2.0] * 15)))
    for step in (lambda s: s.flush(), written):
        assert chart(store, "mill-1", "vibration", 0, 10 * S, 10).column("count").to_pylist() == [10, 5]
        step(store)
    assert chart(store, "mill-1", "vibration", 0, 10 * S, 10).column("count").to_pylist() == [10, 5]
    assert reroll.verify(store) == []


def test_what_is_erased_is_gone_from_the_rollups_too(store: Store) -> None:
    store.put(plain(speeds(range(100))))
    store.put(plain(speeds(range(50), thing="mill-2")))
    written(store)
    store.put(plain(speeds(range(10), start_ns=300 * S)))
    store.flush()
    store.erase_points("mill-1")
    assert set(rollup(store).column("thing").to_pylist()) == {"mill-2"}
    written(store)
    files = list((store.path / "rollups").glob("*.parquet"))
    assert files
    assert not any(b"mill-1" in file.read_bytes() for file in files)
    assert reroll.verify(store) == []


def test_rows_are_computed_anew_when_a_signal_is_declared_faster(store: Store) -> None:
    slow = replace(MILL, signals=tuple(
        replace(s, rate_hz=1 / 600) if s.name == "spindle.speed" else s for s in MILL.signals))
    store.declare([slow], [])
    store.put(plain(speeds(range(100), step_ns=600 * S)))
    assert levels_in_files(written(store)) == {"spindle.speed": {3600}}
    store.declare([MILL], [])
    told = {b"level": b"0"}
    assert told.items() <= chart(store, "mill-1", "spindle.speed", pixels=1).schema.metadata.items()
    before = rollup(store)
    store.flush()
    assert levels_in_files(store) == {"spindle.speed": {60, 3600}}
    assert rollup(store).equals(before)
    assert int(chart(store, "mill-1", "spindle.speed", pixels=1).schema.metadata[b"level"]) == 3600 * S
    assert reroll.verify(store) == []


def test_a_plant_whose_rollups_are_lost_gets_them_again(tmp_path: Path) -> None:
    with open_store(tmp_path / "plant", SimClock()) as store:
        declared(store).put(plain(speeds(range(500))))
        expected = rollup(written(store))
    shutil.rmtree(tmp_path / "plant" / "rollups")
    with open_store(tmp_path / "plant", SimClock()) as store:
        assert rollup(store).equals(expected)
        assert reroll.verify(written(store)) == []


def test_a_damaged_file_of_rollups_is_no_harm_while_there_are_samples(tmp_path: Path) -> None:
    with open_store(tmp_path, SimClock()) as store:
        declared(store).put(plain(speeds(range(500))))
        expected = rollup(written(store))
    file = next((tmp_path / "rollups").glob("*.parquet"))
    file.write_bytes(file.read_bytes()[:1000])
    with open_store(tmp_path, SimClock()) as store:
        assert rollup(store).equals(expected)
        assert chart(store, "mill-1", "spindle.speed", pixels=1).column("count").to_pylist() == [500]
        with pytest.raises(StoreError, match="it is cut short"):
            reroll.verify(store)


def test_a_large_plant_from_before_the_rollups_gets_them_a_part_at_a_time(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(reroll, "_MOST", 1000)
    with open_store(tmp_path / "plant", SimClock()) as store:
        declared(store).put(plain(speeds(range(500))))
        store.put(plain(speeds(range(500), thing="mill-2")))
        store.put(plain(blocks(("mill-1", "vibration", 0, 10**6, [1.0] * 5000))))
        store.flush()
    shutil.rmtree(tmp_path / "plant" / "rollups")
    with open_store(tmp_path / "plant", SimClock()) as store:
        expected = rollup(store)
        assert expected.column("count").to_pylist() == [60] * 8 + [20] + [5000] + [60] * 8 + [20]
        with store._flushing:
            assert reroll.again(store, budget=600) == 2
    with open_store(tmp_path / "plant", SimClock()) as store:
        assert rollup(store).equals(expected)
        assert store._memory.rollups.tasks
        store.flush()
        assert not store._memory.rollups.tasks
        assert rollup(store).equals(expected)
        assert reroll.verify(store) == []


def test_a_difference_from_the_samples_is_told(store: Store) -> None:
    store.put(plain(speeds(range(100))))
    store.flush()
    store._memory.rollups.waiting()["vmax"][0] += 1
    assert reroll.verify(store) == ["rollup of mill-1/spindle.speed at 0 of 60 s is not that of its samples"]


def test_minutes_and_hours_are_views_of_queries(store: Store) -> None:
    store.put(plain(speeds(np.arange(7200) % 1000)))
    written(store)
    store.put(plain(speeds([2999.0, 6.0], start_ns=7200 * S), source="b"))
    assert store.query("SELECT * FROM minutes ORDER BY ALL").equals(rollup(store))
    found = store.query(f"SELECT max(max) AS m FROM hours WHERE thing = 'mill-1' AND t_ns >= {HOUR}")
    assert found.column("m").to_pylist() == [2999.0]


def test_a_chart_reaches_back_to_where_only_rows_are_kept(store: Store) -> None:
    store.put(plain(speeds(range(100))))
    store.put(plain(speeds(range(100), start_ns=30 * HOUR)))
    written(store)
    retain(store, [Keep(raw_days=1)], now_ns=31 * HOUR)
    assert store.get(start_ns=0, end_ns=HOUR).num_rows == 0
    made = chart(store, "mill-1", "spindle.speed", pixels=40)
    assert made.column("t_ns").to_pylist() == [0, 30 * HOUR]
    assert made.column("max").to_pylist() == [99.0, 99.0]
    assert reroll.verify(store) == []


def test_an_unknown_step_lists_the_steps_there_are(store: Store) -> None:
    with pytest.raises(UnknownName, match="hour, minute"):
        rollup(store, step="day")


# counters

def rise(store: Store, start_ns: int, end_ns: int, step_ns: int | None = None) -> list[float]:
    return increase(store, "mill-1", "parts", start_ns, end_ns, step_ns).column("increase").to_pylist()


def test_a_counter_that_was_reset_goes_on_from_zero(store: Store) -> None:
    store.put(plain(counters([5, 7, 7, 2, 4])))
    assert rise(store, 0, 10 * S) == [2 + 0 + 2 + 2]
    assert rise(store, S, 4 * S) == [2 + 0 + 2]  # from the last value before the range
    with pytest.raises(InputError, match="it is a gauge"):
        increase(store, "mill-1", "spindle.speed", 0, S)


COUNTS = st.lists(st.tuples(st.integers(0, 3 * 3600), st.integers(0, 50), st.sampled_from([0, 0, 0, 2])), min_size=1,
                  max_size=25, unique_by=lambda row: row[0])


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(st.lists(COUNTS, min_size=1, max_size=3), st.tuples(st.integers(0, 11_000), st.integers(0, 11_000)))
def test_the_increase_is_the_sum_of_all_steps(tmp_path_factory: Any, parts: Any, limits: tuple[int, int]) -> None:
    with open_store(tmp_path_factory.mktemp("plant"), SimClock()) as store:
        declared(store)
        for rows in parts:
            table = points(*(("mill-1", "parts", t * S, v) for t, v, _ in rows))
            at = table.schema.get_field_index("quality")
            store.put(plain(table.set_column(at, "quality", pa.array([q for _, _, q in rows], pa.int8()))))
            written(store)
        have = [(r["t_ns"], r["code"]) for r in store.get(signals="parts").to_pylist() if r["quality"] != 2]
        start_ns, end_ns = min(limits) * S, max(limits) * S + 1
        steps = [(t, b - a if b >= a else b) for (_, a), (t, b) in itertools.pairwise(have)]
        for step_ns in (None, MINUTE, HOUR, 7 * S):
            assert sum(rise(store, start_ns, end_ns, step_ns)) == sum(v for t, v in steps if start_ns <= t < end_ns)
