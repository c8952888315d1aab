"""The detectors of a plant: every machine of a kind is judged in one call a step, as it is heard or as it was recorded.

    detectors = Detectors(plant)
    for seen in detectors.live(now_ns): ...            what changed since the last look, for serve.watch
    for seen in detectors.recorded(spans): ...         the same of times that were played

What they learn stands in the plant's folder (watch/<kind>) once a minute, and when they are closed: the next run goes
on with the same scores, after it has judged what was heard meanwhile. A kind whose machines or signals changed, or
that an older version of this program or a damaged file tells of, learns anew. What people say of alarms is heeded
before each look: a true one does not count against the budget. Scores are not kept: they follow from the points.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from loopwright.app.plant import Plant
from loopwright.app.site import Site
from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import StoreError
from loopwright.core.types import Kind, Windows
from loopwright.learn.detecting import budget, fleet, level, surprise
from loopwright.learn.kept import registry
from loopwright.serve.watch import UNUSUAL, Anomaly, Channel, Seen
from loopwright.store.fleet import Fleet

FOLDER = "watch"
LATE_S = 2.0  # so long a step waits for samples that are under way
HELD_S, HELD = 10.0, 256  # what the live fleet holds: so many seconds, at most so many steps
BACK = 3600  # steps that are judged after a pause, at most; what is older is passed over
PART = 600  # steps that are read from the store at once
SAVE_S = 60.0
MOST_REGIMES = 64
VERSION = 2  # of what is kept
TOLD = 50  # machines whose signals are told one by one in a summary
RANKED = 8  # signals of an anomaly that are told


@dataclass(frozen=True)
class Plan:
    """What is judged of one kind. state: the signal that tells the regimes, '' for none."""

    kind: str
    things: tuple[str, ...]
    signals: tuple[str, ...]
    units: tuple[str, ...]
    state: str
    regimes: int
    settings: surprise.Settings
    of: str

    @property
    def step_ns(self) -> int:
        return round(self.settings.step_s * NS_PER_S)


@dataclass
class _Judge:
    """The judge of one kind: its plan, what it knows, the next step, and what goes on."""

    plan: Plan
    state: surprise.State
    done: int | None = None  # the first step that was not judged as it was heard
    played: int | None = None  # the same of what was played
    regime: Any = None  # (B,) last known
    standing: dict[int, Anomaly] = field(default_factory=dict)
    saved_ns: int = 0
    after: str = ""  # the newest verdict that was heeded
    verdicts: dict[str, str] = field(default_factory=dict)  # alarm -> what a person said last


def plans(site: Site) -> list[Plan]:
    """What is judged, by the site's [watch] table: every kind of machine that is listened to."""
    rates, step_s = site["watch"]["false_alarms_per_day"], float(site["watch"]["step_s"])
    kinds = {kind.name: kind for kind in site.all_kinds}
    heard = {name: tuple(m.id for m in site.machines if m.kind == name and m.link) for name in kinds}
    heard = {name: things for name, things in heard.items() if things and _signals(kinds[name])}
    found = []
    for name, things in heard.items():
        rate = float(rates.get(name, 0.0)) if isinstance(rates, Mapping) else float(rates) / len(heard)
        if rate <= 0.0:
            continue
        signals, settings = _signals(kinds[name]), surprise.Settings(rate, step_s)
        units = tuple(kinds[name].signal(signal).unit for signal in signals)
        state, regimes = _state(kinds[name], fleet.LARGEST // (len(things) * len(signals) * settings.warm))
        of = f"all of kind {name}" if isinstance(rates, Mapping) else "the plant"
        if not regimes:
            continue  # more than the detectors hold; `left_out` says so
        found.append(Plan(name, things, signals, units, state, regimes, settings, of))
    return found


def _signals(kind: Kind) -> tuple[str, ...]:
    """What is measured; counters and states are not."""
    return tuple(s.name for s in kind.signals if s.kind == "gauge" and not s.shape)


def _state(kind: Kind, most: int) -> tuple[str, int]:
    """The state signal with the most words, of those with at most `most` regimes: it tells best what the thing does;
    and its regimes. ('', 1) where there is none, ('', 0) where not even one regime fits."""
    states = [s for s in kind.signals if s.kind == "state" and not s.shape and len(s.codes) > 1 and min(s.codes) >= 0]
    fit = [s for s in states if max(s.codes) < min(most, MOST_REGIMES)]
    if not fit:
        return "", min(most, 1)
    best = max(fit, key=lambda s: len(s.codes))
    return best.name, max(best.codes) + 1


def left_out(site: Site) -> list[str]:
    """Kinds that the site wants judged and that are too large for it, in words."""
    rates, known = site["watch"]["false_alarms_per_day"], {plan.kind for plan in plans(site)}
    kinds = {kind.name: kind for kind in site.all_kinds}
    wanted = {m.kind for m in site.machines if m.link and _signals(kinds[m.kind])}
    wanted &= {kind for kind, rate in rates.items() if rate > 0} if isinstance(rates, Mapping) else wanted
    if not isinstance(rates, Mapping) and rates <= 0:
        return []
    return [f"machines of kind {kind!r} are too many to be judged by the detectors" for kind in sorted(wanted - known)]


class Detectors:
    """The judges of a plant; close them when done. What they give is used up before the next is asked."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self._judges = [_opened(plant, plan) for plan in plans(plant.site)]
        self._fleets: dict[str, Fleet] = {}
        self._looking = threading.Lock()

    def close(self) -> None:
        """Keeps what was learned, and no longer listens; a look that is under way is waited for."""
        with self._looking:
            for judge in self._judges:
                _save(self.plant, judge)
            for one in self._fleets.values():
                one.close()
            self._fleets.clear()

    def live(self, now_ns: int) -> Iterator[Seen]:
        """What changed up to now: at each step in which an anomaly began or ended, and at the end."""
        with self._looking:
            yield from self._live(now_ns)

    def _live(self, now_ns: int) -> Iterator[Seen]:
        for judge in self._judges:
            _heed(self.plant, judge)
            step_ns = judge.plan.step_ns
            end = (now_ns - round(LATE_S * NS_PER_S)) // step_ns
            ahead = judge.done is None or judge.done > end + BACK  # the clock was wrong, then or now
            first = end if ahead else max(judge.done or 0, end - BACK)
            yield from self._judged(judge, first, end, now_ns)
            judge.done = max(first, end)
            if now_ns - judge.saved_ns >= SAVE_S * NS_PER_S:
                _save(self.plant, judge)
                judge.saved_ns = now_ns

    def recorded(self, spans: Sequence[tuple[int, int]]) -> Iterator[Seen]:
        """The same of times (start_ns, end_ns) in which machines were played; what was judged before is passed over."""
        with self._looking:
            yield from self._recorded(spans)

    def _recorded(self, spans: Sequence[tuple[int, int]]) -> Iterator[Seen]:
        for judge in self._judges:
            _heed(self.plant, judge)
            step_ns = judge.plan.step_ns
            for start, end in _merged([(a // step_ns, b // step_ns + 1) for a, b in spans]):
                yield from self._judged(judge, max(start, judge.played or start), end, None)
                judge.played = max(end, judge.played or end)

    def _judged(self, judge: _Judge, first: int, end: int, now_ns: int | None) -> Iterator[Seen]:
        """Judges steps first <= step < end."""
        while first < end:
            last = min(first + PART, end)
            yield from _advanced(judge, self._read(judge, first, last, now_ns))
            first = last

    def _read(self, judge: _Judge, first: int, end: int, now_ns: int | None) -> Windows:
        """Steps first <= step < end: of the live fleet where it holds them, else of the store."""
        plan, step_ns = judge.plan, judge.plan.step_ns
        wanted = [*plan.signals, *([plan.state] if plan.state else [])]
        if now_ns is not None and now_ns // step_ns - first < _held(plan):
            seen = self._fleet(plan, wanted).windows(now_ns)
            start = first - now_ns // step_ns + _held(plan) - 1
            place = slice(start, start + end - first)
            return replace(seen, values=seen.values[:, place], mask=seen.mask[:, place], t_ns=seen.t_ns[place])
        return self.plant.store.windows(
            list(plan.things), wanted, start_ns=first * step_ns, end_ns=end * step_ns, step_ns=step_ns)

    def _fleet(self, plan: Plan, wanted: Sequence[str]) -> Fleet:
        if plan.kind not in self._fleets:
            store = self.plant.store
            self._fleets[plan.kind] = Fleet(store, plan.kind, steps=_held(plan), step_ns=plan.step_ns, signals=wanted)
        return self._fleets[plan.kind]


def _held(plan: Plan) -> int:
    return int(min(HELD, max(8, np.ceil(HELD_S / plan.settings.step_s))))


def _merged(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans in order, those that touch as one."""
    out: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if out and start <= out[-1][1]:
            out[-1] = out[-1][0], max(out[-1][1], end)
        else:
            out.append((start, end))
    return out


def _advanced(judge: _Judge, windows: Windows) -> Iterator[Seen]:
    """Judges the steps of these windows one after the other; a word at each that changed something, and at the last."""
    plan, signals = judge.plan, len(judge.plan.signals)
    place = {name: row for row, name in enumerate(windows.ids)}
    rows = [place[name] for name in plan.things]
    values, mask = windows.values[rows], windows.mask[rows]  # (B, T, C [+ 1])
    looked = np.zeros(len(rows), dtype=bool)
    for nth, t_ns in enumerate(windows.t_ns.tolist()):
        if not mask[:, nth].any():
            continue
        if plan.state:
            code = values[:, nth, signals]
            judge.regime = np.where(mask[:, nth, signals], np.nan_to_num(code, nan=-1.0), judge.regime).astype(np.int64)
        regime = judge.regime if plan.state else None
        row, there = values[:, nth, :signals], mask[:, nth, :signals]
        before = judge.state.budget.active
        look, judge.state = surprise.step(judge.state, row, there, regime, t_ns, plan.settings)
        looked |= look.judged
        for one in look.begins:
            judge.standing[one.thing] = _anomaly(plan, look, one, row, t_ns)
        judge.standing = {place: one for place, one in judge.standing.items() if look.active[place]}
        if (before != look.active).any():
            yield _seen(judge, looked, t_ns)
            looked = np.zeros(len(rows), dtype=bool)
    if looked.any():
        yield _seen(judge, looked, int(windows.t_ns[-1]))


def _heed(plant: Plant, judge: _Judge, *, past: bool = False) -> None:
    """Takes in what people said of alarms since the last look; the last word on each counts.

    past  of alarms that this judge's budget never counted: they say whose alarms are false, and give nothing back
    """
    events = plant.store.recall(kind="alarm.judged", after=judge.after)
    if not events:
        return
    known = judge.state.budget
    place = {name: row for row, name in enumerate(judge.plan.things)}
    for event in events:
        thing, verdict = str(event.body["thing"]), str(event.body["verdict"])
        if event.body["condition"] == UNUSUAL and thing in place and verdict in budget.VERDICTS:
            known = budget.told(known, place[thing], judge.verdicts.get(event.about, ""), verdict)
            judge.verdicts[event.about] = verdict
    if past:
        known = replace(known, level=judge.state.budget.level, confirmed=0)
    judge.after, judge.state = events[-1].id, replace(judge.state, budget=known)


def _seen(judge: _Judge, looked: Any, t_ns: int) -> Seen:
    names = judge.plan.things
    found = frozenset(names[i] for i in np.flatnonzero(looked))
    return Seen(tuple(judge.standing.values()), found, t_ns + judge.plan.step_ns)


def _anomaly(plan: Plan, look: surprise.Look, one: budget.Alarm, row: Any, t_ns: int) -> Anomaly:
    channels = tuple(
        Channel(plan.signals[i], share, float(row[one.thing, i]) if np.isfinite(row[one.thing, i]) else None,
                plan.units[i])
        for i, share in surprise.shares(look.parts[one.thing])[:RANKED]
    )
    return Anomaly(plan.things[one.thing], t_ns, t_ns + plan.step_ns - 1, one.score, one.threshold, channels,
                   plan.settings.per_day, plan.of, "learn.surprise")


# what is kept of them

def _opened(plant: Plant, plan: Plan) -> _Judge:
    """The judge as it was kept, or a new one where there is none, or one of other machines or signals."""
    try:
        kept = registry.decode((_folder(plant) / plan.kind).read_bytes(), f"what is known of {plan.kind}")
        if kept["plan"] == _told(plan):
            standing = {int(place): _anomaly_of(row) for place, row in kept["standing"].items()}
            judge = _Judge(plan, _state_of(kept["state"]), kept["done"], kept["played"], kept["regime"], standing,
                           after=kept["after"], verdicts=dict(kept["verdicts"]))
            if _sound(judge):
                return judge
    except (OSError, StoreError, KeyError, TypeError, ValueError, AttributeError):
        pass  # nothing that can be used: it learns anew
    fresh = _Judge(plan, surprise.start(len(plan.things), len(plan.signals), plan.settings, plan.regimes),
                   regime=np.full(len(plan.things), -1, dtype=np.int64))
    _heed(plant, fresh, past=True)
    return fresh


def _sound(judge: _Judge) -> bool:
    """Whether everything that is known has the shape that the plan asks for, and is a number where it must be one."""
    fresh = surprise.start(1, len(judge.plan.signals), judge.plan.settings, judge.plan.regimes)
    things, state = len(judge.plan.things), judge.state
    rows = things * judge.plan.regimes
    shape = (rows, len(judge.plan.signals))
    same = [one.shape == shape for one in (state.seen, state.most, state.judged, state.q90, state.q99, state.last)]
    same += [state.parts.shape == state.said.shape == (things, shape[1]), state.visits.shape == (rows,)]
    same += [state.budget.points.shape == (*fresh.budget.points.shape[:2], things), state.range.shape == (2, shape[1])]
    numbers = (state.q90, state.q99, state.parts, state.most, state.budget.points, state.budget.last,
               np.array([state.budget.level, state.budget.allowed]))
    levels = state.levels.levels
    there = levels is not None and bool(np.isfinite(levels.level).all() and np.isfinite(levels.spread).all())
    return all(same) and there and all(bool(np.isfinite(one).all()) for one in numbers)


def _save(plant: Plant, judge: _Judge) -> None:
    """Writes it beside the points; a disk that takes nothing leaves the older one."""
    if judge.done is None and judge.played is None:
        return
    kept = {
        "plan": _told(judge.plan), "state": asdict(judge.state), "done": judge.done, "played": judge.played,
        "regime": judge.regime, "after": judge.after, "verdicts": judge.verdicts,
        "standing": {str(place): asdict(one) for place, one in judge.standing.items()},
    }
    folder = _folder(plant)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in ((judge.plan.kind, registry.encode(kept)),
                           (f"{judge.plan.kind}.json", json.dumps(summary(judge.plan, judge.state)).encode())):
            part = folder / f"{name}.part"
            part.write_bytes(data)
            part.replace(folder / name)
    except OSError:
        return


def _folder(plant: Plant) -> Path:
    return plant.site.folder / FOLDER


def _told(plan: Plan) -> dict[str, Any]:
    """What must be the same for what was learned to be of use."""
    return {"version": VERSION, "things": list(plan.things),
            "signals": list(plan.signals), "units": list(plan.units), "state": plan.state, "regimes": plan.regimes,
            "step_s": plan.settings.step_s, "warm": plan.settings.warm, "past": plan.settings.past}


def _state_of(kept: Mapping[str, Any]) -> surprise.State:
    levels = kept["levels"]
    known = fleet.State(fleet.Settings(**levels["settings"]), tuple(levels["shape"]), level.Levels(**levels["levels"]))
    return surprise.State(**{**kept, "levels": known, "budget": budget.State(**kept["budget"])})


def _anomaly_of(row: Mapping[str, Any]) -> Anomaly:
    return Anomaly(**{**row, "channels": tuple(Channel(**one) for one in row["channels"])})


def summary(plan: Plan, state: surprise.State) -> dict[str, Any]:
    """What people are told of a kind's detectors: how much they know, and how the budget stands."""
    share = surprise.known(state, plan.settings)
    return {
        "kind": plan.kind, "things": len(plan.things), "signals": len(plan.signals),
        "heard": int((share >= 0.0).sum()), "judged": float(np.maximum(share, 0.0).mean()),
        "per_day": plan.settings.per_day, "of": plan.of, "threshold": state.budget.threshold,
        "confirmed": state.budget.confirmed, "false": int(state.budget.wrong.sum()),
        "waiting": _waiting(plan, state),
        "watched_s": state.steps * plan.settings.step_s, "allowed": state.budget.allowed, "raised": state.budget.alarms,
    }


def _waiting(plan: Plan, state: surprise.State) -> list[dict[str, Any]]:
    """Signals that are not judged by points of their own yet: {thing, signal, known, rows, own}; of the first TOLD
    machines."""
    rows = []
    for place, thing in enumerate(plan.things[:TOLD]):
        for signal, one in zip(plan.signals, surprise.standing(state, place, plan.settings), strict=True):
            if one.word != surprise.WORDS[0]:
                rows.append({"thing": thing, "signal": signal, "known": one.word, "rows": one.rows, "own": one.own})
    return rows


def summaries(folder: Path) -> list[dict[str, Any]]:
    """The last summary of every kind, as it stands in a plant's folder."""
    rows = []
    for path in sorted((folder / FOLDER).glob("*.json")):
        try:
            rows.append(json.loads(path.read_text("utf-8")))
        except (OSError, ValueError):
            continue
    return rows
