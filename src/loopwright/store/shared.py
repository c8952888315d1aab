"""Points that several plants write: one prefix of an object store, a journal folder for each plant.

Each plant has an id of its own, under which its flushes are counted and its rows are marked, so batches with the same
number are no confusion. All read the points of all; each accounts for its own, and a version of a value counts by the
time at which its plant accepted it.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from deltalake import DeltaTable

from loopwright.core.errors import InputError, StoreError
from loopwright.store.bucket import BucketPlace
from loopwright.store.delta import APP
from loopwright.store.journal import Journal, Work, reading_uri
from loopwright.store.place import LOG
from loopwright.store.points import PointsTable

_NAMES = ("points", "blocks")
_WRITER = "writer"
_ADDRESS = "points"  # where the journal keeps url and options
_EVENTS = "events"  # and in which database events stand, without its password
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
        writer = journal.meta(_WRITER, "").removeprefix(_FIRST)  # of a plant that was restored out of an object store
        return PointsTable(path / "points", False, create, writer), PointsTable(path / "blocks", True, create, writer)
    places = _places(path, url, options)
    writer = writer_of(path, journal, places, create)
    points, blocks = (PointsTable(place, bool(blocks), create, writer) for blocks, place in enumerate(places))
    if create and not kept:
        journal.commit(Work(meta={_ADDRESS: json.dumps({"url": url, "options": dict(options or {})})}))
    return points, blocks


def _places(path: Path, url: str, options: Mapping[str, str] | None) -> list[BucketPlace]:
    return [BucketPlace(f"{url.rstrip('/')}/{name}", path / "cache" / name, options or {}) for name in _NAMES]


def elsewhere(path: Path) -> dict[str, BucketPlace]:
    """Where the points and blocks of the plant in folder `path` stand, by the folder's name that they would have;
    {} when they stand in the folder."""
    with closing(sqlite3.connect(reading_uri(path / "journal.sqlite"), uri=True)) as journal:
        row = journal.execute("SELECT value FROM meta WHERE name = ?", [_ADDRESS]).fetchone()
    if not row:
        return {}
    kept = json.loads(row[0])
    return dict(zip(_NAMES, _places(path, kept["url"], kept.get("options")), strict=True))


def bring_home(journal: Path) -> None:
    """A copied journal says no longer that points and events stand elsewhere: in the copy they do not."""
    with closing(sqlite3.connect(journal)) as database, database:
        kept = [name for name in (_ADDRESS, _EVENTS)
                if database.execute("SELECT 1 FROM meta WHERE name = ?", [name]).fetchone()]
        for name in kept:
            database.execute("DELETE FROM meta WHERE name = ?", [name])


def require_empty(url: str, options: Mapping[str, str] | None) -> None:
    """Raises InputError when there is anything where points or blocks would come."""
    with tempfile.TemporaryDirectory() as nowhere:
        for place in _places(Path(nowhere), url, options):
            if found := place.names():
                raise InputError(
                    f"points {place.uri}", f"{len(found):,} objects are there already",
                    "a prefix with nothing below it", "name another points_url: what stands there is never replaced",
                )


def move_out(path: Path, url: str, options: Mapping[str, str] | None) -> None:
    """Copies the points and blocks of a closed plant under `url`, where nothing may be yet. Their folders stay."""
    require_empty(url, options)
    for place in _places(path, url, options):
        here = path / place.folder().name
        files = sorted((file for file in here.rglob("*") if file.is_file()), key=lambda file: file.parent.name == LOG)
        for file in files:  # the log last: what it names is there then
            place.send(file.relative_to(here).as_posix(), file)


def require_events(path: Path, journal: Journal, url: str) -> None:
    """Raises StoreError when events and people stand elsewhere than they are looked for: they would seem to be gone."""
    kept, here = journal.meta(_EVENTS, ""), path / "events.sqlite"
    if kept and not url:
        raise StoreError(
            f"plant {path}", f"its events stand in {kept}", "the site file of this plant",
            "--site SITE.toml, with [store] events_url_env; in Python: open_store(..., events_url=...)",
        )
    if not url and not here.is_file() and int(journal.meta("known_ns", "0")):
        raise StoreError(f"plant {path}", "events.sqlite, with its events and people, is gone", "",
                         "put it back from a backup; the points are untouched")
    if url and not kept and here.is_file() and _any_events(here):
        raise StoreError(
            f"plant {path}", "its events stand in its folder, not in the database that is named", "events.sqlite",
            "move them: `loopwright backup`, then `loopwright restore BACKUP --site SITE.toml` with a new folder",
        )


def note_events(journal: Journal, shown: str) -> None:
    """Keeps where events stand. shown: the URL without its password."""
    if journal.meta(_EVENTS, "") != shown:
        journal.commit(Work(meta={_EVENTS: shown}))


def _any_events(path: Path) -> bool:
    with closing(sqlite3.connect(reading_uri(path), uri=True)) as database:
        try:
            return any(database.execute(f"SELECT EXISTS (SELECT 1 FROM {name})").fetchone()[0]
                       for name in ("events", "persons", "users"))
        except sqlite3.OperationalError:  # of no step yet
            return False


def writer_of(path: Path, journal: Journal, places: Sequence[BucketPlace], create: bool) -> str:
    """The plant's id, '' for one that moved its own tables to the object store."""
    known = journal.meta(_WRITER, "")
    if create and not (known and journal.meta(_ADDRESS, "")):  # it comes there for the first time
        moved = _moved(path, places, known.removeprefix(_FIRST))
        if not known:
            known = _FIRST if moved else journal.meta("plant") or uuid.uuid4().hex
            journal.commit(Work(meta={_WRITER: known}))
    return known.removeprefix(_FIRST)


def _moved(path: Path, places: Sequence[BucketPlace], writer: str) -> bool:
    """Whether the tables there are copies of the plant's own. Raises StoreError when points would be left behind."""
    moved = False
    for place in places:
        here = path / place.folder().name
        if (here / LOG).is_dir():
            own = DeltaTable(str(here))
            there = DeltaTable(place.uri, storage_options=place.options) if _is_table(place) else None
            same = there is not None and there.metadata().id == own.metadata().id
            if not (same and there and there.version() >= own.version()) and any(
                own.transaction_version(app) for app in (APP, f"{APP}-{writer}")
            ):
                raise StoreError(
                    f"plant {path}", f"its folder {here.name!r} holds points that {place.uri} does not",
                    "a copy of the folder there", f"copy it to {place.uri}, then open again",
                )
            moved = moved or same
    return moved


def _is_table(place: BucketPlace) -> bool:
    return DeltaTable.is_deltatable(place.uri, place.options)
