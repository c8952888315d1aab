"""Alarms from the scores of any detector, with a number of false alarms a day that the user sets and that holds.

    state = calibrate(past, settings)                     (N, S) past scores of S things, any detector
    state, alarms = step(state, t_ns, scores, settings)   (S,) newest scores -> alarms that begin now
    state = told(state, thing, "", "true")                what a person says of an alarm

Four parts, all from past scores alone:

1. Surprise. Each thing's own 50 %, 90 % and 99 % points of log score are followed online, q <- q + g w (above - share),
   w the distance between two of them, and a score is told in nats, ln 2 at the first, ln 10 at the second and beyond it
   s = ln 10 (1 + (log score - q90) / (q99 - q90)): minus the logarithm of its tail probability where the tail is
   exponential in the log score. Scales of things and detectors do not matter.
2. Excursions. An alarm begins when the surprise reaches the threshold, and is over once it has stayed RELEASE nats
   below the threshold that it began at (half of it, where that is higher) for `hold_s`: one excursion is one alarm,
   however it chatters.
3. Budget. One level for all things is moved by the alarms that were counted, not by rows,
   u <- u + GAIN (alarms begun - budget * days): each alarm makes the next rarer by e, and over any time the alarms
   differ from budget * days by (u_end - u_start) / GAIN, whatever the scores do. Where fewer came than were allowed,
   silence of more than PATIENCE times the usual interval lowers it faster.
4. Scores that change slowly. A score averaged over a day crosses no level ten times a day. The threshold is u down to
   FLOOR; where even that brings fewer excursions than are allowed, not the score is asked but how it changes: its
   first, then its second and third difference (an average of averages is smooth), each with points of its own. An
   alarm by a difference says that the score has just risen as it seldom does, and is over after `hold_s`.

Nobody labels a live plant, so every alarm counts as false until a person says that it was true: then it is given back.
What people say of a thing's alarms also moves its own threshold by ln((false + 1) / (true + 1)) nats, at most SHYEST:
by Bayes, the evidence that an alarm needs to be as likely true as one of another thing.
Source: H. Robbins and S. Monro, Ann. Math. Statist. 22 (1951) 400 (following a quantile); I. Gibbs and E. Candes,
NeurIPS 2021, and A. Angelopoulos, E. Candes and R. Tibshirani, NeurIPS 2023 (control of an error rate online);
ANSI/ISA-18.2-2016 (deadband, off-delay).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError, UnknownName

DAY_NS = 86_400 * NS_PER_S
GAIN = 1.0  # nats an alarm
PATIENCE = 3.0  # usual intervals between alarms: of one in twenty it is chance that it is longer
RELEASE = 1.0  # nats
SLOWLY = 0.002  # share g of the width by which a followed point moves
IN_ALARM = 0.1  # of that while an excursion lasts: what is new is not called usual at once
TAUGHT = 0.1  # of the way to what raised an alarm
FEWEST = 10  # excursions of the past that a first threshold is told from
LN10 = 2.302585092994046
LN2 = 0.6931471805599453
SHARES = (0.5, 0.9, 0.99)  # of the points that are followed
MEASURES = 4  # the score itself and its first three differences
FLOOR, SPAN = 1.0, 1.0  # nats: the lowest threshold, and how far above it each difference begins
LOWEST, HIGHEST = FLOOR - SPAN * (MEASURES - 1), 60.0  # nats that the level stays between
SMALLEST = 1e-12  # score
NARROWEST = 1e-3  # width of the tail in log score, where a detector gives one number alone
VERDICTS = ("true", "false", "unknown")
SHYEST = 3.0  # nats
LONG = 5000  # past rows that the first level is told from, at most


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

    points      (3, MEASURES, S) the 50 %, 90 % and 99 % points of each measure of each thing's log scores
    last        (MEASURES - 1, S) the last log scores, the newest first
    active      (S,) whether an excursion lasts
    calm_ns     (S,) since when it has been below the release; meaningless otherwise
    level       nats, what the budget moves; `threshold` and `measure` follow from it
    began_at    (S,) the threshold at which each thing's excursion began, nats
    began_ns    (S,) when
    t_ns        the newest step, None before the first
    alarms      begun so far
    confirmed   of them, called true by people
    allowed     budget so far
    silent      budget since the last alarm
    right, wrong  (S,) alarms of each thing that people called true and false
    """

    points: np.ndarray
    last: np.ndarray
    active: np.ndarray
    calm_ns: np.ndarray
    level: float
    began_at: np.ndarray
    began_ns: np.ndarray
    right: np.ndarray
    wrong: np.ndarray
    t_ns: int | None = None
    alarms: int = 0
    confirmed: int = 0
    allowed: float = 0.0
    silent: float = 0.0

    @property
    def threshold(self) -> float:
        """Nats at which an alarm begins."""
        return place(self.level)[1]

    @property
    def measure(self) -> int:
        """What is asked: 0 the score itself, n its n-th difference."""
        return place(self.level)[0]


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


def place(level: float) -> tuple[int, float]:
    """(measure, threshold) of a level: the score itself down to FLOOR, then one difference after the other."""
    if level >= FLOOR:
        return 0, level
    measure = min(int((FLOOR - level) / SPAN) + 1, MEASURES - 1)
    return measure, level + SPAN * measure


def start(points: np.ndarray, last: np.ndarray, level: float) -> State:
    """A state of S things from (3, MEASURES, S) points, (MEASURES - 1, S) last log scores and a level in nats."""
    things = points.shape[2]
    none = np.zeros(things, dtype=np.int64)
    return State(points, last, none.astype(bool), none, float(np.clip(level, LOWEST, HIGHEST)),
                 np.full(things, FLOOR), none, none, none)


def calibrate(past: np.ndarray, settings: Settings) -> State:
    """The state that past scores give.

    past    (N, S) or (N,) scores of training or of earlier operation, at least 20 that are numbers for each thing
    """
    past = np.asarray(past, dtype=float)
    past = past[:, None] if past.ndim == 1 else past
    logs = _log(past)
    if past.ndim != 2 or not past.shape[1] or (np.isfinite(logs).sum(axis=0) < 20).any():
        raise InputError("alarm budget", f"past scores of shape {past.shape}", "at least 20 numbers for each thing")
    middle = np.nanmedian(logs, axis=0)
    logs = np.where(np.isfinite(logs), logs, middle)
    rows = np.stack([_measures(row, last) for row, last in zip(logs, _lasts(logs), strict=True)])
    points = _apart(np.quantile(rows, SHARES, axis=0))
    level = _first_level(_surprise(points, rows[-LONG:]), settings)
    return start(points, logs[: -MEASURES : -1].copy(), level)


def _lasts(logs: np.ndarray) -> np.ndarray:
    """(N, MEASURES - 1, S) the log scores before each row, the newest first; before the first row, that row."""
    early = np.concatenate((np.repeat(logs[:1], MEASURES - 1, axis=0), logs))
    return np.stack([early[MEASURES - 2 - back : len(early) - 1 - back] for back in range(MEASURES - 1)], axis=1)


def _measures(log: np.ndarray, last: np.ndarray) -> np.ndarray:
    """(MEASURES, S) log scores and their differences."""
    series = np.concatenate((log[None], last))
    out = [log]
    for _ in range(MEASURES - 1):
        series = series[:-1] - series[1:]
        out.append(series[0])
    return np.stack(out)


def _first_level(surprise: np.ndarray, settings: Settings) -> float:
    """The level at which excursions of the past would have come as often as the budget allows.

    surprise  (N, MEASURES, S). Excursions of the score are counted at thresholds that at least FEWEST of them still
    reach (or as many as are allowed), runs of rows within `hold_s` together; beyond, the count falls by e for each nat.
    Where so few were seen, every tenth row counts as one at the 90 % point. Where even at FLOOR there are too few, the
    first difference that has enough of them is taken.
    """
    allowed = max(settings.per_day * len(surprise) * settings.step_s / 86_400.0, 1e-12)
    gap = max(1, round(settings.hold_s / settings.step_s))
    if _excursions(surprise[:, 0] > FLOOR, gap) < allowed:
        for measure in range(1, MEASURES):
            for above in np.arange(SPAN, -0.1, -0.25):
                if _excursions(surprise[:, measure] > FLOOR + above, gap, apart=True) >= allowed:
                    return float(FLOOR + above - SPAN * measure)
        return LOWEST
    best = LN10 + float(np.log(max(0.1 * surprise[:, 0].size, 1.0) / allowed))
    for threshold in np.arange(FLOOR, HIGHEST, 0.25):
        count = _excursions(surprise[:, 0] > threshold, gap)
        if count < max(allowed, FEWEST):
            break
        best = float(threshold) + float(np.log(count / allowed))
    return float(np.clip(best, FLOOR, HIGHEST))


def _excursions(above: np.ndarray, gap: int, *, apart: bool = False) -> int:
    """Runs of True in each column, those less than `gap` rows apart taken together.

    apart  every `gap` rows begin another one, however long a run is
    """
    count = 0
    for column in above.T:
        at = np.flatnonzero(column)
        if not apart:
            count += int((np.diff(at) > gap).sum()) + 1 if len(at) else 0
            continue
        nth = 0
        while nth < len(at):
            count += 1
            nth = int(np.searchsorted(at, at[nth] + gap, side="right"))
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
    if scores.shape != state.active.shape:
        raise InputError("alarm budget", f"{scores.shape} scores", f"{state.active.shape} as it was calibrated with")
    log = _log(scores)
    there = np.isfinite(log)
    rows = _measures(np.where(there, log, state.last[0]), state.last)
    measure, threshold = place(state.level)
    surprise = np.where(there, _surprise(state.points, rows)[measure], 0.0)
    needed = threshold + shy(state)
    begins = there & ~state.active & (surprise >= needed)
    alarms = [
        Alarm(int(thing), t_ns, float(scores[thing]), float(surprise[thing]), float(needed[thing]))
        for thing in np.flatnonzero(begins)
    ]
    after = _settled(state, t_ns, surprise, there, begins, needed, settings)
    last = np.where(there, np.concatenate((log[None], state.last[:-1])), state.last)
    after = replace(after, points=_taught(_followed(state, rows, there), rows[measure], measure, begins), last=last)
    return _paid(after, t_ns, len(alarms), settings, confirmed), alarms


def shy(state: State) -> np.ndarray:
    """(S,) nats by which each thing's threshold differs, from what people said of its alarms."""
    return np.clip(np.log((state.wrong + 1.0) / (state.right + 1.0)), -SHYEST, SHYEST)


def told(state: State, thing: int, before: str, verdict: str) -> State:
    """The state once a person has said of an alarm of a thing what it was.

    before   what was said of that alarm until now, '' for nothing
    verdict  one of VERDICTS; only 'true' gives the alarm back to the budget
    """
    if verdict not in VERDICTS:
        raise UnknownName("verdict on an alarm", verdict, VERDICTS)
    if not 0 <= thing < len(state.active):
        raise InputError("alarm budget", f"thing {thing}", f"0 to {len(state.active) - 1}")
    right, wrong = state.right.copy(), state.wrong.copy()
    right[thing] += (verdict == "true") - (before == "true")
    wrong[thing] += (verdict == "false") - (before == "false")
    more = int(verdict == "true") - int(before == "true")
    return replace(state, right=right, wrong=wrong, confirmed=state.confirmed + more,
                   level=float(np.clip(state.level - GAIN * more, LOWEST, HIGHEST)))


def _paid(state: State, t_ns: int, count: int, settings: Settings, confirmed: int) -> State:
    """The level moved by what was counted and by what is allowed."""
    days = max(0, t_ns - state.t_ns) / DAY_NS if state.t_ns is not None else settings.step_s / 86_400.0
    allowed = settings.per_day * days
    silent = 0.0 if count else state.silent + allowed
    behind = state.alarms - state.confirmed < state.allowed
    hurry = max(1.0, silent / PATIENCE) ** 2 if behind else 1.0
    moved = state.level + GAIN * (count - confirmed - allowed * hurry)
    return replace(
        state,
        level=float(np.clip(moved, LOWEST, HIGHEST)),
        t_ns=t_ns if state.t_ns is None else max(t_ns, state.t_ns),
        alarms=state.alarms + count,
        confirmed=state.confirmed + confirmed,
        allowed=state.allowed + allowed,
        silent=silent,
    )


def _settled(
    state: State, t_ns: int, surprise: np.ndarray, there: np.ndarray, begins: np.ndarray, needed: np.ndarray,
    settings: Settings,
) -> State:
    """With excursions begun and ended. A row stands for the time until the next one."""
    hold_ns, row_ns = round(settings.hold_s * NS_PER_S), round(settings.step_s * NS_PER_S)
    calm = surprise < np.maximum(state.began_at - RELEASE, state.began_at / 2.0)
    calm_ns = np.where(state.active & there & calm, np.minimum(state.calm_ns, t_ns), np.iinfo(np.int64).max)
    calm_ns = np.where(there, calm_ns, state.calm_ns)
    over = calm & (t_ns - calm_ns >= hold_ns - row_ns)
    if state.measure:  # how a score changes says nothing of how long it stays
        over |= t_ns - state.began_ns >= hold_ns
    over &= state.active & there
    return replace(
        state, active=(state.active & ~over) | begins, calm_ns=calm_ns,
        began_at=np.where(begins, needed, state.began_at), began_ns=np.where(begins, t_ns, state.began_ns),
    )


def _followed(state: State, rows: np.ndarray, there: np.ndarray) -> np.ndarray:
    """(3, MEASURES, S) the points of each thing's measures moved towards the newest one."""
    low, mid, high = state.points
    lasting = np.where(state.active, IN_ALARM, 1.0)
    g = np.where(there, SLOWLY, 0.0) * np.stack([lasting, *[np.ones_like(lasting)] * (MEASURES - 1)])
    near, far = np.maximum(mid - low, NARROWEST), np.maximum(high - mid, NARROWEST)
    return _apart(np.stack((
        low + g * near * ((rows > low) - (1.0 - SHARES[0])),
        mid + g * far * ((rows > mid) - (1.0 - SHARES[1])),
        high + g * far * ((rows > high) - (1.0 - SHARES[2])),
    )))


def _taught(points: np.ndarray, row: np.ndarray, measure: int, begins: np.ndarray) -> np.ndarray:
    """With the 99 % point of what raised an alarm moved a tenth of the way to it: a thing that was told too surprising
    does not use up what the others are allowed."""
    out = points.copy()
    out[2, measure] += np.where(begins, TAUGHT * np.maximum(row - out[2, measure], 0.0), 0.0)
    return out


def _apart(points: np.ndarray) -> np.ndarray:
    """Points in their order, the last two at least NARROWEST apart."""
    low, mid, high = points
    mid = np.maximum(mid, low)
    return np.stack((low, mid, np.maximum(high, mid + NARROWEST)))


def _surprise(points: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(..., MEASURES, S) nats: minus the logarithm of the share of usual rows that are higher; at most HIGHEST."""
    low, mid, high = points
    beyond = LN10 * (1.0 + (rows - mid) / np.maximum(high - mid, NARROWEST))
    within = LN2 + (LN10 - LN2) * (rows - low) / np.maximum(mid - low, NARROWEST)
    return np.clip(np.where(rows >= mid, beyond, np.minimum(within, LN10)), 0.0, HIGHEST)


def _log(scores: np.ndarray) -> np.ndarray:
    """Logarithm of scores; NaN where there is none, 690 where one is infinite."""
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
