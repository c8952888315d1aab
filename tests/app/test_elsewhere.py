"""A plant whose points stand in an object store and whose events stand in PostgreSQL, from its site file alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loopwright.app.cli import main
from loopwright.app.opening import open_site
from loopwright.app.plant import open_plant
from loopwright.app.site import checked, load_site
from loopwright.core.errors import SiteError, StoreError
from loopwright.core.types import Event
from loopwright.store import open_store
from tests.store import bucket, postgres
from tests.store.plant import S, balanced, numbered, speeds

SITE = """
[site]
name = "hall 3"
packs = []
[[kind]]
name = "mill"
meaning = "a mill"
signal = [{ name = "spindle.speed", unit = "rad/s", kind = "gauge", meaning = "How fast.", rate_hz = 10.0 }]
[[machine]]
id = "mill-1"
kind = "mill"
role = "mill"
"""


@pytest.fixture(scope="module")
def options() -> Iterator[dict[str, str]]:
    with bucket.server() as found:
        yield found


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgres.server() as found:
        yield found


def site_of(folder: Path, store: str) -> Path:
    path = folder / "site.toml"
    path.write_text(f"{SITE}\n[store]\n{store}\n", "utf-8")
    return path


def in_bucket(folder: Path, options: dict[str, str]) -> str:
    given = ", ".join(f'{name} = "{value}"' for name, value in options.items())
    return f'points_url = "s3://plants/{abs(hash(folder))}"\npoints_options = {{ {given} }}'


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any, str]:
    """Exit status, the JSON document or the words, and what was said beside them."""
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    said = capsys.readouterr()
    return int(left.value.code or 0), json.loads(said.out) if "--json" in words and said.out else said.out, said.err


def filled(path: Path) -> None:
    with open_plant(load_site(path)) as plant:
        plant.store.put(numbered(speeds([1, 2, 3]), 0))
        plant.store.flush()
        plant.store.put(numbered(speeds([4], 3 * S), 3))
        plant.store.record([Event("thing.added", "mill-1", 1, "test", {"kind": "mill"})])


@pytest.mark.slow
def test_points_in_an_object_store_are_asked_for_by_the_site_file(
    tmp_path: Path, options: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = site_of(tmp_path, in_bucket(tmp_path, options))
    filled(path)
    assert not (tmp_path / "plant" / "points").exists()
    code, found, _ = run(capsys, "query", "SELECT sum(value) AS s FROM points", "--site", path, "--format", "json")
    assert (code, json.loads(found)) == (0, [{"s": 10.0}])
    code, found, _ = run(capsys, "doctor", "--site", path, "--deep", "--json")
    assert (code, found["lost"], found["missing"], found["rollups"]) == (0, 0, 0, [])
    code, found, _ = run(capsys, "doctor", "--site", tmp_path / "plant", "--json")
    assert (code, found["hops"]["points"]["out"], found["hops"]["journal"]["waiting"]) == (0, 3, 1)
    with pytest.raises(SiteError, match="a part of this plant stands elsewhere"), open_plant(load_site(path), fresh=True):
        pass
    with open_site(path) as store:
        assert store.get().column("value").to_pylist() == [1, 2, 3, 4]
        balanced(store.hops())


@pytest.mark.slow
def test_events_in_a_database_are_asked_for_by_the_site_file(
    tmp_path: Path, database: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = site_of(tmp_path, 'events_url_env = "HALL_3_EVENTS"')
    with pytest.raises(SiteError, match="'HALL_3_EVENTS' is not set"), open_plant(load_site(path)):
        pass
    monkeypatch.setenv("HALL_3_EVENTS", database.replace("postgresql+psycopg", "postgresql"))
    filled(path)
    assert not (tmp_path / "plant" / "events.sqlite").exists()
    code, found, _ = run(capsys, "doctor", "--site", path, "--json")
    assert (code, found["events"]["count"], found["events"]["whole"]) == (0, 1, True)
    code, found, _ = run(capsys, "query", "SELECT count(*) AS n FROM events", "--site", path, "--format", "json")
    assert (code, json.loads(found)) == (0, [{"n": 1}])
    code, found, _ = run(capsys, "backup", tmp_path / "backups", "--site", path, "--json")
    assert (code, found["events"]["count"], found["samples"]) == (0, 1, 4)
    code, found, _ = run(capsys, "rehearse", "--site", path, "--json")
    assert (code, found["broken"], found["after"]["events"]) == (0, [], 1)
    code, _, why = run(capsys, "doctor", "--site", tmp_path / "plant")
    assert (code, "its events stand in postgresql+psycopg://" in why, "[store] events_url_env" in why) == (5, True, True)
    with pytest.raises(SiteError, match="a part of this plant stands elsewhere"), open_plant(load_site(path), fresh=True):
        pass


@pytest.mark.slow
def test_a_plant_moves_out_of_its_folder_by_a_backup_and_a_site_file(
    tmp_path: Path, options: dict[str, str], database: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "new").mkdir()
    old = site_of(tmp_path, "")
    filled(old)
    code, _, _ = run(capsys, "backup", tmp_path / "backups", "--site", old)
    assert code == 0
    import sqlalchemy as sa

    admin = sa.create_engine(database, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text("CREATE DATABASE moved"))
    admin.dispose()
    monkeypatch.setenv("HALL_3_EVENTS", database.rsplit("/", 1)[0] + "/moved")
    new = site_of(tmp_path / "new", in_bucket(tmp_path / "new", options) + '\nevents_url_env = "HALL_3_EVENTS"')
    code, told, _ = run(capsys, "restore", tmp_path / "backups", "--site", new, "--json")
    assert (code, told["samples"], told["events"]) == (0, 4, 1)
    with open_site(new) as store:
        assert store.tables["points"].place.shared
        assert not (tmp_path / "new" / "plant" / "events.sqlite").exists()
        assert store.get().column("value").to_pylist() == [1, 2, 3, 4]
        assert [event.kind for event in store.recall()] == ["thing.added", "plant.restored"]
        balanced(store.hops())
    code, _, why = run(capsys, "restore", tmp_path / "backups", tmp_path / "x", "--site", new)
    assert (code, "one of them" in why) == (2, True)


def test_events_in_the_folder_are_not_left_behind_for_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(tmp_path / "plant") as store:
        store.record([Event("thing.added", "mill-1", 1, "test", {"kind": "mill"})])
    path = site_of(tmp_path, 'events_url_env = "HALL_3_EVENTS"')
    monkeypatch.setenv("HALL_3_EVENTS", "postgresql://loop@127.0.0.1:1/x")
    with pytest.raises(StoreError, match="its events stand in its folder"):
        open_site(path)


@pytest.mark.parametrize(("store", "said"), [
    ('points_url = "hall-3"', "'s3://bucket/prefix'"),
    ('points_options = { aws_region = "eu" }', "without points_url"),
    ('points_url = "s3://a/b"\npoints_options = { aws_secret_access_key = "x" }', "no secrets"),
    ('points_url = "s3://a/b"\npoints_options = { aws_allow_http = true }', "texts"),
    ('points_url = "s3://a/b"\n[edge]\nname = "e"\ncentre = "http://127.0.0.1:1"', "keeps what waits in its own folder"),
])
def test_a_store_that_cannot_be_is_told_when_the_site_is_read(tmp_path: Path, store: str, said: str) -> None:
    with pytest.raises(SiteError) as told:
        load_site(site_of(tmp_path, store))
    assert said in str(told.value)


@pytest.mark.parametrize("url", ["mysql://a:geheim@b/c", "geheim", "postgresql://loop:geheim@host", "postgresql://h:geheim/x"])
def test_an_address_of_events_that_is_none_is_told_without_its_password(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HALL_3_EVENTS", url)
    site = load_site(site_of(tmp_path, 'events_url_env = "HALL_3_EVENTS"'))
    assert ("events", "database in $HALL_3_EVENTS") in checked(site)
    with pytest.raises(SiteError, match="holds no URL of a PostgreSQL database") as told:
        open_site(site)
    assert "geheim" not in str(told.value)
