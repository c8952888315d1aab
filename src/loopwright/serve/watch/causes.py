"""Why an alarm is raised: a thing has gone silent, a value is beyond its limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.core.clock import NS_PER_S, iso
from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import BAD, Decision, Event, Evidence
from loopwright.serve.watch.life import ALL, NAME, PRIORITIES

SILENT, UNUSUAL = "silent", "unusual"


@dataclass(frozen=True)
class Limit:
    """A bound on one signal.

    name       the alarm's condition: 'spindle too hot'
    low, high  inside units; a value beyond them raises, a value within them by `deadband` clears
    things     which things it holds for (none: all that have the signal)
    priority   'low', 'medium', 'high'
    """

    name: str
    signal: str
    low: float | None = None
    high: float | None = None
    deadband: float = 0.0
    unit: str = ""
    things: frozenset[str] = frozenset()
    priority: str = "medium"

    def __post_init__(self) -> None:
        if self.low is None and self.high is None:
            raise InputError(f"limit {self.name!r}", "has neither low nor high", "at least one of them")
        for name, number in (("low", self.low), ("high", self.high), ("deadband", self.deadband)):
            a_number = isinstance(number, (int, float)) and not isinstance(number, bool) and np.isfinite(number)
            if number is not None and not a_number:
                raise InputError(f"limit {self.name!r}", f"{name} is {number!r}", "a number")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise InputError(f"limit {self.name!r}", f"low {self.low} is above high {self.high}", "low at most high")
        if self.priority not in PRIORITIES:
            raise UnknownName(f"priority of limit {self.name!r}", self.priority, PRIORITIES)
        if self.name in (SILENT, UNUSUAL, ALL) or "/" in self.name or self.deadband < 0:
            allowed = "a name other than 'silent', 'unusual', '*' and without '/', a deadband of 0 or more"
            raise InputError(f"limit {self.name!r}", f"deadband {self.deadband}", allowed)

    def excess(self, value: np.ndarray) -> np.ndarray:
        """(n,) how far each value is beyond, inside units; below zero: how far it is within."""
        over = np.full(len(value), -np.inf)
        if self.low is not None:
            over = np.maximum(over, self.low - value)
        if self.high is not None:
            over = np.maximum(over, value - self.high)
        return over


@dataclass(frozen=True)
class Episode:
    """A time in which a limit was exceeded: from the first value beyond it to the first that is well within again
    (end_ns None: it is not over). first: that first value."""

    start_ns: int
    end_ns: int | None
    first: float


@dataclass(frozen=True)
class Cause:
    """Why an alarm stands: since when, in words, with its number and the points that show it.

    action  what somebody is to do
    more    further fields of the alarm: a ranking of what has to do with it
    """

    condition: str
    thing: str
    onset_ns: int
    says: str
    value: float
    unit: str
    evidence: tuple[Evidence, ...]
    priority: str
    action: str
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.thing}/{self.condition}/{self.onset_ns}"


def episodes(t_ns: np.ndarray, value: np.ndarray, limit: Limit, going_on: Episode | None = None) -> list[Episode]:
    """The episodes of one limit in values (n,) in the order of their times, as `decide` would see one after another.

    going_on  the episode that had begun before the first of them
    """
    excess = limit.excess(value)
    found: list[Episode] = []
    for at in np.flatnonzero((excess > 0) | (excess <= -limit.deadband)).tolist():
        if excess[at] > 0:
            going_on = going_on or Episode(int(t_ns[at]), None, float(value[at]))
        elif going_on is not None:
            found.append(replace(going_on, end_ns=int(t_ns[at])))
            going_on = None
    return found if going_on is None else [*found, going_on]


def last_heard(newest: pa.Table) -> dict[str, tuple[int, str, int]]:
    """Thing -> (when it was last heard, the signal, that sample's own time), in ns."""
    if newest.num_rows == 0:
        return {}
    heard = newest.column("known_ns" if "known_ns" in newest.column_names else "t_ns")
    table = newest.select(["thing", "signal", "t_ns"]).append_column("heard", heard)
    ordered = table.sort_by([("heard", "ascending"), ("t_ns", "ascending")])
    last = ordered.group_by("thing", use_threads=False).aggregate([(c, "last") for c in ("heard", "signal", "t_ns")])
    return {row["thing"]: (row["heard_last"], row["signal_last"], row["t_ns_last"]) for row in last.to_pylist()}


def silences(
    heard: Mapping[str, tuple[int, str, int]], now_ns: int, silent_s: Mapping[str, float], since_ns: int,
    ended: frozenset[str],
) -> list[Cause]:
    """A cause for each thing that has been silent for longer than it may, while somebody listened.

    heard  of `last_heard`
    """
    causes = []
    for thing, allowed_s in silent_s.items():
        heard_ns, signal, t_ns = heard.get(thing, (since_ns, "", 0))
        at = max(heard_ns, since_ns)
        quiet_s = (now_ns - at) / NS_PER_S
        if thing in ended or quiet_s <= allowed_s:
            continue
        last = f"last heard {iso(heard_ns)}" if signal else "never heard"
        says = f"{thing} has been silent for {quiet_s:.0f} s ({last}; {allowed_s:g} s are allowed)."
        evidence = Evidence("points", thing, signal, t_ns, t_ns, "the last sample" if signal else "there is no sample")
        causes.append(Cause(SILENT, thing, at, says, quiet_s, "s", (evidence,), "high",
                            f"look at {thing} and its link"))
    return causes


def breaches(newest: pa.Table, limits: tuple[Limit, ...]) -> list[Cause]:
    """A cause for each thing and limit where a value of `newest` is beyond and the last one has not come back."""
    causes = []
    for limit in limits:
        for thing, t_ns, value in values_of(newest, limit):
            excess = limit.excess(value)
            if excess.max() <= 0 or excess[-1] <= -limit.deadband:
                continue
            first, worst = int(np.argmax(excess > 0)), float(value[np.argmax(excess)])
            bounds = " to ".join("any" if b is None else f"{b:g}" for b in (limit.low, limit.high))
            number = f"{worst:g} {limit.unit}".rstrip()
            says = f"{thing}: {limit.name}. {limit.signal} is {number} (allowed: {bounds})."
            start_ns, end_ns = int(t_ns[first]), int(t_ns[-1])
            evidence = Evidence("points", thing, limit.signal, start_ns, end_ns, "the samples beyond it")
            causes.append(Cause(limit.name, thing, start_ns, says, worst, limit.unit, (evidence,), limit.priority,
                                f"look at {thing}"))
    return causes


def values_of(newest: pa.Table, limit: Limit) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """(thing, t_ns (n,), values (n,)) of each thing that has values of the limit's signal, in the order of time; what
    is no finite number is no value."""
    usable = (pc.field("signal") == limit.signal) & pc.field("value").is_valid()
    if "quality" in newest.column_names:
        usable &= pc.field("quality") < BAD
    mine = newest.filter(usable)
    found = []
    for thing in mine.column("thing").unique().to_pylist():
        if limit.things and thing not in limit.things:
            continue
        numbers = (pc.field("thing") == thing) & pc.is_finite(pc.field("value"))
        rows = mine.filter(numbers).sort_by([("t_ns", "ascending")])
        if rows.num_rows:
            found.append((thing, rows.column("t_ns").to_numpy(), rows.column("value").to_numpy()))
    return found


def raised(cause: Cause, now_ns: int) -> Event:
    """The alarm of a cause."""
    body = {
        "condition": cause.condition, "thing": cause.thing, "says": cause.says, "priority": cause.priority,
        "evidence": [asdict(one) for one in cause.evidence], **cause.more,
    }
    return Event("alarm.raised", cause.id, now_ns, f"service:{NAME}", body, key=f"{cause.id}/raised")


def decision(cause: Cause, now_ns: int) -> Decision:
    """What is said about it."""
    return Decision(
        f"watch/{cause.id}", NAME, cause.thing, now_ns, cause.says, cause.value, cause.unit, because=cause.evidence,
        action=cause.action, body={"alarm": cause.id, "condition": cause.condition, **cause.more},
    )
