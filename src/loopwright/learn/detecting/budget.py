"""Alarms from the scores of any detector, with a number of false alarms a day that the user sets and that holds.

    state = calibrate(past, settings)                     (N, S) past scores of S things, any detector
    state, alarms = step(state, t_ns, scores, settings)   (S,) newest scores -> alarms that begin now

Three parts, all from past scores alone:

1. Surprise. Each thing's own 90 % and 99 % points of log score are followed online, q <- q + g w (above - share) with
   w = q99 - q90, and a score beyond them is told in nats, s = ln 10 (1 + (log score - q90) / w): minus the logarithm of
   its tail probability where the tail is exponential in the log score. Scales of things and detectors do not matter.
2. Excursions. An alarm begins when the surprise reaches the threshold, and is over once it has stayed RELEASE nats
   below the threshold that it began at (half of it, where that is higher) for `hold_s`: one excursion is one alarm,
   however it chatters.
3. Budget. One threshold for all things is moved by what was counted, h <- h + GAIN (alarms begun - budget * days): over
   any time T the alarms differ from budget * T by (h_end - h_start) / GAIN, whatever the scores do. A nat of wrong
   calibration costs 1 / GAIN alarms once.

That holds where excursions can come as often as the budget allows: scores that change slowly against it, or that stay
high for days, bring fewer alarms, never more.

Nobody labels a live plant, so every alarm counts against the budget unless it is told to `step` as confirmed.
Source: H. Robbins and S. Monro, Ann. Math. Statist. 22 (1951) 400 (following a quantile); I. Gibbs and E. Candes,
NeurIPS 2021, and A. Angelopoulos, E. Candes and R. Tibshirani, NeurIPS 2023 (control of an error rate online);
ANSI/ISA-18.2-2016 (deadband, off-delay).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError

DAY_NS = 86_400 * NS_PER_S
GAIN = 0.25  # nats an alarm
RELEASE = 1.0  # nats
SLOWLY = 0.002  # share g of the width by which a followed point moves
IN_ALARM = 0.1  # of that while an excursion lasts: what is new is not called usual at once
FEWEST = 10  # excursions of the past that a first threshold is told from
LN10 = 2.302585092994046
LOWEST, HIGHEST = 0.5, 60.0  # nats that the threshold stays between
SMALLEST = 1e-12  # score
NARROWEST = 1e-3  # width of the tail in log score, where a detector gives one number alone


@dataclass(frozen=True)
class Settings:
    """What the user sets.

    per_day   false alarms a day of all things together
    step_s    seconds between two steps, for the first threshold
    hold_s    seconds below the release that end an excursion
    """

    per_day: float = 1.0
    step_s: float = 1.0
    hold_s: float = 60.0

    def __post_init__(self) -> None:
        numbers = (self.per_day, self.step_s, self.hold_s)
        if not all(np.isfinite(n) for n in numbers) or self.per_day <= 0 or self.step_s <= 0 or self.hold_s < 0:
            given = f"per_day {self.per_day}, step_s {self.step_s}, hold_s {self.hold_s}"
            raise InputError("alarm budget", given, "per_day and step_s above 0, hold_s at least 0")


@dataclass(frozen=True)
class State:
    """What is known of S things.

    q90, q99    (S,) points of the logarithm of each thing's scores
    active      (S,) whether an excursion lasts
    calm_ns     (S,) since when it has been below the release; meaningless otherwise
    threshold   nats
    t_ns        the newest step, None before the first
    alarms      begun so far
    allowed     budget so far
    began_at    (S,) the threshold at which each thing's excursion began, nats; None before the first step
    """

    q90: np.ndarray
    q99: np.ndarray
    active: np.ndarray
    calm_ns: np.ndarray
    threshold: float
    t_ns: int | None = None
    alarms: int = 0
    allowed: float = 0.0
    began_at: np.ndarray | None = None


@dataclass(frozen=True)
class Alarm:
    """An excursion that begins.

    thing     its place among the S
    t_ns      when
    score     of the detector
    surprise  nats: e^-surprise is about how often such a score comes by chance
    threshold nats that it reached
    """

    thing: int
    t_ns: int
    score: float
    surprise: float
    threshold: float


def calibrate(past: np.ndarray, settings: Settings) -> State:
    """The state that past scores give.

    past    (N, S) or (N,) scores of training or of earlier operation, at least 20 that are numbers for each thing
    """
    past = np.asarray(past, dtype=float)
    past = past[:, None] if past.ndim == 1 else past
    logs = _log(past)
    if past.ndim != 2 or not past.shape[1] or (np.isfinite(logs).sum(axis=0) < 20).any():
        raise InputError("alarm budget", f"past scores of shape {past.shape}", "at least 20 numbers for each thing")
    q90, q99 = np.nanquantile(logs, [0.9, 0.99], axis=0)
    q99 = np.maximum(q99, q90 + NARROWEST)
    things = past.shape[1]
    state = State(q90, q99, np.zeros(things, dtype=bool), np.zeros(things, dtype=np.int64), 0.0)
    return replace(state, threshold=_first_threshold(_surprise(state, logs), settings, len(past)))


def _first_threshold(surprise: np.ndarray, settings: Settings, rows: int) -> float:
    """The threshold at which excursions of the past would have come as often as the budget allows.

    Excursions are counted at thresholds that at least FEWEST of them still reach (or as many as are allowed), runs of
    rows within `hold_s` together; beyond, the count falls by e for each nat. Where so few were seen, every tenth row
    counts as one at the 90 % point.
    """
    allowed = max(settings.per_day * rows * settings.step_s / 86_400.0, 1e-12)
    gap = max(1, round(settings.hold_s / settings.step_s))
    best = LN10 + float(np.log(max(0.1 * surprise.size, 1.0) / allowed))
    for level in np.arange(LN10, HIGHEST, 0.25):
        count = _excursions(surprise > level, gap)
        if count < max(allowed, FEWEST):
            break
        best = float(level) + float(np.log(count / allowed))
    return float(np.clip(best, LOWEST, HIGHEST))


def _excursions(above: np.ndarray, gap: int) -> int:
    """Runs of True in each column, those less than `gap` rows apart taken together."""
    count = 0
    for column in above.T:
        at = np.flatnonzero(column)
        count += int((np.diff(at) > gap).sum()) + 1 if len(at) else 0
    return count


def step(
    state: State, t_ns: int, scores: np.ndarray, settings: Settings, confirmed: int = 0
) -> tuple[State, list[Alarm]]:
    """(the state after, the alarms that begin at this step).

    t_ns       nanoseconds since 1970; a step that is not later than the one before adds nothing to the budget
    scores     (S,) NaN: the thing was not scored, nothing of it changes
    confirmed  alarms that people have since called true: they are given back to the budget
    """
    scores = np.asarray(scores, dtype=float)
    if scores.shape != state.q90.shape:
        raise InputError("alarm budget", f"{scores.shape} scores", f"{state.q90.shape} as it was calibrated with")
    log = _log(scores)
    there = np.isfinite(log)
    surprise = np.where(there, _surprise(state, log), 0.0)
    begins = there & ~state.active & (surprise >= state.threshold)
    days = max(0, t_ns - state.t_ns) / DAY_NS if state.t_ns is not None else settings.step_s / 86_400.0
    allowed = settings.per_day * days
    count = int(begins.sum())
    moved = state.threshold + GAIN * (count - confirmed - allowed)
    alarms = [
        Alarm(int(thing), t_ns, float(scores[thing]), float(surprise[thing]), state.threshold)
        for thing in np.flatnonzero(begins)
    ]
    after = _settled(state, t_ns, surprise, there, begins, settings)
    return replace(
        _followed(after, log, there),
        threshold=float(np.clip(moved, LOWEST, HIGHEST)),
        t_ns=t_ns if state.t_ns is None else max(t_ns, state.t_ns),
        alarms=state.alarms + count,
        allowed=state.allowed + allowed,
    ), alarms


def _settled(
    state: State, t_ns: int, surprise: np.ndarray, there: np.ndarray, begins: np.ndarray, settings: Settings
) -> State:
    """With excursions begun and ended."""
    began_at = np.full(len(surprise), state.threshold) if state.began_at is None else state.began_at
    calm = surprise < np.maximum(began_at - RELEASE, began_at / 2.0)
    calm_ns = np.where(state.active & there & calm, np.minimum(state.calm_ns, t_ns), np.iinfo(np.int64).max)
    calm_ns = np.where(there, calm_ns, state.calm_ns)
    over = state.active & there & calm & (t_ns - calm_ns >= round(settings.hold_s * NS_PER_S))
    began_at = np.where(begins, state.threshold, began_at)
    return replace(state, active=(state.active & ~over) | begins, calm_ns=calm_ns, began_at=began_at)


def _followed(state: State, log: np.ndarray, there: np.ndarray) -> State:
    """With the points of each thing's scores moved towards the newest one."""
    width = np.maximum(state.q99 - state.q90, NARROWEST)
    g = np.where(there, SLOWLY * np.where(state.active, IN_ALARM, 1.0), 0.0) * width
    q90 = state.q90 + g * ((log > state.q90) - 0.1)
    q99 = state.q99 + g * ((log > state.q99) - 0.01)
    return replace(state, q90=q90, q99=np.maximum(q99, q90 + NARROWEST))


def _surprise(state: State, log: np.ndarray) -> np.ndarray:
    """Nats: minus the logarithm of the share of usual scores that are higher; at most HIGHEST."""
    beyond = (log - state.q90) / np.maximum(state.q99 - state.q90, NARROWEST)
    return np.clip(LN10 * (1.0 + beyond), 0.0, HIGHEST)


def _log(scores: np.ndarray) -> np.ndarray:
    """Logarithm of scores; NaN where there is none, 700 where one is infinite."""
    known = np.where(np.isnan(scores), np.nan, np.clip(scores, SMALLEST, 1e300))
    return np.log(known)


def tail_point(scores: np.ndarray, rate: float) -> float:
    """The score that usual rows pass at a rate, from few rows: (N,) past scores, rate 0..1.

    Within the reach of the past its own quantile; beyond it the tail of the log scores is taken as exponential above
    their upper fifth (at least 5 scores): u + mean excess * ln(share above u / rate).
    Source: J. Pickands, Ann. Statist. 3 (1975) 119, with shape 0.
    """
    logs = _log(np.asarray(scores, dtype=float))
    logs = np.sort(logs[np.isfinite(logs)])
    if not len(logs) or not 0.0 < rate < 1.0:
        raise InputError("alarm threshold", f"{len(logs)} past scores, rate {rate}", "one or more, 0 < rate < 1")
    if rate * len(logs) >= 5.0:
        return float(np.exp(np.quantile(logs, 1.0 - rate)))
    top = max(min(5, len(logs) - 1), len(logs) // 5)
    if top < 1:
        return float(np.exp(logs[-1]))
    u = logs[-top - 1]
    excess = max(float((logs[-top:] - u).mean()), NARROWEST)
    return float(np.exp(min(u + excess * np.log(top / len(logs) / rate), 690.0)))
