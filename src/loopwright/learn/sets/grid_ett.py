"""Electricity transformer temperature: six loads and the oil temperature of a transformer, hourly or each 15 minutes.

A file is a table `date,HUFL,HULL,MUFL,MULL,LUFL,LULL,OT` (plain or gzipped): `ETTh1.csv`, `ETTm1.csv`.
Source: H. Zhou et al., Informer, AAAI 2021; https://github.com/zhouhaoyi/ETDataset (CC BY-ND 4.0).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from loopwright.core.errors import InputError
from loopwright.learn.forecasting.series import SeriesSet, gathered
from loopwright.learn.tables import table_text

NAME = "grid_ett"
TASKS = ("forecast",)
NEEDS = "ETT*.csv or .csv.gz with the columns date, HUFL, HULL, MUFL, MULL, LUFL, LULL, OT."
COLUMNS = ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")


def _files(path: Path) -> list[Path]:
    return [file for file in table_text.tables(path) if table_text.header(file)[0:1] == ["date"]
            and set(COLUMNS) <= set(table_text.header(file))]


def recognises(path: Path) -> bool:
    """Whether a table with the seven channels stands here."""
    return bool(_files(path))


def read(path: Path) -> list[SeriesSet]:
    """One set of seven series a file, named as the file. Raises InputError for a table that cannot be read."""
    found = []
    for file in _files(path):
        head, rows = table_text.rows(file)
        t_s = table_text.times_s([row[0] for row in rows], str(file))
        columns = {name: table_text.numbers([row[head.index(name)] for row in rows]) for name in COLUMNS}
        if not np.isfinite(t_s).any():
            raise InputError(str(file), "no time can be read", "YYYY-MM-DD HH:MM:SS")
        found.append(gathered(table_text.stem(file), {name: (t_s, v) for name, v in columns.items()}, ""))
    return found
