"""When the tool of each machine is to be changed, before it is worn: its remaining life and the site's two costs.

    events, decisions = windows(Tools(going, signals), model, cycle_s, state, ask, now_ns)

The model is the one in force of the league's task of lives; without one nothing is asked, and the reason is told once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from loopwright.core import plug
from loopwright.core.clock import NS_PER_S
from loopwright.core.types import Decision, Event
from loopwright.learn.lives.units import LEVELS, Unit
from loopwright.serve import maintain


@dataclass(frozen=True)
class Tools:
    """machine -> its tool that still cuts, a row a run; and what the numbers of a run are called."""

    of: Mapping[str, Unit]
    signals: Sequence[str]


@dataclass(frozen=True)
class Model:
    """The model in force: its id, the name of its file, what `fit` gave; id '': none is, with the reason."""

    id: str
    name: str = ""
    state: Any = None
    why: str = ""


def windows(
    tools: Tools, model: Model, cycle_s: Mapping[str, float], state: Mapping[str, Any], ask: maintain.Ask, now_ns: int,
) -> tuple[list[Event], list[Decision]]:
    """What is asked of the plan for every machine whose tool still cuts; abstains, once, where nothing can be said.

    cycle_s  machine -> s from the beginning of one run to that of the next; one without is left out
    """
    cutting = {thing: unit for thing, unit in tools.of.items() if thing in cycle_s}
    if not cutting:
        return [], []
    if not model.id:
        return maintain.window(maintain.Life("tools", (), (), abstains=model.why), ask, state, now_ns)
    module = plug.load("learn.models.life", model.name)
    estimate, quantiles = module.predict(model.state, list(cutting.values()))
    events: list[Event] = []
    decisions: list[Decision] = []
    for thing, mean, spread in zip(cutting, estimate, quantiles, strict=True):
        busy = state.get("open", {}).get(thing)
        if busy is not None and not busy["done"]:
            continue  # its tool is to be changed already
        parts = module.drivers(model.state, cutting[thing], tools.signals)
        life = maintain.Life(thing, LEVELS, tuple(spread.tolist()), cycle_s[thing], model.id, float(mean), parts)
        more, said = maintain.window(life, ask, state, now_ns)
        events += more
        decisions += said
    return events, decisions


def cycles(labels: Sequence[Event]) -> dict[str, float]:
    """machine -> s from the beginning of a run to that of its next, the middle of all; of one run, its length."""
    by_thing: dict[str, list[tuple[int, int]]] = {}
    for event in labels:
        span = int(event.body["start_ns"]), int(event.body["end_ns"])
        by_thing.setdefault(str(event.body["thing"]), []).append(span)
    return {thing: _middle_s(sorted(runs)) for thing, runs in by_thing.items()}


def _middle_s(runs: Sequence[tuple[int, int]]) -> float:
    steps = [after[0] - before[0] for before, after in pairwise(runs)] or [end - start for start, end in runs]
    return max(1.0, float(np.median(steps)) / NS_PER_S)
