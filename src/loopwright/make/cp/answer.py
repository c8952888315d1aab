"""From what CP-SAT answers to the slots of a plan."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from loopwright.core.types import Slot
from loopwright.make.cp.model import Model
from loopwright.make.cp.people import Team, hand_out
from loopwright.make.shop import Key, Operation, busy


def slots_of(model: Model, value: Callable[[Any], int]) -> list[Slot]:
    """A slot for every operation. value: the answer's number for a variable or literal."""
    slots = _placed(model, value)
    operations = {o.key: o for o in model.shop.operations}
    persons = _persons(model, value, slots)
    seconds = _setups(model, slots, operations)
    found = []
    for key, slot in slots.items():
        if model.tasks[key].fixed:
            found.append(slot)
        else:
            found.append(replace(slot, setup_s=seconds.get(key, 0), operator=persons.get(key, "")))
    return found


def _placed(model: Model, value: Callable[[Any], int]) -> dict[Key, Slot]:
    """Machine and times; each operation of a pool goes to a machine of it that is free."""
    free_s = {m: max((b for a, b in pairs if a <= 0), default=0) for m, pairs in busy(model.shop).items()}
    slots: dict[Key, Slot] = {}
    waiting = []
    for key, task in model.tasks.items():
        if task.fixed and task.slot:
            slots[key] = task.slot
        else:
            waiting.append((int(value(task.start)), key))
    for start_s, key in sorted(waiting):
        task = model.tasks[key]
        if key in model.pool:
            machine = min(model.pool[key], key=lambda m: (free_s[m] > start_s, m))
        else:
            machine = next(m for m, here in task.on.items() if here is True or value(here))
        end_s = start_s + next(s for m, s in task.operation.on if m == machine)
        free_s[machine] = max(free_s[machine], end_s)
        slots[key] = Slot(*key, machine, start_s, end_s)
    return slots


def _persons(model: Model, value: Callable[[Any], int], slots: dict[Key, Slot]) -> dict[Key, str]:
    teams: dict[Key, Team] = {}
    for key, picks in model.teams.items():
        teams[key] = next(team for team, pick in picks if pick is True or value(pick))
    return hand_out({key: (slots[key].start_s, slots[key].end_s) for key in teams}, teams)


def _setups(model: Model, slots: dict[Key, Slot], operations: dict[Key, Operation]) -> dict[Key, int]:
    """operation -> the seconds of setup that the state left before it asks for."""
    known = model.base.changes
    here: dict[str, list[tuple[int, int, Key]]] = defaultdict(list)
    for key, slot in slots.items():
        if slot.machine in known:
            here[slot.machine].append((slot.start_s, slot.end_s, key))
    states = {machine.id: machine.state for machine in model.shop.machines}
    found = {}
    for machine, on in here.items():
        state = states[machine]
        for _, group in itertools.groupby(sorted(on), key=lambda entry: entry[:2]):
            keys = [key for _, _, key in group]
            needs = next((operations[key].setup for key in keys if operations[key].setup), "")
            found.update(dict.fromkeys(keys, known[machine](state, needs)))
            state = needs or state
    return found
