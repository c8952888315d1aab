"""A small plant for tests of the store: one kind of mill with every sort of signal, and batches of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from loopwright.core.types import BLOCKS_IN, POINTS_IN, Batch, Hop, Kind, Signal, Thing
from loopwright.store import Store

MILL = Kind("mill", "a milling machine", (
    Signal("spindle.speed", "rad/s", "gauge", 10.0, 0.0, 3000.0, "How fast the spindle turns."),
    Signal("parts", "1", "counter", None, 0.0, None, "Parts made since the last reset."),
    Signal("mode", "", "state", None, None, None, "What the machine does.", codes={0: "idle", 1: "active", 7: "fault"}),
    Signal("vibration", "m/s2", "gauge", 1000.0, -500.0, 500.0, "Acceleration of the spindle head."),
    Signal("force", "N", "gauge", 100.0, None, None, "Cutting force in x, y and z.", shape=(3,)),
))
THINGS = [Thing("mill-1", "mill"), Thing("mill-2", "mill")]
S = 1_000_000_000


def declared(store: Store) -> Store:
    """The store, with the mill and its two machines declared."""
    store.declare([MILL], THINGS)
    return store


def points(*rows: tuple[Any, ...]) -> pa.Table:
    """POINTS_IN of (thing, signal, t_ns, value or code[, n]): an int is a code, a float a value, None a gap."""
    return pa.Table.from_pylist([
        {
            "thing": r[0], "signal": r[1], "t_ns": r[2], "n": r[4] if len(r) > 4 else 0, "quality": 0,
            "value": r[3] if isinstance(r[3], float) else None, "code": r[3] if isinstance(r[3], int) else None,
        }
        for r in rows
    ], schema=POINTS_IN)


def speeds(values: Sequence[float], start_ns: int = 0, thing: str = "mill-1", step_ns: int = S) -> pa.Table:
    """Spindle speeds, one a step."""
    return points(*((thing, "spindle.speed", start_ns + i * step_ns, float(v)) for i, v in enumerate(values)))


def blocks(*rows: tuple[Any, ...]) -> pa.Table:
    """BLOCKS_IN of (thing, signal, t_ns, dt_ns, values)."""
    names = ("thing", "signal", "t_ns", "dt_ns", "values")
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) | {"quality": 0} for row in rows], schema=BLOCKS_IN)


def numbered(table: pa.Table, sequence: int, source: str = "mqtt/mill-1", **more: Any) -> Batch:
    """A batch of a source that numbers what it sends."""
    return Batch("mqtt", source, sequence, table, **more)


def plain(table: pa.Table, source: str = "http/press", **more: Any) -> Batch:
    """A batch of a source that numbers nothing."""
    return Batch("http", source, None, table, **more)


def balanced(hops: dict[str, Hop]) -> None:
    """Asserts the equation of every hop, and that nothing in it is negative."""
    for hop in hops.values():
        parts = (hop.out, hop.duplicate, sum(hop.refused.values()), hop.waiting)
        assert hop.into == sum(parts) + (hop.lost or 0), hop
        assert min(parts) >= 0, hop
        assert (hop.lost or 0) >= 0 or "given up before" in hop.word, hop  # of a window: they came after all
        assert hop.late <= hop.out, hop
        assert hop.conflict + hop.possible_duplicate <= hop.out, hop
    let_through = sum(hop.out for name, hop in hops.items() if name not in ("journal", "points"))
    assert hops["journal"].into == let_through
    assert hops["points"].into == hops["journal"].out
