"""An edge: it listens to machines as a plant does, keeps what they say on its own disk, and sends it on to a centre.

    run_edge(Path("edge.toml"), data=None)     until Ctrl-C
    status(Path("edge.toml"))                  what `loopwright edge SITE.toml --status` shows

Nothing is acknowledged to a machine before it is on the disk here, and nothing is deleted here before the centre has
said that it is on its disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from loopwright.app import edge_door
from loopwright.app.floor import floor
from loopwright.app.flow import Flow
from loopwright.app.forward import Forwarder, opener
from loopwright.app.plant import Plant
from loopwright.app.run import listen
from loopwright.app.site import Site, load_site
from loopwright.connect import centre
from loopwright.connect.wire import secret
from loopwright.core import plug
from loopwright.core.clock import NS_PER_S, RealClock, iso, monotonic_s
from loopwright.core.errors import LoopwrightError, PlantBusy, SiteError, StoreError
from loopwright.core.types import Batch, Event, Kind, Receipt, Thing
from loopwright.store import Store
from loopwright.store.buffer import Buffer
from loopwright.store.events import Ledger
from loopwright.store.schema import connect

STATUS = "status.json"  # in the edge's folder while it runs
RETRY_S = 0.5  # after that long a batch is offered again to a buffer that is full, or a disk that fails
TICK_S = 1.0
SAY_S = 60.0
READERS = 64  # machines whose batches may wait at once
KEEP_MINUTES_NS = 100 * 86_400 * NS_PER_S  # for how long the counts by minute are kept
TOLD_S = 5.0


class EdgeStore:
    """What a plant's store is to its floor: the buffer, and the edge's own chain of events."""

    def __init__(self, site: Site) -> None:
        table = site["edge"]
        self.clock = RealClock()
        self.buffer = Buffer(site.folder, self.clock, int(table["buffer_mb"] * 1e6), table["when_full"])
        try:
            self._engine = connect(f"sqlite:///{site.folder / 'events.sqlite'}", False)
            self.events = Ledger(self._engine, self.buffer.next_known_ns)
            self.buffer.next_known_ns(self.events.last_known_ns())
            self.buffer.declare(site.all_kinds, site.things)
        except BaseException:
            self.buffer.close()
            raise
        self.trouble = ""
        self._closing = threading.Event()

    def put(self, batch: Batch) -> Receipt:
        """Stores a batch; while the buffer is full or the disk fails it waits, and its source holds back."""
        while True:
            try:
                receipt = self.buffer.put(batch)
                self.trouble = ""
                return receipt
            except StoreError as error:
                self.trouble = error.given
                if self._closing.wait(RETRY_S):
                    raise

    def things(self) -> dict[str, Thing]:
        return self.buffer.things()

    def kinds(self) -> dict[str, Kind]:
        return self.buffer.kinds()

    def cursor(self, source: str) -> int | None:
        return self.buffer.cursor(source)

    def newest(self, things: Sequence[str], signals: Sequence[str]) -> pa.Table:
        return self.buffer.newest(things, signals)

    def note_sent(self, hop: str, source: str, sent: int | None, word: str = "") -> None:
        try:
            self.buffer.note_sent(hop, source, sent, word)
        except StoreError as error:  # the count of a stream that ended: no reason to end everything
            self.trouble = error.given

    def record(self, events: Sequence[Event]) -> list[Event]:
        """Records events in the edge's own chain."""
        return self.events.record(events)

    def stop(self) -> None:
        """Lets those go who wait for room; what they bring is not acknowledged."""
        self._closing.set()

    def close(self) -> None:
        self.stop()
        self._engine.dispose()
        self.buffer.close()


def edge_site(path: Path) -> Site:
    """The site file of an edge; SiteError when it has no [edge] table with a name and a centre."""
    site = load_site(path)
    if not site["edge"]["name"]:
        raise SiteError(f"{path} [edge]", "is not there", 'name = "line-3" and centre = "http://10.0.0.2:8080"')
    return site


def run_edge(path: Path, data: Path | None) -> None:
    """What `loopwright edge` does, until Ctrl-C or SIGTERM. PlantBusy when another process has this edge's folder."""
    site = edge_site(path)
    for key in ("token_env", "devices_token_env"):
        secret(str(site["edge"][key]), f"[edge] {key}")
    store = EdgeStore(site)
    try:
        asyncio.run(Edge(site, store).run(data))
    finally:
        store.close()


class Edge:
    """One edge while it runs."""

    def __init__(self, site: Site, store: EdgeStore) -> None:
        self._site, self._store, self._buffer = site, store, store.buffer
        self.name = str(site["edge"]["name"])
        self._link = {"state": "down", "word": "not reached yet", "since": iso(store.clock.now_ns())}
        self._came_up, self._told = asyncio.Event(), False
        self._seen: deque[tuple[float, int, int]] = deque(maxlen=61)  # when, accepted, stored: of the last minute
        table = site["edge"]
        way = centre.Settings(str(table["centre"]), self.name, str(table["token_env"]), str(table["user"]))
        heard = [machine.id for machine in site.machines if machine.link]
        self._forwarder = Forwarder(self._buffer, self.name, opener(way, heard), store.clock, self._linked)

    async def run(self, data: Path | None) -> None:
        """Everything that goes on side by side; the first that fails ends the others."""
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(READERS))
        this = asyncio.current_task()
        assert this is not None

        def end() -> None:
            self._told = True
            this.cancel()

        loop.add_signal_handler(signal.SIGTERM, end)
        body = {"site": self._site.hash, "epoch": self._buffer.epoch}
        self._record("edge.started", self.name, body)
        packs = {name: plug.load("packs", name).PACK for name in self._site["site"]["packs"]}
        plant = Plant(self._site, cast(Store, self._store), self._store.clock, packs, f"edge {self.name}")
        try:
            async with floor(plant, data, Flow(), self._site.seed, resume=True) as shop:
                await self._together(
                    listen(shop), self._forwarder.run(), self._tick(), self._fold(), self._report(),
                    edge_door.serve(self._site, self._store, self.status, self._say),
                )
        except asyncio.CancelledError:
            self._say("stopped; what was acknowledged is kept, and sent on when it runs again")
            if not self._told:
                raise
        finally:
            self._store.stop()
            self._write_status()
            self._record("edge.stopped", self.name, {"waiting": self._buffer.state()["samples"]})

    async def _together(self, *work: Any) -> None:
        tasks = [asyncio.create_task(one) for one in work]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._store.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # what it says of itself

    def status(self) -> dict[str, Any]:
        """The edge as plain data: its link, what waits, rates over the last minute, hours of buffer left."""
        held, now_ns = self._buffer.state(), self._store.clock.now_ns()
        rate_in, rate_out = self._rates()
        need = rate_in * held["bytes_a_sample"]
        oldest = held.pop("oldest_ns")
        return {
            "edge": self.name, "centre": self._site["edge"]["centre"], "epoch": self._buffer.epoch, "pid": os.getpid(),
            "at": iso(now_ns), "link": dict(self._link), "disk": self._store.trouble, "buffer": held,
            "oldest_waiting_s": None if oldest is None else max(0, now_ns - oldest) / NS_PER_S,
            "rate_in_per_s": rate_in, "rate_out_per_s": rate_out,
            "hours_left": (held["limit_bytes"] - held["bytes"]) / need / 3600 if need else None,
            "hops": {name: hop.as_dict() for name, hop in self._buffer.hops().items()},
        }

    def _rates(self) -> tuple[float, float]:
        if len(self._seen) < 2:
            return 0.0, 0.0
        (began_s, accepted, stored), (now_s, accepted_now, stored_now) = self._seen[0], self._seen[-1]
        return (accepted_now - accepted) / (now_s - began_s), (stored_now - stored) / (now_s - began_s)

    def _say(self, words: str) -> None:
        print(f"{self.name}: {words}", file=sys.stderr, flush=True)

    def _linked(self, state: str, word: str) -> None:
        """The link came or went."""
        if (state, word) == (self._link["state"], self._link["word"]):
            return
        changed = state != self._link["state"]
        if state == "up":
            self._came_up.set()
        self._link = {"state": state, "word": word, "since": iso(self._store.clock.now_ns())}
        self._say(f"link to the centre {state}{': ' if word else ''}{word}")
        if changed:
            self._record("link.state", self._site["edge"]["centre"], {"state": state, "word": word})

    def _record(self, kind: str, about: str, body: dict[str, Any]) -> None:
        """An event of the edge; a disk that fails takes none, which is said."""
        now_ns = self._store.clock.now_ns()
        try:
            self._store.record([Event(kind, about, now_ns, f"edge {self.name}", body)])
        except StoreError as error:
            self._say(str(error))

    # what it does now and then

    async def _tick(self) -> None:
        """Rates and the status file every second, a line every minute, old counts away once a day."""
        said_s = cleaned_s = monotonic_s()
        while True:
            held = await asyncio.to_thread(self._buffer.state)
            self._seen.append((monotonic_s(), held["accepted"], held["stored"]))
            await asyncio.to_thread(self._write_status)
            if monotonic_s() - said_s >= SAY_S:
                said_s = monotonic_s()
                self._say(in_words(self.status()))
            if monotonic_s() - cleaned_s >= 86_400:
                cleaned_s = monotonic_s()
                self._buffer.forget_minutes(self._store.clock.now_ns() - KEEP_MINUTES_NS)
            await asyncio.sleep(TICK_S)

    def _write_status(self) -> None:
        path = self._site.folder / STATUS
        with contextlib.suppress(OSError):  # a full disk is told elsewhere
            part = path.with_suffix(".part")
            part.write_text(json.dumps(self.status()), "utf-8")
            part.replace(path)

    async def _fold(self) -> None:
        """Small rows become segments; a disk that fails is tried again."""
        while True:
            try:
                folded = await asyncio.to_thread(self._buffer.fold)
            except StoreError as error:
                self._store.trouble, folded = error.given, 0
            await asyncio.sleep(0.01 if folded else TICK_S)

    async def _report(self) -> None:
        """Tells the centre the edge's books, when the link comes up and now and then."""
        while True:
            if self._forwarder.centre is not None:
                with contextlib.suppress(LoopwrightError):
                    await self._forwarder.centre.report(await asyncio.to_thread(self.books))
            self._came_up.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(float(self._site["edge"]["report_s"])):
                    await self._came_up.wait()

    def books(self) -> dict[str, Any]:
        """What the centre is told now and then."""
        state = self.status()
        chain = self._store.events.verify()
        return {
            "edge": self.name, "epoch": state["epoch"], "t_ns": self._store.clock.now_ns(), "hops": state.pop("hops"),
            "state": state, "events": {"count": chain.length, "head": chain.head},
        }


def status(path: Path) -> dict[str, Any]:
    """The status of an edge: of the process that runs it, or of its buffer when none does."""
    site = edge_site(path)
    if not (site.folder / "journal.sqlite").is_file():
        raise StoreError(f"edge {site.folder}", "it has never run", "", f"loopwright edge {path}")
    try:
        store = EdgeStore(site)
    except PlantBusy:
        try:
            found: dict[str, Any] = json.loads((site.folder / STATUS).read_text("utf-8"))
        except (OSError, ValueError):
            said = "it runs, and has not said how it is yet"
            raise StoreError(f"edge {site.folder}", said, "", "ask again") from None
        return found
    try:
        edge = Edge(site, store)
        edge._link = {"state": "not running", "word": "", "since": ""}
        return edge.status()
    finally:
        store.close()


def in_words(state: dict[str, Any]) -> str:
    """The status in one line."""
    held, oldest, left = state["buffer"], state["oldest_waiting_s"], state["hours_left"]
    words = [
        f"link {state['link']['state']}" + (f" ({state['link']['word']})" if state["link"]["word"] else ""),
        f"{held['samples']:,} samples wait ({held['bytes'] / 1e6:,.1f} of {held['limit_bytes'] / 1e6:,.0f} MB)"
        + (f", the oldest for {oldest:,.0f} s" if oldest is not None else ""),
        f"in {state['rate_in_per_s']:,.0f}/s, out {state['rate_out_per_s']:,.0f}/s",
    ]
    if left is not None:
        words.append(f"room for {left:,.1f} hours at this rate")
    if held["dropped"] or held["lost"]:
        words.append(f"{held['dropped']:,} dropped, {held['lost']:,} lost")
    if state["disk"]:
        words.append(f"nothing is accepted now: {state['disk']}")
    return "; ".join(words)
