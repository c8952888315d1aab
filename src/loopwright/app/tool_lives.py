"""When the tool of each machine is to be changed, before it is worn: its remaining life and the site's two costs.

    events, decisions = windows(Tools(wear.lives(rows, labels), wear.columns(rows)), labels, state, ask, now_ns)

A model learns from the tools whose end is known, and speaks only where it is better than their mean on tools left out.
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
from loopwright.learn.lives.life_best import LEAST, best
from loopwright.learn.lives.units import LEVELS, Unit
from loopwright.serve import maintain


@dataclass(frozen=True)
class Tools:
    """machine -> its tools in order, a row a run; and what the numbers of a run are called."""

    of: Mapping[str, Sequence[Unit]]
    signals: Sequence[str]


def windows(
    tools: Tools, labels: Sequence[Event], state: Mapping[str, Any], ask: maintain.Ask,
    now_ns: int,
) -> tuple[list[Event], list[Decision]]:
    """What is asked of the plan for every machine whose tool still cuts; abstains, once, where nothing can be said.

    labels  'run.labelled' events, which tell how long a run takes
    """
    units = [unit for one in tools.of.values() for unit in one]
    ended = sum(unit.failed for unit in units)
    cutting = {thing: one[-1] for thing, one in tools.of.items() if one and not one[-1].failed}
    if not cutting:
        return [], []
    why = f"{ended} tools have been worn out, {LEAST} are needed to learn from" if ended < LEAST else ""
    found = None if why else best(units)
    if found is not None and not found.name:
        why = (f"no model tells more than the mean life of {found.lives} tools (error {found.error:.1f} runs, "
               f"the mean {found.floor:.1f})")
    if found is None or why:
        return maintain.window(maintain.Life("tools", (), (), abstains=why), ask, state, now_ns)
    model = plug.load("learn.models.life", found.name)
    estimate, quantiles = model.predict(found.state, list(cutting.values()))
    events: list[Event] = []
    decisions: list[Decision] = []
    for thing, mean, spread in zip(cutting, estimate, quantiles, strict=True):
        busy = state.get("open", {}).get(thing)
        if busy is not None and not busy["done"]:
            continue  # its tool is to be changed already
        parts = model.drivers(found.state, cutting[thing], tools.signals)
        life = maintain.Life(thing, LEVELS, tuple(spread.tolist()), _cycle_s(labels, thing), found.model, float(mean),
                             parts)
        more, said = maintain.window(life, ask, state, now_ns)
        events += more
        decisions += said
    return events, decisions


def _cycle_s(labels: Sequence[Event], thing: str) -> float:
    """s from the beginning of a run of the machine to that of its next, the middle of all; of one run, its length."""
    runs = sorted((int(e.body["start_ns"]), int(e.body["end_ns"])) for e in labels if e.body["thing"] == thing)
    steps = [after[0] - before[0] for before, after in pairwise(runs)] or [end - start for start, end in runs]
    return max(1.0, float(np.median(steps)) / NS_PER_S)
