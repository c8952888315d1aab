"""Points that several plants write: one prefix of an object store, a journal folder for each plant.

Each plant has an id of its own, under which its flushes are counted and its rows are marked, so batches with the same
number are no confusion. All read the points of all; each accounts for its own, and a version of a value counts by the
time at which its plant accepted it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path

from loopwright.core.errors import StoreError
from loopwright.store.bucket import BucketPlace
from loopwright.store.journal import Journal, Work
from loopwright.store.place import LOG
from loopwright.store.points import PointsTable

_WRITER = "writer"
_FIRST = "-"  # who wrote under the first name, before there were several


def tables(
    path: Path, journal: Journal, url: str, options: Mapping[str, str] | None, create: bool
) -> tuple[PointsTable, PointsTable]:
    """Points and blocks of the plant in folder `path`: in that folder, or under `url` where it is given."""
    if not url:
        return PointsTable(path / "points", False, create), PointsTable(path / "blocks", True, create)
    writer = writer_of(path, journal, create)
    points, blocks = (
        PointsTable(BucketPlace(f"{url.rstrip('/')}/{name}", path / "cache" / name, options or {}), name == "blocks",
                    create, writer)
        for name in ("points", "blocks")
    )
    _moved(path, points, blocks)
    return points, blocks


def writer_of(path: Path, journal: Journal, create: bool) -> str:
    """The plant's id, '' for one that moved its own tables to the object store."""
    known = journal.meta(_WRITER, "")
    if not known and create:
        known = _FIRST if (path / "points" / LOG).is_dir() else journal.meta("plant") or uuid.uuid4().hex
        journal.commit(Work(meta={_WRITER: known}))
    return known.removeprefix(_FIRST)


def _moved(path: Path, *tables: PointsTable) -> None:
    """Nothing that the plant's own folder holds is left behind."""
    for table in tables:
        here = path / table.folder.name
        if (here / LOG).is_dir():
            flushed = PointsTable(here, table.blocks, False).snapshot.flushed
            if flushed > table.snapshot.flushed:
                raise StoreError(
                    f"plant {path}", f"its folder {table.folder.name!r} holds points that {table.place.uri} does not",
                    "a copy of the folder there", f"copy it to {table.place.uri}, then open again",
                )
