"""Points that several plants write: one prefix of an object store, a journal folder for each plant.

Each plant has an id of its own, under which its flushes are counted and its rows are marked, so batches with the same
number are no confusion. All read the points of all; each accounts for its own, and a version of a value counts by the
time at which its plant accepted it.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from deltalake import DeltaTable

from loopwright.core.errors import StoreError
from loopwright.store.bucket import BucketPlace
from loopwright.store.delta import APP
from loopwright.store.journal import Journal, Work, reading_uri
from loopwright.store.place import LOG
from loopwright.store.points import PointsTable

_NAMES = ("points", "blocks")
_WRITER = "writer"
_ADDRESS = "points"  # where the journal keeps url and options
_FIRST = "-"  # who wrote under the first name, before there were several


def tables(
    path: Path, journal: Journal, url: str, options: Mapping[str, str] | None, create: bool
) -> tuple[PointsTable, PointsTable]:
    """Points and blocks of the plant in folder `path`: in that folder, or under `url` where it is given.

    The address is kept in the journal, so that a plant that has one is opened without telling it again.
    """
    kept = json.loads(journal.meta(_ADDRESS, "{}"))
    if kept and url and url != kept["url"]:
        raise StoreError(
            f"plant {path}", f"its points stand in {kept['url']}, not in {url}", kept["url"],
            "leave points_url out, or name a new plant folder",
        )
    url, options = url or kept.get("url", ""), options or kept.get("options")
    if not url:
        return PointsTable(path / "points", False, create), PointsTable(path / "blocks", True, create)
    places = [BucketPlace(f"{url.rstrip('/')}/{name}", path / "cache" / name, options or {}) for name in _NAMES]
    writer = writer_of(path, journal, places, create)
    points, blocks = (PointsTable(place, bool(blocks), create, writer) for blocks, place in enumerate(places))
    if create and not kept:
        journal.commit(Work(meta={_ADDRESS: json.dumps({"url": url, "options": dict(options or {})})}))
    return points, blocks


def require_here(path: Path, verb: str) -> None:
    """Raises StoreError when the plant's points stand elsewhere, where what is done to a copy would be done to them."""
    with closing(sqlite3.connect(reading_uri(path / "journal.sqlite"), uri=True)) as journal:
        row = journal.execute("SELECT value FROM meta WHERE name = ?", [_ADDRESS]).fetchone()
    if row:
        raise StoreError(
            f"plant {path}", f"it cannot be {verb}: its points stand in {json.loads(row[0])['url']}",
            "a plant whose points are in its folder",
            "use the versions and copies of the object store, and copy the folder while nobody writes it",
        )


def writer_of(path: Path, journal: Journal, places: Sequence[BucketPlace], create: bool) -> str:
    """The plant's id, '' for one that moved its own tables to the object store."""
    known = journal.meta(_WRITER, "")
    if not known and create:
        known = _FIRST if _moved(path, places) else journal.meta("plant") or uuid.uuid4().hex
        journal.commit(Work(meta={_WRITER: known}))
    return known.removeprefix(_FIRST)


def _moved(path: Path, places: Sequence[BucketPlace]) -> bool:
    """Whether the tables there are copies of the plant's own. Raises StoreError when points would be left behind."""
    moved = False
    for place in places:
        here = path / place.folder().name
        if (here / LOG).is_dir():
            own = DeltaTable(str(here))
            there = DeltaTable(place.uri, storage_options=place.options) if _is_table(place) else None
            same = there is not None and there.metadata().id == own.metadata().id
            if not (same and there and there.version() >= own.version()) and own.transaction_version(APP):
                raise StoreError(
                    f"plant {path}", f"its folder {here.name!r} holds points that {place.uri} does not",
                    "a copy of the folder there", f"copy it to {place.uri}, then open again",
                )
            moved = moved or same
    return moved


def _is_table(place: BucketPlace) -> bool:
    return DeltaTable.is_deltatable(place.uri, place.options)
