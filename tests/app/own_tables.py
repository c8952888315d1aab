"""Small tables as a user would bring them to `loopwright evaluate`: one good one a task, and ways to spoil it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

MAPS = {
    "forecast": ("unit=meter", "time=hour", "target=kw"),
    "anomaly": ("unit=file", "time=second", "label=fault"),
    "life": ("unit=engine", "time=cycle"),
    "class": ("unit=run", "time=tick", "label=kind"),
}


def good(task: str, seed: int = 0) -> pd.DataFrame:
    """A table that the task can be learned from, in a second or two."""
    rng = np.random.default_rng(seed)
    return {"forecast": _meters, "anomaly": _files, "life": _engines, "class": _runs}[task](rng)


def _meters(rng: np.random.Generator) -> pd.DataFrame:
    """Two meters, 12 days by the hour, with a day's rhythm."""
    hours = np.arange(288)
    frames = [
        pd.DataFrame({"meter": name, "hour": hours * 3600,
                      "kw": 5 + np.sin(hours * 2 * np.pi / 24) + rng.normal(0, 0.2, 288)})
        for name in ("m1", "m2")
    ]
    return pd.concat(frames, ignore_index=True)


def _files(rng: np.random.Generator) -> pd.DataFrame:
    """Two recordings of 400 s with a stretch near the end that is high."""
    frames = []
    for name in ("a", "b"):
        x = rng.normal(size=(400, 2))
        fault = np.zeros(400, int)
        fault[300:330] = 1
        x[300:330] += 6.0
        frames.append(pd.DataFrame({"file": name, "second": np.arange(400), "x": x[:, 0], "y": x[:, 1], "fault": fault}))
    return pd.concat(frames, ignore_index=True)


def _engines(rng: np.random.Generator) -> pd.DataFrame:
    """Eight engines that live 30 to 60 cycles and get hotter towards their end."""
    frames = []
    for e in range(8):
        life = int(rng.integers(30, 60))
        left = np.arange(life)[::-1]
        frames.append(pd.DataFrame({"engine": f"e{e}", "cycle": np.arange(life),
                                    "heat": 100 * np.exp(-left / 15) + rng.normal(0, 2, life),
                                    "noise": rng.normal(size=life)}))
    return pd.concat(frames, ignore_index=True)


def _runs(rng: np.random.Generator) -> pd.DataFrame:
    """Eight runs of 40 ticks, half of them faster."""
    ticks = np.arange(40)
    frames = [
        pd.DataFrame({"run": f"r{i}", "tick": ticks,
                      "x": np.sin(ticks * (0.3 if i % 2 else 0.8) + rng.uniform(0, 6)) + rng.normal(0, 0.2, 40),
                      "y": rng.normal(size=40), "kind": "slow" if i % 2 else "fast"})
        for i in range(8)
    ]
    return pd.concat(frames, ignore_index=True)


def _signals(table: pd.DataFrame) -> list[str]:
    return [name for name in ("kw", "x", "y", "heat", "noise") if name in table]


def constant(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(**dict.fromkeys(_signals(table), 3.0))


def one_point(table: pd.DataFrame) -> pd.DataFrame:
    return table.groupby(table.columns[0], sort=False).head(1)


def all_missing(table: pd.DataFrame) -> pd.DataFrame:
    """Every cell of every signal is empty."""
    return table.assign(**dict.fromkeys(_signals(table), np.nan))


def half_missing(table: pd.DataFrame) -> pd.DataFrame:
    holed = table.copy()
    for i, name in enumerate(_signals(table)):
        holed.loc[holed.index % 2 == i % 2, name] = np.nan
    return holed


def infinite(table: pd.DataFrame) -> pd.DataFrame:
    spoiled = table.copy()
    for name in _signals(table):
        spoiled.loc[spoiled.index % 50 == 7, name] = np.inf
        spoiled.loc[spoiled.index % 50 == 9, name] = -np.inf
    return spoiled


def huge(table: pd.DataFrame) -> pd.DataFrame:
    spoiled = table.copy()
    for name in _signals(table):
        spoiled.loc[spoiled.index % 50 == 7, name] = 1e300
    return spoiled


def turned(table: pd.DataFrame) -> pd.DataFrame:
    return table.iloc[::-1]


def repeated(table: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([table, table.iloc[::7]], ignore_index=True)


def one_unit(table: pd.DataFrame) -> pd.DataFrame:
    return table[table.iloc[:, 0] == table.iloc[0, 0]]


SPOILED: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    f.__name__: f
    for f in (constant, one_point, all_missing, half_missing, infinite, huge, turned, repeated, one_unit)
}


def ten_thousand_channels(path: Path, task: str) -> Path:
    """So many columns, few rows: what a careless export gives."""
    rng = np.random.default_rng(0)
    table = good(task)
    signals = _signals(table)
    units = list(dict.fromkeys(table.iloc[:, 0]))
    rows = {"forecast": 110, "anomaly": 60, "life": 12, "class": 6}[task]
    table = pd.concat([table[table.iloc[:, 0] == unit].tail(rows) for unit in units[: {"life": 6, "forecast": 1}.get(task, 4)]])
    wide = pd.DataFrame(rng.normal(size=(len(table), 10_000 - len(signals))).round(2), index=table.index)
    wide.columns = [f"c{i}" for i in range(wide.shape[1])]
    return written(path, pd.concat([table, wide], axis=1))


def written(path: Path, table: pd.DataFrame) -> Path:
    file = path / "own.csv"
    table.to_csv(file, index=False)
    return file
