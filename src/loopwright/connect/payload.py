"""What travels: our own messages as Arrow IPC streams, and the JSON that other people's devices speak.

    encode(table, head)  -> bytes           Arrow IPC stream (lz4), thing and signal dictionary-coded, head as metadata
    decode(body)         -> (table, head)   checked to the last offset: bytes from outside cannot crash us
    from_json(body)      -> [Report]        {"t": ISO or ns, "values": {signal: value}} and {"ts": ms, "values": {..}}

Nothing here knows how the bytes travel: MQTT and HTTP share it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from loopwright.connect.batch import Row, Things, checked, declared_of, text
from loopwright.core.clock import NS_PER_S, from_iso
from loopwright.core.errors import InputError, UnitError
from loopwright.core.types import BAD, GOOD
from loopwright.core.units import inside_unit, to_inside

ARROW = "application/vnd.apache.arrow.stream"
JSON = "application/json"
_OLDEST_NS = 946_684_800 * NS_PER_S  # 2000-01-01: an earlier time is a time in another unit
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")
_MOST_SENT = 1 << 46  # samples of one numbering: twenty years at 100,000 a second
_LONGEST = 200  # characters of a name or an epoch
_TWICE = object()  # stands in an object of JSON that named something twice: how many values that hides
TWICE = "a signal that the message names twice"


@dataclass(frozen=True)
class Head:
    """What a message says about itself.

    source    who numbers: a thing's id
    epoch     one numbering from its beginning; a device that starts counting again takes a new one
    sequence  number of the message's first sample in that numbering, from 0
    sent      samples numbered so far, this message included
    final     nothing comes after `sent`
    """

    source: str
    epoch: str
    sequence: int
    sent: int
    final: bool = False


@dataclass(frozen=True)
class Report:
    """One JSON object: its values as rows, its numbering where it has one, and what could not be used."""

    rows: list[Row]
    head: Head | None = None
    refused: Mapping[str, int] = field(default_factory=dict)


def encode(table: pa.Table, head: Head) -> bytes:
    """The message. About 1.4 kB of frame and 3-12 bytes a sample."""
    columns = [pc.dictionary_encode(c) if pa.types.is_string(c.type) else c for c in table.columns]
    words = {b"source": head.source, b"epoch": head.epoch, b"sequence": str(head.sequence), b"sent": str(head.sent)}
    meta = {**words, b"final": "1" if head.final else "0"}
    coded = pa.table(columns, names=table.column_names).combine_chunks().replace_schema_metadata(meta)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, coded.schema, options=_OPTIONS) as writer:
        writer.write_table(coded)
    return bytes(sink.getvalue())


def decode(body: bytes) -> tuple[pa.Table, Head]:
    """The table and head of a message of `encode`; InputError for bytes that are none."""
    try:
        table = pa.ipc.open_stream(body).read_all()
        table.validate(full=True)
        meta = table.schema.metadata or {}
        head = Head(
            meta[b"source"].decode(), meta[b"epoch"].decode(), int(meta[b"sequence"]), int(meta[b"sent"]),
            meta.get(b"final") == b"1",
        )
    except (pa.ArrowException, OSError, ValueError, LookupError, TypeError, OverflowError, MemoryError) as error:
        raise InputError("message", f"no Arrow stream with our metadata ({type(error).__name__})") from None
    if not 0 <= head.sequence <= head.sent <= _MOST_SENT or max(len(head.source), len(head.epoch)) > _LONGEST:
        raise InputError("message", "its numbers or names cannot be", "0 <= sequence <= sent, names of 200 characters")
    return checked(table.replace_schema_metadata(None), "message"), head


def from_json(body: bytes, thing: str = "", things: Things | None = None) -> list[Report]:
    """Every object of the body (one, or a list of them).

    things  what is declared: a value in a unit that measures something else than its signal is refused
    thing   whose values they are; '' where each object must name its "thing" itself
    An object: "t" (ISO 8601 with a zone, or whole ns) or "ts" (ms), else the time of arrival is taken; "values":
    {signal: value}, where a value is a number in the inside unit, a state's word or code, null for a gap, or
    {"value": .., "unit": .., "quality": 0|1|2}; and where the device numbers its values: "epoch", "seq" (of the first
    value here), "sent", "final".
    Raises InputError for what is no JSON or neither shape; values that cannot be used are counted in `refused`, and so
    is an object of a list that is none of these, as one.
    """
    try:
        document, things = json.loads(body, object_pairs_hook=_object), things or {}
    except (ValueError, RecursionError) as error:
        raise InputError("message", f"no JSON ({type(error).__name__})") from None
    if not isinstance(document, list):
        return [_report(document, thing, things)]
    reports, wrong = [], list[InputError]()
    for item in document:
        try:
            reports.append(_report(item, thing, things))
        except InputError as error:
            wrong.append(error)
    if wrong and not reports:
        raise wrong[0]
    return [*reports, Report([], None, dict(Counter(error.given for error in wrong)))] if wrong else reports


def _object(pairs: list[tuple[str, Any]]) -> dict[Any, Any]:
    found: dict[Any, Any] = dict(pairs)
    if len(found) < len(pairs):
        found[_TWICE] = len(pairs) - len(found)
    return found


def _report(item: Any, thing: str, things: Things) -> Report:
    if not isinstance(item, dict) or not isinstance(item.get("values"), dict):
        raise InputError("message", "no object with 'values'", '{"t": "2026-01-31T12:00:00Z", "values": {..}}')
    name = thing or item.get("thing")
    if not isinstance(name, str) or not name:
        raise InputError("message", "names no 'thing'")
    name = text(name)
    if thing and item.get("thing", thing) != thing:
        raise InputError("message", "its thing differs from the one it came from")
    values, refused = item["values"], Counter[str]()
    rows: list[Row] = []
    for signal, given in values.items():
        if signal is _TWICE:
            refused[TWICE] += given
            continue
        signal = text(signal)
        try:
            rows.append((name, signal, _time_ns(item), *_value(given, name, signal, things)))
        except InputError as error:
            refused[error.given] += 1
    return Report(rows, _head(item, name, len(rows) + sum(refused.values())), dict(refused))


def _time_ns(item: Mapping[str, Any]) -> int | None:
    """ns UTC, None when it names no time; InputError when what it names cannot be meant."""
    given = item.get("t", item.get("ts"))
    if given is None:
        return None
    if isinstance(given, str):
        try:
            t_ns = from_iso(given)
        except (ValueError, OverflowError):
            raise InputError("message", "a time that is not ISO 8601 with a zone") from None
        if not -(2**63) < t_ns < 2**63:
            raise InputError("message", "time out of range")
        return t_ns
    whole = given if isinstance(given, int) and not isinstance(given, bool) else 0
    t_ns = whole if "t" in item else whole * 1_000_000
    if not _OLDEST_NS <= t_ns < 2**63:
        raise InputError("message", "a time before 2000: `t` is ISO 8601 or whole ns, `ts` whole ms")
    return t_ns


def _value(given: Any, thing: str, signal: str, things: Things) -> tuple[Any, int]:
    """(value in the inside unit, quality)."""
    if not isinstance(given, dict):
        return given, GOOD
    value, quality = given.get("value"), given.get("quality", GOOD)
    if not isinstance(quality, int) or isinstance(quality, bool) or not GOOD <= quality <= BAD:
        raise InputError("message", "unknown quality", "0 good, 1 doubtful, 2 bad")
    if "unit" in given and isinstance(value, (int, float)):
        if not isinstance(given["unit"], str):
            raise InputError("message", "unknown unit")
        try:
            inside = inside_unit(given["unit"])
            value = to_inside(value, given["unit"])
        except UnitError:
            raise InputError("message", "unknown unit") from None
        except OverflowError:
            raise InputError("message", "not a value of this signal") from None
        if (declared := declared_of(things, thing, signal)) is not None and inside != declared.unit:
            raise InputError("message", "a unit of something else")
    return value, quality


def _head(item: Mapping[str, Any], source: str, count: int) -> Head | None:
    """Its numbering; None without an epoch: a device that forgets its count at a restart would look like a repeat."""
    epoch, sequence = item.get("epoch"), item.get("seq")
    if not isinstance(epoch, (str, int, float)) or not isinstance(sequence, int) or isinstance(sequence, bool):
        return None
    at_least = sequence + count
    if not 0 <= sequence <= at_least <= _MOST_SENT or len(name := text(str(epoch))) > _LONGEST:
        return None
    sent = item.get("sent")
    sent = sent if isinstance(sent, int) and at_least <= sent <= _MOST_SENT else at_least
    return Head(source, name, sequence, sent, item.get("final") is True)
