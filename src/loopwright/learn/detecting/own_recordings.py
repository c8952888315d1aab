"""A labelled table of the user's own as recordings: the first quarter of each unit is learned from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from loopwright.core.errors import InputError
from loopwright.learn.detecting.recordings import Recording, RecordingSet
from loopwright.learn.tables import own_map, own_table
from loopwright.learn.tables.own_map import Mapped

YES = ("1", "1.0", "true", "yes", "y")
NO = ("0", "0.0", "false", "no", "n", "")
LEAST = 40  # rows of a unit


def read(path: Path, columns: Mapped) -> RecordingSet:
    """One recording a unit. Raises InputError without labels, for a label other than 0 and 1, and for short units."""
    own = own_map.of(columns)
    if "label" not in own.columns:
        raise InputError(own.where, "label is not told", "the column that is 1 where a row is anomalous",
                         own.hint("label"))
    table = own_map.read(path, own)
    own_table.check_answer(table, np.array([str(word).lower() in YES for word in table.words["label"]], np.float64))
    found, short = [], []
    for u, unit in enumerate(table.units):
        rows = table.rows(u)
        words = [str(word).lower() for word in table.words["label"][rows]]
        wrong = sorted(set(words) - {*YES, *NO})
        if wrong:
            raise InputError(f"unit {unit!r}", f"label {wrong[0]!r}", "1 where a row is anomalous, 0 where not")
        if len(words) < LEAST:
            short.append(unit)
            continue
        labels = np.array([word in YES for word in words], dtype=np.int8)
        values = np.asarray(table.values[rows], dtype=float)
        steps = np.diff(table.t_s[rows])
        step_s = float(np.median(steps)) if table.timed and np.median(steps) > 0 else 1.0
        learned = len(values) // 4
        found.append(
            Recording(unit or table.name, table.channels, values[:learned], values[:0], values[learned:],
                      labels[learned:], step_s, before=labels[:learned])
        )
    if not found:
        raise InputError(str(path), f"no unit has {LEAST} rows", f"at least {LEAST} rows in one")
    notes = (f"units of fewer than {LEAST} rows are left out: {', '.join(short)}",) if short else ()
    return RecordingSet(table.name, tuple(found), notes=(*table.notes, *notes))
