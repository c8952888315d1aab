"""Finds what is 'one file to add': the file's name is its name.

    find("connect")             {'mqtt': 'loopwright.connect.mqtt', ...}
    load("connect", "mqtt")     the module; an unknown name lists the names there are

A room's plug-ins are the modules of its package, except its `PARTS`; other packages add theirs through the entry-point
group `loopwright.<room>`. Nothing is imported until it is loaded.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache
from importlib.metadata import entry_points
from types import ModuleType

from loopwright.core.errors import UnknownName

# room -> module names in it that are not plug-ins but parts of the room itself
PARTS: dict[str, frozenset[str]] = {
    "connect": frozenset({"broker", "batch", "centre", "door", "outbox", "payload", "relay", "sequence", "wire"}),
    "learn.models.wear": frozenset(),
    "learn.models.classes": frozenset(),
    "learn.models.forecast": frozenset(),
    "learn.models.anomaly": frozenset(),
    "learn.models.life": frozenset(),
    "learn.sets": frozenset(),
    "learn.tasks": frozenset(),
    "serve": frozenset(),
    "packs": frozenset(),
}


@lru_cache(maxsize=16)
def find(room: str) -> dict[str, str]:
    """name -> dotted module path of every plug-in of the room, ours and other packages'."""
    if room not in PARTS:
        raise UnknownName("room with plug-ins", room, PARTS)
    package = importlib.import_module(f"loopwright.{room}")
    found = {
        module.name: f"loopwright.{room}.{module.name}"
        for module in pkgutil.iter_modules(package.__path__)
        if not module.name.startswith("_") and module.name not in PARTS[room]
    }
    for entry in entry_points(group=f"loopwright.{room}"):
        found[entry.name] = entry.value
    return found


def load(room: str, name: str) -> ModuleType:
    """The module of that name in the room; UnknownName lists what there is."""
    names = find(room)
    if name not in names:
        raise UnknownName(room.replace("learn.models.", "model of "), name, names)
    return importlib.import_module(names[name])
