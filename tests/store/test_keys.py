"""Equal keys: the quick comparison of whole columns against a loop over rows."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.store import keys
from loopwright.store.keys import Keys
from loopwright.store.ranges import Ranges

_rows = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(0, 2), st.integers(0, 2)), max_size=12)


def as_keys(rows: list[tuple[int, int, int, int]], source: str) -> Keys:
    """Keys of (slot, t_ns, n, value)."""
    columns = [np.array(column, np.int64) for column in zip(*rows, strict=True)] if rows else [np.zeros(0, np.int64)] * 4
    return Keys(*columns, np.zeros(len(rows), np.int64), np.full(len(rows), source, object))


@settings(max_examples=300, deadline=None)
@given(_rows, _rows)
def test_settling_agrees_with_a_loop(before: list[tuple[int, int, int, int]], batch: list[tuple[int, int, int, int]]) -> None:
    stored = {(slot, t, n): value for slot, t, n, value in before}
    there = as_keys([(*key, value) for key, value in stored.items()], "a")
    result = keys.settle(as_keys(batch, "a"), there)
    for row, (slot, t, n, value) in enumerate(batch):
        own = (slot, t, n)
        others = {key[2]: v for key, v in stored.items() if key[:2] == (slot, t)}
        repeats = own in stored and value in others.values()
        assert result.kept[row] == (not repeats), (row, batch)
        assert result.conflict[row] == (own in stored and not repeats)
        if not repeats:
            assert result.n[row] == (max(others) + 1 if own in stored else n)
            stored[slot, t, int(result.n[row])] = value


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), max_size=15), st.lists(st.integers(-1, 9), min_size=3, max_size=3))
def test_late_agrees_with_a_loop(batch: list[tuple[int, int]], newest: list[int]) -> None:
    highest = [t if t >= 0 else keys.NEVER for t in newest]
    found = keys.late(as_keys([(slot, t, 0, 0) for slot, t in batch], "a"), np.array(highest, np.int64))
    for row, (slot, t) in enumerate(batch):
        assert found[row] == (t < highest[slot])
        highest[slot] = max(highest[slot], t)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0, 1, 70_000]), st.integers(0, 9)), max_size=8),
    st.lists(st.integers(-1, 5), min_size=2, max_size=2),
)
def test_rows_are_in_order_exactly_when_each_is_above_all_before_it(batch: list[tuple[int, int]], marks: list[int]) -> None:
    newest = np.full(70_001, keys.NEVER)
    newest[:2] = [t if t >= 0 else keys.NEVER for t in marks]
    rows = as_keys([(slot, t, 0, 0) for slot, t in batch], "a")
    highest = {slot: int(newest[slot]) for slot in (0, 1, 70_000)}
    expected = True
    for slot, t in batch:
        expected &= t > highest[slot]
        highest[slot] = max(highest[slot], t)
    assert keys.in_order(rows, newest) == expected
    if expected:
        assert keys.surely_new(rows, newest)
        assert not keys.late(rows, newest).any()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 8)), max_size=15))
def test_ranges_agree_with_a_set(added: list[tuple[int, int]]) -> None:
    ranges, slow = Ranges(), set[int]()
    for first, more in added:
        last = first + more
        overlap = {i for a, b in ranges.seen(first, last) for i in range(a, b + 1)}
        assert overlap == slow & set(range(first, last + 1))
        ranges.add(first, last)
        slow |= set(range(first, last + 1))
        assert {i for a, b in ranges for i in range(a, b + 1)} == slow
        assert all(b + 1 < c for (_, b), (c, _) in zip(ranges, list(ranges)[1:], strict=False))
        assert (ranges.start, ranges.end) == (min(slow), max(slow))
        assert ranges.unbroken == next(i for i in range(min(slow), 99) if i + 1 not in slow)
