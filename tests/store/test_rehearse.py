"""An upgrade is rehearsed on a copy: the plant itself is only read, and what would change or break is said."""

from __future__ import annotations

import sqlite3
from hashlib import sha256
from pathlib import Path

import pytest

from loopwright.core.errors import InputError, StoreError
from loopwright.store import Store, open_store
from loopwright.store.backup import backup
from loopwright.store.rehearse import rehearse
from loopwright.store.restore import restore
from tests.store import old_plant
from tests.store.plant import S, balanced, blocks, numbered, speeds


def contents(folder: Path) -> dict[str, str]:
    """Path -> hash of every file but those that SQLite keeps while it reads."""
    return {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


def test_a_plant_of_the_first_layout_is_rehearsed_without_being_touched(tmp_path: Path) -> None:
    plant = tmp_path / "plant"
    old_plant.make(plant)
    before = contents(plant)
    told = rehearse(plant)
    assert told["broken"] == []
    assert told["samples"] == old_plant.FLUSHED + old_plant.WAITING
    assert told["sampled"] == old_plant.FLUSHED
    assert any(word.startswith("journal 1 becomes ") for word in told["changed"])
    assert told["seconds"] > 0
    assert contents(plant) == before
    assert [path.name for path in tmp_path.iterdir()] == ["plant"]


@pytest.mark.slow
def test_a_plant_of_the_first_layout_opens_backs_up_and_comes_back(tmp_path: Path) -> None:
    old_plant.make(tmp_path / "plant")
    backup(tmp_path / "plant", tmp_path / "backup")
    assert rehearse(tmp_path / "plant", backup=tmp_path / "backup")["broken"] == []
    restore(tmp_path / "backup", tmp_path / "new")
    for folder in (tmp_path / "new", tmp_path / "plant"):
        with open_store(folder) as store:
            rows = store.get()
            assert rows.column("value").to_pylist() == [i + 0.25 for i in range(35)]
            assert rows.column("known_ns").to_pylist()[:11] == [old_plant.KNOWN] * 10 + [old_plant.KNOWN + 1]
            assert store.cursor("mqtt/old") == 34
            assert [event.about for event in store.recall(because="o-1")] == ["mill-1", "mill-2", "mill-3"]
            assert store.events.verify().broken_at is None
            assert store.people.person("p-1").measures == {"stature": 1.8}
            assert store.put(numbered(speeds([7.0], 35 * S), 35, "mqtt/old")).stored == 1
            assert store.put(numbered(speeds([7.0], 34 * S), 34, "mqtt/old")).duplicate == 1
            store.flush()
            assert store.get().num_rows == 36
            balanced(store.hops())


def test_a_copy_can_be_kept_and_written(store: Store, tmp_path: Path) -> None:
    store.put(numbered(speeds([1, 2]), 0))
    store.put(numbered(blocks(("mill-1", "vibration", 0, 1000, [1.5, 2.5])), 0, "mqtt/fast"))
    store.flush()
    told = rehearse(store.path, keep=True)
    assert (told["broken"], told["changed"], told["sampled"]) == ([], [], 3)
    with open_store(Path(told["folder"])) as copy:
        copy.put(numbered(speeds([3], 2 * S), 2))
        copy.erase_points("mill-1")
        assert copy.get().num_rows == 0
    assert store.get().column("value").to_pylist() == [1, 2]
    assert store.get(blocks=True).num_rows == 1
    with pytest.raises(InputError, match="it is there already"):
        rehearse(store.path, keep=True)


def test_a_plant_that_would_break_is_told_of(tmp_path: Path) -> None:
    old_plant.make(tmp_path / "plant")
    with sqlite3.connect(tmp_path / "plant" / "events.sqlite") as events:
        events.execute("DROP TRIGGER events_no_UPDATE")
        events.execute("UPDATE events SET actor = 'mallory' WHERE number = 2")
    events.close()
    assert any("event 2" in word for word in rehearse(tmp_path / "plant")["broken"])
    with sqlite3.connect(tmp_path / "plant" / "journal.sqlite") as journal:
        journal.execute("PRAGMA user_version=99")
    journal.close()
    with pytest.raises(StoreError, match="version 99"):
        rehearse(tmp_path / "plant")
    assert [path.name for path in tmp_path.iterdir()] == ["plant"]
