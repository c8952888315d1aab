"""Cost as sources grow from 10 to 100,000: put, memory, open, accounts; beside one source with the same rows.

    python -m benchmarks.bench_sources [SOURCES ...]

Each source is a machine of its own with ten signals, and numbers its own samples; every batch has 20 of them. Peer in
the same run: one source that sends the same rows in as many batches. Limit: nothing that one put costs may grow with
the sources, and nobody waits a second for the accounts.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.bench_store import timed
from loopwright.core.clock import SimClock, monotonic_s
from loopwright.core.types import POINTS_IN, Batch, Kind, Signal, Thing
from loopwright.store import Store, audit, open_store

SIGNALS = [Signal(f"s{i}", "1", "gauge", 0.1, None, None, "A signal of the benchmark.") for i in range(10)]
KIND = Kind("machine", "a machine of the benchmark", tuple(SIGNALS))
START_NS, S = 1_700_000_000_000_000_000, 1_000_000_000
SAMPLES = 20  # in a batch: two of every signal
LEAST = 2_000  # batches that are measured
MINUTES = 10


def table(thing: str, turn: int) -> pa.Table:
    """Two values of every signal of one machine."""
    at = START_NS + (2 * turn + np.repeat([0, 1], 10)) * 10 * S
    names = pa.array([s.name for s in SIGNALS] * 2)
    return pa.table([
        pa.repeat(pa.scalar(thing), SAMPLES), names, at, np.zeros(SAMPLES, np.int32), np.round(at % 977 / 7, 2),
        pa.nulls(SAMPLES, pa.int64()), np.zeros(SAMPLES, np.int8),
    ], schema=POINTS_IN)


def batches(sources: int, turns: int, one: bool) -> Iterator[Batch]:
    """Every machine in turn; one: the same rows under the numbers of one source."""
    for turn in range(turns):
        for i in range(sources):
            number = (turn * sources + i if one else turn) * SAMPLES
            source = "mqtt/all" if one else f"mqtt/m{i:06}#boot-1"
            yield Batch("mqtt", source, number, table(f"m{i:06}", turn), number + SAMPLES)


def megabytes() -> float:
    """Memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def filled(folder: Path, sources: int, one: bool) -> dict[str, Any]:
    """A plant with that many sources, each heard at least once, over ten minutes; what the last puts cost."""
    clock = SimClock(START_NS)
    with open_store(folder, clock) as store:
        store.declare([KIND], [Thing(f"m{i:06}", "machine") for i in range(sources)])
        before = megabytes()
        turns = max(1, -(-LEAST // sources))
        every = list(batches(sources, turns, one)) if sources * turns <= 2 * LEAST else batches(sources, turns, one)
        took: list[float] = []
        for number, batch in enumerate(every):
            if number % max(1, sources * turns // MINUTES) == 0:
                clock.set_ns(clock.now_ns() + 60 * S)
                store.flush()
            begun_s = monotonic_s()
            store.put(batch)
            took.append(monotonic_s() - begun_s)
        begun_s = monotonic_s()
        store.flush()
        clock.set_ns(clock.now_ns() + 120 * S)
        store.put(Batch("mqtt", "mqtt/m000000#boot-2", 0, table("m000000", 9_999)))
        audit.seal(store, least=0, minutes=0)
        flushed_s = monotonic_s() - begun_s
        accounts = store.tables["accounts"].snapshot
        return {
            "put_ms": float(np.median(took[-LEAST:]) * 1e3),
            "put_p99_ms": float(np.percentile(took[-LEAST:], 99) * 1e3), "grown_mb": megabytes() - before,
            "flush_s": flushed_s,
            "accounts_bytes_a_row": float(accounts.bytes.sum() / max(1, accounts.rows.sum())),
            "journal_mb": (folder / "journal.sqlite").stat().st_size / 1e6,
        }


def asked(store: Store) -> dict[str, float]:
    """Milliseconds for the accounts: everything, a range, one source, every source."""
    span = START_NS + 120 * S, START_NS + 300 * S
    found = {}
    for name, call in {
        "hops_ms": lambda _: store.hops(), "range_ms": lambda _: store.hops(*span),
        "source_ms": lambda _: store.hops(*span, "mqtt/m000003#boot-1"),
        "by_source_ms": lambda _: audit.by_source(store, *span),
        "deep_ms": lambda _: audit.by_source(store, deep=True),
    }.items():
        found[name] = timed(call, [None] * 3)[1]
    return found


def opened(folder: Path) -> dict[str, float]:
    """In a process of its own: how long it takes to open, and what memory that takes."""
    before, begun_s = megabytes(), monotonic_s()
    with open_store(folder, SimClock(START_NS + 3600 * S)) as store:
        found = {"open_s": monotonic_s() - begun_s, "open_mb": megabytes() - before}
        begun_s = monotonic_s()
        store.hops()
        found["first_hops_ms"] = (monotonic_s() - begun_s) * 1e3
        return found | asked(store)


def row(sources: int, one: bool) -> dict[str, Any]:
    """One row of the table."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "plant"
        found = {"sources": 1 if one else sources, "machines": sources} | filled(folder, sources, one)
        again = subprocess.run(
            [sys.executable, "-m", "benchmarks.bench_sources", "--opened", str(folder)], capture_output=True, text=True,
            check=True,
        )
        words = dict(line.split("=") for line in again.stdout.split())
        return found | {name: float(value) for name, value in words.items()}


def rows(sizes: tuple[int, ...] = (10, 1_000)) -> list[dict[str, Any]]:
    """For every size: that many sources, and the same rows from one."""
    return [row(size, one) for size in sizes for one in (False, True)]


def full_rows() -> list[dict[str, Any]]:
    """Up to a hundred thousand."""
    return [*rows((10, 1_000, 10_000)), row(100_000, False)]


def main() -> None:
    """Prints the table."""
    if sys.argv[1:2] == ["--opened"]:
        print(" ".join(f"{name}={value:.4f}" for name, value in opened(Path(sys.argv[2])).items()))
        return
    sizes = tuple(int(a) for a in sys.argv[1:]) or (10, 1_000, 10_000, 100_000)
    for size in sizes:
        for one in (False, True):
            found = row(size, one)
            print("  ".join(f"{name} {value:,.2f}" for name, value in found.items()), flush=True)


if __name__ == "__main__":
    main()
