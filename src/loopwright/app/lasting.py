"""Lengths of time as people write them: '90 s', '30min', '2h', '1.5d', '1w'."""

from __future__ import annotations

import re

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError
from loopwright.core.moments import moment_ns

_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h|d|w)")
LONGEST_S = 10 * 365 * 86_400
ALLOWED = "a number with s, min, h, d or w: '90s', '2h', '1.5d'"


def seconds_of(text: str, where: str) -> int:
    """Whole seconds of a length of time, 1 or more. Raises InputError naming `where`."""
    match = _LENGTH.fullmatch(text.strip())
    seconds = round(float(match.group(1)) * _SECONDS[match.group(2)]) if match else 0
    if not 0 < seconds <= LONGEST_S:
        raise InputError(where, f"{text!r}", f"{ALLOWED}, up to ten years")
    return seconds


def moment_or_length_ns(text: str, from_ns: int, where: str) -> int:
    """A moment, or a length of time from another one on: ns UTC. Raises InputError naming `where`."""
    if _LENGTH.fullmatch(text.strip()):
        return from_ns + seconds_of(text, where) * NS_PER_S
    found = moment_ns(text, where)
    if found is None:
        raise InputError(where, "nothing", f"a moment (2026-11-21T08:00:00Z), or {ALLOWED}")
    return found
