"""Files that a power cut or a bad disk left half written: the plant opens, says which, and goes on."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from loopwright.core.clock import SimClock
from loopwright.core.errors import StoreError
from loopwright.store import Store, open_store
from loopwright.store.points import PointsTable
from tests.store.plant import S, balanced, declared, numbered, speeds

LOG = Path("points") / "_delta_log"
CUTS: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "zeros": lambda path: path.write_bytes(b"\0" * path.stat().st_size),
}


def filled(plant: Path, flushes: int = 3) -> Path:
    """A plant with two values a flush; the folder."""
    with open_store(plant, SimClock()) as store:
        declared(store)
        for i in range(flushes):
            store.put(numbered(speeds([2 * i, 2 * i + 1], 2 * i * S), 2 * i))
            store.flush()
    return plant


def again(plant: Path, first: int) -> list[float]:
    """What stands in the plant after it was opened for writing, and was given one more value and a flush."""
    with open_store(plant, SimClock(2_000_000_000 * S)) as store:
        store.put(numbered(speeds([first], first * S), first))
        store.flush()
        balanced(store.hops())
        found: list[float] = store.get().column("value").to_pylist()
        return found


@pytest.mark.parametrize("how", CUTS)
def test_a_newest_entry_that_is_cut_short_is_set_aside_and_its_rows_come_from_the_journal(tmp_path: Path, how: str) -> None:
    plant = filled(tmp_path / "plant")
    with open_store(plant, SimClock(1_900_000_000 * S)) as store:
        store.put(numbered(speeds([6, 7], 6 * S), 6))
        journal = (plant / "journal.sqlite").read_bytes(), (plant / "journal.sqlite-wal").read_bytes()
        store.flush()
    (plant / "journal.sqlite").write_bytes(journal[0])
    (plant / "journal.sqlite-wal").write_bytes(journal[1])  # the power went before the commit was durable
    newest = max((plant / LOG).glob("*.json"))
    CUTS[how](newest)
    (plant / "live.arrow").unlink(missing_ok=True)
    assert again(plant, 8) == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert newest.with_name(f"{newest.name}.torn").exists()


@pytest.mark.parametrize("how", CUTS)
def test_a_checkpoint_that_is_cut_short_is_done_without(tmp_path: Path, how: str) -> None:
    plant = filled(tmp_path / "plant")
    PointsTable(plant / "points", False, True).checkpoint(2)
    checkpoint, = (plant / LOG).glob("*.checkpoint.parquet")
    CUTS[how](checkpoint)
    with pytest.raises(StoreError, match="open the plant once for writing"):
        open_store(plant, SimClock(), read_only=True)
    assert again(plant, 6) == [0, 1, 2, 3, 4, 5, 6]
    with open_store(plant, SimClock(), read_only=True) as reader:
        assert reader.get().num_rows == 7


def test_an_older_entry_that_is_cut_short_is_named(tmp_path: Path) -> None:
    plant = filled(tmp_path / "plant")
    CUTS["cut"](plant / LOG / f"{2:020}.json")
    with pytest.raises(StoreError, match=r"points .*00002\.json: the file cannot be read .*backup"):
        open_store(plant, SimClock())


@pytest.mark.parametrize("how", ["empty", "cut", "zeros", "gone"])
def test_a_data_file_that_is_cut_short_is_named_by_who_reads_it_and_the_rest_goes_on(tmp_path: Path, how: str) -> None:
    plant = filled(tmp_path / "plant")
    (plant / "live.arrow").unlink(missing_ok=True)
    file, = PointsTable(plant / "points", False, False).snapshot.between(2 * S, 3 * S)
    kept = Path(file).read_bytes()
    if how == "gone":
        Path(file).unlink()
    else:
        CUTS[how](Path(file))
    with open_store(plant, SimClock(2_000_000_000 * S)) as store:
        store.put(numbered(speeds([6], 6 * S), 6))
        assert store.flush() == 1
        assert store.get(start_ns=4 * S).column("value").to_pylist() == [4, 5, 6]
        with pytest.raises(StoreError, match=rf"{Path(file).name}.*(cut short|gone|does not end).*backup"):
            store.get()
        for i in range(7, 16):  # compaction leaves the file alone
            store.put(numbered(speeds([i], i * S), i))
            store.flush()
        assert store.hops()["points"].out == 16
    Path(file).write_bytes(kept)
    with open_store(plant, SimClock(2_000_000_000 * S)) as store:
        assert store.get().column("value").to_pylist() == list(range(16))


def test_a_file_system_without_links_does_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    plant = filled(tmp_path / "plant")
    table = PointsTable(plant / "points", False, True)
    assert not table.place.create("_delta_log/00000000000000000001.json", b"{}")  # that name is taken
    assert again(plant, 6) == [0, 1, 2, 3, 4, 5, 6]


def test_what_a_killed_commit_left_is_removed(tmp_path: Path) -> None:
    plant = filled(tmp_path / "plant")
    young, old = (plant / LOG / f".{i}.json.{i}.tmp" for i in (1, 2))
    for half in (young, old):
        half.write_text('{"add":{"pa')
    os.utime(old, (0, 0))
    assert again(plant, 6) == [0, 1, 2, 3, 4, 5, 6]
    assert (young.exists(), old.exists()) == (True, False)


def test_files_that_no_commit_names_go_with_the_next_upkeep(store: Store) -> None:
    store.put(numbered(speeds([1, 2]), 0))
    store.flush()
    orphan = store.path / "points" / "v2-half-written.parquet"
    orphan.write_bytes(b"PAR1 and then the power went")
    table = store._tables[0]
    table.checkpoint(2)
    assert orphan.exists()  # it is young: another process may be about to name it
    os.utime(orphan, (0, 0))
    table.checkpoint(2)
    assert not orphan.exists()
    assert store.get().num_rows == 2
