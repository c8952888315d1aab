"""Solids of designs, made in a warm worker beside the plan and never on its path."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from typing import Any

from loopwright.app.flow import Flow
from loopwright.app.plant import Plant
from loopwright.core.types import Design, Event
from loopwright.make.design import from_body


class Solids:
    """Hands designs to the worker and records each solid when it is there. Without the extra `solid` it makes none."""

    def __init__(self, plant: Plant, flow: Flow) -> None:
        self.plant, self.flow = plant, flow
        self.made = 0
        self.function = str(plant.product_pack.hooks.get("solid", ""))
        self.enabled = bool(self.function) and find_spec("build123d") is not None
        self._waiting: list[asyncio.Task[None]] = []
        if self.enabled:
            plant.workers.warm("solid", self.function.split(":")[0] + ":warm")

    def submit(self, designs: Sequence[Design]) -> None:
        """Queues the solids of these designs, except those that were made before."""
        if not self.enabled:
            return
        there = {event.body["design"] for event in self.plant.store.recall(kind="solid.made")}
        folder = self.plant.site.folder / "solids"
        for design in designs:
            if design.id in there:
                continue
            target = str(folder / design.id.replace("/", "_").replace("@", "_"))
            call = self.plant.workers.call("solid", self.function, asdict(design), target)
            self._waiting.append(asyncio.create_task(self._record(design, asyncio.wrap_future(call))))

    async def _record(self, design: Design, future: asyncio.Future[dict[str, Any]]) -> None:
        made = await future
        order = design.id.split("/", 1)[1].rsplit("@", 1)[0]
        body = {**made, "design": design.id}
        event = Event("solid.made", order, self.plant.clock.now_ns(), "solid worker", body, key=f"solid/{design.id}")
        await asyncio.to_thread(self.plant.store.record, [event])
        self.made += 1

    def missing(self) -> list[Design]:
        """Designs of orders that were fitted and have no solid yet."""
        there = {event.body["design"] for event in self.plant.store.recall(kind="solid.made")}
        fitted = (from_body(event.body) for event in self.plant.store.recall(kind="order.fitted"))
        return [design for design in fitted if design.id not in there]

    async def make_missing(self) -> None:
        """Makes the solids that a turn left for later, in the background of a plant that is up."""
        self.submit(await asyncio.to_thread(self.missing))
        await self.finish()

    async def finish(self) -> None:
        """Waits for every solid, saying how many are left; the first that failed is raised."""
        told = 0
        while self._waiting:
            if not told or len(self._waiting) <= told // 2:
                told = len(self._waiting)
                words = "one solid is left to make" if told == 1 else f"{told} solids are left to make"
                self.flow.stage("design", words)
            done, _ = await asyncio.wait(self._waiting, timeout=2.0, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                self._waiting.remove(task)
                task.result()
        if told:
            self.flow.stage("design", "the solids are made")
            self.flow.done("design")
