"""Random convolutions: thousands of small kernels, what each pools of a series, and a ridge on it (extra 'learn').

Kernels as in MiniRocket (84, deterministic) at dilations spread up to the length, on the series and on its differences;
channels drawn for each; biases from quantiles of the responses of training cases; the four pools of MultiRocket. The
ridge's strength is chosen by leaving groups out, in closed form. Sources: `learn.classing.convolution`,
`learn.classing.ridge_classes`. A kernel sums to zero, so levels are not seen; `boosting` and `intervals` see them.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from loopwright.core.errors import MissingExtra
from loopwright.learn.classing import ridge_classes
from loopwright.learn.classing.cases import Cases, clean
from loopwright.learn.classing.neighbours import scaling
from loopwright.learn.classing.staged import verbs

NAME = "rocket"
MEANING = "Thousands of random convolutions (MiniRocket kernels, MultiRocket pools) and a ridge."
BASELINE = False
RESPONSES = 84 * 24  # of the series and of its differences each, at most
LEAST = 84 * 4
WORK = 1.5e8  # responses x samples: more samples in training get fewer responses, down to LEAST
MOST_DILATIONS = 24
MOST_CHANNELS = 9  # that one response sums, at most
_GOLDEN = (np.sqrt(5.0) + 1.0) / 2.0


def require() -> None:
    """Raises MissingExtra where Numba is not installed."""
    if importlib.util.find_spec("numba") is None:
        raise MissingExtra("learn/models/classes/rocket", "numba", "learn")


def learn(
    x: np.ndarray, answers: Sequence[Sequence[str]], groups: Sequence[str], seed: int = 0
) -> list[dict[str, Any]]:
    """The ridge on features x (n, F), for each of the answers (n,) about the same cases."""
    return ridge_classes.fit(x, answers, groups)


def say(head: Mapping[str, Any], x: np.ndarray) -> np.ndarray:
    """(n, K) probabilities for features x (n, F)."""
    return ridge_classes.predict(head, x)


def see(cases: Cases, seed: int = 0) -> dict[str, Any]:
    """What is drawn: dilations, channels and biases for the series and its differences, from training cases only."""
    require()
    rng = np.random.default_rng(seed)
    mean, scale = scaling(cases)
    lens: dict[str, Any] = {"mean": mean, "scale": scale}
    series = [_scaled(one, mean, scale) for one in cases.values]
    for name, rows in (("series", series), ("differences", [_differences(one) for one in series])):
        length = int(np.median([one.shape[1] for one in rows]))
        total = sum(one.shape[1] for one in rows)
        count = int(np.clip(WORK / total / len(kernels()), LEAST // 84, RESPONSES // 84)) * 84
        lens[name] = _plan(rows, count, length, rng)
    return lens


def look(lens: Mapping[str, Any], cases: Cases) -> np.ndarray:
    """(n, F) float32: the pools of every response."""
    from loopwright.learn.classing import convolution

    plans = [lens["series"], lens["differences"]]
    x = np.empty((len(cases), sum(4 * len(plan["biases"]) for plan in plans)), np.float32)
    for i, one in enumerate(cases.values):
        scaled = _scaled(one, lens["mean"], lens["scale"])
        at = 0
        for plan, rows in zip(plans, (scaled, _differences(scaled)), strict=True):
            end = at + 4 * len(plan["biases"])
            convolution.describe(rows, plan["plan"], plan["channels"], kernels(), plan["biases"], x[i, at:end])
            at = end
    return x


def kernels() -> np.ndarray:
    """(84, 3) places of the weight 2."""
    from loopwright.learn.classing import convolution

    return convolution.KERNELS


def _plan(rows: Sequence[np.ndarray], count: int, length: int, rng: np.random.Generator) -> dict[str, Any]:
    """plan (F, 4), channels, biases (F,) as `convolution.describe` takes them.

    Dilations 2**u with u evenly from 0 to log2((length - 1) / 8); of each dilation and kernel one subset of channels
    and as many biases as are left of `count`: quantiles (golden ratio sequence) of the response of one training case.
    """
    from loopwright.learn.classing import convolution

    deepest = np.log2(max((length - 1) / (convolution.TAPS - 1), 1.0))
    each = max(1, count // 84)
    steps = np.linspace(0.0, deepest, min(each, MOST_DILATIONS))
    dilations, many = np.unique(np.floor(2.0**steps).astype(np.int64), return_counts=True)
    per = np.maximum(1, many * each // max(1, many.sum()))
    plan: list[tuple[int, int, int, int]] = []
    channels: list[int] = []
    biases: list[float] = []
    phase = 0
    for dilation, quantiles in zip(dilations.tolist(), per.tolist(), strict=True):
        for kernel in range(84):
            some = _subset(rows[0].shape[0], rng)
            one = rows[int(rng.integers(len(rows)))]
            response = np.empty(one.shape[1], np.float32)
            convolution.respond(one, some, convolution.KERNELS[kernel], dilation, response)
            at = (np.arange(phase + 1, phase + quantiles + 1) * _GOLDEN) % 1.0
            phase += quantiles
            plan += [(dilation, kernel, len(channels), len(channels) + len(some))] * quantiles
            channels += some.tolist()
            biases += np.quantile(response, at).tolist()
    return {
        "plan": np.array(plan, np.int64), "channels": np.array(channels, np.int64),
        "biases": np.array(biases, np.float32),
    }


def _subset(count: int, rng: np.random.Generator) -> np.ndarray:
    """Which channels a response sums: 2**U(0, log2(m + 1)) of them, m = min(count, MOST_CHANNELS)."""
    size = int(2.0 ** rng.uniform(0.0, np.log2(min(count, MOST_CHANNELS) + 1)))
    return np.sort(rng.choice(count, size, replace=False)).astype(np.int64)


def _scaled(one: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """(C, T) float32."""
    return np.ascontiguousarray((clean(one) - mean[:, None]) / scale[:, None], dtype=np.float32)


def _differences(one: np.ndarray) -> np.ndarray:
    """(C, T - 1); of a single sample (C, 1) zeros."""
    if one.shape[1] < 2:
        return np.zeros((one.shape[0], 1), np.float32)
    return np.ascontiguousarray(np.diff(one, axis=1))


fit, predict = verbs(see, look, learn, say)
