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

from loopwright.connect.batch import Row, checked
from loopwright.core.clock import NS_PER_S, from_iso
from loopwright.core.errors import InputError, UnitError
from loopwright.core.types import BAD, GOOD
from loopwright.core.units import to_inside

ARROW = "application/vnd.apache.arrow.stream"
JSON = "application/json"
_OLDEST_NS = 946_684_800 * NS_PER_S  # 2000-01-01: an earlier time is a time in another unit
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


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
    except (pa.ArrowException, OSError, ValueError, KeyError, MemoryError) as error:
        raise InputError("message", f"no Arrow stream with our metadata ({type(error).__name__})") from None
    if head.sequence < 0 or head.sent < head.sequence:
        raise InputError("message", f"its numbers cannot be: sequence {head.sequence}, sent {head.sent}")
    return checked(table.replace_schema_metadata(None), "message"), head


def from_json(body: bytes, thing: str = "") -> list[Report]:
    """Every object of the body (one, or a list of them).

    thing  whose values they are; '' where each object must name its "thing" itself
    An object: "t" (ISO 8601 with a zone, or whole ns) or "ts" (ms), else the time of arrival is taken; "values":
    {signal: value}, where a value is a number in the inside unit, a state's word or code, null for a gap, or
    {"value": .., "unit": .., "quality": 0|1|2}; and where the device numbers its values: "epoch", "seq" (of the first
    value here), "sent", "final".
    Raises InputError for what is no JSON or neither shape; values that cannot be used are counted in `refused`.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InputError("message", f"no JSON ({type(error).__name__})") from None
    objects = document if isinstance(document, list) else [document]
    return [_report(item, thing) for item in objects]


def _report(item: Any, thing: str) -> Report:
    if not isinstance(item, dict) or not isinstance(item.get("values"), dict):
        raise InputError("message", "no object with 'values'", '{"t": "2026-01-31T12:00:00Z", "values": {..}}')
    name = thing or item.get("thing")
    if not isinstance(name, str) or not name:
        raise InputError("message", "names no 'thing'")
    if thing and item.get("thing", thing) != thing:
        raise InputError("message", "its thing differs from the one it came from")
    values, refused = item["values"], Counter[str]()
    rows: list[Row] = []
    for signal, given in values.items():
        try:
            rows.append((name, signal, _time_ns(item), *_value(given, f"{name}/{signal}")))
        except UnitError:
            refused["unknown unit"] += 1
        except InputError as error:
            refused[error.given] += 1
    return Report(rows, _head(item, name, len(values)), dict(refused))


def _time_ns(item: Mapping[str, Any]) -> int | None:
    """ns UTC, None when it names no time; InputError when what it names cannot be meant."""
    given = item.get("t", item.get("ts"))
    if given is None:
        return None
    if isinstance(given, str):
        try:
            return from_iso(given)
        except (ValueError, OverflowError):
            raise InputError("message", "a time that is not ISO 8601 with a zone") from None
    whole = given if isinstance(given, int) and not isinstance(given, bool) else 0
    t_ns = whole if "t" in item else whole * 1_000_000
    if not _OLDEST_NS <= t_ns < 2**63:
        raise InputError("message", "a time before 2000: `t` is ISO 8601 or whole ns, `ts` whole ms")
    return t_ns


def _value(given: Any, where: str) -> tuple[Any, int]:
    """(value in the inside unit, quality)."""
    if not isinstance(given, dict):
        return given, GOOD
    value, quality = given.get("value"), given.get("quality", GOOD)
    if not isinstance(quality, int) or not GOOD <= quality <= BAD:
        raise InputError(where, "unknown quality", "0 good, 1 doubtful, 2 bad")
    if "unit" in given and isinstance(value, (int, float)):
        if not isinstance(given["unit"], str):
            raise InputError(where, "unknown unit")
        value = to_inside(value, given["unit"], where)
    return value, quality


def _head(item: Mapping[str, Any], source: str, count: int) -> Head | None:
    """Its numbering; None without an epoch: a device that forgets its count at a restart would look like a repeat."""
    epoch, sequence = item.get("epoch"), item.get("seq")
    if epoch is None or not isinstance(sequence, int) or isinstance(sequence, bool) or sequence < 0:
        return None
    sent = item.get("sent")
    at_least = sequence + count
    sent = sent if isinstance(sent, int) and sent >= at_least else at_least
    return Head(source, str(epoch), sequence, sent, item.get("final") is True)
