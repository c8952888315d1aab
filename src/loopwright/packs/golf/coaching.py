"""What the coach looks at in golf: the features of recorded swings and of shots, and how far shots went astray.

    history = history_of(person, points)            one person's swings or shots as serve.coach takes them
    coach(owner, things, points, made, consents, now_ns)        what app binds
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.core.types import BAD, Decision, Event, Thing
from loopwright.govern import consent
from loopwright.packs.golf.signals import CLUB, EVENTS, SWING, VIEWS
from loopwright.serve.coach import Array, Feature, History, Settings, decide, fold

PURPOSE = "coaching"
COST = "carry.deviation.angle"  # how far from the target line the ball landed, seen from the player
_PER_RAD = 180.0 / math.pi
# What a player does with the club. Face and path say where the ball goes by what they are against straight, so their
# distance from it is looked at, not their side.
_OF_SHOT = {
    "attack.angle": "attack angle", "club.speed": "club speed", "face.angle": "face turned away from the target",
    "club.path": "path away from the target", "face.to.path": "face turned away from the path",
}
_CALLED = {
    "head loc": "head movement", "hip shifted": "hip shift", "shoulder loc": "left shoulder's place in the stance",
    "right distance": "gap of right elbow and body", "upper tilt": "tilt of the upper body",
    "shoulder hanging back": "left shoulder hanging back", "hip hanging back": "left hip hanging back",
}
_ABSOLUTE = {"face.angle", "club.path", "face.to.path"}
_OF_FLIGHT = {
    s.name for s in SWING.signals if s.kind == "gauge" and not s.name.startswith(tuple(e + "." for e in EVENTS))
}


def features() -> tuple[tuple[Feature, int], ...]:
    """Every feature that may be looked at, with the view it is seen from (-1 where there is no camera)."""
    found = [(_feature(name, label), -1) for name, label in _OF_SHOT.items()]
    for signal in SWING.signals:
        if signal.kind == "gauge" and signal.name not in _OF_FLIGHT:
            found += [(_feature(signal.name, f"{_words(signal.name)}, {view}"), n) for n, view in VIEWS.items()]
    return tuple(found)


def history_of(person: str, points: pa.Table, assumed: str = "") -> History:
    """A person's shots in the order of time, with cost and features; both views of a swing are one shot.

    points   rows of the kinds 'club' and 'swing' of this person's things
    The cost is the angle between where the ball landed and the target line; where no shot says that, how far its carry
    was from the usual one with that club. Which club was used is a control. Without usable shots, a history of none.
    """
    shots = _Shots(points)
    cost, name, words, unit = np.abs(shots.column(COST)), COST, "closer to the target line", "rad"
    club = shots.column("club.type")
    if not np.isfinite(cost).any():
        cost, name, words, unit = _off_distance(shots.column("carry"), club), "carry", "closer to your distance", "m"
    rows = np.flatnonzero(np.isfinite(cost))
    rows = rows[np.argsort(shots.t_ns[rows], kind="stable")]
    chosen = [(feature, shots.column(feature.signal, view)[rows]) for feature, view in features()]
    heard = [
        (f, np.abs(x) if f.signal in _ABSOLUTE else x) for f, x in chosen if np.isfinite(x).any()]
    values = np.column_stack([x for _, x in heard]) if heard else np.empty((len(rows), 0))
    club = np.nan_to_num(club[rows])
    return History(
        person, cost[rows], unit, words, tuple(f for f, _ in heard), values,
        np.asarray(club[:, None] == np.unique(club)[None, 1:], float), shots.t_ns[rows],
        tuple(sorted({shots.things[i] for i in rows})), name, "deg" if unit == "rad" else "m",
        _PER_RAD if unit == "rad" else 1.0, assumed=assumed)


def _off_distance(carry: Array, club: Array) -> Array:
    """How far each carry is from the median carry with the same club, (n,) m."""
    off = np.full(len(carry), np.nan)
    known = np.nan_to_num(club)
    for one in np.unique(known):
        mine = (known == one) & np.isfinite(carry)
        if mine.any():
            off[mine] = np.abs(carry[mine] - np.median(carry[mine]))
    return off


class _Shots:
    """Points rearranged: one place for each shot (thing, time, and n where shots share a second).

    The two views of a swing are one shot: in a thing that has views, n is even face on and odd down the line.
    """

    def __init__(self, points: pa.Table) -> None:
        kept = points.filter(pc.less(points["quality"], BAD)) if points.num_rows else points
        self._signal = np.array(kept["signal"].to_pylist(), object)
        self._n = kept["n"].to_numpy().astype(np.int64)
        value = kept["value"].to_numpy(zero_copy_only=False).astype(float)
        code = kept["code"].cast(pa.float64()).to_numpy(zero_copy_only=False)
        self._value = np.where(np.isfinite(value), value, code)
        thing = np.array(kept["thing"].to_pylist(), object)
        filmed = set(thing[self._signal == "view"])
        number = np.where([t in filmed for t in thing], self._n // 2, self._n) if len(thing) else self._n
        t_ns = kept["t_ns"].to_numpy()
        places: dict[tuple[str, int, int], int] = {}
        keys = zip(thing.tolist(), t_ns.tolist(), number.tolist(), strict=True)
        self._place = np.array([places.setdefault(key, len(places)) for key in keys], np.int64)
        self.things = [key[0] for key in places]
        self.t_ns = np.array([key[1] for key in places], np.int64)

    def column(self, signal: str, view: int = -1) -> Array:
        """(shots,) mean of a signal's values at each shot, NaN where there is none; of one view where one is named."""
        rows = (self._signal == signal) & np.isfinite(self._value)
        if view >= 0:
            rows &= self._n % 2 == view
        count = np.bincount(self._place[rows], minlength=len(self.things)).astype(float)
        total = np.bincount(self._place[rows], self._value[rows], minlength=len(self.things))
        return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)


def coach(
    owner: str, things: Sequence[Thing], points: pa.Table, made: Iterable[Event], consents: Iterable[Event], now_ns: int
) -> tuple[list[Event], list[Decision], dict[str, Any]]:
    """What the coach says to an owner now, from the shots and swings of their things.

    made      events decision.made, from which the coach's state is folded
    consents  events of consent; without one for coaching it says only that
    """
    if PURPOSE not in consent.valid(consents, owner, now_ns):
        empty = points.slice(0, 0)
        held = history_of(owner, empty)
        withheld = History(**{**held.__dict__, "withheld": "no consent to coaching is given"})
        return decide(withheld, None, fold(made), now_ns, Settings())
    words = sorted({str(thing.labels["assumed"]) for thing in things if thing.labels.get("assumed")})
    history = history_of(owner, points, f"whose shots these are ({', '.join(words)})" if words else "")
    return decide(history, None, fold(made), now_ns, Settings())


def _feature(name: str, label: str) -> Feature:
    kind = SWING if any(s.name == name for s in SWING.signals) else CLUB
    unit = kind.signal(name).unit
    if unit == "rad":
        return Feature(name, label, unit, "deg", _PER_RAD)
    return Feature(name, label, unit, "mph", 1 / 0.44704) if unit == "m/s" else Feature(name, label, unit)


def _words(name: str) -> str:
    """'mid.backswing.hip.line' -> 'hip line at mid backswing'."""
    event = max((e for e in EVENTS if name.startswith(e + ".")), key=len)
    feature = name.removeprefix(event + ".").replace(".", " ")
    return f"{_CALLED.get(feature, feature)} at {event.replace('.', ' ')}"
