"""Who speaks of a task: the model in force, and one that waits for approval, so that people see how it does live.

    for speaker in speakers(plant, "tool-life"): ...       none of them: the baseline serves, alone
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loopwright.app import models
from loopwright.app.plant import Plant
from loopwright.core.errors import StoreError, UnknownName
from loopwright.core.types import Event, Model
from loopwright.improve import cycle
from loopwright.learn.kept import predictions


@dataclass(frozen=True)
class Speaker:
    """A model whose file is whole. serves: whether it is in force; else it speaks beside, and nobody acts on it."""

    card: Model
    kept: Mapping[str, Any]
    serves: bool


def speakers(plant: Plant, task: str) -> list[Speaker]:
    """The model in force first, then the one that waits; a model whose file is gone or was altered does not speak."""
    now = models.serving(plant.store, task)
    state = cycle.read(plant.store.recall(kind=list(cycle.KINDS)), task, "model")
    waits = str(state.change.after["model"]) if state.change and cycle.due(state) else ""
    found: list[Speaker] = []
    for name, serves in ((now["model"] if now else "", True), (waits, False)):
        if not name or any(one.card.id == name for one in found):
            continue
        try:
            card = models.card_of(plant.store, name)
            kept = _kept(plant, card)
        except (StoreError, UnknownName):
            continue
        found.append(Speaker(card, kept, serves))
    return found


_LAST: dict[str, Any] = {}  # kept name -> state: those that spoke last, so that a look reads no file again


def _kept(plant: Plant, card: Model) -> Mapping[str, Any]:
    """Its state; the bytes are checked against its name each time, and only then read from memory."""
    from loopwright.learn.kept import registry

    if words := registry.wrong(plant.store.path, card.weights_hash):
        raise StoreError(f"model {card.id}", words)
    if card.weights_hash not in _LAST:
        while len(_LAST) >= 16:
            del _LAST[next(iter(_LAST))]
        _LAST[card.weights_hash] = models.load(plant.store, card)
    kept: Mapping[str, Any] = _LAST[card.weights_hash]
    return kept


def spoken(plant: Plant, model: str, start_ns: int) -> set[tuple[str, str, int]]:
    """(about, signal, due_ns) of what a model said of times from then on."""
    table = predictions.read(plant.store, model=model, start_ns=start_ns, only=("median",))
    return set(zip(table["about"].tolist(), table["signal"].tolist(), table["due_ns"].tolist(), strict=True))


def thing_of(event: Event) -> str:
    """The thing that an event tells of."""
    return str(event.body.get("thing") or event.body.get("machine") or event.about)
