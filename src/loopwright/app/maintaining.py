"""Tools of machines while a plant runs: runs that ended are told of before they are inspected, and judged after.

    await keep_maintained(plant, shop, flow)

What is played here is inspected once it was heard; what a person inspects is judged at the next look. A model of tool
wear is trained anew when enough runs were inspected since, and waits for its approval like any other.
"""

from __future__ import annotations

import asyncio
import sys

from loopwright.app import changing, serving
from loopwright.app.floor import Floor
from loopwright.app.flow import Flow
from loopwright.app.learning import classes
from loopwright.app.plant import Plant
from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import LinkError, LoopwrightError

EVERY_S = 5.0
JUDGED_NS = 86_400 * NS_PER_S  # runs that ended so long ago are history: they teach, and open no work order


async def keep_maintained(plant: Plant, shop: Floor, flow: Flow) -> None:
    """Looks every few seconds whether runs ended or were inspected, until it is cancelled."""
    await shop.ready()
    maintenance, seen = serving.Maintenance(plant), -1
    maintenance.back_ns = JUDGED_NS
    while True:
        await plant.clock.sleep(EVERY_S)
        try:
            if shop.findings:
                await _foresee(plant, shop, maintenance)
            labels = len(await asyncio.to_thread(maintenance.labels))
            if labels != seen:
                seen = labels
                said = len(maintenance.decisions)
                _again(plant, maintenance, labels)
                await maintenance.look(plant.clock.now_ns())
                await changing.ahead(plant, plant.clock.now_ns())
                flow.count("serve", len(maintenance.decisions) - said)
        except LoopwrightError as error:
            print(f"maintain: {error}", file=sys.stderr, flush=True)


async def _foresee(plant: Plant, shop: Floor, maintenance: serving.Maintenance) -> None:
    """Says of runs that ended what inspection will find, then lets it be recorded."""
    try:
        await shop.caught_up()
    except LinkError:
        shop.inspect()  # a machine went silent: what was found stands, and nothing is said of it before
        raise
    now_ns = plant.clock.now_ns()
    await maintenance.foresee(shop.findings, now_ns)
    await asyncio.to_thread(classes.told, plant, serving.ended_runs(shop.findings), now_ns)
    shop.inspect()


def _again(plant: Plant, maintenance: serving.Maintenance, labels: int) -> None:
    """Lets wear be learned anew once so many runs as [learning] every says were inspected since."""
    every = int(plant.site["learning"]["every"])
    if maintenance.trained is None or (every and labels - len(maintenance.trained.seen) >= every):
        maintenance.trained, maintenance.came, maintenance.why_not = None, "", ""


