"""Half-hourly electricity demand of Victoria (Australia), 2012 to 2014, MWh; temperature and holidays stand beside it.

A Parquet file with the columns Time (UTC) and Demand. Only the demand's own past is used to forecast it.
Source: R package tsibbledata (vic_elec), from AEMO and the Australian Bureau of Meteorology.
"""

from __future__ import annotations

from pathlib import Path

from loopwright.learn.forecasting.series import SeriesSet, gathered
from loopwright.learn.tables import table_text

NAME = "grid_vic_elec"
TASKS = ("forecast",)
NEEDS = "a Parquet file with the columns Time and Demand."


def recognises(path: Path) -> bool:
    """Whether a Parquet file with Time and Demand stands here."""
    return bool(table_text.parquets(path, ("Time", "Demand")))


def read(path: Path) -> list[SeriesSet]:
    """One set of one series a file. Raises InputError for a file that cannot be read."""
    found = []
    for file in table_text.parquets(path, ("Time", "Demand")):
        columns = table_text.parquet_columns(file, ("Time", "Demand"))
        readings = {"Demand": (table_text.arrow_times_s(columns["Time"]), table_text.arrow_numbers(columns["Demand"]))}
        found.append(gathered(file.stem, readings, "MWh"))
    return found
