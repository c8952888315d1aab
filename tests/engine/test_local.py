"""Workers: real processes, so the time here is the machine's own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any

import pytest

from loopwright.core.clock import monotonic_s
from loopwright.core.errors import InputError, LoopwrightError, UnknownName
from loopwright.engine.local import Workers

WORK = "tests.engine.work"
SOON_S = 20.0


@pytest.fixture
def workers() -> Iterator[Workers]:
    with Workers() as made:
        yield made


def got(future: Future[Any]) -> Any:
    return future.result(timeout=SOON_S)


def alive(pid: int) -> bool:
    """Whether a process exists and is not merely waiting to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone_soon(pid: int) -> bool:
    until_s = monotonic_s() + SOON_S
    while alive(pid) and monotonic_s() < until_s:
        time.sleep(0.02)
    return not alive(pid)


def test_a_call_runs_in_a_process_of_its_own_that_stays_warm(workers: Workers) -> None:
    first, second = got(workers.call("a", f"{WORK}:pid")), got(workers.call("a", f"{WORK}:pid"))
    assert first == second == workers.pids()["a"] != os.getpid()
    assert got(workers.call("a", f"{WORK}:add", 2, 3)) == 5


def test_each_name_is_a_process_and_they_work_side_by_side(workers: Workers) -> None:
    for name in "ab":
        got(workers.warm(name, f"{WORK}:sleep"))
    started_s = monotonic_s()
    both = [workers.call(name, f"{WORK}:sleep", 3.0) for name in "ab"]
    assert [got(future) for future in both] == [3.0, 3.0]
    assert monotonic_s() - started_s < 6.0  # one after the other would take that long
    assert len(set(workers.pids().values())) == 2


def test_warming_loads_the_module_and_runs_its_own_warm(workers: Workers) -> None:
    got(workers.warm("a", f"{WORK}:add"))
    assert got(workers.call("a", f"{WORK}:warmed")) == [workers.pids()["a"]]


def test_our_errors_come_back_as_they_are_and_others_with_their_traceback(workers: Workers) -> None:
    with pytest.raises(InputError, match="order 'o-1': 'x' cannot be made") as ours:
        got(workers.call("a", f"{WORK}:refuse", "x"))
    assert (ours.value.where, ours.value.todo) == ("order 'o-1'", "choose another")
    with pytest.raises(ZeroDivisionError) as other:
        got(workers.call("a", f"{WORK}:divide", 1))
    assert "in divide" in other.value.__notes__[0]
    with pytest.raises(RuntimeError, match="Odd: odd"):  # an exception that pickle cannot rebuild
        got(workers.call("a", f"{WORK}:odd"))
    assert got(workers.call("a", f"{WORK}:add", 1, 1)) == 2  # and the worker goes on


def test_names_and_values_that_cannot_be_used_are_refused(workers: Workers) -> None:
    with pytest.raises(InputError, match="'module:function'"):
        workers.call("a", "tests.engine.work.add")
    with pytest.raises(UnknownName, match="did you mean 'add'"):
        got(workers.call("a", f"{WORK}:ad"))
    with pytest.raises(InputError, match="can be pickled"):
        got(workers.call("a", f"{WORK}:add", lambda: 1, 2))
    with pytest.raises(Exception, match="pickle"):
        got(workers.call("a", f"{WORK}:result_that_cannot_travel"))
    assert got(workers.call("a", f"{WORK}:add", 1, 1)) == 2


def test_a_worker_killed_in_a_call_is_started_again_and_the_call_repeated(workers: Workers, tmp_path: Path) -> None:
    assert got(workers.call("a", f"{WORK}:die_once", str(tmp_path / "flag"))) == "lived"


def test_a_worker_killed_while_idle_is_started_again(workers: Workers) -> None:
    first = got(workers.call("a", f"{WORK}:pid"))
    os.kill(first, signal.SIGKILL)
    assert gone_soon(first)
    assert got(workers.call("a", f"{WORK}:pid")) != first


def test_a_call_that_kills_its_worker_twice_says_so_and_the_next_one_works(workers: Workers) -> None:
    with pytest.raises(LoopwrightError, match=r"worker 'a': died twice in tests.engine.work:die"):
        got(workers.call("a", f"{WORK}:die"))
    assert got(workers.call("a", f"{WORK}:add", 1, 1)) == 2


def test_ctrl_c_does_not_reach_a_worker(workers: Workers) -> None:
    pid = got(workers.call("a", f"{WORK}:pid"))
    busy = workers.call("a", f"{WORK}:sleep", 0.3)
    os.kill(pid, signal.SIGINT)
    assert got(busy) == 0.3
    assert workers.pids() == {"a": pid}
    assert os.getsid(pid) != os.getsid(0)  # a terminal's Ctrl-C goes to its session only


def test_closing_ends_workers_in_the_middle_of_their_work_and_cancels_what_waits() -> None:
    workers = Workers()
    pid = got(workers.call("a", f"{WORK}:pid"))
    busy, waiting = (workers.call("a", f"{WORK}:sleep", 60) for _ in range(2))
    started_s = monotonic_s()
    workers.close()
    workers.close()
    assert monotonic_s() - started_s < 50  # what was under way would take 60
    assert gone_soon(pid)
    for future in (busy, waiting):
        with pytest.raises(CancelledError):
            got(future)
    with pytest.raises(InputError, match="closed"):
        workers.call("a", f"{WORK}:pid")


async def test_a_call_does_not_block_the_event_loop_and_can_be_cancelled(workers: Workers) -> None:
    ticks = 0
    future = asyncio.wrap_future(workers.call("a", f"{WORK}:sleep", 0.3))
    while not future.done():
        await asyncio.sleep(0.01)
        ticks += 1
    assert ticks > 10
    lost = asyncio.wrap_future(workers.call("a", f"{WORK}:sleep", 0.2))
    await asyncio.sleep(0.05)
    lost.cancel()
    assert await asyncio.wrap_future(workers.call("a", f"{WORK}:add", 1, 2)) == 3


SCRIPT = """
    import sys, time
    from loopwright.engine.local import Workers
    workers = Workers()
    print(workers.call("a", "tests.engine.work:pid").result(timeout=20), flush=True)
    print(workers.call("a", "tests.engine.work:shout").result(timeout=20), flush=True)
    {then}
"""


def script(then: str) -> subprocess.Popen[str]:
    """A script without any main guard, read from standard input as `python -` does: the hardest start for a worker."""
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        cwd=root, env={**os.environ, "PYTHONPATH": str(root)})
    assert process.stdin
    process.stdin.write(textwrap.dedent(SCRIPT).format(then=then))
    process.stdin.close()
    return process


def read_pid(process: subprocess.Popen[str]) -> int:
    assert process.stdout
    pid = int(process.stdout.readline())
    assert process.stdout.readline() == "said\n"  # and nothing of what the worker printed
    return pid


@pytest.mark.parametrize("then", ["sys.exit(0)", "workers.call('a', 'tests.engine.work:sleep', 60); sys.exit(0)"])
def test_workers_end_with_a_script_that_never_closes_them(then: str) -> None:
    with script(then) as process:
        pid = read_pid(process)
        assert process.wait(SOON_S) == 0
    assert gone_soon(pid)


def test_workers_end_when_the_process_that_made_them_is_killed() -> None:
    with script("workers.call('a', 'tests.engine.work:sleep', 60); time.sleep(60)") as process:
        pid = read_pid(process)
        assert alive(pid)
        process.kill()
        assert gone_soon(pid)
