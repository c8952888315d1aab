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

from loopwright.store import open_store
from tests.store.plant import balanced, numbered
from tests.store.writer import SIZE, SOURCE, rows

ROOT = Path(__file__).parents[2]


def run_and_kill(plant: Path, mode: str, after_s: float) -> int:
    """Runs the writer, kills it that long after its first acknowledgement; the last sequence that it acknowledged."""
    command = [sys.executable, "-m", "tests.store.writer", str(plant), mode]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        assert child.stdout is not None
        last = int(child.stdout.readline())
        timer = threading.Timer(after_s, os.kill, (child.pid, signal.SIGKILL))
        timer.start()
        for line in child.stdout:
            last = int(line)
        child.wait()
        timer.join()
    return last


def check(plant: Path, acknowledged: int) -> None:
    """Opens the plant again: with all that was acknowledged and nothing twice."""
    with open_store(plant) as store:
        cursor = store.cursor(SOURCE)
        assert cursor is not None
        assert cursor >= acknowledged
        kept = store.get().column("code").to_pylist()
        assert kept == list(range(cursor + 1))
        balanced(store.hops())
        assert store.hops()["mqtt"].lost == 0
        again = store.put(numbered(rows(acknowledged + 1 - SIZE), acknowledged + 1 - SIZE, SOURCE))
        assert (again.stored, again.duplicate) == (0, SIZE)
        store.flush()
        assert store.get().column("code").to_pylist() == kept
        balanced(store.hops())


@pytest.mark.parametrize("mode", ["put", "flush", "compact"])
def test_a_killed_writer_loses_nothing_acknowledged_and_repeats_nothing(tmp_path: Path, mode: str) -> None:
    check(tmp_path, run_and_kill(tmp_path, mode, 0.2))


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
    check(tmp_path, int(done.stdout.split()[-1]))


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "times"), [("put", 20), ("flush", 15), ("compact", 15)])
def test_it_may_be_killed_again_and_again(tmp_path: Path, mode: str, times: int) -> None:
    moment = random.Random(4711)
    for _ in range(times):
        check(tmp_path, run_and_kill(tmp_path, mode, moment.uniform(0.0, 0.25)))
