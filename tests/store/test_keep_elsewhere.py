"""Backup, restore, rehearsal and retention of a plant whose points stand in an object store."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopwright.core.clock import SimClock
from loopwright.core.errors import InputError, StoreError
from loopwright.core.types import Event
from loopwright.store import Store, open_store, upkeep
from loopwright.store.backup import backup, content, read_manifest
from loopwright.store.chart import chart
from loopwright.store.rehearse import rehearse
from loopwright.store.restore import restore, verify
from loopwright.store.retain import Keep, retain
from tests.store import bucket
from tests.store.plant import S, balanced, blocks, declared, numbered, speeds

DAY = 86_400 * S


@pytest.fixture(scope="module")
def options() -> Iterator[dict[str, str]]:
    with bucket.server() as found:
        yield found


@pytest.fixture
def url() -> str:
    return f"s3://plants/{uuid.uuid4().hex}"


def opened(folder: Path, url: str, options: dict[str, str], clock: SimClock | None = None) -> Store:
    return open_store(folder, clock, points_url=url, storage_options=options)


def filled(store: Store) -> None:
    declared(store)
    for i in range(9):
        store.put(numbered(speeds([i, i + 0.5], i * S, step_ns=S // 2), 2 * i))
        store.put(numbered(blocks(("mill-2", "vibration", i * S, 10, [i, 0.1, -0.0])), 3 * i, "mqtt/mill-2"))
        store.flush()
    upkeep.finish(store)
    store.put(numbered(speeds([99.0], 100 * S), 18))
    store.record([Event("thing.added", "mill-1", 1, "test", {"kind": "mill"})])


def names_below(url: str, options: dict[str, str], folder: Path) -> list[str]:
    from loopwright.store.bucket import BucketPlace

    return [name for one in ("points", "blocks") for name in BucketPlace(f"{url}/{one}", folder, options).names()]


@pytest.mark.slow
def test_a_plant_in_a_bucket_is_backed_up_verified_and_restored_into_a_folder(
    tmp_path: Path, url: str, options: dict[str, str]
) -> None:
    with opened(tmp_path / "plant", url, options) as store:
        filled(store)
        told = backup(store, tmp_path / "b")
        points, runs = store.get(), store.get(blocks=True)
        before = names_below(url, options, tmp_path / "unused")
        assert verify(tmp_path / "b")["broken"] == []
        restore(tmp_path / "b", tmp_path / "again")
        assert names_below(url, options, tmp_path / "unused") == before, "nothing of it touched the bucket"
    assert told["samples"] == 9 * 5 + 1
    assert not any("cache" in entry["path"] for entry in told["files"])
    with open_store(tmp_path / "again") as again:
        assert not again.tables["points"].place.shared
        assert again.get().equals(points)
        assert again.get(blocks=True).equals(runs)
        again.put(numbered(speeds([100.0], 101 * S), 19))
        assert again.flush() == 2
        assert again.get().num_rows == points.num_rows + 1
        balanced(again.hops())


@pytest.mark.slow
def test_a_next_backup_fetches_only_what_is_new(
    tmp_path: Path, url: str, options: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from loopwright.store.bucket import BucketPlace

    fetched: list[str] = []
    fetch = BucketPlace.fetch

    def noted(place: BucketPlace, name: str, path: Path) -> None:
        if name.endswith(".parquet"):
            fetched.append(name)
        fetch(place, name, path)

    with opened(tmp_path / "plant", url, options) as store:
        filled(store)
        for file in (tmp_path / "plant" / "cache").rglob("*.parquet"):
            file.unlink()
        monkeypatch.setattr(BucketPlace, "fetch", noted)
        backup(store, tmp_path / "b")
        first = len(fetched)
        store.flush()
        for file in (tmp_path / "plant" / "cache").rglob("*.parquet"):
            file.unlink()
        backup(store, tmp_path / "b")
    assert first == len(set(fetched[:first])) > 1
    assert len(fetched) == first + 1, "the file of the flush"


@pytest.mark.slow
def test_a_plant_moves_to_another_bucket_and_out_of_a_folder_by_restoring_it_there(
    tmp_path: Path, url: str, options: dict[str, str], clock: SimClock
) -> None:
    with open_store(tmp_path / "plant", clock) as store:
        filled(store)
        points = store.get()
    backup(tmp_path / "plant", tmp_path / "b")
    restore(tmp_path / "b", tmp_path / "moved", points_url=url, storage_options=options, clock=clock)
    with pytest.raises(InputError, match="objects are there already"):
        restore(tmp_path / "b", tmp_path / "twice", points_url=url, storage_options=options)
    assert not (tmp_path / "twice").exists()
    with open_store(tmp_path / "moved", clock) as moved:  # it knows where its points are
        assert moved.tables["points"].place.uri == f"{url}/points"
        assert not (tmp_path / "moved" / "points").exists()
        assert moved.get().equals(points)
        moved.flush()
        balanced(moved.hops())
    backup(tmp_path / "moved", tmp_path / "b2")
    restore(tmp_path / "b2", tmp_path / "third", points_url=f"{url}-b", storage_options=options, clock=clock)
    with open_store(tmp_path / "third", clock) as third, open_store(tmp_path / "moved", clock) as moved:
        third.put(numbered(speeds([7.0], 200 * S), 19))
        third.flush()
        assert third.get().num_rows == points.num_rows + 1
        assert moved.get().equals(points)
        balanced(third.hops())


def test_a_broken_content_is_found_and_nothing_comes_into_the_bucket(
    tmp_path: Path, url: str, options: dict[str, str]
) -> None:
    with opened(tmp_path / "plant", url, options) as store:
        filled(store)
    told = backup(tmp_path / "plant", tmp_path / "b")
    entry = next(one for one in told["files"] if one["path"].startswith("points/v2-"))
    path = content(tmp_path / "b", entry["sha256"])
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert "was changed" in verify(tmp_path / "b")["broken"][0]
    with pytest.raises(StoreError, match="was changed"):
        restore(tmp_path / "b", tmp_path / "again", points_url=f"{url}-b", storage_options=options)
    assert names_below(f"{url}-b", options, tmp_path / "unused") == []


@pytest.mark.slow
def test_of_several_plants_each_is_backed_up_with_the_points_of_all(
    tmp_path: Path, url: str, options: dict[str, str], clock: SimClock
) -> None:
    with opened(tmp_path / "a", url, options, clock) as a, opened(tmp_path / "b", url, options, clock) as b:
        declared(a).put(numbered(speeds(range(90)), 0, "mqtt/a"))
        declared(b).put(numbered(speeds([7, 8, 9], 500 * S), 0, "mqtt/b"))
        a.flush()
        b.flush()
        a._tables[0]._rewrite(a._tables[0].refresh(), list(a._tables[0].snapshot.files))  # rows of both in one file
        a.put(numbered(speeds([4], 90 * S), 90, "mqtt/a"))
        a.flush()
        backup(a, tmp_path / "of-a")
    restore(tmp_path / "of-a", tmp_path / "again", clock=clock)
    with open_store(tmp_path / "again", clock) as again:
        assert again.get().num_rows == 94
        assert again.hops()["points"].out == 91
        shown = chart(again, "mill-1", "spindle.speed", 0, 600 * S, 10)
        assert (sum(shown.column("count").to_pylist()), shown.schema.metadata[b"level"]) == (94, b"0")
        again.put(numbered(speeds([5], 91 * S), 91, "mqtt/a"))
        assert again.flush() == 1
        assert again.hops()["points"].out == 92
        balanced(again.hops())


@pytest.mark.slow
def test_backups_beside_two_plants_that_flush_all_the_time_are_each_one_instant(
    tmp_path: Path, url: str, options: dict[str, str]
) -> None:
    ended = threading.Event()
    with opened(tmp_path / "a", url, options) as a, opened(tmp_path / "b", url, options) as b:
        declared(a)
        declared(b)

        def write(store: Store, thing: str) -> None:
            number = 0
            while not ended.is_set():
                store.put(numbered(speeds([number], number * S, thing=thing), number, f"mqtt/{thing}"))
                store.flush()
                number += 1

        threads = [threading.Thread(target=write, args=one) for one in ((a, "mill-1"), (b, "mill-2"))]
        for thread in threads:
            thread.start()
        try:
            for _ in range(3):
                backup(tmp_path / "a", tmp_path / "of-a")
        finally:
            ended.set()
            for thread in threads:
                thread.join()
    for generation in (1, 2, 3):
        folder = tmp_path / f"again-{generation}"
        manifest = read_manifest(tmp_path / "of-a" / "generations" / f"{generation:06}.json")
        restore(tmp_path / "of-a", folder, generation=generation)
        with open_store(folder) as again:
            own = again.get(things="mill-1").column("value").to_pylist()
            assert own == list(range(len(own)))
            assert len(own) == manifest["samples"]
            balanced(again.hops())


@pytest.mark.slow
def test_a_copy_of_a_plant_in_a_bucket_is_rehearsed(tmp_path: Path, url: str, options: dict[str, str]) -> None:
    with opened(tmp_path / "plant", url, options) as store:
        filled(store)
        before = names_below(url, options, tmp_path / "unused")
        told = rehearse(tmp_path / "plant")
        assert names_below(url, options, tmp_path / "unused") == before
    assert (told["broken"], told["samples"]) == ([], 46)
    assert told["before"]["rows"]["points"] == 18


def test_old_values_in_a_bucket_go_and_those_of_several_plants_are_refused(
    tmp_path: Path, url: str, options: dict[str, str], clock: SimClock
) -> None:
    now_ns = clock.now_ns()
    rules = [Keep(raw_days=30)]
    with opened(tmp_path / "a", url, options, clock) as a:
        declared(a).put(numbered(speeds([1, 2], now_ns - 100 * DAY), 0, "mqtt/a"))
        a.put(numbered(speeds([3], now_ns - DAY), 2, "mqtt/a"))
        assert retain(a, rules, now_ns)["samples"] == 2
        assert a.get().column("value").to_pylist() == [3]
        assert a.hops()["points"].as_dict()["refused_by_reason"] == {"expired": 2}
        balanced(a.hops())
        with opened(tmp_path / "b", url, options, clock) as b:
            declared(b).put(numbered(speeds([7], now_ns - 100 * DAY), 0, "mqtt/b"))
            b.flush()
        with pytest.raises(StoreError, match="other plants have rows in it"):
            retain(a, rules, now_ns)
        assert a.get().num_rows == 2


@pytest.mark.slow
def test_the_first_plant_of_a_bucket_counts_its_own_rows_only(
    tmp_path: Path, url: str, options: dict[str, str], clock: SimClock
) -> None:
    from tests.store.test_object_store import copy

    with open_store(tmp_path / "first", clock) as first:
        declared(first).put(numbered(speeds(range(120)), 0))
        first.flush()
    copy(tmp_path / "first", url, options)
    with opened(tmp_path / "first", url, options, clock) as first, opened(tmp_path / "b", url, options, clock) as b:
        declared(b).put(numbered(speeds(range(60), 120 * S), 0, "mqtt/b"))
        b.flush()
        b._tables[0]._rewrite(b._tables[0].refresh(), list(b._tables[0].snapshot.files))
        for store, own in ((first, 120), (b, 60)):
            assert store.get().num_rows == 180
            assert store.hops()["points"].out == own
            balanced(store.hops())
            assert chart(store, "mill-1", "spindle.speed", 0, 180 * S, 3).column("count").to_pylist() == [60, 60, 60]
