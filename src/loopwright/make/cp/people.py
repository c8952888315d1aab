"""Persons and tools in a CP-SAT model.

Persons with the same skills and the same hours are a team: as many operations at once as it has heads, and who does
which is settled afterwards (a person who becomes free takes the next).
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from loopwright.make.shop import Key, Shop, merged

if TYPE_CHECKING:
    from loopwright.make.cp.model import Model, Task

Interval = tuple[int, int]


class Team(NamedTuple):
    """Persons who can stand in for each other, what they can do, and when they cannot."""

    ids: tuple[str, ...]
    skills: frozenset[str]
    away: tuple[Interval, ...]


def teams(shop: Shop, alone: frozenset[str] = frozenset()) -> list[Team]:
    """The persons of a shop by skills and hours; those in `alone` by themselves."""
    begun: dict[str, list[Interval]] = defaultdict(list)
    for operation in shop.operations:
        if operation.frozen and operation.frozen.operator:
            begun[operation.frozen.operator].append((operation.frozen.start_s, operation.frozen.end_s))
    found: dict[tuple[object, ...], list[str]] = {}
    for person in shop.operators:
        away = tuple(merged([*person.away, *begun[person.id]]))
        single = person.id if person.id in begun or person.id in alone else ""
        found.setdefault((frozenset(person.skills), away, single), []).append(person.id)
    return [Team(tuple(ids), key[0], key[1]) for key, ids in found.items()]  # type: ignore[arg-type]


def add(model: Model) -> None:
    """Persons and tools: never more at once than there are."""
    _add_persons(model)
    _add_tools(model)


def span(model: Model, task: Task, literal: Any) -> Any:
    """The time from its start to its end, if the literal is true."""
    if isinstance(task.seconds, int):
        return model.cp.new_optional_fixed_size_interval_var(task.start, task.seconds, literal, "")
    return model.cp.new_optional_interval_var(task.start, task.seconds, task.end, literal, "")


def _add_persons(model: Model) -> None:
    kept = model.window.held | model.window.ordered
    alone = frozenset(model.seed[key].operator for key in kept)
    groups = teams(model.shop, alone)
    busy: dict[Team, list[Any]] = defaultdict(list)
    given: dict[Team, list[Interval]] = defaultdict(list)
    of = {person: team for team in groups for person in team.ids}
    for key, task in model.tasks.items():
        skill = task.operation.skill
        if not skill or task.how == "frozen":  # a frozen one's person is not to be had then, see `teams`
            continue
        if task.how == "held" and task.slot:
            given[of[task.slot.operator]].append((task.slot.start_s, task.slot.end_s))
            continue
        able = [team for team in groups if skill in team.skills]
        if task.how == "ordered" and task.slot:
            able = [of[task.slot.operator]]
        picks: list[Any] = [True]
        if len(able) > 1:
            picks = [model.choice(task.slot.operator in team.ids if task.slot else None) for team in able]
            model.cp.add_exactly_one(picks)
        model.teams[key] = list(zip(able, picks, strict=True))
        for team, pick in model.teams[key]:
            busy[team].append(span(model, task, pick))
    for team, spans in busy.items():
        away = merged([*team.away, *given[team]])
        closed = [model.cp.new_fixed_size_interval_var(a, b - a, "") for a, b in away if a < model.known_s]
        if len(team.ids) == 1:
            model.cp.add_no_overlap([*spans, *closed])
        else:
            demands = [1] * len(spans) + [len(team.ids)] * len(closed)
            model.cp.add_cumulative([*spans, *closed], demands, len(team.ids))


def _add_tools(model: Model) -> None:
    uses: dict[str, list[Task]] = defaultdict(list)
    for task in model.tasks.values():
        for tool in dict.fromkeys(task.operation.tools):
            uses[tool].append(task)
    for tool, tasks in uses.items():
        count, free = model.shop.tools[tool], [t for t in tasks if not t.fixed]
        if len(tasks) <= count or not free:
            continue
        spans = [span(model, task, True) for task in free]
        demands = [1] * len(free)
        given = [(t.slot.start_s, t.slot.end_s) for t in tasks if t.fixed and t.slot and t.slot.end_s > t.slot.start_s]
        for begin, end, held in steps(given):
            spans.append(model.cp.new_fixed_size_interval_var(begin, end - begin, ""))
            demands.append(min(held, count))
        model.cp.add_cumulative(spans, demands, count)


def steps(intervals: Sequence[Interval]) -> list[tuple[int, int, int]]:
    """(from, to, how many at once) of intervals, where there are any."""
    change: dict[int, int] = defaultdict(int)
    for begin, end in intervals:
        change[begin] += 1
        change[end] -= 1
    found, held, times = [], 0, sorted(change)
    for begin, end in itertools.pairwise(times):
        held += change[begin]
        if held:
            found.append((begin, end, held))
    return found


def hand_out(spans: Mapping[Key, Interval], team_of: Mapping[Key, Team]) -> dict[Key, str]:
    """operation -> its person, of a team that is large enough at any time."""
    free_s: dict[str, int] = {}
    found = {}
    for key in sorted(spans, key=lambda key: (spans[key], key)):
        begin, end = spans[key]
        person = next(p for p in team_of[key].ids if free_s.get(p, begin) <= begin)
        free_s[person], found[key] = end, person
    return found
