"""Machines in a CP-SAT model: one operation or one batch at a time, never while closed, with the setups it needs.

On a machine with setups the operations that name one stand in a circuit: an arc says which follows which, and what the
change costs. What is part of a batch hangs on the first of it, its leader, who alone takes the machine.
Source: circuits for sequence-dependent setups as in the OR-Tools CP-SAT examples; the rules are those of make/check.py.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loopwright.core.types import Slot
from loopwright.make.shop import Key, Machine, Shop, busy, merged

if TYPE_CHECKING:
    from loopwright.make.cp.model import Model, Task

Interval = tuple[int, int]
Change = Callable[[str, str], int]


@dataclass
class Node:
    """What takes a machine: an operation that runs alone there, or leads a batch.

    taken   whether it does
    setup   its seconds of setup, a number or a variable; begin: when they begin
    """

    key: Key
    task: Task
    taken: Any
    begin: Any
    setup: Any = 0

    @property
    def state(self) -> str:
        return self.task.operation.setup

    @property
    def planned(self) -> bool:
        """Whether it had not begun: then what stands behind it must find the setup it has."""
        return self.task.how != "frozen"


def changes(shop: Shop) -> dict[str, Change]:
    """machine -> seconds from one state to another, for machines on which some change takes time."""
    lines: dict[str, dict[tuple[str, str], int]] = defaultdict(dict)
    for setup in shop.setups:
        lines[setup.machine][setup.before, setup.after] = setup.seconds

    def change_of(known: dict[tuple[str, str], int]) -> Change:
        def seconds(before: str, after: str) -> int:
            if not before or not after:
                return 0
            return known.get((before, after), known.get(("*", after), 0) if before != after else 0)
        return seconds

    return {machine: change_of(known) for machine, known in lines.items() if any(known.values())}


def add(model: Model) -> None:
    """All machines, and pools of them."""
    here: dict[str, list[tuple[Key, Task]]] = defaultdict(list)
    for key, task in model.tasks.items():
        for machine in task.on:
            here[machine].append((key, task))
    blocked, known = model.base.blocked, {} if model.relax.setups else model.base.changes
    for each in model.shop.machines:
        model.look()
        if here[each.id]:
            _add(model, each, here[each.id], blocked[each.id], known.get(each.id))
    _add_pools(model)


def _add(
    model: Model, machine: Machine, here: list[tuple[Key, Task]], blocked: list[Interval], change: Change | None
) -> None:
    """One machine."""
    chain = sorted(
        ((key, task) for key, task in here if task.how != "free"),
        key=lambda pair: (*_when(pair[1]), ("frozen", "held", "ordered").index(pair[1].how)))
    free = [(key, task) for key, task in here if task.how == "free"]
    if not free and all(task.fixed for _, task in chain):
        return
    taken = _batches(model, machine, chain, free, blocked, change)
    nodes = {key: _node(model, machine, key, task, taken[key]) for key, task in (*chain, *free) if key in taken}
    behind = [nodes[key] for key, _ in chain if key in nodes]
    if change and any(n.state and not n.task.fixed for n in nodes.values()):
        _circuit(model, machine, behind, [nodes[key] for key, _ in free if key in nodes], change)
    for before, after in itertools.pairwise(behind):
        if not (before.task.fixed and after.task.fixed):
            model.cp.add(after.begin >= before.task.end)
    given = [(n.begin, n.task.end) for n in behind if n.task.fixed]
    closed = merged([*(b for b in blocked if b[0] < model.known_s), *given])
    spans = [model.cp.new_fixed_size_interval_var(a, b - a, "") for a, b in closed]
    for node in nodes.values():
        if not node.task.fixed:
            spans.append(_span(model, machine, node))
    model.cp.add_no_overlap(spans)


def _seconds(machine: Machine, task: Task) -> int:
    return next(seconds for m, seconds in task.operation.on if m == machine.id)


def _node(model: Model, machine: Machine, key: Key, task: Task, taken: Any) -> Node:
    if task.fixed and task.slot:
        return Node(key, task, taken, task.slot.start_s - task.slot.setup_s, task.slot.setup_s)
    return Node(key, task, taken, task.start)


def _span(model: Model, machine: Machine, node: Node) -> Any:
    """From the beginning of the setup to the end of the operation."""
    seconds, cp = _seconds(machine, node.task), model.cp
    if isinstance(node.setup, int):
        return cp.new_optional_fixed_size_interval_var(node.task.start, seconds, node.taken, "")
    return cp.new_optional_interval_var(
        node.begin, node.setup + seconds, node.task.start + seconds, node.taken, "")


def _at(task: Task, machine: Machine) -> Slot | None:
    """Where it stands so far, if on this machine."""
    return task.slot if task.slot and task.slot.machine == machine.id else None


# --- batches


def _batches(
    model: Model, machine: Machine, chain: list[tuple[Key, Task]], free: list[tuple[Key, Task]],
    blocked: list[Interval], change: Change | None,
) -> dict[Key, Any]:
    """operation -> whether it takes the machine itself; of batches that stand so far only the first is there."""
    taken: dict[Key, Any] = {key: task.on[machine.id] for key, task in (*chain, *free)}
    if machine.batch == 1:
        return taken
    joined: dict[Key, list[Any]] = defaultdict(list)  # leader -> who else goes along
    groups: dict[tuple[str, int, str], list[Key]] = defaultdict(list)
    for _, same in itertools.groupby(chain, key=lambda pair: _when(pair[1])):
        group = list(same)
        leader, task = group[0]
        for key, other in group[1:]:
            del taken[key]
            if not other.fixed:
                model.cp.add(other.start == task.start)
            joined[leader].append(True)
        kind = _kind(machine, task)
        alike = kind is not None and all(_kind(machine, other) == kind for _, other in group)
        if kind and alike and (task.how != "frozen" or _open(model, chain, group, blocked, change, kind)):
            groups[kind].append(leader)
    tasks = dict((*chain, *free))
    for key, task in free:
        model.look()
        kind = _kind(machine, task)
        if kind:
            _join(model, machine, key, task, [(k, tasks[k]) for k in groups[kind]], taken, joined)
            groups[kind].append(key)
    for along in joined.values():
        if not all(each is True for each in along):
            model.cp.add(sum(along) <= machine.batch - 1)
    return taken


def _when(task: Task) -> Interval:
    return (task.slot.start_s, task.slot.end_s) if task.slot else (0, 0)


def _kind(machine: Machine, task: Task) -> tuple[str, int, str] | None:
    """What operations must have in common to go together."""
    operation = task.operation
    if not operation.batch:
        return None
    seconds = task.seconds if task.fixed else _seconds(machine, task)
    return operation.batch, seconds, operation.setup


def _join(
    model: Model, machine: Machine, key: Key, task: Task, leaders: list[tuple[Key, Task]], taken: dict[Key, Any],
    joined: dict[Key, list[Any]],
) -> None:
    """It runs alone or leads, or goes along with one of those who may lead it."""
    if not leaders:
        return
    here, slot = taken[key], _at(task, machine)
    follows, along = [], False
    for leader, other in leaders:
        so_far = _at(other, machine)
        first = not along and slot is not None and so_far is not None and _when(task) == _when(other)
        along |= first
        literal = model.choice(first)
        model.cp.add(task.start == other.start).only_enforce_if(literal)
        if taken[leader] is not True:
            model.cp.add_implication(literal, taken[leader])
        joined[leader].append(literal)
        follows.append(literal)
    taken[key] = model.choice(slot is not None and not along)
    model.cp.add(taken[key] + sum(follows) == here)


def _open(
    model: Model, chain: list[tuple[Key, Task]], group: list[tuple[Key, Task]], blocked: list[Interval],
    change: Change | None, kind: tuple[str, int, str],
) -> bool:
    """Whether others may go along with what has begun. Where that depends on what is planned before it, nobody may, and
    the model no longer proves anything."""
    start_s, end_s = _when(group[0][1])
    slots = [task.slot for _, task in group if task.slot]
    if start_s < 0 or end_s <= start_s or any(a < end_s and start_s < b for a, b in blocked):
        return False
    states = {task.operation.setup for task in model.tasks.values()} | {m.state for m in model.shop.machines}
    most_s = max((change(state, kind[2]) for state in states), default=0) if change else 0
    next_s = [t.slot.start_s - t.slot.setup_s for _, t in chain if t.slot and _when(t) > (start_s, end_s)]
    clear = (
        most_s <= min(slot.setup_s for slot in slots) and start_s >= most_s
        and not any(a < end_s and start_s - most_s < b for a, b in blocked) and min(next_s, default=end_s) >= end_s)
    model.exact &= clear
    return clear


# --- setups


def _circuit(model: Model, machine: Machine, behind: list[Node], free: list[Node], change: Change) -> None:
    """The order of all that names a setup, with what the changes take. behind: those whose order is given."""
    chain, free = [n for n in behind if n.state], [n for n in free if n.state]
    state, planned, after_s = machine.state, False, 0
    soonest_s = min((n.task.soonest_s + _seconds(machine, n.task) for n in free), default=0)
    while chain and chain[0].task.fixed and (not free or chain[0].begin < soonest_s):
        state, planned, after_s = chain[0].state, chain[0].planned, chain[0].task.end  # nothing can come before it
        chain = chain[1:]
    nodes = [*chain, *free]
    for node in nodes:
        if not node.task.fixed:
            most_s = max((change(before, node.state) for before in {state, *(n.state for n in nodes)}), default=0)
            slot = _at(node.task, machine)
            if most_s:
                node.setup = model.number(0, most_s, slot.setup_s if slot else 0)
                begin = slot.start_s - slot.setup_s if slot else None
                node.begin = model.number(0, model.latest_s, begin)
    arcs = _Arcs(model, machine, nodes, change)
    for j, node in _followers(nodes, chain, 0):
        arcs.add(0, j, (state, planned, after_s), node)
    for i, before in enumerate(nodes, 1):
        model.look()
        for j, node in _followers(nodes, chain, i):
            arcs.add(i, j, (before.state, before.planned, before.task.end), node)
        if i >= len(chain):
            arcs.close(i)
    arcs.done()


def _followers(nodes: Sequence[Node], chain: Sequence[Node], i: int) -> Iterable[tuple[int, Node]]:
    """(number, node) of those that can come right behind node i (0: the beginning): free ones, and of the chain the
    next, or any behind a free one."""
    count = len(chain)
    for j, node in enumerate(nodes, 1):
        if j != i and (j > count or i > count or j == i + 1):
            yield j, node


class _Arcs:
    """The arcs of one machine's circuit; 0 stands for beginning and end."""

    def __init__(self, model: Model, machine: Machine, nodes: Sequence[Node], change: Change) -> None:
        self.model, self.nodes, self.change = model, nodes, change
        self.arcs: list[tuple[int, int, Any]] = []
        self.into: dict[int, list[tuple[int, Any]]] = defaultdict(list)
        self.hint: set[tuple[int, int]] = set()
        if model.seed:
            at = [(_when(n.task), j) for j, n in enumerate(nodes, 1) if self._leads(n, machine)]
            path = [0, *(j for _, j in sorted(at)), 0]
            self.hint = set(itertools.pairwise(path))

    def _leads(self, node: Node, machine: Machine) -> bool:
        """Whether it takes this machine in the plan so far."""
        slot = _at(node.task, machine)
        if not slot:
            return False
        if machine.batch == 1 or node.taken is True:
            return True
        same = [n for n in self.nodes if _at(n.task, machine) and _when(n.task) == _when(node.task)]
        return same[0] is node

    def add(self, i: int, j: int, before: tuple[str, bool, Any], node: Node) -> None:
        """j right behind i, if that can be. before: the state i leaves, whether it had not begun, and its end."""
        state, planned, end = before
        seconds = self.change(state, node.state)
        how = node.task.how
        if (how == "frozen" and planned and seconds > node.setup) or (how == "held" and seconds != node.setup):
            return
        literal = self.model.choice((i, j) in self.hint)
        self.arcs.append((i, j, literal))
        self.into[j].append((seconds, literal))
        if node.task.fixed and isinstance(end, int):
            return
        lead = node.begin if node.task.fixed else node.task.start - seconds
        self.model.cp.add(lead >= end).only_enforce_if(literal)

    def close(self, i: int) -> None:
        """i can be the last."""
        self.arcs.append((i, 0, self.model.choice((i, 0) in self.hint)))

    def done(self) -> None:
        """Those that do not take the machine are left out; a setup is what the arc into it says."""
        cp = self.model.cp
        for j, node in enumerate(self.nodes, 1):
            if node.taken is not True:
                self.arcs.append((j, j, ~node.taken))
            if not isinstance(node.setup, int):
                cp.add(node.setup == sum(seconds * literal for seconds, literal in self.into[j] if seconds))
                self.model.spent.append((1, node.setup))
        if all(node.taken is not True for node in self.nodes):
            self.arcs.append((0, 0, self.model.choice((0, 0) in self.hint)))
        cp.add_circuit(self.arcs)


# --- pools


def _add_pools(model: Model) -> None:
    """Machines that are alike: as many operations at once as there are; who takes which is settled afterwards."""
    waiting: dict[tuple[str, ...], list[Any]] = defaultdict(list)
    for key, group in model.pool.items():
        task = model.tasks[key]
        waiting[group].append(model.cp.new_fixed_size_interval_var(task.start, task.seconds, ""))
    taken = busy(model.shop)
    for group, spans in waiting.items():
        closed = [
            model.cp.new_fixed_size_interval_var(begin, end - begin, "")
            for machine in group for begin, end in taken[machine] if begin < model.known_s and end > begin]
        count = len(spans) + len(closed)
        model.cp.add_cumulative([*spans, *closed], [1] * count, len(group))
