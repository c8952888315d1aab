"""A process that is meant to be killed: puts numbered batches from where the plant stands and says what was acknowledged.

    python -m tests.store.writer PLANT put|flush|compact

Three sources take turns: a counter whose values are their numbers, blocks of vibration whose samples are, and a speed that
always comes late. Every tenth round a value of the speed is corrected. Each line it prints is one acknowledged batch:
the source's letter and the number of its last sample.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa

from loopwright.core.types import BLOCKS_IN, POINTS_IN, Batch, Event
from loopwright.store import Store, flush, open_store
from tests.store.plant import S, declared, numbered, speeds

SIZE = 50
SOURCE = "mqtt/killed"
FAST = "mqtt/fast"
LATE = "mqtt/late"
STEP_NS = 1_000_000  # of the vibration
MOST = 400  # numbers of the vibration, so that it stays within its limits


def rows(first: int) -> pa.Table:
    """SIZE samples numbered from `first`; the time and the value of each are its number."""
    numbers = range(first, first + SIZE)
    return pa.table({
        "thing": ["mill-1"] * SIZE, "signal": ["parts"] * SIZE, "t_ns": numbers, "n": [0] * SIZE, "value": [None] * SIZE,
        "code": numbers, "quality": [0] * SIZE,
    }, schema=POINTS_IN)


def block(first: int) -> pa.Table:
    """One block of SIZE samples numbered from `first`; the value of each is its number modulo MOST."""
    values = (np.arange(first, first + SIZE) % MOST).astype(np.float32)
    return pa.table({
        "thing": ["mill-1"], "signal": ["vibration"], "t_ns": [first * STEP_NS], "dt_ns": [STEP_NS],
        "values": [values], "quality": [0],
    }, schema=BLOCKS_IN)


def late(first: int) -> pa.Table:
    """SIZE speeds numbered from `first`, each older than the one before."""
    return speeds([float(i % 1000) for i in range(first, first + SIZE)], -first * S, "mill-2", -S)


def move(store: Store, also_compact: bool) -> None:
    """Flushes without end; compacts and tidies after each, if asked."""
    while True:
        store.flush()
        if also_compact:
            for table in store._tables:
                flush.upkeep(table, store._reader)


def after(store: Store, source: str) -> int:
    """The first number that the plant does not have."""
    cursor = store.cursor(source)
    return 0 if cursor is None else cursor + 1


def correct(store: Store, number: int) -> None:
    """Says that the late speed of that number was 5. Again it changes nothing."""
    why = Event("points.corrected", "mill-2", number, "test", {"reason": "a test"}, key=f"correct {number}")
    [event] = store.record([why])
    store.put(Batch("http", "http/corrections", None, speeds([5.0], -number * S, "mill-2"), correction=event.id))


def main(plant: Path, mode: str) -> None:
    """Writes until it is killed."""
    store = declared(open_store(plant))
    if mode != "put":
        threading.Thread(target=move, args=(store, mode == "compact"), daemon=True).start()
    sources = {"a": (SOURCE, rows), "b": (FAST, block), "c": (LATE, late)}
    at = {letter: after(store, source) for letter, (source, _) in sources.items()}
    for event in store.recall(kind="points.corrected"):
        correct(store, event.t_ns)  # the last one may have been cut off between its event and its value
    turn = 0
    while True:
        for letter, (source, table) in sources.items():
            store.put(numbered(table(at[letter]), at[letter], source, sent=at[letter] + SIZE))
            at[letter] += SIZE
            print(f"{letter} {at[letter] - 1}", flush=True)  # in one write: it may be killed between two
        turn += 1
        if turn % 10 == 0:
            correct(store, at["c"] - SIZE)
            print(f"d {at['c'] - SIZE}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
