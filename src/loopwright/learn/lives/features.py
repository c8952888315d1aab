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
    return _mean(_total(z), rows, np.arange(1, len(z) + 1))


def window_spread(z: np.ndarray, rows: int) -> np.ndarray:
    """(T, C) standard deviation (n) of the last `rows` rows."""
    return _spread(_total(z), _total(z * z), rows, np.arange(1, len(z) + 1))


def window_slope(z: np.ndarray, rows: int) -> np.ndarray:
    """(T, C) slope a row of the least-squares line through the last `rows` rows; 0 where there is one row."""
    at = np.arange(len(z), dtype=np.float64)[:, None]
    return _slope(_total(z), _total(z * at), rows, np.arange(1, len(z) + 1))


def _total(z: np.ndarray) -> np.ndarray:
    """(T + 1, C) running total, zero first."""
    return np.vstack([np.zeros((1, z.shape[1])), np.cumsum(z, axis=0)])


def _mean(total: np.ndarray, rows: int, end: np.ndarray) -> np.ndarray:
    """(k, C) mean of the last `rows` rows before each of the ends (k,), from the running total."""
    begin = np.maximum(0, end - rows)
    return (total[end] - total[begin]) / (end - begin)[:, None]


def _spread(total: np.ndarray, squares: np.ndarray, rows: int, end: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(_mean(squares, rows, end) - _mean(total, rows, end) ** 2, 0.0))


def _slope(total: np.ndarray, moment: np.ndarray, rows: int, end: np.ndarray) -> np.ndarray:
    """The same for the slope, from the running totals of z and of z times its row."""
    n = np.minimum(end, rows)[:, None].astype(np.float64)
    middle = end[:, None] - 0.5 - n / 2.0
    shared = _mean(moment, rows, end) - _mean(total, rows, end) * middle
    return np.where(n > 1, shared * 12.0 / np.maximum(n * n - 1.0, 1.0), 0.0)


def describe(z: np.ndarray, windows: Windows, at: np.ndarray | None = None) -> np.ndarray:
    """(k, F) features of rows z (T, C): means, changes, spreads, the row itself, and last the age in rows.

    at  (k,) the rows that are asked for, from 0; None: all
    A change is the slope times the rows in the window: how far the channel moved, in spreads of the training rows.
    """
    end = (np.arange(len(z)) if at is None else np.asarray(at)) + 1
    total, moment = _total(z), _total(z * np.arange(len(z), dtype=np.float64)[:, None])
    blocks = [_mean(total, rows, end) for rows in windows.means]
    blocks += [_slope(total, moment, rows, end) * np.minimum(end, rows)[:, None] for rows in windows.slopes]
    if windows.spreads:
        squares = _total(z * z)
        blocks += [_spread(total, squares, rows, end) for rows in windows.spreads]
    return np.hstack([*blocks, *([z[end - 1]] if windows.last else []), end[:, None].astype(np.float64)])


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
