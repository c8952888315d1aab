"""Points in an object store: read through a cache, written by several plants at once, and moved there from a folder."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopwright.core.clock import SimClock
from loopwright.core.errors import InputError, StoreError
from loopwright.store import Store, open_store
from loopwright.store.buckets import rollup
from loopwright.store.chart import chart
from tests.store import bucket
from tests.store.plant import S, balanced, blocks, declared, numbered, speeds
from tests.store.test_crash import check, run_and_kill

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def options() -> Iterator[dict[str, str]]:
    with bucket.server() as found:
        yield found


@pytest.fixture
def url() -> str:
    return f"s3://plants/{uuid.uuid4().hex}"


def opened(folder: Path, url: str, options: dict[str, str], clock: SimClock | None = None, **more: bool) -> Store:
    return open_store(folder, clock, points_url=url, storage_options=options, **more)


def test_points_in_a_bucket_are_read_after_the_cache_is_lost(tmp_path: Path, url: str, options: dict[str, str]) -> None:
    with opened(tmp_path, url, options) as store:
        declared(store).put(numbered(speeds([1.5, 2.25, -0.0]), 0))
        store.put(numbered(blocks(("mill-1", "vibration", 0, 10, [1.0, 2.5])), 3))
        assert store.flush() == 5
        before, runs = store.get(), store.get(blocks=True)
        for file in (tmp_path / "cache").rglob("*.parquet"):
            file.unlink()
        assert store.get() == before
        assert store.get(blocks=True) == runs
        assert store.query("SELECT sum(value) AS s FROM points").column("s").to_pylist() == [3.75]
        balanced(store.hops())
    with opened(tmp_path, url, options, read_only=True) as reader:
        assert reader.get() == before
        assert reader.newest(signals="spindle.speed").column("t_ns").to_pylist() == [2 * S]


def test_the_cache_gives_up_what_was_not_used_for_longest(
    tmp_path: Path, url: str, options: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path, url, options) as store:
        declared(store)
        for i in range(4):
            store.put(numbered(speeds([i], i * S), i))
            store.flush()
        place = store._tables[0].place
        monkeypatch.setattr(place, "_limit", 1)
        monkeypatch.setattr("loopwright.store.bucket._BUSY_S", -1)
        assert store.get(start_ns=3 * S).column("value").to_pylist() == [3]
        assert len(list((tmp_path / "cache" / "points").glob("*.parquet"))) == 1
        assert store.get().column("value").to_pylist() == [0, 1, 2, 3]


def test_two_plants_write_one_bucket_and_account_for_their_own(
    tmp_path: Path, url: str, options: dict[str, str], clock: SimClock
) -> None:
    with opened(tmp_path / "a", url, options, clock) as a, opened(tmp_path / "b", url, options, clock) as b:
        declared(a).put(numbered(speeds([1, 2], thing="mill-1"), 0, "mqtt/a"))
        declared(b).put(numbered(speeds([7, 8, 9], thing="mill-2"), 0, "mqtt/b"))
        assert a._journal.entries()[0].id == b._journal.entries()[0].id  # the same batch number, on one clock
        assert (a.flush(), b.flush()) == (2, 3)
        assert b.get().column("value").to_pylist() == [1, 2, 7, 8, 9]
        for store, out in ((a, 2), (b, 3)):
            assert store.hops()["points"].out == out
            balanced(store.hops())
        b._tables[0].compact()
        assert (a.flush(), b.flush()) == (0, 0)
    with opened(tmp_path / "a", url, options, clock) as a:
        assert a.get().column("value").to_pylist() == [1, 2, 7, 8, 9]
        a.put(numbered(speeds([3], 2 * S, thing="mill-1"), 2, "mqtt/a"))
        assert a.flush() == 1
        assert a.erase_points("mill-2") == 0  # of its own rows; those of b are gone, too
        assert a.get().column("value").to_pylist() == [1, 2, 3]
        balanced(a.hops())


def test_a_plant_moves_its_folder_to_a_bucket(tmp_path: Path, url: str, options: dict[str, str]) -> None:
    with open_store(tmp_path) as store:
        declared(store).put(numbered(speeds([1, 2]), 0))
        store.flush()
    with pytest.raises(StoreError, match="holds points that s3://"):
        opened(tmp_path, url, options)
    other = f"{url}-copied"
    copy(tmp_path, other, options)
    with opened(tmp_path, other, options) as store:
        store.put(numbered(speeds([3], 2 * S), 2))
        assert store.flush() == 1
        assert store.get().column("value").to_pylist() == [1, 2, 3]
        balanced(store.hops())
    with opened(tmp_path / "newcomer", other, options, SimClock()) as second:  # its batches are older than what was moved
        declared(second).put(numbered(speeds([7], thing="mill-2"), 0, "mqtt/second"))
        assert second.flush() == 1
        assert second.get().column("value").to_pylist() == [1, 2, 3, 7]
        balanced(second.hops())


def copy(plant: Path, url: str, options: dict[str, str]) -> None:
    """Copies a plant's points and blocks to the bucket, as any tool would."""
    import obstore

    from loopwright.store.bucket import BucketPlace

    for name in ("points", "blocks"):
        objects = BucketPlace(f"{url}/{name}", plant / "unused", options)._objects
        for file in (plant / name).rglob("*"):
            if file.is_file():
                obstore.put(objects, file.relative_to(plant / name).as_posix(), file.read_bytes())


def test_secrets_in_the_settings_and_unknown_places_are_refused(tmp_path: Path, options: dict[str, str]) -> None:
    with pytest.raises(InputError, match="no secrets"):
        opened(tmp_path, "s3://plants/x", {**options, "aws_secret_access_key": "abc"})
    with pytest.raises(InputError, match="s3://bucket/prefix"):
        opened(tmp_path, "s3://plants/x", {**options, "aws_colour": "blue"})


@pytest.mark.slow
def test_a_writer_of_a_bucket_may_be_killed_at_any_moment(tmp_path: Path, url: str, options: dict[str, str]) -> None:
    opened(tmp_path, url, options).close()  # from here on the plant knows where its points are
    moment = random.Random(4711)
    for _ in range(3):
        check(tmp_path, run_and_kill(tmp_path, "compact", moment.uniform(0.2, 1.5)))


@pytest.mark.slow
@pytest.mark.parametrize("shared", ["folder", "bucket"])
def test_two_processes_write_and_compact_one_table_and_no_row_is_lost_or_doubled(
    tmp_path: Path, url: str, options: dict[str, str], shared: str
) -> None:
    place = url if shared == "bucket" else str(tmp_path / "table")
    writers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.store.together", place, name, str(tmp_path / name), str(options)], cwd=ROOT,
            stdout=subprocess.PIPE, text=True,
        )
        for name in ("one", "two")
    ]
    said = [child.communicate(timeout=120)[0].split() for child in writers]
    assert [child.returncode for child in writers] == [0, 0]
    from tests.store.together import ROWS, TIMES, table_at

    table = table_at(place, "reader", tmp_path / "reader", options)
    found = table.snapshot
    import duckdb

    rows = duckdb.sql(
        f"SELECT writer, count(*), count(DISTINCT (batch, t_ns)), sum(value) FROM {found.scan(also=['writer'])} "
        "GROUP BY writer ORDER BY writer"
    ).fetchall()
    expected = sum(range(TIMES * ROWS))
    assert rows == [(name, TIMES * ROWS, TIMES * ROWS, expected) for name in ("one", "two")]
    assert sum(int(number) for line in said for number in line[-1:]) > 0  # they did compact beside each other
    assert len(found.files) < 2 * TIMES


def test_a_plant_knows_where_its_points_are(tmp_path: Path, url: str, options: dict[str, str]) -> None:
    with opened(tmp_path, url, options) as store:
        declared(store).put(numbered(speeds([1, 2]), 0))
        store.flush()
    with open_store(tmp_path) as store:
        assert store.get().column("value").to_pylist() == [1, 2]
        assert not (tmp_path / "points").exists()
    with pytest.raises(StoreError, match="its points stand in s3://"):
        opened(tmp_path, f"{url}-other", options)


def test_plants_that_were_opened_in_their_folders_before_are_not_taken_for_one_another(
    tmp_path: Path, url: str, options: dict[str, str], clock: SimClock
) -> None:
    plants = [tmp_path / name for name in "ab"]
    for plant in plants:
        open_store(plant, clock).close()
    with opened(plants[0], url, options, clock) as a, opened(plants[1], url, options, clock) as b:
        declared(a).put(numbered(speeds([1, 2], thing="mill-1"), 0, "mqtt/a"))
        declared(b).put(numbered(speeds([7, 8], thing="mill-2"), 0, "mqtt/b"))
        assert (a.flush(), b.flush()) == (2, 2)
        assert a.get().num_rows == b.get().num_rows == 4


def test_a_copy_of_a_plant_that_is_open_elsewhere_is_told(tmp_path: Path, url: str, options: dict[str, str]) -> None:
    plant, twin = tmp_path / "plant", tmp_path / "twin"
    with opened(plant, url, options) as store:
        declared(store).put(numbered(speeds([1]), 0))
        store.flush()
    shutil.copytree(plant, twin)
    with open_store(plant) as store, open_store(twin) as copied:
        store.put(numbered(speeds([2], S), 1))
        store.flush()
        copied.put(numbered(speeds([3], 2 * S), 2))
        with pytest.raises(StoreError, match="another process flushes under the id of this plant"):
            copied.flush()
        assert store.get().column("value").to_pylist() == [1, 2]
        assert copied._journal.entries()


def test_an_object_store_that_does_not_answer_holds_up_no_put(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch, options: dict[str, str]
) -> None:
    with opened(tmp_path, url, options) as store:
        declared(store).put(numbered(speeds([1]), 0))
        place = store._tables[0].place

        def away(name: str) -> None:
            raise OSError(f"{name} cannot be sent")

        monkeypatch.setattr(place, "publish", away)
        with pytest.raises(StoreError, match="the table cannot be written"):
            store.flush()
        store.put(numbered(speeds([2], S), 1))
        monkeypatch.undo()
        assert store.flush() == 2
        assert store.get().column("value").to_pylist() == [1, 2]
        balanced(store.hops())


@pytest.mark.slow
def test_a_chart_holds_what_another_plant_brought(tmp_path: Path, url: str, options: dict[str, str]) -> None:
    with opened(tmp_path / "a", url, options) as a, opened(tmp_path / "b", url, options) as b:
        declared(a).put(numbered(speeds(range(90)), 0))
        declared(b)
        a.flush()
        alone = chart(a, "mill-1", "spindle.speed", 0, 180 * S, 3)
        assert (alone.schema.metadata[b"level"], alone.column("count").to_pylist()) == (str(60 * S).encode(), [60, 30])
        b.put(numbered(speeds(range(90), start_ns=90 * S), 0))
        b.flush()
        for store in (a, b):
            both = chart(store, "mill-1", "spindle.speed", 0, 180 * S, 3)
            assert (both.schema.metadata[b"level"], both.column("count").to_pylist()) == (b"0", [60, 60, 60])
            assert rollup(store, "mill-1", "spindle.speed").column("count").to_pylist() == [60, 60, 60]
