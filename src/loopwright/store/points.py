"""The points: two Delta Lake tables, `points` (a row a value) and `blocks` (a row a run of samples)."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from loopwright.core.types import BLOCKS, POINTS
from loopwright.store.delta import Table
from loopwright.store.place import LocalPlace
from loopwright.store.snapshot import Layout, Snapshot

__all__ = ["STORED_BLOCKS", "STORED_POINTS", "PointsTable", "Snapshot"]

# beside what readers see: the journal batch a row came with, its source, its correction event, its samples
_INNER = [("batch", pa.int64()), ("source", pa.string()), ("correction", pa.string())]
STORED_POINTS = pa.schema([*POINTS, *_INNER])
STORED_BLOCKS = pa.schema([*BLOCKS, ("n", pa.int32()), ("samples", pa.int32()), *_INNER])
_LAYOUTS = (
    Layout(STORED_POINTS, STORED_POINTS, packed={"t_ns": "DELTA_BINARY_PACKED"}),
    Layout(STORED_BLOCKS, STORED_BLOCKS, packed={"t_ns": "DELTA_BINARY_PACKED"}),
)


class PointsTable(Table):
    """One of the two; `folder` is where it stands."""

    def __init__(self, folder: Path, blocks: bool, create: bool) -> None:
        super().__init__(LocalPlace(folder), _LAYOUTS[blocks], create)
        self.folder, self.blocks = folder, blocks
