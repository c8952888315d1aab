"""Forecasts of a plant's signals: all machines of a task in one call, kept, scored, and calibrated by what came.

    said = look(plant, now_ns)            Decisions of serve.forecast, recorded; predictions kept in the points store
    await keep_forecast(plant, flow)      the same every quarter of an hour while a plant runs

Which signals: the site's [[learn]] tables of task 'forecast'; without any, those that packs derive at a regular step.
Who speaks is the model in force, else the baseline; one that waits for approval is kept beside and scored, and nobody
is told what it says. What was predicted before and has come true moves the quantiles (`learn.forecasting.calibrate`).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

import numpy as np

from loopwright.app import serving, speaking
from loopwright.app.flow import Flow
from loopwright.app.learning import Task, learned
from loopwright.app.learning.forecast import heard, series
from loopwright.app.plant import Plant
from loopwright.core import plug
from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import LoopwrightError
from loopwright.core.types import Decision, Prediction, Windows
from loopwright.learn.forecasting import calibrate
from loopwright.learn.forecasting.series import seasons
from loopwright.learn.kept import predictions
from loopwright.learn.league import ABSOLUTE
from loopwright.learn.tasks.forecast import BASELINE, SERVED
from loopwright.serve import forecast as service

LEVELS = SERVED
MEMORY_NS = 14 * 86_400 * NS_PER_S  # how far back earlier predictions teach
EVERY_S = 900.0


def look(plant: Plant, now_ns: int) -> list[Decision]:
    """Forecasts of every task; what is new of them, as recorded."""
    return [one for task in learned(plant) if task.kind == "forecast" for one in forecast(plant, task, now_ns)]


def forecast(plant: Plant, task: Task, now_ns: int) -> list[Decision]:
    """Forecasts of every thing of a task that has a new step."""
    windows = heard(plant, task, now_ns)
    if windows is None:
        return []
    predictions.score(plant.store, task=task.name)
    values = series(windows)
    naive = plug.load("learn.models.forecast", BASELINE).predict(values, task.ahead, seasons(task.step_s), LEVELS)
    state = service.fold(plant.store.recall(kind="decision.made"))
    speakers = speaking.speakers(plant, task.name)
    told: list[Decision] = []
    if not any(one.serves for one in speakers):
        told = _said(plant, task, windows, (f"{task.name}/{BASELINE}", naive), naive, state, now_ns, True)
    for one in speakers:
        own = plug.load("learn.models.forecast", one.kept["model"])
        quantiles = own.predict(values, task.ahead, seasons(task.step_s), LEVELS)
        told += _said(plant, task, windows, (one.card.id, quantiles), naive, state, now_ns, one.serves)
    return told


def _said(
    plant: Plant, task: Task, windows: Windows, who: tuple[str, np.ndarray], naive: np.ndarray, state: service.State,
    now_ns: int, aloud: bool,
) -> list[Decision]:
    """Keeps what one model says, its quantiles moved by what came before; the decisions, where it speaks aloud."""
    model, quantiles = who
    moved = calibrate.adjusted(_offsets(plant, task, model, windows), quantiles)
    middle = LEVELS.index(0.5)
    moved[:, :, middle] = quantiles[:, :, middle]  # the middle is what is compared with the baseline's
    moved = np.stack([np.minimum(moved[..., 0], moved[..., middle]), moved[..., middle],
                      np.maximum(moved[..., 2], moved[..., middle])], axis=-1)
    told = service.Told(model, LEVELS, moved, naive[:, :, middle])
    made, decisions, _ = service.decide(windows, told, state, now_ns, service.Settings())
    made = _unknown(plant, task.signals[0], made) if made else made
    base = {thing: told.baseline[b] for b, thing in enumerate(windows.ids)}
    last_ns, step_ns = int(windows.t_ns[-1]), int(windows.t_ns[1] - windows.t_ns[0])
    beside = [float(base[one.about][(one.due_ns - last_ns) // step_ns - 1]) for one in made]
    predictions.record(plant.store, task.name, made, beside, ABSOLUTE)
    return serving.record(plant, [], decisions, now_ns) if aloud else []


def _unknown(plant: Plant, signal: str, made: Sequence[Prediction]) -> list[Prediction]:
    """Those of times that the thing has not told of yet: a wrong clock may have brought values ahead of now."""
    table = plant.store.newest(sorted({one.about for one in made}), [signal])
    known = dict(zip(table.column("thing").to_pylist(), table.column("t_ns").to_pylist(), strict=True))
    return [one for one in made if one.due_ns > known.get(one.about, 0)]


def _offsets(plant: Plant, task: Task, model: str, windows: Windows) -> calibrate.Offsets:
    """What earlier predictions of each thing teach: each level counts how often what came was above it."""
    state = calibrate.start(LEVELS, len(windows.ids))
    table = predictions.read(plant.store, task=task.name, model=model, start_ns=int(windows.t_ns[-1]) - MEMORY_NS)
    scored = np.isfinite(table["outcome"]) & (table["signal"] == windows.channels[0])
    for b, thing in enumerate(windows.ids):
        mine = scored & (table["about"] == thing)
        for q, name in enumerate(("low", "median", "high")):
            above = table["outcome"][mine] > table[name][mine]
            state.offsets[b, q] = state.gain * (above - (1.0 - LEVELS[q])).sum()
        state.steps[b] = mine.sum()
    return state


async def keep_forecast(plant: Plant, flow: Flow) -> None:
    """Forecasts again and again while a plant runs, until it is cancelled."""
    while True:
        await plant.clock.sleep(EVERY_S)
        try:
            said = await asyncio.to_thread(look, plant, plant.clock.now_ns())
        except LoopwrightError as error:
            print(f"forecast: {error}", file=sys.stderr, flush=True)
            continue
        if told := [decision for decision in said if not decision.abstains]:
            flow.stage("serve", told[-1].says)
            flow.count("serve", len(told))
