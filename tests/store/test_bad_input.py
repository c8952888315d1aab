"""Input that nobody should send: refused or marked with a counted reason, or an error of the house. A neighbour is never lost."""

from __future__ import annotations

import decimal
import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.clock import SimClock
from loopwright.core.errors import InputError
from loopwright.core.types import BLOCKS_IN, POINTS_IN, Batch
from loopwright.store import Store, intake, keys
from loopwright.store.books import LONGEST_REASON, MOST_REASONS, OTHER, Books
from loopwright.store.catalogue import Catalogue
from loopwright.store.live import Live
from loopwright.store.ranges import Ranges
from tests.store.plant import MILL, THINGS, S, balanced, blocks, numbered, plain, points, speeds

GOOD_NS = 1_700_000_000 * S
LONG = "x" * 10_000_000


def ns(year: int, month: int = 1, day: int = 1) -> int:
    """ns since 1970 of a day, by the calendar of the standard library."""
    return int((datetime(year, month, day, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * S


@pytest.mark.parametrize(("row", "reason"), [
    (("mill-1", "spindle.speed", 0, math.nan), "not a number"),
    (("mill-1", "spindle.speed", 0, math.inf), "not a number"),
    (("mill-1", "spindle.speed", 0, -math.inf), "not a number"),
    (("mill-1", "spindle.speed", 0, 1e308), "out of range"),
    (("mill-1", "parts", 0, -(2**63)), "out of range"),
    (("mill-1", "spindle.speed", ns(1799, 12, 31), 1.0), "time out of range"),
    (("mill-1", "spindle.speed", ns(2200), 1.0), "time out of range"),
    (("mill-1", "spindle.speed", 2**63 - 1, 1.0), "time out of range"),
    (("mill-1", "spindle.speed", -(2**63), 1.0), "time out of range"),
    (("mill-1", "spindle.speed", GOOD_NS, 1.0, -1), "n out of range"),
    (("mill-1", "spindle.speed", GOOD_NS, 1.0, 2**31 - 1), "n out of range"),
    (("mill-1", "mode", 0, 2**62), "unknown code"),
    ((None, "mode", 0, 1), "unknown thing"),
    (("", "mode", 0, 1), "unknown thing"),
    (("mill-1", None, 0, 1), "unknown signal"),
    (("mill-1", "", 0, 1), "unknown signal"),
    ((LONG, "mode", 0, 1), "unknown thing"),
    (("mill-1", LONG, 0, 1), "unknown signal"),
])
def test_a_row_that_cannot_be_is_refused_and_its_neighbours_are_kept(store: Store, row: tuple[Any, ...], reason: str) -> None:
    table = points(("mill-2", "parts", GOOD_NS, 1), row, ("mill-2", "parts", GOOD_NS + 1, 2))
    receipt = store.put(numbered(table, 0, sent=3))
    assert (receipt.stored, dict(receipt.refused)) == (2, {reason: 1})
    store.flush()
    assert store.get(things="mill-2").column("code").to_pylist() == [1, 2]
    assert dict(store.hops()["mqtt"].refused) == {reason: 1}
    balanced(store.hops())


def test_old_files_and_far_plans_are_within_the_range(store: Store) -> None:
    times = [ns(1800), ns(1850), ns(1969, 12, 31), 0, ns(2199, 12, 31)]
    assert store.put(Batch("files", "files/a", 0, points(*(("mill-1", "spindle.speed", t, 1.0) for t in times)))).stored == 5
    store.flush()
    assert store.get().column("t_ns").to_pylist() == times
    assert store.get(start_ns=ns(1840), end_ns=0).num_rows == 2


def test_a_file_that_states_an_impossible_known_time_is_refused_row_by_row(store: Store) -> None:
    stated = pa.array([ns(2020), 2**63 - 1, -(2**63)])
    receipt = store.put(Batch("files", "files/a", 0, speeds([1, 2, 3]), known_ns=stated))
    assert (receipt.stored, dict(receipt.refused)) == (1, {"time out of range": 2})


@pytest.mark.parametrize(("row", "reason", "samples"), [
    (("mill-1", "vibration", GOOD_NS, 0, [1.0, 2.0]), "wrong type", 2),
    (("mill-1", "vibration", GOOD_NS, -5, [1.0, 2.0]), "wrong type", 2),
    (("mill-1", "vibration", None, 5, [1.0, 2.0]), "wrong type", 2),
    (("mill-1", "vibration", GOOD_NS, 2**62, [1.0, 2.0, 3.0]), "block too long", 3),
    (("mill-1", "vibration", GOOD_NS, 2**63 - 1, [1.0] * 1000), "block too long", 1000),
    (("mill-1", "vibration", ns(2199, 12, 31), 86_400 * S, [1.0, 1.0]), "time out of range", 2),
    (("mill-1", "vibration", 2**63 - 1, S, [1.0, 1.0]), "time out of range", 2),
    (("mill-1", "vibration", GOOD_NS, 5, [1.0, None, 2.0]), "not a number", 3),
    (("mill-1", "vibration", GOOD_NS, 5, [1e30, 1e39]), "not a number", 2),
    (("mill-1", "force", GOOD_NS, 5, [1.0, 2.0]), "wrong type", 2),
    (("mill-1", LONG, GOOD_NS, 5, [1.0]), "unknown signal", 1),
])
def test_a_block_that_cannot_be_is_refused_whole_and_its_neighbour_is_kept(store: Store, row: tuple[Any, ...], reason: str, samples: int) -> None:
    table = pa.concat_tables([blocks(row), blocks(("mill-2", "vibration", GOOD_NS, 5, [1.0, 2.0]))])
    receipt = store.put(numbered(table, 0))
    assert (receipt.stored, dict(receipt.refused)) == (2, {reason: samples})
    assert store.cursor("mqtt/mill-1") == samples + 1
    balanced(store.hops())


def test_a_block_without_numbers_is_no_sample(store: Store) -> None:
    receipt = store.put(numbered(blocks(("mill-1", "vibration", GOOD_NS, 5, []), ("mill-1", "vibration", GOOD_NS, 5, None)), 0))
    assert (receipt.stored, dict(receipt.refused)) == (0, {})


def test_a_block_of_a_million_numbers_is_stored(store: Store) -> None:
    values = np.sin(np.arange(1_000_000) / 1000).astype(np.float32)
    receipt = store.put(numbered(blocks(("mill-1", "vibration", GOOD_NS, 39_063, values)), 0))
    assert receipt.stored == 1_000_000
    store.flush()
    assert np.array_equal(store.get(blocks=True).column("values")[0].values.to_numpy(), values)


def test_other_arrow_types_of_the_same_meaning_are_read(store: Store) -> None:
    table = pa.table({
        "thing": pa.array(["mill-1"] * 2).dictionary_encode(), "signal": pa.array(["spindle.speed"] * 2, pa.large_string()),
        "t_ns": pa.array([datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)], pa.timestamp("ms", "UTC")),
        "value": pa.array([decimal.Decimal("1.50"), decimal.Decimal("2.25")]), "quality": pa.array([0, 2], pa.uint64()),
    })
    assert store.put(plain(table)).stored == 2
    assert store.get().column("t_ns").to_pylist() == [ns(2026), ns(2026, 1, 2)]
    assert store.get().column("value").to_pylist() == [1.5, 2.25]


_TYPES = [
    pa.null(), pa.bool_(), pa.int8(), pa.uint64(), pa.float16(), pa.float64(), pa.string(), pa.large_string(), pa.binary(),
    pa.decimal128(38, 3), pa.timestamp("s"), pa.timestamp("ns", "UTC"), pa.date32(), pa.duration("us"), pa.list_(pa.float32()),
    pa.large_list(pa.float64()), pa.list_(pa.list_(pa.float32())), pa.list_(pa.string()), pa.struct([("a", pa.int64())]),
    pa.map_(pa.string(), pa.int64()), pa.dictionary(pa.int8(), pa.string()), pa.list_(pa.float32(), 2),
]


def _filled(kind: pa.DataType, rows: int) -> pa.Array:
    """Some column of that type."""
    values: list[Any] = {
        "bool": [True], "list": [[1.0, None]], "struct": [{"a": 1}], "map": [[("k", 1)]], "null": [None], "string": ["mill-1"],
        "large_string": ["mode"], "binary": [b"\xff"],
    }.get(str(kind).split("<")[0], [1])
    if pa.types.is_nested(kind) and not pa.types.is_struct(kind) and not pa.types.is_map(kind):
        inner = kind.value_type
        one: Any = "x" if pa.types.is_string(inner) else [1.0] if pa.types.is_list(inner) else 1.0
        values = [[one, one]]
    if pa.types.is_decimal(kind):
        values = [decimal.Decimal("1.5")]
    if pa.types.is_dictionary(kind):
        return pa.array(["mill-1"] * rows).cast(kind)
    return pa.array([*values, None] * rows, kind)[:rows]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_table_of_any_types_is_decided_or_told(data: st.DataObject) -> None:
    """Columns of any type, missing, unknown, twice: a receipt that counts every sample, or InputError."""
    rows = data.draw(st.integers(0, 3))
    names = data.draw(st.lists(st.sampled_from([*POINTS_IN.names, "dt_ns", "values", "other"]), max_size=9))
    if data.draw(st.booleans()):
        names = data.draw(st.sampled_from([list(POINTS_IN.names), list(BLOCKS_IN.names)]))
    base = {"thing": pa.string(), "signal": pa.string(), "values": pa.list_(pa.float32())}
    kinds = [base.get(n, pa.int64()) if data.draw(st.integers(0, 3)) else data.draw(st.sampled_from(_TYPES)) for n in names]
    table = pa.Table.from_arrays([_filled(kind, rows) for kind in kinds], names=names)
    catalogue, live = Catalogue(), Live()
    catalogue.declare([MILL], THINGS)
    live.resize(len(catalogue.names))
    big = st.one_of(st.none(), st.integers(-(2**65), 2**65), st.integers(0, 9))
    batch = Batch("http", "http/x", data.draw(big), table, data.draw(big))
    try:
        taken = intake.take_in(batch, GOOD_NS, catalogue, live, Ranges([(0, 1)]), lambda _: keys.joined([]))
    except InputError as error:
        told = str(error)
    else:
        told = ""
    assert len(told) < 2_000
    if told:
        return
    receipt = taken.receipt
    offered = table.num_rows if "values" not in names else intake._samples(intake.check.shaped(batch)).sum()
    assert offered == receipt.stored + receipt.duplicate + sum(receipt.refused.values())


@pytest.mark.parametrize(("sequence", "sent"), [(-1, None), (2**63, None), (2**70, 2**70), (None, 2**63), (0, -1), (2**46, None)])
def test_a_numbering_that_cannot_be_is_told_and_nothing_of_it_is_kept(store: Store, sequence: int | None, sent: int | None) -> None:
    with pytest.raises(InputError, match="its numbers cannot be"):
        store.put(Batch("mqtt", "mqtt/mill-1", sequence, speeds([1]), sent=sent))
    assert store.sources() == []
    assert store.put(numbered(speeds([1]), 0)).stored == 1


def test_the_name_of_a_source_has_an_end(store: Store) -> None:
    with pytest.raises(InputError, match=r"its source has 10,000,000 characters") as told:
        store.put(numbered(speeds([1]), 0, LONG))
    assert len(str(told.value)) < 300
    with pytest.raises(InputError, match="0 characters"):
        store.put(numbered(speeds([1]), 0, ""))


def test_columns_that_stand_twice_or_have_names_without_end_are_told_shortly(store: Store) -> None:
    table = speeds([1])
    with pytest.raises(InputError, match=r"\['value'\] stand twice"):
        store.put(plain(table.append_column("value", table.column("value"))))
    with pytest.raises(InputError, match="are not known") as told:
        store.put(plain(table.append_column(LONG, table.column("value"))))
    assert len(str(told.value)) < 1_000


# what hostile input may make of the books


def test_reasons_are_bounded_in_number_and_in_length(store: Store) -> None:
    for i in range(MOST_REASONS + 20):
        store.put(plain(POINTS_IN.empty_table(), refused={f"{i}: {LONG[:5000]}": 2}))
    refused = store.hops()["http"].refused
    assert len(refused) == MOST_REASONS + 1
    assert refused[OTHER] == 2 * 20
    assert max(map(len, refused)) <= LONGEST_REASON
    assert sum(refused.values()) == 2 * (MOST_REASONS + 20)


def test_sources_of_which_nothing_is_stored_are_bounded_in_number(store: Store, clock: SimClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopwright.store.books.MOST_IDLE", 5)
    store.put(numbered(speeds([1]), 0, "mqtt/mill-1#1"))
    for i in range(12):
        store.put(numbered(points((f"nobody-{i}", "mode", 0, 1)), 0, f"mqtt/nobody-{i}", sent=1))
    names = [source for _, source in store.sources()]
    assert len(names) == 1 + 5 + 1
    assert "mqtt/others" in names
    assert store.hops()["mqtt"].refused == {"unknown thing": 12}
    assert store.put(numbered(speeds([2], S, "mill-2"), 0, "mqtt/mill-2#1")).stored == 1  # who has something to say is heard
    assert ("mqtt", "mqtt/mill-2#1") in store.sources()
    balanced(store.hops())


def test_memory_holds_the_sources_that_spoke_last_and_finds_the_others_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopwright.store.books._KEPT", 4)
    for turn in range(3):
        for i in range(9):
            store.put(numbered(speeds([turn, turn + 1], (100 * i + turn) * S), turn, f"mqtt/{i}", sent=turn + 2))
    books: Books = store._memory.books
    assert max(len(books._streams), len(books._seen)) <= 4
    for i in range(9):
        hop = store.hops(source=f"mqtt/{i}")["mqtt"]
        assert (hop.into, hop.out, hop.duplicate) == (6, 4, 2)
        assert store.cursor(f"mqtt/{i}") == 3
