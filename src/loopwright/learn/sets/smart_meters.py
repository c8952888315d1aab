"""Half-hourly use of electricity of households, kWh: Smart Grid, Smart City (Sydney and Newcastle, 2012 to 2014).

A Parquet file with the columns customer_id, reading_datetime and general_supply_kwh, readings of one meter after
another, with holes of hours to months.
Source: data.gov.au, Smart-Grid Smart-City Customer Trial Data, by way of the R package gravitas.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from loopwright.learn.forecasting.series import SeriesSet, gathered
from loopwright.learn.tables import table_text

NAME = "smart_meters"
TASKS = ("forecast",)
COLUMNS = ("customer_id", "reading_datetime", "general_supply_kwh")
NEEDS = f"a Parquet file with the columns {', '.join(COLUMNS)}."


def recognises(path: Path) -> bool:
    """Whether a Parquet file with the three columns stands here."""
    return bool(table_text.parquets(path, COLUMNS))


def read(path: Path) -> list[SeriesSet]:
    """One set a file, one series a household. Raises InputError for a file that cannot be read."""
    found = []
    for file in table_text.parquets(path, COLUMNS):
        columns = table_text.parquet_columns(file, COLUMNS)
        t_s = table_text.arrow_times_s(columns["reading_datetime"])
        values = table_text.arrow_numbers(columns["general_supply_kwh"])
        meter = np.asarray([str(key) for key in columns["customer_id"].to_pylist()])
        readings = {key: (t_s[meter == key], values[meter == key]) for key in dict.fromkeys(meter.tolist())}
        found.append(gathered(file.stem, readings, "kWh"))
    return found
