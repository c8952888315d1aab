"""Full disks, read-only folders, jumping clocks: a clear word, nothing acknowledged lost, and on it goes by itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from loopwright.core.clock import SimClock
from loopwright.core.errors import StoreError
from loopwright.store import Store, open_store
from tests.store.plant import S, balanced, declared, numbered, speeds

HOUR = 3600 * S


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A filesystem of its own that holds so much; skips where this machine does not let us make one."""
    folder.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run([mount, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, check=False)
    if not made or made.returncode:
        pytest.skip("this machine does not let us mount a small filesystem")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, capture_output=True)


def fill(store: Store) -> tuple[int, str]:
    """Puts until the store refuses: the samples it acknowledged, and what it said."""
    for first in range(0, 4_000_000, 200):
        table = speeds([(j * j) % 997 + j / 7 for j in range(200)], first * S)
        try:
            store.put(numbered(table, first, sent=first + 200))
        except StoreError as error:
            return first, str(error)
    raise AssertionError("the disk never filled")


def test_a_small_disk_fills_is_told_and_goes_on_when_there_is_room_again(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "12m") as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(8_000_000))
        with open_store(disk / "plant") as store:
            declared(store)
            kept, said = fill(store)
            assert kept > 1_000
            assert "it cannot be written" in said
            assert "disk" in said
            with pytest.raises(StoreError):
                store.flush()  # no room for the points either
            assert store.get().num_rows == kept
            balanced(store.hops())
            ballast.unlink()
            again = store.put(numbered(speeds([1.0] * 200, kept * S), kept, sent=kept + 200))
            assert again.stored == 200
            assert store.flush() == kept + 200
        with open_store(disk / "plant") as store:
            assert store.get().num_rows == kept + 200
            assert store.hops()["mqtt"].lost == 0
            balanced(store.hops())


def test_a_plant_on_a_disk_that_was_mounted_for_reading_can_be_read_and_says_why_not_written(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "20m") as disk:
        with open_store(disk / "plant") as store:
            declared(store).put(numbered(speeds(range(100)), 0))
            store.flush()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True, capture_output=True)
        with pytest.raises(StoreError, match="plant"):
            open_store(disk / "plant")
        with open_store(disk / "plant", read_only=True) as store:
            assert store.get().num_rows == 100
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True, capture_output=True)
        with open_store(disk / "plant") as store:
            assert store.put(numbered(speeds([1.0], 200 * S), 100)).stored == 1


def test_a_clock_that_jumps_by_hours_never_takes_what_is_known_back(tmp_path: Path) -> None:
    clock = SimClock(1_000 * HOUR)
    known = []
    jumps = [0, 5 * HOUR, -7 * HOUR, 0, -20 * HOUR, 30 * HOUR, -1]
    with open_store(tmp_path, clock) as store:
        declared(store)
        for i, jump in enumerate(jumps):
            clock.set_ns(clock.now_ns() + jump)
            known.append(store.put(numbered(speeds([float(i)], i * S), i)).known_ns)
    clock.set_ns(1 * HOUR)  # and at a restart
    with open_store(tmp_path, clock) as store:
        known.append(store.put(numbered(speeds([9.0], 9 * S), len(jumps))).known_ns)
        assert known == sorted(set(known))
        rows = store.get()
        assert rows.column("known_ns").to_pylist() == known
        assert store.get(known_by_ns=known[3]).num_rows == 4
        store.flush()
        assert store.get() == rows
        balanced(store.hops())
        assert store.hops()["mqtt"].out == len(known)


def test_half_written_files_beside_the_tables_are_nobodys_points(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        declared(store).put(numbered(speeds(range(100)), 0))
        store.flush()
    whole = next((tmp_path / "points").glob("*.parquet"))
    (tmp_path / "points" / "part-00000-half.snappy.parquet").write_bytes(whole.read_bytes()[:100])
    (tmp_path / "live.part").write_bytes(b"half")
    with open_store(tmp_path) as store:
        assert store.get().num_rows == 100
        assert store.put(numbered(speeds([1.0], 200 * S), 100)).stored == 1
        store.flush()
        balanced(store.hops())


@pytest.mark.slow
def test_a_second_process_is_told_who_writes_and_may_read_meanwhile(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        declared(store).put(numbered(speeds([1, 2]), 0))
        code = (
            "import sys; from pathlib import Path; from loopwright.store import Store, open_store; from loopwright.core.errors import PlantBusy\n"
            "try: open_store(Path(sys.argv[1]))\n"
            "except PlantBusy as error: print(error)\n"
            "print(open_store(Path(sys.argv[1]), read_only=True).get().num_rows)\n"
        )
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True)
        assert f"process {os.getpid()} since" in done.stdout
        assert done.stdout.splitlines()[-1] == "2"
        assert store.put(numbered(speeds([3], 2 * S), 2)).stored == 1
