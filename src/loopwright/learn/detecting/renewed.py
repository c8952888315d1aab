"""The usual common movement of channels, learned once and then followed slowly by rows that are usual themselves.

    state = learn(rows)                       (T, C) of training
    parts, state = follow(state, rows)        (N, C) each channel's part of the index of subspace.py, the state after

Every BLOCK rows mean m and covariance S take in the block, each pair of channels by the rows that have both:

    S <- (1 - a) S + a sum w d d' / sum w         a = sum w / MEMORY, d = x - m; m alike
    w = min(1, 1 / index)^2

so that a row at the edge of what is usual (index 1) counts whole and one at ten times that counts a hundredth. A block
of which more than OFF is beyond that edge (index EDGE) is a fault until somebody fits anew: it is not taken in at all.
A plant that moves by itself, slower than MEMORY rows, stays usual. More than MOST channels stay as they were learned:
S would be too large.
Source: W. Li, H. H. Yue, S. Valle-Cervantes and S. J. Qin, J. Process Control 10 (2000) 471 (recursive components of
processes); R. A. Maronna, Ann. Statist. 4 (1976) 51 (weights that fall with the distance).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from loopwright.learn.detecting import subspace

BLOCK = 512  # rows that are taken in together
MEMORY = 8192.0  # rows over which what is known is forgotten
EDGE, OFF = 2.0, 0.1  # index, share of a block
MOST = 512  # channels whose covariance is kept
FAR = 10.0  # spreads beyond which a row says no more of the mean and the covariance
LEAST = 0.5  # of the spread of training that a channel keeps: a machine that stood for days is not made of glass


@dataclass(frozen=True)
class Renewed:
    """What is known of C channels.

    usual       directions and limits, of one thing
    mean        (C,) of the rows
    covariance  (C, C); (0, 0) where nothing is renewed
    least       (C,) spread that a channel keeps, however long it stands still
    rows        how many rows it rests on, MEMORY at most
    newest      (n, C) rows since it was renewed, n < BLOCK
    weights     (n,) w of each
    """

    usual: subspace.Subspace
    mean: np.ndarray
    covariance: np.ndarray
    least: np.ndarray
    rows: float
    newest: np.ndarray
    weights: np.ndarray


def learn(rows: np.ndarray) -> Renewed:
    """The usual directions of (T, C) training rows; NaN: missing."""
    usual = subspace.learn_usual(rows[None])
    channels = rows.shape[1]
    mean, spread = usual.mean[0], usual.scale[0]
    covariance = np.zeros((0, 0))
    if channels <= MOST:
        away = np.where(np.isfinite(rows), (rows - mean) / spread, 0.0)
        seen = np.isfinite(rows).astype(float)
        together = np.maximum(seen.T @ seen, 1.0)
        known = np.where(np.isfinite(spread), spread, 0.0)
        covariance = (away.T @ away) / together * np.outer(known, known)
    least = LEAST * np.where(np.isfinite(spread), spread, 0.0)
    none = np.zeros((0, channels))
    return Renewed(usual, mean.copy(), covariance, least, min(float(len(rows)), MEMORY), none, np.zeros(0))


def follow(state: Renewed, rows: np.ndarray) -> tuple[np.ndarray, Renewed]:
    """((N, C) parts of the index, the state after the last row), the same in chunks of any size.

    rows  (N, C) NaN: missing, its channel's part is what the others say of it
    """
    if not len(state.covariance):
        return subspace.contributions(state.usual, rows), state
    out = np.empty(rows.shape)
    done = 0
    while done < len(rows):
        part = slice(done, min(len(rows), done + BLOCK - len(state.newest)))
        out[part] = subspace.contributions(state.usual, rows[part])
        index = np.maximum(out[part].sum(axis=1), 1.0)
        newest, weights = np.vstack((state.newest, rows[part])), np.append(state.weights, 1.0 / np.square(index))
        state = replace(state, newest=newest, weights=weights)
        done = part.stop
        if len(newest) == BLOCK:
            state = renewed(state) if (weights < EDGE**-2).mean() <= OFF else _emptied(state)
    return out, state


def _emptied(state: Renewed) -> Renewed:
    return replace(state, newest=state.newest[:0], weights=state.weights[:0])


def renewed(state: Renewed) -> Renewed:
    """With the newest rows taken in, and directions and limits computed anew. A channel never seen stays unknown."""
    seen = np.isfinite(state.usual.scale[0])
    reach = FAR * np.where(seen, state.usual.scale[0], 0.0)
    known = (np.isfinite(state.newest) & seen).astype(float)
    away = np.where(known > 0.0, np.clip(state.newest - state.mean, -reach, reach), 0.0)
    counted = known * state.weights[:, None]
    mean = state.mean + (counted * away).sum(axis=0) / MEMORY
    together = (counted.T @ known) / MEMORY  # (C, C) what each pair of channels saw
    block = ((away * state.weights[:, None]).T @ away) / MEMORY
    covariance = (1.0 - together) * state.covariance + block
    covariance = 0.5 * (covariance + covariance.T)
    covariance += np.diag(np.maximum(np.square(state.least) - np.diag(covariance), 0.0))
    rows = min(state.rows + float(state.weights.sum()), MEMORY)
    usual = subspace.from_moments(mean, covariance, seen, rows)
    return replace(_emptied(state), usual=usual, mean=mean, covariance=covariance, rows=rows)
