"""Windows over a folder: written in pieces, read through a memory map, never over the end of a unit."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.clock import SimClock
from loopwright.core.errors import InputError
from loopwright.learn.splits import divide
from loopwright.learn.traps import LeakError
from loopwright.learn.windows import Kept, Piece, batches, check_apart, from_store, open_kept, windows, write
from loopwright.store import Store, open_store
from tests.store.plant import S, blocks, declared, numbered, points


def ramps(sizes: dict[str, int], channels: int = 2, seed: int = 0) -> Iterator[Piece]:
    """A walk of its own for each group, in pieces of three rows."""
    rng = np.random.default_rng(seed)
    for group, size in sizes.items():
        values = rng.normal(size=(size, channels)).cumsum(axis=0)
        for a in range(0, size, 3):
            yield group, np.arange(a, min(size, a + 3)) * S, values[a : a + 3]


def test_every_window_is_the_rows_of_its_group_as_a_plain_loop_cuts_them(tmp_path: Path) -> None:
    sizes = {"a": 7, "b": 2, "c": 10}
    kept = write(tmp_path, ramps(sizes), ("x", "y"))
    whole = {group: np.concatenate([v for g, _, v in ramps(sizes) if g == group]) for group in sizes}
    expected = [whole[g][i : i + 4] for g in sizes for i in range(0, sizes[g] - 3, 2)]
    index = windows(kept, 4, step=2)
    got = np.concatenate(list(batches(kept, index, np.arange(len(index.first)), size=3)))
    np.testing.assert_array_equal(got, np.stack(expected))
    assert index.groups(kept).tolist() == ["a", "a", "c", "c", "c", "c"]
    assert index.t_ns(kept).tolist() == [0, 2 * S, 0, 2 * S, 4 * S, 6 * S]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(1, 6), st.integers(1, 4), st.integers(0, 3))
def test_windows_never_reach_over_a_group_or_a_gap(sizes: list[int], length: int, step: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    times = [np.cumsum(rng.integers(1, 4, size)) for size in sizes]
    pieces = [(f"g{i}", t, np.full((len(t), 1), float(i))) for i, t in enumerate(times)]
    plain = [
        (i, a) for i, t in enumerate(times) for a in range(0, len(t) - length + 1, step)
        if (np.diff(t[a : a + length]) <= 2).all()
    ]
    with tempfile.TemporaryDirectory() as folder:
        kept = write(Path(folder), pieces, ("x",))
        if not plain:
            with pytest.raises(InputError, match="no group has"):
                windows(kept, length, step, most_gap_ns=2)
            return
        index = windows(kept, length, step, most_gap_ns=2)
    begin = np.concatenate([[0], np.cumsum(sizes)])
    assert [(int(g), int(f - begin[g])) for g, f in zip(index.group, index.first, strict=True)] == plain


def test_a_set_many_times_larger_than_what_is_held_streams_from_its_file(tmp_path: Path) -> None:
    """24 MB on the disk, 64 windows of 64 rows at a time: less than 3 MB of arrays are ever held."""
    def pieces() -> Iterator[Piece]:
        for unit in range(30):
            yield f"unit-{unit:02d}", np.arange(10_000) * S, np.full((10_000, 10), float(unit))

    tracemalloc.start()
    kept = write(tmp_path, pieces(), [f"c{i}" for i in range(10)])
    index = windows(kept, 64, step=64)
    train, test = divide("unit", index.groups(kept), folds=5)[0]
    total = sum(float(batch[:, 0, 0].sum()) for batch in batches(kept, index, train, size=64))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "values.bin").stat().st_size == 24_000_000
    assert total == sum(float(name[5:]) for name in index.groups(kept)[train])
    assert len(train) + len(test) == 30 * 156
    assert peak < 3_000_000


def test_windows_shuffled_by_row_are_found_out(tmp_path: Path) -> None:
    kept = write(tmp_path, ramps({"a": 60, "b": 60}), ("x", "y"))
    index = windows(kept, 8)
    shuffled = np.random.default_rng(0).permutation(len(index.first))
    with pytest.raises(LeakError, match="windows of the test share samples with the training"):
        check_apart(kept, index, shuffled[20:], shuffled[:20])
    for train, test in divide("run", index.groups(kept)):
        check_apart(kept, index, train, test)


def test_a_copy_of_a_unit_under_another_name_is_found_out_and_a_flat_signal_is_no_copy(tmp_path: Path) -> None:
    first, second = ([(g, t, v) for g, t, v in ramps({name: 20}, seed=1)] for name in ("a", "b"))
    kept = write(tmp_path / "copied", [*first, *second], ("x", "y"))
    index = windows(kept, 5)
    names = index.groups(kept)
    with pytest.raises(LeakError, match="16 windows of the test are copies"):
        check_apart(kept, index, np.flatnonzero(names == "a"), np.flatnonzero(names == "b"))
    flat = write(tmp_path / "flat", [(g, np.arange(9), np.full((9, 1), 5.0)) for g in "ab"], ("x",))
    index = windows(flat, 5)
    check_apart(flat, index, np.arange(5), np.arange(5, 10))


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        ([], "it has no rows"),
        ([("a", np.array([0, 1]), np.zeros((2, 3)))], r"values are \(2, 3\)"),
        ([("a", np.array([1, 0]), np.zeros((2, 1)))], "times stand still or go back"),
        ([("a", np.array([0, 0]), np.zeros((2, 1)))], "times stand still or go back"),
        ([("a", np.array([5]), np.zeros((1, 1))), ("a", np.array([5]), np.zeros((1, 1)))], "times stand still or go back"),
        ([("a", np.array([0]), np.zeros((1, 1))), ("b", np.array([0]), np.zeros((1, 1))), ("a", np.array([1]), np.zeros((1, 1)))], "'a' comes back"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_leaves_no_set(tmp_path: Path, pieces: list[Piece], said: str) -> None:
    with pytest.raises(InputError, match=said):
        write(tmp_path, pieces, ("x",))
    with pytest.raises(InputError, match="no kept set is there"):
        open_kept(tmp_path)


def test_a_file_that_was_cut_off_is_told(tmp_path: Path) -> None:
    write(tmp_path, ramps({"a": 6}), ("x", "y"))
    with (tmp_path / "values.bin").open("r+b") as file:
        file.truncate(50)
    with pytest.raises(InputError, match=r"values\.bin is not as long as kept\.json says"):
        open_kept(tmp_path)


def slow_grid(rows: list[tuple[int, float]], start: int, end: int, step: int) -> list[float]:
    """The last value of each step, one after the other; NaN where there is none."""
    grid = []
    for at in range(start, end, step):
        inside = [value for t_ns, value in sorted(rows) if at <= t_ns < min(at + step, end)]
        grid.append(inside[-1] if inside else float("nan"))
    return grid


@pytest.fixture
def mixed(tmp_path: Path) -> Iterator[Store]:
    """Vibration at 5 Hz, speed about every 7 s with a gap, and a part of the speed that came only later."""
    with open_store(tmp_path / "plant", SimClock(10**18)) as store:
        declared(store)
        wave = [float(i % 13) for i in range(200)]
        store.put(numbered(blocks(("mill-1", "vibration", 3 * S, S // 5, wave)), 0))
        store.put(numbered(points(*(("mill-1", "spindle.speed", t * S, float(t)) for t in SPEED_AT if t < 90)), 1000))
        store._clock.set_ns(10**18 + 100 * S)
        store.put(numbered(points(*(("mill-1", "spindle.speed", t * S, float(t)) for t in SPEED_AT if t >= 90)), 2000))
        yield store


SPEED_AT = (2, 9, 16, 23, 61, 68, 75, 90, 97)


@pytest.mark.parametrize("step_ns", [S // 10, S // 5, S, 3 * S, 10 * S])
@pytest.mark.parametrize("known_by_ns", [None, 10**18 + 50 * S])
def test_signals_of_mixed_rates_from_the_store_stand_on_any_grid_with_gaps_open_and_as_known_by(
    mixed: Store, tmp_path: Path, step_ns: int, known_by_ns: int | None
) -> None:
    kept = from_store(tmp_path / "kept", mixed, ["mill-1", "nobody"], ["vibration", "spindle.speed"], (0, 110 * S, step_ns),
                      known_by_ns, at_once=max(5, 110 * S // step_ns // 3))
    wave = [(3 * S + i * (S // 5), float(i % 13)) for i in range(200)]
    speed = [(t * S, float(t)) for t in SPEED_AT if known_by_ns is None or t < 90]
    plain = np.array([slow_grid(rows, 0, 110 * S, step_ns) for rows in (wave, speed)]).T
    known = np.flatnonzero(np.isfinite(plain).any(axis=1))
    a, b = known[0], known[-1] + 1
    assert kept.groups == ("mill-1",)
    np.testing.assert_array_equal(kept.values, plain[a:b])
    np.testing.assert_array_equal(kept.t_ns, np.arange(0, 110 * S, step_ns)[a:b])


def test_a_kept_set_is_the_same_when_it_is_opened_again(tmp_path: Path) -> None:
    first = write(tmp_path, ramps({"a": 6, "b": 4}), ("x", "y"), np.float32)
    again: Kept = open_kept(tmp_path)
    assert (again.groups, again.channels, again.first.tolist()) == (("a", "b"), ("x", "y"), [0, 6, 10])
    np.testing.assert_array_equal(again.values, first.values)
    assert again.values.dtype == np.float32


def test_windows_that_reach_over_a_cut_in_time_are_found_out_and_a_gap_parts_them(tmp_path: Path) -> None:
    kept = write(tmp_path, ramps({"a": 60}), ("x", "y"))
    index = windows(kept, 8, step=2)
    for train, test in divide("time", t_ns=index.t_ns(kept), folds=3):
        with pytest.raises(LeakError, match="windows of the test share samples with the training"):
            check_apart(kept, index, train, test)
    for train, test in divide("time", t_ns=index.t_ns(kept), folds=3, gap_ns=7 * S):
        check_apart(kept, index, train, test)


@pytest.mark.slow
def test_a_set_five_times_the_memory_it_may_take_is_written_checked_and_read(tmp_path: Path) -> None:
    """320 MB of doubles in a process whose resident memory, pages of the map included, may grow by 64 MB."""
    code = f"""
import numpy as np
from pathlib import Path
from loopwright.learn import windows
from loopwright.learn.rows import measured
from loopwright.learn.splits import divide

def pieces():
    for unit in range(8):
        rng = np.random.default_rng(unit)
        for at in range(0, 312_500, 50_000):
            count = min(50_000, 312_500 - at)
            yield f"u{{unit}}", np.arange(at, at + count), rng.normal(size=(count, 16))

windows.HELD = 8_000_000
with measured() as spent:
    kept = windows.write(Path({str(tmp_path)!r}) / "set", pieces(), [f"c{{i}}" for i in range(16)])
    index = windows.windows(kept, 128, 128)
    train, test = divide("unit", index.groups(kept))[0]
    windows.check_apart(kept, index, train, test)
    count = sum(len(batch) for batch in windows.batches(kept, index, np.concatenate([train, test]), size=64))
assert kept.values.nbytes == 320_000_000 and count == len(index.first) == 8 * (312_500 // 128)
print(spent.peak_mb)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert float(done.stdout) < 64
