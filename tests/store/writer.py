"""A process that is meant to be killed: puts numbered batches from where the plant stands and says what was acknowledged.

    python -m tests.store.writer PLANT put|flush|compact
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pyarrow as pa

from loopwright.core.types import POINTS_IN
from loopwright.store import Store, flush, open_store
from tests.store.plant import declared, numbered

SIZE = 50
SOURCE = "mqtt/killed"


def rows(first: int) -> pa.Table:
    """SIZE samples numbered from `first`; the time and the value of each are its number."""
    numbers = range(first, first + SIZE)
    return pa.table({
        "thing": ["mill-1"] * SIZE, "signal": ["parts"] * SIZE, "t_ns": numbers, "n": [0] * SIZE, "value": [None] * SIZE,
        "code": numbers, "quality": [0] * SIZE,
    }, schema=POINTS_IN)


def move(store: Store, also_compact: bool) -> None:
    """Flushes without end; compacts and tidies after each, if asked."""
    while True:
        store.flush()
        if also_compact:
            for table in store._tables:
                flush.upkeep(table, store._reader)


def main(plant: Path, mode: str) -> None:
    """Writes until it is killed."""
    store = declared(open_store(plant))
    if mode != "put":
        threading.Thread(target=move, args=(store, mode == "compact"), daemon=True).start()
    cursor = store.cursor(SOURCE)
    first = 0 if cursor is None else cursor + 1
    while True:
        store.put(numbered(rows(first), first, SOURCE, sent=first + SIZE))
        first += SIZE
        print(first - 1, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
