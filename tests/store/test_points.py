"""The points: flushed once whatever happens between, read as they were known, corrected and erased."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loopwright.core.clock import SimClock
from loopwright.core.errors import InputError, StoreError
from loopwright.core.types import Batch, Event
from loopwright.store import Store, open_store, upkeep
from loopwright.store.journal import Work
from tests.store.plant import S, balanced, blocks, declared, numbered, plain, points, speeds


def test_a_read_is_the_same_before_during_and_after_a_flush(store: Store) -> None:
    store.put(numbered(speeds([1, 2, 3], thing="mill-2"), 0))
    store.flush()
    store.put(numbered(speeds([4, 5], thing="mill-1"), 3))
    before = store.get()
    assert before.column("value").to_pylist() == [4, 5, 1, 2, 3]
    assert store.flush() == 2
    assert store.get() == before
    assert store.flush() == 0


def test_reads_are_cut_by_thing_signal_and_time(store: Store) -> None:
    store.put(numbered(speeds(range(10)), 0))
    store.put(numbered(speeds(range(10), thing="mill-2"), 10))
    store.flush()
    store.put(numbered(points(("mill-1", "mode", 3 * S, 1), ("mill-1", "mode", 12 * S, 0)), 20))
    assert store.get(things="mill-2", start_ns=3 * S, end_ns=5 * S).column("value").to_pylist() == [3, 4]
    assert store.get(things=["mill-1"], signals=["mode"]).column("code").to_pylist() == [1, 0]
    assert store.get(things=[]).num_rows == store.get(signals="parts").num_rows == 0
    assert store.get(start_ns=12 * S).num_rows == 1


@pytest.mark.parametrize("also_blocks", [False, True])
def test_a_crash_between_the_commit_and_the_trim_moves_nothing_twice(tmp_path: Path, clock: SimClock, also_blocks: bool) -> None:
    plant, copy = tmp_path / "plant", tmp_path / "journal.before"
    with open_store(plant, clock) as store:
        declared(store).put(numbered(speeds([1, 2, 3]), 0))
        if also_blocks:
            store.put(numbered(blocks(("mill-1", "vibration", 0, 10, [1.0, 2.0])), 3))
    shutil.copy(plant / "journal.sqlite", copy)
    with open_store(plant, clock) as store:
        assert store.flush() == (5 if also_blocks else 3)
    (plant / "live.arrow").unlink()
    shutil.copy(copy, plant / "journal.sqlite")  # the points are committed, the journal is not trimmed
    with open_store(plant, clock) as store:
        balanced(store.hops())
        assert store.get().column("value").to_pylist() == [1, 2, 3]
        assert store.flush() == 0
        store.put(numbered(speeds([4], 3 * S), 5))
        assert store.flush() == 1
        assert store.get().column("value").to_pylist() == [1, 2, 3, 4]
        assert store.hops()["points"].out == (6 if also_blocks else 4)
        balanced(store.hops())


def test_files_that_a_broken_write_left_are_not_read(store: Store) -> None:
    store.put(numbered(speeds([1, 2]), 0))
    store.flush()
    (store.path / "points" / "part-00000-half-written.parquet").write_bytes(b"PAR1 and then the power went")
    (store.path / "points" / "_delta_log" / "_commit_x.json.tmp").write_text('{"add":{"pa')
    store.put(numbered(speeds([3], 2 * S), 2))
    store.flush()
    assert store.get().num_rows == 3


def test_a_flush_that_fails_is_told_and_done_later(store: Store) -> None:
    store.put(numbered(speeds([1, 2]), 0))
    store.flush()
    store.put(numbered(speeds([3], 2 * S), 2))
    (store.path / "points").rename(store.path / "aside")
    (store.path / "points").write_text("something in the way")
    with pytest.raises(StoreError, match=r"points .*: the table cannot be"):
        store.flush()
    store.put(numbered(speeds([4], 3 * S), 3))  # the journal goes on
    (store.path / "points").unlink()
    (store.path / "aside").rename(store.path / "points")
    assert store.flush() == 2
    assert store.get().column("value").to_pylist() == [1, 2, 3, 4]
    balanced(store.hops())


def test_late_data_is_hidden_from_a_backtest(store: Store, clock: SimClock) -> None:
    store.put(numbered(speeds([1, 3]), 0))
    then_ns = clock.now_ns()
    clock.set_ns(then_ns + 60 * S)
    store.put(numbered(speeds([2], S // 2), 2))
    for _ in range(2):
        assert store.get(known_by_ns=then_ns).column("value").to_pylist() == [1, 3]
        assert store.get(known_by_ns=then_ns + 60 * S).column("value").to_pylist() == [1, 2, 3]
        assert store.get(known_by_ns=then_ns - 1).num_rows == 0
        store.flush()


def test_a_correction_replaces_for_later_readers_only(store: Store, clock: SimClock) -> None:
    store.put(numbered(speeds([1, 2, 3]), 0))
    store.flush()
    then_ns = clock.now_ns()
    clock.set_ns(then_ns + S)
    event = store.record([Event("points.corrected", "mill-1", then_ns, "erika", {"reason": "the sensor was 10 % off"})])[0]
    receipt = store.put(plain(speeds([1.0, 2.2, 3.3]), "http/erika", correction=event.id))
    assert (receipt.stored, receipt.duplicate, receipt.conflict) == (2, 1, 0)
    for _ in range(2):
        assert store.get().column("value").to_pylist() == [1.0, 2.2, 3.3]
        assert store.get(known_by_ns=then_ns).column("value").to_pylist() == [1, 2, 3]
        assert store.newest(signals="spindle.speed").column("value").to_pylist() == [3.3]
        assert store.query("SELECT sum(value) AS s FROM points").column("s").to_pylist() == [pytest.approx(6.5)]
        balanced(store.hops())
        store.flush()
    assert store.put(plain(speeds([1, 2, 3]), "http/other")).duplicate == 3  # the old values are known still
    again = store.record([Event("points.corrected", "mill-1", then_ns, "erika", {"reason": "it was 20 %"})])[0]
    store.put(plain(speeds([2.4], S), "http/erika", correction=again.id))
    assert store.get().column("value").to_pylist() == [1.0, 2.4, 3.3]


def test_a_correction_survives_a_restart(tmp_path: Path, clock: SimClock) -> None:
    with open_store(tmp_path, clock) as store:
        declared(store).put(numbered(speeds([1]), 0))
        event = store.record([Event("points.corrected", "mill-1", 0, "erika", {"reason": "typing error"})])[0]
        store.put(plain(speeds([2]), correction=event.id))
    with open_store(tmp_path, clock) as store:
        assert store.get().column("value").to_pylist() == [2]


def test_a_correction_without_its_event_is_refused(store: Store) -> None:
    with pytest.raises(InputError, match="not recorded"):
        store.put(plain(speeds([1]), correction="made-up"))
    event = store.record([Event("points.corrected", "mill-1", 0, "erika", {"reason": "x"})])[0]
    with pytest.raises(InputError, match="a correction is known from when it is made"):
        store.put(Batch("files", "files/run", 0, speeds([1]), known_ns=4, correction=event.id))


def test_small_files_are_joined_and_nothing_changes(store: Store) -> None:
    table = store._tables[0]
    for i in range(12):
        assert i > 7 or len(table.snapshot.files) == i
        store.put(numbered(speeds(range(5), i * 5 * S), i * 5))
        store.flush()
        upkeep.finish(store)
    before = store.get()
    assert len(table.snapshot.files) == 5  # eight were joined, four came
    assert not table.compact()
    assert store.get() == before
    balanced(store.hops())
    store.put(numbered(speeds([99], 100 * S), 60))
    assert store.flush() == 1
    assert store.get().num_rows == 61


def test_joined_files_are_sorted_so_that_one_series_lies_together(store: Store) -> None:
    for i in range(8):
        table = pa.concat_tables([speeds([i, i + 0.5], i * S, thing) for thing in ("mill-2", "mill-1")])
        store.put(numbered(table, i * 4))
        store.flush()
    upkeep.finish(store)
    file, = store._tables[0].snapshot.files
    rows = pq.read_table(file, partitioning=None).to_pylist()
    assert rows == sorted(rows, key=lambda r: (r["thing"], r["signal"], r["t_ns"], r["n"]))
    assert len(rows) == store.get().num_rows


@pytest.mark.slow
def test_a_hundred_commits_bring_upkeep_by_themselves(store: Store) -> None:
    for i in range(101):
        store.put(numbered(speeds([i], i * S), i))
        store.flush()
    upkeep.finish(store)
    assert len(store._tables[0].snapshot.files) < 16
    assert list((store.path / "points" / "_delta_log").glob("*.checkpoint.parquet"))
    assert store.get().column("value").to_pylist() == list(range(101))


@pytest.mark.slow
def test_the_journal_uses_its_pages_again(store: Store) -> None:
    size = 0
    for i in range(30):
        store.put(numbered(speeds(range(2000), i * 2000 * S), i * 2000))
        store.flush()
        if i == 5:
            size = (store.path / "journal.sqlite").stat().st_size
    assert (store.path / "journal.sqlite").stat().st_size <= size


def test_a_full_journal_flushes_by_itself(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        declared(store)
        for i in range(3):
            store.put(numbered(pa.table({
                "thing": ["mill-1"] * 60_000, "signal": ["spindle.speed"] * 60_000,
                "t_ns": range(i * 60_000, (i + 1) * 60_000), "value": [1.0] * 60_000,
            }), i * 60_000))
        assert store._flusher is not None
        store._flusher.join()
        assert store.hops()["points"].out >= 120_000
        balanced(store.hops())


def test_erased_points_are_gone_from_every_file_and_still_accounted_for(tmp_path: Path, clock: SimClock) -> None:
    with open_store(tmp_path, clock) as store:
        declared(store)
        store.put(numbered(speeds([123.4375] * 5), 0))
        store.put(numbered(speeds([7] * 5, thing="mill-2"), 5))
        store.put(numbered(blocks(("mill-1", "vibration", 0, 10, [1.0, 2.0])), 10))
        store.flush()
        store.put(numbered(speeds([123.4375] * 3, 9 * S), 12))
        store.put(numbered(speeds([8] * 2, 9 * S, thing="mill-2"), 15))
        needle = b"\x00\x00\x00\x00\x00\xdc\x5e\x40"  # 123.4375 as a float64
        assert _files_with(needle, tmp_path)
        assert "mill-1" in _things_in_files(tmp_path)
        assert store.erase_points("mill-1") == 10
        hops = store.hops()
        balanced(hops)
        balanced(store.hops(clock.now_ns() - 60 * S, clock.now_ns() + 60 * S, "mqtt/mill-1"))
        assert (dict(hops["journal"].refused), dict(hops["points"].refused)) == ({"erased": 3}, {"erased": 7})
        assert set(store.get().column("thing").to_pylist()) == {"mill-2"}
        assert store.newest("mill-1").num_rows == 0
    with open_store(tmp_path, clock) as store:
        store.flush()
        assert store.get().column("value").to_pylist() == [7] * 5 + [8] * 2
        assert store.get(blocks=True).num_rows == 0
        balanced(store.hops())
    assert _files_with(needle, tmp_path) == []
    assert _things_in_files(tmp_path) == {"mill-2"}


def _things_in_files(folder: Path) -> set[str]:
    """Every thing of which a row stands in a data file, also in one that is not read any more."""
    files = [path for path in folder.rglob("*.parquet") if path.parent.name != "_delta_log"]
    return {thing for file in files for thing in pq.read_table(file, columns=["thing"], partitioning=None).column(0).to_pylist()}


def _files_with(needle: bytes, folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and needle in path.read_bytes()]


def test_erasing_goes_on_after_a_crash_in_the_middle(tmp_path: Path, clock: SimClock) -> None:
    with open_store(tmp_path, clock) as store:
        declared(store).put(numbered(speeds([1, 2]), 0))
        store.flush()
        store._journal.commit(Work(meta={"erasing": '["mill-1"]'}))  # the intent stands, the points are not rewritten yet
    with open_store(tmp_path, clock) as store:
        assert store.get().num_rows == 0
        assert store._journal.meta("erasing") == "[]"
