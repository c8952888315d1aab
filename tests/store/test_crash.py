"""kill -9 at any moment: everything acknowledged is there, once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from loopwright.store import Store, open_store
from loopwright.store.reroll import verify
from tests.store.plant import S, balanced, numbered
from tests.store.writer import FAST, LATE, MOST, SIZE, SOURCE, STEP_NS, after, rows

ROOT = Path(__file__).parents[2]


def run_and_kill(plant: Path, mode: str, after_s: float) -> dict[str, int]:
    """Runs the writer, kills it that long after its first acknowledgement; the last number acknowledged by letter."""
    command = [sys.executable, "-m", "tests.store.writer", str(plant), mode]
    said = {"a": -1, "b": -1, "c": -1, "d": -1}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        assert child.stdout is not None
        timer = None
        for line in child.stdout:
            letter, number = line.split()
            said[letter] = int(number)
            if timer is None:
                timer = threading.Timer(after_s, os.kill, (child.pid, signal.SIGKILL))
                timer.start()
        child.wait()
        assert timer is not None, "it never acknowledged anything"
        timer.join()
    return said


def check(plant: Path, said: dict[str, int]) -> None:
    """Opens the plant again: with all that was acknowledged and nothing twice."""
    with open_store(plant) as store:
        whole(store, said)
        first = said["a"] + 1 - SIZE
        again = store.put(numbered(rows(first), first, SOURCE))
        assert (again.stored, again.duplicate) == (0, SIZE)
        store.flush()
        whole(store, said)


def whole(store: Store, said: dict[str, int]) -> None:
    """Asserts that the three streams stand without a hole as far as was acknowledged, each sample once."""
    stop = {letter: after(store, source) for letter, source in (("a", SOURCE), ("b", FAST), ("c", LATE))}
    assert all(stop[letter] > said[letter] for letter in stop), (stop, said)
    assert store.get(signals="parts").column("code").to_pylist() == list(range(stop["a"]))
    fast = store.get(signals="vibration")
    assert fast.column("t_ns").to_pylist() == [i * STEP_NS for i in range(stop["b"])]
    assert fast.column("value").to_pylist() == [i % MOST for i in range(stop["b"])]
    speed = store.get(signals="spindle.speed")
    assert speed.column("t_ns").to_pylist() == [-i * S for i in range(stop["c"])][::-1]
    corrected = {int(e.key.split()[1]) for e in store.recall(kind="points.corrected")}
    expected = [5.0 if i in corrected else float(i % 1000) for i in range(stop["c"])][::-1]
    # the newest correction's event may stand without its value: it was not acknowledged
    wrong = [i for i, (found, value) in enumerate(zip(speed.column("value").to_pylist(), expected, strict=True)) if found != value]
    assert [stop["c"] - 1 - i for i in wrong] in ([], [max(corrected, default=-1)])
    assert all(stop["c"] - 1 - i > said["d"] for i in wrong)
    balanced(store.hops())
    assert store.hops()["mqtt"].lost == 0
    assert verify(store) == []


@pytest.mark.parametrize("mode", ["put", "flush", "compact"])
def test_a_killed_writer_loses_nothing_acknowledged_and_repeats_nothing(tmp_path: Path, mode: str) -> None:
    check(tmp_path, run_and_kill(tmp_path, mode, 0.2))


@pytest.mark.slow
def test_a_program_that_ends_without_closing_ends_in_peace(tmp_path: Path) -> None:
    """The flush that begins by itself is waited for; a thread cut off at the end would crash inside the libraries."""
    code = (
        "import sys, pyarrow as pa; from pathlib import Path; from loopwright.store import open_store\n"
        "from tests.store.plant import declared, numbered; store = declared(open_store(Path(sys.argv[1]))); n = 150_000\n"
        "table = pa.table({'thing': ['mill-1'] * n, 'signal': ['spindle.speed'] * n, 't_ns': range(n), 'value': [1.0] * n})\n"
        "store.put(numbered(table, 0))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    with open_store(tmp_path) as store:
        balanced(store.hops())
        assert store.hops()["points"].out == 150_000


@pytest.mark.slow
def test_a_full_disk_is_told_and_what_was_acknowledged_stands(tmp_path: Path) -> None:
    """No file of the child may grow beyond 400 kB: the same error as a full disk, for the journal and then the points."""
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from pathlib import Path; from tests.store import writer; from loopwright.core.errors import StoreError\n"
        "from loopwright.store import open_store; from tests.store.plant import declared; declared(open_store(Path(sys.argv[1]))).close()\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))\n"
        "try: writer.main(Path(sys.argv[1]), sys.argv[2])\n"
        "except StoreError as error: print(error, file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path), "put"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert "journal" in done.stderr
    assert "it cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    said = {"a": -1, "b": -1, "c": -1, "d": -1}
    said.update((line.split()[0], int(line.split()[1])) for line in done.stdout.splitlines())
    check(tmp_path, said)


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "times"), [("put", 7), ("flush", 7), ("compact", 6)])
def test_it_may_be_killed_again_and_again(tmp_path: Path, mode: str, times: int) -> None:
    moment = random.Random(4711)
    for _ in range(times):
        check(tmp_path, run_and_kill(tmp_path, mode, moment.uniform(0.0, 0.25)))
