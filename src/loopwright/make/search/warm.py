"""Compiles the search, so that nobody waits for it: `python -m loopwright.make.search.warm` fills Numba's cache.

The first time takes some 20 s, after that loading takes less than one. `ready` tells which; `begin` starts compiling
in a process of its own, and a plan wanted meanwhile is made without it.
"""

from __future__ import annotations

import atexit
import subprocess
import sys
from functools import cache
from typing import Any

from loopwright.make.shop import Job, Machine, Operation, Shop

_compiling: list[subprocess.Popen[bytes]] = []


@cache
def installed() -> bool:
    """Whether Numba is there."""
    try:
        import numba  # noqa: F401
    except ImportError:
        return False
    return True


def ready() -> bool:
    """Whether the compiled search is on the disk, for this version of everything."""
    from loopwright.make.anneal import general, mend
    from loopwright.make.search import start, tabu

    functions: list[Any] = [
        tabu.search, start.active, start.go_towards, tabu.seeded, start.work_left, general.climb, mend.climb,
        mend.insert]
    try:
        return all(_cached(function) for function in functions)
    except AttributeError:  # another Numba keeps its cache otherwise: then it is compiled when it is called
        return True


def _cached(function: Any) -> bool:
    """Whether the index of its cache is there and names the source as it stands now."""
    return bool(function._cache._cache_file._load_index())


def begin() -> None:
    """Starts compiling beside us, once a process."""
    if not _compiling:
        command = [sys.executable, "-m", "loopwright.make.search.warm"]
        _compiling.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        atexit.register(_leave)


def _leave() -> None:
    """Our end is not the end of what compiles: it goes on for whoever comes next."""
    for process in _compiling:
        process.returncode = process.poll() or 0  # else Python complains of a process that nobody waits for


def compiled() -> bool:
    """Whether the search can be called without waiting; where it cannot, its compiling has begun."""
    if not installed():
        return False
    if ready():
        return True
    begin()
    return False


def wait() -> None:
    """Waits for the compiling that was begun."""
    for process in _compiling:
        process.wait()


def main() -> None:
    """Searches a small shop with every sort of move."""
    from loopwright.make.anneal.general import improve
    from loopwright.make.anneal.mender import mended
    from loopwright.make.change.kept import Terms
    from loopwright.make.dispatching.dispatch import dispatch
    from loopwright.make.objective import parse
    from loopwright.make.search.rows import net_of
    from loopwright.make.search.run import Budget, active, between, shortest

    routes = {"a": "xyz", "b": "yxz", "c": "zyx"}
    jobs = [
        Job(job, tuple(
            Operation(job, m, ((m, 2 + n), ("z", 4)) if m != "z" else ((m, 3),), tuple(route[max(0, n - 2):n]))
            for n, m in enumerate(route)))
        for job, route in routes.items()]
    shop = Shop(0, tuple(Machine(m, m) for m in "xyz"), tuple(jobs))
    net = net_of(shop)
    one, other = active(net, 1), active(net, 2)
    between(net, one, other, one.choice, 0.5)
    shortest(net, dispatch(shop), Budget(60.0, workers=1, iterations=200))
    mix = parse("makespan:1,tardiness:1,setup:1")
    improve(shop, dispatch(shop), mix, Budget(60.0, workers=1, iterations=2_000))
    mended(shop, {}, [dispatch(shop)], mix, Terms(0, 0.0), Budget(60.0, workers=1, iterations=2_000))


if __name__ == "__main__":
    main()
