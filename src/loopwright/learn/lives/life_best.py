"""Which model of remaining life to use for these units: the best on units left out, and none that a mean does as well.

    found = best(units)        Best: the model, its state, and its errors on left-out units beside those of the mean
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from loopwright.core import plug
from loopwright.learn.kept import registry
from loopwright.learn.lives import life_fit
from loopwright.learn.lives.units import Unit, failures
from loopwright.learn.metrics.life import rmse

FLOOR, NAMES = "mean_life", ("survival", "kernel")  # those that need no library and fit in a second
LEAST = 4  # lives whose end is known


@dataclass(frozen=True)
class Best:
    """What was chosen.

    name     of the model, '' where none is better than the mean
    model    its id: name and hash of its state
    state    what `fit` gave
    error    RMSE on left-out units, cycles; floor: that of the mean
    lives    how many lives it learned from, ended ones
    """

    name: str
    model: str
    state: dict[str, Any]
    error: float
    floor: float
    lives: int


def best(units: Sequence[Unit], names: Sequence[str] = NAMES, seed: int = 0) -> Best:
    """The model with the smallest error on units left out whole. Raises InputError for fewer than LEAST known ends."""
    known = len(failures(units, LEAST))
    states = {name: plug.load("learn.models.life", name).fit(units, seed) for name in (FLOOR, *names)}
    errors = {}
    for name, state in states.items():
        cuts = life_fit.left_out(state)
        errors[name] = rmse(cuts.estimate, cuts.left)
    chosen = min(names, key=lambda name: (errors[name], name))
    model = f"life/{chosen}@{registry.address(states[chosen])[:8]}"
    beats = errors[chosen] < errors[FLOOR]
    return Best(chosen if beats else "", model if beats else "", states[chosen], errors[chosen], errors[FLOOR], known)
