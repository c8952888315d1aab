"""Windows over a set larger than the memory it may take: written, cut, checked for leaks and read through once.

    python -m benchmarks.run --full windows      2 GB on disk
    python -m benchmarks.run windows             0.2 GB

Each step is a process of its own; its peak is the high-water mark of its resident memory, pages of the map included.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from loopwright.core.clock import cpu_s
from loopwright.learn import windows
from loopwright.learn.rows import peak_mb
from loopwright.learn.splits import divide

CHANNELS, UNITS, LENGTH, STEP, PIECE = 16, 40, 128, 64, 100_000
LIMIT_MB = 500
Row = dict[str, Any]


def rows(gigabytes: float = 0.2) -> list[Row]:
    """One row a step."""
    with tempfile.TemporaryDirectory() as folder:
        place = [folder, str(gigabytes)]
        return [json.loads(subprocess.run([sys.executable, "-m", "benchmarks.bench_windows", step, *place], check=True,
                                          capture_output=True, text=True).stdout) for step in STEPS]


def full_rows() -> list[Row]:
    """With 2 GB."""
    return rows(2.0)


def pieces(gigabytes: float) -> Iterator[windows.Piece]:
    """UNITS units, walks of CHANNELS channels at 1 Hz."""
    each = int(gigabytes * 1e9 / 8 / CHANNELS / UNITS)
    for unit in range(UNITS):
        rng = np.random.default_rng(unit)
        for at in range(0, each, PIECE):
            count = min(PIECE, each - at)
            yield f"unit-{unit}", np.arange(at, at + count) * 1_000_000_000, rng.normal(size=(count, CHANNELS))


def write(folder: Path, gigabytes: float) -> str:
    """Written in pieces."""
    kept = windows.write(folder / "set", pieces(gigabytes), [f"c{i}" for i in range(CHANNELS)])
    return f"{len(kept.values):,} rows of {CHANNELS} channels, {UNITS} units"


def read(folder: Path, gigabytes: float) -> str:
    """Every window once."""
    kept = windows.open_kept(folder / "set")
    index = windows.windows(kept, LENGTH, STEP)
    total, count = 0.0, 0
    for batch in windows.batches(kept, index, np.arange(len(index.first))):
        total, count = total + float(batch.sum()), count + len(batch)
    return f"{count:,} windows of {LENGTH} rows, {STEP} apart"


def check(folder: Path, gigabytes: float) -> str:
    """Five folds by unit, the first of them checked for shared rows and copies."""
    kept = windows.open_kept(folder / "set")
    index = windows.windows(kept, LENGTH, STEP)
    train, test = divide("unit", index.groups(kept))[0]
    windows.check_apart(kept, index, train, test)
    return f"{len(train):,} and {len(test):,} windows: no row shared, no copy"


STEPS = {"write": write, "read": read, "check": check}


def main(step: str, folder: str, gigabytes: str) -> None:
    """One step, told as JSON."""
    begun_s = cpu_s()
    said = STEPS[step](Path(folder), float(gigabytes))
    print(json.dumps({"step": step, "on disk, GB": float(gigabytes), "peak, MB": round(peak_mb()),
                      "limit, MB": LIMIT_MB, "cpu s": round(cpu_s() - begun_s, 1), "done": said}))


if __name__ == "__main__":
    main(*sys.argv[1:])
