"""Values leave when they are older than their signals are kept for; what still stands on them does not."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.clock import SimClock
from loopwright.core.errors import InputError, NotAllowed
from loopwright.core.types import Event
from loopwright.store import Store, open_store, reroll
from loopwright.store import retain as retaining
from loopwright.store.backup import backup
from loopwright.store.evidence import Range
from loopwright.store.restore import restore
from loopwright.store.retain import Keep, retain
from tests.store.plant import MILL, THINGS, S, balanced, blocks, declared, numbered, plain, points, speeds

DAY = 86_400 * S
NOW = 1_000 * DAY
ROOT = Path(__file__).parents[2]
MONTH = Keep(signals=("spindle.*", "vibration"), raw_days=30, rollup_days=400)


def days(store: Store, signal: str = "spindle.speed", thing: str = "mill-1") -> list[int]:
    """The days before NOW from which values stand."""
    rows = store.get(things=thing, signals=[signal], blocks=signal == "vibration")
    return [(NOW - t) // DAY for t in rows.column("t_ns").to_pylist()]


def put_days(store: Store, *ago: int, thing: str = "mill-1", first: int = 0) -> None:
    """One speed and one part count on each of these days before NOW."""
    rows = [(thing, name, NOW - day * DAY, value) for day in ago for name, value in (("spindle.speed", 7.0), ("parts", day))]
    store.put(numbered(points(*rows), first, f"mqtt/{thing}"))


def test_values_go_when_they_are_older_than_their_line_says(store: Store) -> None:
    put_days(store, 100, 31, 29, 1)
    told = retain(store, [MONTH], NOW)
    assert (told["rows"], told["samples"]) == (2, 2)
    assert days(store) == [29, 1]
    assert days(store, "parts") == [100, 31, 29, 1]
    hop = store.hops()["points"]
    assert (hop.refused, hop.out, hop.lost) == ({"expired": 2}, 6, 0)
    balanced(store.hops())
    assert store.recall(kind="points.expired")[0].body["samples"] == 2
    assert retain(store, [MONTH], NOW)["rows"] == 0
    assert len(store.recall(kind="points.expired")) == 1


def test_a_dry_run_says_what_would_go_and_changes_nothing(store: Store) -> None:
    put_days(store, 100, 31, 29, 1)
    store.flush()
    lines = [Keep(signals=("parts",), raw_days=90), MONTH]
    told = retain(store, lines, NOW, dry_run=True)
    assert [(c["class"], c["table"], c["rows"], c["samples"]) for c in told["classes"]] == [
        ("*: parts", "points", 1, 1), ("*: spindle.*, vibration", "points", 2, 2),
    ]
    whole = int(store.tables["points"].snapshot.bytes.sum())
    assert told["bytes"] == pytest.approx(whole * 3 / 8, abs=2)
    assert days(store) == [100, 31, 29, 1]
    with open_store(store.path, read_only=True) as reader:
        assert retain(reader, lines, NOW, dry_run=True)["rows"] == 3
        with pytest.raises(NotAllowed):
            retain(reader, lines, NOW)


def test_of_several_lines_the_first_counts_and_a_hold_wins(store: Store) -> None:
    put_days(store, 500, 10, thing="mill-1")
    put_days(store, 500, 10, thing="mill-2")
    lines = [
        Keep(kind="lathe", raw_days=1), Keep(signals=("spindle.speed",)), Keep(raw_days=30),
        Keep(things=("mill-2",), hold="case 17"),
    ]
    retain(store, lines, NOW)
    assert days(store) == [500, 10]
    assert days(store, "parts") == [10]
    assert days(store, "parts", "mill-2") == [500, 10]
    balanced(store.hops())


def test_late_data_that_is_already_too_old_is_kept_until_the_next_run(store: Store) -> None:
    put_days(store, 1)
    retain(store, [MONTH], NOW)
    put_days(store, 50, first=2)
    assert days(store) == [50, 1]
    retain(store, [MONTH], NOW)
    assert days(store) == [1]
    balanced(store.hops())


def test_blocks_go_whole_and_are_counted_in_samples(store: Store) -> None:
    for number, day in enumerate((100, 31, 1)):
        rows = blocks(("mill-1", "vibration", NOW - day * DAY, S // 1000, [1.0] * 500))
        store.put(numbered(rows, number * 500, "mqtt/fast"))
    told = retain(store, [MONTH], NOW)
    assert (told["rows"], told["samples"]) == (2, 1000)
    assert days(store, "vibration") == [1]
    assert store.hops()["points"].refused == {"expired": 1000}
    balanced(store.hops())


def test_a_block_that_reaches_into_what_is_kept_stays_whole(store: Store) -> None:
    begins = NOW - 30 * DAY - 3600 * S
    store.put(numbered(blocks(("mill-1", "vibration", begins, 4 * 3600 * S, [1.0, 2.0])), 0, "mqtt/fast"))
    assert retain(store, [MONTH], NOW)["rows"] == 0


def test_rollups_stay_until_their_own_day(store: Store) -> None:
    put_days(store, 500, 100, 1)
    store.flush()
    retain(store, [MONTH], NOW)
    store.close()
    with open_store(store.path, SimClock()) as again:
        assert days(again) == [1]
        assert {day for name, day in rolled(again) if name == "spindle.speed"} >= {100, 1}
        assert {day for name, day in rolled(again) if name == "parts"} >= {500, 100, 1}
        assert 500 not in {day for name, day in rolled(again) if name == "spindle.speed"}
        retain(again, [Keep(raw_days=30, rollup_days=30)], NOW)
        assert {day for _, day in rolled(again)} == {1}
        balanced(again.hops())


def rolled(store: Store) -> list[tuple[str, int]]:
    """(signal, days before NOW) of the rollups."""
    with store._flushing:
        reroll.write(store)
    table = store.tables["rollups"]
    rows = store._reader.run(f"SELECT DISTINCT signal, t_ns FROM {table.snapshot.scan()}", {}).to_pylist()
    return [(row["signal"], (NOW - row["t_ns"]) // DAY) for row in rows]


def evidence(thing: str, day: int, signal: str = "spindle.speed") -> dict[str, Any]:
    at = NOW - day * DAY
    return {"kind": "points", "ref": thing, "signal": signal, "start_ns": at - S, "end_ns": at + S, "note": ""}


def alarm(about: str, day: int, **more: Any) -> Event:
    body = {"condition": "high", "thing": "mill-1", "says": "it", "priority": "high", "evidence": [evidence("mill-1", day)]}
    return Event("alarm.raised", about, 1, "watch", body, **more)


def test_what_an_open_alarm_rests_on_stays_until_it_is_cleared(store: Store) -> None:
    put_days(store, 100, 90, 80)
    store.record([alarm("a-1", 100), alarm("a-2", 90), Event("alarm.cleared", "a-2", 2, "watch")])
    assert retain(store, [MONTH], NOW)["kept"] == 1
    assert days(store) == [100]
    store.record([Event("alarm.cleared", "a-1", 3, "watch")])
    retain(store, [MONTH], NOW)
    assert days(store) == []
    balanced(store.hops())


def test_what_a_decision_or_a_change_rests_on_stays_while_it_stands(store: Store) -> None:
    put_days(store, 100, 90, 80, 70)
    said = store.record([
        Event("decision.made", "d-1", 1, "maintain", {"decision": {"action": "change the tool", "because": [evidence("mill-1", 100)]}}),
        Event("decision.made", "d-2", 1, "maintain", {"decision": {"action": "change the tool", "because": [evidence("mill-1", 90)]}}),
        Event("decision.declined", "d-2", 2, "erika", {"why": "no"}),
        Event("decision.made", "d-3", 3, "coach", {"decision": {"action": "", "because": [evidence("mill-1", 80)]}}),
    ])
    store.record([Event("change.proposed", "c-1", 4, "improve", {"change": {"id": "c-1"}}, because=(said[3].id,))])
    retain(store, [MONTH], NOW)
    assert days(store) == [100, 80]
    store.record([Event("change.declined", "c-1", 5, "erika", {"why": "no"})])
    retain(store, [MONTH], NOW)
    assert days(store) == [100]


def test_a_correction_and_what_it_replaced_stay(store: Store) -> None:
    put_days(store, 100, 90)
    event = store.record([Event("points.corrected", "mill-1", 1, "erika", {"reason": "a test"})])[0]
    first = store.hops()["http"].out if "http" in store.hops() else 0
    known_ns = store.put(plain(speeds([8.0], NOW - 100 * DAY), correction=event.id)).known_ns
    assert first == 0
    retain(store, [MONTH], NOW)
    assert store.get(signals="spindle.speed").column("value").to_pylist() == [8.0]
    assert store.get(signals="spindle.speed", known_by_ns=known_ns - 1).column("value").to_pylist() == [7.0]
    balanced(store.hops())


def test_lines_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InputError, match="days above 0"):
        Keep(raw_days=-1)
    with pytest.raises(InputError, match="rollups for at least as long"):
        Keep(raw_days=30, rollup_days=10)
    with pytest.raises(InputError, match="rollups for at least as long"):
        Keep(rollup_days=10)


def test_whole_files_go_without_being_written_anew(store: Store) -> None:
    for number, day in enumerate((100, 99, 98, 1)):
        rows = points(*(("mill-1", "spindle.speed", NOW - day * DAY + i * S, 1.0) for i in range(10)))
        store.put(numbered(rows, number * 10))
        store.flush()
    before = set(store.tables["points"].snapshot.names)
    assert len(before) == 4
    retain(store, [MONTH], NOW)
    after = set(store.tables["points"].snapshot.names)
    assert len(after) == 1
    assert after < before


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.sampled_from(["mill-1", "mill-2"]), st.booleans()), max_size=25))
def test_what_stays_is_what_a_plain_filter_keeps(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str, bool]]) -> None:
    folder = tmp_path_factory.mktemp("retain")
    lines = [Keep(things=("mill-2",), signals=("parts",), raw_days=10), Keep(signals=("parts",), raw_days=40)]
    with open_store(folder / "plant", SimClock()) as store:
        declared(store)
        kept = []
        for number, (day, thing, flush) in enumerate(rows):
            store.put(numbered(points((thing, "parts", NOW - day * DAY - number, number)), number))
            if flush:
                store.flush()
            if day < (10 if thing == "mill-2" else 40):
                kept.append(number)
        retain(store, lines, NOW)
        assert sorted(store.get().column("code").to_pylist()) == kept
        balanced(store.hops())
        assert store.hops()["points"].lost == 0
    with open_store(folder / "plant", SimClock()) as store:
        assert sorted(store.get().column("code").to_pylist()) == kept
        balanced(store.hops())


KILLED = """
import os, signal, sys; from pathlib import Path; from loopwright.store import delta, open_store, retain
from tests.store.plant import S
left = int(sys.argv[2])
def counted(name, real):
    def call(*a, **k):
        global left
        left -= 1
        if left < 0: os.kill(os.getpid(), signal.SIGKILL)
        return real(*a, **k)
    return call
delta.Table._commit = counted("commit", delta.Table._commit)
retain._remove = counted("remove", retain._remove)
with open_store(Path(sys.argv[1])) as store:
    retain._FILES = 1
    retain.retain(store, [retain.Keep(raw_days=30)], 1000 * 86400 * S)
"""


@pytest.mark.slow
def test_a_run_that_was_killed_anywhere_is_finished_by_the_next_opening(store: Store, tmp_path: Path) -> None:
    for number, ago in enumerate([(100, 99), (98, 2), (97, 1), (96, 95)]):
        put_days(store, *ago, first=number * 4)
        store.flush()
    store.close()
    backup(store.path, tmp_path / "backup")
    for moment in (1, 4, 40):
        restore(tmp_path / "backup", tmp_path / f"p{moment}")
        command = [sys.executable, "-c", KILLED, str(tmp_path / f"p{moment}"), str(moment)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
        with open_store(tmp_path / f"p{moment}") as again:
            balanced(again.hops())
            assert again.hops()["points"].lost == 0
            assert again._journal.meta("expiring", "{}") == "{}"
            retain(again, [Keep(raw_days=30)], NOW)
            assert days(again) == [2, 1]
            assert again.hops()["points"].refused == {"expired": 12}
            balanced(again.hops())
    assert done.returncode == 0


def test_a_plant_without_lines_keeps_everything(store: Store) -> None:
    put_days(store, 900)
    assert retain(store, [], NOW)["rows"] == 0
    assert days(store) == [900]
    assert [kind.name for kind in store.kinds().values()] == [MILL.name]
    assert list(store.things()) == [thing.id for thing in THINGS]


def test_ranges_that_meet_are_held_as_one_and_those_that_do_not_matter_are_left_out() -> None:
    def held(*ranges: Range) -> list[Range]:
        return retaining._within(ranges, [retaining.Gone(0, 100, ("speed",), None)])

    assert held(Range("a", "speed", 5, 9), Range("a", "speed", 0, 6), Range("b", "speed", 20, 30)) == [
        Range("a", "speed", 0, 9), Range("b", "speed", 20, 30),
    ]
    assert held(Range("a", "speed", 100, 200), Range("a", "parts", 0, 1)) == []
    assert held(Range("a", "speed", None, None), Range("a", "speed", 3, 4)) == [Range("a", "speed", None, None)]
    assert held(Range("a", "speed", 1, None), Range("a", "speed", 50, 60), Range("a", "", 3, 4)) == [
        Range("a", "", 3, 4), Range("a", "speed", 1, None),
    ]
