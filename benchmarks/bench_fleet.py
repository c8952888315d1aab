"""The live fleet: what a scatter, a window and a rebuild cost for 100,000 signals at 1 Hz; and windows read from disk.

    python -m benchmarks.bench_fleet [SIGNALS]

Peers in the same run: the put without a fleet that listens, the window read from disk (`store.windows`), and the least
there is: numpy writing the same numbers into the same places of an empty array. Limit: a scatter of one second's rows
in a tenth of a second, so that nine tenths of a core are left for whatever looks at the window.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from loopwright.core.clock import monotonic_s
from loopwright.core.types import POINTS_IN, Batch, Kind, Signal, Thing
from loopwright.store import Store, open_store
from loopwright.store.fleet import Fleet

LIMIT_MS = 100.0
S, START_NS = 1_000_000_000, 1_700_000_000_000_000_000
WIDTH, STEPS, PUTS = 10, 60, 12
SIGNALS = [Signal(f"s{i}", "1", "gauge", 1.0, None, None, "A signal of the benchmark.") for i in range(WIDTH)]
KIND = Kind("machine", "a machine of the benchmark", tuple(SIGNALS))


def second(things: list[str], nth: int) -> Batch:
    """One value of every signal of these things, true in the nth second."""
    rows = len(things) * WIDTH
    thing = pa.DictionaryArray.from_arrays(np.repeat(np.arange(len(things), dtype=np.int32), WIDTH), pa.array(things))
    names = pa.array([s.name for s in SIGNALS])
    signal = pa.DictionaryArray.from_arrays(np.tile(np.arange(WIDTH, dtype=np.int32), len(things)), names)
    table = pa.table({
        "thing": thing.cast(pa.string()), "signal": signal.cast(pa.string()), "t_ns": np.full(rows, START_NS + nth * S),
        "n": np.zeros(rows, np.int32), "value": np.round(np.random.default_rng(nth).normal(20, 3, rows), 2),
        "code": pa.nulls(rows, pa.int64()), "quality": np.zeros(rows, np.int8),
    }, schema=POINTS_IN)
    return Batch("mqtt", "mqtt/fleet", nth * rows, table)


def rows(signals: int = 100_000) -> list[dict[str, Any]]:
    """All rows: [{what, ms, peer, peer_ms, met}]; memory is in MB instead of ms."""
    return [*fleet_rows(signals), *wide_rows()]


def fleet_rows(signals: int) -> list[dict[str, Any]]:
    """What a fleet of that many signals costs."""
    things = [f"m{i:05d}" for i in range(signals // WIDTH)]
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder)) as store:
        store.declare([KIND], [Thing(name, "machine") for name in things])
        batches = [second(things, nth) for nth in range(2 * PUTS)]
        bare = [_ms(lambda batch=batch: store.put(batch)) for batch in batches[:PUTS]]  # type: ignore[misc]
        return _of_fleet(store, things, batches[PUTS:], bare)


def _of_fleet(store: Store, things: list[str], batches: list[Batch], bare: list[float]) -> list[dict[str, Any]]:
    with Fleet(store, "machine", steps=STEPS, step_ns=S) as fleet:
        scatters: list[float] = []
        heard = store.listeners[0]
        store.listeners[0] = lambda *given: scatters.append(_ms(lambda: heard(*given)))
        now_ns = START_NS + (PUTS - 1) * S
        rebuild = _ms(lambda: fleet.windows(now_ns))
        puts, windows, views = [], [], []
        for nth, batch in enumerate(batches):
            puts.append(_ms(lambda batch=batch: store.put(batch)))  # type: ignore[misc]
            at_ns = now_ns + (nth + 1) * S
            windows.append(_ms(lambda at_ns=at_ns: fleet.windows(at_ns)))  # type: ignore[misc]
            views.append(_ms(lambda at_ns=at_ns: fleet.windows(at_ns, copy=False)))  # type: ignore[misc]
        store.listeners[0] = heard
        end_ns = now_ns + (len(batches) + 1) * S
        names = [s.name for s in SIGNALS]
        disk = [
            _ms(lambda: store.windows(things, names, start_ns=end_ns - STEPS * S, end_ns=end_ns, step_ns=S))
            for _ in range(3)
        ]
        megabytes = sum(part.nbytes for part in vars(fleet._cells).values()) / 1e6
    cells = np.zeros((STEPS, len(things) * WIDTH))
    at, values = np.arange(cells.shape[1]), batches[0].table.column("value").to_numpy()
    least = [_ms(lambda: cells.reshape(-1).__setitem__(at, values)) for _ in range(PUTS)]
    return [
        _row("a second's rows scattered", scatters, "numpy alone", least),
        _row("put with a fleet that listens", puts, "put without", bare),
        _row("a window, copied", windows, "read from disk", disk),
        _row("a window, as it stands", views, "read from disk", disk),
        _row("the fleet built anew", [rebuild], "read from disk", disk),
        {"what": "memory of the fleet, MB", "ms": megabytes, "peer": "its window alone, float64",
         "peer_ms": len(things) * WIDTH * STEPS * 8 / 1e6, "met": None},
    ]


def wide_rows(things: int = 100, steps: int = 3600) -> list[dict[str, Any]]:
    """Windows of so many things and steps of ten signals, read from disk; beside the rows as names (`store.get`)."""
    names = [f"m{i:05d}" for i in range(things)]
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder)) as store:
        store.declare([KIND], [Thing(name, "machine") for name in names])
        for nth in range(0, steps, 120):
            parts = [second(names, i).table for i in range(nth, min(steps, nth + 120))]
            store.put(Batch("files", "files/wide", None, pa.concat_tables(parts)))
        store.flush()
        asked = {"start_ns": START_NS, "end_ns": START_NS + steps * S}
        signals = [s.name for s in SIGNALS]
        windows = [_ms(lambda: store.windows(names, signals, step_ns=S, **asked)) for _ in range(5)]
        get = [_ms(lambda: store.get(things=names, signals=signals, **asked)) for _ in range(3)]
    return [_row(f"windows {things} x {steps} x {WIDTH}", windows, "the same rows by name", get)]


def _row(what: str, own: list[float], peer: str, theirs: list[float]) -> dict[str, Any]:
    ms = float(np.median(own))
    met = ms <= LIMIT_MS if "scattered" in what else None
    return {"what": what, "ms": ms, "peer": peer, "peer_ms": float(np.median(theirs)), "met": met}


def _ms(work: Callable[[], Any]) -> float:
    began_s = monotonic_s()
    work()
    return 1000 * (monotonic_s() - began_s)


def main() -> None:
    """Prints the rows as a table."""
    signals = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    print(f"{signals:,} signals at 1 Hz, {STEPS} steps; medians, ms")
    print(f"{'what':32s} {'ours':>9s}   {'peer':27s} {'theirs':>9s}   ours / theirs   limit met")
    for r in rows(signals):
        met = "" if r["met"] is None else "yes" if r["met"] else "NO"
        ratio = r["ms"] / r["peer_ms"]
        print(f"{r['what']:32s} {r['ms']:9.2f}   {r['peer']:27s} {r['peer_ms']:9.2f} {ratio:15.2f}   {met}")


if __name__ == "__main__":
    main()
