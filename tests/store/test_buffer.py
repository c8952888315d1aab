"""The store-and-forward buffer of an edge: durable, numbered, in order, once, bounded, and every sample accounted for."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopwright.core.clock import NS_PER_S, SimClock
from loopwright.core.errors import InputError, PlantBusy, StoreError, UnknownName
from loopwright.core.types import POINTS_IN, Hop
from loopwright.store import piece as pieces_of
from loopwright.store.buffer import DROPPED, Buffer, BufferFull
from loopwright.store.queue import UNREADABLE
from tests.store.plant import MILL, THINGS, blocks, numbered, plain, points, speeds

ROOT = Path(__file__).parents[2]
HOUR_NS = 3600 * NS_PER_S


OPEN: list[Buffer] = []


@pytest.fixture(autouse=True)
def _closed():
    """Whatever a test that failed left open is closed."""
    yield
    while OPEN:
        OPEN.pop().close()


def opened(folder: Path, **more) -> Buffer:
    buffer = Buffer(folder, **more)
    OPEN.append(buffer)
    buffer.declare([MILL], THINGS)
    return buffer


def fold_all(buffer: Buffer) -> None:
    """Folds, also what would not be worth it yet."""
    buffer._queue.small.close()
    while buffer.fold():
        pass


def taken(buffer: Buffer, **most) -> dict[str, list[tuple[int, float]]]:
    """Everything that waits: source -> (number, value) in the order in which it is sent."""
    out: dict[str, list[tuple[int, float]]] = {}
    while pieces := buffer.take(**most):
        for piece in pieces:
            table = pieces_of.unpacked(piece.form, piece.data)
            for run, rows in zip(piece.runs, pieces_of.cut(table, piece.runs), strict=True):
                values = rows.column("value").to_pylist() if not piece.blocks else np.concatenate(rows.column("values").to_pylist()).tolist()
                out.setdefault(buffer.named(run)[0], []).extend(zip(range(run.first, run.stop), values, strict=True))
    return out


def balanced(hops: dict[str, Hop]) -> None:
    for hop in hops.values():
        parts = (hop.out, hop.duplicate, sum(hop.refused.values()), hop.waiting, hop.lost or 0)
        assert hop.into == sum(parts), hop
        assert min(parts) >= 0, hop
    heard = sum(hop.out for name, hop in hops.items() if name not in ("journal", "centre"))
    assert hops["journal"].into == heard
    assert hops["centre"].into == hops["journal"].out + hops["centre"].duplicate


def corrupt(path: Path, page: int, size: int = 4096) -> None:
    """Overwrites one page of a SQLite file."""
    with path.open("r+b") as file:
        file.seek(page * size)
        file.write(b"\xa5" * size)


def settled(folder: Path) -> Path:
    """The buffer's file with its log taken over, so that its pages can be damaged."""
    import sqlite3

    path = folder / "journal.sqlite"
    db = sqlite3.connect(path)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    db.close()
    return path


# in and out


def test_what_is_put_is_taken_in_order_with_numbers_of_the_edges_own(tmp_path):
    with_gap = opened(tmp_path)
    with_gap.put(numbered(speeds([1, 2, 3]), 0))
    with_gap.put(numbered(speeds([7], 9 * NS_PER_S), 70, "mqtt/mill-1"))  # 67 of the source are missing: it is no gap of ours
    with_gap.put(plain(speeds([4, 5], thing="mill-2"), "http/press"))
    assert taken(with_gap) == {"mqtt/mill-1": [(0, 1.0), (1, 2.0), (2, 3.0), (3, 7.0)], "http/press": [(0, 4.0), (1, 5.0)]}
    with_gap.close()


def test_a_repeat_is_known_by_its_number_also_after_a_restart(tmp_path):
    buffer = opened(tmp_path)
    assert buffer.put(numbered(speeds([1, 2, 3]), 0)).stored == 3
    buffer.close()
    buffer = opened(tmp_path)
    again = buffer.put(numbered(speeds([2, 3, 4], NS_PER_S), 1))
    assert (again.stored, again.duplicate) == (1, 2)
    assert buffer.cursor("mqtt/mill-1") == 3
    assert taken(buffer)["mqtt/mill-1"] == [(0, 1.0), (1, 2.0), (2, 3.0), (3, 4.0)]
    balanced(buffer.hops())
    buffer.close()


def test_what_cannot_be_is_refused_by_the_reasons_of_a_plant(tmp_path):
    buffer = opened(tmp_path)
    table = points(("mill-1", "spindle.speed", 1, 5.0), ("mill-1", "spindle.speed", 2, 9e9), ("mill-9", "spindle.speed", 3, 5.0),
                   ("mill-1", "nothing", 4, 5.0), ("mill-1", "mode", 5, 3), ("mill-1", "parts", 6, 1.5))
    receipt = buffer.put(numbered(table, 0, refused={"unreadable": 2}))
    assert receipt.stored == 1
    assert dict(receipt.refused) == {
        "unreadable": 2, "out of range": 1, "unknown thing": 1, "unknown signal": 1, "unknown code": 1, "wrong type": 1}
    assert taken(buffer) == {"mqtt/mill-1": [(0, 5.0)]}
    balanced(buffer.hops())
    with pytest.raises(InputError, match="corrections are made at the centre"):
        buffer.put(numbered(speeds([1]), 8, correction="e1"))
    buffer.close()


def test_only_what_the_centre_has_stored_leaves(tmp_path):
    buffer = opened(tmp_path)
    for i in range(4):
        buffer.put(numbered(speeds([i], i * NS_PER_S), i))
    first = buffer.take(most_bytes=1)
    assert [piece.samples for piece in first] == [1]
    rest = buffer.take()
    buffer.stored(first)
    assert buffer.state()["samples"] == 3
    buffer.back()  # the link is lost: the others come again
    assert sum(piece.samples for piece in buffer.take()) == sum(piece.samples for piece in rest) == 3
    balanced(buffer.hops())
    buffer.close()
    buffer = opened(tmp_path)
    assert taken(buffer) == {"mqtt/mill-1": [(1, 1.0), (2, 2.0), (3, 3.0)]}
    buffer.close()


def test_known_ns_never_runs_backwards_whatever_the_clock_does(tmp_path):
    clock = SimClock()
    known = []
    for jump_ns in (0, 5 * HOUR_NS, -9 * HOUR_NS, 0, 2 * HOUR_NS):
        clock.set_ns(clock.now_ns() + jump_ns)
        buffer = opened(tmp_path, clock=clock)
        for _ in range(3):
            at = len(known)
            known.append(buffer.put(numbered(speeds([at], at * NS_PER_S), at)).known_ns)
        buffer.close()
    assert known == sorted(set(known))
    buffer = opened(tmp_path, clock=clock)
    assert taken(buffer) == {"mqtt/mill-1": [(i, float(i)) for i in range(15)]}
    buffer.close()


def test_one_process_has_the_folder(tmp_path):
    buffer = opened(tmp_path)
    with pytest.raises(PlantBusy, match=str(os.getpid())):
        Buffer(tmp_path)
    buffer.close()
    with pytest.raises(UnknownName, match="drop_oldest"):
        Buffer(tmp_path, when_full="drop")


def test_blocks_and_points_of_one_source_come_whole(tmp_path):
    buffer = opened(tmp_path)
    values = [float(i) for i in range(8)]
    buffer.put(numbered(blocks(("mill-1", "vibration", 0, 1_000_000, values[:5]), ("mill-1", "vibration", 5_000_000, 1_000_000, values[5:])), 0))
    buffer.put(numbered(speeds([100.0]), 8))
    buffer.put(numbered(blocks(("mill-1", "vibration", 9_000_000, 1_000_000, [9.0, 10.0])), 9))
    found = taken(buffer)["mqtt/mill-1"]
    assert sorted(found) == [*((i, values[i]) for i in range(8)), (8, 100.0), (9, 9.0), (10, 10.0)]
    buffer.close()


def test_a_large_batch_is_cut_and_comes_whole(tmp_path):
    buffer = opened(tmp_path)
    n = 120_000
    table = pa.table({"thing": ["mill-1"] * n, "signal": ["spindle.speed"] * n, "t_ns": range(n), "n": np.zeros(n, np.int32),
                      "value": np.arange(n) % 1000 / 1.0, "code": pa.nulls(n, pa.int64()), "quality": np.zeros(n, np.int8)}, schema=POINTS_IN)
    buffer.put(numbered(table, 0, sent=n))
    assert buffer.state()["pieces"] == 3
    while buffer.fold():
        pass
    assert taken(buffer, most_bytes=1)["mqtt/mill-1"] == [(i, float(i % 1000)) for i in range(n)]
    buffer.close()


# folding


def test_folding_changes_what_it_takes_and_nothing_else(tmp_path):
    """Batches of three sources in turn, some late, in full precision."""
    draw = np.random.default_rng(3)
    buffer = opened(tmp_path)
    expected: dict[str, list[tuple[int, float]]] = {}
    for i in range(300):
        source, thing = f"mqtt/s{i % 3}", THINGS[i % 2].id
        values = draw.normal(300, 10, 30).clip(0, 3000).tolist()
        buffer.put(numbered(speeds(values, (i * 40 - (900 if i % 7 == 0 else 0)) * NS_PER_S, thing), i * 30, source))
        mine = expected.setdefault(source, [])
        at = len(mine)
        mine.extend((at + j, v) for j, v in enumerate(values))
    before = buffer.state()
    fold_all(buffer)
    after = buffer.state()
    assert (before["samples"], before["pieces"], after["samples"], after["pieces"]) == (9_000, 300, 9_000, 1)
    assert after["bytes"] < before["bytes"] / 3
    buffer.close()
    buffer = opened(tmp_path)
    assert {key: buffer.state()[key] for key in ("samples", "bytes", "pieces")} == {key: after[key] for key in ("samples", "bytes", "pieces")}
    assert taken(buffer) == expected
    buffer.close()


def test_what_is_on_its_way_is_not_folded_under_it(tmp_path):
    buffer = opened(tmp_path)
    for i in range(40):
        buffer.put(numbered(speeds([i], i * NS_PER_S), i))
    flying = buffer.take(most_samples=10)
    buffer._queue.small.close()
    assert buffer.fold() == 0
    buffer.stored(flying)
    assert buffer.state()["samples"] == 30
    assert [number for number, _ in taken(buffer)["mqtt/mill-1"]] == list(range(10, 40))
    buffer.close()


# full


def filled(tmp_path: Path, when_full: str) -> Buffer:
    """A buffer that holds about eight batches of 200."""
    return opened(tmp_path, limit_bytes=25_000, when_full=when_full)


def offer(buffer: Buffer, count: int, first: int = 0) -> int:
    """Puts batches of 200 until it says that it is full; how many it took."""
    draw = np.random.default_rng(first)
    for i in range(first, first + count):
        try:
            buffer.put(numbered(speeds(draw.uniform(0, 3000, 200).tolist(), i * 200 * NS_PER_S), i * 200))
        except BufferFull:
            return i - first
    return count


def test_a_full_buffer_that_waits_takes_nothing_until_the_centre_has_some(tmp_path):
    buffer = filled(tmp_path, "wait")
    took = offer(buffer, 30)
    assert 3 < took < 30
    assert buffer.state()["bytes"] <= 25_000
    assert offer(buffer, 1, took) == 0
    balanced(buffer.hops())
    assert buffer.hops()["mqtt"].into == took * 200, "what it did not take, nobody acknowledged"
    buffer.stored(buffer.take())
    assert offer(buffer, 1, took) == 1
    buffer.close()


def test_a_full_buffer_that_drops_the_oldest_counts_it_and_tells_the_centre_which(tmp_path):
    buffer = filled(tmp_path, "drop_oldest")
    assert offer(buffer, 30) == 30
    assert buffer.state()["bytes"] <= 25_000
    hops = buffer.hops()
    balanced(hops)
    dropped = hops["journal"].refused[DROPPED]
    assert dropped + hops["journal"].waiting == 30 * 200
    (_, run, why), = buffer.gone()
    assert (run.first, run.samples, why) == (0, dropped, DROPPED)
    assert [number for number, _ in taken(buffer)["mqtt/mill-1"]] == list(range(dropped, 6_000))
    buffer.close()


def test_what_is_on_its_way_is_not_dropped(tmp_path):
    buffer = filled(tmp_path, "drop_oldest")
    offer(buffer, 2)
    flying = buffer.take(most_samples=200)
    offer(buffer, 30, 2)
    buffer.stored(flying)
    balanced(buffer.hops())
    assert buffer.hops()["centre"].out == 200
    assert min(run.first for _, run, _ in buffer.gone()) == 200
    buffer.close()


def test_a_full_buffer_that_refuses_counts_what_it_refused_and_does_not_want_it_again(tmp_path):
    buffer = filled(tmp_path, "refuse_new")
    assert offer(buffer, 30) == 30
    hops = buffer.hops()
    balanced(hops)
    assert hops["mqtt"].refused["buffer full"] + hops["journal"].waiting == 30 * 200
    assert buffer.cursor("mqtt/mill-1") == 30 * 200 - 1
    assert not buffer.gone()
    buffer.close()


# every history

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 2), st.integers(0, 60), st.integers(1, 40)),
        st.tuples(st.sampled_from(["fold", "back", "restart"])), st.tuples(st.just("take"), st.integers(1, 400)),
        st.tuples(st.just("stored"), st.integers(0, 3)), st.tuples(st.just("told"), st.integers(0, 3))),
    max_size=50)


@given(STEPS, st.sampled_from(["wait", "drop_oldest", "refuse_new"]))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_in_every_history_each_accepted_sample_is_sent_or_gone_once_and_the_numbers_add_up(tmp_path_factory, steps, when_full):
    """Against a plain set of numbers: accepted = stored + gone + waiting, no number twice, in order within a source."""
    folder = tmp_path_factory.mktemp("history")
    buffer = opened(folder, limit_bytes=6_000, when_full=when_full)
    flying: list = []
    stored: dict[int, list[int]] = {}
    gone: dict[int, set[int]] = {}
    for step in steps:
        if step[0] == "put":
            _, source, first, count = step
            try:
                buffer.put(numbered(speeds([1.0] * count, first * NS_PER_S), first, f"mqtt/s{source}"))
            except BufferFull:
                assert when_full == "wait"
        elif step[0] == "take":
            flying += buffer.take(most_samples=step[1])
        elif step[0] == "stored" and flying:
            now, flying = flying[:1 + step[1]], flying[1 + step[1]:]
            buffer.stored(now, again=step[1])
            for piece in now:
                for run in piece.runs:
                    stored.setdefault(run.stream, []).extend(range(run.first, run.stop))
        elif step[0] == "told":
            rows = buffer.gone(most=1 + step[1])
            buffer.stored([], [number for number, _, _ in rows])
            for _, run, _ in rows:
                assert gone.setdefault(run.stream, set()).isdisjoint(range(run.first, run.stop))
                gone[run.stream].update(range(run.first, run.stop))
        elif step[0] == "fold":
            fold_all(buffer)
        elif step[0] == "back":
            buffer.back()
            flying = []
        elif step[0] == "restart":
            buffer.close()
            buffer, flying = opened(folder, limit_bytes=6_000, when_full=when_full), []
        balanced(buffer.hops())
    buffer.back()
    while pieces := buffer.take():
        for piece in pieces:
            for run in piece.runs:
                stored.setdefault(run.stream, []).extend(range(run.first, run.stop))
    for _, run, _ in buffer.gone(10**6):
        gone.setdefault(run.stream, set()).update(range(run.first, run.stop))
    accepted = dict(buffer._streams.values())
    for stream, following in accepted.items():
        sent = stored.get(stream, [])
        assert sent == sorted(set(sent))
        assert gone.get(stream, set()).isdisjoint(sent)
        assert gone.get(stream, set()) | set(sent) == set(range(following))
    buffer.close()


# bad days


def test_a_piece_with_a_wrong_byte_is_set_aside_and_counted_and_the_rest_goes_on(tmp_path):
    import sqlite3

    buffer = opened(tmp_path)
    for i in range(5):
        buffer.put(numbered(speeds([i] * 3, i * 3 * NS_PER_S), i * 3))
    buffer.close()
    db = sqlite3.connect(tmp_path / "journal.sqlite")
    (number, data), = db.execute("SELECT id, data FROM queue ORDER BY id LIMIT 1 OFFSET 2").fetchall()
    db.execute("UPDATE queue SET data = ? WHERE id = ?", (data[:300] + bytes([data[300] ^ 1]) + data[301:], number))
    db.commit()
    db.close()
    buffer = opened(tmp_path)
    assert [n for n, _ in taken(buffer)["mqtt/mill-1"]] == [0, 1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14]
    hops = buffer.hops()
    balanced(hops)
    assert (hops["journal"].lost, "3 on pages" in hops["journal"].word) == (3, True)
    assert [(run.first, run.samples, why) for _, run, why in buffer.gone()] == [(6, 3, UNREADABLE)]
    assert (tmp_path / "aside" / f"{number}.piece").read_bytes() != data
    assert zlib.crc32((tmp_path / "aside" / f"{number}.piece").read_bytes()) != zlib.crc32(data)
    buffer.close()


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_page_costs_what_stood_on_it_and_nothing_else(tmp_path, seed):
    """Any page but those of the schema is overwritten; the file mends itself, and what is gone is counted."""
    draw = random.Random(seed)
    buffer = opened(tmp_path)
    for i in range(60):
        values = [draw.uniform(0, 3000) for _ in range(150)]
        buffer.put(numbered(speeds(values, i * 150 * NS_PER_S), i * 150))
    buffer.close()
    path = settled(tmp_path)
    pages = path.stat().st_size // 4096
    corrupt(path, draw.randrange(pages // 3, pages))
    buffer = opened(tmp_path)
    receipt = buffer.put(numbered(speeds([1.0], 10**6 * NS_PER_S), 9_000))
    assert receipt.stored == 1
    found = [n for source in taken(buffer).values() for n, _ in source]
    hops = buffer.hops()
    balanced(hops)
    gone = [n for _, run, _ in buffer.gone() for n in range(run.first, run.stop)]
    assert len(gone) == hops["journal"].lost
    assert len(gone) <= 4 * 150, "four batches of a kilobyte stand on a page"
    assert sorted(found + gone) == list(range(9_001))
    buffer.close()


def test_a_file_that_is_none_is_set_aside_and_the_edge_goes_on_under_new_numbers(tmp_path):
    buffer = opened(tmp_path)
    buffer.put(numbered(speeds([1, 2, 3]), 0))
    before = buffer.epoch
    buffer.close()
    path = settled(tmp_path)
    corrupt(path, 0)
    buffer = opened(tmp_path)
    assert buffer.epoch != before
    assert (tmp_path / "journal.damaged-1.sqlite").is_file()
    journal = buffer.hops()["journal"]
    assert journal.lost is None
    assert "how much is not known" in journal.word
    buffer.put(numbered(speeds([4]), 3))
    assert taken(buffer) == {"mqtt/mill-1": [(0, 4.0)]}
    buffer.close()


def run_writer(folder: Path, *limits: str) -> subprocess.Popen[str]:
    """A process that puts batches of 10 from where the buffer stands, and says what was acknowledged."""
    code = (
        "import resource, signal, sys; from pathlib import Path; from loopwright.core.clock import NS_PER_S\n"
        "from loopwright.core.errors import StoreError; from tests.store.plant import MILL, THINGS, numbered, speeds\n"
        "from loopwright.store.buffer import Buffer\n"
        "buffer = Buffer(Path(sys.argv[1])); buffer.declare([MILL], THINGS); signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "if len(sys.argv) > 2: resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))\n"
        "at = (buffer.cursor('mqtt/w') or -1) + 1\n"
        "try:\n"
        "    while True:\n"
        "        buffer.put(numbered(speeds([i % 1000 for i in range(at, at + 10)], at * NS_PER_S), at, 'mqtt/w')); at += 10\n"
        "        print(at - 1, flush=True)\n"
        "        if at % 3_000 == 0: buffer.fold()\n"
        "except StoreError as error: print(error, file=sys.stderr)\n"
    )
    return subprocess.Popen([sys.executable, "-c", code, str(folder), *limits], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, cwd=ROOT)


def check(folder: Path, acknowledged: int) -> None:
    buffer = opened(folder)
    assert (buffer.cursor("mqtt/w") or 0) >= acknowledged
    found = taken(buffer)["mqtt/w"]
    assert found == [(i, float(i % 1000)) for i in range(len(found))]
    assert len(found) == (buffer.cursor("mqtt/w") or 0) + 1
    balanced(buffer.hops())
    buffer.close()


def killed(folder: Path, lines: int) -> int:
    with run_writer(folder) as child:
        assert child.stdout is not None
        last = 0
        for _ in range(lines):
            last = int(child.stdout.readline())
        child.kill()
        for line in child.stdout:
            last = int(line) if line.endswith("\n") else last
    return last


def test_kill_nine_loses_nothing_acknowledged(tmp_path):
    check(tmp_path, killed(tmp_path, 40))


@pytest.mark.slow
def test_it_may_be_killed_again_and_again(tmp_path):
    draw = random.Random(5)
    for _ in range(6):
        check(tmp_path, killed(tmp_path, draw.randrange(1, 100)))


@pytest.mark.slow
def test_a_full_disk_is_told_and_what_was_acknowledged_stands(tmp_path):
    """No file of the child may grow beyond 400 kB: the same error as a full disk."""
    with run_writer(tmp_path, "400000") as child:
        said, wrong = child.communicate(timeout=60)
    assert "it cannot be written" in wrong
    assert "Traceback" not in wrong
    check(tmp_path, int(said.split()[-1]))


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    if os.geteuid() == 0:
        (tmp_path / "file").write_text("")
        with pytest.raises(StoreError, match="cannot be made"):
            Buffer(tmp_path / "file" / "edge")
        return
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="cannot be written"):
        Buffer(tmp_path)


def test_the_code_of_the_page_on_edges_runs(tmp_path, monkeypatch):
    import re

    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs" / "how-to" / "edge.md"
    code = "\n".join(re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S))
    assert "buffer.stored" in code
    exec(compile(code, str(page), "exec"), {"__name__": "page"})
