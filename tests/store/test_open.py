"""Opening a plant: one writer, readers beside it, and words for what is wrong."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from loopwright.core.clock import SimClock
from loopwright.core.errors import InputError, NotAllowed, PlantBusy, StoreError, UnknownName
from loopwright.core.types import Event
from loopwright.store import Store, open_store
from tests.store.plant import S, balanced, blocks, declared, numbered, plain, points, speeds


def test_a_second_writer_is_told_who_holds_the_plant(store: Store) -> None:
    with pytest.raises(PlantBusy, match=f"process {os.getpid()} since .*stop that process"):
        open_store(store.path)


@pytest.mark.slow
def test_another_process_is_told_too_and_the_lock_dies_with_its_holder(tmp_path: Path) -> None:
    code = f"import sys; from loopwright.store import open_store; s = open_store({str(tmp_path)!r}); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        assert child.stdout.readline() == "open\n"
        with pytest.raises(PlantBusy, match=f"process {child.pid} "):
            open_store(tmp_path)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        open_store(tmp_path).close()


def test_a_reader_beside_the_writer_sees_what_it_writes_and_writes_nothing(store: Store) -> None:
    store.put(numbered(speeds([1, 2]), 0, sent=2))
    with open_store(store.path, read_only=True) as reader:
        assert reader.get() == store.get()
        store.put(numbered(speeds([3], 2 * S), 2, sent=3))
        assert reader.newest().to_pylist() == store.newest().to_pylist()
        store.flush()
        assert reader.get() == store.get()
        assert reader.hops() == store.hops()
        assert reader.cursor("mqtt/mill-1") == 2
        event = store.record([Event("unit.claimed", "u", 1, "x", {"owner": "p"})])
        assert reader.recall() == event
        assert reader.things() == store.things()
        for forbidden in (
            lambda: reader.put(numbered(speeds([1]), 9)), reader.flush, lambda: reader.record([]), lambda: reader.declare([], []),
            lambda: reader.note_sent("mqtt", "m", 1), lambda: reader.erase_points(["mill-1"]),
        ):
            with pytest.raises(NotAllowed, match="opened for reading"):
                forbidden()
        store.erase_points("mill-1")
        assert reader.get().num_rows == 0


def test_a_reader_needs_a_plant(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no plant"):
        open_store(tmp_path / "nothing", read_only=True)
    assert not (tmp_path / "nothing").exists()


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "plant").write_text("x")
    with pytest.raises(StoreError, match="it is a file; allowed: a folder"):
        open_store(tmp_path / "plant")
    with pytest.raises(StoreError, match="cannot be made"):
        open_store(tmp_path / "plant" / "below")


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="cannot be written"):
        open_store(tmp_path)


def test_a_journal_that_is_no_database_is_named_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_text("this is not a database at all, it is a letter " * 100)
    with pytest.raises(StoreError, match=r"journal .*journal\.sqlite: it cannot be opened"):
        open_store(tmp_path)
    assert (tmp_path / "journal.sqlite").read_text().startswith("this is not")
    (tmp_path / "journal.sqlite").unlink()
    open_store(tmp_path).close()  # the failed open gave the lock back


def test_a_journal_of_a_later_version_is_not_touched(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    with sqlite3.connect(tmp_path / "journal.sqlite") as database:
        database.execute("PRAGMA user_version = 9")
    database.close()
    with pytest.raises(StoreError, match="version 9"):
        open_store(tmp_path)


def test_a_damaged_batch_in_a_journal_without_a_mirror_is_named(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        declared(store).put(numbered(speeds([1]), 0))
    with sqlite3.connect(tmp_path / "journal.sqlite") as database:
        database.execute("UPDATE batches SET data = x'00112233'")
    database.close()
    shutil.rmtree(tmp_path / "mirror")
    with pytest.raises(StoreError, match=r"batch \d+ in it cannot be read"):
        open_store(tmp_path)


def test_a_points_file_that_is_gone_or_cut_short_is_named(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        declared(store).put(numbered(speeds(range(100)), 0))
        store.flush()
    file = next((tmp_path / "points").glob("*.parquet"))
    whole = file.read_bytes()
    file.write_bytes(whole[:len(whole) // 2])
    with open_store(tmp_path) as store, pytest.raises(StoreError, match=f"{file.name}: it is cut short"):
        store.get()
    file.unlink()
    with open_store(tmp_path) as store, pytest.raises(StoreError, match=f"{file.name}: it is gone"):
        store.get()
    file.write_bytes(whole)
    with open_store(tmp_path) as store:
        assert store.get().num_rows == 100


@pytest.mark.parametrize("cache", ["kept", "gone", "spoilt"])
def test_memory_is_the_same_after_a_restart(tmp_path: Path, clock: SimClock, cache: str) -> None:
    with open_store(tmp_path, clock) as store:
        declared(store)
        store.put(numbered(points(("mill-1", "mode", 5, 7), ("mill-1", "spindle.speed", 5, 1.0), ("mill-2", "parts", 9, 3)), 0))
        store.put(plain(blocks(("mill-1", "vibration", 0, 10, [1.0, 2.0]))))
        store.flush()
        store.put(numbered(points(("mill-1", "spindle.speed", 6, 2.0)), 3))
        newest, hops = store.newest(), store.hops()
        assert newest.num_rows == 4
        assert [r["t_ns"] for r in newest.to_pylist() if r["signal"] == "vibration"] == [10]
    if cache == "gone":
        (tmp_path / "live.arrow").unlink()
    elif cache == "spoilt":
        (tmp_path / "live.arrow").write_bytes(b"ARROW1 and nothing more")
    with open_store(tmp_path, clock) as store:
        assert store.newest() == newest
        assert store.hops() == hops
        assert store.put(numbered(points(("mill-1", "mode", 4, 1)), 4)).late == 1
        balanced(store.hops())


def test_newest_is_asked_by_thing_and_signal(store: Store) -> None:
    store.put(numbered(points(("mill-1", "mode", 5, 7), ("mill-1", "spindle.speed", 5, 1.0), ("mill-2", "mode", 9, 0)), 0))
    assert store.newest("mill-1").num_rows == 2
    assert store.newest(signals=["mode"]).column("code").to_pylist() == [7, 0]
    assert store.newest(["mill-2", "nobody"], "mode").num_rows == 1
    store.put(numbered(points(("mill-1", "mode", 4, 1)), 3))  # late: not the newest
    assert store.newest("mill-1", "mode").column("code").to_pylist() == [7]


def test_a_plant_with_a_full_journal_opens_again(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        declared(store)
        for i in range(200):
            store.put(numbered(speeds(range(100), i * 100 * S), i * 100))
    with open_store(tmp_path) as store:
        assert store.cursor("mqtt/mill-1#1") is not None or store.hops()["journal"].into == 20_000


def test_a_closed_store_can_be_closed_again(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.close()
    assert store.close() is None  # it would raise


def test_a_query_reads_points_blocks_and_events(store: Store) -> None:
    store.put(numbered(speeds([1, 2, 3]), 0))
    store.flush()
    store.put(numbered(speeds([4], 3 * S), 3))
    store.record([Event("unit.claimed", "u", 1, "x", {"owner": "p"})])
    assert store.query("SELECT sum(value) AS s FROM points").column("s").to_pylist() == [10]
    assert store.query("SELECT count(*) AS n FROM blocks").column("n").to_pylist() == [0]
    assert store.query("SELECT kind, json_extract_string(body, '$.owner') AS o FROM events").column("o").to_pylist() == ["p"]


@pytest.mark.parametrize("sql", [
    "DROP VIEW points", "SELECT 1; SELECT 2", "COPY points TO '/tmp/x.csv'", "SELECT * FROM read_text('/etc/hostname')",
    "SELECT * FROM read_parquet('/etc/*')", "ATTACH 'x.db'", "SET threads = 1", "INSTALL httpfs", "SELEC", "",
    "SELECT nothing FROM points", "SELECT * FROM people",
])
def test_a_query_can_change_and_read_nothing_else(store: Store, sql: str) -> None:
    store.put(numbered(speeds([1]), 0))
    store.flush()
    with pytest.raises(InputError, match="one SELECT over points, blocks, events"):
        store.query(sql)


def test_a_plant_is_closed_on_a_disk_that_takes_nothing_and_the_newest_values_are_found_again(tmp_path: Path) -> None:
    with declared(open_store(tmp_path / "p")) as store:
        store.put(numbered(speeds([1, 2]), 0))
    with open_store(tmp_path / "p") as store:
        store.put(numbered(speeds([3], 2 * S), 2))
        store.flush()
        (store.path / "live.part").symlink_to("/dev/full")  # a write to it says: no space left on device
    with open_store(tmp_path / "p") as store:
        assert store.newest("mill-1").column("value").to_pylist() == [3.0]


def some_plant(path: Path) -> Path:
    """Three samples in the points, and an event."""
    with declared(open_store(path)) as store:
        store.put(numbered(speeds([1, 2, 3]), 0))
        store.record([Event("thing.added", "mill-1", 0, "erika", {"kind": "mill"})])
        store.flush()
    return path


def test_events_that_are_gone_are_told_and_not_begun_anew(tmp_path: Path) -> None:
    (some_plant(tmp_path / "p") / "events.sqlite").unlink()
    for read_only in (False, True):
        with pytest.raises(StoreError, match=r"events\.sqlite, with its events and people, is gone.*from a backup"):
            open_store(tmp_path / "p", read_only=read_only)
    assert not (tmp_path / "p" / "events.sqlite").exists()


def test_a_table_whose_log_is_gone_is_told_and_its_files_stay(tmp_path: Path) -> None:
    shutil.rmtree(some_plant(tmp_path / "p") / "points" / "_delta_log")
    files = sorted((tmp_path / "p" / "points").glob("*.parquet"))
    with pytest.raises(StoreError, match="its _delta_log is gone, and 1 data files are there"):
        open_store(tmp_path / "p")
    assert sorted((tmp_path / "p" / "points").iterdir()) == files


def test_a_journal_that_is_gone_comes_back_from_its_mirror(tmp_path: Path) -> None:
    (some_plant(tmp_path / "p") / "journal.sqlite").unlink()
    with open_store(tmp_path / "p") as store:
        assert store.put(numbered(speeds([1, 2, 3, 4]), 0)).duplicate == 3
        balanced(store.hops())


@pytest.mark.parametrize("gone", [(), ("points", "blocks"), ("events.sqlite",)])
def test_a_plant_that_lost_its_journal_and_its_mirror_is_not_opened_as_an_empty_one(
    tmp_path: Path, gone: tuple[str, ...],
) -> None:
    plant = some_plant(tmp_path / "p")
    for name in ("mirror", *gone):
        shutil.rmtree(plant / name) if (plant / name).is_dir() else (plant / name).unlink()
    (plant / "journal.sqlite").unlink()
    with pytest.raises(StoreError, match=r"its journal is gone, and its mirror, too; there are still .*restore"):
        open_store(plant)
    assert not (plant / "journal.sqlite").exists()


@pytest.mark.parametrize("inside", ["points", "mirror", "rollups"])
def test_a_part_of_a_plant_is_not_made_a_plant(tmp_path: Path, inside: str) -> None:
    plant = some_plant(tmp_path / "p")
    with pytest.raises(StoreError, match=f"it is a part of a plant; allowed: the folder above: {plant}"):
        open_store(plant / inside)
    with pytest.raises(InputError, match="the path of its folder is empty"):
        open_store("")  # type: ignore[arg-type]


def test_a_closed_store_says_that_it_was_closed(tmp_path: Path) -> None:
    store = declared(open_store(tmp_path / "p"))
    store.close()
    for use in (store.get, store.newest, store.things, lambda: store.query("SELECT 1"), lambda: store.put(numbered(speeds([1]), 0))):
        with pytest.raises(StoreError, match="it was closed"):
            use()


def test_names_and_times_that_cannot_be_are_told_and_not_answered_with_nothing(store: Store) -> None:
    store.put(numbered(speeds([1]), 0))
    with pytest.raises(UnknownName, match=r"thing: there is no 'mil-1'.*did you mean 'mill-1'"):
        store.get(things="mil-1")
    with pytest.raises(UnknownName, match=r"signal: there is no 'spindle\.sped'.*did you mean 'spindle\.speed'"):
        store.get(signals=["spindle.sped"])
    for wrong in ("2026", 1.5, True):
        with pytest.raises(InputError, match=r"start_ns: .*whole nanoseconds since 1970"):
            store.get(start_ns=wrong)  # type: ignore[arg-type]


def test_a_batch_names_the_hop_it_came_by(store: Store) -> None:
    with pytest.raises(InputError, match="its hop has 0 characters"):
        store.put(replace(numbered(speeds([1]), 0), hop=""))
