"""Rollups of series without a declared rate: levels whose buckets hold few samples have no rows, and nothing is lost."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.clock import SimClock
from loopwright.core.types import Batch, Event, Kind, Signal, Thing
from loopwright.store import Store, open_store, reroll, sparse
from loopwright.store.buckets import rollup
from loopwright.store.chart import chart
from loopwright.store.levels import HOUR, MINUTE
from loopwright.store.retain import Keep, retain
from tests.store.plant import S, plain, points

KIND = Kind("meter", "a meter", (
    Signal("energy", "J", "gauge", None, None, None, "A signal without a rate."),
    Signal("rated", "J", "gauge", 1 / 1200, None, None, "A signal with one."),
))


@contextmanager
def plant(path: Path) -> Iterator[Store]:
    with open_store(path, SimClock()) as store:
        store.declare([KIND], [Thing("m", "meter")])
        yield store


def written(store: Store) -> None:
    store.flush()
    with store._flushing:
        reroll.write(store)
    store.flush()  # series that come back are computed by it


def energy(t_ns: list[int], values: list[float], signal: str = "energy") -> Batch:
    return plain(points(*(("m", signal, t, float(v)) for t, v in zip(t_ns, values, strict=True))))


def rows_of(store: Store, signal: str = "energy") -> set[int]:
    scan = store.tables["rollups"].snapshot.scan()
    found = store._reader.run(f"SELECT DISTINCT level FROM {scan} WHERE signal = '{signal}'", {})
    return {level // S for level in found.column("level").to_pylist()}


def agrees(store: Store, truth: dict[int, float]) -> None:
    """Asserts that minutes, hours and charts say what these samples (t_ns -> value) say."""
    for step, step_ns in (("minute", MINUTE), ("hour", HOUR)):
        buckets: dict[int, list[tuple[int, float]]] = {}
        for t, v in truth.items():
            buckets.setdefault(t // step_ns * step_ns, []).append((t, v))
        expected = [(t, len(own), min(v for _, v in own), max(v for _, v in own), max(own)[1])
                    for t, own in sorted(buckets.items())]
        found = rollup(store, "m", "energy", step)
        assert [tuple(row[c] for c in ("t_ns", "count", "min", "max", "last")) for row in found.to_pylist()] == expected
        if truth:
            end = (max(truth) // step_ns + 1) * step_ns
            start = min(truth) // step_ns * step_ns
            shown = chart(store, "m", "energy", start, end, max(1, (end - start) // step_ns))
            assert sum(shown.column("count").to_pylist()) == len(truth)
            assert max(shown.column("max").to_pylist()) == max(truth.values())
            assert min(shown.column("min").to_pylist()) == min(truth.values())
    assert reroll.verify(store) == []


def test_an_hourly_meter_has_no_rows_and_is_read_from_its_samples(tmp_path: Path) -> None:
    t_ns = [i * HOUR for i in range(300)]
    truth = dict(zip(t_ns, np.arange(300) % 17 * 1.0, strict=True))
    with plant(tmp_path) as store:
        store.put(energy(t_ns, list(truth.values())))
        store.put(energy(t_ns, list(truth.values()), "rated"))
        written(store)
        assert rows_of(store) == set()
        assert rows_of(store, "rated") == {3600}
        agrees(store, truth)
    with plant(tmp_path) as store:
        store.put(energy([300 * HOUR], [99.0]))
        written(store)
        assert rows_of(store) == set()
        agrees(store, truth | {300 * HOUR: 99.0})
        with open_store(tmp_path, read_only=True) as reader:
            assert rollup(reader, "m", "energy", "hour").num_rows == 301


def test_a_sample_a_minute_has_rows_of_hours_only(tmp_path: Path) -> None:
    t_ns = [i * MINUTE for i in range(600)]
    with plant(tmp_path) as store:
        store.put(energy(t_ns, list(range(600))))
        written(store)
        assert rows_of(store) == {3600}
        agrees(store, dict(zip(t_ns, map(float, range(600)), strict=True)))


def test_a_series_that_becomes_dense_has_its_rows_again(tmp_path: Path) -> None:
    truth = {i * HOUR: float(i) for i in range(300)}
    with plant(tmp_path) as store:
        store.put(energy(list(truth), list(truth.values())))
        written(store)
        for part in range(4):
            more = {300 * HOUR + (part * 3000 + i) * S: float(i) for i in range(3000)}
            truth |= more
            store.put(energy(list(more), list(more.values())))
            written(store)
            agrees(store, truth)
        assert rows_of(store) == {60, 3600}
        assert int(chart(store, "m", "energy", pixels=2).schema.metadata[b"level"]) == HOUR
    with plant(tmp_path) as store:
        agrees(store, truth)


def test_rows_stay_where_samples_are_to_go(tmp_path: Path) -> None:
    truth = {i * HOUR: float(i) for i in range(400)}
    with plant(tmp_path) as store:
        store.put(energy(list(truth), list(truth.values())))
        written(store)
        assert rows_of(store) == set()
        retain(store, [Keep(raw_days=2)], now_ns=400 * HOUR)
        assert store.get().num_rows == 48
        assert rollup(store, "m", "energy", "hour").column("last").to_pylist() == list(truth.values())
        store.put(energy([i * HOUR for i in range(400, 800)], list(range(400))))
        written(store)
        assert rollup(store, "m", "energy", "hour").num_rows == 800


STEPS = st.lists(st.one_of(
    st.tuples(st.just("put"), st.integers(0, 400), st.sampled_from([1, 20, 60, 700, 3600]), st.integers(1, 25)),
    st.tuples(st.just("correct"), st.integers(0, 30)),
    st.sampled_from([("flush",), ("write",), ("reopen",)]),
), min_size=1, max_size=12)


@pytest.mark.slow
@settings(deadline=None, max_examples=20)
@given(STEPS)
def test_whatever_comes_in_whatever_order_minutes_and_hours_say_what_the_samples_say(steps: list[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for name, value in (("LEAST", 6), ("WORTH", 3), ("AGAIN", 4)):
            patch.setattr(sparse, name, value)
        truth: dict[int, float] = {}
        store = open_store(Path(folder), SimClock())
        store.declare([KIND], [Thing("m", "meter")])
        value = 0.0
        for step in steps:
            if step[0] == "put":
                _, at, every_s, count = step
                new = {(at * 60 + i * every_s) * S: (value := value + 1) for i in range(count)}  # type: ignore[operator,arg-type]
                new = {t: v for t, v in new.items() if t not in truth}
                truth |= new
                if new:
                    store.put(energy(list(new), list(new.values())))
            elif step[0] == "correct" and truth:
                t = sorted(truth)[step[1] % len(truth)]  # type: ignore[operator]
                truth[t] = value = value + 1
                event = store.record([Event("points.corrected", "m", 1, "erika", {"reason": "typing error"})])[0]
                store.put(plain(points(("m", "energy", t, value)), correction=event.id))
            elif step[0] == "flush":
                store.flush()
            elif step[0] == "write":
                written(store)
            elif step[0] == "reopen":
                store.close()
                store = open_store(Path(folder), SimClock())
        agrees(store, truth)
        store.close()
        with open_store(Path(folder), SimClock()) as store:
            agrees(store, truth)
            written(store)
            agrees(store, truth)
            assert store.get().num_rows == len(truth)


def test_rollups_that_are_made_again_count_nothing_twice(tmp_path: Path) -> None:
    truth = {i * S: float(i) for i in range(300)}
    with plant(tmp_path) as store:
        store.put(energy(list(truth), list(truth.values())))
        written(store)
        event = store.record([Event("points.corrected", "m", 1, "erika", {"reason": "typing error"})])[0]
        store.put(plain(points(("m", "energy", 7 * S, 99.0)), correction=event.id))
        truth[7 * S] = 99.0
        store.flush()
        for _ in range(2):
            assert reroll.remake(store) == 1
            agrees(store, truth)
    with plant(tmp_path) as store:
        assert reroll.remake(store) == 1
        agrees(store, truth)
