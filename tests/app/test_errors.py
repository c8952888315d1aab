"""When things go wrong: every mistake is told in one sentence, with an exit status, and leaves the plant as it was.

The sentence says where, what was given, what is allowed and what to do; there is no traceback; a second, correct run
goes on. Files and site files are tried through the command line's own `main`; what needs another process through the
command itself.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import os
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from loopwright.app.cli import main
from loopwright.app.site import bare_site
from loopwright.connect.broker import embedded
from loopwright.connect.wire import LOOPBACK, free_port
from loopwright.store import open_store
from tests.app.shop import (
    COMMAND,
    MILLS,
    SITE,
    doctor,
    loopwright,
    machines,
    running,
    shot_lines,
    small_data,
    small_shop,
    turned,
    write_persons,
    write_shots,
)


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Runs a command in this process: exit status, standard output, standard error."""
    with pytest.raises(SystemExit) as leave:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(leave.value.code or 0), out, err


def fingerprint(plant: Path) -> dict[str, Any]:
    """What a plant holds: events and their last hash, persons, points, accounts."""
    with open_store(plant, read_only=True) as store:
        check = store.events.verify()
        return {"events": check.length, "head": check.head, "persons": len(store.people.find()), "points": store.get().num_rows,
                "hops": {name: hop.as_dict() for name, hop in store.hops().items()}, "things": sorted(store.things())}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_data(tmp_path_factory.mktemp("data"), persons=12, runs=3, rows=30)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """A plant that knows some persons and shots."""
    folder = tmp_path_factory.mktemp("plants") / "some.plant"
    for what, name in (("persons", "persons/people.csv"), ("shots", "shots/garmin_r10.csv")):
        with pytest.raises(SystemExit) as leave:
            main(["import", what, str(data / name), "--site", str(folder)])
        assert not leave.value.code
    return folder


# files

Change = Callable[[str], str | bytes]
HEADER = "id,stature_mm,wrist_height_mm,hand_length_mm,handedness"


def with_row(row: str) -> Change:
    return lambda text: text + row + "\n"


def without(column: int) -> Change:
    return lambda text: "\n".join(",".join(c for i, c in enumerate(line.split(",")) if i != column) for line in text.splitlines())


BAD: list[tuple[str, str, str, Change, tuple[str, ...]]] = [
    # what it shows, what is imported, from which file, how it is spoilt, what the sentence must hold
    ("a column is missing", "persons", "persons/people.csv", without(2), ("header", "wrist_height_mm", "allowed")),
    ("a column is misspelt", "persons", "persons/people.csv", lambda t: t.replace("stature_mm", "statue_mm"), ("stature_mm", "statue_mm")),
    ("a column names no unit", "persons", "persons/people.csv", lambda t: t.replace("stature_mm", "stature"), ("names no unit", "stature_mm")),
    ("metres in a column of mm", "persons", "persons/people.csv",
     lambda t: "\n".join([HEADER, "a,1.74,0.85,0.19,right", "b,1.80,0.87,0.2,left"]), ("looks like metres", "allowed", "mm")),
    ("one row in metres", "persons", "persons/people.csv", with_row("x-1,1.74,0.85,0.19,right,male"), ("looks like metres", "line", "1 of 13")),
    ("a negative height", "persons", "persons/people.csv", with_row("x-1,-1740,850,190,right,male"), ("-1740", "not above 0", "1 of 13")),
    ("only negative heights", "persons", "persons/people.csv", lambda t: f"{HEADER}\na,-1740,850,190,right\n", ("-1740", "allowed")),
    ("an id twice", "persons", "persons/people.csv", with_row("p-001,1700,830,185,right,male"), ("p-001", "stands twice")),
    ("an id known otherwise", "persons", "persons/people.csv",
     lambda t: f"{HEADER}\np-001,1701,830,185,right\n", ("p-001", "already known with other measures")),
    ("a hand that is none", "persons", "persons/people.csv", with_row("x-1,1740,850,190,middle,male"), ("middle", "right or left")),
    ("a word for a number", "persons", "persons/people.csv", with_row("x-1,tall,850,190,right,male"), ("tall", "not a number")),
    ("a file that ends in the middle of a row", "persons", "persons/people.csv", lambda t: t[:-25], ("cells under", "columns")),
    ("an empty file", "persons", "persons/people.csv", lambda t: "", ("is empty",)),
    ("a header alone", "persons", "persons/people.csv", lambda t: HEADER + "\n", ("holds a header and no row",)),
    ("a gzip file cut off", "persons", "persons/people.csv", lambda t: gzip.compress(t.encode() * 50)[:300], ("cut-off or damaged gzip",)),
    ("bytes that are no text", "persons", "persons/people.csv", lambda t: bytes(range(256)) * 4, ("is not a text file",)),
    ("a picture's name for a zip", "persons", "persons/people.csv", lambda t: b"PK\x03\x04rest", ("spreadsheet or zip", "CSV")),
    ("shots given as persons", "shots", "persons/people.csv", lambda t: t, ("columns are missing", "allowed")),
    ("persons given as swings", "swings", "persons/people.csv", lambda t: t, ("columns are missing", "allowed")),
    ("a unit that is none", "shots", "shots/garmin_r10.csv", lambda t: t.replace("[km/h]", "[parsec]"), ("parsec", "km/h", "column")),
    ("a length for a speed", "shots", "shots/garmin_r10.csv", lambda t: t.replace("[km/h]", "[m]"), ("[m]", "km/h")),
    ("a shot cut off", "shots", "shots/garmin_r10.csv", lambda t: t[:-90], ("cut off", "1 of 26")),
    ("a day that is none", "shots", "shots/garmin_r10.csv",
     lambda t: t.replace("10/09/2025 18:", "31/02/2025 99:"), ("time not readable", "allowed")),
    ("swings without golfers", "swings", "swings/caddieset.csv", lambda t: t.replace("GolferId", "Golfer"), ("GolferId", "Golfer")),
    ("a swing cut off", "swings", "swings/caddieset.csv", lambda t: t[:-30], ("cut off", "1 of 24")),
]


@pytest.mark.parametrize(("what", "file", "change", "words"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_bad_file_is_told_and_nothing_of_it_is_kept(capsys, tmp_path, plant, data, what, file, change, words):
    text = (data / file).read_text("utf-8-sig")
    spoilt, path = change(text), tmp_path / Path(file).name
    path.write_bytes(spoilt if isinstance(spoilt, bytes) else spoilt.encode())
    before = fingerprint(plant)
    code, out, err = said(capsys, "import", what, path, "--site", plant)
    assert code == 2
    assert err.startswith("loopwright: ")
    assert str(path) in err, "it says where"
    for word in words:
        assert word in err, (word, err)
    assert out == ""
    assert "Traceback" not in err
    assert fingerprint(plant) == before
    code, out, err = said(capsys, "import", what, path, "--site", plant, "--json")
    assert code == 2
    told = json.loads(out)
    assert set(told) == {"error", "where", "given", "allowed", "todo"}
    assert told["given"]


def test_a_correct_file_goes_on_after_all_the_bad_ones(capsys, tmp_path, plant):
    path = write_persons(tmp_path / "more.csv", 3, seed=9, first=500)
    code, out, _ = said(capsys, "import", "persons", path, "--site", plant)
    assert (code, "3 stored, 0 duplicate, 0 refused" in out) == (0, True)
    code, out, _ = said(capsys, "import", "persons", path, "--site", plant)
    assert (code, "0 stored, 3 duplicate, 0 refused" in out) == (0, True)


def test_partly_keeps_the_rows_that_can_be_used_and_counts_the_others(capsys, tmp_path, data):
    path = tmp_path / "people.csv"
    path.write_text((data / "persons" / "people.csv").read_text() + "x-1,-1740,850,190,right,male\n")
    code, out, _ = said(capsys, "import", "persons", path, "--site", tmp_path / "p", "--partly")
    assert code == 0
    assert "13 rows of persons, 12 stored, 0 duplicate, 1 refused (stature not above 0: 1)" in out


def test_of_several_files_none_is_kept_when_one_is_bad(capsys, tmp_path, plant):
    good, bad = write_persons(tmp_path / "good.csv", 3, first=800), tmp_path / "bad.csv"
    bad.write_text("")
    before = fingerprint(plant)
    assert said(capsys, "import", "persons", good, bad, "--site", plant)[0] == 2
    assert fingerprint(plant) == before


@pytest.mark.parametrize(("what", "given", "words"), [
    ("persons", "persons", ("is a folder", "name the file in it")),
    ("shots", "nowhere.csv", ("is not there", "check the name")),
    ("runs", "persons/people.csv", ("is not a folder", "experiment_01.csv")),
    ("runs", "shots", ("holds no runs", "experiment_NN.csv")),
])
def test_a_folder_for_a_file_or_a_file_for_a_folder_is_told(capsys, plant, data, what, given, words):
    before = fingerprint(plant)
    code, _, err = said(capsys, "import", what, data / given, "--site", plant)
    assert code == 2
    assert all(word in err for word in words), err
    assert fingerprint(plant) == before


@pytest.mark.parametrize(("name", "text", "words"), [
    ("experiment_02.csv", "", ("experiment_02.csv", "empty")),
    ("experiment_02.csv.gz", b"\x1f\x8b\x08broken", ("experiment_02.csv.gz", "broken or cut off")),
    ("experiment_01.csv", "a,b\n1,2\n", ("run 1 is already there",)),
    ("labels.csv", "No,feedrate\n1,6\n", ("labels.csv", "toolcondition")),
    ("labels.csv", "No,feedrate,clamp_pressure,tool_condition\n1,6,4,blunt\n", ("labels.csv:2", "blunt", "worn, unworn")),
    ("labels.csv", "No,feedrate,clamp_pressure,tool_condition\n1,6,4,worn\n1,6,4,worn\n", ("labels.csv:3", "twice")),
])
def test_a_bad_folder_of_runs_is_told(capsys, tmp_path, plant, data, name, text, words):
    folder = shutil.copytree(data / "runs", tmp_path / "runs")
    if name.startswith("experiment_02"):
        (folder / "experiment_02.csv.gz").unlink()
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    before = fingerprint(plant)
    code, _, err = said(capsys, "import", "runs", folder, "--site", plant)
    assert code == 2
    assert all(word in err for word in words), err
    assert fingerprint(plant) == before


# site files and arguments

SITES: list[tuple[str, str, str, tuple[str, ...]]] = [
    ("an unknown table", "[shifts]", "[shift]", ("'shift'", "shifts")),
    ("an unknown key", "pairing_seed", "paring_seed", ("'paring_seed'", "pairing_seed")),
    ("an unknown kind", 'kind = "bench"', 'kind = "banch"', ("'banch'", "did you mean 'bench'")),
    ("a number as a word", "seed = 7", 'seed = "seven"', ("'seven' is str", "allowed: int")),
    ("no machine of a role", 'role = "bend"', 'role = "bent"', ("bend",)),
    ("no such shift", '"06:00-14:00"', '"06:00-27:00"', ("06:00-27:00",)),
    ("a day that is none", '"mon"', '"moonday"', ("'moonday'", "mon")),
    ("not TOML", "[site]", "[site", ("is not TOML",)),
    ("globs that match nothing", "persons/*.csv*", "people/*.xlsx", ("holds no body measures", "people/*.xlsx", "[input]")),
    ("a kind of link that is none", 'protocol = "mqtt"', 'protocol = "mqqt"', ("'mqqt'", "mqtt")),
    ("an unknown setting of a link", 'protocol = "mqtt"', 'protocol = "mqtt", prot = 1', ("'prot'", "port")),
    ("a key of a player that is none", 'source = "recording"', 'source = "recording", speed = 3', ("'speed'", "allowed: runs, source")),
    ("a time zone that is none", "Europe/Berlin", "Europe/Berlinn", ("Europe/Berlinn", "IANA")),
    ("an origin without a zone", "06:00:00+01:00", "06:00:00", ("origin", "zone")),
]


@pytest.mark.parametrize(("old", "new", "words"), [row[1:] for row in SITES], ids=[row[0] for row in SITES])
def test_a_wrong_site_file_is_told_before_anything_is_made(capsys, tmp_path, data, old, new, words):
    text = SITE + machines()
    assert old in text
    site = small_shop(tmp_path, data=False, text=text.replace(old, new, 1))
    code, out, err = said(capsys, "turn", site, "--data", data, "--orders", 2)
    assert code != 0
    assert all(word in err for word in words), err
    assert "Traceback" not in err
    assert out == ""


@pytest.mark.parametrize(("arguments", "words"), [
    (("turn", "SITE", "--data", "nowhere"), ("--data", "there is no such folder", "a folder that holds the site's inputs")),
    (("turn", "SITE", "--data", "FILE"), ("--data", "is not a folder")),
    (("turn", "SITE", "--orders", "0"), ("--orders", "greater than or equal to 1", "--orders 0")),
    (("turn", "SITE", "--orders", "many"), ("--orders", "a valid integer", "--orders many")),
    (("turn", "SITE", "--orders", "99"), ("99 orders need 99 persons, 12", "import persons")),
    (("turn", "SITE", "--date", "x"), ("--date", "--data")),
    (("turn", "none.toml"), ("none.toml", "there is no such file", "site.toml")),
    (("turn", "DATA"), ("is a folder", "site file")),
    (("run", "none.toml"), ("none.toml", "there is no such file")),
    (("check", "none.toml"), ("none.toml", "there is no such file")),
    (("report", "--site", "PLANT"), ("no turn of this plant has finished", "loopwright turn")),
    (("import", "persons", "FILE"), ("--site",)),
    (("import", "horses", "FILE", "--site", "EMPTY"), ("horses",)),
    (("import", "shots", "SHOTS", "--site", "EMPTY", "--unit", "T9"), ("there is no 'T9'",)),
    (("changes", "approve", "change-1", "--site", "PLANT", "--by", "anna"), ("change-1",)),
    (("users", "add", "mara", "boss", "--site", "EMPTY"), ("'boss'", "operator")),
    (("consent", "p-404", "coaching", "--site", "PLANT"), ("'p-404'",)),
    (("claim", "T001-A001-1", "ABCDE-12345", "--person", "p-404", "--site", "PLANT"), ("'p-404'",)),
    (("doctor", "--site", "FILE"), ("people.csv", "is not TOML")),
])
def test_a_wrong_argument_is_told(capsys, tmp_path, data, plant, monkeypatch, arguments, words):
    site = small_shop(tmp_path, data=False)
    names = {"SITE": site, "DATA": data, "EMPTY": tmp_path / "empty.plant", "PLANT": plant, "FILE": data / "persons" / "people.csv",
             "SHOTS": data / "shots" / "garmin_r10.csv"}
    given = [names.get(word, word) for word in arguments]
    if "99" in arguments or "many" in arguments or "0" in arguments:
        given += ["--data", data]
    monkeypatch.setattr("sys.stdin", io.StringIO())
    code, out, err = said(capsys, *given)
    assert code != 0
    assert all(word in err for word in words), err
    assert out == ""
    assert "Traceback" not in err


# folders of plants


def test_a_plant_folder_that_is_a_file_is_told(capsys, tmp_path, data):
    (tmp_path / "plant").write_text("not a plant")
    site = small_shop(tmp_path, data=False)
    code, _, err = said(capsys, "turn", site, "--data", data)
    assert (code, "it is a file" in err, "name the plant's folder" in err) == (5, True, True)
    assert (tmp_path / "plant").read_text() == "not a plant"


def test_fresh_does_not_empty_a_folder_that_is_no_plant(capsys, tmp_path, data):
    (tmp_path / "plant").mkdir()
    (tmp_path / "plant" / "thesis.tex").write_text("years of work")
    code, _, err = said(capsys, "turn", small_shop(tmp_path, data=False), "--data", data, "--fresh")
    assert (code, "is not the folder of a plant, so it is not emptied" in err) == (2, True)
    assert (tmp_path / "plant" / "thesis.tex").read_text() == "years of work"


# root may write everywhere, unless it gives that right away
PLAIN = ("setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override") if os.geteuid() == 0 else ()


@pytest.mark.slow
@pytest.mark.skipif(bool(PLAIN) and not shutil.which("setpriv"), reason="run as root without setpriv (util-linux)")
def test_a_plant_that_may_not_be_written_is_told(tmp_path, data, plant):
    people = data / "persons" / "people.csv"
    (tmp_path / "locked").mkdir(mode=0o500)
    copy = shutil.copytree(plant, tmp_path / "copy")
    before = fingerprint(copy)
    for path in (copy, *copy.rglob("*")):
        path.chmod(0o500 if path.is_dir() else 0o400)
    for folder in (tmp_path / "locked" / "p", copy):
        command = [*PLAIN, str(COMMAND), "import", "persons", str(people), "--site", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, "a folder you may write" in done.stderr, done.stdout) == (5, True, ""), done.stderr
    for path in (copy, *copy.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    assert fingerprint(copy) == before


@pytest.mark.parametrize("name", ["journal.sqlite", "events.sqlite"])
@pytest.mark.parametrize("way", ["overwritten", "cut off"])
def test_a_spoilt_journal_or_ledger_is_told_and_left_as_it_is(capsys, tmp_path, plant, data, name, way):
    """Nothing guesses what was in it: the file is named, with what to do, and not touched. A journal has a mirror, and
    is left only where that is gone, too."""
    folder = shutil.copytree(plant, tmp_path / "spoilt")
    shutil.rmtree(folder / "mirror")
    for tail in ("-wal", "-shm"):
        (folder / f"{name}{tail}").unlink(missing_ok=True)
    path = folder / name
    path.write_bytes(b"this was a database once" * 500 if way == "overwritten" else path.read_bytes()[:5000])
    spoilt = path.read_bytes()
    for arguments in (("doctor", "--site", folder), ("import", "persons", data / "persons" / "people.csv", "--site", folder)):
        code, _, err = said(capsys, *arguments)
        assert (code, name in err, "Traceback" in err) == (5, True, False), err
        assert path.read_bytes() == spoilt


@pytest.mark.parametrize("way", ["overwritten", "cut off"])
def test_a_spoilt_journal_is_rebuilt_from_its_mirror_by_whoever_opens_the_plant(capsys, tmp_path, plant, way):
    folder = shutil.copytree(plant, tmp_path / "spoilt")
    code, out, _ = said(capsys, "doctor", "--site", folder, "--json")
    before = json.loads(out)
    for tail in ("-wal", "-shm"):
        (folder / f"journal.sqlite{tail}").unlink(missing_ok=True)
    path = folder / "journal.sqlite"
    path.write_bytes(b"this was a database once" * 500 if way == "overwritten" else path.read_bytes()[:5000])
    spoilt = path.read_bytes()
    code, out, _ = said(capsys, "doctor", "--site", folder, "--json")
    after = json.loads(out)
    assert (code, after["lost"], after["hops"], after["events"]) == (0, 0, before["hops"], before["events"])
    assert (folder / "journal.damaged-1.sqlite").read_bytes() == spoilt


def test_a_site_folder_stands_for_a_plant_that_an_import_makes(capsys, tmp_path, data):
    folder = tmp_path / "new.plant"
    code, _, err = said(capsys, "doctor", "--site", folder)
    assert (code, "there is no plant in it" in err, folder.exists()) == (5, True, False)
    assert said(capsys, "import", "persons", data / "persons" / "people.csv", "--site", folder)[0] == 0
    code, out, _ = said(capsys, "doctor", "--site", folder)
    assert (code, "0 samples lost" in out) == (0, True)
    assert bare_site(folder).folder.is_dir()


@pytest.mark.slow
def test_a_turn_that_failed_can_be_run_again(capsys, tmp_path, data):
    """The orders are too many for the persons; then more persons come."""
    own = Path(shutil.copytree(data, tmp_path / "data"))
    site = small_shop(tmp_path, data=False, text=SITE + machines({}, ""))
    code, _, err = said(capsys, "turn", site, "--data", own, "--orders", 14)
    assert (code, "12 have none yet" in err) == (2, True)
    write_persons(own / "persons" / "more.csv", 5, first=300)
    code, _, err = said(capsys, "turn", site, "--data", own, "--orders", 14)
    assert code == 6, "no mill, so there is no plan"
    assert "mill" in err


# other processes: ports, brokers, a plant that is held


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as server:
        server.bind((LOOPBACK, 0))
        server.listen()
        yield server.getsockname()[1]


def reach(site: Path) -> None:
    """A turn of the corrected site goes through."""
    assert turned(site, "--orders", 1)["units"]["made"] == 1


@pytest.mark.slow
def test_a_port_that_is_taken_is_told_with_the_port(tmp_path, taken):
    text = SITE + machines({"mill-1": "mqtt"}) + f'\n[server]\nport = {taken}\n'
    site = small_shop(tmp_path, text=text.replace("embedded = true", f"embedded = true\nport = {taken}"))
    broker = loopwright("turn", site, "--data", tmp_path / "data", "--orders", 1)
    assert (broker.returncode, str(taken) in broker.stderr, "Traceback" in broker.stderr) == (4, True, False), broker.stderr
    site.write_text(text)
    console = loopwright("run", site, "--data", tmp_path / "data")
    assert (console.returncode, str(taken) in console.stderr, "Traceback" in console.stderr) == (4, True, False), console.stderr
    assert "[server] port" in console.stderr or "--port" in console.stderr
    assert doctor(tmp_path / "plant")["events"]["whole"]
    reach(site)


@pytest.mark.slow
def test_a_broker_that_is_not_there_is_told_with_what_to_do(tmp_path):
    port = free_port()
    text = (SITE + machines({"mill-1": "mqtt"})).replace("embedded = true", f"embedded = false\nport = {port}")
    site = small_shop(tmp_path, text=text)
    done = loopwright("turn", site, "--data", tmp_path / "data", "--orders", 1)
    assert (done.returncode, "Traceback" in done.stderr) == (4, False), done.stderr
    assert str(port) in done.stderr
    assert "start a broker there" in done.stderr

    async def with_broker() -> None:
        async with embedded(tmp_path / "broker", port):
            await asyncio.to_thread(reach, site)

    asyncio.run(with_broker())


@pytest.mark.slow
def test_a_machine_whose_server_is_not_there_is_told(tmp_path):
    port = free_port()
    link = f'{{ protocol = "opcua", url = "opc.tcp://127.0.0.1:{port}/" }}'
    site = small_shop(tmp_path, text=SITE + machines({"mill-1": "mqtt"}) +
                      f'\n[[machine]]\nid = "mill-9"\nkind = "mill"\nrole = "mill"\nlink = {link}\n')
    done = loopwright("turn", site, "--data", tmp_path / "data", "--orders", 1)
    assert (done.returncode, str(port) in done.stderr, "Traceback" in done.stderr) == (4, True, False), done.stderr


@pytest.mark.slow
def test_a_plant_that_run_holds_refuses_a_second_and_takes_imports_over_the_api(tmp_path):
    port, text = free_port(), SITE + machines({"mill-1": "mqtt"}, "")
    site = small_shop(tmp_path, text=text + f"\n[server]\nport = {port}\n")
    people, plant = tmp_path / "data" / "persons" / "people.csv", tmp_path / "plant"
    with running(site) as process:
        for command in ("run", "turn"):
            second = loopwright(command, site, "--data", tmp_path / "data")
            assert (second.returncode, "Traceback" in second.stderr) == (5, False)
            assert f"process {process.pid} since" in second.stderr
            assert "stop that process" in second.stderr
        brought = loopwright("import", "persons", people, "--site", site)
        assert (brought.returncode, "24 stored" in brought.stdout) == (0, True), brought.stderr
        with open_store(plant, read_only=True) as store:
            assert len(store.people.find()) == 24
        bad = tmp_path / "bad.csv"
        bad.write_text("id,stature_mm\n1,2\n")
        refused = loopwright("import", "persons", bad, "--site", site)
        assert (refused.returncode, "columns are missing" in refused.stderr) == (2, True), refused.stderr
        folder = loopwright("import", "runs", tmp_path / "data" / "runs", "--site", site)
        assert (folder.returncode, "end `loopwright run` first" in folder.stderr) == (2, True), folder.stderr
    again = loopwright("import", "persons", people, "--site", site)
    assert (again.returncode, "24 duplicate" in again.stdout) == (0, True), again.stderr
    assert doctor(plant)["unbalanced"] == []


def test_a_ledger_that_was_tampered_with_is_found_by_the_doctor(capsys, tmp_path, plant):
    folder = shutil.copytree(plant, tmp_path / "tampered")
    with sqlite3.connect(folder / "events.sqlite") as connection:
        names = [row[0] for row in connection.execute("select name from sqlite_master where type = 'trigger'")]
        for name in names:
            connection.execute(f'drop trigger "{name}"')
        changed = connection.execute("update events set about = 'p-999' where kind = 'person.added' and about = 'p-003'").rowcount
        assert changed == 1
    connection.close()
    code, out, _ = said(capsys, "doctor", "--site", folder)
    assert "hash chain breaks at event" in out
    assert code == 5


def test_two_exports_whose_shots_overlap_are_counted_once(capsys, tmp_path):
    lines = shot_lines(20)
    first = write_shots(tmp_path / "one.csv", repeated=0, lines=lines[:14])
    second = write_shots(tmp_path / "two.csv", repeated=0, lines=lines[8:])
    plant = tmp_path / "p"
    assert "14 stored, 0 duplicate" in said(capsys, "import", "shots", first, "--site", plant)[1]
    assert "6 stored, 6 duplicate" in said(capsys, "import", "shots", second, "--site", plant)[1]
    with open_store(plant, read_only=True) as store:
        assert store.get(signals=["carry"]).num_rows == 20


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_byte_order_marks_make_no_difference(capsys, tmp_path, data, end, mark):
    for what, file in (("persons", "persons/people.csv"), ("shots", "shots/garmin_r10.csv"), ("swings", "swings/caddieset.csv")):
        path = tmp_path / Path(file).name
        text = (data / file).read_text("utf-8-sig").replace("\r\n", "\n").replace("\n", end)
        path.write_bytes(mark + text.encode())
        code, out, err = said(capsys, "import", what, path, "--site", tmp_path / "p")
        assert (code, "refused (" in out) == (0, False), err
    assert len(MILLS) == 3
