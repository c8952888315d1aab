"""What the workers of the tests are asked to do; imported in the worker's process."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from loopwright.core.errors import InputError

WARMED: list[int] = []


def warm() -> None:
    WARMED.append(os.getpid())


def add(a: int, b: int) -> int:
    return a + b


def pid() -> int:
    return os.getpid()


def warmed() -> list[int]:
    return WARMED


def sleep(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def refuse(name: str) -> None:
    raise InputError("order 'o-1'", f"{name!r} cannot be made", "a name that can", "choose another")


def divide(a: int) -> float:
    return a / 0


class Odd(Exception):
    def __init__(self, first: int, second: int) -> None:
        super().__init__("odd")


def odd() -> None:
    raise Odd(1, 2)


def die_once(flag: str) -> str:
    """Kills its own process the first time it is called with this file, as the kernel does when memory runs out."""
    path = Path(flag)
    if not path.exists():
        path.write_text("died")
        os.kill(os.getpid(), 9)
    return "lived"


def die() -> None:
    os.kill(os.getpid(), 9)


def shout() -> str:
    print("this must not reach standard output")
    sys.stdout.flush()
    return "said"


def result_that_cannot_travel() -> object:
    return lambda: 1
