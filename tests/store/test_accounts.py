"""Loss is counted: in = out + duplicate + refused + waiting + lost, exactly, for every hop, source and window of time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.clock import SimClock
from loopwright.store import Store, open_store
from tests.store.plant import S, balanced, blocks, declared, numbered, plain, points, speeds

MINUTE = 60 * S


def test_an_untouched_plant_has_journal_and_points(store: Store) -> None:
    hops = store.hops()
    assert sorted(hops) == ["journal", "points"]
    balanced(hops)


def test_what_the_sender_counts_and_has_not_arrived_is_waiting_then_lost(store: Store) -> None:
    store.put(numbered(speeds([0, 1]), 0, sent=2))
    store.put(numbered(speeds([5, 6], 5 * S), 5, sent=7))
    hop = store.hops()["mqtt"]
    assert (hop.into, hop.out, hop.waiting, hop.lost) == (7, 4, 3, 0)
    store.note_sent("mqtt", "mqtt/mill-1", 10, "the stream ended")
    hop = store.hops()["mqtt"]
    assert (hop.into, hop.out, hop.waiting, hop.lost) == (10, 4, 0, 6)
    assert "the stream ended" in hop.word
    store.put(numbered(speeds([2, 3, 4], 2 * S), 2))  # found in a buffer after all
    hop = store.hops()["mqtt"]
    assert (hop.out, hop.late, hop.waiting, hop.lost) == (7, 3, 0, 3)
    store.put(numbered(speeds([10], 10 * S), 10, sent=11))  # the same stream goes on
    hop = store.hops()["mqtt"]
    assert (hop.into, hop.out, hop.waiting, hop.lost) == (11, 8, 3, 0)
    balanced(store.hops())


def test_numbers_alone_show_a_gap_when_the_sender_tells_no_count(store: Store) -> None:
    store.put(numbered(speeds([0, 1]), 500))
    store.put(numbered(speeds([4], 4 * S), 504))
    hop = store.hops()["mqtt"]
    assert (hop.into, hop.out, hop.waiting, hop.lost) == (5, 3, 2, 0)
    store.note_sent("mqtt", "mqtt/mill-1", None)
    assert store.hops()["mqtt"].lost == 2


def test_a_source_that_does_not_count_has_lost_none_with_a_word(store: Store) -> None:
    store.put(plain(speeds([1, 2, 3])))
    hop = store.hops()["http"]
    assert (hop.into, hop.out, hop.lost) == (3, 3, None)
    assert "does not count" in hop.word
    store.note_sent("http", "http/press", 5)  # now it said so after all
    hop = store.hops()["http"]
    assert (hop.into, hop.lost) == (5, 2)
    balanced(store.hops())


def test_a_stream_of_which_nothing_arrived_is_lost_whole(store: Store) -> None:
    store.note_sent("opcua", "opcua/lathe", 12, "the server went away")
    hop = store.hops()["opcua"]
    assert (hop.into, hop.out, hop.lost) == (12, 0, 12)


def test_of_a_source_with_a_count_and_no_numbers_what_is_read_again_hides_no_loss(store: Store) -> None:
    store.put(plain(speeds([0, 1, 2]), "opcua/m", sent=3))
    store.put(plain(speeds([1, 2, 4], S), "opcua/m", sent=5))  # resumed with an overlap of two; t = 3 s is another value
    hop = store.hops()["http"]
    assert (hop.out, hop.duplicate, hop.conflict) == (4, 2, 0)
    assert (hop.into, hop.waiting) == (7, 1)
    balanced(store.hops())


def test_repeats_count_on_both_sides(store: Store) -> None:
    for _ in range(3):
        store.put(numbered(speeds([1, 2]), 0, sent=2))
    hop = store.hops()["mqtt"]
    assert (hop.into, hop.out, hop.duplicate, hop.lost) == (6, 2, 4, 0)


def test_refusals_are_counted_by_reason_and_are_not_lost(store: Store) -> None:
    store.put(numbered(points(("mill-1", "mode", 0, 9), ("x", "mode", 0, 1)), 0, refused={"not JSON": 2}, sent=4))
    hop = store.hops()["mqtt"]
    assert dict(hop.refused) == {"unknown code": 1, "unknown thing": 1, "not JSON": 2}
    assert (hop.into, hop.out, hop.lost, hop.waiting) == (4, 0, 0, 0)


def test_the_journal_waits_until_the_points_hold_it(store: Store) -> None:
    store.put(numbered(speeds([1, 2, 3]), 0))
    store.put(numbered(blocks(("mill-1", "vibration", 0, 10, [1.0] * 5)), 0, "opcua/m"))
    hops = store.hops()
    assert (hops["journal"].into, hops["journal"].waiting, hops["points"].out) == (8, 8, 0)
    assert store.flush() == 8
    hops = store.hops()
    assert (hops["journal"].out, hops["journal"].waiting, hops["points"].out, hops["points"].lost) == (8, 0, 8, 0)
    balanced(hops)


def test_a_window_begins_with_what_was_on_its_way(store: Store, clock: SimClock) -> None:
    start = clock.now_ns() // MINUTE * MINUTE
    store.put(numbered(speeds([0, 1]), 0, sent=5))  # minute 0: three on their way
    clock.set_ns(start + MINUTE)
    store.put(numbered(speeds([2, 3], 2 * S), 2, sent=5))  # minute 1: two of them
    clock.set_ns(start + 2 * MINUTE)
    store.note_sent("mqtt", "mqtt/mill-1", 6)  # minute 2: one more was sent; two are lost
    by_minute = [store.hops(start + i * MINUTE, start + (i + 1) * MINUTE)["mqtt"] for i in range(3)]
    assert [(h.into, h.out, h.waiting, h.lost) for h in by_minute] == [(5, 2, 3, 0), (3, 2, 1, 0), (2, 0, 0, 2)]
    store.flush()
    for i, j in itertools.combinations(range(4), 2):
        balanced(store.hops(start + i * MINUTE, start + j * MINUTE))
    assert store.hops(start, start + MINUTE)["points"].out == 2
    assert store.hops(start + MINUTE)["mqtt"].into == 4
    assert store.hops(source="nobody")["points"].into == 0


def test_hops_can_be_asked_of_one_source(store: Store) -> None:
    store.put(numbered(speeds([1]), 0, "mqtt/a"))
    store.put(numbered(speeds([1, 2], thing="mill-2"), 0, "mqtt/b"))
    store.flush()
    store.put(numbered(speeds([9], 9 * S), 1, "mqtt/a"))
    assert store.sources() == [("mqtt", "mqtt/a"), ("mqtt", "mqtt/b")]
    hops = store.hops(source="mqtt/a")
    assert (hops["mqtt"].out, hops["journal"].waiting, hops["points"].out) == (2, 1, 1)
    balanced(hops)


_steps = st.one_of(
    st.tuples(st.just("put"), st.integers(0, 40), st.integers(1, 12), st.booleans()),
    st.tuples(st.just("flush")),
    st.tuples(st.just("restart")),
    st.tuples(st.just("minutes"), st.integers(-2, 3)),
    st.tuples(st.just("end"), st.integers(0, 60)),
)
_number = itertools.count()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    return tmp_path_factory.mktemp("accounts") / "plant"


@settings(max_examples=15, deadline=None)
@given(steps=st.lists(_steps, min_size=1, max_size=12))
def test_the_equation_holds_for_any_history(folder: Path, steps: list[tuple[Any, ...]]) -> None:
    """Gaps, repeats, reorderings, partial overlaps, refusals, restarts, a clock that jumps, streams that end and go on."""
    clock, name = SimClock(), f"mqtt/{next(_number)}"
    base = next(_number) * 1000 * S
    model = _Model()
    store = declared(open_store(folder, clock))
    first_ns = clock.now_ns()
    try:
        for step in steps:
            if step[0] == "put":
                _, first, count, says = step
                rows = points(*(("mill-1", "spindle.speed", base + i * S, 1.0 if i % 7 else -1.0) for i in range(first, first + count)))
                model.deliver(first, count, says)
                store.put(numbered(rows, first, name, sent=model.sent if says else None))
            elif step[0] == "flush":
                store.flush()
            elif step[0] == "restart":
                store.close()
                store = open_store(folder, clock)
            elif step[0] == "minutes":
                clock.set_ns(clock.now_ns() + step[1] * MINUTE)
            else:
                model.sent = max(model.sent, step[1])
                model.ended = True
                store.note_sent("mqtt", name, step[1])
            hops = store.hops(source=name)
            balanced(hops)
            balanced(store.hops())
            balanced(store.hops(first_ns + MINUTE, first_ns + 3 * MINUTE, name))
            if "mqtt" in hops:
                model.agrees(hops["mqtt"])
        assert set(store.hops()) >= {"journal", "points"}
    finally:
        store.close()


class _Model:
    """The slow twin of the books: a set of numbers."""

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.sent = self.delivered = 0
        self.ended = False

    def deliver(self, first: int, count: int, says: bool) -> None:
        before = self.expected
        self.seen.update(range(first, first + count))
        self.delivered += count
        if says:
            self.sent = max(self.sent, first + count)
        if self.expected > before:
            self.ended = False

    @property
    def expected(self) -> int:
        return max(self.sent, max(self.seen) - min(self.seen) + 1 if self.seen else 0)

    def agrees(self, hop: Any) -> None:
        good = sum(1 for i in self.seen if i % 7)
        assert (hop.out, sum(hop.refused.values())) == (good, len(self.seen) - good)
        assert hop.duplicate == self.delivered - len(self.seen)
        missing = self.expected - len(self.seen)
        assert (hop.waiting, hop.lost) == ((0, missing) if self.ended else (missing, 0))
