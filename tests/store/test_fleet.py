"""The live fleet is what the store would read from disk, whatever came, in which order, and what was taken back."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.clock import SimClock
from loopwright.core.errors import InputError, NotAllowed, UnknownName
from loopwright.core.types import Event, Thing
from loopwright.store import Store, open_store
from loopwright.store.fleet import Fleet
from tests.store import slow
from tests.store.plant import MILL, S, blocks, declared, numbered, plain, points, speeds

NOW = 1_000_000 * S


def held(fleet: Fleet, store: Store, now_ns: int) -> None:
    """Asserts that the fleet shows what the store reads."""
    seen = fleet.windows(now_ns)
    first = now_ns // fleet.step_ns - fleet.steps + 1
    read = store.windows(seen.ids, seen.channels, start_ns=first * fleet.step_ns, end_ns=(first + fleet.steps) * fleet.step_ns, step_ns=fleet.step_ns)
    slow.same(seen, read.values, read.mask)
    assert (seen.ids, seen.channels, seen.units, seen.t_ns.tolist()) == (read.ids, read.channels, read.units, read.t_ns.tolist())


def test_a_value_stands_in_its_step_as_soon_as_it_is_put(store: Store) -> None:
    """By hand: four steps of 1 s that end with the second in which it is now."""
    with Fleet(store, "mill", steps=4, step_ns=S) as fleet:
        store.put(numbered(points(("mill-1", "spindle.speed", NOW, 10.0), ("mill-1", "spindle.speed", NOW + S // 2, 11.0), ("mill-2", "mode", NOW - 2 * S, 7)), 0))
        seen = fleet.windows(NOW + S // 2)
        assert (seen.ids, seen.channels) == (("mill-1", "mill-2"), ("spindle.speed", "parts", "mode", "vibration"))
        assert seen.t_ns.tolist() == [NOW - 3 * S, NOW - 2 * S, NOW - S, NOW]
        assert seen.mask[0, :, 0].tolist() == [False, False, False, True]
        assert seen.values[0, 3, 0] == 11.0
        assert seen.mask[1, :, 2].tolist() == [False, True, False, False]
        assert seen.values[1, 1, 2] == 7
        assert seen.mask.sum() == 2


@pytest.mark.parametrize("change", [
    lambda store: store.put(plain(points(("mill-1", "spindle.speed", NOW - 3 * S, 5.0)))),
    lambda store: store.put(plain(points(("mill-1", "spindle.speed", NOW - S, 9.0)), source="http/other")),
    lambda store: store.put(plain(points(("mill-1", "spindle.speed", NOW - S + 1, None)))),
    lambda store: store.put(plain(blocks(("mill-1", "vibration", NOW - 5 * S, S // 4, [float(i) for i in range(12)])))),
    lambda store: store.put(plain(points(("mill-1", "spindle.speed", NOW + 400 * S, 1.0)))),
    lambda store: store.put(correction(store, points(("mill-1", "spindle.speed", NOW - S, None)))),
    lambda store: store.put(correction(store, points(("mill-1", "spindle.speed", NOW - S, 77.0)))),
    lambda store: store.erase_points("mill-1"),
    lambda store: store.flush(),
    lambda store: store.declare([], [Thing("mill-3", "mill")]),
    lambda store: store.declare([replace(MILL, signals=MILL.signals[::-1])], []),
], ids=["late", "conflict", "gap", "blocks", "far ahead", "corrected to a gap", "corrected", "erased", "flushed", "declared", "declared anew"])
def test_what_happens_to_the_store_happens_to_the_fleet(store: Store, change: Callable[[Store], Any]) -> None:
    store.put(plain(speeds([1, 2, 3, 4], NOW - 3 * S)))
    with Fleet(store, "mill", steps=6, step_ns=S) as fleet:
        held(fleet, store, NOW)
        change(store)
        for now_ns in (NOW, NOW + S, NOW + 3 * S, NOW + 399 * S, NOW + 402 * S, NOW):
            held(fleet, store, now_ns)
        assert len(fleet.windows(NOW).t_ns) == 6


def correction(store: Store, table: pa.Table) -> Any:
    event = store.record([Event("points.corrected", "mill-1", NOW, "erika", {"reason": "read high"})])[0]
    return plain(table, source="http/erika", correction=event.id)


def test_a_corrected_block_that_is_shorter_leaves_nothing_of_the_old_one(store: Store) -> None:
    store.put(plain(blocks(("mill-1", "vibration", NOW - 3 * S, S // 2, [1.0] * 8))))
    with Fleet(store, "mill", steps=6, step_ns=S) as fleet:
        assert fleet.windows(NOW).mask[0, :, 3].sum() == 4
        store.put(correction(store, blocks(("mill-1", "vibration", NOW - 3 * S, S // 2, [2.0] * 2))))
        assert fleet.windows(NOW).mask[0, :, 3].sum() == 1
        held(fleet, store, NOW)


def test_a_restarted_plant_shows_the_same_window(store: Store, clock: SimClock) -> None:
    store.put(plain(speeds(range(8), NOW - 7 * S)))
    with Fleet(store, "mill", steps=6, step_ns=S) as fleet:
        before = fleet.windows(NOW)
    store.close()
    with open_store(store.path, clock) as again, Fleet(again, "mill", steps=6, step_ns=S) as fleet:
        slow.same(fleet.windows(NOW), before.values, before.mask)
        held(fleet, again, NOW)
        assert fleet.windows(NOW).mask.sum() == 6


def test_the_fleets_own_memory_is_handed_over_without_a_copy_and_cannot_be_written(store: Store) -> None:
    with Fleet(store, "mill", steps=4, step_ns=S, signals=["spindle.speed"], dtype=np.float32) as fleet:
        fleet.windows(NOW)
        own = fleet.windows(NOW, copy=False)
        store.put(plain(speeds([5], NOW)))
        assert own.values[0, 3, 0] == 5.0
        assert own.values.dtype == np.float32
        assert np.shares_memory(own.values, fleet.windows(NOW, copy=False).values)
        with pytest.raises(ValueError, match="read-only"):
            own.values[0, 0, 0] = 1.0
        kept = fleet.windows(NOW)
        store.put(plain(speeds([6], NOW + 1)))
        assert kept.values[0, 3, 0] == 5.0


def test_a_tensor_of_torch_is_the_same_memory(store: Store) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed (pip install 'loopwright[torch]')")
    store.put(plain(speeds([5], NOW)))
    with Fleet(store, "mill", steps=4, step_ns=S) as fleet:
        seen = fleet.windows(NOW)
        tensor = torch.from_numpy(seen.values)
        assert tensor.data_ptr() == seen.values.__array_interface__["data"][0]
        assert tuple(tensor.shape) == (2, 4, 4)


def test_moving_on_step_by_step_keeps_what_is_still_in_the_window(store: Store) -> None:
    with Fleet(store, "mill", steps=8, step_ns=S) as fleet:
        fleet.windows(NOW)
        for i in range(100):
            store.put(plain(points(("mill-1", "spindle.speed", NOW + i * S, float(i)))))
            seen = fleet.windows(NOW + i * S)
            assert seen.values[0, :, 0][seen.mask[0, :, 0]].tolist() == [float(v) for v in range(max(0, i - 7), i + 1)]


def test_what_cannot_be_a_fleet_is_said(store: Store, clock: SimClock) -> None:
    with pytest.raises(UnknownName, match="did you mean 'mill'"):
        Fleet(store, "mil", steps=4, step_ns=S)
    with pytest.raises(UnknownName, match=r"did you mean 'spindle\.speed'"):
        Fleet(store, "mill", steps=4, step_ns=S, signals=["spindle.sped"])
    with pytest.raises(InputError, match="3 numbers"):
        Fleet(store, "mill", steps=4, step_ns=S, signals=["force"])
    with pytest.raises(InputError, match="1 step and 1 ns"):
        Fleet(store, "mill", steps=0, step_ns=S)
    with pytest.raises(InputError, match="each one once"):
        Fleet(store, "mill", steps=4, step_ns=S, signals=["mode", "mode"])
    with Fleet(store, "mill", steps=4, step_ns=S) as fleet, pytest.raises(InputError, match="between 1677 and 2262"):
        fleet.windows(2**63)
    with open_store(store.path, clock, read_only=True) as beside, pytest.raises(NotAllowed, match=r"store\.windows"):
        Fleet(beside, "mill", steps=4, step_ns=S)


def test_a_closed_fleet_no_longer_listens(store: Store) -> None:
    Fleet(store, "mill", steps=4, step_ns=S).close()
    assert store.listeners == []
    assert store.leavers == []


# everything at once

STEPS = st.integers(-12, 12)
ROW = st.tuples(st.sampled_from(["mill-1", "mill-2", "mill-3"]), st.sampled_from(["spindle.speed", "parts"]), STEPS, st.integers(0, 2), st.integers(0, 3), st.sampled_from([0, 0, 0, 2]))
BLOCK = st.tuples(st.sampled_from(["mill-1", "mill-2"]), STEPS, st.integers(1, 9), st.sampled_from([0, 0, 2]))
DO = st.one_of(
    st.tuples(st.just("rows"), st.lists(ROW, min_size=1, max_size=6)), st.tuples(st.just("correct"), st.lists(ROW, min_size=1, max_size=3)),
    st.tuples(st.just("blocks"), st.lists(BLOCK, min_size=1, max_size=3)), st.tuples(st.just("correct blocks"), st.lists(BLOCK, min_size=1, max_size=2)),
    st.tuples(st.just("now"), st.integers(-3, 9)), st.tuples(st.just("flush"), st.none()), st.tuples(st.just("restart"), st.none()),
    st.tuples(st.just("erase"), st.sampled_from(["mill-1", "mill-2"])), st.tuples(st.just("declare"), st.none()),
)


class Life:
    """A plant, its fleet, and what happens to both."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock, self.now_ns, self.corrections = folder, SimClock(NOW), NOW, 0
        self.store = declared(open_store(folder, self.clock))
        self.fleet = Fleet(self.store, "mill", steps=5, step_ns=S)

    def do(self, what: str, given: Any) -> None:
        if what in ("rows", "correct"):
            self.put(self.rows(given), what == "correct")
        elif what in ("blocks", "correct blocks"):
            self.put(self.blocks(given), what == "correct blocks")
        elif what == "now":
            self.now_ns += given * S
        elif what == "flush":
            self.store.flush()
        elif what == "erase":
            self.store.erase_points(given)
        elif what == "declare":
            self.store.declare([], [Thing("mill-3", "mill")])
        elif what == "restart":
            self.store.close()
            self.store = open_store(self.folder, self.clock)
            self.fleet = Fleet(self.store, "mill", steps=5, step_ns=S)

    def rows(self, given: list[tuple[str, str, int, int, int, int]]) -> pa.Table:
        return pa.Table.from_pylist([
            {"thing": thing, "signal": signal, "t_ns": self.now_ns + step * S + nth, "n": 0, "quality": quality,
             "value": float(value) if signal == "spindle.speed" and value else None, "code": value if signal == "parts" and value else None}
            for thing, signal, step, nth, value, quality in given
        ], schema=points().schema)

    def blocks(self, given: list[tuple[str, int, int, int]]) -> pa.Table:
        return pa.Table.from_pylist([
            {"thing": thing, "signal": "vibration", "t_ns": self.now_ns + step * S, "dt_ns": S // 3, "values": [float(length + i) for i in range(length)], "quality": quality}
            for thing, step, length, quality in given
        ], schema=blocks().schema)

    def put(self, table: pa.Table, correct: bool) -> None:
        event = ""
        if correct:
            self.corrections += 1
            event = self.store.record([Event("points.corrected", "mill-1", NOW, "erika", {"reason": str(self.corrections)})])[0].id
        self.store.put(plain(table, source=f"http/{'erika' if correct else 'press'}", correction=event))


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.lists(DO, max_size=12))
def test_the_fleet_is_what_the_store_would_read(story: list[tuple[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        life = Life(Path(folder))
        try:
            for what, given_ in story:
                life.do(what, given_)
                held(life.fleet, life.store, life.now_ns)
            assert life.fleet.windows(life.now_ns).t_ns[-1] <= life.now_ns
        finally:
            life.store.close()
