"""`loopwright doctor`: what it says, over which range, of which source, and with which exit status it ends."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from loopwright.app.cli import main
from loopwright.app.plant import open_plant
from loopwright.app.site import load_site
from loopwright.core.clock import SimClock
from loopwright.core.errors import PlantBusy
from loopwright.core.types import Event
from loopwright.store import Store, open_store, reroll
from tests.store.plant import S, declared, numbered, plain, points, speeds

HOUR = 3600 * S


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three sources over three hours: one lost three of ten, one had two refused, one does not count."""
    clock = SimClock()
    clock.set_ns(clock.now_ns() // HOUR * HOUR)
    with declared_plant(tmp_path / "plant", clock) as store:
        store.put(numbered(speeds(range(7)), 0, "mqtt/mill-1#1", sent=10))
        clock.set_ns(clock.now_ns() + HOUR)
        store.note_sent("mqtt", "mqtt/mill-1#1", 10, "its battery died")
        store.put(numbered(points(("mill-2", "mode", 0, 9), ("mill-2", "parts", 0, -4), ("mill-2", "parts", 1, 4)), 0, "mqtt/mill-2#1"))
        store.flush()
        clock.set_ns(clock.now_ns() + HOUR)
        store.put(plain(speeds([5, 6], 50 * S)))
    return tmp_path / "plant"


def declared_plant(path: Path, clock: SimClock) -> Store:
    return declared(open_store(path, clock))


def asked(capsys: pytest.CaptureFixture[str], folder: Path, *more: str) -> tuple[int, Any]:
    """Exit status, and the document (or the words)."""
    with pytest.raises(SystemExit) as left:
        main(["doctor", "--site", str(folder), *more])
    out = capsys.readouterr().out
    return int(left.value.code or 0), json.loads(out) if "--json" in more else out


def test_it_names_the_source_that_lost_first_and_ends_with_5(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    code, words = asked(capsys, folder)
    assert code == 5
    lines = words.splitlines()
    assert lines[1] == "3 samples are lost: 3 of mqtt/mill-1#1"
    first = lines[lines.index("source by source, those that lost most first") + 1]
    assert first == (
        "mqtt/mill-1#1: in 10 = out 7 + duplicate 0 + refused 0 + waiting 0 + lost 3 (of out: 7 in the points; its battery died)")
    assert ("mqtt/mill-2#1: in 3 = out 1 + duplicate 0 + refused 2 + waiting 0 + lost 0 (refused: 1 out of range, 1 unknown code; "
            "of out: 1 in the points)") in lines
    assert any(line.startswith("http/press: in 2 = out 2 + ") and "lost not counted" in line and "2 in the journal" in line for line in lines)
    assert {"every account adds up", "3 samples lost"} <= set(lines)


def test_a_range_in_which_nothing_was_lost_is_healthy(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    start = SimClock().now_ns() // HOUR * HOUR
    code, found = asked(capsys, folder, "--json", "--from", str(start), "--to", str(start + HOUR))
    assert (code, found["lost"], found["hops"]["mqtt"]["waiting"]) == (0, 0, 3)  # on their way then, given up later
    code, found = asked(capsys, folder, "--json", "--from", str(start + HOUR))
    assert (code, found["lost"], found["hops"]["mqtt"]["in"]) == (5, 3, 6)
    code, found = asked(capsys, folder, "--json", "--from", "2001-01-01", "--to", "2001-01-02")
    assert (code, found["hops"]["mqtt"]["in"]) == (0, 0)


def test_one_source_is_asked_by_its_name_and_a_wrong_name_is_told(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    code, found = asked(capsys, folder, "--json", "--source", "mqtt/mill-2#1")
    assert (code, found["hops"]["mqtt"]["refused_by_reason"], len(found["sources"])) == (0, {"out of range": 1, "unknown code": 1}, 1)
    assert found["verdict"].startswith("nothing is lost: ")
    with pytest.raises(SystemExit) as left:
        main(["doctor", "--site", str(folder), "--source", "mqtt/mill-2#2"])
    assert left.value.code == 2
    assert "did you mean 'mqtt/mill-2#1'?" in capsys.readouterr().err


def test_deep_counts_the_rows_themselves(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    _, found = asked(capsys, folder, "--json", "--deep")
    assert (found["missing"], found["rollups"]) == (0, [])
    with open_store(folder) as store:
        store.flush()
        store.tables["points"].erase(["mill-2"])  # rows go, and nobody tells the books
    code, found = asked(capsys, folder, "--json", "--deep", "--source", "mqtt/mill-2#1")
    assert (code, found["missing"], found["hops"]["points"]["lost"]) == (5, 1, 1)
    assert "1 samples are lost: 1 in the points" in found["verdict"]
    code, found = asked(capsys, folder, "--json", "--source", "mqtt/mill-2#1")
    assert (code, found["hops"]["points"]["lost"]) == (5, 1)


def test_a_plant_that_is_being_written_is_looked_at_beside_it(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    with open_store(folder) as store:
        store.put(numbered(speeds([1, 2], 90 * S), 3, "mqtt/mill-2#1"))
        code, found = asked(capsys, folder, "--json", "--source", "mqtt/mill-2#1")
        assert (code, found["hops"]["mqtt"]["in"], found["unbalanced"]) == (0, 5, [])
        assert found["state"]["waiting"] == 4
        store.flush()
        code, found = asked(capsys, folder, "--json", "--source", "mqtt/mill-2#1", "--deep")
        assert (code, found["hops"]["points"]["out"], found["state"]["waiting"]) == (0, 3, 0)


def test_a_folder_without_a_plant_is_not_called_healthy_and_stays_as_it_is(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, found = asked(capsys, tmp_path / "tyop", "--json")
    assert (status, found["given"]) == (5, "there is no plant in it")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("harm", [lambda path: path.unlink(), lambda path: os.truncate(path, 4)])
def test_a_data_file_that_is_gone_or_cut_is_named_without_reading_them_all(
    capsys: pytest.CaptureFixture[str], folder: Path, harm: Callable[[Path], None]
) -> None:
    file = next((folder / "points").glob("*.parquet"))
    harm(file)
    status, found = asked(capsys, folder, "--json")
    assert status == 5
    assert found["broken"][0].startswith(f"points/{file.name}: ")
    assert file.name in found["verdict"]


def test_a_plant_on_a_disk_that_may_only_be_read_is_looked_at(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    done = subprocess.run(["mount", "--bind", "-o", "ro", str(folder), str(folder)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("mounting needs root")
    try:
        status, said = asked(capsys, folder)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    assert status == 5
    assert "3 samples are lost: 3 of mqtt/mill-1#1" in said


OWN_KIND = """
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


def test_states_and_rollups_that_differ_are_told_and_made_again(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text(OWN_KIND, "utf-8")
    with open_plant(load_site(site)) as plant:
        plant.store.put(numbered(speeds(range(100)), 0))
        plant.store.record([Event("thing.added", "mill-1", 1, "test", {"kind": "mill"})])
        plant.store.flush()
        with plant.store._flushing:
            reroll.write(plant.store)
        rollups = plant.store.tables["rollups"]
        assert asked(capsys, site, "--deep")[0] == 0
        rollups._rewrite(rollups.snapshot, list(rollups.snapshot.files), "level <> 60000000000")
    with closing(sqlite3.connect(tmp_path / "plant" / "events.sqlite")) as database, database:
        database.execute("UPDATE states SET kind = 'thing.removed'")
    code, found = asked(capsys, site, "--deep", "--json")
    assert (code, bool(found["states"]), bool(found["rollups"])) == (5, True, True)
    assert "states and links differ from the events" in found["verdict"]
    code, words = asked(capsys, site, "--mend")
    assert code == 0
    assert "made again: states and links, from 1 events" in words
    assert "made again: rollups of 1 series" in words
    assert asked(capsys, site, "--deep")[0] == 0
    with open_plant(load_site(site)), pytest.raises(SystemExit) as left:
        main(["doctor", "--site", str(site), "--mend"])
    assert left.value.code == PlantBusy.exit_code
