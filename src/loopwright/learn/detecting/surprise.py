"""How surprising every thing of a kind is now, and which of its signals say so: one call a step for all of them.

    state = start(B, C, settings, regimes=K)
    look, state = step(state, values, mask, regime, t_ns, settings)      (B, C), (B, C), (B,)
    look.active, look.nats, look.parts                                   (B,), (B,), (B, C)

1. A thing that cuts is another thing than one that waits: each of its K regimes (the codes of a state signal) has
   levels and spreads of its own, followed by `learn.detecting.fleet` ('robust_z').
2. A value that repeats the last one says nothing new: a setpoint counts when it moves, and one that never did is not
   judged.
3. Each signal's own 90 % and 99 % points of |z| are followed, q <- q + g w (above - share), w = q99 - q90, and a value
   beyond them is told in nats, ln 10 (1 + (|z| - q90) / w): minus the logarithm of its tail probability where the tail
   is exponential in |z|. They are learned until the thing was in that regime twenty times, or for an hour; the largest
   of the n |z| that came meanwhile is then as surprising as one in n. A thing is as surprising as its most surprising
   signal.
   Until then a signal is judged by the range that its kind has shown so far, all things and regimes together, once that
   is five minutes of one thing and the thing itself has said a little: the largest of n values is as surprising as one
   in n, and a value that lies d outside a range of width W comes with n^-(1 + d / W), were tails exponential. So a jump
   is seen early; what moves on slowly widens the range.
4. `learn.detecting.budget` raises alarms from the things' surprise, as many as the user allows a day. Days count while
   something is judged: a plant that stands still uses no budget.
5. An alarm teaches its signals: q99 goes a tenth of the way to what raised it, so that what comes again and again is
   soon no news, whatever its size.

A state is used up by its step: what it holds of the first values is written on, and not copied.
Source: see `learn.detecting.fleet`, `learn.detecting.level` and `learn.detecting.budget`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError
from loopwright.learn.detecting import budget, fleet, level

SLOWLY = 0.002  # share g of the width by which a followed point moves
VISITS, LONG_S = 20, 3600.0  # so often, or so long, a thing was in a regime until its own points are told
SOME_S, SOME_ROWS = 300.0, 64  # so much a kind has said of a signal until its range is known
OWN_ROWS = 8  # of it the thing itself
GOLDEN = 0.6180339887498949  # its multiples fall evenly between 0 and 1
IN_ALARM = 0.1  # of that while a thing's alarm lasts
TAUGHT = 0.1  # of the way to what raised an alarm
NARROWEST = 0.1  # spreads between the two points, at least
HIGHEST = 60.0  # nats
LARGEST = 1e100  # value: its square is still a number
USUAL = 2.0 * budget.LN10  # nats that one value of a hundred has: what a signal adds begins there
FADES = 0.8  # of a signal's part, from one step to the next


@dataclass(frozen=True)
class Settings:
    """What the user sets, and what is learned first.

    per_day  false alarms a day of all things together
    step_s   seconds from one step to the next
    warm     values of a signal in a regime until its level is known
    past     of the further ones that are kept while it is learned how far off it usually is
    hold_s   seconds of calm that end an alarm
    """

    per_day: float = 1.0
    step_s: float = 1.0
    warm: int = 16
    past: int = 64
    hold_s: float = 60.0

    @property
    def budget(self) -> budget.Settings:
        """As `learn.detecting.budget` takes them."""
        return budget.Settings(self.per_day, self.step_s, self.hold_s)


@dataclass(frozen=True)
class State:
    """What is known of B things of C signals in K regimes; R = B K.

    levels    of `learn.detecting.fleet`, of (R, C)
    first     (past, R, C) |z| of the time of learning, evenly from all of it; (0, R, C) once nothing is learned
    seen      (R, C) how many |z| there were; most: the largest of them while it is learned
    visits    (R,) how often a thing came into a regime; regime: (B,) where it is now
    judged    (R, C) whether a signal is judged in that regime by points of its own
    q90, q99  (R, C)
    last      (R, C) the last value, NaN before the first
    parts     (B, C) nats above the usual, fading
    budget    of `learn.detecting.budget`, of B things
    range     (2, C) the lowest and the highest value of each signal of all things, where it has no points of its own
    heard     (C,) how many such values; said: (B, C) how many of each thing
    steps     in which something was judged
    """

    regimes: int
    levels: fleet.State
    first: np.ndarray
    seen: np.ndarray
    most: np.ndarray
    judged: np.ndarray
    visits: np.ndarray
    regime: np.ndarray
    q90: np.ndarray
    q99: np.ndarray
    last: np.ndarray
    parts: np.ndarray
    budget: budget.State
    range: np.ndarray
    heard: np.ndarray
    said: np.ndarray
    steps: int = 0


@dataclass(frozen=True)
class Look:
    """What a step found.

    judged     (B,) whether a thing said something that could be judged
    nats       (B,) its surprise, 0 where it was not judged
    parts      (B, C) what each signal added lately, nats; their ranking says where to look
    active     (B,) whether its alarm lasts
    begins     alarms that begin with this step
    threshold  nats at which an alarm begins
    """

    judged: np.ndarray
    nats: np.ndarray
    parts: np.ndarray
    active: np.ndarray
    begins: list[budget.Alarm]
    threshold: float


def start(things: int, signals: int, settings: Settings, regimes: int = 1) -> State:
    """Nothing seen of `things` things of `signals` signals. InputError for more than memory should hold."""
    if regimes < 1:
        raise InputError("surprise", f"{regimes} regimes", "at least one")
    rows = things * regimes
    levels = fleet.start(rows, signals, fleet.Settings("robust_z", settings.warm))
    shape = (rows, signals)
    per_day = max(settings.per_day, 1e-6)
    # were all steps independent and all tails exponential, so many alarms a day would come beyond it
    threshold = float(np.clip(np.log(things * 86_400.0 / settings.step_s / per_day), budget.LOWEST, budget.HIGHEST))
    many = float(np.log(signals))  # the largest of C surprises is that much larger
    usual = np.array([budget.LN2, budget.LN10, 2.0 * budget.LN10])  # nats at the points, were tails exponential
    points = np.stack([usual + many, *[usual - budget.LN2] * (budget.MEASURES - 1)], axis=1)[..., None]
    alarms = budget.start(np.repeat(points, things, axis=2), np.full((budget.MEASURES - 1, things), many), threshold)
    return State(
        regimes=regimes, levels=levels, first=np.zeros((settings.past, *shape), dtype=np.float32),
        seen=np.zeros(shape, dtype=np.int64), most=np.zeros(shape), judged=np.zeros(shape, dtype=bool),
        visits=np.zeros(rows, dtype=np.int64), regime=np.full(things, -1, dtype=np.int64),
        q90=np.zeros(shape), q99=np.ones(shape), last=np.full(shape, np.nan), parts=np.zeros((things, signals)),
        budget=alarms, range=np.stack((np.full(signals, np.inf), np.full(signals, -np.inf))),
        heard=np.zeros(signals, dtype=np.int64), said=np.zeros((things, signals), dtype=np.int64),
    )


def step(
    state: State, values: np.ndarray, mask: np.ndarray, regime: np.ndarray | None, t_ns: int, settings: Settings
) -> tuple[Look, State]:
    """(what this step found, the state after it).

    values  (B, C) inside units
    mask    (B, C) True where there is a value
    regime  (B,) 0 .. K-1, what each thing does; None: there is one. A thing whose regime is outside is not judged
    t_ns    the step's time, nanoseconds since 1970 UTC
    """
    things, signals = state.parts.shape
    if values.shape != (things, signals) or mask.shape != values.shape or (regime is None and state.regimes > 1):
        given = f"values {values.shape}, mask {mask.shape}, {'no' if regime is None else 'a'} regime"
        allowed = f"({things}, {signals}) and {state.regimes} regimes, as it was started with"
        raise InputError("surprise", given, allowed)
    if not mask.any():
        return _nothing(state), state
    code = np.zeros(things, dtype=np.int64) if regime is None else np.asarray(regime, dtype=np.int64)
    inside = (code >= 0) & (code < state.regimes)
    at = np.arange(things) * state.regimes + np.where(inside, code, 0)  # (B,) the row of each thing
    there = mask & np.isfinite(values) & inside[:, None]
    values = np.clip(values, -LARGEST, LARGEST)
    moved = there & (values != state.last[at])
    z, levels = _deviations(state, values, moved, at, t_ns)
    scored = moved & (z > 0.0)
    known = state.judged[at]
    judged = scored & known
    q90, width = state.q90[at], np.maximum(state.q99[at] - state.q90[at], NARROWEST)
    nats = np.where(judged, np.clip(budget.LN10 * (1.0 + (z - q90) / width), 0.0, HIGHEST), 0.0)
    learning = there & ~known
    early = np.zeros_like(judged)
    if learning.any():
        ranged, enough = _by_range(state, values, settings)
        early = moved & learning & enough
        nats = np.where(early, ranged, nats)
    of_thing, some = nats.max(axis=1), (judged | early).any(axis=1)
    alarms, begins = _budgeted(state, of_thing, some, t_ns, settings)
    lasts = _put(state.last, at, np.where(there, values, state.last[at]))
    parts = np.where(some[:, None], FADES * state.parts + np.maximum(nats - USUAL, 0.0), state.parts)
    after = replace(state, levels=levels, last=lasts, parts=parts, budget=alarms, steps=state.steps + int(some.any()))
    after = _visited(after, there.any(axis=1), np.where(inside, code, -1), at)
    after = _learned(after, z, scored & ~known, at, settings)
    after = _followed(after, state, z, judged, nats, at, begins)
    after = _ranged(after, learning, values)
    return Look(some, of_thing, parts, alarms.active, begins, state.budget.threshold), after


def _nothing(state: State) -> Look:
    things = len(state.parts)
    none = np.zeros(things, dtype=bool)
    return Look(none, np.zeros(things), state.parts, state.budget.active, [], state.budget.threshold)


def _deviations(
    state: State, values: np.ndarray, moved: np.ndarray, at: np.ndarray, t_ns: int
) -> tuple[np.ndarray, fleet.State]:
    """((B, C) |z| of each thing in its regime, the levels after)."""
    row = np.where(moved, values, np.nan)
    if state.regimes > 1:
        wide = np.full(state.last.shape, np.nan)
        wide[at] = row
        z, levels = fleet.step(state.levels, wide, None, t_ns)
        return z[at], levels
    return fleet.step(state.levels, row, None, t_ns)


def _budgeted(
    state: State, nats: np.ndarray, some: np.ndarray, t_ns: int, settings: Settings
) -> tuple[budget.State, list[budget.Alarm]]:
    """The budget after this step; alarms tell the step's own time and the surprise in nats."""
    if not some.any():
        return state.budget, []
    watched_ns = round(state.steps * settings.step_s * NS_PER_S)  # how long something was judged so far
    scores = np.where(some, np.exp(nats), np.nan)
    alarms, begins = budget.step(state.budget, watched_ns, scores, settings.budget)
    return alarms, [replace(one, t_ns=t_ns, score=float(nats[one.thing])) for one in begins]


def _visited(state: State, said: np.ndarray, code: np.ndarray, at: np.ndarray) -> State:
    """With one visit more for each thing that came into another regime."""
    new = said & (code >= 0) & (code != state.regime)
    if not new.any():
        return state
    visits = state.visits.copy()
    visits[at[new]] += 1
    return replace(state, visits=visits, regime=np.where(new, code, state.regime))


def _learned(state: State, z: np.ndarray, new: np.ndarray, at: np.ndarray, settings: Settings) -> State:
    """With the |z| of signals that are still learned; those of which enough was seen get their points."""
    if not new.any():
        return replace(state, first=state.first[:0]) if len(state.first) and state.judged.all() else state
    thing, signal = np.nonzero(new)
    row, size = at[thing], z[thing, signal]
    count = state.seen[row, signal]
    place = np.where(count < settings.past, count, ((count * GOLDEN) % 1.0 * (count + 1)).astype(np.int64))
    kept = place < settings.past  # of n one takes the place of another with past / n: all times count the same
    state.first[place[kept], row[kept], signal[kept]] = size[kept]
    seen, most = state.seen.copy(), state.most.copy()
    seen[row, signal] += 1
    most[row, signal] = np.maximum(most[row, signal], size)
    state = replace(state, seen=seen, most=most)
    long = (state.visits[row] >= VISITS) | (seen[row, signal] * settings.step_s >= LONG_S)
    done = long & (seen[row, signal] >= settings.past)
    return _pointed(state, row[done], signal[done]) if done.any() else state


def _pointed(state: State, row: np.ndarray, signal: np.ndarray) -> State:
    """Signals (n,) of rows (n,) get the points from which they are judged."""
    q90, q99, judged = state.q90.copy(), state.q99.copy(), state.judged.copy()
    low, high = np.quantile(state.first[:, row, signal], [0.9, 0.99], axis=0)
    nats = np.log(state.seen[row, signal])  # of the largest of so many
    wide = (state.most[row, signal] - low) * budget.LN10 / np.maximum(nats - budget.LN10, 1.0)
    q90[row, signal], q99[row, signal], judged[row, signal] = low, np.maximum(high, low + wide), True
    return replace(state, q90=q90, q99=q99, judged=judged)


def _by_range(state: State, values: np.ndarray, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """((B, C) nats by the range that the kind has shown, (B, C) whether there is enough to judge by it)."""
    low, high = np.where(state.heard > 0, state.range, 0.0)
    wide = np.maximum(high - low, level.smallest(np.maximum(np.abs(low), np.abs(high))))
    outside = np.maximum(np.maximum(low - values, values - high), 0.0)
    scale = np.log(np.maximum(state.heard, 1))
    nats = np.where(outside > 0.0, scale * (1.0 + outside / wide), 0.0)
    enough = (high > low) & (state.heard >= SOME_ROWS) & (state.heard * settings.step_s >= SOME_S)
    return np.clip(nats, 0.0, HIGHEST), enough & (state.said >= OWN_ROWS)


def _ranged(state: State, learning: np.ndarray, values: np.ndarray) -> State:
    """With the range of the kind widened by the values of signals that have no points of their own yet."""
    if not learning.any():
        return state
    given = np.where(learning, values, np.nan)
    low, high = np.fmin(state.range[0], np.fmin.reduce(given)), np.fmax(state.range[1], np.fmax.reduce(given))
    return replace(state, range=np.stack((low, high)), heard=state.heard + learning.sum(axis=0),
                   said=state.said + learning)


def _followed(
    state: State, before: State, z: np.ndarray, judged: np.ndarray, nats: np.ndarray, at: np.ndarray,
    begins: list[budget.Alarm],
) -> State:
    """With the points of each judged signal moved towards its newest value, and those that raised an alarm taught."""
    if not judged.any():
        return state
    q90, q99 = before.q90[at], before.q99[at]
    width = np.maximum(q99 - q90, NARROWEST)
    g = np.where(judged, SLOWLY * np.where(before.budget.active, IN_ALARM, 1.0)[:, None], 0.0) * width
    low = q90 + g * ((z > q90) - 0.1)
    high = q99 + g * ((z > q99) - 0.01)
    for one in begins:
        loud = judged[one.thing] & (nats[one.thing] >= max(USUAL, 0.5 * one.score)) & (z[one.thing] > high[one.thing])
        high[one.thing] += np.where(loud, TAUGHT * (z[one.thing] - high[one.thing]), 0.0)
    new90 = _put(state.q90, at, np.where(judged, low, state.q90[at]))
    new99 = _put(state.q99, at, np.where(judged, np.maximum(high, low), state.q99[at]))
    return replace(state, q90=new90, q99=new99)


def _put(old: np.ndarray, at: np.ndarray, new: np.ndarray) -> np.ndarray:
    """A copy with the rows at `at` replaced."""
    if len(at) == len(old):
        return new
    out = old.copy()
    out[at] = new
    return out


def shares(parts: np.ndarray) -> list[tuple[int, float]]:
    """(signal, share of the whole) of one thing's parts (C,), the largest first; those without a part are left out."""
    total = float(parts.sum())
    order = np.argsort(-parts, kind="stable")
    return [(int(i), float(parts[i]) / total) for i in order if parts[i] > 0.0] if total > 0.0 else []


def known(state: State, settings: Settings) -> np.ndarray:
    """(B,) share of each thing's signals that said anything and are judged by now; -1 for a thing that said nothing."""
    things = len(state.parts)
    heard = (~np.isnan(state.last)).reshape(things, state.regimes, -1).any(axis=1)
    own = state.judged.reshape(things, state.regimes, -1).any(axis=1)
    _, early = _by_range(state, np.zeros_like(state.parts), settings)
    total = heard.sum(axis=1)
    return np.where(total > 0, (heard & (own | early)).sum(axis=1) / np.maximum(total, 1), -1.0)


WORDS = ("judged", "judged by the range of its kind", "learning", "said nothing", "never moved")


@dataclass(frozen=True)
class Standing:
    """How much is known of one signal of one thing.

    word   one of WORDS
    rows   values that are still needed until it is judged at all; 0 where it is
    own    values in the regime known best until it may be judged by points of its own; 0 where it is
    """

    word: str
    rows: int
    own: int


def standing(state: State, thing: int, settings: Settings) -> list[Standing]:
    """What is known of each of the C signals of a thing."""
    rows = np.arange(thing * state.regimes, (thing + 1) * state.regimes)
    known = np.logical_or.reduce(state.judged[rows])
    quiet = np.logical_and.reduce(np.isnan(state.last[rows]))
    need = np.maximum(int(np.ceil(max(SOME_ROWS, SOME_S / settings.step_s))) - state.heard, 0)
    need = np.maximum(need, np.maximum(OWN_ROWS - state.said[thing], 0))
    own = np.maximum(settings.past - state.seen[rows].max(axis=0), 1)
    found = []
    for one in range(state.last.shape[1]):
        if known[one]:
            found.append(Standing(WORDS[0], 0, 0))
            continue
        still = state.range[0, one] >= state.range[1, one]
        word = WORDS[3] if quiet[one] else WORDS[4] if still else WORDS[2 if need[one] else 1]
        found.append(Standing(word, int(need[one]), int(own[one])))
    return found
