"""The state of a plant at one instant, held still while others go on writing it: what a backup copies.

    with pinned(folder) as state:
        state.tables, state.databases, state.others

The instant is one at which a kill could have come: databases are held by read transactions (SQLite's WAL keeps what
they see), and no table may have moved between the moment its version was read and the moment the journal was held. So
whatever the plant recovers from after a kill, it recovers from after a restore.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from loopwright.core.errors import StoreError
from loopwright.store import shared
from loopwright.store.bucket import BucketPlace
from loopwright.store.journal import reading_uri
from loopwright.store.transfer import Held

LOG = "_delta_log"
JOURNAL, LIVE = "journal.sqlite", "live.arrow"
_NEEDED = (JOURNAL, "events.sqlite")
_LEFT = ("lock", "server.json", "mirror", "broker", "cache", LIVE)  # of this process, or made anew on open
_ENDINGS = ("-wal", "-shm", "-journal", ".part", ".tmp")
_MAGIC = b"SQLite format 3\x00"
_PATIENCE_S = 60.0
_PAGES = 4096  # of a database, between two looks at the keyboard


class Moved(Exception):
    """A file of the instant is gone: it was erased or tidied away meanwhile. Another instant may do."""


@dataclass(frozen=True)
class Part:
    """One file: its path in the plant, where it can be read, its size. fixed: a file of that path never changes.

    place  the object store that it is fetched from into `source`, when it is not there
    """

    path: str
    source: Path
    bytes: int
    fixed: bool
    rows: int | None = None
    place: BucketPlace | None = None

    @contextlib.contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Its content. Raises Moved when it is gone."""
        fetched = None
        try:
            if self.place:
                kept = self.place.folder() / self.source.name
                if kept.is_file() and kept.stat().st_size == self.bytes:
                    file = kept.open("rb")
                else:
                    self.source.parent.mkdir(parents=True, exist_ok=True)
                    self.place.fetch(self.source.name, self.source)
                    file, fetched = self.source.open("rb"), self.source
            else:
                file = self.source.open("rb")
        except StoreError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise Moved(str(error)) from error
            raise
        except FileNotFoundError as error:
            raise Moved(str(error)) from error
        with file:
            try:
                yield file
            finally:
                if fetched:
                    fetched.unlink(missing_ok=True)


@dataclass(frozen=True)
class Pin:
    """One Delta table at one version: its data files, and a log that is valid alone."""

    version: int
    rows: int
    parts: tuple[Part, ...]


@dataclass
class State:
    """tables by folder name; open connections on databases by path, each in a read transaction; all other files."""

    folder: Path
    tables: dict[str, Pin] = field(default_factory=dict)
    databases: dict[str, sqlite3.Connection] = field(default_factory=dict)
    live: bytes | None = None
    events: Held | None = None
    others: list[Part] = field(default_factory=list)


@contextlib.contextmanager
def pinned(
    folder: Path, guard: contextlib.AbstractContextManager[Any] | None = None, events_url: str = ""
) -> Iterator[State]:
    """The plant in `folder` as it stood at one instant, until the end of the block.

    guard       held while the instant is chosen: the flush lock of a plant that this process writes
    events_url  where events and people stand, when not in the folder
    Raises StoreError when it cannot be read, or is written without any pause.
    """
    state = State(folder)
    spool = tempfile.mkdtemp(prefix="loopwright-fetched-")
    places: dict[str, BucketPlace] = {}
    try:
        try:
            places = shared.elsewhere(folder)
            tables = _tables(folder) | {
                name: DeltaTable(place.uri, storage_options=place.options) for name, place in places.items()
            }
            if events_url:
                state.events = Held(events_url)
            with guard or contextlib.nullcontext():
                _hold(state, tables, places)
            for name, table in tables.items():
                if name in places:
                    state.tables[name] = _fetched(name, places[name], table, Path(spool))
                else:
                    state.tables[name] = _pin(name, folder / name, table)
            state.others = list(_others(folder, set(tables), set(state.databases)))
        except (FileNotFoundError, DeltaError) as error:
            raise Moved(str(error).splitlines()[0][:200]) from error
        except (OSError, sqlite3.Error) as error:
            said = str(error).splitlines()[0][:200]
            away = ", ".join(place.uri for place in places.values())
            todo = f"see that {away} can be reached, then this again" if away else "restore its last backup"
            raise StoreError(f"plant {folder}", f"it cannot be read ({said})", "", todo) from error
        yield state
    finally:
        for connection in state.databases.values():
            connection.close()
        if state.events:
            state.events.close()
        shutil.rmtree(spool, ignore_errors=True)


def copy_database(
    source: sqlite3.Connection, path: Path, step: Callable[[int], None] = lambda size: None
) -> None:
    """The database as the connection's transaction sees it, as a file of its own."""
    path.unlink(missing_ok=True)
    target = sqlite3.connect(path)
    size = source.execute("PRAGMA page_size").fetchone()[0]
    left = [source.execute("PRAGMA page_count").fetchone()[0]]

    def moved(_: int, remaining: int, __: int) -> None:
        step((left[0] - remaining) * size)
        left[0] = remaining

    try:
        source.backup(target, pages=_PAGES, progress=moved, sleep=0)
        free, pages = (target.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_count"))
        if free > pages // 8:
            with contextlib.suppress(sqlite3.Error):  # it saves room, no more
                target.execute("VACUUM")  # pages of a journal that was flushed
    except sqlite3.OperationalError as error:
        if "full" in str(error) or "disk I/O" in str(error):
            raise OSError(28, "No space left on device") from error
        raise
    finally:
        target.close()


def _hold(state: State, tables: dict[str, DeltaTable], places: Mapping[str, BucketPlace]) -> None:
    """Chooses the instant: the journal is held last, and everything else must not have moved until then."""
    until = time.monotonic() + _PATIENCE_S
    paths = sorted(_databases(state.folder, set(tables)), key=lambda path: path == JOURNAL)
    watches = {path: _connect(state.folder / path) for path in paths}
    live = state.folder / LIVE
    try:
        while time.monotonic() < until:
            for table in tables.values():
                table.update_incremental()
            before, mark, state.live = _versions(watches), _mark(live), _content(live)
            if state.events:
                state.events.hold()
            for path in paths:
                state.databases[path] = _connect(state.folder / path)
                state.databases[path].execute("BEGIN")
                state.databases[path].execute("SELECT count(*) FROM sqlite_master").fetchone()
            after = _versions(watches)
            still = all(before[path] == after[path] for path in paths if path != JOURNAL) and mark == _mark(live)
            still = still and not (state.events and state.events.moved())
            if still and not any(
                _moved(None if name in places else state.folder / name, table) for name, table in tables.items()
            ):
                return
            for connection in state.databases.values():
                connection.close()
            time.sleep(random.uniform(0.002, 0.02))
    finally:
        for connection in watches.values():
            connection.close()
    raise StoreError(
        f"plant {state.folder}", f"it was written without a pause for {_PATIENCE_S:.0f} s", "",
        "try again, or end the process that writes it",
    )


def _tables(folder: Path) -> dict[str, DeltaTable]:
    """Every Delta table below the plant, by its path."""
    found = {}
    for at, folders, _ in os.walk(folder):
        if LOG in folders:
            found[Path(at).relative_to(folder).as_posix()] = DeltaTable(at)
            folders.clear()
    return found


def _moved(folder: Path | None, table: DeltaTable) -> bool:
    if folder is None:  # in an object store
        before = table.version()
        table.update_incremental()
        return table.version() != before
    return (folder / LOG / f"{table.version() + 1:020}.json").exists()


def _pin(name: str, folder: Path, table: DeltaTable) -> Pin:
    parts = [Part(f"{name}/{path}", folder / path, size, True, rows) for path, size, rows in _data(table)]
    # a plant that was restored and went another way has other commits under the same names
    names = _log((path.name for path in (folder / LOG).iterdir()), table.version())
    log = [Part(f"{name}/{LOG}/{one}", folder / LOG / one, (folder / LOG / one).stat().st_size, False) for one in names]
    return Pin(table.version(), sum(part.rows or 0 for part in parts), (*parts, *log))


def _fetched(name: str, place: BucketPlace, table: DeltaTable, spool: Path) -> Pin:
    """The same of a table in an object store: its log is fetched at once, a data file when it is wanted."""
    folder = spool / name
    (folder / LOG).mkdir(parents=True)
    parts = [Part(f"{name}/{path}", folder / path, size, True, rows, place) for path, size, rows in _data(table)]
    log = []
    for file in _log([one.rpartition("/")[2] for one in place.names(LOG)], table.version()):
        path = folder / LOG / file
        place.fetch(f"{LOG}/{file}", path)
        log.append(Part(f"{name}/{LOG}/{file}", path, path.stat().st_size, False))
    return Pin(table.version(), sum(part.rows or 0 for part in parts), (*parts, *log))


def _data(table: DeltaTable) -> Iterable[tuple[str, int, int]]:
    """path, bytes, rows of each data file."""
    actions = pa.table(table.get_add_actions(flatten=True))
    return zip(*(actions.column(name).to_pylist() for name in ("path", "size_bytes", "num_records")), strict=True)


def _log(files: Iterable[str], version: int) -> list[str]:
    """The files of a table's log that its version needs: the last checkpoint with its commit, and the commits after it.

    delta-rs opens a log without the commit of its checkpoint but then refuses to vacuum it, so that commit comes too.
    _last_checkpoint is left out: it is a hint, and the only file of a log that changes.
    """
    names = sorted(files)
    checkpoints = [name for name in names if ".checkpoint." in name and int(name[:20]) <= version]
    first = int(checkpoints[-1][:20]) if checkpoints else -1
    commits = [f"{number:020}.json" for number in range(first + 1, version + 1)]
    if gone := set(commits) - set(names):
        raise FileNotFoundError(min(gone))
    if f"{first:020}.json" in names:
        commits.insert(0, f"{first:020}.json")
    return [*(name for name in checkpoints if int(name[:20]) == first), *commits]


def _databases(folder: Path, tables: set[str]) -> Iterator[str]:
    for path in _files(folder, tables):
        with contextlib.suppress(FileNotFoundError), (folder / path).open("rb") as file:
            if file.read(len(_MAGIC)) == _MAGIC and (path in _NEEDED or _sound(folder / path)):
                yield path


def _sound(path: Path) -> bool:
    """Whether it can be read as a database: one that was set aside because it is damaged is copied as it is."""
    try:
        with contextlib.closing(_connect(path)) as database:
            return database.execute("SELECT count(*) FROM sqlite_master").fetchone() is not None
    except sqlite3.Error:
        return False


def _others(folder: Path, tables: set[str], databases: set[str]) -> Iterator[Part]:
    for path in _files(folder, tables):
        if path not in databases:
            with contextlib.suppress(FileNotFoundError):
                yield Part(path, folder / path, (folder / path).stat().st_size, False)


def _files(folder: Path, tables: set[str]) -> Iterator[str]:
    """Paths of ordinary files of the plant that are not of a table, and are kept."""
    for at, folders, files in os.walk(folder):
        here = Path(at).relative_to(folder)
        if here == Path():
            folders[:] = [name for name in folders if name not in _LEFT]
            files = [name for name in files if name not in _LEFT]
        folders[:] = sorted(name for name in folders if (here / name).as_posix() not in tables)
        for name in sorted(files):
            path = folder / here / name
            if not name.endswith(_ENDINGS) and path.is_file() and not path.is_symlink():
                yield (here / name).as_posix()


def _connect(path: Path) -> sqlite3.Connection:
    found = sqlite3.connect(reading_uri(path), uri=True, isolation_level=None)
    found.execute("PRAGMA busy_timeout=5000")
    return found


def _versions(watches: dict[str, sqlite3.Connection]) -> dict[str, int]:
    return {path: watch.execute("PRAGMA data_version").fetchone()[0] for path, watch in watches.items()}


def _mark(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
        return found.st_ino, found.st_mtime_ns
    except FileNotFoundError:
        return None


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
