"""Times as people write them."""

from __future__ import annotations

import pytest

from loopwright.core.errors import InputError
from loopwright.core.moments import moment_ns

NOON_NS = 1_792_584_000_000_000_000  # date -u -d 2026-10-21T12:00:00Z +%s


@pytest.mark.parametrize("text", [
    "2026-10-21T12:00:00Z", "2026-10-21T14:00:00+02:00", "2026-10-21T14:00:00 02:00", " 2026-10-21T12:00:00Z ",
    "2026-10-21 12:00:00+00:00", str(NOON_NS),
])
def test_one_moment_is_written_in_many_ways(text: str) -> None:
    assert moment_ns(text, "start") == NOON_NS


def test_a_day_is_its_midnight_utc_and_nothing_is_no_moment() -> None:
    assert moment_ns("2026-10-21", "start") == NOON_NS - 12 * 3600 * 10**9
    assert moment_ns("", "start") is moment_ns(None, "start") is moment_ns("  ", "start") is None
    assert (moment_ns("0", "start"), moment_ns("-5000", "start")) == (0, -5000)


@pytest.mark.parametrize("text", [
    "2026", "20261021", "2026-10-21T12:00:00", "soon", "2026-13-01", "9" * 19, "9" * 5000, "--5", "5-", "1e9", "0001-01-01T00:00",
])
def test_what_may_be_meant_otherwise_or_means_nothing_is_refused_by_name(text: str) -> None:
    with pytest.raises(InputError, match=r"^start: "):
        moment_ns(text, "start")
