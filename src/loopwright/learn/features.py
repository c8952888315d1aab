"""What the recent past of a unit looks like, row by row: a table that models of remaining life learn from.

    table = describe(z, Windows())         (T, F) features after each row
    about = channels(width, Windows())     (F,) which channel each is about, -1 for the age

Every feature of a row rests on that row and earlier ones of the same unit, so that a life cut short looks the same as
it did while it ran. Windows that reach before the first row are as long as there is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

AGE = -1  # stands for the number of cycles since the first row, which is about no channel


@dataclass(frozen=True)
class Windows:
    """Lengths of the windows, rows.

    means   windows whose mean is taken: what the level is, with less and less noise and more and more delay
    slopes  windows whose change is taken, from end to end of the line through them: how fast it wears
    spreads windows whose standard deviation is taken
    last    whether the newest row itself is a feature
    """

    means: tuple[int, ...] = (10, 20, 30, 40, 80, 160)
    slopes: tuple[int, ...] = (15, 20, 30, 40, 60, 80, 120, 160)
    spreads: tuple[int, ...] = ()
    last: bool = False

    def at(self, pace: float) -> Windows:
        """The same for lives that last `pace` times as many rows; never shorter than 2 rows."""
        means, slopes, spreads = (
            tuple(max(2, round(rows * pace)) for rows in one) for one in (self.means, self.slopes, self.spreads)
        )
        return Windows(means, slopes, spreads, self.last)


def window_mean(z: np.ndarray, rows: int) -> np.ndarray:
    """(T, C) mean of the last `rows` rows of z (T, C), of all there are at the beginning."""
    total = np.vstack([np.zeros((1, z.shape[1])), np.cumsum(z, axis=0)])
    return _mean(total, rows)


def _mean(total: np.ndarray, rows: int) -> np.ndarray:
    """The same from the running total (T + 1, C), zero first."""
    end = np.arange(1, len(total))
    begin = np.maximum(0, end - rows)
    return (total[1:] - total[begin]) / (end - begin)[:, None]


def window_spread(z: np.ndarray, rows: int) -> np.ndarray:
    """(T, C) standard deviation (n) of the last `rows` rows."""
    mean = window_mean(z, rows)
    return np.sqrt(np.maximum(window_mean(z * z, rows) - mean * mean, 0.0))


def window_slope(z: np.ndarray, rows: int) -> np.ndarray:
    """(T, C) slope a row of the least-squares line through the last `rows` rows; 0 where there is one row."""
    at = np.arange(len(z), dtype=np.float64)[:, None]
    totals = [np.vstack([np.zeros((1, z.shape[1])), np.cumsum(part, axis=0)]) for part in (z, z * at)]
    return _slope(totals[0], totals[1], rows)


def _slope(total: np.ndarray, moment: np.ndarray, rows: int) -> np.ndarray:
    """The same from the running totals of z and of z times its row."""
    end = np.arange(1, len(total))
    n = np.minimum(end, rows)[:, None].astype(np.float64)
    middle = end[:, None] - 0.5 - n / 2.0
    shared = _mean(moment, rows) - _mean(total, rows) * middle
    return np.where(n > 1, shared * 12.0 / np.maximum(n * n - 1.0, 1.0), 0.0)


def describe(z: np.ndarray, windows: Windows) -> np.ndarray:
    """(T, F) features of normalised rows z (T, C): means, changes, spreads, newest rows, and last the age in rows.

    A change is the slope times the rows in the window: how far the channel moved, in spreads of the training rows.
    """
    at = np.arange(len(z), dtype=np.float64)[:, None]
    zero = np.zeros((1, z.shape[1]))
    total, moment = (np.vstack([zero, np.cumsum(part, axis=0)]) for part in (z, z * at))
    blocks = [_mean(total, rows) for rows in windows.means]
    blocks += [_slope(total, moment, rows) * np.minimum(at + 1.0, rows) for rows in windows.slopes]
    blocks += [window_spread(z, rows) for rows in windows.spreads]
    return np.hstack([*blocks, *([z] if windows.last else []), at + 1.0])


def channels(width: int, windows: Windows) -> np.ndarray:
    """(F,) the channel that each feature of `describe` is about, from 0 to width - 1; AGE for the last."""
    count = len(windows.means) + len(windows.slopes) + len(windows.spreads) + windows.last
    return np.append(np.tile(np.arange(width), count), AGE)


def columns(width: int, windows: Windows, part: Windows) -> np.ndarray:
    """Which columns of `describe(z, windows)` are those of `describe(z, part)`; part's lengths stand in windows too."""
    at = [windows.means.index(rows) for rows in part.means]
    at += [len(windows.means) + windows.slopes.index(rows) for rows in part.slopes]
    count = len(channels(width, windows))
    found = [np.arange(block * width, (block + 1) * width) for block in at]
    return np.concatenate([*found, [count - 1]])
