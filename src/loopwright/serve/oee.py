"""Overall equipment effectiveness of a machine over a shift, by ISO 22400-2.

    _, decisions, state = decide(Heard(points, units), None, state, now_ns, Settings(...))

    availability = APT / PBT          actual production time over planned busy time
    effectiveness = PRI * PQ / APT    planned run time per item, produced quantity
    quality = GQ / PQ                 good quantity
    OEE = availability * effectiveness * quality

PBT is the shift without its planned breaks, in the site's time zone: a night shift lasts 7 or 9 hours when the clocks
change. Time of which nothing is known is never counted as production; it stands beside the number as its upper end.
Data that comes late changes the number, and the decision that corrects it says what it replaces.
Source: ISO 22400-2:2014, Automation systems and integration, Key performance indicators, clauses for availability,
effectiveness, quality ratio and OEE index; time model: clause 5 (PBT, APT, AUST set-up, ADOT down, ADET delay).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import BAD, Decision, Event, Evidence

NAME = "oee"
MEANING = "Says how much of a shift a machine used to make good parts at the planned pace (ISO 22400-2)."
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# word of machine.state -> time element of ISO 22400-2 that it counts as
ELEMENTS = {"active": "APT", "setup": "AUST", "down": "ADOT", "idle": "ADET", "off": "off"}


@dataclass(frozen=True)
class Shift:
    """Working time, local. start, end 'HH:MM' (an end not after the start is on the next day); breaks: planned."""

    name: str
    start: str
    end: str
    breaks: tuple[tuple[str, str], ...] = ()
    days: tuple[str, ...] = DAYS[:5]

    def __post_init__(self) -> None:
        for text in (self.start, self.end, *(t for pair in self.breaks for t in pair)):
            _clock_time(text, f"shift {self.name!r}")
        for day in self.days:
            if day not in DAYS:
                raise UnknownName(f"day of shift {self.name!r}", day, DAYS)


def shifts(hours: Sequence[str], days: Sequence[str] = DAYS[:5]) -> tuple[Shift, ...]:
    """Shifts as the site file has them: hours ["06:00-14:00", "22:00-06:00"] and days ["mon", ..]; '24:00' is midnight.

    Raises InputError for hours that cannot be read.
    """
    found = []
    for text in hours:
        start, dash, end = text.replace("24:00", "00:00").partition("-")
        if not dash:
            raise InputError("[shifts] hours", f"{text!r}", "'HH:MM-HH:MM'")
        found.append(Shift(text, start.strip(), end.strip(), days=tuple(days)))
    return tuple(found)


@dataclass(frozen=True)
class Settings:
    """What the numbers need beside what was heard.

    shifts         the site's; zone: IANA name of its time zone
    ideal_cycle_s  machine -> planned run time per item (PRI), seconds
    codes          code of the state signal -> word
    hold_s         how long a state is believed without hearing it again; None: until the next one (sent on change)
    window_ns      shifts that overlap this time are judged; None: from the first sample to now
    """

    shifts: tuple[Shift, ...]
    zone: str
    ideal_cycle_s: Mapping[str, float]
    codes: Mapping[int, str] = field(default_factory=lambda: {0: "idle", 1: "active", 2: "setup", 3: "down", 4: "off"})
    hold_s: float | None = None
    window_ns: tuple[int, int] | None = None
    state_signal: str = "machine.state"
    count_signal: str = "part.count"

    def __post_init__(self) -> None:
        for machine, cycle_s in self.ideal_cycle_s.items():
            if not cycle_s > 0:
                raise InputError(f"ideal cycle of {machine!r}", f"{cycle_s} s", "above 0")
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError):
            given = f"there is no time zone {self.zone!r}"
            raise InputError("shifts", given, "an IANA name such as 'Europe/Berlin'") from None


@dataclass(frozen=True)
class Heard:
    """points: POINTS rows of the state and count signals, from before the first shift that matters; units: what
    inspection found, [{machine, t_ns, good}], t_ns when the part was finished on that machine."""

    points: pa.Table
    units: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Times:
    """Seconds of planned busy time by what the machine did in them: PBT = sum of all. unknown: nothing is known."""

    pbt_s: float
    elements: Mapping[str, float]
    unknown_s: float

    @property
    def apt_s(self) -> float:
        """Actual production time."""
        return self.elements.get("APT", 0.0)


def ratios(apt_s: float, pbt_s: float, pri_s: float, pq: int, gq: int) -> dict[str, float | None]:
    """Availability, effectiveness, quality and OEE; None where a ratio has nothing to divide by.

    apt_s, pbt_s  actual production and planned busy time; pri_s: planned run time per item; pq, gq: produced and good
    Without production (APT 0) effectiveness is not defined and the OEE of a busy time is 0.
    """
    if min(apt_s, pbt_s, pri_s, pq, gq) < 0 or gq > pq:
        given = f"APT {apt_s}, PBT {pbt_s}, PRI {pri_s}, PQ {pq}, GQ {gq}"
        raise InputError("OEE", given, "none below 0, GQ at most PQ")
    availability = apt_s / pbt_s if pbt_s > 0 else None
    effectiveness = pri_s * pq / apt_s if apt_s > 0 else None
    quality = gq / pq if pq > 0 else None
    if availability is None or (apt_s > 0 and quality is None and pq > 0):
        oee = None
    else:
        oee = availability * (effectiveness or 0.0) * (quality or 0.0)
    return {"availability": availability, "effectiveness": effectiveness, "quality": quality, "oee": oee}


def shift_windows(settings: Settings, start_ns: int, end_ns: int) -> Iterator[tuple[Shift, int, list[tuple[int, int]]]]:
    """(shift, its start_ns, planned busy intervals [(from ns, to ns)]) of each shift that overlaps start_ns..end_ns."""
    zone = ZoneInfo(settings.zone)
    day = datetime.fromtimestamp(start_ns // NS_PER_S, UTC).astimezone(zone).date() - timedelta(days=1)
    last = datetime.fromtimestamp(-(-end_ns // NS_PER_S), UTC).astimezone(zone).date()
    while day <= last:
        for shift in settings.shifts:
            if DAYS[day.weekday()] not in shift.days:
                continue
            busy = _busy(shift, day, zone)
            if busy and busy[0][0] < end_ns and busy[-1][1] > start_ns:
                yield shift, _at(shift.start, day, zone), busy
        day += timedelta(days=1)


def _busy(shift: Shift, day: date, zone: ZoneInfo) -> list[tuple[int, int]]:
    """The shift of that day without its breaks."""
    start_ns = _at(shift.start, day, zone)
    end_ns = _at(shift.end, day if _minutes(shift.end) > _minutes(shift.start) else day + timedelta(days=1), zone)
    edges = [start_ns]
    for pause_start, pause_end in sorted(shift.breaks, key=lambda pair: _from(shift.start, pair[0])):
        for text in (pause_start, pause_end):
            next_day = _minutes(text) < _minutes(shift.start)
            edges.append(_at(text, day + timedelta(days=1) if next_day else day, zone))
    edges.append(end_ns)
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b > a]


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return 60 * int(hours) + int(minutes)


def _from(start: str, text: str) -> int:
    """Minutes from the shift's start to a time of day."""
    return (_minutes(text) - _minutes(start)) % (24 * 60)


def _clock_time(text: str, where: str) -> None:
    try:
        time.fromisoformat(text)
    except ValueError:
        raise InputError(where, f"{text!r} is not a time of day", "'HH:MM'") from None


def _at(text: str, day: date, zone: ZoneInfo) -> int:
    """ns UTC of a local time of day; one that a clock change skips is counted with the offset before the change."""
    local = datetime.combine(day, time.fromisoformat(text), tzinfo=zone)
    return int(local.timestamp()) * NS_PER_S


def spent(t_ns: np.ndarray, codes: np.ndarray, busy: Sequence[tuple[int, int]], settings: Settings) -> Times:
    """How the planned busy time was spent.

    t_ns, codes  (n,)  state changes (or repeats) in the order of their times, from before the shift on
    busy         planned busy intervals, ns
    A state holds until the next (or for hold_s); before the first one nothing is known.
    """
    elements: dict[str, float] = {}
    pbt_s = sum(b - a for a, b in busy) / NS_PER_S
    if len(t_ns) == 0:
        return Times(pbt_s, elements, pbt_s)
    until = np.append(t_ns[1:], np.iinfo(np.int64).max)
    if settings.hold_s is not None:
        until = np.minimum(until, t_ns + round(settings.hold_s * NS_PER_S))
    inside = np.zeros(len(t_ns))
    for a, b in busy:
        inside += np.clip(np.minimum(until, b) - np.maximum(t_ns, a), 0, None) / NS_PER_S
    for code in np.unique(codes):
        word = settings.codes.get(int(code), "")
        element = ELEMENTS.get(word, "other")
        elements[element] = elements.get(element, 0.0) + float(inside[codes == code].sum())
    return Times(pbt_s, elements, max(0.0, pbt_s - float(inside.sum())))


def produced(t_ns: np.ndarray, count: np.ndarray, start_ns: int, end_ns: int) -> int:
    """Parts that a counter counted after start_ns and up to end_ns; a counter that falls was reset to 0 first."""
    before = np.flatnonzero(t_ns <= start_ns)
    inside = np.flatnonzero((t_ns > start_ns) & (t_ns <= end_ns))
    if len(inside) == 0:
        return 0
    first = count[before[-1]] if len(before) else count[inside[0]]
    steps = np.diff(np.concatenate([[first], count[inside]]))
    return int(np.where(steps < 0, count[inside], steps).sum())


State = Mapping[str, Mapping[str, Any]]  # '<machine>/<shift start ns>' -> {"hash": of the numbers, "decision": id}


def decide(
    heard: Heard, prediction: None, state: State, now_ns: int, settings: Settings
) -> tuple[list[Event], list[Decision], dict[str, dict[str, Any]]]:
    """One Decision for each machine and shift that is over and whose numbers are new or have changed.

    returns  (no events, decisions, the new state)
    """
    new = {key: dict(said) for key, said in state.items()}
    decisions: list[Decision] = []
    if heard.points.num_rows == 0:
        why = "no machine has said what it does"
        said = Decision(f"{NAME}/{now_ns}", NAME, "plant", now_ns, f"No effectiveness: {why}.", abstains=why)
        return [], [said], new
    first_ns, last_ns = settings.window_ns or (pc.min(heard.points.column("t_ns")).as_py(), now_ns)
    for machine in settings.ideal_cycle_s:
        series = _series(heard.points, machine, settings)
        for shift, start_ns, busy in shift_windows(settings, first_ns, min(last_ns, now_ns)):
            if busy[-1][1] > now_ns:
                continue
            numbers = _numbers(series, machine, busy, heard.units, settings)
            key, digest = f"{machine}/{start_ns}", _digest(numbers)
            replaces = new.get(key, {}).get("decision", "")
            if new.get(key, {}).get("hash") == digest:
                continue
            decision = _decision(machine, shift, busy, numbers, replaces, now_ns, settings)
            decisions.append(decision)
            new[key] = {"hash": digest, "decision": decision.id}
    return [], decisions, new


def fold(events: Iterable[Event]) -> dict[str, dict[str, Any]]:
    """The state from recorded decisions, in their order."""
    state: dict[str, dict[str, Any]] = {}
    for event in events:
        decision = event.body.get("decision") if event.kind == "decision.made" else None
        if decision and decision["service"] == NAME and decision["body"].get("key"):
            state[decision["body"]["key"]] = {"hash": decision["body"]["hash"], "decision": decision["id"]}
    return state


_Series = tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def _series(points: pa.Table, machine: str, settings: Settings) -> _Series:
    """((t_ns, state codes), (t_ns, counts)) of one machine, in the order of their times."""
    usable = (pc.field("thing") == machine) & pc.field("code").is_valid() & (pc.field("quality") < BAD)
    mine = points.filter(usable).sort_by([("t_ns", "ascending")])
    found = []
    for signal in (settings.state_signal, settings.count_signal):
        rows = mine.filter(pc.field("signal") == signal)
        found.append((rows.column("t_ns").to_numpy(), rows.column("code").to_numpy()))
    return found[0], found[1]


def _numbers(
    series: _Series,
    machine: str,
    busy: Sequence[tuple[int, int]],
    units: Sequence[Mapping[str, Any]],
    settings: Settings,
) -> dict[str, Any]:
    """Everything that is said about one machine and shift, as plain data.

    Produced quantity is what the machine counted, or where it has no counter what was inspected. Where not every part
    was inspected, the quality of those that were stands for all, and `inspected` says how many they are.
    """
    (state_t_ns, codes), (count_t_ns, counts) = series
    times = spent(state_t_ns, codes, busy, settings)
    start_ns, end_ns = busy[0][0], busy[-1][1]
    judged = [bool(u["good"]) for u in units if u["machine"] == machine and start_ns <= u["t_ns"] < end_ns]
    pq = produced(count_t_ns, counts, start_ns, end_ns) if len(counts) else len(judged)
    pq = max(pq, len(judged))
    gq = round(pq * sum(judged) / len(judged)) if judged else 0
    pri_s = settings.ideal_cycle_s[machine]
    rated = ratios(times.apt_s, times.pbt_s, pri_s, pq, gq)
    if pq and not judged:
        rated |= {"quality": None, "oee": None}
    upper = None
    if rated["oee"] is not None and times.unknown_s > 0:  # had it produced at its pace all the time nobody heard it
        upper = min(1.0, rated["oee"] + times.unknown_s / times.pbt_s * (rated["quality"] or 1.0))
    return {
        "PBT_s": times.pbt_s, "APT_s": times.apt_s, "unknown_s": times.unknown_s, "elements_s": dict(times.elements),
        "PRI_s": pri_s, "PQ": pq, "GQ": gq, "inspected": len(judged), **rated, "oee_high": upper,
    }


def _decision(
    machine: str, shift: Shift, busy: Sequence[tuple[int, int]], numbers: Mapping[str, Any], replaces: str, now_ns: int,
    settings: Settings,
) -> Decision:
    start_ns, end_ns = busy[0][0], busy[-1][1]
    local = datetime.fromtimestamp(start_ns // NS_PER_S, UTC).astimezone(ZoneInfo(settings.zone))
    key, digest = f"{machine}/{start_ns}", _digest(numbers)
    signals = (settings.state_signal, settings.count_signal)
    because = tuple(Evidence("points", machine, signal, start_ns, end_ns) for signal in signals)
    body = {**numbers, "shift": shift.name, "start_ns": start_ns, "end_ns": end_ns, "key": key, "hash": digest,
            "replaces": replaces, "source": "ISO 22400-2"}
    about = f"{machine}, shift {shift.name} of {local:%Y-%m-%d}"
    says, abstains = _says(about, numbers)
    if replaces and not abstains:
        says += " (Corrected: values came late or were mended.)"
    oee = numbers["oee"]
    return Decision(
        f"{NAME}/{key}/{digest[:8]}", NAME, machine, now_ns, says, oee, "1", oee, numbers["oee_high"] or oee, because,
        abstains=abstains, body=body,
    )


def _says(about: str, numbers: Mapping[str, Any]) -> tuple[str, str]:
    """(the sentence, why there is no number: '' when there is one)."""
    hours, heard = numbers["PBT_s"] / 3600, numbers["PBT_s"] - numbers["unknown_s"]
    if heard <= 0:
        return f"{about}: no effectiveness, the machine was not heard in {hours:.1f} planned hours.", "not heard"
    lost = {name: s for name, s in numbers["elements_s"].items() if name != "APT"} | {"unknown": numbers["unknown_s"]}
    longest = sorted(((s, name) for name, s in lost.items() if s > 0), reverse=True)
    losses = ", ".join(f"{_LOSS[name]} {s / 60:.0f} min" for s, name in longest)
    used = f"availability {numbers['availability']:.1%} of {hours:.1f} h" + (f" ({losses})" if losses else "")
    if numbers["oee"] is None:
        says = f"{about}: {used}; {numbers['PQ']} parts, none inspected, so no quality and no OEE."
        return says, "no part was inspected"
    effectiveness, quality = numbers["effectiveness"], numbers["quality"]
    pace = "no production" if effectiveness is None else f"effectiveness {effectiveness:.1%}"
    good = "no parts" if quality is None else f"quality {quality:.1%} ({numbers['GQ']} of {numbers['PQ']} good)"
    too_long = " An effectiveness above 100 % means that the ideal cycle is set too long."
    note = too_long if (effectiveness or 0) > 1 else ""
    return f"{about}: OEE {numbers['oee']:.1%}; {used}, {pace}, {good}.{note}", ""


_LOSS = {"AUST": "set-up", "ADOT": "down", "ADET": "idle", "off": "off", "other": "other", "unknown": "not known"}


def _digest(numbers: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(dict(numbers), sort_keys=True).encode()).hexdigest()
