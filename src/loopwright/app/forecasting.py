"""Forecasts of a plant's energy signals: all machines of a kind in one call, kept, scored, and calibrated by what came.

    said = look(plant, now_ns)      Decisions of serve.forecast, recorded; predictions kept in the points store
    await keep_forecast(plant, flow)      the same every quarter of an hour while a plant runs

Which signals: those that packs derive at a regular step (energy of a spindle in each minute). What was predicted before
and has come true moves the quantiles (`learn.forecasting.calibrate`); nothing is kept beside the predictions
themselves.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

import numpy as np

from loopwright.app import serving
from loopwright.app.flow import Flow
from loopwright.app.plant import Plant
from loopwright.core import plug
from loopwright.core.clock import NS_PER_S
from loopwright.core.derived import Derived
from loopwright.core.errors import LoopwrightError
from loopwright.core.types import Decision, Prediction, Windows
from loopwright.learn.forecasting import calibrate
from loopwright.learn.forecasting.series import seasons
from loopwright.learn.kept import predictions
from loopwright.learn.league import ABSOLUTE
from loopwright.serve import forecast

MODEL, BASELINE = "seasonal_ridge", "seasonal_naive"
TASK = "signal-forecast"
LEVELS = (0.1, 0.5, 0.9)
HISTORY, AHEAD = 20_160, 60  # steps: two weeks of minutes, an hour ahead
EVERY_S = 900.0


def look(plant: Plant, now_ns: int) -> list[Decision]:
    """Forecasts of every machine that is listened to; what is new of them, as recorded."""
    state = forecast.fold(plant.store.recall(kind="decision.made"))
    said: list[Decision] = []
    for rule in _rules(plant):
        heard = _heard(plant, rule, now_ns)
        if heard is None:
            continue
        predictions.score(plant.store, task=TASK)
        told, kept = _told(plant, heard, rule.window_s), forecast.Settings()
        made, decisions, state = forecast.decide(heard, told, state, now_ns, kept)
        made = _unknown(plant, rule, made) if made else made
        base = {thing: told.baseline[b] for b, thing in enumerate(heard.ids)}
        last_ns, step_ns = int(heard.t_ns[-1]), int(heard.t_ns[1] - heard.t_ns[0])
        naive = [float(base[one.about][(one.due_ns - last_ns) // step_ns - 1]) for one in made]
        predictions.record(plant.store, TASK, made, naive, ABSOLUTE)
        said += serving.record(plant, [], decisions, now_ns)
    return said


def _unknown(plant: Plant, rule: Derived, made: Sequence[Prediction]) -> list[Prediction]:
    """Those of times that the thing has not told of yet: a wrong clock may have brought values ahead of now."""
    table = plant.store.newest(sorted({one.about for one in made}), [rule.signal])
    known = dict(zip(table.column("thing").to_pylist(), table.column("t_ns").to_pylist(), strict=True))
    return [one for one in made if one.due_ns > known.get(one.about, 0)]


def _rules(plant: Plant) -> list[Derived]:
    """What packs derive at a regular step from machines that are listened to."""
    heard = {machine.kind for machine in plant.site.machines if machine.link}
    rules = [rule for pack in plant.packs.values() for rule in pack.hooks.get("derived", ())]
    return [rule for rule in rules if rule.kind in heard]


def _heard(plant: Plant, rule: Derived, now_ns: int) -> Windows | None:
    """The last steps of the signal of every machine of the kind, up to the newest that any of them has."""
    things = sorted(m.id for m in plant.site.machines if m.kind == rule.kind and m.link)
    newest = plant.store.newest(things, [rule.signal]).column("t_ns").to_pylist()
    if not newest:
        return None
    step_ns = round(rule.window_s * NS_PER_S)
    end_ns = (min(max(newest), now_ns) // step_ns + 1) * step_ns
    start_ns = end_ns - HISTORY * step_ns
    return plant.store.windows(things, [rule.signal], start_ns=start_ns, end_ns=end_ns, step_ns=step_ns)


def _told(plant: Plant, heard: Windows, step_s: float) -> forecast.Told:
    """What the model and the baseline say of all things at once, its quantiles moved by what came before."""
    values = np.where(heard.mask[:, :, 0], heard.values[:, :, 0], np.nan)
    season = seasons(step_s)
    quantiles = plug.load("learn.models.forecast", MODEL).predict(values, AHEAD, season, LEVELS)
    naive = plug.load("learn.models.forecast", BASELINE).predict(values, AHEAD, season, (0.5,))[:, :, 0]
    moved = calibrate.adjusted(_offsets(plant, heard), quantiles)
    return forecast.Told(MODEL, LEVELS, moved, naive)


def _offsets(plant: Plant, heard: Windows) -> calibrate.Offsets:
    """What earlier predictions of each thing teach: each level counts how often what came was above it."""
    state = calibrate.start(LEVELS, len(heard.ids))
    table = predictions.read(plant.store, task=TASK, model=MODEL)
    for b, thing in enumerate(heard.ids):
        mine = (table["about"] == thing) & (table["signal"] == heard.channels[0]) & np.isfinite(table["outcome"])
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
