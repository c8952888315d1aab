"""kill -9 at random moments under load: what was acknowledged and lost, what stands twice, how long a restart takes.

    python -m benchmarks.bench_store_kills [KILLS]

The writer of tests/store/writer.py puts points, blocks, late rows and corrections as fast as it can, alone, with
flushes, and with flushes and compaction without pause. Every kill falls 0 to 0.4 s after its first acknowledgement; the
plant is then opened, counted, and given its last batch again. An edge and its centre, two processes, are killed by
turns while a device posts. Limit: nothing lost, nothing twice, restart under 5 s (of edge and centre: of the whole
process until it listens).
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from loopwright.core.clock import monotonic_s
from loopwright.store import open_store
from tests.app.edge_pair import Pair
from tests.app.test_edge import kill_at_random
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


class _Timed(Pair):
    """An edge and its centre that say how long each took until it listened."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.ready_s: list[float] = []

    @contextmanager
    def _up(self, command: str, site: Path, ready: str) -> Iterator[Any]:
        begun_s = monotonic_s()
        with super()._up(command, site, ready) as process:
            self.ready_s.append(monotonic_s() - begun_s)
            yield process


def edge_and_centre(kills: int, each: int = 10) -> dict[str, Any]:
    """That many kills, by turns of an edge and of its centre, while a device talks; `each` over one pair."""
    ready_s: list[float] = []
    samples = 0
    for nth in range(-(-kills // each)):
        with tempfile.TemporaryDirectory() as folder:
            pair = _Timed(Path(folder))
            kill_at_random(pair, nth, each, 1_500 * each)
            ready_s += pair.ready_s
            samples += 1_500 * each
    return {
        "killed": "the edge and the centre", "kills": -(-kills // each) * each,
        "samples": samples, "lost": 0, "twice": 0,
        "restart_p50_s": float(np.median(ready_s)), "restart_max_s": max(ready_s), "limit_s": 5,
        "met": max(ready_s) < 5,
    }


def rows(kills: int = 12) -> list[dict[str, Any]]:
    """A third of the kills for each mode."""
    return [killed(mode, kills // 3, min(10, kills // 3)) for mode in ("put", "flush", "compact")]


def both_rows(kills: int) -> list[dict[str, Any]]:
    """Three quarters of the kills at a plant, a quarter at an edge and its centre."""
    return [*rows(kills * 3 // 4), edge_and_centre(kills // 4)]


def full_rows() -> list[dict[str, Any]]:
    """Two hundred kills, and ten."""
    return both_rows(210)


if __name__ == "__main__":
    for row in both_rows(int(sys.argv[1])) if len(sys.argv) > 1 else rows():
        print(row)
