"""What becomes of a batch: stored, late, duplicate, conflict or refused, sample by sample."""

from __future__ import annotations

import math
from pathlib import Path

import pyarrow as pa
import pytest

from loopwright.core.clock import SimClock
from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import POINTS_IN, Batch, Kind, Signal, Thing
from loopwright.store import Store, open_store
from tests.store.plant import MILL, S, balanced, blocks, declared, numbered, plain, points, speeds


def test_what_was_put_is_what_is_got(store: Store, clock: SimClock) -> None:
    receipt = store.put(numbered(points(
        ("mill-2", "mode", 3, 1), ("mill-1", "parts", 2, 41), ("mill-1", "spindle.speed", 2, 7.5), ("mill-1", "spindle.speed", 1, 7.0),
    ), 0))
    assert (receipt.stored, receipt.late, receipt.known_ns) == (4, 1, clock.now_ns())
    assert store.get().to_pylist() == [
        {"thing": t, "signal": s, "t_ns": at, "n": 0, "value": v, "code": c, "quality": 0, "known_ns": clock.now_ns(), "assumed": False}
        for t, s, at, v, c in [
            ("mill-1", "parts", 2, None, 41), ("mill-1", "spindle.speed", 1, 7.0, None), ("mill-1", "spindle.speed", 2, 7.5, None),
            ("mill-2", "mode", 3, None, 1),
        ]
    ]


@pytest.mark.parametrize(("row", "reason"), [
    (("mill-9", "mode", 0, 1), "unknown thing"),
    (("mill-1", "modus", 0, 1), "unknown signal"),
    (("mill-1", "spindle.speed", 0, 1), "wrong type"),
    (("mill-1", "mode", 0, 1.0), "wrong type"),
    (("mill-1", "parts", 0, 1.0), "wrong type"),
    (("mill-1", "vibration", 0, 1.0), "wrong type"),
    (("mill-1", "spindle.speed", 0, math.nan), "not a number"),
    (("mill-1", "spindle.speed", 0, math.inf), "not a number"),
    (("mill-1", "mode", 0, 2), "unknown code"),
    (("mill-1", "mode", 0, -1), "unknown code"),
    (("mill-1", "mode", 0, 1 << 33), "unknown code"),
    (("mill-1", "spindle.speed", 0, 3000.5), "out of range"),
    (("mill-1", "spindle.speed", 0, -0.5), "out of range"),
    (("mill-1", "parts", 0, -1), "out of range"),
])
def test_a_value_that_cannot_be_true_is_refused_by_reason(store: Store, row: tuple[object, ...], reason: str) -> None:
    receipt = store.put(numbered(points(row, ("mill-1", "parts", 5, 1)), 0))
    assert dict(receipt.refused) == {reason: 1}
    assert receipt.stored == 1
    assert store.get().num_rows == 1


def test_the_limits_themselves_are_allowed_and_a_gap_is_kept(store: Store) -> None:
    receipt = store.put(numbered(points(
        ("mill-1", "spindle.speed", 0, 0.0), ("mill-1", "spindle.speed", 1, 3000.0), ("mill-1", "spindle.speed", 2, None), ("mill-1", "mode", 0, 7),
    ), 0))
    assert receipt.stored == 4
    assert store.get(signals="spindle.speed").column("value").to_pylist() == [0.0, 3000.0, None]


def test_a_quality_that_is_none_of_the_three_is_refused(store: Store) -> None:
    table = speeds([1, 2, 3]).set_column(6, "quality", pa.array([0, 3, 2], pa.int8()))
    assert dict(store.put(numbered(table, 0)).refused) == {"unknown quality": 1}


def test_a_table_without_a_needed_column_names_it(store: Store) -> None:
    with pytest.raises(InputError, match="column 't_ns' is missing"):
        store.put(numbered(speeds([1]).drop_columns(["t_ns"]), 0))
    with pytest.raises(InputError, match=r"\['wert'\] are not known"):
        store.put(numbered(speeds([1]).append_column("wert", pa.array([1])), 0))
    with pytest.raises(InputError, match="column 'value' is string"):
        store.put(numbered(speeds([1]).set_column(4, "value", pa.array(["fast"])), 0))


def test_a_table_without_n_and_quality_is_read_as_first_and_good(store: Store) -> None:
    table = speeds([1, 2]).select(["thing", "signal", "t_ns", "value"])
    assert store.put(numbered(table, 0)).stored == 2
    assert store.get().column("quality").to_pylist() == [0, 0]


def test_things_and_signals_may_come_dictionary_coded(store: Store) -> None:
    table = speeds([1, 2])
    table = table.set_column(0, "thing", table.column("thing").dictionary_encode())
    assert store.put(numbered(table, 0)).stored == 2


def test_an_empty_batch_is_nothing(store: Store) -> None:
    receipt = store.put(numbered(POINTS_IN.empty_table(), 0))
    assert (receipt.stored, receipt.duplicate) == (0, 0)
    assert store.cursor("mqtt/mill-1") is None


# repeats by number

def test_a_repeated_batch_is_counted_and_not_stored(store: Store) -> None:
    first = store.put(numbered(speeds([1, 2, 3]), 0))
    again = store.put(numbered(speeds([1, 2, 3]), 0))
    assert (first.stored, again.stored, again.duplicate) == (3, 0, 3)
    assert store.get().num_rows == 3


def test_of_a_batch_that_overlaps_only_the_unseen_rows_are_stored(store: Store) -> None:
    store.put(numbered(speeds([2, 3], 2 * S), 2))
    receipt = store.put(numbered(speeds(range(6)), 0))
    assert (receipt.stored, receipt.duplicate, receipt.late) == (4, 2, 2)
    assert store.get().column("value").to_pylist() == [0, 1, 2, 3, 4, 5]


def test_batches_may_come_in_any_order(store: Store) -> None:
    for sequence in (4, 0, 2):
        store.put(numbered(speeds([sequence, sequence + 1], sequence * S), sequence))
    assert store.get().column("value").to_pylist() == [0, 1, 2, 3, 4, 5]
    assert store.cursor("mqtt/mill-1") == 5


def test_the_cursor_stops_before_the_first_gap(store: Store) -> None:
    store.put(numbered(speeds([0, 1]), 100))
    store.put(numbered(speeds([4], 4 * S), 104))
    assert store.cursor("mqtt/mill-1") == 101
    store.put(numbered(speeds([2, 3], 2 * S), 102))
    assert store.cursor("mqtt/mill-1") == 104


def test_undecodable_samples_are_numbered_after_the_rows(store: Store) -> None:
    batch = numbered(speeds([1, 2]), 0, refused={"not JSON": 2, "no time": 1})
    assert dict(store.put(batch).refused) == {"not JSON": 2, "no time": 1}
    assert store.cursor("mqtt/mill-1") == 4
    receipt = store.put(numbered(speeds([9], S), 3, refused={"not JSON": 2}))
    assert (receipt.stored, receipt.duplicate, dict(receipt.refused)) == (0, 2, {"not JSON": 1})


def test_another_source_has_numbers_of_its_own(store: Store) -> None:
    store.put(numbered(speeds([1, 2]), 0, "mqtt/mill-1#boot-1"))
    assert store.put(numbered(speeds([3, 4], 9 * S), 0, "mqtt/mill-1#boot-2")).stored == 2


# repeats by key

def test_without_numbers_an_equal_key_and_value_is_a_duplicate(store: Store) -> None:
    store.put(plain(speeds([1, 2, 3])))
    receipt = store.put(plain(speeds([2, 3, 4], S)))
    assert (receipt.stored, receipt.duplicate, receipt.conflict) == (1, 2, 0)


def test_an_equal_key_with_another_value_is_a_conflict_and_both_are_kept(store: Store) -> None:
    store.put(plain(speeds([1])))
    receipt = store.put(plain(speeds([2])))
    assert (receipt.stored, receipt.conflict, receipt.late) == (1, 1, 0)
    assert [(r["n"], r["value"]) for r in store.get().to_pylist()] == [(0, 1.0), (1, 2.0)]
    assert store.put(plain(speeds([2]))).duplicate == 1  # the conflict itself said again
    assert store.put(plain(speeds([3]))).conflict == 1
    assert store.get().column("n").to_pylist() == [0, 1, 2]


def test_repeats_inside_one_batch_are_found(store: Store) -> None:
    at = ("mill-1", "spindle.speed", 5)
    receipt = store.put(plain(points((*at, 1.0), (*at, 1.0), (*at, 2.0), (*at, 2.0, 1), (*at, 1.0))))
    assert (receipt.stored, receipt.duplicate, receipt.conflict) == (2, 3, 1)


def test_equal_times_told_apart_by_n_are_different_samples(store: Store) -> None:
    at = ("mill-1", "spindle.speed", 5)
    assert store.put(plain(points((*at, 1.0, 0), (*at, 1.0, 1), (*at, 1.0, 2)))).stored == 3
    assert store.put(plain(points((*at, 1.0, 1), (*at, 1.0, 3)))).stored == 1


def test_gaps_codes_and_minus_zero_are_compared_as_values(store: Store) -> None:
    rows = points(("mill-1", "spindle.speed", 0, None), ("mill-1", "mode", 0, 1), ("mill-1", "spindle.speed", 1, 0.0))
    store.put(plain(rows))
    assert store.put(plain(rows)).duplicate == 3
    assert store.put(plain(points(("mill-1", "spindle.speed", 1, -0.0)))).duplicate == 1
    assert store.put(plain(points(("mill-1", "spindle.speed", 0, 4.0)))).conflict == 1


def test_a_repeat_is_found_after_it_was_flushed_and_after_a_restart(tmp_path: Path, clock: SimClock) -> None:
    with open_store(tmp_path, clock) as store:
        declared(store).put(plain(speeds([1, 2, 3])))
        store.flush()
        receipt = store.put(plain(speeds([1, 2, 9, 4])))
        assert (receipt.stored, receipt.duplicate, receipt.conflict) == (2, 2, 1)
    with open_store(tmp_path, clock) as store:
        receipt = store.put(plain(speeds([1, 2, 9, 4])))
        assert (receipt.stored, receipt.duplicate) == (0, 4)


def test_what_another_source_brought_is_not_stored_twice(store: Store) -> None:
    store.put(numbered(speeds([1, 2, 3]), 0, "mqtt/mill-1#boot-1"))
    receipt = store.put(numbered(speeds([1, 2, 3, 4]), 0, "mqtt/mill-1#boot-2", sent=4))
    assert (receipt.stored, receipt.duplicate) == (1, 3)
    assert store.hops()["mqtt"].lost == 0


def test_late_is_what_lies_below_the_signals_highest_time(store: Store) -> None:
    store.put(numbered(speeds([5], 5 * S), 0))
    receipt = store.put(numbered(points(
        ("mill-1", "spindle.speed", 4 * S, 1.0), ("mill-1", "spindle.speed", 7 * S, 1.0), ("mill-1", "spindle.speed", 6 * S, 1.0),
        ("mill-2", "spindle.speed", 1 * S, 1.0), ("mill-1", "mode", 1 * S, 1),
    ), 1))
    assert (receipt.stored, receipt.late) == (5, 2)


def test_without_number_and_time_each_sample_is_a_possible_duplicate(store: Store, clock: SimClock) -> None:
    table = points(("mill-1", "spindle.speed", None, 4.0), ("mill-1", "spindle.speed", None, 4.0), ("mill-1", "parts", None, 1))
    receipt = store.put(plain(table))
    assert (receipt.stored, receipt.possible_duplicate) == (3, 3)
    assert {(r["t_ns"], r["n"]) for r in store.get(signals="spindle.speed").to_pylist()} == {(clock.now_ns(), 0), (clock.now_ns(), 1)}
    assert store.hops()["http"].possible_duplicate == 3
    assert store.put(numbered(table, 0)).possible_duplicate == 0  # its number tells a repeat


# known_ns

def test_known_ns_grows_whatever_the_clock_does(tmp_path: Path) -> None:
    clock = SimClock()
    with open_store(tmp_path, clock) as store:
        declared(store)
        first = store.put(numbered(speeds([1]), 0)).known_ns
        clock.set_ns(clock.now_ns() - 3600 * S)
        second = store.put(numbered(speeds([2], S), 1)).known_ns
        assert second == first + 1
    with open_store(tmp_path, clock) as store:
        assert store.put(numbered(speeds([3], 2 * S), 2)).known_ns == second + 1


def test_only_a_file_may_state_when_it_was_known(store: Store) -> None:
    stated = pa.array([11, 12], pa.int64())
    store.put(Batch("files", "files/run-1", 0, speeds([1, 2]), sent=2, known_ns=stated))
    assert [(r["known_ns"], r["assumed"]) for r in store.get().to_pylist()] == [(11, True), (12, True)]
    assert store.get(known_by_ns=11).num_rows == 1
    with pytest.raises(InputError, match="only a file import"):
        store.put(numbered(speeds([1]), 9, known_ns=5))
    with pytest.raises(InputError, match="one a row"):
        store.put(Batch("files", "files/run-2", 0, speeds([1]), known_ns=stated))


def test_a_stated_known_ns_follows_its_rows_through_refusals_and_repeats(store: Store) -> None:
    table = points(*(("mill-1", "spindle.speed", i, v) for i, v in enumerate([1.0, 9e9, 3.0, 4.0])))
    store.put(Batch("files", "f", 0, table.slice(0, 1), known_ns=100))
    store.put(Batch("files", "f", 0, table, known_ns=pa.array([100, 101, 102, 103])))
    assert store.get().column("known_ns").to_pylist() == [100, 102, 103]


# blocks

def test_blocks_are_counted_in_samples(store: Store) -> None:
    receipt = store.put(numbered(blocks(("mill-1", "vibration", 0, 1000, [1.0, 2.0, 3.0]), ("mill-1", "force", 0, 10, [1.0] * 6)), 0))
    assert receipt.stored == 9
    assert store.cursor("mqtt/mill-1") == 8
    assert store.get(blocks=True, signals="vibration").column("values").to_pylist() == [[1.0, 2.0, 3.0]]


@pytest.mark.parametrize(("row", "reason"), [
    (("mill-1", "vibration", 0, 1000, [1.0, math.nan]), "not a number"),
    (("mill-1", "vibration", 0, 1000, [1.0, 501.0]), "out of range"),
    (("mill-1", "vibration", 0, 0, [1.0, 2.0]), "wrong type"),
    (("mill-1", "force", 0, 1000, [1.0, 2.0]), "wrong type"),
    (("mill-1", "spindle.speed", 0, 1000, [1.0, 2.0]), "wrong type"),
    (("mill-7", "vibration", 0, 1000, [1.0, 2.0]), "unknown thing"),
])
def test_a_block_with_one_bad_number_is_refused_whole(store: Store, row: tuple[object, ...], reason: str) -> None:
    assert dict(store.put(numbered(blocks(row), 0)).refused) == {reason: 2}


def test_of_a_block_that_overlaps_the_unseen_part_is_stored_at_its_own_time(store: Store) -> None:
    store.put(numbered(blocks(("mill-1", "vibration", 0, 10, [0.0, 1.0])), 0))
    store.put(numbered(blocks(("mill-1", "vibration", 50, 10, [5.0])), 5))
    receipt = store.put(numbered(blocks(("mill-1", "vibration", 0, 10, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])), 0))
    assert (receipt.stored, receipt.duplicate) == (4, 3)
    rows = [(r["t_ns"], r["values"]) for r in store.get(blocks=True).to_pylist()]
    assert rows == [(0, [0.0, 1.0]), (20, [2.0, 3.0, 4.0]), (50, [5.0]), (60, [6.0])]


def test_equal_blocks_are_duplicates_and_others_of_the_same_time_conflicts(store: Store) -> None:
    store.put(plain(blocks(("mill-1", "vibration", 0, 10, [1.0, 2.0]))))
    assert store.put(plain(blocks(("mill-1", "vibration", 0, 10, [1.0, 2.0])))).duplicate == 2
    assert store.put(plain(blocks(("mill-1", "vibration", 0, 10, [1.0, 3.0])))).conflict == 2
    store.flush()
    assert store.put(plain(blocks(("mill-1", "vibration", 0, 10, [1.0, 3.0])))).duplicate == 2
    assert store.get(blocks=True).num_rows == 2


# what is declared

def test_declared_things_are_known_to_a_later_open(tmp_path: Path) -> None:
    lathe = Thing("lathe-1", "mill", parent="hall", lat_deg=48.1, labels={"bay": "3"})
    with open_store(tmp_path) as store:
        store.declare([MILL], [lathe])
    with open_store(tmp_path) as store:
        assert store.things() == {"lathe-1": lathe}
        assert store.kinds() == {"mill": MILL}


def test_a_thing_of_an_undeclared_kind_is_refused_by_name(store: Store) -> None:
    with pytest.raises(UnknownName, match="did you mean 'mill'"):
        store.declare([], [Thing("x", "mil")])


def test_a_kind_may_get_another_signal_while_data_is_kept(store: Store) -> None:
    store.put(numbered(speeds([1, 2, 3]), 0))
    level = Signal("coolant.level", "1", "gauge", None, 0.0, 1.0, "How full the coolant tank is.")
    store.declare([Kind("mill", "a milling machine", (level, *MILL.signals))], [])
    assert store.put(numbered(points(("mill-2", "coolant.level", 0, 0.5), ("mill-1", "spindle.speed", 2 * S, 3.0)), 3)).duplicate == 1
    assert store.newest("mill-1").column("value").to_pylist() == [3.0]
    store.flush()
    assert store.put(plain(speeds([1, 2, 3]))).duplicate == 3


def test_a_source_that_begins_its_numbering_again_under_its_old_name_is_told_so(store: Store) -> None:
    """What is newer than anything of its signal cannot be a repeat, whatever its number says."""
    store.put(numbered(speeds([1, 2, 3]), 0, sent=3))
    again = store.put(numbered(speeds([7, 8, 9], 100 * S), 0, sent=3))
    assert (again.stored, again.duplicate) == (0, 0)
    assert list(again.refused.values()) == [3]
    assert "began its numbering again" in next(iter(again.refused))
    assert store.put(numbered(speeds([3, 4, 5], 2 * S), 2)).duplicate == 1  # a repeat is a repeat
    balanced(store.hops())
    fast = blocks(("mill-1", "vibration", 0, 10**6, [1.0, 2.0]))
    later = blocks(("mill-1", "vibration", 10**9, 10**6, [1.0, 2.0]))
    store.put(numbered(fast, 0, "mqtt/fast"))
    assert store.put(numbered(fast, 0, "mqtt/fast")).duplicate == 2
    assert sum(store.put(numbered(later, 0, "mqtt/fast")).refused.values()) == 2
    balanced(store.hops())
