"""The edge: days of outage at 1,000 points/s put into its buffer, then drained into a centre while new points flow on.

    python -m benchmarks.bench_edge [SCALE]      1.0 is four days, 345.6 million points; 0.01 when left out

A fleet of 10 machines with 10 signals each at 10 Hz, values with two decimals, in batches of 10,000 (a batch each ten
seconds, as a device that buffers for itself would send); what smaller batches cost stands in a table of its own.
The centre is a plant in a process of its own with the API of `loopwright run`, over the loopback. Limits in the same
run: SQLite blobs of the same bytes with synchronous=FULL, and loopback posts of the same bytes to an app that reads
them and says yes.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bench_store import KIND, THINGS, table
from loopwright.connect.wire import LOOPBACK, free_port
from loopwright.core.clock import RealClock, monotonic_s
from loopwright.core.types import Batch
from loopwright.store.buffer import Buffer

PER_S, FOUR_DAYS = 1_000, 345_600_000
SIZE = 10_000
SOURCE = "mqtt/line#1"
SITE = '[site]\nname = "bench"\nfolder = "centre"\npacks = []\n'


def batch(first: int, size: int) -> Batch:
    """Samples first .. of the fleet, as one source that numbers them."""
    return Batch("mqtt", SOURCE, first, table(first, size), first + size)


def _opened(folder: Path, **more: Any) -> Buffer:
    buffer = Buffer(folder, **more)
    buffer.declare([KIND], THINGS)
    return buffer


def rss_mb() -> float:
    """Memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def rest_rows() -> list[dict[str, Any]]:
    """Bytes a point at rest by the size of the batches, before and after folding; puts and folds a second."""
    out = []
    for size, count in ((10, 2_000), (100, 1_000), (1_000, 200), (10_000, 30)):
        offered = [batch(i * size, size) for i in range(count)]
        with tempfile.TemporaryDirectory() as folder:
            buffer = _opened(Path(folder))
            took = []
            for one in offered:
                begun_s = monotonic_s()
                buffer.put(one)
                took.append(monotonic_s() - begun_s)
            before = buffer.state()
            buffer._queue.small.close()  # also what is not worth a segment yet
            begun_s = monotonic_s()
            while buffer.fold():
                pass
            fold_s = monotonic_s() - begun_s
            after = buffer.state()
            buffer.close()
        points = size * count
        out.append({
            "batch": size, "before": before["bytes"] / points, "after": after["bytes"] / points,
            "per_s": points / sum(took), "p50_ms": float(np.median(took) * 1e3),
            "p99_ms": float(np.percentile(took, 99) * 1e3), "fold_per_s": points / fold_s,
            "sqlite_per_s": points / _sqlite_s([piece_bytes(one) for one in offered]),
        })
    return out


def piece_bytes(one: Batch) -> bytes:
    """What a batch is on the disk when it was just accepted."""
    from loopwright.store.piece import packed

    return packed(one.table)


def _sqlite_s(blobs: list[bytes]) -> float:
    """Seconds of a bare SQLite commit of each, WAL and synchronous=FULL."""
    with tempfile.TemporaryDirectory() as folder:
        db = sqlite3.connect(Path(folder) / "bare.sqlite", isolation_level=None)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("CREATE TABLE blobs (id INTEGER PRIMARY KEY, data BLOB)")
        begun_s = monotonic_s()
        for blob in blobs:
            db.execute("INSERT INTO blobs (data) VALUES (?)", (blob,))
        took_s = monotonic_s() - begun_s
        db.close()
    return took_s


def outage_row(folder: Path, points: int) -> dict[str, Any]:
    """The backlog of an outage is put and folded: bytes a point, points/s, memory before and after."""
    buffer = _opened(folder, limit_bytes=20_000_000_000)
    before_mb, put_s, begun_s = rss_mb(), 0.0, monotonic_s()
    for first in range(0, points, SIZE):
        one = batch(first, SIZE)
        at_s = monotonic_s()
        buffer.put(one)
        put_s += monotonic_s() - at_s
        buffer.fold()
    state = buffer.state()
    size = sum(path.stat().st_size for path in folder.glob("journal.sqlite*"))
    buffer.close()
    begun_again_s = monotonic_s()
    buffer = _opened(folder)
    opened_s = monotonic_s() - begun_again_s
    buffer.close()
    return {
        "points": points, "days": points / PER_S / 86_400, "put_per_s": points / put_s,
        "bytes": state["bytes"] / points, "file_bytes": size / points, "mb": state["bytes"] / 1e6,
        "grew_mb": rss_mb() - before_mb, "with_input_per_s": points / (begun_again_s - begun_s), "open_s": opened_s,
    }


def _serve(folder: Path, port: int, plain: bool) -> None:
    """The other process: a plant with its API (flushing as `loopwright run` does), or an app that only says yes."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def yes(request: Request) -> JSONResponse:
        return JSONResponse({"samples": len(await request.body())})

    if plain:
        uvicorn.run(Starlette(routes=[Route("/api/points", yes, methods=["POST"])]), port=port, log_level="error")
        return
    from loopwright.app.flow import Flow
    from loopwright.app.serve_http import build_app, serve
    from loopwright.app.site import load_site
    from loopwright.store import open_store

    async def main() -> None:
        site = load_site(folder / "site.toml")
        with open_store(site.folder) as store:
            store.declare([KIND], THINGS)

            async def flush() -> None:
                while True:
                    await asyncio.sleep(1.0)
                    await asyncio.to_thread(store.flush)

            await asyncio.gather(serve(build_app(store, site, Flow(), console=False), port=port), flush())

    asyncio.run(main())


@contextmanager
def _process(folder: Path, plain: bool) -> Iterator[str]:
    """The other process, answering."""
    import httpx

    port = free_port()
    (folder / "site.toml").write_text(SITE, "utf-8")
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(folder, port, plain))
    process.start()
    url = f"http://{LOOPBACK}:{port}"
    try:
        for _ in range(600):
            try:
                httpx.get(f"{url}/api/things", timeout=5)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield url
    finally:
        process.kill()
        process.join()


def drain_row(folder: Path, points: int) -> dict[str, Any]:
    """Drains the backlog into a plant while 1,000 points/s are put; beside bare posts of the same bytes."""
    from loopwright.app.forward import Forwarder, opener
    from loopwright.connect import centre

    buffer = _opened(folder, limit_bytes=20_000_000_000)
    fresh: list[float] = []

    async def flow(first: int) -> None:
        while True:
            at_s = monotonic_s()
            await asyncio.to_thread(buffer.put, batch(first, 100))
            fresh.append(monotonic_s() - at_s)
            first += 100
            await asyncio.sleep(max(0.0, 0.1 - (monotonic_s() - at_s)))

    async def drained(url: str) -> float:
        way = opener(centre.Settings(url, "bench"), [thing.id for thing in THINGS])
        sending = asyncio.create_task(Forwarder(buffer, "bench", way, RealClock(), lambda *_: None).run())
        flowing = asyncio.create_task(flow(points))
        begun_s = monotonic_s()
        while buffer.state()["stored"] < points:  # noqa: ASYNC110 (the buffer is filled and emptied by threads)
            await asyncio.sleep(0.05)
        took_s = monotonic_s() - begun_s
        for task in (flowing, sending):
            task.cancel()
        await asyncio.gather(flowing, sending, return_exceptions=True)
        return took_s

    with tempfile.TemporaryDirectory() as other:
        with _process(Path(other), False) as url:
            took_s = asyncio.run(drained(url))
            counted = _counted(url)
        bodies = buffer.hops()["centre"].into
    buffer.close()
    return {
        "drain_s": took_s, "drain_per_s": points / took_s, "fresh_p50_ms": float(np.median(fresh) * 1e3),
        "fresh_p99_ms": float(np.percentile(fresh, 99) * 1e3), "posted": bodies, "most_mb": _most_mb(), **counted,
    }


def _most_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def _counted(url: str) -> dict[str, Any]:
    import httpx

    rows = {row["name"]: row for row in httpx.get(f"{url}/api/hops", timeout=60).json()["rows"]}
    return {"centre_has": rows["http"]["out"], "twice": rows["http"]["duplicate"], "refused": rows["http"]["refused"]}


def bare_posts_per_s(points: int, bytes_a_point: float) -> float:
    """Points/s of posts of the same bytes, 1 MB each, to an app that only reads them; four at once."""
    import httpx

    body = os.urandom(1_000_000)
    count = max(4, int(points * bytes_a_point / len(body)))

    async def post(url: str) -> float:
        async with httpx.AsyncClient(timeout=60) as client:
            waiting = iter(range(count))

            async def some() -> None:
                for _ in waiting:
                    await client.post(f"{url}/api/points", content=body)

            begun_s = monotonic_s()
            await asyncio.gather(*(some() for _ in range(4)))
            return monotonic_s() - begun_s

    with tempfile.TemporaryDirectory() as other, _process(Path(other), True) as url:
        return count * len(body) / bytes_a_point / asyncio.run(post(url))


def rows(scale: float = 0.01) -> list[dict[str, Any]]:
    """Everything that was measured, in rows."""
    found = measured(scale)
    return [*found["rest"], found["outage"], found["drain"]]


def full_rows() -> list[dict[str, Any]]:
    """Four days."""
    return rows(1.0)


def measured(scale: float) -> dict[str, Any]:
    """Everything that was measured."""
    points = max(SIZE, int(FOUR_DAYS * scale) // SIZE * SIZE)
    with tempfile.TemporaryDirectory() as folder:
        outage = outage_row(Path(folder), points)
        drain = drain_row(Path(folder), points)
    drain["bare_per_s"] = bare_posts_per_s(min(points, 50_000_000), outage["bytes"])
    return {"rest": rest_rows(), "outage": outage, "drain": drain}


def main() -> None:
    """Prints it."""
    found = measured(float(sys.argv[1]) if len(sys.argv) > 1 else 0.01)
    print("batch   B/point  folded   points/s   p50 ms  p99 ms   folds/s   bare SQLite")
    for r in found["rest"]:
        print(f"{r['batch']:>6} {r['before']:>8.1f} {r['after']:>7.2f} {r['per_s']:>10,.0f} {r['p50_ms']:>8.2f} "
              f"{r['p99_ms']:>7.1f} {r['fold_per_s']:>9,.0f} {r['sqlite_per_s']:>12,.0f}")
    o, d = found["outage"], found["drain"]
    print(f"outage: {o['points']:,} points ({o['days']:.2f} days at 1,000/s), {o['bytes']:.2f} B a point "
          f"({o['mb']:,.0f} MB), put {o['put_per_s']:,.0f}/s, memory grew {o['grew_mb']:.0f} MB, opened again in "
          f"{o['open_s']:.2f} s")
    print(f"drain: {d['drain_per_s']:,.0f} points/s ({d['drain_s']:.0f} s) while 1,000/s flow on; bare posts of the "
          f"same bytes {d['bare_per_s']:,.0f}/s; a fresh put {d['fresh_p50_ms']:.1f} ms, p99 {d['fresh_p99_ms']:.1f} "
          f"ms; most memory {d['most_mb']:.0f} MB; the centre has {d['centre_has']:,}, {d['twice']:,} twice, refused "
          f"{d['refused']}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
