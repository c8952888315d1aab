"""The feed of what changed in the past: nothing that changed is missing, and a long replay costs few rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopwright.core.clock import NS_PER_S, SimClock
from loopwright.core.types import Event
from loopwright.store import Store, open_store
from loopwright.store.changes import CORRECTED, DELAYED, ERASED, LATE, TRIMMED, Touched, bookmark, bookmarked, changes
from loopwright.store.correct import correct
from tests.store.plant import S, blocks, declared, numbered, plain, points, speeds

HOUR = 3600 * S
NOW = 1_700_000_000 * NS_PER_S  # where the clock of the tests begins


def of(found: list[Touched], why: str) -> list[tuple[str, str, int, int]]:
    return [(one.thing, one.signal, one.start_ns, one.end_ns) for one in found if one.why == why]


def test_data_in_time_and_in_order_changes_nothing(store: Store) -> None:
    store.put(numbered(speeds([1, 2, 3], NOW - 5 * S), 0))
    store.put(numbered(speeds([4, 5], NOW - 2 * S), 3))
    assert changes(store) == []


def test_late_values_are_told_with_their_signal_and_time(store: Store) -> None:
    store.put(numbered(speeds([1, 2, 3], NOW - 5 * S), 0))
    receipt = store.put(numbered(points(("mill-1", "spindle.speed", NOW - 6 * S, 9.0), ("mill-2", "spindle.speed", NOW, 1.0)), 3))
    assert of(changes(store), LATE) == [("mill-1", "spindle.speed", NOW - 6 * S, NOW - 6 * S + 1)]
    assert changes(store)[0].known_ns == receipt.known_ns
    assert changes(store, receipt.known_ns) == []


def test_a_replay_of_many_late_values_costs_one_row_and_far_ranges_stay_apart(store: Store) -> None:
    store.put(numbered(speeds([1], NOW), 0))
    for i in range(50):
        store.put(numbered(speeds(range(200), NOW - 30 * HOUR + i * 200 * S), 1 + i * 200))
    store.put(numbered(speeds([7], NOW - 90 * HOUR), 20_000))
    start = NOW - 30 * HOUR
    assert of(changes(store), LATE) == [
        ("mill-1", "spindle.speed", start, start + 9_999 * S + 1),
        ("mill-1", "spindle.speed", NOW - 90 * HOUR, NOW - 90 * HOUR + 1)]


def test_values_in_order_that_come_long_after_they_were_true_are_told_as_delayed(store: Store, clock: SimClock) -> None:
    store.put(numbered(speeds([1, 2], NOW - 4 * HOUR), 0))
    (row,) = changes(store)
    assert (row.why, row.thing, row.signal) == (DELAYED, "mill-1", "spindle.speed")
    assert row.start_ns <= NOW - 4 * HOUR
    assert row.end_ns > NOW - 4 * HOUR + S
    asked = store._known
    store.put(numbered(speeds([3], NOW - 4 * HOUR + 2 * S), 2))  # more of it in the same minute: it is told again
    assert [one.why for one in changes(store, asked)] == [DELAYED]
    clock.set_ns(NOW + 120 * S)
    store.put(numbered(speeds([4], NOW + 119 * S), 3))
    assert changes(store, store._known) == []


def test_corrections_name_their_event_and_blocks_their_last_sample(store: Store) -> None:
    store.put(numbered(blocks(("mill-1", "vibration", NOW - S, 1_000_000, [1.0, 2.0, 3.0, 4.0])), 0))
    done = correct(store, "mill-1", "vibration", NOW - S + 1_000_000, NOW - S + 3_000_000, "bad", "erika", "loose")
    (row,) = changes(store)
    assert (row.why, row.event) == (CORRECTED, done.event)
    assert row.start_ns <= NOW - S + 1_000_000
    assert row.end_ns > NOW - S + 2_000_000


def test_what_is_erased_is_told_without_any_time(store: Store) -> None:
    store.put(numbered(speeds([1], NOW), 0))
    store.erase_points("mill-1")
    assert [one.thing for one in changes(store) if one.why == ERASED] == ["mill-1"]


def test_the_feed_stands_after_a_restart_and_remembers_how_far_it_was_followed(tmp_path: Path, clock: SimClock) -> None:
    with declared(open_store(tmp_path, clock)) as store:
        store.put(numbered(speeds([1, 2], NOW - S), 0))
        store.put(numbered(speeds([9], NOW - 9 * S), 2))
        before = changes(store)
        bookmark(store, "alarms", str(before[-1].known_ns))
    with open_store(tmp_path, clock) as store:
        assert changes(store) == before
        assert bookmarked(store, "alarms") == str(before[-1].known_ns)
        store.put(numbered(speeds([9], NOW - 19 * S), 3))
        assert len(changes(store, int(bookmarked(store, "alarms")))) == 1
    with open_store(tmp_path, clock, read_only=True) as reader:
        assert len(changes(reader)) == 2


def test_after_thirty_days_a_change_is_forgotten_and_who_asks_for_it_hears_so(store: Store, clock: SimClock) -> None:
    from loopwright.store.changes import trim

    store.put(numbered(speeds([1, 2], NOW - S), 0))
    store.put(numbered(speeds([9], NOW - 9 * S), 2))
    clock.set_ns(NOW + 31 * 24 * HOUR)
    store.put(numbered(speeds([3], NOW + 31 * 24 * HOUR), 3))
    trim(store)
    first, *rest = changes(store)
    assert (first.why, first.thing, rest) == (TRIMMED, "", [])
    assert changes(store, first.known_ns) == []


def test_only_reads_that_meet_a_replaced_value_look_for_versions(store: Store) -> None:
    store.put(numbered(speeds(range(10), NOW - 10 * S), 0))
    event = store.record([Event("points.corrected", "mill-1", 0, "erika", {"reason": "a test"})])[0]
    store.put(plain(speeds([5.5], NOW - 5 * S), correction=event.id))
    past = store._memory.past
    assert past.replaced(["mill-1"], ["spindle.speed"], NOW - 6 * S, NOW)
    assert past.replaced(None, None, None, None)
    assert not past.replaced(["mill-1"], ["spindle.speed"], NOW - 4 * S, NOW)
    assert not past.replaced(["mill-2"], None, None, None)
    assert not past.replaced(["mill-1"], ["parts"], None, None)
    assert store.get(things="mill-1", start_ns=NOW - 6 * S, end_ns=NOW - 4 * S).column("value").to_pylist() == [4.0, 5.5]


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(st.tuples(st.sampled_from(["mill-1", "mill-2"]), st.integers(0, 40)), min_size=1,
                                 max_size=4), max_size=12), ask=st.integers(0, 12))
def test_whoever_follows_reads_everything_that_changed_below_what_it_had_seen(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[str, int]]], ask: int
) -> None:
    clock = SimClock()
    with declared(open_store(tmp_path_factory.mktemp("p"), clock)) as store:
        newest: dict[str, int] = {}
        below: list[tuple[str, int]] = []
        asked = 0
        for i, batch in enumerate(batches):
            if i == ask:
                asked, below = store._known, []
            rows = [("mill-1" if n == 0 else thing, NOW - 40 * 1000 * S + at * 1000 * S + i * 10 + n)
                    for n, (thing, at) in enumerate(batch)]
            store.put(plain(points(*((thing, "spindle.speed", t_ns, 1.0) for thing, t_ns in rows))))
            below += [(thing, t_ns) for thing, t_ns in rows if t_ns <= newest.get(thing, -1)]
            for thing, t_ns in rows:
                newest[thing] = max(newest.get(thing, -1), t_ns)
        found = changes(store, asked)
        for thing, t_ns in below:
            assert any(one.thing == thing and one.start_ns <= t_ns < one.end_ns for one in found if one.why == LATE)
