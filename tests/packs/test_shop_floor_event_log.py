"""A shop's log in a file: every row taken, repeated or refused in words; columns mapped; events in a plant, once."""

from __future__ import annotations

import gzip
import re
import shlex
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from loopwright.app.cli import main
from loopwright.app.imports import import_files
from loopwright.app.opening import open_site
from loopwright.app.replaying import Asked, in_words, replayed
from loopwright.core.errors import InputError, UnknownName
from loopwright.make.past.work_log import EVENT, from_event
from loopwright.packs.shop_floor.event_log import MARKER, events, read_log

HEAD = "order,activity,machine,operator,start,end,quantity,scrap\n"
GOOD = "A-1,saw,saw-1,p7,2025-01-13 08:00,2025-01-13 09:30,10,1\n"


def log_of(folder: Path, text: str, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_every_row_is_taken_repeated_or_refused_with_line_field_value_and_rule(tmp_path: Path) -> None:
    bad = (
        ",saw,saw-1,p7,2025-01-13 08:00,2025-01-13 09:30,10,1\n"
        "A-2,saw,saw-1,p7,yesterday,2025-01-13 09:30,10,1\n"
        "A-2,saw,saw-1,p7,2025-01-13 10:00,2025-01-13 09:30,10,1\n"
        "A-2,saw,,,2025-01-13 08:00,2025-01-13 09:30,10,1\n"
        "A-2,saw,saw-1,p7,2025-01-13 08:00,2025-01-13 09:30,-3,1\n"
        "A-2,saw,saw-1\n"
        "A-2,saw,saw-1,p7,2025-01-13 08:00,2052-01-13 09:30,3,1\n"
    )
    log = read_log(log_of(tmp_path, HEAD + GOOD + "\n" + GOOD + bad))
    assert log.rows == 9 == len(log.works) + len(log.repeats) + len(log.refused)
    assert log.repeats == (4,)
    assert log.refused == (
        (5, "order", "", "order is empty"),
        (6, "start", "yesterday", "start is no time"),
        (7, "end", "2025-01-13 09:30", "ends before it starts"),
        (8, "machine", "", "neither a machine nor an operator"),
        (9, "quantity", "-3", "quantity is no number of pieces"),
        (10, "row", "3 cells for 8 columns", "row cut off or too long"),
        (11, "end", "2052-01-13 09:30", "takes more than 31 days without a break"),
    )
    work = log.works[0]
    assert (work.order, work.machine, work.operator, work.quantity, work.scrap, work.line) == ("A-1", "saw-1", "p7", 10, 1, 2)


def test_local_times_are_of_the_zone_that_is_assumed_and_said(tmp_path: Path) -> None:
    log = read_log(log_of(tmp_path, HEAD + GOOD), "Europe/Berlin")
    begin = datetime(2025, 1, 13, 8, tzinfo=ZoneInfo("Europe/Berlin"))
    assert log.works[0].start_ns == int(begin.timestamp()) * 10**9
    assert log.assumed["time_zone"] == "Europe/Berlin"
    zoned = read_log(log_of(tmp_path, HEAD + GOOD.replace("08:00", "08:00+01:00").replace("09:30", "09:30+01:00")))
    assert zoned.works[0].start_ns == log.works[0].start_ns
    assert "time_zone" not in zoned.assumed


def test_a_time_that_a_clock_change_leaves_out_is_refused(tmp_path: Path) -> None:
    row = "A-1,saw,saw-1,p7,2025-03-30 02:30,2025-03-30 04:00,1,0\n"
    assert read_log(log_of(tmp_path, HEAD + row), "Europe/Berlin").refused[0][1:3] == ("start", "2025-03-30 02:30")
    assert not read_log(log_of(tmp_path, HEAD + row), "UTC").refused


def test_a_log_of_other_words_is_read_by_a_mapping(tmp_path: Path) -> None:
    text = "Los;Was;Wo;Von;Bis;Gut\nL1;Drehen;M3;13.01.2025 08:00;13.01.2025 09:15;12,5\n"
    path = log_of(tmp_path, text)
    with pytest.raises(UnknownName, match="order"):
        read_log(path)
    log = read_log(path, "UTC", {"order": "Los", "activity": "Was", "machine": "Wo", "start": "Von", "end": "Bis", "quantity": "Gut"})
    assert (log.works[0].machine, log.works[0].seconds, log.works[0].quantity) == ("M3", 75 * 60, 12.5)
    with pytest.raises(UnknownName, match="did you mean 'Wo'"):
        read_log(path, "UTC", {"order": "Los", "activity": "Was", "machine": "Woo", "start": "Von"})
    with pytest.raises(UnknownName, match="machine"):
        read_log(path, "UTC", {"maschine": "Wo"})


def test_the_export_of_a_process_mining_tool_is_read_and_its_markers_are_no_work(tmp_path: Path) -> None:
    text = (
        "Case ID,Activity,Resource,Start Timestamp,Complete Timestamp,Qty_Completed,Report_Type,Rework\n"
        "Case1,Start,Start,2012/01/30 06:24:00.000,2012/01/30 06:24:00.000,Start,Start,Start\n"
        "Case1,Turning,ID4932,2012/01/30 06:24:00.000,2012/01/30 12:43:00.000,1,S,\n"
        "Case1,Turning,ID4932,2012/01/30 12:44:00.000,2012/01/30 13:42:00.000,1,D,Y\n"
    )
    path = tmp_path / "log.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    log = read_log(path)
    assert log.reasons == {MARKER: 1}
    assert [(w.operator, w.machine, w.stage, w.rework) for w in log.works] == [("ID4932", "", "setup", False), ("ID4932", "", "run", True)]
    assert log.assumed["resource"] == "column 'Resource' is the operator"


def test_names_of_people_do_not_get_into_the_ledger(tmp_path: Path) -> None:
    text = HEAD + GOOD + GOOD.replace("p7", "Erika Muster").replace("08:00", "07:00")
    told, names = events(read_log(log_of(tmp_path, text)))
    assert names == 1
    assert {event.body["operator"] for event in told} == {"p7", "operator-1"}
    assert "Erika" not in str(told)


def test_a_file_that_is_no_log_is_refused_whole(tmp_path: Path) -> None:
    for text, says in ((HEAD, "a header and no row"), ("", "is empty"), ("a;b\n1;2\n", "there is no 'order'"), ("\0", "is not a text file")):
        with pytest.raises(InputError, match=says):
            read_log(log_of(tmp_path, text))
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(gzip.compress((HEAD + GOOD * 50).encode())[:-9])
    with pytest.raises(InputError, match="cut-off"):
        read_log(path)
    with pytest.raises(InputError, match="'Mars/Base'"):
        read_log(log_of(tmp_path, HEAD + GOOD), "Mars/Base")


def test_an_imported_log_stands_in_the_plant_once_known_when_it_was_completed_and_can_be_replayed(tmp_path: Path) -> None:
    rows = "".join(
        f"A-{k},{what},{where},p7,2025-01-{13 + k % 14:02d} {8 + 2 * n:02d}:0{k % 7},2025-01-{13 + k % 14:02d} {9 + 2 * n:02d}:1{k % 7},5,0\n"
        for k in range(28) for n, (what, where) in enumerate((("saw", "saw-1"), ("turn", "lathe-1"))))
    path, site = log_of(tmp_path, HEAD + rows), tmp_path / "plant"
    first, again = import_files("log", [path], site)[0], import_files("log", [path], site)[0]
    assert (first["rows"], first["stored"], first["duplicate"]) == (56, 56, 0)
    assert (again["stored"], again["duplicate"]) == (0, 56)
    with open_site(site, read_only=True) as store:
        end_ns = int(datetime(2025, 1, 20, tzinfo=ZoneInfo("UTC")).timestamp()) * 10**9
        known = [from_event(event) for event in store.recall(kind=EVENT, end_ns=end_ns + 1)]
    assert known
    assert all(work.end_ns <= end_ns for work in known)
    found = replayed(Asked(site=site, seconds=0.0), lambda text: None)
    assert "planned" in in_words(found)
    assert {way["name"] for way in found["ways"]} >= {"as it was", "first in, first out", "planned", "repaired"}


def test_a_wrong_row_stops_the_import_unless_the_rest_is_wanted(tmp_path: Path) -> None:
    path = log_of(tmp_path, HEAD + GOOD + GOOD.replace("08:00", "noon"))
    with pytest.raises(InputError, match="line 3, start '2025-01-13 noon': start is no time"):
        import_files("log", [path], tmp_path / "plant")
    row = import_files("log", [path], tmp_path / "plant", partly=True)[0]
    assert (row["rows"], row["stored"], row["refused"]) == (2, 1, {"start is no time": 1})


@pytest.mark.slow
def test_the_page_on_replaying_a_shop_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    root = Path(__file__).parents[2]
    page = (root / "docs" / "how-to" / "replay-a-shop.md").read_text("utf-8")
    (tmp_path / "examples").symlink_to(root / "examples")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```console\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        command, *lines = block.strip().splitlines()
        with pytest.raises(SystemExit) as left:
            main(shlex.split(command.removeprefix("$ loopwright")))
        assert left.value.code == 0
        said = capsys.readouterr().out
        assert all(line in said for line in lines), said
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(code, "replay-a-shop.md", "exec"), {})
    assert "as it was: " in capsys.readouterr().out
