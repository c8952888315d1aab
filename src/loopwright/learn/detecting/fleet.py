"""The scores of a whole fleet in one call a step: B things of C channels, one state, no loop over things.

    settings = Settings("robust_z", warm=64)
    state = start(B, C, settings)
    scores, state = step(state, values, mask, t_ns)      (B, C), (B, C), () -> (B, C)
    overall(scores, settings)                            (B,) one score a thing

A thing scores the same here, digit for digit, as alone. The first `warm` rows of a thing are learned from and score 0;
no thing waits for another. 'robust_z': every channel by itself, |value - level - season| in spreads, followed all the
time (learn/detecting/level.py). 'pca': the channels of a thing together, each channel's part of its index, which then
stays as it was learned (learn/detecting/subspace.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError, UnknownName
from loopwright.learn.detecting import level, subspace

MODELS = ("robust_z", "pca")
LARGEST = 50_000_000  # numbers that the state of one fleet may hold while it warms up


@dataclass(frozen=True)
class Settings:
    """How a fleet is scored.

    model     one of MODELS
    warm      rows of a thing before it is judged
    gain      robust_z: share of the newest value in level and spread once many were seen
    period_s  robust_z: the length of a season (86,400: a day), 0 for none
    slots     robust_z: parts of the period that have a level of their own
    share     pca: of the variance that counts as usual directions
    """

    model: str = "robust_z"
    warm: int = 64
    gain: float = 1 / 1024
    period_s: float = 0.0
    slots: int = 24
    share: float = 0.9

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise UnknownName("model of a fleet", self.model, MODELS)
        if self.warm < 2 or not 0.0 < self.gain <= 1.0 or not 0.0 < self.share <= 1.0:
            given = f"warm {self.warm}, gain {self.gain}, share {self.share}"
            raise InputError("fleet", given, "warm at least 2, gain and share above 0 and at most 1")
        if not (np.isfinite(self.period_s) and self.period_s >= 0.0) or self.slots < 1:
            given = f"period_s {self.period_s}, slots {self.slots}"
            raise InputError("fleet", given, "a period of 0 s or more, at least 1 slot")


@dataclass(frozen=True)
class State:
    """What is known of a fleet.

    shape   (B, C)
    levels  robust_z: the B C signals side by side
    first   pca: (warm, B, C) the first rows until every thing has `warm` of them; then (0, B, C)
    rows    pca: (B,) rows seen while warming up
    usual   pca: what was learned; zeros for a thing that is still warming up
    """

    settings: Settings
    shape: tuple[int, int]
    levels: level.Levels | None = None
    first: np.ndarray | None = None
    rows: np.ndarray | None = None
    usual: subspace.Subspace | None = None


def start(things: int, channels: int, settings: Settings | None = None) -> State:
    """Nothing seen of `things` things of `channels` channels."""
    settings = settings or Settings()
    if things < 1 or channels < 1:
        raise InputError("fleet", f"{things} things of {channels} channels", "at least one of each")
    if things * channels * settings.warm > LARGEST:
        given = f"{things:,} things of {channels:,} channels, {settings.warm} rows each to warm up"
        raise InputError("fleet", given, f"at most {LARGEST:,} numbers", "score it in parts, or set a smaller `warm`")
    shape = (things, channels)
    if settings.model == "robust_z":
        slots = settings.slots if settings.period_s > 0 else 0
        # a slot is visited by many rows in each period: its own share must be small beside theirs
        levels = level.start(things * channels, settings.warm, settings.gain, slots, settings.gain / 4)
        return State(settings, shape, levels=levels)
    directions = min(settings.warm, channels)
    usual = subspace.Subspace(
        mean=np.zeros(shape),
        scale=np.ones(shape),
        axes=np.zeros((things, directions, channels)),
        pulls=np.zeros((things, directions)),
        rest=np.zeros((things, 1)),
    )
    first = np.zeros((settings.warm, *shape))
    return State(settings, shape, first=first, rows=np.zeros(things, dtype=np.int64), usual=usual)


def step(state: State, values: np.ndarray, mask: np.ndarray | None, t_ns: int = 0) -> tuple[np.ndarray, State]:
    """((B, C) scores, the state after this row).

    values  (B, C) inside units
    mask    (B, C) True where there is a value; None: wherever it is finite
    t_ns    the row's time, nanoseconds since 1970 UTC; only a season looks at it
    returns 0 for what is missing or still warming up; never NaN
    """
    if values.shape != state.shape or (mask is not None and mask.shape != state.shape):
        given = f"values {values.shape}" + ("" if mask is None else f", mask {mask.shape}")
        raise InputError("fleet", given, f"{state.shape} as it was started with")
    row = level.bounded(values if mask is None else np.where(mask, values, np.nan))
    if state.levels is not None:
        z, levels = level.advance(state.levels, row.ravel(), slot_of(t_ns, state.settings))
        return np.abs(z).reshape(state.shape), replace(state, levels=levels)
    return _by_parts(state, row)


def overall(scores: np.ndarray, settings: Settings) -> np.ndarray:
    """(B,) one score a thing: the farthest channel of robust_z, the whole index of pca."""
    return scores.max(axis=1) if settings.model == "robust_z" else scores.sum(axis=1)


def slot_of(t_ns: int, settings: Settings) -> int:
    """Which slot of the period a time falls on."""
    if settings.period_s <= 0:
        return 0
    period_ns = round(settings.period_s * NS_PER_S)
    return (t_ns % period_ns) * settings.slots // period_ns


def _by_parts(state: State, row: np.ndarray) -> tuple[np.ndarray, State]:
    """The pca step: things that are warm are scored, the others get one row more."""
    if state.first is None or state.rows is None or state.usual is None:
        raise InputError("fleet", "a state without what 'pca' needs", "the state that `start` or `step` gave")
    there = np.isfinite(row).any(axis=1)
    scores = subspace.contributions(state.usual, row)
    warm = state.rows >= state.settings.warm
    scores[~(there & warm)] = 0.0
    cold = np.flatnonzero(there & ~warm)
    if len(cold):
        return scores, _warmed(state, state.first, state.rows, row, cold)
    if len(state.first) and warm.all():
        state = replace(state, first=state.first[:0])
    return scores, state


def _warmed(state: State, first: np.ndarray, rows: np.ndarray, row: np.ndarray, cold: np.ndarray) -> State:
    """With one more row of each cold thing; a thing that has `warm` now is learned."""
    first, rows = first.copy(), rows.copy()
    first[rows[cold], cold] = row[cold]
    rows[cold] += 1
    done = cold[rows[cold] == state.settings.warm]
    usual = state.usual
    if len(done) and usual is not None:
        learned = subspace.learn_usual(first[:, done].transpose(1, 0, 2), state.settings.share)
        usual = subspace.Subspace(*(_put(old, done, new) for old, new in _pairs(usual, learned)))
    return replace(state, first=first, rows=rows, usual=usual)


def _pairs(old: subspace.Subspace, new: subspace.Subspace) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(getattr(old, name), getattr(new, name)) for name in ("mean", "scale", "axes", "pulls", "rest")]


def _put(old: np.ndarray, where: np.ndarray, new: np.ndarray) -> np.ndarray:
    """A copy with the rows at `where` replaced."""
    out = old.copy()
    out[where] = new
    return out
