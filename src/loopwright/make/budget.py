"""How long a search for plans may take, and who may end it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event


@dataclass
class Budget:
    """How long to search.

    seconds     of wall time
    iterations  in each thread, if given: equal seeds then give equal plans, however quick the machine is
    stop        set by whoever wants the best so far
    progress    called with the makespan whenever a better one is found, from the thread that found it
    """

    seconds: float
    workers: int = 2
    seed: int = 0
    iterations: int | None = None
    stop: Event | None = None
    progress: Callable[[int], None] | None = None
