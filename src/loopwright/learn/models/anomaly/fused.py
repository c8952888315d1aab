"""Several detectors that err differently, each told as a probability of its own past and then averaged: ours.

    z_d = (log a_d - level_d) / spread_d         a_d: the score of detector d, averaged over the newest stretch
    score = exp(mean over d of (max(z_d, 0)^1.5 + z_d / 20))       about 1: as usual, higher: rarer

Scores of distances and indices are close to log-normal on usual data, so z_d stands for their tail probability, whose
logarithm falls with a power of z_d between 1 and 2. Level and spread are robust, learned in training and followed
slowly (learn/detecting/level.py), for a growing past makes every stretch look more usual. The detectors: the left
matrix profile of a short stretch and of one cycle (learn/detecting/discord.py), principal components of windows
(learn/detecting/stretch.py) and, where there are several channels, T2 and Q of the channels together
(learn/detecting/subspace.py). They and every constant were chosen on 12 files of NAB outside the published table.
Source for fusing scores as probabilities: H.-P. Kriegel et al., SDM 2011 (unifying outlier scores).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from loopwright.learn.detecting import discord, level, stretch, subspace
from loopwright.learn.detecting.channels import (
    Ready,
    averaged,
    checked,
    few,
    prepare,
    standardised,
    strength,
    stretch_window,
)

NAME = "fused"
MEANING = "Left matrix profile of two lengths, components of windows and of channels, fused as probabilities."
BASELINE = False
SHORT = 32  # samples of the short stretch
HISTORY = 4096  # samples that the matrix profiles remember
SMALLEST = 1e-6  # a score below it is as usual as can be
WIDEST = 30.0  # spreads
POWER, SLOPE = 1.5, 0.05  # of a detector's z in the score
MEMORY = 2048  # samples over which a detector's own level and spread are followed


@dataclass(frozen=True)
class Fused:
    """What is known: ready rows, each channel's stretches, the channels together, each detector's own past.

    short, long, shapes  one a channel
    usual   the channels together; None for one channel alone
    tail    the newest scores of the detectors, for their average
    past    level and spread of each detector's log score
    width   samples over which scores are averaged: the stretch
    """

    ready: Ready
    short: tuple[discord.Discord, ...]
    long: tuple[discord.Discord, ...]
    shapes: tuple[stretch.Stretch, ...]
    usual: subspace.Subspace | None
    tail: np.ndarray
    past: level.Levels
    width: int


def fit(values: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """What is usual in (T, C) training rows; at least 8 of them. They are the first past."""
    values = few(checked(values, NAME), NAME)
    ready = prepare(values)
    z, _ = standardised(ready, values)
    width = stretch_window(z)
    short, many = min(SHORT, width), z.shape[1]
    shapes = tuple(stretch.learn(column, width) for column in z.T)
    usual = subspace.learn_usual(z[None]) if many > 1 else None
    detectors = 3 if usual is None else 4
    known = Fused(
        ready=ready,
        short=tuple(discord.start(short, max(HISTORY, 2 * short)) for _ in range(many)),
        long=tuple(discord.start(width, max(HISTORY, 2 * width)) for _ in range(many)),
        shapes=tuple(stretch.rewound(shape) for shape in shapes),
        usual=usual,
        tail=np.zeros((0, detectors)),
        past=level.start(detectors),
        width=width,
    )
    logs, _, after = _watched(known, values)
    warm = min(3 * width, len(values) // 2)
    past = level.learned(logs[warm:], gain=1 / MEMORY)
    past = replace(past, seen=np.maximum(past.seen, MEMORY))  # few rows of training are no reason to follow faster
    zs, past = level.follow(past, logs)
    zs[: 2 * width] = np.minimum(zs[: 2 * width], 0.0)  # nothing to compare with yet
    after = replace(after, past=past, shapes=shapes)
    return {"known": after, "lag": (3 * width - 1) // 4 + short // 4, "fit_scores": _told(zs)}


def score(state: dict[str, Any], values: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """((N,) 1: as usual, higher: rarer; the state after the last row)."""
    logs, _, known = _watched(state["known"], checked(values, NAME))
    zs, past = level.follow(known.past, logs)
    return _told(zs), state | {"known": replace(known, past=past)}


def channels(state: dict[str, Any], values: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """((N, C) each channel's part of the score, the state after the last row): its mean share over the detectors."""
    logs, shares, known = _watched(state["known"], checked(values, NAME))
    zs, past = level.follow(known.past, logs)
    return shares * _told(zs)[:, None], state | {"known": replace(known, past=past)}


def _told(zs: np.ndarray) -> np.ndarray:
    """(N,) score of (N, D) spreads."""
    held = np.clip(zs, -WIDEST, WIDEST)
    return np.exp((np.maximum(held, 0.0) ** POWER + SLOPE * held).mean(axis=1))


def _watched(known: Fused, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, Fused]:
    """((N, D) log of each detector's averaged score, (N, C) share of each channel, the state after)."""
    z, ready = standardised(known.ready, values)
    short = [discord.follow(one, column) for one, column in zip(known.short, z.T, strict=True)]
    long = [discord.follow(one, column) for one, column in zip(known.long, z.T, strict=True)]
    shapes = [stretch.follow(one, column) for one, column in zip(known.shapes, z.T, strict=True)]
    parts = [np.column_stack([told for told, _ in detector]) for detector in (short, long, shapes)]
    scores = [strength(part) for part in parts]
    if known.usual is not None:
        together = subspace.contributions(known.usual, z)
        parts.append(np.sqrt(together))
        scores.append(together.sum(axis=1))
    shares = np.mean([_shares(part) for part in parts], axis=0)
    means, tail = averaged(known.tail, np.column_stack(scores), known.width)
    after = replace(
        known,
        ready=ready,
        short=tuple(one for _, one in short),
        long=tuple(one for _, one in long),
        shapes=tuple(one for _, one in shapes),
        tail=tail,
    )
    return np.log(np.maximum(means, SMALLEST)), shares, after


def _shares(part: np.ndarray) -> np.ndarray:
    """(N, C) of sum 1 along a row; even where nothing stands out."""
    square = np.square(part)
    total = square.sum(axis=1, keepdims=True)
    return np.where(total > 0.0, square / np.maximum(total, 1e-300), 1.0 / part.shape[1])
