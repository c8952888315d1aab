"""A Weibull model of accelerated failure: learns from lives that have not ended too. No library beside NumPy.

    log T = x b + b_0 + s e,   e with the survivor function exp(-exp(e))

T is the cycles left plus one half; a life that goes on, or ends later than the cap, counts as 'later than this'. The
estimate is the mean of min(T, cap). Fitted by maximum likelihood with ridge, in b / s and 1 / s, where the likelihood
is concave, by Newton's method. Source: J. D. Kalbfleisch and R. L. Prentice, The Statistical Analysis of Failure Time
Data (2002), sections 2.3 and 3.7.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from loopwright.learn.lives import life_fit
from loopwright.learn.lives.features import Windows
from loopwright.learn.lives.life_rows import Rows
from loopwright.learn.wear.linear import scale

NAME = "survival"
MEANING = "Weibull accelerated failure times on window means, changes and age; lives still running count too."
BASELINE = False
WINDOWS = Windows((10, 30, 80), (30, 80))
STRENGTH = 1.0  # cost of a squared scaled coefficient, in units of log likelihood
GRID = 64  # steps of the mean life


def _learn(rows: Rows, frame: dict[str, Any], seed: int) -> dict[str, Any]:
    mean, spread = scale(rows.x)
    a = np.hstack([(rows.x - mean) / spread, np.ones((len(rows.x), 1))])
    ended = rows.ended & (rows.left <= frame["cap"])
    log_t = np.log(np.minimum(rows.left, frame["cap"]) + 0.5)
    theta, shape = weibull(a, log_t, ended, STRENGTH)
    return {"mean": mean, "spread": spread, "theta": theta, "shape": shape, "cap": float(frame["cap"])}


def weibull(a: np.ndarray, log_t: np.ndarray, ended: np.ndarray, strength: float) -> tuple[np.ndarray, float]:
    """((f,) b / s, 1 / s) that make the log likelihood less strength |b / s|^2 / 2 largest.

    a      (n, f)  features, the last of them one, whose coefficient is not shrunk
    log_t  (n,)    log of the time of the end, or of the time until which none was seen
    ended  (n,)    whether the end was seen
    """
    seen = ended.astype(np.float64)
    u = np.hstack([-a, log_t[:, None]])  # z = u p, with p = (b / s, 1 / s)
    price = np.append(np.full(a.shape[1] - 1, strength), [1e-9, 1e-9])
    p = np.zeros(u.shape[1])
    p[-2], p[-1] = float(np.log(np.exp(log_t).sum() / max(1.0, seen.sum()))), 1.0

    def value(at: np.ndarray) -> float:
        if at[-1] <= 0:
            return -np.inf
        z = np.clip(u @ at, -500.0, 50.0)
        return float((seen * (np.log(at[-1]) + z) - np.exp(z)).sum() - 0.5 * (price * at * at).sum())

    best = value(p)
    for _ in range(60):
        hazard = np.exp(np.clip(u @ p, -500.0, 50.0))
        slope = u.T @ (seen - hazard) - price * p
        slope[-1] += seen.sum() / p[-1]
        curve = (u * hazard[:, None]).T @ u + np.diag(price)
        curve[-1, -1] += seen.sum() / p[-1] ** 2
        step = np.linalg.solve(curve + 1e-9 * np.eye(len(p)), slope)
        length = 1.0
        while (new := value(p + length * step)) < best and length > 1e-6:
            length /= 2.0
        p, gain, best = p + length * step, new - best, max(new, best)
        if gain < 1e-7 * (1.0 + abs(best)):
            break
    return p[:-1], float(p[-1])


def _say(model: dict[str, Any], x: np.ndarray) -> np.ndarray:
    """(n,) mean of min(T, cap): the area under the survivor function up to the cap."""
    a = np.hstack([(x - model["mean"]) / model["spread"], np.ones((len(x), 1))])
    t = (np.arange(GRID) + 0.5) / GRID * (model["cap"] + 0.5)
    z = model["shape"] * np.log(t)[None] - (a @ model["theta"])[:, None]
    alive = np.exp(-np.exp(np.clip(z, -500.0, 50.0)))
    return alive.mean(axis=1) * (model["cap"] + 0.5) - 0.5


HOW = life_fit.How(_learn, _say, WINDOWS)
fit, predict, drivers = HOW.fit, HOW.predict, HOW.drivers
