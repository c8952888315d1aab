"""Hot backup and verified restore: whatever was acknowledged before a backup began is in it, and nothing half is."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from deltalake import DeltaTable, write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.clock import SimClock
from loopwright.core.errors import InputError, StoreError, UnknownName
from loopwright.core.types import Event, Person
from loopwright.store import Store, open_store
from loopwright.store.backup import backup, content, generations, read_manifest
from loopwright.store.restore import restore, verify
from loopwright.store.retain import Keep, retain
from tests.store import postgres
from tests.store.plant import S, balanced, blocks, declared, numbered, plain, points, speeds

ROOT = Path(__file__).parents[2]
BUSY = """
import sys, threading; from pathlib import Path; from loopwright.store import open_store
from tests.store.plant import S, declared, numbered, points
store, number = declared(open_store(Path(sys.argv[1]))), 0
def move():
    while True: store.flush()
threading.Thread(target=move, daemon=True).start()
while True:
    rows = points(*(("mill-1", "parts", (number + i) * S, number + i) for i in range(20)))
    store.put(numbered(rows, number, "mqtt/busy", sent=number + 20))
    number += 20
    print(number - 1, flush=True)
"""


def filled(store: Store, samples: int = 400_000) -> None:
    """Vibration that cannot be made smaller: about 4 bytes a sample."""
    noise = np.random.default_rng(7).uniform(-400, 400, samples).astype(np.float32).reshape(-1, 10_000)
    rows = [("mill-1", "vibration", i * S, 100_000, list(block)) for i, block in enumerate(noise)]
    store.put(numbered(blocks(*rows), 0, "mqtt/fast"))
    store.flush()


def same(one: Store, other: Store) -> None:
    """Asserts that two plants hold the same points, blocks, events and accounts."""
    assert one.get().equals(other.get())
    assert one.get(blocks=True).equals(other.get(blocks=True))
    assert one.recall() == [event for event in other.recall() if event.kind != "plant.restored"]
    assert {name: hop.as_dict() for name, hop in one.hops().items()} == {
        name: hop.as_dict() for name, hop in other.hops().items()
    }
    balanced(other.hops())


def child(code: str, *arguments: object) -> subprocess.Popen[str]:
    """A process that runs this code with these arguments as sys.argv[1:]."""
    start = (
        "import sys, resource, signal; from pathlib import Path; from loopwright.store.backup import backup\n"
        "from loopwright.store.restore import restore; from loopwright.core.errors import StoreError\n"
        "one, other = (Path(a) for a in sys.argv[1:3])\ndef show(what, done, total): print(done, flush=True)\n"
    )
    command = [sys.executable, "-c", start + code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def killed_after(lines: int, code: str, *arguments: object) -> None:
    """Runs the code and kills it when it has printed that many lines."""
    with child(code, *arguments) as process:
        assert process.stdout is not None
        for _ in range(lines):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)


def test_a_restored_plant_is_the_plant(store: Store, tmp_path: Path) -> None:
    store.put(numbered(speeds([1, 2, 3]), 0))
    store.flush()
    store.put(numbered(speeds([4, 5], 3 * S), 3))
    store.put(numbered(blocks(("mill-2", "vibration", 0, 1000, [1.5, 2.5])), 0, "mqtt/mill-2"))
    event = store.record([Event("points.corrected", "mill-1", 1, "erika", {"reason": "a test"})])[0]
    store.put(plain(speeds([9]), "http/erika", correction=event.id))
    store.people.save(Person("p-1", {"stature": 1.8}, "left", {}, "ansur2", "female"))
    found = backup(store, tmp_path / "backup")
    assert (found["generation"], found["samples"], found["events"]["count"]) == (1, 8, 1)
    told = restore(tmp_path / "backup", tmp_path / "new")
    assert (told["samples"], told["events"], told["broken"], told["unbalanced"]) == (8, 1, [], [])
    with open_store(tmp_path / "new") as other:
        same(store, other)
        assert other.get(signals="spindle.speed").column("value").to_pylist() == [9, 2, 3, 4, 5]
        assert other.people.person("p-1") == store.people.person("p-1")
        assert other.events.verify().broken_at is None
        assert other.recall(kind="plant.restored")[0].body["head"] == event.hash


@pytest.mark.slow
def test_a_backup_beside_a_busy_writer_holds_all_that_was_acknowledged_before_it(tmp_path: Path) -> None:
    """The writer puts and flushes without any pause; upkeep comes every hundred flushes."""
    command = [sys.executable, "-c", BUSY, str(tmp_path / "plant")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        for number in range(1, 4):
            for _ in range(100):
                acknowledged = int(process.stdout.readline())
            assert backup(tmp_path / "plant", tmp_path / "backup")["generation"] == number
            restore(tmp_path / "backup", tmp_path / f"new-{number}")
            with open_store(tmp_path / f"new-{number}") as other:
                cursor = other.cursor("mqtt/busy")
                assert cursor is not None
                assert cursor >= acknowledged
                assert other.get().column("code").to_pylist() == list(range(cursor + 1))
                balanced(other.hops())
                assert other.hops()["points"].lost == 0
                assert sum(table["rows"] for table in read_manifest(generations(tmp_path / "backup")[-1][1])["tables"].values())
        os.kill(process.pid, signal.SIGKILL)


@pytest.mark.slow
def test_a_second_backup_reads_only_what_is_new(store: Store, tmp_path: Path) -> None:
    filled(store)
    first = backup(store, tmp_path / "backup")
    assert first["copied"]["bytes"] == first["bytes"] > 1_500_000
    store.put(numbered(speeds([1]), 0))
    store.flush()
    second = backup(store, tmp_path / "backup")
    assert second["bytes"] > 1_500_000
    assert second["copied"]["bytes"] < 400_000
    with_data = [e["path"] for e in second["files"] if e["path"].endswith(".parquet")]
    assert len(with_data) == 2
    for number, rows in ((1, 0), (2, 1)):
        restore(tmp_path / "backup", tmp_path / f"new-{number}", generation=number)
        with open_store(tmp_path / f"new-{number}") as other:
            assert other.get().num_rows == rows
    with pytest.raises(UnknownName, match=r"there is no '3'"):
        restore(tmp_path / "backup", tmp_path / "x", generation=3)


def test_old_generations_go_when_there_are_too_many(store: Store, tmp_path: Path) -> None:
    for value in range(4):
        store.put(numbered(speeds([value], value * S), value))
        found = backup(store, tmp_path / "backup", keep=2)
    assert [number for number, _ in generations(tmp_path / "backup")] == [3, 4]
    assert found["removed"]["generations"] == [2]
    named = {e["sha256"] for _, path in generations(tmp_path / "backup") for e in read_manifest(path)["files"]}
    assert {path.name for path in (tmp_path / "backup" / "files").glob("*/*")} == named
    assert verify(tmp_path / "backup", generation=3)["broken"] == []


def test_what_was_erased_goes_from_the_backups_with_the_next_one(store: Store, tmp_path: Path) -> None:
    store.put(numbered(speeds([1], thing="mill-1"), 0))
    store.put(numbered(speeds([2], thing="mill-2"), 0, "mqtt/mill-2"))
    store.flush()
    backup(store, tmp_path / "backup")
    backup(store, tmp_path / "backup")
    store.erase_points("mill-1")
    assert backup(store, tmp_path / "backup")["removed"]["erased"] == [1, 2]
    assert [number for number, _ in generations(tmp_path / "backup")] == [3]
    restore(tmp_path / "backup", tmp_path / "new")
    with open_store(tmp_path / "new") as other:
        assert other.get().column("thing").to_pylist() == ["mill-2"]
        assert other.hops()["points"].refused == {"erased": 1}


def test_tables_databases_and_files_of_others_are_in_it_too(store: Store, tmp_path: Path) -> None:
    plant = store.path
    write_deltalake(str(plant / "deep" / "sums"), store.get())
    with sqlite3.connect(plant / "edge.sqlite") as edge:
        edge.execute("CREATE TABLE buffer (n)")
        edge.execute("INSERT INTO buffer VALUES (17)")
    edge.close()
    (plant / "cards").mkdir()
    (plant / "cards" / "u-1.txt").write_text("one-time code")
    (plant / "cards" / "u-1.txt").chmod(0o600)
    (tmp_path / "site.toml").write_text("[site]")
    backup(store, tmp_path / "backup", beside={"site.toml": tmp_path / "site.toml"})
    restore(tmp_path / "backup", tmp_path / "new")
    assert DeltaTable(str(tmp_path / "new" / "deep" / "sums")).to_pyarrow_table().num_rows == 0
    with sqlite3.connect(tmp_path / "new" / "edge.sqlite") as edge:
        assert edge.execute("SELECT n FROM buffer").fetchone() == (17,)
    edge.close()
    assert (tmp_path / "new" / "cards" / "u-1.txt").read_text() == "one-time code"
    assert (tmp_path / "new" / "cards" / "u-1.txt").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "new" / "site" / "site.toml").read_text() == "[site]"


def test_a_restored_source_resumes_and_what_it_no_longer_has_is_lost(store: Store, tmp_path: Path) -> None:
    """Ten samples are in the backup, ten come after it; the source still has the last five of those."""
    store.put(numbered(speeds(range(10)), 0, sent=10))
    backup(store, tmp_path / "backup")
    store.put(numbered(speeds(range(10), 10 * S), 10, sent=20))
    known_ns = store.put(numbered(speeds([7], 20 * S), 20, sent=21)).known_ns
    store.close()
    restore(tmp_path / "backup", tmp_path / "new", clock=SimClock(known_ns))
    with open_store(tmp_path / "new", SimClock(known_ns)) as other:
        assert other.cursor("mqtt/mill-1") == 9
        assert other.put(numbered(speeds(range(6), 15 * S), 15, sent=21)).known_ns > known_ns
        assert other.hops()["mqtt"].waiting == 5
        other.note_sent("mqtt", "mqtt/mill-1", 21, "the buffer of the machine had lost them")
        assert (other.hops()["mqtt"].lost, other.hops()["mqtt"].out) == (5, 16)
        balanced(other.hops())


def test_a_clock_that_is_behind_does_not_turn_known_ns_back(store: Store, clock: SimClock, tmp_path: Path) -> None:
    clock.set_ns(clock.now_ns() + 3600 * S)
    known_ns = store.put(numbered(speeds([1]), 0)).known_ns
    backup(store, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "new", clock=SimClock(0))
    with open_store(tmp_path / "new", SimClock(0)) as other:
        assert other.recall()[0].known_ns > known_ns
        assert other.put(numbered(speeds([2], S), 1)).known_ns > known_ns


def test_what_is_broken_is_named_and_nothing_is_restored(store: Store, tmp_path: Path) -> None:
    filled(store)
    entry = next(e for e in backup(store, tmp_path / "backup")["files"] if e["path"].endswith(".parquet"))
    path = content(tmp_path / "backup", entry["sha256"])
    whole = path.read_bytes()
    path.write_bytes(whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:])
    assert verify(tmp_path / "backup")["broken"] == [f"{entry['path']}: its content {entry['sha256'][:12]} was changed"]
    with pytest.raises(StoreError, match="was changed"):
        restore(tmp_path / "backup", tmp_path / "new")
    path.unlink()
    with pytest.raises(StoreError, match=r"points|blocks/.* is gone"):
        restore(tmp_path / "backup", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    manifest = generations(tmp_path / "backup")[0][1]
    manifest.write_text(manifest.read_text().replace('"samples": 400000', '"samples": 400001'))
    with pytest.raises(StoreError, match="manifest was changed"):
        verify(tmp_path / "backup")
    assert backup(store, tmp_path / "fresh")["generation"] == 1


def test_a_hostile_manifest_cannot_write_outside(store: Store, tmp_path: Path) -> None:
    from loopwright.store.backup import _digest

    backup(store, tmp_path / "backup")
    manifest = generations(tmp_path / "backup")[0][1]
    document = read_manifest(manifest)
    document["files"][0]["path"] = "../../outside"
    manifest.write_text(json.dumps({"sha256": _digest(document), **document}))
    with pytest.raises(StoreError, match="manifest was changed"):
        restore(tmp_path / "backup", tmp_path / "new")


def test_folders_that_cannot_be_used_are_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="inside the plant"):
        backup(store, store.path / "backup")
    (tmp_path / "link").symlink_to(store.path)
    with pytest.raises(InputError, match="inside the plant"):
        backup(store, tmp_path / "link" / "backup")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="not a backup"):
        backup(store, tmp_path / "full")
    with pytest.raises(InputError, match="it is a file"):
        backup(store, tmp_path / "full" / "letter.txt")
    with pytest.raises(InputError, match="no plant in it"):
        backup(tmp_path / "nothing", tmp_path / "backup")
    backup(store, tmp_path / "backup")
    with open_store(tmp_path / "second") as second, pytest.raises(InputError, match="a folder for each plant"):
        backup(second, tmp_path / "backup")
    with pytest.raises(InputError, match="it is not empty"):
        restore(tmp_path / "backup", tmp_path / "full")
    with pytest.raises(InputError, match="no whole generation"):
        restore(tmp_path / "full", tmp_path / "new")
    (tmp_path / "empty").mkdir()
    restore(tmp_path / "backup", tmp_path / "empty")


@pytest.mark.slow
@pytest.mark.parametrize("lines", [1, 3])
def test_a_killed_backup_is_no_backup_and_the_next_one_goes_on(store: Store, tmp_path: Path, lines: int) -> None:
    filled(store, 1_000_000)
    store.close()
    killed_after(lines, "backup(one, other, progress=show)", store.path, tmp_path / "backup")
    if (tmp_path / "backup" / "backup.json").exists():
        with pytest.raises(InputError, match="no whole generation"):
            verify(tmp_path / "backup")
    backup(store.path, tmp_path / "backup")
    assert verify(tmp_path / "backup")["broken"] == []
    killed_after(lines, "backup(one, other, progress=show)", store.path, tmp_path / "backup")
    assert verify(tmp_path / "backup")["broken"] == []
    assert not list((tmp_path / "backup").glob("half/*")) or backup(store.path, tmp_path / "backup")


@pytest.mark.slow
@pytest.mark.parametrize("lines", [1, 4, 5])
def test_a_killed_restore_leaves_no_plant_and_can_be_run_again(store: Store, tmp_path: Path, lines: int) -> None:
    filled(store, 1_000_000)
    backup(store, tmp_path / "backup")
    killed_after(lines, "restore(one, other, progress=show)", tmp_path / "backup", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    restore(tmp_path / "backup", tmp_path / "new")
    with open_store(tmp_path / "new") as other:
        same(store, other)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.slow
def test_a_full_disk_leaves_the_last_generation_whole(store: Store, tmp_path: Path) -> None:
    """No file of the child may grow beyond 300 kB: the same error as a full disk."""
    store.put(numbered(speeds([1]), 0))
    backup(store, tmp_path / "backup")
    filled(store)
    code = (
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "try: backup(one, other)\n"
        "except StoreError as error: print(error, file=sys.stderr)\n"
    )
    with child(code, store.path, tmp_path / "backup") as process:
        told = process.communicate(timeout=60)[1]
    assert "it cannot be written" in told
    assert "generation 1 is whole" in told
    assert "Traceback" not in told, told
    assert verify(tmp_path / "backup")["samples"] == 1
    assert backup(store, tmp_path / "backup")["generation"] == 2


def test_a_small_disk_that_is_full_is_told_and_goes_on_when_it_is_larger(store: Store, tmp_path: Path) -> None:
    small = Path(tempfile.mkdtemp(dir=tmp_path))
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(small)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("a small filesystem cannot be mounted here")
    try:
        filled(store)
        with pytest.raises(StoreError, match=r"cannot be written .*no earlier generation"):
            backup(store, small / "backup")
        subprocess.run(["mount", "-o", "remount,size=16m", str(small)], check=True)
        assert backup(store, small / "backup")["samples"] == 400_000
        free = os.statvfs(small)
        (small / "filler").write_bytes(bytes(free.f_bavail * free.f_frsize - 1_000_000))
        with pytest.raises(StoreError, match="cannot be restored"):
            restore(small / "backup", small / "new")
        assert not (small / "new").exists()
        shutil.rmtree(small / ".new.restoring", ignore_errors=True)
        assert verify(small / "backup")["broken"] == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(st.lists(st.sampled_from(["put", "flush", "backup", "late"]), min_size=1, max_size=12))
def test_whatever_happened_before_a_backup_is_what_it_holds(steps: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with open_store(folder / "plant", SimClock()) as store:
            declared(store)
            sent = 0
            wanted = []
            for step in steps:
                if step in ("put", "late"):
                    at_ns = sent * S if step == "put" else -sent * S
                    store.put(numbered(points(("mill-1", "spindle.speed", at_ns, float(sent))), sent))
                    sent += 1
                elif step == "flush":
                    store.flush()
                else:
                    backup(store, folder / "backup")
                    wanted.append((store.get(), sent))
        for number, (rows, samples) in enumerate(wanted, 1):
            told = restore(folder / "backup", folder / f"new-{number}", generation=number, clock=SimClock())
            assert told["samples"] == samples
            with open_store(folder / f"new-{number}", SimClock()) as other:
                assert other.get().equals(rows)
                balanced(other.hops())


@pytest.mark.slow
def test_events_of_a_server_come_back_into_sqlite_or_into_a_server(tmp_path: Path) -> None:
    with postgres.server() as url:
        with open_store(tmp_path / "plant", SimClock(), events_url=url) as store:
            declared(store).put(numbered(speeds([1]), 0))
            recorded = store.record([
                Event("unit.claimed", f"u-{i}", 1, "console", {"owner": "Größe 7 ☂"}, because=("o-1",), key=str(i))
                for i in range(20)
            ])
            store.people.save(Person("p-1", {"stature": 1.8}, "left", {}, "ansur2", "female"))
            backup(store, tmp_path / "backup", events_url=url)
        restore(tmp_path / "backup", tmp_path / "one")
        with open_store(tmp_path / "one") as other:
            assert other.recall(kind="unit.") == recorded == other.recall(because="o-1")
            assert other.people.person("p-1").measures == {"stature": 1.8}
        second = url.rsplit("/", 1)[0] + "/second"
        admin = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(sa.text("CREATE DATABASE second"))
        admin.dispose()
        restore(tmp_path / "backup", tmp_path / "two", events_url=second)
        with open_store(tmp_path / "two", events_url=second) as other:
            assert other.recall(kind="unit.") == recorded
            assert other.events.verify().length == 21
        assert not (tmp_path / "two" / "events.sqlite").exists()
        with pytest.raises(InputError, match="an empty database"):
            restore(tmp_path / "backup", tmp_path / "three", events_url=second)


def test_a_plant_whose_chain_is_broken_is_copied_as_it_is_and_that_is_said(store: Store, tmp_path: Path) -> None:
    store.record([Event("unit.claimed", f"u-{i}", 1, "x", {"owner": "p"}) for i in range(3)])
    store.close()
    with sqlite3.connect(store.path / "events.sqlite") as events:
        for (name,) in events.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            events.execute(f'DROP TRIGGER "{name}"')
        events.execute("UPDATE events SET actor = 'mallory' WHERE number = 2")
    events.close()
    assert backup(store.path, tmp_path / "backup")["events"]["broken_at"] == 2
    told = restore(tmp_path / "backup", tmp_path / "new")
    assert (told["broken"], "event 2" in told["chain"]) == ([], True)


def test_a_plant_on_a_disk_that_cannot_be_written_is_backed_up(store: Store, tmp_path: Path) -> None:
    store.put(numbered(speeds([1, 2]), 0))
    store.close()
    folder = tmp_path / "read-only"
    folder.mkdir()
    for words in (["--bind", str(store.path), str(folder)], ["-o", "remount,ro,bind", str(folder)]):
        if subprocess.run(["mount", *words], capture_output=True, check=False).returncode:
            pytest.skip("a read-only filesystem cannot be mounted here")
    try:
        assert backup(folder, tmp_path / "backup")["samples"] == 2
        assert verify(tmp_path / "backup")["broken"] == []
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_damaged_database_that_was_set_aside_is_copied_as_it_is(store: Store, tmp_path: Path) -> None:
    damaged = b"SQLite format 3\x00" + bytes(range(256)) * 40
    (store.path / "journal.damaged-1.sqlite").write_bytes(damaged)
    backup(store, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "new")
    assert (tmp_path / "new" / "journal.damaged-1.sqlite").read_bytes() == damaged


def test_two_backups_into_one_folder_at_once_are_refused(store: Store, tmp_path: Path) -> None:
    told = []

    def again(what: str, done: int, total: int) -> None:
        if not told:
            with pytest.raises(StoreError, match="another backup is being written") as why:
                backup(store.path, tmp_path / "backup")
            told.append(str(why.value))

    assert backup(store, tmp_path / "backup", progress=again)["generation"] == 1
    assert told


@pytest.mark.slow
def test_a_backup_beside_erasures_and_retention_is_a_plant_that_adds_up(store: Store, tmp_path: Path) -> None:
    """Another process copies while this one puts, flushes, erases and trims."""
    day = 86_400 * S
    code = (
        "for i in range(6): backup(one, other); print(i, flush=True)\n"
    )
    with child(code, store.path, tmp_path / "backup") as process:
        number = 0
        while process.poll() is None:
            for thing in ("mill-1", "mill-2"):
                rows = points(*((thing, "parts", (number % 90) * day + i * S, i) for i in range(50)))
                store.put(numbered(rows, number * 50, f"mqtt/{thing}"))
            store.flush()
            if number % 7 == 3:
                store.erase_points("mill-2")
            if number % 5 == 4:
                retain(store, [Keep(signals=("parts",), raw_days=10)], 100 * day)
            number += 1
        assert process.returncode == 0, process.stderr and process.stderr.read()
    for number, _ in generations(tmp_path / "backup"):
        told = restore(tmp_path / "backup", tmp_path / f"new-{number}", generation=number)
        assert (told["broken"], told["unbalanced"], told["chain"]) == ([], [], "")
        with open_store(tmp_path / f"new-{number}") as other:
            balanced(other.hops())
            assert other.hops()["points"].lost == 0
    assert generations(tmp_path / "backup")[-1][0] == 6


def test_a_plant_copied_just_after_a_checkpoint_can_be_tidied(store: Store, tmp_path: Path) -> None:
    """Its log then holds one version alone; a file that nobody names is what tidying has to remove."""
    store.put(numbered(speeds([1, 2]), 0))
    store.flush()
    store.tables["points"].checkpoint(0)
    log = store.path / "points" / "_delta_log"
    version = store.tables["points"].snapshot.version
    assert (log / f"{version:020}.checkpoint.parquet").exists()
    backup(store, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "new")
    left = tmp_path / "new" / "points" / "left.parquet"
    left.write_bytes(b"cut short")
    with open_store(tmp_path / "new", SimClock()) as other:
        other.tables["points"].checkpoint(0)
        assert not left.exists()
        assert other.get().column("value").to_pylist() == [1, 2]


@pytest.mark.slow
def test_a_restored_plant_that_went_another_way_is_backed_up_as_it_is(store: Store, tmp_path: Path) -> None:
    """Both ways have a commit of the same number and length; only what is in it differs."""
    store.put(numbered(speeds([1]), 0))
    backup(store, tmp_path / "backup")
    store.put(numbered(speeds([2], S), 1))
    store.flush()
    backup(store, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "new", generation=1, clock=SimClock())
    with open_store(tmp_path / "new", SimClock()) as other:
        other.put(numbered(speeds([3], S), 1))
        other.flush()
        assert backup(other, tmp_path / "backup")["generation"] == 3
    restore(tmp_path / "backup", tmp_path / "third", generation=3)
    restore(tmp_path / "backup", tmp_path / "second", generation=2)
    for name, values in (("third", [1, 3]), ("second", [1, 2])):
        with open_store(tmp_path / name) as again:
            assert again.get().column("value").to_pylist() == values
