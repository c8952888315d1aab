"""Times as people and other programs write them, in one place for commands, the API and the console."""

from __future__ import annotations

from datetime import UTC, datetime

from loopwright.core.clock import NS_PER_S, from_iso
from loopwright.core.errors import InputError

ALLOWED = "2026-11-21, 2026-11-21T08:00:00Z, or nanoseconds UTC of the years 1678 to 2262"
_LAST_NS = (1 << 63) - 1
_DAY = len("2026-11-21")


def moment_ns(text: str | None, where: str) -> int | None:
    """Nanoseconds since 1970 UTC; '' and None are none.

    text  ISO 8601 with its zone (a blank stands for a plus that an address lost), a day (its midnight UTC), or
          nanoseconds; a bare year or a day without dashes is refused, for as nanoseconds they would be in 1970
    Raises InputError naming `where`.
    """
    text = (text or "").strip()
    if not text:
        return None
    if text.removeprefix("-").isdecimal():
        return _number(text, where)
    try:
        if len(text) == _DAY:
            return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NS_PER_S
        return from_iso(text.replace(" ", "+") if "T" in text else text)
    except (ValueError, OverflowError) as error:
        raise InputError(where, str(error), ALLOWED) from None


def _number(text: str, where: str) -> int:
    year = int(text[:4]) if len(text) in (4, 8) and text.isdecimal() else 0
    if 1800 <= year < 2200:
        raise InputError(where, f"{text!r} may be a year or a day", ALLOWED, f"write {year}-01-01 for the year's begin")
    if len(text) > 20 or abs(int(text)) > _LAST_NS:
        raise InputError(where, f"{text:.40}", ALLOWED)
    return int(text)
