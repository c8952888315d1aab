"""A journal whose file is damaged is rebuilt from its mirror: nothing that was acknowledged is lost."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from loopwright.store import Store, open_store
from tests.store.plant import S, balanced, declared, numbered, speeds
from tests.store.writer import SOURCE

PAGE = 4096
ROOT = Path(__file__).parents[2]


def filled(path: Path) -> dict[str, Any]:
    """A plant with flushed and waiting batches and no clean end; what it says of itself."""
    with open_store(path) as store:
        declared(store)
        for i in range(40):
            store.put(numbered(speeds(range(100), i * 100 * S), i * 100, sent=4_100))
            if i == 20:
                store.flush()
        return said(store)


def said(store: Store) -> dict[str, Any]:
    balanced(store.hops())
    return {
        "points": store.get(), "hops": store.hops(), "newest": store.newest(), "cursor": store.cursor("mqtt/mill-1"),
        "things": store.things(), "kinds": store.kinds(),
    }


def asides(path: Path) -> int:
    return len(list(path.glob("journal.damaged-*.sqlite")))


@pytest.mark.slow
def test_every_page_of_the_journal_may_be_overwritten(tmp_path: Path) -> None:
    before = filled(tmp_path)
    journal = tmp_path / "journal.sqlite"
    pages = journal.stat().st_size // PAGE
    noise = random.Random(7)
    rebuilt = 0
    for page in range(0, pages, max(1, pages // 25)):
        data = bytearray(journal.read_bytes())
        data[page * PAGE:(page + 1) * PAGE] = noise.randbytes(PAGE)
        journal.write_bytes(data)
        with open_store(tmp_path) as store:
            assert said(store) == before
        rebuilt += asides(tmp_path)
        for path in tmp_path.glob("journal.damaged-*"):
            path.unlink()
    assert rebuilt >= 10  # free pages may hold anything


def test_one_flipped_bit_in_a_waiting_batch_is_found(tmp_path: Path) -> None:
    before = filled(tmp_path)
    with sqlite3.connect(tmp_path / "journal.sqlite") as database:
        number, data = database.execute("SELECT id, data FROM batches LIMIT 1 OFFSET 3").fetchone()
        spoilt = bytearray(data)
        spoilt[len(data) // 2] ^= 1
        database.execute("UPDATE batches SET data = ? WHERE id = ?", [bytes(spoilt), number])
    database.close()
    with open_store(tmp_path) as store:
        assert said(store) == before
    assert asides(tmp_path) == 1


@pytest.mark.parametrize("left", [0, 100, 5000])
def test_a_journal_that_was_cut_short_is_rebuilt(tmp_path: Path, left: int) -> None:
    before = filled(tmp_path)
    os.truncate(tmp_path / "journal.sqlite", left)
    with open_store(tmp_path) as store:
        assert said(store) == before
        store.put(numbered(speeds(range(100), 4_000 * S), 4_000))
        assert store.hops()["mqtt"].out == 4_100
    assert asides(tmp_path) == 1


@pytest.mark.slow
def test_a_damaged_log_of_sqlite_does_not_make_acknowledged_batches_disappear(tmp_path: Path) -> None:
    """SQLite drops what stands in a bad write-ahead log without a word."""
    command = [sys.executable, "-m", "tests.store.writer", str(tmp_path), "put"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        assert child.stdout is not None
        said = [child.stdout.readline() for _ in range(150)]
        child.send_signal(signal.SIGKILL)
        said += list(child.stdout)
    last = max(int(line.split()[1]) for line in said if line.startswith("a"))
    log = tmp_path / "journal.sqlite-wal"
    data = bytearray(log.read_bytes())
    data[16:24] = bytes(8)  # its salt: no frame fits any more
    log.write_bytes(data)
    with open_store(tmp_path) as store:
        assert (store.cursor(SOURCE) or 0) >= last
        assert store.get().column("code").to_pylist()[:last + 1] == list(range(last + 1))
        balanced(store.hops())
    assert asides(tmp_path) == 1


def test_a_spoilt_mirror_does_not_harm_a_sound_journal(tmp_path: Path) -> None:
    before = filled(tmp_path)
    for path in (tmp_path / "mirror").iterdir():
        path.write_bytes(b"spoilt" * 1000)
    with open_store(tmp_path) as store:
        assert said(store) == before
    assert asides(tmp_path) == 0
    os.truncate(tmp_path / "journal.sqlite", 5000)  # the mirror was made anew
    with open_store(tmp_path) as store:
        assert said(store) == before


def test_a_mirror_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "mirror").write_text("a file in its place")
    before = filled(tmp_path)
    with open_store(tmp_path) as store:
        assert said(store) == before


def test_what_was_erased_is_not_in_the_mirror_either(tmp_path: Path) -> None:
    filled(tmp_path)
    with open_store(tmp_path) as store:
        store.erase_points("mill-1")
    kept = b"".join(path.read_bytes() for path in (tmp_path / "mirror").iterdir())
    assert b"spindle.speed" in kept  # its kind is declared
    with open_store(tmp_path) as store:
        assert store.get().num_rows == 0
    os.truncate(tmp_path / "journal.sqlite", 5000)
    with open_store(tmp_path) as store:
        assert store.get().num_rows == 0
        balanced(store.hops())
