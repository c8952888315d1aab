"""The small plant with a saw that said everything a chart must show: a week of values, gaps, bad ones, late ones, corrections.

    python -m tests.app.chart_plant FOLDER PORT        serves it, to be looked at
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa

from loopwright.core.clock import NS_PER_S
from loopwright.core.types import Batch, Event, Kind, Signal, Thing
from loopwright.store import Store
from tests.app.small_plant import small_plant

SAW = Kind("saw", "a band saw", (
    Signal("blade.temperature", "degC", "gauge", 0.1, -40.0, 200.0, "Temperature of the blade."),
    Signal("cuts", "1", "counter", None, 0.0, None, "Cuts since the last reset."),
    Signal("mode", "", "state", None, None, None, "What it does.", codes={0: "idle", 1: "cutting", 7: "fault"}),
    Signal("sound", "1", "gauge", 100.0, None, None, "Sound beside the blade."),
))
DAYS, STEP_S = 7, 10


def fill(store: Store, now_ns: int) -> None:
    """A week of the saw up to now, and what went wrong in it."""
    store.declare([SAW], [Thing("saw-1", "saw")])
    n = DAYS * 86_400 // STEP_S
    t_ns = now_ns - (n - 1 - np.arange(n)) * STEP_S * NS_PER_S
    day = np.arange(n) * STEP_S / 86_400 * 2 * np.pi
    value = 47 + 15 * np.sin(day) + np.random.default_rng(1).normal(0, 1.2, n)
    quality = np.zeros(n, np.int8)
    quality[n // 2:n // 2 + 300], quality[n // 3:n // 3 + 300] = 2, 1
    gone = np.zeros(n, bool)
    gone[-2800:-1200] = True  # more than four hours: a whole step of every chart, whatever the time of day in which the source said that it had no value
    silent = np.zeros(n, bool)
    silent[n // 4:n // 4 + 2500] = True  # seven hours in which it said nothing
    late = np.zeros(n, bool)
    late[-300:-280] = True
    for rows in (~silent & ~late, late):
        put(store, "blade.temperature", t_ns[rows], value[rows], quality[rows], gone[rows])
    put(store, "cuts", t_ns[::6], np.arange(n)[::6] % 5000, quality[::6] * 0, gone[::6])
    put(store, "mode", t_ns[::360], np.array([0, 1, 1, 7])[(np.arange(n) // 1000 % 4)[::360]], quality[::360] * 0, gone[::360])
    sound = np.sin(np.arange(6000) / 7).astype(np.float32)
    block = pa.table({"thing": ["saw-1"], "signal": ["sound"], "t_ns": [now_ns - 60 * NS_PER_S], "dt_ns": [NS_PER_S // 100], "values": [sound], "quality": pa.array([0], pa.int8())})
    store.put(Batch("files", "files/sound", None, block))
    event = store.record([Event("points.corrected", "saw-1", now_ns, "erika", {"reason": "the sensor was loose"})])[0]
    put(store, "blade.temperature", t_ns[-200:-190], value[-200:-190] - 9, quality[-200:-190], gone[-200:-190], event.id)
    store.flush()


def put(store: Store, signal: str, t_ns: np.ndarray, value: np.ndarray, quality: np.ndarray, gone: np.ndarray, correction: str = "") -> None:
    gauge = SAW.signal(signal).kind == "gauge"
    nothing = pa.nulls(len(t_ns), pa.int64() if gauge else pa.float64())
    told = pa.array(value, pa.float64() if gauge else pa.int64(), mask=gone)
    table = pa.table({
        "thing": ["saw-1"] * len(t_ns), "signal": [signal] * len(t_ns), "t_ns": t_ns, "quality": quality.astype(np.int8),
        "value": told if gauge else nothing, "code": nothing if gauge else told,
    })
    store.put(Batch("http", "http/erika" if correction else "http/saw-1", None, table, correction=correction))


@contextmanager
def serving(folder: Path, *flags: str) -> Iterator[str]:
    """It, served by a process of its own; its address."""
    command = [sys.executable, "-m", "tests.app.chart_plant", str(folder), "0", *flags]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        if not line.isdigit():
            raise RuntimeError("the plant did not start")
        yield f"http://127.0.0.1:{line}"
        process.terminate()


def main(argv: list[str]) -> None:
    from loopwright.app import serve_http

    with small_plant(Path(argv[0]), empty=True) as front:
        fill(front.store, front.clock.now_ns())
        app = serve_http.build_app(front.store, front.site, front.flow, front.auth, clock=front.clock)
        asyncio.run(serve_http.serve(app, "127.0.0.1", int(argv[1]), ready=lambda port: print(port, flush=True)))


if __name__ == "__main__":
    main(sys.argv[1:])
