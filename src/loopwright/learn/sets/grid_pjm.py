"""Hourly load of zones of PJM, the grid operator of the eastern United States, in MW.

A file is a table `Datetime,<ZONE>_MW` (plain or gzipped), local time: an hour is missing in spring, one stands twice in
autumn, years stand in any order, and times are written ISO or day/month/year. Each zone is a set of its own.
Source: kaggle.com/robikscube/hourly-energy-consumption, from PJM Interconnection.
"""

from __future__ import annotations

from pathlib import Path

from loopwright.learn.forecasting.series import SeriesSet, gathered
from loopwright.learn.tables import table_text

NAME = "grid_pjm"
TASKS = ("forecast",)
NEEDS = "*.csv or .csv.gz with the columns Datetime and <ZONE>_MW."


def _zone(file: Path) -> str:
    """The zone a file is of, '' where it is none."""
    head = table_text.header(file)
    is_zone = len(head) == 2 and head[0] == "Datetime" and head[1].endswith("_MW")
    return head[1].removesuffix("_MW") if is_zone else ""


def recognises(path: Path) -> bool:
    """Whether a table of a zone stands here."""
    return any(_zone(file) for file in table_text.tables(path))


def read(path: Path) -> list[SeriesSet]:
    """One set of one series a zone. Raises InputError for a table that cannot be read."""
    found = []
    for file in table_text.tables(path):
        if zone := _zone(file):
            _, rows = table_text.rows(file)
            t_s = table_text.times_s([row[0] for row in rows], str(file))
            found.append(gathered(zone, {zone: (t_s, table_text.numbers([row[1] for row in rows]))}, "MW"))
    return found
