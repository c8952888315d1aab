"""Every version of a signal's values, as they came: what readers see is the newest of each key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from loopwright.store.check import numbers
from loopwright.store.read import Wanted, quoted, rows_of

if TYPE_CHECKING:
    from loopwright.store.cellar import Store

CHUNK = 50_000  # rows that are held at a time
_BUCKETS = 4096
_SLOW = ("value", "code")
_FAST = ("dt_ns", '"values"')
_COMMON = ("t_ns", "n", "quality", "known_ns", "batch", "source", "correction")


@dataclass(frozen=True)
class Stretch:
    """A signal of a thing from start_ns to before end_ns (None: open), as its batches up to `batch` left it."""

    thing: str
    signal: str
    start_ns: int | None
    end_ns: int | None
    batch: int

    def between(self, start_ns: int | None, end_ns: int | None) -> Stretch:
        return Stretch(self.thing, self.signal, start_ns, end_ns, self.batch)


def read(store: Store, stretch: Stretch, blocks: bool, more: str = "") -> pa.Table:
    """All versions of the stretch's rows, sorted by t_ns, n and when they came; `more` is another SQL condition."""
    names = ", ".join([*_COMMON, *(_FAST if blocks else _SLOW)])
    return _asked(store, stretch, blocks, more, f"SELECT {names} FROM ({{}}) ORDER BY t_ns, n, batch")


def last_of_key(table: pa.Table, mask: Any = None) -> Any:
    """(k,) the row of each key's newest version, of rows where the mask is true, in the order of `read`."""
    rows = np.arange(table.num_rows) if mask is None else np.flatnonzero(mask)
    t_ns, n = (numbers(table.column(name), np.int64)[0][rows] for name in ("t_ns", "n"))
    return rows[np.append((t_ns[1:] != t_ns[:-1]) | (n[1:] != n[:-1]), True)[:len(rows)]]


def chunks(store: Store, stretch: Stretch, blocks: bool, more: str = "") -> Iterator[Stretch]:
    """The stretch in pieces of about 50,000 rows, the same ones whenever it is asked: memory stays bounded.

    A moment at which more rows than that stand together comes in one piece.
    """
    found = _asked(store, stretch, blocks, more, "SELECT min(t_ns) AS low, max(t_ns) AS high, count(*) AS n FROM ({})")
    low, high, count = (found.column(name)[0].as_py() for name in ("low", "high", "n"))
    if not count:
        return
    width = (high - low) // _BUCKETS + 1
    sql = f"SELECT (t_ns - {low}) // {width} AS b, count(*) AS n FROM ({{}}) GROUP BY b ORDER BY b"
    start_ns, held = low, 0
    for row in _asked(store, stretch, blocks, more, sql).to_pylist():
        if held and held + row["n"] > CHUNK:
            yield stretch.between(start_ns, low + row["b"] * width)
            start_ns, held = low + row["b"] * width, 0
        held += row["n"]
    yield stretch.between(start_ns, high + 1)


def written(store: Store, event: str, blocks: bool) -> list[tuple[str, str, int, int]]:
    """(thing, signal, start_ns, end_ns) of every signal of which a correction wrote rows."""
    with store._lock:
        view = store._view(blocks, Wanted())
    sql = rows_of(view, "tail", Wanted(), ["thing", "signal", "t_ns"], f"correction = {quoted(event)}")
    found = store._reader.run(
        f"SELECT thing, signal, min(t_ns) AS low, max(t_ns) + 1 AS high FROM ({sql}) GROUP BY ALL ORDER BY ALL",
        {"tail": view.tail},
    )
    return [(row["thing"], row["signal"], row["low"], row["high"]) for row in found.to_pylist()]


def _asked(store: Store, stretch: Stretch, blocks: bool, more: str, sql: str) -> pa.Table:
    wanted = Wanted([stretch.thing], [stretch.signal], stretch.start_ns, stretch.end_ns)

    def again() -> pa.Table:
        view = store._view(blocks, wanted)
        columns = [*_COMMON, *(_FAST if blocks else _SLOW)]
        condition = f"batch <= {stretch.batch}" + (f" AND {more}" if more else "")
        return store._reader.run(sql.format(rows_of(view, "tail", wanted, columns, condition)), {"tail": view.tail})

    return store._again(again)
