"""What became of samples, by source and minute, as rows: in the journal while their minute is open, then in a table.

    streams   (hop, source)            what is known of a source now, and its totals since it was first heard
    refusals  (hop, source, reason)    its refused samples since then
    counts    (entered, minute, hop, source, reason)   what each minute added; reason '' carries the words

Every word is a sum, so rows may be added up in any order and over any range. `entered` is the minute in which a row was
written, `minute` the one it is about; they differ when samples are erased that were accepted long ago. Rows of minutes
that are over are moved to the Delta table `accounts` together with their minute as an application transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

NS_PER_MINUTE = 60_000_000_000
Key = tuple[str, str]  # hop, source
Counts = dict[str, int]
Run = Callable[[str, list[Any]], Any]
WORDS = (
    "expected", "arrived", "lost", "stored", "late", "duplicate", "copied", "possible_duplicate", "conflict", "erased",
    "erased_early", "expired",
)
SUMS = (*WORDS, "refused")
REFUSED = "refused:"  # the word of a reason in Counts: 'refused:out of range'
_COLUMNS = ", ".join(f"{word} INTEGER NOT NULL DEFAULT 0" for word in SUMS)
STEPS = [
    "CREATE TABLE IF NOT EXISTS streams (hop TEXT, source TEXT, counted INTEGER NOT NULL DEFAULT 0, closed_ns INTEGER "
    f"NOT NULL DEFAULT 0, word TEXT NOT NULL DEFAULT '', {_COLUMNS}, PRIMARY KEY (hop, source)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS streams_by_source ON streams (source)",
    "CREATE TABLE IF NOT EXISTS refusals (hop TEXT, source TEXT, reason TEXT, samples INTEGER NOT NULL, "
    "PRIMARY KEY (hop, source, reason)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS counts (entered INTEGER, minute INTEGER, hop TEXT, source TEXT, reason TEXT, "
    f"{_COLUMNS}, PRIMARY KEY (entered, minute, hop, source, reason)) WITHOUT ROWID",
    # books of version 1 were JSON
    f"INSERT OR IGNORE INTO streams (hop, source, counted, closed_ns, word, {', '.join(WORDS)}, refused) SELECT hop, "
    "source, body ->> '$.counted', body ->> '$.closed_ns', body ->> '$.word', body ->> '$.expected', "
    "body ->> '$.arrived', CASE WHEN body ->> '$.closed_ns' > 0 THEN (body ->> '$.expected') - "
    "(body ->> '$.arrived') ELSE 0 END, "
    + ", ".join(f"coalesce(body ->> '$.counts.{word}', 0)" for word in WORDS[3:])
    + ", (SELECT coalesce(sum(value), 0) FROM json_each(body, '$.counts') WHERE key LIKE 'refused:%') FROM sources",
    "INSERT OR IGNORE INTO refusals SELECT hop, source, substr(key, 9), value FROM sources, "
    "json_each(body, '$.counts') WHERE key LIKE 'refused:%'",
    "INSERT OR IGNORE INTO counts (entered, minute, hop, source, reason, "
    f"{', '.join(w for w in WORDS if w != 'lost')}) SELECT minute, minute, hop, source, '', "
    + ", ".join(f"coalesce(body ->> '$.{word}', 0)" for word in WORDS if word != "lost")
    + " FROM minutes",
    "INSERT OR IGNORE INTO counts (entered, minute, hop, source, reason, refused) SELECT minute, minute, hop, source, "
    "substr(key, 9), value FROM minutes, json_each(body) WHERE key LIKE 'refused:%'",
    "INSERT INTO counts (entered, minute, hop, source, reason, lost) SELECT closed_ns / 60000000000, "
    "closed_ns / 60000000000, hop, source, '', (body ->> '$.expected') - (body ->> '$.arrived') FROM (SELECT hop, "
    "source, body, body ->> '$.closed_ns' AS closed_ns FROM sources) WHERE closed_ns > 0 AND true "
    "ON CONFLICT DO UPDATE SET lost = lost + excluded.lost",
    "DELETE FROM sources",
    "DELETE FROM minutes",
]


@dataclass(frozen=True)
class Booked:
    """What one put, one end of a stream or one erasure adds to the books of a source.

    entered, minute  minutes of known_ns: of the booking, and of what it is about
    counts           by word; refused samples as 'refused:<reason>'
    state            (counted, closed_ns, word) of the stream from now on, None: as it was
    """

    key: Key
    entered: int
    minute: int
    counts: Mapping[str, int]
    state: tuple[bool, int, str] | None = None


def added(counts: Mapping[str, int], more: Mapping[str, int]) -> Counts:
    """Both, word by word; words of 0 are left out."""
    total = dict(counts)
    for word, number in more.items():
        if number:
            total[word] = total.get(word, 0) + number
    return total


def refusals(counts: Mapping[str, int]) -> Counts:
    """reason -> samples refused."""
    return {word.removeprefix(REFUSED): n for word, n in counts.items() if word.startswith(REFUSED) and n}


_ADD = ", ".join(f"{word} = {word} + excluded.{word}" for word in SUMS)
_NAMES, _MARKS = ", ".join(SUMS), ", ".join("?" * len(SUMS))
_STREAM = (
    f"INSERT INTO streams (hop, source, counted, closed_ns, word, {_NAMES}) VALUES (?, ?, ?, ?, ?, {_MARKS}) "
    f"ON CONFLICT DO UPDATE SET {_ADD}"
)
_STATE = ", counted = excluded.counted, closed_ns = excluded.closed_ns, word = excluded.word"
_COUNT = (
    f"INSERT INTO counts (entered, minute, hop, source, reason, {_NAMES}) VALUES (?, ?, ?, ?, ?, {_MARKS}) "
    f"ON CONFLICT DO UPDATE SET {_ADD}"
)
_REFUSAL = "INSERT INTO refusals VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET samples = samples + excluded.samples"
_ZEROS = [0] * len(WORDS)


def write(run: Run, booked: Iterable[Booked]) -> None:
    """Adds bookings to the journal, as a part of its open transaction."""
    for one in booked:
        hop, source = one.key
        reasons = refusals(one.counts)
        numbers = [one.counts.get(word, 0) for word in WORDS]
        state = [False, 0, ""] if one.state is None else list(one.state)
        run(_STREAM + ("" if one.state is None else _STATE), [hop, source, *state, *numbers, sum(reasons.values())])
        if any(numbers):
            run(_COUNT, [one.entered, one.minute, hop, source, "", *numbers, 0])
        for reason, samples in reasons.items():
            run(_REFUSAL, [hop, source, reason, samples])
            run(_COUNT, [one.entered, one.minute, hop, source, reason, *_ZEROS, samples])


