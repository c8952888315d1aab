"""Threads share one store: some put, some flush and compact, some read, and every read is whole."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from loopwright.core.types import Event
from loopwright.store import Store, open_store
from tests.store.plant import S, balanced, declared, numbered, speeds


@pytest.mark.slow
def test_reads_are_whole_while_others_put_and_flush(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        declared(store)
        done = threading.Event()

        def put(source: str, thing: str) -> None:
            for i in range(60):
                store.put(numbered(speeds(range(20), i * 20 * S, thing), i * 20, source, sent=(i + 1) * 20))
                store.record([Event("unit.claimed", f"{source}-{i}", i, "x", {"owner": "p"})])

        def move() -> None:
            while not done.is_set():
                store.flush()

        def read() -> int:
            reads = 0
            while not done.is_set():
                found = store.get(things="mill-1").column("value").to_pylist()
                assert found == [float(i % 20) for i in range(len(found))]
                assert len(found) % 20 == 0
                store.newest()
                store.recall(limit=3)
                balanced(store.hops())
                reads += 1
            return reads

        with ThreadPoolExecutor(6) as threads:
            readers = [threads.submit(read), threads.submit(read)]
            mover = threads.submit(move)
            writers = [threads.submit(put, "mqtt/a", "mill-1"), threads.submit(put, "mqtt/b", "mill-2")]
            for writer in writers:
                writer.result()
            done.set()
            mover.result()
            assert min(reader.result() for reader in readers) > 0
        assert store.get().num_rows == 2400
        assert store.events.verify().length == 120
        _known_ns_are_all_different(store)


def _known_ns_are_all_different(store: Store) -> None:
    batches = set(store.get().column("known_ns").to_pylist())
    events = {event.known_ns for event in store.recall()}
    assert len(batches) == 120
    assert not batches & events
