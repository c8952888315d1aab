"""Twins of golfers: simulated people who play the clubs that were made for them. Nothing here is a measurement.

    golfers = Golfers(seed=1)
    golfers.shots(person, as_built, count=20, start_ns=...)         one unit's shots, POINTS_IN, thing = person.id
    golfers.sessions([Session(person, as_built, ...), ...])         many units at once, far faster

Every golfer has a speed, a skill, a bias and a best lie of their own, drawn from the seed and the person's id. On
average the best lie differs from what the published lie chart says by a hidden offset of 1.2 to 2.5 degrees either
way, drawn from the seed and readable by no code outside (times `effect`; effect 0: the chart is right on average).

    direction of the face = bias + atan(tan(loft) sin(best lie - lie as built)) + noise
A club too upright points the face to the left of a right-hander's target, one too flat to the right; left-handers are
the mirror image. Source of the geometry: D. Tutelman, Design notes: lie angle (tutelman.com/golf/design/lie1.php).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError
from loopwright.core.types import POINTS_IN, Person
from loopwright.packs.golf.flight import STANDARD_DENSITY_KG_M3, Array, Flight, fly
from loopwright.packs.golf.formulas import base_length_m, base_lie_rad, impact

OFFSET_DEG = (1.2, 2.5)  # how far the hidden optimum lies from the chart, either way
_PAUSE_S = 45  # between two shots
_NEEDED = ("lie", "loft", "length", "swing_weight")
_DEG = math.pi / 180.0


@dataclass(frozen=True)
class Session:
    """One visit to the range: who, with which unit (as-built parameters in inside units), how many shots, when.

    visit  number of the visit with that unit: another one draws other shots; another start_ns alone draws the same
    thing  what the points are called after; '' for the person's id
    """

    person: Person
    as_built: Mapping[str, float]
    count: int
    start_ns: int
    visit: int = 0
    thing: str = ""


@dataclass(frozen=True)
class _Traits:
    """What a golfer brings. Angles in rad for a right-hander; spread: 1 for an average amateur."""

    speed_m_s: float
    spread: float
    face: float
    path: float
    lean: float
    attack: float
    best_lie: float
    best_length_m: float


class Golfers:
    """The golfers of one seed. The same seed, person, unit and visit give the same shots, whenever that is: a plan
    that moves a unit by an hour changes no outcome of it."""

    def __init__(self, seed: int, effect: float = 1.0) -> None:
        self.seed = seed
        self.__traits = _traits_of(seed, effect)

    def shots(
        self, person: Person, as_built: Mapping[str, float], count: int, start_ns: int, visit: int = 0
    ) -> pa.Table:
        """POINTS_IN of kind 'club' for one visit: one golfer, one unit, `count` shots 45 s apart; thing is
        person.id."""
        return self.sessions([Session(person, as_built, count, start_ns, visit)])

    def play(
        self, visits: Sequence[tuple[Person, Mapping[str, float], str]], count: int, start_ns: int, visit: int = 0
    ) -> pa.Table:
        """One visit each of (person, as-built parameters, what the points are called after), all at once."""
        return self.sessions([Session(who, club, count, start_ns, visit, thing) for who, club, thing in visits])

    def sessions(self, sessions: Sequence[Session]) -> pa.Table:
        """The shots of many visits in one table. Raises InputError for an as-built parameter that is missing."""
        kept = [session for session in sessions if session.count > 0]
        if not kept:
            return POINTS_IN.empty_table()
        swings = [_swing(self.__traits(s.person), s, self.seed) for s in kept]
        columns = {name: np.concatenate([swing[name] for swing in swings]) for name in swings[0]}
        return _table(kept, _struck(columns))


def _rng(*parts: object) -> np.random.Generator:
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def _traits_of(seed: int, effect: float) -> Callable[[Person], _Traits]:
    """A function that gives a person's traits and keeps the hidden offset to itself."""
    draw = _rng("golfers", seed)
    low, high = OFFSET_DEG
    hidden = effect * float(draw.choice([-1.0, 1.0])) * float(draw.uniform(low, high)) * _DEG
    known: dict[str, _Traits] = {}

    def traits(person: Person) -> _Traits:
        if person.id not in known:
            rng = _rng("golfer", seed, person.id)
            speed = 33.0 + 22.0 * (person.measures["stature"] - 1.70) + rng.normal(0.0, 2.2)
            spread = float(rng.lognormal(0.0, 0.22))
            own = rng.normal(0.0, 1.0, 6)
            known[person.id] = _Traits(
                float(np.clip(speed, 22.0, 46.0)), spread, face=0.4 * _DEG * own[0], path=0.8 * _DEG * own[1],
                lean=(7.0 + 1.5 * own[2]) * _DEG, attack=(-3.0 + 1.0 * own[3]) * _DEG,
                best_lie=base_lie_rad(person.measures) + hidden + 0.3 * _DEG * own[4],
                best_length_m=base_length_m(person.measures) + 0.006 * own[5])
        return known[person.id]

    return traits


def _swing(t: _Traits, session: Session, seed: int) -> dict[str, Array]:
    """What the club does in each shot of a visit, (count,) each; right-handed, mirrored at the end."""
    missing = [name for name in _NEEDED if name not in session.as_built]
    if missing:
        where = f"shots of {session.person.id}"
        raise InputError(where, f"as-built parameters are missing: {', '.join(missing)}", ", ".join(_NEEDED))
    club, n = session.as_built, session.count
    rng = _rng("visit", seed, session.person.id, session.thing, session.visit)
    noise = rng.normal(0.0, 1.0, (6, n))
    longer, heavier = club["length"] - t.best_length_m, club["swing_weight"]
    spread = t.spread * (1.0 + 0.12 * (longer / 0.0127) ** 2 + 0.04 * (max(0.0, abs(heavier) - 3.0)) ** 2)
    lie_turn = math.atan(math.tan(club["loft"]) * math.sin(t.best_lie - club["lie"]))
    return {
        "speed": t.speed_m_s * (1.0 + 0.25 * longer) * (1.0 + 0.015 * spread * noise[0]),
        "face": t.face + lie_turn + 1.5 * _DEG * spread * noise[1],
        "path": t.path + 1.6 * _DEG * spread * noise[2],
        "loft": club["loft"] - t.lean + 1.2 * _DEG * spread * noise[3],
        "attack": t.attack + 1.0 * _DEG * spread * noise[4],
        "strike": 1.0 - 0.02 * spread * np.abs(noise[5]),
        "hand": np.full(n, -1.0 if session.person.handedness == "left" else 1.0),
        "t_ns": session.start_ns + np.arange(n) * _PAUSE_S * NS_PER_S,
    }


def _struck(swing: dict[str, Array]) -> dict[str, Array]:
    """The signals of every shot: the impact, and the flight in standard air.

    The ball starts three quarters of the way from path to face and its spin axis tilts by (face - path) / spin loft, as
    TrackMan publishes for irons (the 'D-plane': T. Jorgensen, The Physics of Golf, 2nd ed. 1999, chapter 11).
    """
    ball, launch, spin = impact(swing["speed"], swing["loft"], swing["attack"])
    ball, spin = ball * swing["strike"], spin * swing["strike"]
    closed = swing["face"] - swing["path"]
    start = swing["path"] + 0.75 * closed
    axis = np.arctan2(np.sin(closed), np.sin(swing["loft"] - swing["attack"]))
    flight = fly(ball, launch, spin, axis, start)
    hand = swing["hand"]
    return {
        "club.speed": swing["speed"], "ball.speed": ball, "launch.angle": launch, "attack.angle": swing["attack"],
        "club.path": hand * swing["path"], "face.angle": hand * swing["face"], "face.to.path": hand * closed,
        "launch.direction": hand * start, "ball.spin": spin, "ball.spin.axis": hand * axis,
        "back.spin": spin * np.cos(axis), "side.spin": hand * spin * np.sin(axis), "smash": ball / swing["speed"],
        **_landed(flight, hand), "air.density": np.full(len(ball), STANDARD_DENSITY_KG_M3),
        "t_ns": swing["t_ns"], "hand": (hand < 0).astype(float),
    }


def _landed(flight: Flight, hand: Array) -> dict[str, Array]:
    roll = 0.06 * flight.carry_m
    return {
        "carry": flight.carry_m, "carry.normalised": flight.carry_m, "total": flight.carry_m + roll,
        "carry.deviation": hand * flight.side_m, "apex": flight.apex_m,
        "carry.deviation.angle": hand * np.arcsin(np.clip(flight.side_m / flight.carry_m, -1.0, 1.0)),
    }


def _table(sessions: Sequence[Session], signals: dict[str, Array]) -> pa.Table:
    """POINTS_IN, signal after signal; states (hand, kind of spin, club) after the gauges."""
    t_ns, hand = signals.pop("t_ns").astype(np.int64), signals.pop("hand").astype(np.int64)
    n, names = len(t_ns), list(signals)
    states = {"shot.hand": hand, "spin.kind": np.ones(n, np.int64), "club.type": np.full(n, 27)}
    things = np.repeat([s.thing or s.person.id for s in sessions], [s.count for s in sessions])
    rows, gauges = len(names) + len(states), n * len(names)
    is_state = np.arange(n * rows) >= gauges
    value = pa.array(np.concatenate([*signals.values(), np.zeros(n * len(states))]), mask=is_state)
    code = pa.array(np.concatenate([np.zeros(gauges, np.int64), *states.values()]), mask=~is_state)
    return pa.table({
        "thing": pa.array(np.tile(things, rows)), "signal": pa.array(np.repeat([*names, *states], n)),
        "t_ns": pa.array(np.tile(t_ns, rows)), "n": pa.array(np.zeros(n * rows, np.int32)), "value": value,
        "code": code, "quality": pa.array(np.zeros(n * rows, np.int8)),
    }, schema=POINTS_IN)
