"""When a model is trained, and how: in a worker of low priority, model by model, so that a kill loses one step at most.

    came = await train(plant, task, say)       {task, model, came, why}: kept, and put up for promotion
    await keep_learning(plant, flow)           while a plant runs: when enough new outcomes are known, or at its time

What was tried stands in the plant's folder (training/<task>) with the moment whose data were read, until the model is
kept; after a Ctrl-C or a kill the next run goes on from there with the same data. Nothing half made is ever kept as a
model: its file is whole or not there, and its card is recorded after it. A challenger is proposed, never promoted.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

from loopwright.app import models
from loopwright.app.flow import Flow
from loopwright.app.learning import Task, kind_of, learned
from loopwright.app.plant import Plant
from loopwright.core.clock import NS_PER_S, monotonic_s
from loopwright.core.errors import LoopwrightError, MissingExtra, StoreError
from loopwright.learn.kept import registry
from loopwright.learn.tasks import Fitted
from loopwright.store import Store
from loopwright.store.changes import now as known_now

FOLDER, WORKER = "training", "train"
LOOK_S = 30.0
STALE_NS = 86_400 * NS_PER_S  # what was begun longer ago begins anew
LEAST = {"forecast": 12, "life": 6, "classes": 6, "anomaly": 6}  # outcomes before the first training
Say = Callable[[str], None]
_UNDER_WAY: WeakKeyDictionary[Store, set[str]] = WeakKeyDictionary()  # tasks that are trained now


async def train(plant: Plant, task: Task, say: Say = lambda words: None) -> dict[str, Any]:
    """Trains a model of a task and puts it up for promotion: {task, model, came, why, outcomes}.

    came  how far it came (`models.stand`), or 'nothing' with the reason in `why`: too little is known, it is trained
          already, a worker died of it
    """
    under_way = _UNDER_WAY.setdefault(plant.store, set())
    if task.name in under_way:
        return {"task": task.name, "model": "", "came": "nothing", "why": "it is trained already", "outcomes": 0,
                "took_s": 0.0}
    under_way.add(task.name)
    try:
        return await _trained(plant, task, say)
    finally:
        under_way.discard(task.name)


async def _trained(plant: Plant, task: Task, say: Say) -> dict[str, Any]:
    begun_s, part = monotonic_s(), _Part(plant, task)
    outcomes = await asyncio.to_thread(kind_of(task).known, plant, task, plant.clock.now_ns())
    try:
        data = await asyncio.to_thread(_gather, plant, task, part)
        made = await _made(plant, task, data, part, say)
    except LoopwrightError as error:  # too little is known, or a worker died of it: not again until more is known
        part.done()
        return _ended(plant, task, {"model": "", "came": "nothing", "why": error.given}, outcomes, begun_s)
    came = await asyncio.to_thread(_stand, plant, made)
    part.done()
    say(f"{made.card.id}: {came}")
    return _ended(plant, task, {"model": made.card.id, "came": came, "why": ""}, outcomes, begun_s)


def _gather(plant: Plant, task: Task, part: _Part) -> dict[str, Any]:
    data = kind_of(task).gather(plant, task, part.now_ns, part.known_ns)
    return {**data, "watts": float(plant.site["learning"]["watts"])}


async def _made(plant: Plant, task: Task, data: Mapping[str, Any], part: _Part, say: Say) -> Fitted:
    """The model, from what each candidate lost; what was tried before an interruption is not tried again."""
    part.about(await asyncio.to_thread(registry.address, {key: one for key, one in data.items() if key != "watts"}))
    names: list[str] = await _call(plant, "candidates", task.kind, dict(data))
    for nth, name in enumerate(names, 1):
        if name in part.tried or name in part.missing:
            continue
        say(f"{task.name}: {name} is tried, {nth} of {len(names)} models")
        try:
            part.tried[name] = await _call(plant, "tried", task.kind, dict(data), name)
        except MissingExtra:
            part.missing.append(name)  # not installed here
        await asyncio.to_thread(part.keep)
    say(f"{task.name}: the best is fitted on everything")
    made: Fitted = await _call(plant, "chosen", task.kind, task.name, dict(data), part.tried)
    return made


def _call(plant: Plant, function: str, *args: Any) -> asyncio.Future[Any]:
    return asyncio.wrap_future(plant.workers.call(WORKER, f"loopwright.learn.tasks:{function}", *args))


def _stand(plant: Plant, made: Fitted) -> str:
    now_ns = plant.clock.now_ns()
    models.keep(plant, made.card, made.kept, now_ns)
    return models.stand(plant, made.card, models.proof_of(made.kept), now_ns)


def _ended(plant: Plant, task: Task, found: dict[str, Any], outcomes: int, begun_s: float) -> dict[str, Any]:
    body = {"task": task.name, **found, "outcomes": outcomes, "took_s": round(monotonic_s() - begun_s, 3)}
    plant.record("training.ended", task.name, body)
    return body


def due(plant: Plant, task: Task, now_ns: int) -> str:
    """Why a model of a task is to be trained now, in words; '' for not yet."""
    table = plant.site["learning"]
    if task.name in _UNDER_WAY.get(plant.store, ()):
        return ""
    if _Part(plant, task).begun:
        return "it was interrupted"
    last = plant.store.recall(kind="training.ended", about=task.name)
    before = int(last[-1].body["outcomes"]) if last else 0
    known = int(kind_of(task).known(plant, task, now_ns))
    if known < LEAST[task.kind] or known <= before:
        return ""
    if table["every"] and known - before >= (table["every"] if last else 1):
        return f"{known - before} new outcomes"
    if table["at"] and _passed(plant, str(table["at"]), last[-1].t_ns if last else 0, now_ns):
        return f"it is {table['at']}, and {known - before} outcomes are new"
    return ""


def _passed(plant: Plant, at: str, since_ns: int, now_ns: int) -> bool:
    """Whether the time of day lies between the two."""
    zone = ZoneInfo(plant.site.time_zone)
    here = datetime.fromtimestamp(now_ns // NS_PER_S, zone)
    hour, _, minute = at.partition(":")
    moment = here.replace(hour=int(hour), minute=int(minute), second=0)
    return since_ns < int(moment.timestamp()) * NS_PER_S <= now_ns


class _Part:
    """What was tried of a task so far, and of which moment its data are. In the plant's folder until it is done."""

    def __init__(self, plant: Plant, task: Task) -> None:
        self._path = plant.store.path / FOLDER / task.name
        self.now_ns, self.known_ns = plant.clock.now_ns(), max(plant.clock.now_ns(), known_now(plant.store))
        self.tried: dict[str, Any] = {}
        self.missing: list[str] = []
        self._address, self.begun = "", False
        try:
            kept = registry.decode(self._path.read_bytes(), f"training of {task.name}")
            if 0 <= self.now_ns - kept["now_ns"] < STALE_NS:
                self.now_ns, self.known_ns, self.begun = kept["now_ns"], kept["known_ns"], True
                self.tried, self._address = dict(kept["tried"]), kept["address"]
        except (OSError, StoreError, KeyError, TypeError):
            return  # none, or none that can be read: it begins anew

    def about(self, address: str) -> None:
        """What was tried counts only for the same data."""
        if address != self._address:
            self.tried, self._address = {}, address

    def keep(self) -> None:
        """Writes it beside, then in its place; a disk that takes nothing costs the progress and no more."""
        data = registry.encode({"now_ns": self.now_ns, "known_ns": self.known_ns, "address": self._address,
                                "tried": self.tried})
        part = self._path.with_name(f".{self._path.name}.part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(data)
            part.replace(self._path)
        except OSError:
            return

    def done(self) -> None:
        """Nothing is under way any more."""
        self._path.unlink(missing_ok=True)


async def keep_learning(plant: Plant, flow: Flow) -> None:
    """While a plant runs: lets tasks say what they say, and trains those that are due, one after the other."""
    tasks = learned(plant)
    while True:
        await plant.clock.sleep(LOOK_S)
        for task in tasks:
            try:
                if task.kind != "forecast":  # those speak every quarter of an hour (`app.forecasting`)
                    await asyncio.to_thread(kind_of(task).look, plant, task, plant.clock.now_ns())
                if why := await asyncio.to_thread(due, plant, task, plant.clock.now_ns()):
                    flow.stage("improve", f"{task.name} is learned: {why}")
                    told = await train(plant, task, lambda words: flow.stage("improve", words))
                    _tell(told)
                    flow.count("improve", 1)
                    flow.done("improve")
            except LoopwrightError as error:
                print(f"learn: {error}", file=sys.stderr, flush=True)


def _tell(told: Mapping[str, Any]) -> None:
    words = told["why"] or f"{told['model']} {told['came']}"
    print(f"learn: {told['task']}: {words} ({told['took_s']:.0f} s)", file=sys.stderr, flush=True)
