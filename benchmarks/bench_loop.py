"""The whole loop: seconds to the first result and for a turn, order to released plan, wire to decision, peak memory.

python -m benchmarks.bench_loop            the bundled demo, as a user starts it, three times (medians)
python -m benchmarks.bench_loop --no-install   without the base install (a fresh venv, pip)
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from loopwright.app import watching
from loopwright.app.plant import open_plant
from loopwright.app.site import load_site
from loopwright.connect import mqtt
from loopwright.connect.batch import from_columns
from loopwright.connect.broker import embedded
from loopwright.connect.wire import free_port
from loopwright.core import plug
from loopwright.core.clock import RealClock, monotonic_s
from loopwright.core.types import Event, Thing
from loopwright.packs.shop_floor.signals import MILL
from loopwright.store import open_store

COMMAND = Path(sys.executable).parent / "loopwright"
ROOT = Path(__file__).parents[1]

_SITE = """
[site]
name = "bench"
packs = ["shop_floor"]
[[machine]]
id = "mill-1"
kind = "mill"
role = "mill"
stale_after_s = 3600
limits = [{ name = "spindle too fast", signal = "s.velocity", high = 400.0 }]
link = { protocol = "mqtt" }
"""


def demo(repeats: int = 3) -> list[dict[str, Any]]:
    """The demo as a user starts it: seconds from the program's start to the first fitted design, and to its end."""
    first, whole, report = [], [], {}
    for _ in range(repeats):
        begun_s = monotonic_s()
        process = subprocess.Popen(
            [str(COMMAND), "demo", "--once", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        assert process.stdout is not None
        for line in process.stderr:
            if line.startswith("design"):
                first.append(monotonic_s() - begun_s)
                break
        report = json.loads(process.communicate()[0])
        whole.append(monotonic_s() - begun_s)
    stages = ", ".join(f"{name} {seconds:.1f}" for name, seconds in report["seconds"].items())
    units = report["units"]["made"]
    return [
        {
            "what": "program start to first result",
            "value": statistics.median(first),
            "unit": "s",
            "limit": 10,
            "note": "first fitted design on the terminal",
        },
        {
            "what": "one turn of the demo, program included",
            "value": statistics.median(whole),
            "unit": "s",
            "limit": 60,
            "note": f"{units} units made; {stages}",
        },
        {
            "what": "peak memory of the plant's process",
            "value": report["peak_memory_mb"],
            "unit": "MB",
            "limit": None,
            "note": "workers and played machines are processes of their own",
        },
    ]


def decisions(count: int = 300) -> list[dict[str, Any]]:
    """From a sample on the wire (MQTT) to the recorded decision of an alarm about it."""
    folder = Path(tempfile.mkdtemp())
    try:
        (folder / "site.toml").write_text(_SITE)
        site = load_site(folder / "site.toml")
        with open_plant(site) as plant:
            times = asyncio.run(_alarms(plant, folder, count))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    ms = np.array(times) * 1e3
    return [
        {
            "what": "wire to decision, p50",
            "value": float(np.quantile(ms, 0.5)),
            "unit": "ms",
            "limit": None,
            "note": f"{count} alarms, one at a time",
        },
        {
            "what": "wire to decision, p99",
            "value": float(np.quantile(ms, 0.99)),
            "unit": "ms",
            "limit": None,
            "note": "publish, broker, read, journal (FULL), watch, event",
        },
    ]


def order_to_plan(repeats: int = 9) -> list[dict[str, Any]]:
    """From placing one order to its released plan, in a warm plant: order, fit, design, plan, events on disk."""
    from loopwright.app.demo import SITES
    from loopwright.app.imports import bring
    from loopwright.app.making import Making
    from loopwright.app.ordering import choose, fit_orders, place

    folder = Path(tempfile.mkdtemp())
    times: list[float] = []
    try:
        shutil.copy(SITES / "demo.toml", folder / "site.toml")
        with open_plant(load_site(folder / "site.toml")) as plant:
            bring(plant, "persons", SITES / "demo_persons.csv")
            plant.workers.warm("plan", "loopwright.make.plan:plan").result()
            for i in range(repeats):
                begun_s = monotonic_s()
                orders = place(plant, f"B{i:03d}-", choose(plant, 1, i), plant.site.origin_ns)
                designs = fit_orders(plant, orders, lambda order: plant.rules, plant.site.origin_ns)
                making = Making(plant, orders, designs, plant.site.origin_ns, {}, f"B{i:03d}")
                asyncio.run(making.plan("bench"))
                times.append(monotonic_s() - begun_s)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return [
        {
            "what": "order to released plan, one order, warm",
            "value": statistics.median(times),
            "unit": "s",
            "limit": 2,
            "note": f"median of {repeats}; slowest {max(times):.2f} s",
        }
    ]


async def _alarms(plant: Any, folder: Path, count: int) -> list[float]:
    clock, times, turns = RealClock(), [], asyncio.Queue[float]()
    things = {"mill-1": (plant.store.things()["mill-1"], plant.store.kinds()["mill"])}

    async def said() -> Any:
        for i in range(2 * count):
            speed = 450.0 if i % 2 == 0 else 100.0
            turns.put_nowait(monotonic_s())
            yield from_columns("mill-1", [clock.now_ns()], {"s.velocity": [speed]}, things["mill-1"][1])
            await turns.join()

    async with embedded(folder / "broker") as port:
        settings = mqtt.Settings(port=port)
        sender = asyncio.create_task(mqtt.expose(settings, things, said(), clock))
        async for batch in mqtt.read(settings, things, lambda source: None, clock):
            await asyncio.to_thread(plant.store.put, batch)
            if batch.ack:
                await batch.ack()
            if batch.table.num_rows == 0:
                continue
            raised: list[Event] = await asyncio.to_thread(watching.watch, plant, clock.now_ns())
            begun_s = turns.get_nowait()
            turns.task_done()
            if raised:
                times.append(monotonic_s() - begun_s)
        await sender
    return times


def protocols(samples: int = 240_000, repeats: int = 3) -> list[dict[str, Any]]:
    """From the wire to a query, one row a protocol: both ends in this process, journal and flush included."""
    found = []
    for name in ("mqtt", "opcua", "mtconnect"):
        rates = [asyncio.run(_through(name, samples)) for _ in range(repeats)]
        note = f"samples a second, median of {repeats}; {samples:,} samples, 24 signals, frames of 50 times"
        row = {"what": f"wire to query, {name}", "value": statistics.median(rates), "unit": "1/s", "limit": 50_000}
        found.append({**row, "note": note})
    return found


async def _through(name: str, samples: int) -> float:
    module = plug.load("connect", name)
    signals = [s.name for s in MILL.signals if s.kind == "gauge"][:24]
    steps = samples // len(signals)
    times = np.arange(steps, dtype=np.int64) * 100_000_000 + RealClock().now_ns()
    values = np.random.default_rng(1).uniform(0.0, 0.01, (steps, len(signals)))
    tables = [
        from_columns("mill-1", times[i : i + 50], {s: values[i : i + 50, j] for j, s in enumerate(signals)}, MILL)
        for i in range(0, steps, 50)
    ]
    things = {"mill-1": (Thing("mill-1", "mill"), MILL)}
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "plant") as store:
        store.declare([MILL], [things["mill-1"][0]])
        async with contextlib.AsyncExitStack() as stack:
            port = free_port()
            if name == "mqtt":
                port = await stack.enter_async_context(embedded(Path(folder) / "broker"))
            settings, clock, ready = module.Settings(port=port), RealClock(), asyncio.Event()
            begun_s = monotonic_s()
            said = asyncio.create_task(module.expose(settings, things, iter(tables), clock, ready))
            await ready.wait()
            async for batch in module.read(settings, things, lambda source: None, clock):
                await asyncio.to_thread(store.put, batch)
                if batch.ack:
                    await batch.ack()
            await said
        store.flush()
        count = store.query("select count(*) as n from points").column("n")[0].as_py()
        took_s = monotonic_s() - begun_s
        assert count == steps * len(signals), (name, count)
    return float(count) / took_s


def install() -> list[dict[str, Any]]:
    """A fresh venv with the base package only, by pip as it comes with Python."""
    folder = Path(tempfile.mkdtemp())
    try:
        begun_s = monotonic_s()
        subprocess.run([sys.executable, "-m", "venv", str(folder / "v")], check=True)
        subprocess.run(
            [str(folder / "v" / "bin" / "pip"), "install", "--quiet", "-c", str(ROOT / "constraints.txt"), str(ROOT)],
            check=True,
        )
        took_s = monotonic_s() - begun_s
        size = sum(f.stat().st_size for f in (folder / "v").rglob("*") if f.is_file() and not f.is_symlink())
        light = subprocess.run(
            [str(folder / "v" / "bin" / "python"), "-X", "importtime", "-c", "import loopwright"],
            capture_output=True,
            text=True,
            check=True,
        )
        import_s = int(light.stderr.strip().splitlines()[-1].split("|")[1]) / 1e6
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return [
        {
            "what": "base install, size",
            "value": size / 1e6,
            "unit": "MB",
            "limit": 600,
            "note": "the whole venv, compiled files included",
        },
        {
            "what": "base install, seconds",
            "value": took_s,
            "unit": "s",
            "limit": 60,
            "note": "venv and pip, packages from the registry",
        },
        {"what": "import loopwright", "value": import_s, "unit": "s", "limit": 0.3, "note": ""},
    ]


def rows(with_install: bool = True) -> list[dict[str, Any]]:
    """Everything above."""
    return [*demo(), *order_to_plan(), *decisions(), *protocols(), *(install() if with_install else [])]


if __name__ == "__main__":
    for row in rows("--no-install" not in sys.argv):
        print(f"{row['what']:<45}{row['value']:>10.2f} {row['unit']:<4} limit {row['limit'] or '-'}  {row['note']}")
