"""Events as columns for queries: Parquet files of what is old, and the newest in memory, so that no query reads the
database again.

    plant/events/000000050000-5f3a...parquet     events up to number 50,000, whose hash begins so; may be deleted

An event never changes, so a file never does. A file counts while the event of its number has its hash: the chain then
says the same of all events before it. A reader beside a writer keeps files of its own for as long as it lives.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, finalize

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from loopwright.core.errors import StoreError
from loopwright.store.events import SCHEMA

if TYPE_CHECKING:
    from loopwright.store.cellar import Store

PART = 50_000  # events in a file; at most so many are held in memory


@dataclass
class _Held:
    """What one open store holds: its files in order, and the events beyond them."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    files: list[Path] = field(default_factory=list)
    tail: pa.Table = field(default_factory=SCHEMA.empty_table)
    own: Path | None = None  # a reader's folder, gone with it


_held: WeakKeyDictionary[Store, _Held] = WeakKeyDictionary()


def dataset(store: Store) -> ds.Dataset:
    """All events recorded by now, with the columns of `schema.events`; body and because as JSON text.

    Reads from the database only what is newer than the last call.
    """
    held = _held.setdefault(store, _Held())
    with held.lock:
        if not held.files:
            held.files = _whole(store)
        last = held.tail.column("number")[-1].as_py() if held.tail.num_rows else _numbers(held.files)[1]
        for batch in store.events.batches(last):
            held.tail = pa.concat_tables([held.tail, pa.Table.from_batches([batch])])
            if held.tail.num_rows >= PART:
                held.files.append(_write(store, held))
                held.tail = SCHEMA.empty_table()
        held.tail = held.tail.combine_chunks()
        newest = ds.dataset(held.tail)
        if not held.files:
            return newest
        return ds.dataset([ds.dataset([str(file) for file in held.files], schema=SCHEMA), newest])


def _write(store: Store, held: _Held) -> Path:
    """The newest events as a file, whole or not there."""
    if store.read_only and held.own is None:
        held.own = Path(tempfile.mkdtemp(prefix="loopwright-events-"))
        finalize(store, shutil.rmtree, held.own, True)
    folder = held.own or store.path / "events"
    numbers, digest = held.tail.column("number"), held.tail.column("hash")[-1].as_py()
    path = folder / f"{numbers[0].as_py():012}-{numbers[-1].as_py():012}-{digest[:16]}.parquet"
    try:
        folder.mkdir(exist_ok=True)
        unfinished = path.with_suffix(".tmp")
        with unfinished.open("wb") as file:
            pq.write_table(held.tail, file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        said, todo = f"events cannot be laid down for queries ({error.strerror})", "free the disk or mend its rights"
        raise StoreError(f"plant {store.path}", said, "", f"{todo}; nothing is lost") from error
    return path


def _whole(store: Store) -> list[Path]:
    """The files, from the first on without a gap, that hold what the chain holds."""
    found: list[Path] = []
    for file in sorted((store.path / "events").glob("*-*-*.parquet")):
        if _numbers([file])[0] == _numbers(found)[1] + 1:
            found.append(file)
    while found and not _agrees(store, found[-1]):
        found.pop()
    return found


def _agrees(store: Store, file: Path) -> bool:
    last, digest = _numbers([file])[1], file.stem.rpartition("-")[2]
    return any(row[-1].startswith(digest) for part in store.events.rows(last - 1, last) for row in part)


def _numbers(files: Sequence[Path]) -> tuple[int, int]:
    """Numbers of the first and the last event of the last of these files, by its name; (0, 0) where there is none."""
    if not files:
        return 0, 0
    first, last, _ = files[-1].stem.split("-")
    return int(first), int(last)
