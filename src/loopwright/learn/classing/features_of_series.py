"""Numbers that sum up a series of any length: moments, steps, shape in time, spectrum, quantiles of stretches.

    statistics(cases)   (n, C * S) levels, spread, steps, trend, memory, of the whole and of its parts
    quantiles(cases)    (n, F) quantiles of dyadic stretches of the series, its differences and its spectrum
    spectra(cases)      (n, F) energy in bands of frequency and of the envelope's frequency, moments, links of channels

Nothing grows with the length of a series, which would tell how long a run lasted and with that often its class.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from loopwright.learn.classing.cases import Cases, clean

PARTS = 4  # stretches of which the mean and the spread are told
LAGS = (1, 2, 4, 8)
_TINY = 1e-12
_SILENT = 1e-24  # power of a channel that never moves


def statistics(cases: Cases) -> np.ndarray:
    """(n, C * (18 + 2 * PARTS)) float64, finite."""
    return np.stack([_statistics(clean(one)).ravel() for one in cases.values]) if len(cases) else np.empty((0, 0))


def _statistics(x: np.ndarray) -> np.ndarray:
    """(C, S) of one case (C, T)."""
    t = x.shape[1]
    mean, spread = x.mean(axis=1), x.std(axis=1)
    unit = (x - mean[:, None]) / (spread + _TINY * (1.0 + np.abs(mean)))[:, None]
    steps = np.abs(np.diff(x, axis=1)) if t > 1 else np.zeros((len(x), 1))
    place = np.linspace(-1.0, 1.0, t) if t > 1 else np.zeros(1)
    crossings = (np.diff(np.signbit(unit), axis=1) != 0).mean(axis=1) if t > 1 else np.zeros(len(x))
    columns = [
        mean, spread, *np.quantile(x, [0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0], axis=1), (unit**3).mean(axis=1),
        (unit**4).mean(axis=1), steps.mean(axis=1), np.quantile(steps, 0.95, axis=1), crossings,
        (unit * place).mean(axis=1), *(_memory(unit, lag) for lag in LAGS[1:]),
    ]
    edges = np.linspace(0, t, PARTS + 1).astype(np.int64)
    for a, b in pairwise(edges.tolist()):
        part = x[:, a : max(b, a + 1)] if a < t else x[:, -1:]
        columns += [part.mean(axis=1), part.std(axis=1)]
    return np.stack(columns, axis=1)


def _memory(unit: np.ndarray, lag: int) -> np.ndarray:
    """(C,) how much a sample says about the one `lag` later."""
    return (unit[:, lag:] * unit[:, :-lag]).mean(axis=1) if unit.shape[1] > lag else np.zeros(len(unit))


def plan_of_stretches(cases: Cases, most: int) -> dict[str, int]:
    """{depth, length}: how finely `quantiles` may cut so that it gives at most about `most` numbers of a case.

    length is the median's; stretches of less than four samples are not told apart further.
    """
    length = int(np.median([one.shape[1] for one in cases.values]))
    depth = 1
    while depth < 6 and 2**depth * 4 <= length and len(cases.channels) * _count(depth + 1, length) <= most:
        depth += 1
    return {"depth": depth, "length": length}


def _stretches(depth: int) -> list[tuple[float, float]]:
    """(begin, end) as shares of the length: halves of halves, and the same moved on by half a stretch."""
    found = []
    for level in range(depth):
        width = 0.5**level
        found += [(i * width, (i + 1) * width) for i in range(2**level)]
        found += [((i + 0.5) * width, (i + 1.5) * width) for i in range(2**level - 1)]
    return found


def _per_stretch(width: float, length: int) -> int:
    """How many quantiles of a stretch: one for every four samples, 16 at most."""
    return int(np.clip(1 + (width * length - 1) // 4, 1, 16))


def _count(depth: int, length: int) -> int:
    """Numbers that `quantiles` gives for a channel."""
    return sum(_per_stretch(b - a, size) for size in (length, length, length // 2 + 1) for a, b in _stretches(depth))


def quantiles(cases: Cases, plan: dict[str, int]) -> np.ndarray:
    """(n, F) float32: quantiles of each stretch of the series, of its differences, and of its spectrum.

    Every second quantile is told as its distance from the stretch's mean. Source: the intervals and quantiles of QUANT,
    A. Dempster, D. F. Schmidt and G. I. Webb, DMKD 38 (2024) 2377 (arXiv:2308.00928), with at most 16 of a stretch.
    """
    by_length: dict[int, list[int]] = {}
    for i, one in enumerate(cases.values):
        by_length.setdefault(one.shape[1], []).append(i)
    found: dict[int, np.ndarray] = {}
    for rows in by_length.values():
        for some in np.array_split(np.array(rows), -(-len(rows) // 128)):  # 128 cases at once: bounded memory
            x = np.stack([clean(cases.values[i]) for i in some.tolist()])
            found |= dict(zip(some.tolist(), _quantiles(x, plan), strict=True))
    return np.stack([found[i] for i in range(len(cases))]) if found else np.empty((0, 0), np.float32)


def _quantiles(x: np.ndarray, plan: dict[str, int]) -> np.ndarray:
    """(n, F) of cases (n, C, T) of one length."""
    length = plan["length"]
    steps = np.diff(x, axis=2) if x.shape[2] > 1 else np.zeros(x.shape)
    spectrum = np.abs(np.fft.rfft(x - x.mean(axis=2, keepdims=True), axis=2)) / np.sqrt(x.shape[2])
    told = []
    for rows, size in ((x, length), (steps, length), (spectrum, length // 2 + 1)):
        for a, b in _stretches(plan["depth"]):
            begin = min(int(a * rows.shape[2]), rows.shape[2] - 1)
            part = np.sort(rows[:, :, begin : max(int(b * rows.shape[2]), begin + 1)], axis=2)
            told.append(_spaced(part, _per_stretch(b - a, size)).reshape(len(x), -1))
    return np.concatenate(told, axis=1).astype(np.float32)


def _spaced(part: np.ndarray, count: int) -> np.ndarray:
    """(n, C, count) evenly spaced quantiles of sorted (n, C, m), every second one less the mean."""
    at = np.linspace(0.0, part.shape[2] - 1.0, count) if count > 1 else np.array([(part.shape[2] - 1) / 2.0])
    low = np.floor(at).astype(np.int64)
    high = np.minimum(low + 1, part.shape[2] - 1)
    found = part[:, :, low] + (at - low) * (part[:, :, high] - part[:, :, low])
    found[:, :, 1::2] -= part.mean(axis=2, keepdims=True)
    return np.asarray(found)


def spectra(cases: Cases, window: int, bands: int = 24) -> np.ndarray:
    """(n, F) float64: how a vibration is spread over frequency, and how its strength beats.

    window  samples of a spectrum; means of half-overlapping windows (Welch)
    Of each channel: the logarithm of its power in `bands` bands that widen with frequency, the same of its envelope,
    logarithm of the effective value, crest factor, third and fourth moments; of each two neighbouring channels their
    correlation. The envelope is the modulus of the analytic signal above an eighth of the rate: a broken tooth strikes
    once a turn, and the beat of its ringing shows there. Sources: P. D. Welch, IEEE Trans. AE-15 (1967) 70; envelope
    analysis, R. B. Randall and J. Antoni, MSSP 25 (2011) 485.
    """
    return np.stack([_spectra(clean(one), window, bands) for one in cases.values]) if len(cases) else np.empty((0, 0))


def _spectra(x: np.ndarray, window: int, bands: int) -> np.ndarray:
    x = x - x.mean(axis=1, keepdims=True)
    if x.shape[1] < window:
        x = np.pad(x, ((0, 0), (0, window - x.shape[1])))
    size = np.sqrt((x**2).mean(axis=1))
    unit = x / np.where(size > 0.0, size, 1.0)[:, None]
    beat = _envelope(unit)
    told = [
        *_bands(x, window, bands).T, *_bands(beat - beat.mean(axis=1, keepdims=True), window, bands).T,
        np.log10(size + _SILENT), np.abs(unit).max(axis=1), (unit**3).mean(axis=1), (unit**4).mean(axis=1),
    ]
    links = (unit[1:] * unit[:-1]).mean(axis=1) if len(x) > 1 else np.empty(0)
    return np.concatenate([np.concatenate(told), links])


def _envelope(x: np.ndarray) -> np.ndarray:
    """(C, T) strength of what is above an eighth of the rate: |analytic signal|, by FFT."""
    t = x.shape[1]
    turned = np.fft.fft(x, axis=1)
    keep = np.zeros(t)
    keep[max(1, t // 8) : (t + 1) // 2] = 2.0
    return np.asarray(np.abs(np.fft.ifft(turned * keep, axis=1)))


def _bands(x: np.ndarray, window: int, bands: int) -> np.ndarray:
    """(C, bands) logarithm of the mean power in bands from the first line to half the rate, widening evenly in log."""
    starts = range(0, x.shape[1] - window + 1, max(1, window // 2))
    shape = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(window) / window)  # Hann
    power = np.mean([np.abs(np.fft.rfft(x[:, s : s + window] * shape, axis=1)) ** 2 for s in starts], axis=0) / window
    lines = power.shape[1]
    edges = np.unique(np.round(np.geomspace(1, lines, bands + 1)).astype(np.int64))
    while len(edges) < bands + 1:  # low bands of less than a line: the finest there are, then repeated
        edges = np.append(edges, edges[-1])
    means = [power[:, min(a, lines - 1) : max(b, min(a, lines - 1) + 1)].mean(axis=1)
             for a, b in pairwise(edges.tolist())]
    return np.log10(np.stack(means, axis=1) + _SILENT)
