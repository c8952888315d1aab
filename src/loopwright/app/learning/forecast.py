"""Forecasts in the league: the signal's history from the store, and how much of it there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from loopwright.app.learning import Task
from loopwright.app.plant import Plant
from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError
from loopwright.core.types import Decision, Windows
from loopwright.learn.kept.predictions import Outcomes
from loopwright.store import Store

_BEGUN: WeakKeyDictionary[Store, dict[tuple[str, str], int]] = WeakKeyDictionary()  # (task, thing) -> first heard


def heard(plant: Plant, task: Task, now_ns: int, known_by_ns: int | None = None) -> Windows | None:
    """The last steps of the signal of every thing, up to the newest that any of them has; None where there is none."""
    signal, things = task.signals[0], sorted(task.things)
    newest = plant.store.newest(things, [signal]).column("t_ns").to_pylist()
    if not newest:
        return None
    step_ns = round(task.step_s * NS_PER_S)
    end_ns = (min(max(newest), now_ns) // step_ns + 1) * step_ns
    start_ns = end_ns - round(task.history_s / task.step_s) * step_ns
    return plant.store.windows(things, [signal], start_ns=start_ns, end_ns=end_ns, step_ns=step_ns,
                               known_by_ns=known_by_ns)


def series(windows: Windows) -> np.ndarray:
    """(B, T) values of its one signal from the first that is known on, NaN where nothing is."""
    values = np.where(windows.mask[:, :, 0], windows.values[:, :, 0], np.nan)
    return values[:, first(windows):]


def first(windows: Windows) -> int:
    """The first step of which anything is known."""
    there = np.flatnonzero(windows.mask.any(axis=(0, 2)))
    return int(there[0]) if len(there) else 0


def gather(plant: Plant, task: Task, now_ns: int, known_by_ns: int) -> dict[str, Any]:
    """The data of `learn.tasks.forecast`; what was heard before the first value of anything is left out."""
    windows = heard(plant, task, now_ns, known_by_ns)
    if windows is None or not windows.mask.any():
        raise InputError(f"task {task.name}", f"{task.signals[0]} was never heard", "", "wait")
    return {"values": series(windows), "things": list(windows.ids), "signal": task.signals[0],
            "unit": windows.units[0], "step_s": task.step_s, "ahead": task.ahead,
            "start_ns": int(windows.t_ns[first(windows)]), "known_by_ns": known_by_ns}


def known(plant: Plant, task: Task, now_ns: int) -> int:
    """Stretches that have passed since each thing was first heard, of all things; what it reads is memory, but once."""
    signal, things = task.signals[0], sorted(task.things)
    rows = plant.store.newest(things, [signal])
    newest = dict(zip(rows.column("thing").to_pylist(), rows.column("t_ns").to_pylist(), strict=True))
    begun = _BEGUN.setdefault(plant.store, {})
    if any((task.name, thing) not in begun for thing in newest) and (windows := heard(plant, task, now_ns)) is not None:
        for thing, there in zip(windows.ids, windows.mask[:, :, 0], strict=True):
            if there.any():
                begun[task.name, thing] = int(windows.t_ns[int(np.flatnonzero(there)[0])])
    ahead_ns = round(task.ahead_s * NS_PER_S)
    return sum(max(0, min(t_ns, now_ns) - begun.get((task.name, thing), t_ns)) // ahead_ns
               for thing, t_ns in newest.items())


def outcomes(plant: Plant, task: Task) -> Outcomes | None:
    """None: they are values of the store."""
    return None


def look(plant: Plant, task: Task, now_ns: int) -> list[Decision]:
    """What is forecast now."""
    from loopwright.app import forecasting

    return forecasting.forecast(plant, task, now_ns)


def recent(plant: Plant, task: Task, kept: Mapping[str, Any], now_ns: int) -> dict[str, np.ndarray]:
    """Values of the signal in the last day, for their drift."""
    windows = heard(plant, replace(task, history_s=max(task.ahead_s, 86_400.0)), now_ns)
    values = np.zeros(0) if windows is None else series(windows).ravel()
    return {task.signals[0]: values[np.isfinite(values)]}
