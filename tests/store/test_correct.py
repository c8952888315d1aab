"""Corrections: what stands afterwards, what still can be seen, and that an undo brings back exactly what stood."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopwright.core.clock import SimClock
from loopwright.core.errors import InputError, NotAllowed, UnknownName
from loopwright.core.types import Batch, Event
from loopwright.store import Store, open_store, versions
from loopwright.store.correct import correct, corrections, history, resume, undo
from loopwright.store.journal import Work
from tests.store.plant import S, balanced, blocks, declared, numbered, plain, points, speeds

SPEED = ("mill-1", "spindle.speed")
WHO = ("erika", "the sensor read wrong")


def rows(store: Store, signal: str = "spindle.speed", **more: Any) -> list[tuple[Any, ...]]:
    """(seconds, value or code, quality) of mill-1."""
    table = store.get(things="mill-1", signals=signal, **more)
    return [
        (r["t_ns"] // S, r["code"] if r["value"] is None else r["value"], r["quality"]) for r in table.to_pylist()]


def good(*values: Any) -> list[tuple[Any, ...]]:
    """One value a second, all of quality good."""
    return [(i, value, 0) for i, value in enumerate(values)]


@pytest.fixture
def speeding(store: Store) -> Store:
    """mill-1 at 10, 20, 30, 40 and 50 rad/s in its first five seconds."""
    store.put(numbered(speeds([10, 20, 30, 40, 50]), 0))
    return store


@pytest.mark.parametrize("flushed", [False, True])
@pytest.mark.parametrize(("how", "by", "after"), [
    ("set", 7.0, [(1, 7.0, 0), (2, 7.0, 0)]),
    ("add", -5.0, [(1, 15.0, 0), (2, 25.0, 0)]),
    ("scale", 0.5, [(1, 10.0, 0), (2, 15.0, 0)]),
    ("bad", None, [(1, 20.0, 2), (2, 30.0, 2)]),
    ("gap", None, [(1, None, 0), (2, None, 0)]),
])
def test_a_repair_changes_the_stretch_and_nothing_else(
    speeding: Store, how: str, by: float | None, after: list[tuple[Any, ...]], flushed: bool
) -> None:
    if flushed:
        speeding.flush()
    done = correct(speeding, *SPEED, S, 3 * S, how, *WHO, by=by)
    assert rows(speeding) == [(0, 10.0, 0), *after, (3, 40.0, 0), (4, 50.0, 0)]
    assert rows(speeding, known_by_ns=done.known_ns - 1) == good(10.0, 20.0, 30.0, 40.0, 50.0)
    assert (done.rows, done.samples, done.state) == (2, 2, "whole")
    undo(speeding, done.event, "otto", "it read right")
    assert rows(speeding) == good(10.0, 20.0, 30.0, 40.0, 50.0)
    balanced(speeding.hops())


def test_values_marked_bad_are_good_again_and_windows_leave_bad_ones_out(speeding: Store) -> None:
    correct(speeding, *SPEED, S, 3 * S, "bad", *WHO)
    grid = {"start_ns": 0, "end_ns": 5 * S, "step_ns": S}
    assert speeding.windows(["mill-1"], ["spindle.speed"], **grid).mask[0, :, 0].tolist() == [True, False, False, True, True]
    correct(speeding, *SPEED, S, 2 * S, "good", *WHO)
    assert speeding.windows(["mill-1"], ["spindle.speed"], **grid).mask[0, :, 0].tolist() == [True, True, False, True, True]


def test_a_dry_run_shows_before_and_after_and_changes_nothing(speeding: Store) -> None:
    would = correct(speeding, *SPEED, S, 3 * S, "scale", *WHO, by=2, dry_run=True)
    assert (would.state, would.event, would.rows) == ("dry run", "", 2)
    assert [(one.t_ns, one.before, one.after) for one in would.shown] == [(S, 20.0, 40.0), (2 * S, 30.0, 60.0)]
    assert rows(speeding) == good(10.0, 20.0, 30.0, 40.0, 50.0)
    assert not speeding.recall(kind="points.")


def test_every_version_of_a_value_stays_visible_with_author_and_reason(speeding: Store) -> None:
    first = correct(speeding, *SPEED, S, 2 * S, "set", "erika", "read off the display", by=21)
    second = correct(speeding, *SPEED, S, 2 * S, "bad", "otto", "the display was frozen")
    undo(speeding, second.event, "erika", "it was not")
    seen = [(v.value, v.quality, v.author, v.reason, v.in_force) for v in history(speeding, *SPEED, S)]
    assert seen == [
        (20.0, 0, "", "", False), (21.0, 0, "erika", "read off the display", False),
        (21.0, 2, "otto", "the display was frozen", False), (21.0, 0, "erika", "it was not", True)]
    known = [version.known_ns for version in history(speeding, *SPEED, S)]
    assert known == sorted(known)
    assert known[1] > first.known_ns
    as_known = [rows(speeding, known_by_ns=t, start_ns=S, end_ns=2 * S) for t in known]
    assert as_known == [[(1, 20.0, 0)], [(1, 21.0, 0)], [(1, 21.0, 2)], [(1, 21.0, 0)]]


def test_an_undo_takes_only_its_own_correction_away_and_says_where_a_later_one_stays(speeding: Store) -> None:
    first = correct(speeding, *SPEED, S, 4 * S, "set", *WHO, by=1)
    second = correct(speeding, *SPEED, 2 * S, 3 * S, "set", *WHO, by=2)
    gone = undo(speeding, first.event, *WHO)
    assert rows(speeding) == [(0, 10.0, 0), (1, 20.0, 0), (2, 2.0, 0), (3, 40.0, 0), (4, 50.0, 0)]
    assert (gone.rows, gone.kept) == (2, 1)
    undo(speeding, second.event, *WHO)
    assert rows(speeding) == good(10.0, 20.0, 30.0, 40.0, 50.0)
    undo(speeding, gone.event, *WHO)  # the first correction stands again, everywhere: the second one is undone
    assert rows(speeding) == [(0, 10.0, 0), (1, 1.0, 0), (2, 1.0, 0), (3, 1.0, 0), (4, 50.0, 0)]


def test_late_data_between_a_correction_and_its_undo_stays_as_it_came(speeding: Store) -> None:
    done = correct(speeding, *SPEED, 0, 5 * S, "scale", *WHO, by=2)
    speeding.put(numbered(points((*SPEED, S + 1, 22.0)), 5))
    assert [r[1] for r in rows(speeding, start_ns=S, end_ns=2 * S)] == [40.0, 22.0]
    undo(speeding, done.event, *WHO)
    assert [r[1] for r in rows(speeding, start_ns=S, end_ns=2 * S)] == [20.0, 22.0]


def test_a_value_that_is_sent_again_does_not_undo_its_correction(speeding: Store) -> None:
    correct(speeding, *SPEED, S, 2 * S, "set", *WHO, by=5)
    again = speeding.put(plain(speeds([20], S)))
    assert again.duplicate == 1
    assert rows(speeding)[1] == (1, 5.0, 0)


def test_what_is_undone_cannot_be_undone_twice_but_the_undo_can(speeding: Store) -> None:
    done = correct(speeding, *SPEED, S, 2 * S, "set", *WHO, by=5)
    gone = undo(speeding, done.event, *WHO)
    with pytest.raises(InputError, match=f"undone already.*undo {gone.event}"):
        undo(speeding, done.event, *WHO)
    undo(speeding, gone.event, *WHO)
    assert rows(speeding)[1] == (1, 5.0, 0)
    states = [(c.how, bool(c.undone_by)) for c in corrections(speeding)]
    assert states == [("undo", False), ("undo", True), ("set", False)]


def test_a_correction_that_was_put_by_hand_is_undone_too(speeding: Store) -> None:
    event = speeding.record([Event("points.corrected", "mill-1", S, "erika", {"reason": "typed in"})])[0]
    table = points((*SPEED, S, 21.0), (*SPEED, S + 5, 22.0))
    speeding.put(plain(table, correction=event.id))
    undo(speeding, event.id, *WHO)
    assert [r[1] for r in rows(speeding, start_ns=S, end_ns=2 * S)] == [20.0, None]  # where nothing stood: a gap


@pytest.mark.parametrize(("how", "by", "match"), [
    ("set", None, "without a number"), ("bad", 3, "with a number"), ("wipe", None, "there is no 'wipe'"),
    ("scale", 1000, "out of range"), ("set", float("nan"), "nan"), ("reset", None, "counter"),
    ("good", None, "nothing would change"), ("add", "x", "'x'"), ("add", [1], "number"),
])
def test_a_repair_that_makes_no_sense_is_refused_and_leaves_no_trace(
    speeding: Store, how: str, by: Any, match: str
) -> None:
    with pytest.raises(InputError, match=match):
        correct(speeding, *SPEED, S, 3 * S, how, *WHO, by=by)
    assert rows(speeding) == good(10.0, 20.0, 30.0, 40.0, 50.0)
    assert not speeding.recall(kind="points.")


def test_a_correction_needs_an_author_a_reason_a_known_name_and_a_plant_it_may_write(speeding: Store) -> None:
    with pytest.raises(InputError, match="no reason"):
        correct(speeding, *SPEED, S, 3 * S, "bad", "erika", " ")
    with pytest.raises(UnknownName, match="mill-1"):
        correct(speeding, "mill-11", "spindle.speed", S, 3 * S, "bad", *WHO)
    with pytest.raises(UnknownName, match="correction"):
        undo(speeding, "nobody", *WHO)
    with open_store(speeding.path, read_only=True) as reader:
        assert correct(reader, *SPEED, S, 3 * S, "bad", *WHO, dry_run=True).rows == 2
        with pytest.raises(NotAllowed):
            correct(reader, *SPEED, S, 3 * S, "bad", *WHO)


def counted(store: Store, *codes: int, start: int = 0, sequence: int = 0) -> None:
    store.put(numbered(points(*(("mill-1", "parts", (start + i) * S, c) for i, c in enumerate(codes))), sequence))


def parts(store: Store) -> list[int]:
    return [r[1] for r in rows(store, "parts")]


def test_a_counter_that_was_reset_goes_on_also_for_values_that_come_later(store: Store) -> None:
    counted(store, 8, 9, 10, 0, 1)
    done = correct(store, "mill-1", "parts", 3 * S, None, "reset", *WHO)
    assert parts(store) == [8, 9, 10, 10, 11]
    counted(store, 2, 3, start=5, sequence=5)
    assert parts(store) == [8, 9, 10, 10, 11, 12, 13]
    assert store.newest("mill-1", "parts").column("code")[0].as_py() == 13
    undo(store, done.event, *WHO)
    counted(store, 4, start=7, sequence=7)
    assert parts(store) == [8, 9, 10, 0, 1, 2, 3, 4]
    balanced(store.hops())


def test_a_second_reset_adds_up_and_undone_leaves_the_first(store: Store) -> None:
    counted(store, 8, 10, 0, 1)
    correct(store, "mill-1", "parts", 2 * S, None, "reset", *WHO)
    counted(store, 3, 0, 2, start=4, sequence=4)
    assert parts(store) == [8, 10, 10, 11, 13, 10, 12]
    second = correct(store, "mill-1", "parts", 5 * S, None, "reset", *WHO)
    counted(store, 5, start=7, sequence=7)
    assert parts(store) == [8, 10, 10, 11, 13, 13, 15, 18]
    gone = undo(store, second.event, *WHO)
    assert parts(store) == [8, 10, 10, 11, 13, 10, 12, 15]
    undo(store, gone.event, *WHO)
    assert parts(store) == [8, 10, 10, 11, 13, 13, 15, 18]


def test_the_standing_repair_of_a_counter_survives_a_restart_also_between_value_and_repair(tmp_path: Path) -> None:
    with declared(open_store(tmp_path)) as store:
        counted(store, 8, 10, 0)
        correct(store, "mill-1", "parts", 2 * S, None, "reset", *WHO)
        rules, store._memory.standing = store._memory.standing, []  # as if the process ended right after the commit
        counted(store, 1, start=3, sequence=3)
        assert rules
        assert parts(store) == [8, 10, 10, 1]
    with open_store(tmp_path) as store:
        assert parts(store) == [8, 10, 10, 11]
        counted(store, 2, start=4, sequence=4)
        assert parts(store) == [8, 10, 10, 11, 12]


def test_a_correction_whose_signal_is_declared_no_more_does_not_stop_the_next(store: Store) -> None:
    counted(store, 1, 2)
    store.put(numbered(speeds([1, 2]), 2))
    event = store.record([Event("points.corrected", "mill-1", 0, "erika", {
        "reason": "a crash came", "signal": "gone", "how": "bad", "by": None, "start_ns": None, "end_ns": None,
        "rows": 1, "samples": 1, "known_by_ns": 1, "sequence": 0})])[0]
    store._journal.commit(Work(meta={"correcting": event.id}))
    assert resume(store) is None
    correct(store, *SPEED, None, None, "bad", *WHO)


def test_a_reset_where_the_counter_does_not_fall_is_refused_with_what_it_does(store: Store) -> None:
    counted(store, 8, 9, 10)
    with pytest.raises(InputError, match=r"does not fall.*: 8 at .*then 9"):
        correct(store, "mill-1", "parts", S, None, "reset", *WHO)


def test_a_state_is_set_by_its_word_and_a_counter_stays_whole(store: Store) -> None:
    store.put(numbered(points(("mill-1", "mode", 0, 0), ("mill-1", "mode", S, 1), ("mill-1", "parts", 0, 3)), 0))
    correct(store, "mill-1", "mode", 0, S, "set", *WHO, by="fault")
    assert [r[1] for r in rows(store, "mode")] == [7, 1]
    correct(store, "mill-1", "parts", None, None, "scale", *WHO, by=1.5)
    assert parts(store) == [4]  # 4.5 to the even one
    with pytest.raises(UnknownName, match="code"):
        correct(store, "mill-1", "mode", 0, S, "set", *WHO, by=3)
    for by in (0.5, "0.5", 10**30, "9" * 25):
        with pytest.raises(InputError, match="whole number"):
            correct(store, "mill-1", "parts", None, None, "set", *WHO, by=by)


def test_a_bad_stretch_within_a_block_cuts_it_and_no_sample_moves(store: Store) -> None:
    store.put(numbered(blocks(("mill-1", "vibration", 0, 1_000_000, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])), 0))
    sample = ("mill-1", "vibration")

    def flat() -> list[tuple[Any, ...]]:
        return [(r["t_ns"] // 1_000_000, r["value"], r["quality"]) for r in store.get(signals="vibration").to_pylist()]

    before = flat()
    done = correct(store, *sample, 2_000_000, 4_000_000, "bad", *WHO)
    assert flat() == [(i, i + 1.0, 2 if i in (2, 3) else 0) for i in range(6)]
    seen = [(v.value, v.quality, v.in_force) for v in history(store, *sample, 3_000_000)]
    assert (4.0, 2, True) in seen
    grid = store.windows(["mill-1"], ["vibration"], start_ns=0, end_ns=6_000_000, step_ns=1_000_000)
    assert grid.mask[0, :, 0].tolist() == [True, True, False, False, True, True]
    store.flush()
    undo(store, done.event, *WHO)
    assert flat() == before
    half = correct(store, *sample, 1_000_001, None, "scale", *WHO, by=10)
    assert [r[1] for r in flat()] == [1.0, 2.0, 30.0, 40.0, 50.0, 60.0]
    undo(store, half.event, *WHO)
    assert flat() == before
    with pytest.raises(InputError, match="mark the stretch bad"):
        correct(store, *sample, 0, 1, "gap", *WHO)


def test_a_vector_is_repaired_sample_by_sample(store: Store) -> None:
    store.put(numbered(blocks(("mill-1", "force", 0, 1000, [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0])), 0))
    done = correct(store, "mill-1", "force", 1000, 2000, "bad", *WHO)
    pieces = [(r["t_ns"], r["values"], r["quality"]) for r in store.get(signals="force", blocks=True).to_pylist()]
    assert pieces == [(0, [1.0] * 3, 0), (1000, [2.0] * 3, 2), (2000, [3.0] * 3, 0)]
    undo(store, done.event, *WHO)
    assert store.get(signals="force", blocks=True).column("quality").to_pylist() == [0, 0, 0]


@pytest.mark.parametrize("flushed", [False, True])
def test_rollups_follow_a_correction_and_its_undo(store: Store, flushed: bool) -> None:
    def minutes() -> list[tuple[Any, ...]]:
        names = ["count", "bad", "min", "max", "mean", "last"]
        table = store.query(f"SELECT {', '.join(names)} FROM minutes WHERE signal = 'spindle.speed' ORDER BY t_ns")
        return [tuple(row.values()) for row in table.to_pylist()]

    store.put(numbered(speeds([10.0] * 60 + [20.0] * 60, 0), 0))
    if flushed:
        store.flush()
    before = minutes()
    assert before == [(60, 0, 10.0, 10.0, 10.0, 10.0), (60, 0, 20.0, 20.0, 20.0, 20.0)]
    first = correct(store, *SPEED, 0, 30 * S, "add", *WHO, by=30)
    second = correct(store, *SPEED, 60 * S, 90 * S, "bad", *WHO)
    if flushed:
        store.flush()
    assert minutes() == [(60, 0, 10.0, 40.0, 25.0, 10.0), (30, 30, 20.0, 20.0, 20.0, 20.0)]
    undo(store, first.event, *WHO)
    undo(store, second.event, *WHO)
    assert minutes() == before


@pytest.mark.parametrize("undoing", [False, True])
def test_a_crash_in_the_middle_is_shown_and_finished_none_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undoing: bool
) -> None:
    monkeypatch.setattr(versions, "CHUNK", 10)
    clock = SimClock()
    store = declared(open_store(tmp_path, clock))
    store.put(numbered(speeds(range(100)), 0))
    done = correct(store, *SPEED, None, None, "add", *WHO, by=1000) if undoing else None

    class Killed(Exception):
        pass

    puts = []

    def killed(batch: Batch, table: pa.Table, keys: Any) -> None:
        puts.append(batch)
        if len(puts) == 3:
            raise Killed

    store.listeners.append(killed)
    with pytest.raises(Killed):
        _ = undo(store, done.event, *WHO) if done else correct(store, *SPEED, None, None, "add", *WHO, by=1000)
    store.close()
    with open_store(tmp_path, clock) as store:
        assert corrections(store)[0].state == "partly done"
        store.put(numbered(points((*SPEED, 1, 5.5)), 100))  # late data meanwhile is no part of it
        assert resume(store) is not None
        assert resume(store) is None
        expected = [float(i) + (0 if undoing else 1000) for i in range(100)]
        assert [r[1] for r in rows(store) if r[1] != 5.5] == expected
        assert corrections(store)[0].state == "whole"
        hops = store.hops()
        assert hops["corrections"].duplicate == 0
        assert hops["corrections"].waiting == 0
        balanced(hops)


PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "correct-data.md"


def test_the_page_on_correcting_data_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
    exec(compile(code, str(PAGE), "exec"), {"__name__": "page"})
    with open_store(tmp_path / "hall-4.plant", read_only=True) as store:
        assert len(corrections(store)) == 4


HOWS = st.sampled_from([("set", 3.0), ("add", 2.0), ("scale", 0.5), ("bad", None), ("good", None), ("gap", None)])
STEP = st.one_of(
    st.tuples(st.just("correct"), HOWS, st.integers(0, 7), st.integers(1, 8)),
    st.tuples(st.just("undo"), st.integers(0, 20)), st.tuples(st.just("late"), st.integers(0, 7)),
    st.tuples(st.just("flush"), st.just(0)))


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, min_size=2, max_size=9))
def test_of_every_value_the_newest_version_stands_that_is_not_undone(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, ...]]
) -> None:
    """The twin: a stack of versions for every key in plain Python."""
    with declared(open_store(tmp_path_factory.mktemp("p"))) as store:
        store.put(numbered(speeds(range(8)), 0))
        stack: dict[int, list[tuple[str, Any, int]]] = {i * S: [("", float(i), 0)] for i in range(8)}
        made: list[str] = []
        undoes: dict[str, str] = {}
        sent = 8
        for step in steps:
            if step[0] == "flush":
                store.flush()
            elif step[0] == "late":
                t_ns = step[1] * S + sent
                store.put(numbered(points((*SPEED, t_ns, 100.0)), sent))
                stack[t_ns], sent = [("", 100.0, 0)], sent + 1
            elif step[0] == "undo" and made:
                target = made[step[1] % len(made)]
                if target in _gone(made, undoes):
                    continue
                event = undo(store, target, *WHO).event
                undoes[event] = target
                made.append(event)
            elif step[0] == "correct":
                made += _corrected(store, stack, step, _gone(made, undoes) | set(undoes))
            silent = _gone(made, undoes) | set(undoes)
            wanted = {t: next(v[1:] for v in reversed(vs) if v[0] not in silent) for t, vs in stack.items()}
            table = store.get(things="mill-1", signals="spindle.speed").to_pylist()
            assert {r["t_ns"]: (r["value"], r["quality"]) for r in table} == wanted
        balanced(store.hops())


def _gone(made: list[str], undoes: dict[str, str]) -> set[str]:
    gone: set[str] = set()
    for event in reversed(made):
        if event in undoes and event not in gone:
            gone.add(undoes[event])
    return gone


def _corrected(store: Store, stack: dict[int, list[Any]], step: tuple[Any, ...], silent: set[str]) -> list[str]:
    _, (how, by), start, length = step
    new = {}
    for t_ns, stacked in stack.items():
        _, value, quality = next(v for v in reversed(stacked) if v[0] not in silent)
        if not start * S <= t_ns < (start + length) * S:
            continue
        after = {
            "set": (by, quality), "gap": (None, quality), "bad": (value, 2), "good": (value, 0),
            "add": (None if value is None else value + 2.0, quality),
            "scale": (None if value is None else value * 0.5, quality),
        }[how]
        if after != (value, quality):
            new[t_ns] = after
    try:
        event = correct(store, *SPEED, start * S, (start + length) * S, how, *WHO, by=by).event
    except InputError:
        assert not new
        return []
    for t_ns, after in new.items():
        stack[t_ns].append((event, *after))
    return [event]


