"""A reader that is killed in mid-stream, again and again, and what its plant must hold in the end.

    python -m tests.connect.victim PROTOCOL PLANT PORT     reads into a plant until the stream ends; says "stored N"
    await survive("opcua", folder)                         plays the machine, kills the reader three times, checks the plant
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pyarrow as pa

from loopwright.connect.batch import slices
from loopwright.connect.wire import free_port, from_table
from loopwright.core import plug
from loopwright.core.clock import RealClock
from loopwright.store import Store, open_store
from tests.connect.kit import MILL, THINGS, said

KILLS, ROWS = 3, 1200


async def listen(protocol: str, plant: str, port: str) -> None:
    """The reader's process."""
    module = plug.load("connect", protocol)
    with open_store(Path(plant)) as store:
        store.declare([MILL], [thing for thing, _ in THINGS.values()])

        def newest(thing: str, signal: str) -> int | None:
            found = store.newest([thing], [signal])
            return found.column("t_ns")[0].as_py() if found.num_rows else None

        more = {"newest": newest} if "newest" in inspect.signature(module.read).parameters else {}
        settings = from_table(module.Settings, {"port": int(port)}, f"connect.{protocol}")
        sent: dict[tuple[str, str], int | None] = {}
        async for batch in module.read(settings, THINGS, store.cursor, RealClock(), **more):
            receipt = await asyncio.to_thread(store.put, batch)
            sent[batch.hop, batch.source] = batch.sent
            print("stored", receipt.stored, flush=True)
        for (hop, source), count in sent.items():
            store.note_sent(hop, source, count)


async def survive(protocol: str, folder: Path) -> Store:
    """The plant after the reader was killed three times in mid-stream and once left alone. Raises AssertionError."""
    module, port, ready = plug.load("connect", protocol), free_port(), asyncio.Event()
    whole = said(ROWS)
    parts = list(slices(whole, whole.num_rows // (KILLS + 1)))
    go = [asyncio.Event() for _ in parts]

    async def speaks() -> AsyncIterator[pa.Table]:
        for part, event in zip(parts, go, strict=True):
            await event.wait()
            for piece in slices(part, 40):
                yield piece
                await asyncio.sleep(0.01)

    settings = from_table(module.Settings, {"port": port, "epoch": "run 1"}, protocol)
    serving = asyncio.create_task(module.expose(settings, THINGS, speaks(), RealClock(), ready))
    await asyncio.wait_for(ready.wait(), 20)
    acknowledged = 0
    for event in go:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.connect.victim", protocol, str(folder / "plant"), str(port),
            stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        event.set()
        if event is not go[-1]:
            while stored := (await asyncio.wait_for(process.stdout.readline(), 20)).split():
                acknowledged += int(stored[1])
                if int(stored[1]):
                    break  # it has stored something of this part, and is killed while more is coming
            process.kill()
            await process.wait()
            continue
        await asyncio.wait_for(process.communicate(), 40)
        assert process.returncode == 0
    assert await asyncio.wait_for(serving, 10) == whole.num_rows
    assert acknowledged < whole.num_rows, "it was killed in mid-stream"
    return open_store(folder / "plant")


def check(store: Store) -> None:
    """Everything that was said stands there once, and the books say so."""
    whole = said(ROWS)
    by = [(name, "ascending") for name in ("thing", "signal", "t_ns", "n")]
    assert store.get().select(whole.column_names).sort_by(by).equals(whole.sort_by(by))
    (hop,) = [hop for name, hop in store.hops().items() if name not in ("journal", "points")]
    assert (hop.lost, hop.waiting, dict(hop.refused), hop.conflict) == (0, 0, {}, 0)
    assert hop.out == whole.num_rows
    assert hop.into == hop.out + hop.duplicate


if __name__ == "__main__":
    asyncio.run(listen(*sys.argv[1:]))
