"""How a model of each kind of task is tried, chosen and described: one path from data to a card.

    names = candidates(task, data)                 models that may be tried
    one = tried(task, data, name)                  plain data: what it lost, unit by unit, on units left out
    made = chosen(task, data, {name: tried}, ...)  Fitted: the card, and what is kept

Each file here is a kind of task with NAME, MEANING, `candidates`, `tried` and `chosen`; `data` is plain (arrays,
tables), so that it travels to a worker and has an address. The three run in a process of low priority; nothing here
knows a plant.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from loopwright.core import plug
from loopwright.core.types import Model
from loopwright.learn.kept import card as cards
from loopwright.learn.kept import registry

NICE = 19  # of the worker that trains: everything else on the machine goes first


@dataclass(frozen=True)
class Fitted:
    """A model that was trained. card: what it is; kept: plain data, kept under the card's name."""

    card: Model
    kept: dict[str, Any]


def candidates(kind: str, data: Mapping[str, Any]) -> list[str]:
    """Names of the models that are tried, the baseline first."""
    gently()
    found: list[str] = plug.load("learn.tasks", kind).candidates(data)
    return found


def tried(kind: str, data: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What a model lost on units that it had not seen, with what it took (`cost`)."""
    gently()
    with cards.spent(float(data.get("watts", cards.WATTS))) as cost:
        found: dict[str, Any] = plug.load("learn.tasks", kind).tried(data, name)
    return {**found, "cost": cost}


def chosen(kind: str, task: str, data: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]]) -> Fitted:
    """The model that is kept: chosen on units that do not prove it, fitted on everything, described by facts."""
    gently()
    with cards.spent(float(data.get("watts", cards.WATTS))) as cost:
        module = plug.load("learn.tasks", kind)
        name, state, losses, facts = module.chosen(data, found)
        kept = {"task": task, "kind": kind, "model": name, "state": state, "losses": losses.plain()}
        address = registry.address(kept)
    return Fitted(cards.card(task, name, address, losses, facts, cards.together([cost, *_costs(found)])), kept)


def gently() -> None:
    """Lets everything else on this machine go first."""
    with suppress(OSError, AttributeError):  # a system without priorities
        os.setpriority(os.PRIO_PROCESS, 0, NICE)


def _costs(found: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [one["cost"] for one in found.values()]


def halves(units: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    """(places to choose on, places that prove): the earlier half and the later one, in the order given."""
    middle = len(units) // 2
    return np.arange(middle), np.arange(middle, len(units))
