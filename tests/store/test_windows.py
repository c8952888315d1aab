"""Windows: a regular grid where nothing is bridged."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.clock import SimClock
from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import BLOCKS_IN, POINTS_IN
from loopwright.store import Store, open_store
from tests.store import slow
from tests.store.plant import S, blocks, declared, numbered, plain, points, speeds


def test_the_last_value_of_each_step_stands_and_gaps_stay_open(store: Store) -> None:
    """By hand: steps of 2 s from 0; values at 0, 1 (step 0), 5 (step 2)."""
    store.put(numbered(points(
        ("mill-1", "spindle.speed", 0, 10.0), ("mill-1", "spindle.speed", 1 * S, 11.0), ("mill-1", "spindle.speed", 5 * S, 15.0),
        ("mill-2", "mode", 2 * S, 7), ("mill-1", "spindle.speed", 8 * S, 99.0),
    ), 0))
    found = store.windows(["mill-2", "mill-1"], ["spindle.speed", "mode"], start_ns=0, end_ns=8 * S, step_ns=2 * S)
    assert found.values.shape == found.mask.shape == (2, 4, 2)
    assert found.mask[1, :, 0].tolist() == [True, False, True, False]
    assert found.values[1, :, 0].tolist() == [11.0, 0.0, 15.0, 0.0]
    assert found.mask[0, :, 1].tolist() == [False, True, False, False]
    assert found.values[0, 1, 1] == 7
    assert (found.ids, found.channels, found.units) == (("mill-2", "mill-1"), ("spindle.speed", "mode"), ("rad/s", ""))
    assert found.t_ns.tolist() == [0, 2 * S, 4 * S, 6 * S]


def test_a_gap_and_a_bad_value_count_as_none(store: Store) -> None:
    table = points(("mill-1", "spindle.speed", 0, 1.0), ("mill-1", "spindle.speed", 1, None), ("mill-1", "spindle.speed", 12, 3.0)).to_pydict()
    table["quality"] = [0, 0, 2]
    store.put(numbered(speeds([]).from_pydict(table, schema=speeds([]).schema), 0))
    found = store.windows(["mill-1"], ["spindle.speed"], start_ns=0, end_ns=20, step_ns=10)
    assert found.values[0, :, 0].tolist() == [1.0, 0.0]
    assert found.mask[0, :, 0].tolist() == [True, False]


def test_fast_signals_come_out_of_their_blocks(store: Store) -> None:
    store.put(numbered(blocks(("mill-1", "vibration", 0, 10, [0.0, 1.0, 2.0, 3.0, 4.0]), ("mill-1", "vibration", 90, 10, [9.0])), 0))
    store.put(numbered(points(("mill-1", "spindle.speed", 40, 7.0)), 6))
    store.flush()
    found = store.windows(["mill-1"], ["vibration", "spindle.speed"], start_ns=20, end_ns=100, step_ns=20)
    assert found.values[0, :, 0].tolist() == [3.0, 4.0, 0.0, 9.0]
    assert found.mask[0].T.tolist() == [[True, True, False, True], [False, True, False, False]]


def test_a_fast_signal_that_is_named_is_got_as_points(store: Store, clock: SimClock) -> None:
    store.put(numbered(blocks(("mill-1", "vibration", 0, 10, [0.0, 1.0, 2.0, 3.0, 4.0]), ("mill-1", "force", 0, 10, [9.0] * 3)), 0))
    store.put(numbered(points(("mill-1", "spindle.speed", 25, 7.0)), 8))
    for _ in range(2):
        found = store.get(signals=["vibration", "spindle.speed"], start_ns=15, end_ns=40)
        assert [(r["signal"], r["t_ns"], r["value"], r["known_ns"]) for r in found.to_pylist()] == [
            ("spindle.speed", 25, 7.0, clock.now_ns() + 1), ("vibration", 20, 2.0, clock.now_ns()), ("vibration", 30, 3.0, clock.now_ns()),
        ]
        assert store.get().num_rows == 1  # without a name only what is kept as points
        store.flush()


def test_windows_see_only_what_was_known(store: Store, clock: SimClock) -> None:
    store.put(numbered(speeds([1]), 0))
    then_ns = clock.now_ns()
    clock.set_ns(then_ns + S)
    store.put(numbered(speeds([2], S), 1))
    now, then = (
        store.windows(["mill-1"], ["spindle.speed"], start_ns=0, end_ns=2 * S, step_ns=S, known_by_ns=by) for by in (None, then_ns)
    )
    assert (now.mask.sum(), then.mask.sum()) == (2, 1)


def test_a_thing_without_data_and_an_end_inside_a_step(store: Store) -> None:
    store.put(numbered(speeds(range(10)), 0))
    found = store.windows(["mill-1", "nobody"], ["spindle.speed"], start_ns=0, end_ns=5 * S, step_ns=4 * S)
    assert found.values[0, :, 0].tolist() == [3.0, 4.0]
    assert not found.mask[1].any()


def test_a_signal_nobody_declared_is_named(store: Store) -> None:
    with pytest.raises(UnknownName, match=r"did you mean 'spindle\.speed'"):
        store.windows(["mill-1"], ["spindle.sped"], start_ns=0, end_ns=1, step_ns=1)
    with pytest.raises(InputError, match="an end after the start"):
        store.windows(["mill-1"], ["mode"], start_ns=1, end_ns=1, step_ns=1)


Said = tuple[str, str, int, int, int, int]
SAID = st.tuples(
    st.sampled_from(["mill-1", "mill-2"]), st.sampled_from(["spindle.speed", "parts", "vibration"]), st.integers(0, 60),
    st.integers(0, 1), st.integers(0, 3), st.sampled_from([0, 0, 0, 1, 2]),
)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(SAID, min_size=1, max_size=8), max_size=6), st.integers(1, 40), st.booleans())
def test_the_grid_agrees_with_a_loop_over_rows(batches: list[list[Said]], step_ns: int, flushed: bool) -> None:
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder), SimClock(10**18)) as store:
        declared(store)
        for rows in batches:
            put(store, rows)
        if flushed:
            store.flush()
        known_by_ns = store._clock.now_ns() + len(batches) // 2
        for by in (None, known_by_ns):
            asked = (["mill-2", "mill-1", "nobody"], ["vibration", "spindle.speed", "parts"], 5, 55, step_ns, by)
            found = store.windows(*asked[:2], start_ns=5, end_ns=55, step_ns=step_ns, known_by_ns=by)
            slow.same(found, *slow.windows(store, *asked))
            assert found.channels == tuple(asked[1])


def put(store: Store, rows: list[Said]) -> None:
    """Puts rows of (thing, signal, t_ns, n, value, quality): a value of 0 is a gap, of vibration a block so long."""
    flat = [
        {"thing": thing, "signal": signal, "t_ns": t_ns, "n": n, "quality": quality,
         "value": float(value) if signal == "spindle.speed" and value else None, "code": value if signal == "parts" and value else None}
        for thing, signal, t_ns, n, value, quality in rows if signal != "vibration"
    ]
    fast = [
        {"thing": thing, "signal": signal, "t_ns": t_ns, "dt_ns": 3, "values": [float(value + i) for i in range(value + 1)], "quality": quality}
        for thing, signal, t_ns, _, value, quality in rows if signal == "vibration"
    ]
    for table in (pa.Table.from_pylist(flat, schema=POINTS_IN), pa.Table.from_pylist(fast, schema=BLOCKS_IN)):
        if table.num_rows:
            store.put(plain(table))


def test_a_signal_of_several_numbers_a_sample_has_no_window(store: Store) -> None:
    with pytest.raises(InputError, match=r"3 numbers.*get\(blocks=True\)"):
        store.windows(["mill-1"], ["force"], start_ns=0, end_ns=10, step_ns=1)


@pytest.mark.slow
def test_more_cells_than_memory_are_refused_before_anything_is_read(store: Store) -> None:
    with pytest.raises(InputError, match="ask for a shorter time"):
        store.windows(["mill-1"] * 10, ["mode"], start_ns=0, end_ns=2**40, step_ns=1)
    with pytest.raises(InputError, match="ask for a shorter time or fewer things"):
        store.windows(["mill-1"] * 1000, ["mode"], start_ns=0, end_ns=2**30, step_ns=10)


def test_a_name_alone_is_a_list_of_one_and_times_beyond_the_calendar_are_refused(store: Store) -> None:
    found = store.windows("mill-1", "mode", start_ns=0, end_ns=3, step_ns=1)
    assert (found.ids, found.channels) == (("mill-1",), ("mode",))
    with pytest.raises(InputError, match="between 1677 and 2262"):
        store.windows("mill-1", "mode", start_ns=0, end_ns=2**64, step_ns=2**63)


def test_a_thing_that_is_asked_for_twice_stands_twice(store: Store) -> None:
    store.put(numbered(speeds([1, 2]), 0))
    found = store.windows(["mill-1", "mill-1"], ["spindle.speed"], start_ns=0, end_ns=2 * S, step_ns=S)
    assert found.values[:, :, 0].tolist() == [[1.0, 2.0]] * 2
