"""What a plant learns, by its site file: tasks, their data and outcomes, and when a model of each is trained.

    for task in learned(plant): ...          the [[learn]] tables; without any, what goes without asking
    kind_of(task).gather(plant, task, now_ns)

Each kind of task is a file here, the twin of the one in `learn.tasks`: `gather` (its data from the store), `known` (how
many outcomes there are), `outcomes` (what came true, where it is no value of the store), `look` (what is said now).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from loopwright.core.errors import SiteError, UnknownName
from loopwright.core.kinds import KINDS as EVENTS

if TYPE_CHECKING:
    from loopwright.app.plant import Plant
    from loopwright.app.site import Site

KINDS = ("forecast", "life", "classes", "anomaly")


@dataclass(frozen=True)
class Task:
    """One thing to learn.

    kind      of KINDS; name: what the league calls it
    things    that are heard; signals: of them
    step_s    s of one step of what is read; ahead_s: how far ahead it speaks; history_s: how far back it reads
    label     classes: the field of an inspection that is told; ends: life: the event that ends a life, '' for tools
    trouble   anomaly: events that are trouble; per_day: false alarms a day of a thing
    """

    kind: str
    name: str
    things: tuple[str, ...]
    signals: tuple[str, ...]
    step_s: float = 60.0
    ahead_s: float = 3600.0
    history_s: float = 14 * 86_400.0
    label: str = "label"
    ends: str = ""
    trouble: tuple[str, ...] = ("machine.down", "workorder.opened")
    per_day: float = 1.0

    @property
    def ahead(self) -> int:
        """Steps that it speaks ahead."""
        return max(1, round(self.ahead_s / self.step_s))


def kind_of(task: Task) -> ModuleType:
    """The file of its kind."""
    return import_module(f"loopwright.app.learning.{task.kind}")


def learned(plant: Plant) -> list[Task]:
    """What the site learns; without a [[learn]] table: forecasts of what packs derive, and lives of tools."""
    rows = plant.site.shop.get("learn", ())
    if rows:
        return [_task(plant.site, row) for row in rows]
    found = []
    for pack in plant.packs.values():
        for rule in pack.hooks.get("derived", ()):
            things = [m.id for m in plant.site.machines if m.kind == rule.kind and m.link]
            if things:
                found.append(Task("forecast", f"forecast-{rule.signal}", tuple(things), (rule.signal,), rule.window_s))
        if "maintain" in pack.hooks:
            found.append(Task("life", "tool-life", tuple(m.id for m in plant.site.machines if m.link), ()))
    return found


def task_of(plant: Plant, name: str) -> Task:
    """The task of that name. Raises UnknownName."""
    known = {task.name: task for task in learned(plant)}
    if name not in known:
        raise UnknownName("task", name, known)
    return known[name]


def check(site: Site, where: str) -> None:
    """Raises SiteError or UnknownName for a [[learn]] or [learning] table that cannot be."""
    table = site["learning"]
    if not 0 <= table["every"] <= 1_000_000:
        raise SiteError(f"{where} [learning] every", f"is {table['every']}", "0 to 1,000,000 outcomes")
    if not 0 < table["watts"] <= 10_000:
        raise SiteError(f"{where} [learning] watts", f"is {table['watts']}", "above 0, to 10,000 W")
    hour, _, minute = str(table["at"]).partition(":")
    if table["at"] and not (hour.isdigit() and minute.isdigit() and int(hour) < 24 and int(minute) < 60):
        raise SiteError(f"{where} [learning] at", f"is {table['at']!r}", "a time of day 'HH:MM', or ''")
    seen: set[str] = set()
    for row in site.shop.get("learn", ()):
        task = _task(site, row, where)
        if task.name in seen:
            raise SiteError(f"{where} [[learn]] {task.name!r}", "stands twice", "a name of its own for each task")
        seen.add(task.name)


def _task(site: Site, row: Mapping[str, Any], where: str = "[[learn]]") -> Task:
    kind = str(row["task"])
    if kind not in KINDS:
        raise UnknownName(f"task of {where} [[learn]]", kind, KINDS)
    signals = tuple(map(str, row["signals"]))
    name = str(row["name"]) or "-".join([kind, *signals[:1]] if kind != "classes" else [kind, str(row["label"])])
    place = f"{where} [[learn]] {name!r}"
    if not name.strip(".") or any(sign in name for sign in "/@\\"):
        raise SiteError(f"{place} name", "is no name, or holds '/', '\\' or '@'", "letters, digits, '-' and '.'")
    for word in [*map(str, row["trouble"]), *([str(row["ends"])] if row["ends"] else [])]:
        if word.partition("/")[0] not in EVENTS:
            raise UnknownName(f"event of {place}", word, EVENTS)
    things = tuple(m.id for m in site.machines if m.link and any(fnmatchcase(m.id, one) for one in row["things"]))
    if not things:
        raise SiteError(f"{place} things", f"{row['things']} name no machine that is listened to",
                        ", ".join(m.id for m in site.machines if m.link) or "none is")
    if not (0 < row["step_s"] <= 86_400 and row["step_s"] <= row["ahead_s"] <= 366 * 86_400
            and row["ahead_s"] <= row["history_days"] * 86_400):
        raise SiteError(f"{place} step_s, ahead_s, history_days",
                        f"{row['step_s']}, {row['ahead_s']}, {row['history_days']}",
                        "a step up to a day, at most as long as what is ahead, that at most as long as the history")
    _check_signals(site, kind, things, signals, place, str(row["ends"]))
    return Task(kind, name, things, signals, float(row["step_s"]), float(row["ahead_s"]),
                float(row["history_days"]) * 86_400.0, str(row["label"]), str(row["ends"]),
                tuple(map(str, row["trouble"])), float(row["false_alarms_per_day"]))


def _check_signals(
    site: Site, kind: str, things: Sequence[str], signals: Sequence[str], place: str, ends: str
) -> None:
    """Every thing has the signals; a forecast has one, other kinds but lives of tools at least one."""
    kinds = {one.name: one for one in site.all_kinds}
    of = {m.id: {signal.name for signal in kinds[m.kind].signals} for m in site.machines}
    for thing in things:
        for signal in signals:
            if signal not in of[thing]:
                raise UnknownName(f"signal of {place} on {thing}", signal, of[thing])
    if kind == "forecast" and len(signals) != 1:
        raise SiteError(f"{place} signals", f"{list(signals)}", "one signal that is forecast")
    if not signals and (kind in ("classes", "anomaly") or ends):
        raise SiteError(f"{place} signals", "names none", "at least one signal")
