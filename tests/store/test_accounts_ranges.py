"""Ranges that lie side by side add up to the whole, for every word and hop, in any history; a plain twin says the same."""

from __future__ import annotations

import itertools
import json
import shutil
import sqlite3
import threading
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.clock import SimClock
from loopwright.core.types import Batch, Event, Hop
from loopwright.store import Store, audit, open_store
from tests.store.plant import S, balanced, numbered, points, speeds

MINUTE = 60 * S
OF = {"a": ("mqtt", "mill-1"), "b": ("mqtt", "mill-2"), "c": ("http", "mill-2"), "e": ("http", "mill-1")}  # hop, thing
NUMBERED = ("a", "b")
WORDS = ("out", "late", "duplicate", "possible_duplicate", "conflict")

_steps = st.one_of(
    st.tuples(st.just("put"), st.sampled_from("abc"), st.integers(0, 25), st.integers(1, 8), st.booleans()),
    st.tuples(st.just("put"), st.sampled_from("abc"), st.integers(0, 25), st.integers(1, 8), st.booleans()),
    st.tuples(st.just("other"), st.integers(0, 25)),
    st.tuples(st.just("correct"), st.integers(0, 25), st.integers(1, 4)),
    st.tuples(st.just("erase"), st.sampled_from(["mill-1", "mill-2"])),
    st.tuples(st.just("flush")),
    st.tuples(st.just("seal")),
    st.tuples(st.just("restart")),
    st.tuples(st.just("later"), st.sampled_from([-5, 1, 1, 2, 60, 1440, 4000, 100_000])),
    st.tuples(st.just("end"), st.sampled_from("ab"), st.integers(0, 40)),
)
_folder = itertools.count()


@dataclass
class Sample:
    """One sample that was let through, and where it is."""

    minute: int
    source: str
    thing: str
    moved: bool = False
    gone: str = ""  # 'erased' or 'erased_early'


@dataclass
class Twin:
    """Every delivery as a row (minute, source, word), every sample that was let through, every count of what was sent."""

    rows: list[tuple[int, str, str]] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    sent: list[tuple[int, str, int, int]] = field(default_factory=list)  # minute, source, expected or lost, arrived
    values: dict[tuple[str, int], dict[int, float]] = field(default_factory=dict)  # (thing, t) -> n -> value in force
    seen: dict[str, set[int]] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=dict)
    expected: Counter[str] = field(default_factory=Counter)
    arrived: Counter[str] = field(default_factory=Counter)
    ended: set[str] = field(default_factory=set)
    lost: Counter[str] = field(default_factory=Counter)

    def put(self, minute: int, source: str, first: int, values: list[float], says: bool, correction: bool = False) -> None:
        thing = OF[source][1]
        arrived = 0
        for i, value in enumerate(values, first):
            if source in NUMBERED:
                seen = self.seen.setdefault(source, set())
                if i in seen:
                    self.rows.append((minute, source, "repeat"))
                    continue
                seen.add(i)
            arrived += 1
            there = self.values.setdefault((thing, i), {})
            if value < 0:
                self.rows.append((minute, source, "out of range"))
            elif (value == there.get(0)) if correction else (value in there.values()):
                self.rows.append((minute, source, "copied"))
            else:
                self.rows.append((minute, source, "stored"))
                self.samples.append(Sample(minute, source, thing))
                if not correction and there:
                    self.rows.append((minute, source, "conflict"))
                there[0 if correction or not there else max(there) + 1] = value
                if i < self.newest.get(thing, -1):
                    self.rows.append((minute, source, "late"))
                self.newest[thing] = max(self.newest.get(thing, -1), i)
        seen = self.seen.get(source, set())
        shown = max(seen) - min(seen) + 1 if seen else 0
        self.count(minute, source, max(shown, first + len(values) if says else 0), arrived, ends=False)

    def count(self, minute: int, source: str, expected: int, arrived: int, ends: bool) -> None:
        before, self.arrived[source] = self.expected[source], self.arrived[source] + arrived
        self.expected[source] = max(before, expected, self.arrived[source])
        if ends:
            self.ended.add(source)
        elif self.expected[source] > before:
            self.ended.discard(source)
        lost = self.expected[source] - self.arrived[source] if source in self.ended else 0
        self.sent.append((minute, source, self.expected[source] - before - (lost - self.lost[source]), arrived))
        self.rows += [(minute, source, "lost" if lost > self.lost[source] else "found")] * abs(lost - self.lost[source])
        self.lost[source] = lost

    def hop(self, low: int, high: int, hop: str, sources: set[str]) -> Hop:
        """The equation of low <= minute < high, row by row."""
        sources = {s for s in sources if OF[s][0] == hop}
        words = Counter(word for minute, source, word in self.rows if low <= minute < high and source in sources)
        way = [(minute, n - came) for minute, source, n, came in self.sent if source in sources]  # adds to what waits
        after = sum(n for minute, n in way if minute < high)
        lost = words["lost"] - words["found"]
        refused = {"out of range": words["out of range"]} if words["out of range"] else {}
        duplicate = words["repeat"] + words["copied"]
        into = words["stored"] + duplicate + words["out of range"] + after + lost
        counted = not (sources & {"c", "e"} & set(self.expected))
        return Hop(hop, into, words["stored"], words["late"], duplicate, 0, words["conflict"], refused, after, lost if counted else None)

    def inner(self, low: int, high: int, sources: set[str]) -> tuple[int, int, int, int]:
        """(in the journal, erased there, erased in the points, standing)."""
        mine = [s for s in self.samples if low <= s.minute < high and s.source in sources]
        early, gone = (sum(s.gone == word for s in mine) for word in ("erased_early", "erased"))
        waits = sum(not s.moved and not s.gone for s in mine)
        return waits, early, gone, sum(s.moved and not s.gone for s in mine)


def run(step: tuple[Any, ...], store: Store, twin: Twin, clock: SimClock, folder: Path) -> Store:
    """One step of a history, in the plant and in the twin."""
    if step[0] in ("put", "other", "correct"):
        if step[0] == "put":
            source, first, count, says = step[1:]
            values = [1.0 if i % 7 else -1.0 for i in range(first, first + count)]
        else:
            source, first, says = ("c", step[1], False) if step[0] == "other" else ("e", step[1], False)
            values = [2.0] if step[0] == "other" else [3.0 + step[1]] * step[2]
        hop, thing = OF[source]
        event = ""
        if step[0] == "correct":
            event = store.record([Event("points.corrected", thing, 0, "erika", {"reason": "it drifted"})])[0].id
        table = points(*((thing, "spindle.speed", i * S, v) for i, v in enumerate(values, first)))
        sequence, sent = (first, first + len(values) if says else None) if source in NUMBERED else (None, None)
        receipt = store.put(Batch(hop, source, sequence, table, sent, correction=event))
        twin.put(receipt.known_ns // MINUTE, source, first, values, says and source in NUMBERED, bool(event))
    elif step[0] == "erase":
        store.erase_points(step[1])
        for sample in twin.samples:
            if sample.thing == step[1] and not sample.gone:
                sample.gone = "erased" if sample.moved else "erased_early"
        twin.values = {key: values for key, values in twin.values.items() if key[0] != step[1]}
        twin.newest.pop(step[1], None)
    elif step[0] == "flush":
        store.flush()
        for sample in twin.samples:
            sample.moved |= not sample.gone
    elif step[0] == "seal":
        audit.seal(store, least=0, minutes=0)
    elif step[0] == "restart":
        store.close()
        return open_store(folder, clock)
    elif step[0] == "later":
        clock.set_ns(clock.now_ns() + step[1] * MINUTE)
    else:
        store.note_sent("mqtt", step[1], step[2])
        twin.count(store._known // MINUTE, step[1], step[2], 0, ends=True)
    return store


def grid(minute: int, sealed: int) -> int:
    """The rule of the docs: by the hour before yesterday, by the day before sixty days."""
    today = sealed - sealed % 1440
    if minute < today - 60 * 1440:
        return minute - minute % 1440
    return minute - minute % 60 if minute < today - 2 * 1440 else minute


def check(store: Store, twin: Twin) -> None:
    """The plant says what the twin says over every part of a partition, and the parts make up the whole."""
    minutes = sorted({row[0] for row in twin.rows} | {row[0] for row in twin.sent})
    cuts = [minutes[0] - 1, *{minutes[len(minutes) // 3], minutes[len(minutes) // 3] + 1, minutes[-1]}, minutes[-1] + 1]
    cuts = sorted(set(cuts))
    sealed = store.tables["accounts"].snapshot.flushed
    for sources in [{"a", "b", "c", "e"}, {"a"}, {"c"}]:
        source = None if len(sources) > 1 else next(iter(sources))
        whole = store.hops(source=source)
        parts = [store.hops(a * MINUTE, b * MINUTE, source) for a, b in itertools.pairwise(cuts)]
        limits = [grid(minute, sealed) for minute in cuts]
        for low, high, found in [(-1, 1 << 60, whole), *((a, b, part) for (a, b), part in zip(itertools.pairwise(limits), parts, strict=True))]:
            balanced(found)
            for hop in set(found) - {"journal", "points"}:
                said = twin.hop(low, high, hop, sources)
                mine = found[hop]
                assert (mine.into, mine.out, mine.late, mine.duplicate, mine.conflict, dict(mine.refused), mine.waiting, mine.lost) == (
                    said.into, said.out, said.late, said.duplicate, said.conflict, dict(said.refused), said.waiting, said.lost), (low, high)
            waits, early, gone, standing = twin.inner(low, high, sources)
            journal, inside = found["journal"], found["points"]
            assert (journal.waiting, sum(journal.refused.values())) == (waits, early)
            assert (inside.out, sum(inside.refused.values()), inside.lost) == (standing, gone, 0)
        for hop, total in whole.items():
            for word in WORDS:
                assert getattr(total, word) == sum(getattr(part[hop], word) for part in parts), (hop, word)
            for reason, n in total.refused.items():
                assert n == sum(part[hop].refused.get(reason, 0) for part in parts)
            assert total.lost is None or total.lost == sum(part[hop].lost or 0 for part in parts)
            if hop in ("journal", "points"):
                assert total.waiting == sum(part[hop].waiting for part in parts)
                assert total.into == sum(part[hop].into for part in parts)
            else:
                assert total.waiting == parts[-1][hop].waiting  # what one range leaves on its way, the next begins with
                assert total.into == sum(p[hop].into for p in parts) - sum(p[hop].waiting for p in parts[:-1])


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(steps=st.lists(_steps, min_size=2, max_size=14))
def test_any_history_adds_up_over_any_ranges(empty_plant: Path, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, ...]]) -> None:
    folder = tmp_path_factory.getbasetemp() / f"ranges-{next(_folder)}"
    shutil.copytree(empty_plant, folder)
    clock, twin = SimClock(), Twin()
    store = open_store(folder, clock)
    try:
        for step in [("put", "a", 0, 3, True), *steps]:
            store = run(step, store, twin, clock, folder)
        check(store, twin)
        middle = twin.rows[len(twin.rows) // 2][0]
        for span in [(None, None), (None, middle * MINUTE), (middle * MINUTE, None), (middle * MINUTE, (middle + 2) * MINUTE)]:
            table = audit.by_source(store, *span, deep=True)
            assert set(table.column("missing").to_pylist()) <= {0}
            for row in table.to_pylist():
                hops = store.hops(*span, row["source"])
                hop = hops[row["hop"]]
                assert {k: row[k] for k in ("in", "out", "late", "duplicate", "conflict", "waiting", "lost")} == {
                    k: v for k, v in hop.as_dict().items() if k in ("in", "out", "late", "duplicate", "conflict", "waiting", "lost")}
                assert dict(row["refused_by_reason"]) == dict(hop.refused)
                assert (row["in_journal"], row["in_points"]) == (hops["journal"].waiting, hops["points"].out)
    finally:
        store.close()
        shutil.rmtree(folder)


LONG = [
    ("put", "a", 0, 3, True), ("later", 1), ("put", "a", 2, 9, True), ("put", "c", 0, 2, False), ("flush",), ("seal",), ("later", 60),
    ("put", "b", 4, 8, False), ("end", "b", 20), ("later", 1), ("put", "b", 0, 3, True), ("erase", "mill-2"), ("later", 4000),
    ("put", "b", 20, 4, True), ("seal",), ("other", 0), ("correct", 1, 2), ("later", 100_000), ("flush",), ("put", "a", 15, 2, False), ("seal",),
]


@pytest.mark.slow
def test_accounts_by_the_hour_and_by_the_day_add_up_like_those_by_the_minute(empty_plant: Path, tmp_path: Path) -> None:
    folder = tmp_path / "plant"
    shutil.copytree(empty_plant, folder)
    clock, twin = SimClock(), Twin()
    store = open_store(folder, clock)
    steps = []
    for step in [*LONG, ("restart",)]:
        store = run(step, store, twin, clock, folder)
        check(store, twin)
        rows = store._reader.run(f"SELECT minute, step FROM {store.tables['accounts'].snapshot.scan()}", {}).to_pylist()
        assert all(row["minute"] % row["step"] == 0 for row in rows)
        steps += sorted({row["step"] for row in rows} - set(steps))
    assert steps == [1, 60, 1440]  # minutes, which became hours, which became days
    store.close()


def test_a_crash_between_the_table_and_the_journal_counts_nothing_twice(empty_plant: Path, tmp_path: Path) -> None:
    folder = tmp_path / "plant"
    shutil.copytree(empty_plant, folder)
    clock, twin = SimClock(), Twin()
    store = open_store(folder, clock)
    for step in [("put", "a", 0, 9, True), ("put", "c", 3, 4, False), ("later", 1), ("put", "b", 2, 2, False)]:
        store = run(step, store, twin, clock, folder)
    store.close()
    shutil.copy(folder / "journal.sqlite", tmp_path / "before")
    store = open_store(folder, clock)
    assert audit.seal(store, least=0, minutes=0) == 3  # two sources, and a reason of one
    store.close()
    shutil.copy(tmp_path / "before", folder / "journal.sqlite")
    store = open_store(folder, clock)
    check(store, twin)
    for step in [("later", 2), ("put", "b", 5, 1, True), ("seal",)]:
        store = run(step, store, twin, clock, folder)
    check(store, twin)
    assert store._journal.rows("SELECT count(DISTINCT entered) FROM counts") == [(1,)]
    store.close()


@pytest.mark.slow
def test_a_reader_beside_a_writer_never_sees_half_of_a_move(empty_plant: Path, tmp_path: Path) -> None:
    folder = tmp_path / "plant"
    shutil.copytree(empty_plant, folder)

    def write() -> None:
        with open_store(folder, clock) as writer:
            for i in range(60):
                writer.put(numbered(speeds([1.0] * 5, 5 * i * S), 5 * i, sent=5 * i + 7))
                clock.set_ns(clock.now_ns() + 20 * S)
                if i % 3 == 2:
                    writer.flush()
                    audit.seal(writer, least=0, minutes=0)

    clock = SimClock()
    start_ns = clock.now_ns()
    thread = threading.Thread(target=write)
    with open_store(folder, read_only=True) as reader:
        thread.start()
        while True:
            last = not thread.is_alive()
            for span in [(None, None), (start_ns + 5 * MINUTE, None), (None, start_ns + 5 * MINUTE)]:
                hops = reader.hops(*span)
                balanced(hops)
                assert hops["points"].lost == 0
            assert set(audit.by_source(reader, deep=True).column("missing").to_pylist()) <= {0}
            if last:
                break
        assert reader.hops()["mqtt"].out == 300
    thread.join()


def test_books_of_an_older_version_are_taken_over(empty_plant: Path, tmp_path: Path) -> None:
    folder = tmp_path / "plant"
    shutil.copytree(empty_plant, folder)
    minute = SimClock().now_ns() // MINUTE
    counts = {"expected": 10, "arrived": 7, "stored": 6, "late": 1, "refused:out of range": 1}
    body = {"expected": 10, "arrived": 7, "counted": True, "closed_ns": (minute + 3) * MINUTE + 5, "word": "over", "counts": counts}
    with closing(sqlite3.connect(folder / "journal.sqlite")) as db, db:
        db.execute("INSERT INTO sources VALUES ('mqtt', 'mqtt/a', ?)", [json.dumps(body)])
        db.execute("INSERT INTO minutes VALUES (?, 'mqtt', 'mqtt/a', ?)", [minute, json.dumps(counts)])
        db.execute("PRAGMA user_version = 1")
    for _ in range(2):
        with open_store(folder, SimClock()) as store:
            spans = [(None, None), (minute, minute + 1), (minute + 1, minute + 3), (minute + 3, minute + 4)]
            found = [store.hops(*(None if m is None else m * MINUTE for m in span))["mqtt"] for span in spans]
            assert [(h.into, h.out, h.late, sum(h.refused.values()), h.waiting, h.lost) for h in found] == [
                (10, 6, 1, 1, 0, 3), (10, 6, 1, 1, 3, 0), (3, 0, 0, 0, 3, 0), (3, 0, 0, 0, 0, 3)]
            assert "mqtt/a: over" in found[0].word
