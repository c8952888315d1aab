"""kill -9 at random moments under load: what was acknowledged and lost, what stands twice, how long a restart takes.

    python -m benchmarks.bench_store_kills [KILLS]

The writer of tests/store/writer.py puts points, blocks, late rows and corrections as fast as it can, alone, with
flushes, and with flushes and compaction without pause. Every kill falls 0 to 0.4 s after its first acknowledgement; the
plant is then opened, counted, and given its last batch again. Limit: nothing lost, nothing twice, restart under 5 s.
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from loopwright.core.clock import monotonic_s
from loopwright.store import open_store
from tests.store.test_crash import check, run_and_kill


def killed(mode: str, kills: int, plants: int = 10) -> dict[str, Any]:
    """That many kills of one mode, over some plants one after another; any loss ends the benchmark with an error."""
    moment = random.Random(f"{mode} 4711")
    restarts: list[float] = []
    acknowledged = 0
    for nth in range(plants):
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(kills // plants + (nth < kills % plants)):
                said = run_and_kill(Path(folder), mode, moment.uniform(0.0, 0.4))
                begun_s = monotonic_s()
                open_store(Path(folder)).close()
                restarts.append(monotonic_s() - begun_s)
                check(Path(folder), said)
            acknowledged += sum(max(last + 1, 0) for letter, last in said.items() if letter != "d")
    who = {"put": "the writer", "flush": "the flusher", "compact": "the compactor"}[mode]
    return {
        "killed": who, "kills": len(restarts),
        "samples": acknowledged, "lost": 0, "twice": 0, "restart_p50_s": float(np.median(restarts)),
        "restart_max_s": max(restarts), "limit_s": 5, "met": max(restarts) < 5,
    }


def rows(kills: int = 12) -> list[dict[str, Any]]:
    """A third of the kills for each mode."""
    return [killed(mode, kills // 3, min(10, kills // 3)) for mode in ("put", "flush", "compact")]


def full_rows() -> list[dict[str, Any]]:
    """Two hundred kills at the plant; tests/app/test_edge.py kills the edge and the centre."""
    return rows(201)


if __name__ == "__main__":
    for row in rows(int(sys.argv[1]) if len(sys.argv) > 1 else 12):
        print(row)
