"""Keeping from the command line: the plant of a site is backed up, restored, rehearsed, trimmed and exported."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from loopwright.app import keep
from loopwright.app.cli import main
from loopwright.app.plant import open_plant
from loopwright.app.site import load_site
from loopwright.core.clock import SimClock
from loopwright.core.errors import SiteError, UnknownName
from loopwright.core.types import Person
from loopwright.store import User, open_store
from tests.store.plant import S, balanced, declared, numbered, speeds

DAY = 86_400 * S
SITE = """
[site]
name = "hall 3"
packs = []
[[kind]]
name = "mill"
meaning = "a mill"
signal = [{ name = "spindle.speed", unit = "rad/s", kind = "gauge", meaning = "How fast.", rate_hz = 10.0 }]
[[keep]]
kind = "mill"
signals = ["spindle.*"]
raw_days = 30
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site with a plant that holds values of long ago and of now."""
    path = tmp_path / "site.toml"
    path.write_text(SITE, "utf-8")
    with open_store(tmp_path / "plant") as store:
        declared(store)
        now_ns = store._clock.now_ns()
        store.put(numbered(speeds([1, 2], now_ns - 100 * DAY), 0))
        store.put(numbered(speeds([3], now_ns - DAY), 2))
        store.people.save(Person("p-1", {"stature": 1.8}, "left", {}, "ansur2", "female"))
    return path


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any, str]:
    """Exit status, the JSON document or the words, and what was said beside them."""
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    said = capsys.readouterr()
    return int(left.value.code or 0), json.loads(said.out) if "--json" in words and said.out else said.out, said.err


@pytest.mark.slow
def test_a_plant_is_backed_up_and_restored_in_one_command_each(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told, _ = run(capsys, "backup", tmp_path / "b", "--site", site, "--json")
    assert (code, told["generation"], told["samples"]) == (0, 1, 3)
    code, said, _ = run(capsys, "backup", tmp_path / "b", "--site", site, "--keep", 1)
    assert code == 0
    assert "generation 2 in" in said
    assert "removed: generation 1 (too many)" in said
    code, said, _ = run(capsys, "restore", tmp_path / "b", "--verify-only")
    assert (code, "generation 2 is whole: 3 samples, 0 events, nothing missing" in said) == (0, True)
    code, said, _ = run(capsys, "restore", tmp_path / "b", tmp_path / "new")
    assert (code, f"restored into {tmp_path}/new: 3 samples, 0 events, nothing missing" in said) == (0, True)
    assert (tmp_path / "new" / "site" / "site.toml").read_text("utf-8") == SITE
    code, _, why = run(capsys, "restore", tmp_path / "b", tmp_path / "new")
    assert (code, "it is not empty" in why) == (2, True)
    code, _, why = run(capsys, "restore", tmp_path / "b")
    assert (code, "--verify-only" in why) == (2, True)


def test_a_broken_backup_leaves_with_its_status_and_names_what_is_broken(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "backup", tmp_path / "b", "--site", site)
    largest = max((tmp_path / "b" / "files").glob("*/*"), key=lambda path: path.stat().st_size)
    largest.write_bytes(b"x" * largest.stat().st_size)
    code, told, _ = run(capsys, "restore", tmp_path / "b", "--verify-only", "--json")
    assert code == 5
    assert "was changed" in told["broken"][0]
    code, _, why = run(capsys, "restore", tmp_path / "b", tmp_path / "new")
    assert (code, "was changed" in why, (tmp_path / "new").exists()) == (5, True, False)


@pytest.mark.slow
def test_a_backup_is_taken_beside_a_process_that_holds_the_plant(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = (
        "import sys; from pathlib import Path; from loopwright.store import open_store\n"
        "store = open_store(Path(sys.argv[1])); print('held', flush=True); sys.stdin.readline(); store.close()\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "plant")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert run(capsys, "backup", tmp_path / "b", "--site", site)[0] == 0
        assert run(capsys, "export", tmp_path / "out", "--site", site)[0] == 0
        assert run(capsys, "rehearse", "--site", site)[0] == 0
        assert run(capsys, "retain", "--site", site, "--dry-run")[0] == 0
        status, _, why = run(capsys, "retain", "--site", site)
        assert (status, "it is being written by process" in why) == (5, True)
        process.communicate("\n")


def test_an_upgrade_is_rehearsed(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = run(capsys, "rehearse", "--site", site)
    assert code == 0
    assert "3 samples" in said
    assert "nothing changes" in said


def test_values_are_removed_by_the_lines_of_the_site(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = run(capsys, "retain", "--site", site, "--dry-run")
    assert (code, "2 rows (2 samples, 0 bytes) would go" in said) == (0, True)
    code, told, _ = run(capsys, "retain", "--site", site, "--json")
    assert (code, told["samples"], told["classes"][0]["class"]) == (0, 2, "mill: spindle.*")
    with open_store(tmp_path / "plant") as store:
        assert store.get().column("value").to_pylist() == [3]
        balanced(store.hops())
    code, _, why = run(capsys, "retain", "--site", tmp_path / "plant")
    assert (code, "no [[keep]] lines" in why) == (2, True)
    for words in (("retain", "--site"), ("rehearse", "--site"), ("backup", tmp_path / "b", "--site")):
        assert run(capsys, *words, tmp_path / "nothing")[0] == 2
    assert not (tmp_path / "nothing").exists()
    assert not (tmp_path / "b").exists()


def test_a_plant_that_runs_removes_once_a_day(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def days() -> list[int]:
        clock = SimClock(1_800_000_000 * S)
        counts = []
        with open_plant(load_site(site), clock=clock) as plant:
            task = asyncio.create_task(keep.daily(plant))
            for day in range(3):
                at = clock.now_ns() - 40 * DAY
                plant.store.put(numbered(speeds([5], at), day, "mqtt/daily"))
                await clock.advance(86_400)
                for _ in range(200):
                    await asyncio.sleep(0.02)
                    if len(plant.store.recall(kind="points.expired")) > day:
                        break
                counts.append(plant.store.hops()["points"].refused["expired"])
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return counts

    assert asyncio.run(days()) == [4, 5, 6]
    assert "rows of points" in capsys.readouterr().err


def test_lines_that_make_no_sense_are_refused_when_the_site_is_read(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    for line, word in (
        ("raw_days = -1", "days above 0"), ("raw_days = 9\nrollup_days = 1", "rollups for at least"), ("signals = [3]", "a list of names"),
    ):
        path.write_text(SITE + "[[keep]]\n" + line, "utf-8")
        with pytest.raises(SiteError, match=word) as why:
            load_site(path)
        assert "[[keep]] number 2" in str(why.value)
    path.write_text(SITE + "[[keep]]\nrawdays = 1", "utf-8")
    with pytest.raises(UnknownName, match="raw_days"):
        load_site(path)


def test_everything_is_exported_and_people_only_to_who_may(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = run(capsys, "export", tmp_path / "out", "--site", site, "--format", "csv", "--from", "2020-01-01")
    assert code == 0
    assert "points" in said
    assert (tmp_path / "out" / "README.md").is_file()
    code, _, why = run(capsys, "export", tmp_path / "x", "--site", site, "--what", "people")
    assert (code, "nobody says who takes it" in why) == (7, True)
    with open_store(tmp_path / "plant") as store:
        store.people.save_user(User("olga", "operator", "x"))
        store.people.save_user(User("erik", "engineer", "x"))
    people = ("export", tmp_path / "p", "--site", site, "--what", "people", "--why", "a move")
    assert run(capsys, *people, "--by", "olga")[0] == 7
    assert run(capsys, *people, "--by", "nobody")[0] == 2
    assert not (tmp_path / "p").exists()
    assert run(capsys, *people, "--by", "erik")[0] == 0
    assert "p-1" in (tmp_path / "p" / "people.jsonl").read_text("utf-8")
    assert run(capsys, "export", tmp_path / "y", "--site", site, "--from", "yesterday")[0] == 2


@pytest.mark.slow
def test_a_running_plant_is_trimmed_backed_up_and_exported_by_the_same_commands(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.write_text(SITE + "[server]\nport = 0\n", "utf-8")
    command = [sys.executable, "-m", "loopwright", "run", str(site)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if "console and API" in line:
                    break
            code, told, _ = run(capsys, "retain", "--site", site, "--json")
            assert (code, told["samples"], told["dry_run"]) == (0, 2, False)
            assert run(capsys, "backup", tmp_path / "b", "--site", site, "--json")[1]["hops"]["points"]["refused"] == 2
            assert run(capsys, "export", tmp_path / "out", "--site", site, "--json")[1]["rows"]["points"] == 1
            assert run(capsys, "restore", tmp_path / "b", tmp_path / "new")[0] == 0
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()
    with open_store(tmp_path / "new") as store:
        assert store.get().column("value").to_pylist() == [3]
        balanced(store.hops())
