"""What an edge sends on to its centre: many pieces of its buffer in one message, each as it lies there.

    encode(head, sources, pieces, gone) -> bytes    length and JSON of what follows, then the pieces one after another
    decode(body) -> Relay                           checked to the last offset: bytes from outside cannot crash us
    Relay.batches(hop)                              what the centre stores: a batch for each source

A source keeps its name behind the edge's: 'http/line-3/mqtt/mill-1#boot-17#1f3a5b7c' is what the edge line-3 heard as
'mqtt/mill-1#boot-17', numbered by the edge since it named its numbering 1f3a5b7c. HTTP and MQTT share it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from loopwright.connect.batch import checked, empty
from loopwright.core.errors import InputError
from loopwright.core.types import Batch
from loopwright.store.piece import IPC, PARQUET, Piece, Run, cut, unpacked

RELAY = "application/vnd.loopwright.relay"
_LENGTH = struct.Struct("<I")
_MOST = 1 << 62
_NAME = 400  # characters


@dataclass(frozen=True)
class Head:
    """edge: its name; epoch: of its numbering; session and post: the post's place in one row of posts, from 0."""

    edge: str
    epoch: str
    session: str
    post: int


@dataclass(frozen=True)
class Part:
    """Samples first .. of a source of the edge, which has numbered `sent` so far. refused: numbers without samples."""

    source: str
    first: int
    sent: int
    table: pa.Table
    refused: dict[str, int]


@dataclass(frozen=True)
class Relay:
    """One message: its parts, in the order of their numbers within each source."""

    head: Head
    parts: list[Part]

    def batches(self, hop: str) -> Iterator[Batch]:
        """What is to be stored of it; parts of a source that follow one another are one batch."""
        for run in _joined(self.parts):
            first, last = run[0], run[-1]
            table = pa.concat_tables([part.table for part in run]) if len(run) > 1 else first.table
            source = f"{hop}/{self.head.edge}/{first.source}#{self.head.epoch}"
            yield Batch(hop, source, first.first, table, last.sent, first.refused)


def _joined(parts: Sequence[Part]) -> list[list[Part]]:
    """Parts that follow one another without a gap, by source."""
    runs: list[list[Part]] = []
    open_: dict[tuple[str, bool], tuple[list[Part], int]] = {}
    for part in parts:
        key = (part.source, "values" in part.table.column_names)
        stop = part.first + part.table.num_rows
        run, end = open_.get(key, ([], -1))
        if part.refused or key[1] or end != part.first:
            run = []
            runs.append(run)
        run.append(part)
        open_[key] = (run, -1 if part.refused or key[1] else stop)
    return runs


def encode(
    head: Head, sources: Sequence[tuple[str, int]], streams: Sequence[int], pieces: Sequence[Piece],
    gone: Sequence[tuple[Run, str]] = (),
) -> bytes:
    """The message.

    sources  (name, samples numbered so far) of each of `streams`, the numbers that the runs name
    gone     runs that will never come, each with its reason
    """
    place = {stream: i for i, stream in enumerate(streams)}

    def row(run: Run) -> list[int]:
        return [place[run.stream], run.first, run.samples]

    words = json.dumps({
        **vars(head), "sources": sources, "gone": [[*row(run), why] for run, why in gone],
        "pieces": [[piece.form, len(piece.data), [row(run) for run in piece.runs]] for piece in pieces],
    }).encode()
    return b"".join([_LENGTH.pack(len(words)), words, *(piece.data for piece in pieces)])


def head_of(body: bytes) -> Head:
    """The head of a message alone; InputError for bytes that are none."""
    return _head(_words(body)[0])


def decode(body: bytes) -> Relay:
    """The message; InputError for bytes that are none, or whose samples are not those that it names."""
    said, at = _words(body)
    head = _head(said)
    try:
        sources = [(_text(name), _whole(sent)) for name, sent in said["sources"]]
        parts = []
        for place, first, samples, why in said["gone"]:
            name, sent = sources[_whole(place)]
            parts.append(Part(name, _whole(first), sent, empty(), {_text(why): _whole(samples)}))
        for form, size, runs in said["pieces"]:
            data = body[at:at + _whole(size)]
            at += len(data)
            named = [Run(_whole(place), _whole(first), _whole(samples)) for place, first, samples in runs]
            parts += _piece(form, data, named, sources)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError("message of an edge", f"it makes no sense ({type(error).__name__})") from None
    if at != len(body):
        raise InputError("message of an edge", f"{len(body) - at} bytes too many")
    return Relay(head, parts)


def _piece(form: str, data: bytes, runs: Sequence[Run], sources: Sequence[tuple[str, int]]) -> list[Part]:
    if form not in (IPC, PARQUET):
        raise InputError("message of an edge", f"a piece of form {str(form)[:20]!r}", f"{IPC}, {PARQUET}")
    table = checked(unpacked(form, data), "message of an edge")
    parts = []
    for run, rows in zip(runs, cut(table, runs), strict=True):
        name, sent = sources[run.stream]
        parts.append(Part(name, run.first, max(sent, run.stop), rows, {}))
    return parts


def _words(body: bytes) -> tuple[dict[str, Any], int]:
    """The JSON at the beginning, and where the pieces begin."""
    try:
        (length,) = _LENGTH.unpack_from(body)
        said = json.loads(body[_LENGTH.size:_LENGTH.size + length])
    except (struct.error, ValueError, RecursionError) as error:
        raise InputError("message of an edge", f"it cannot be read ({type(error).__name__})") from None
    if not isinstance(said, dict):
        raise InputError("message of an edge", "it begins with no object")
    return said, _LENGTH.size + length


def _head(said: dict[str, Any]) -> Head:
    try:
        return Head(
            edge_name(said["edge"]), _text(said["epoch"]), _text(said["session"]), _whole(said["post"]))
    except (KeyError, ValueError, TypeError):
        raise InputError("message of an edge", "it has no head that makes sense") from None


def edge_name(given: Any) -> str:
    """A name that may stand in a topic and in the name of a source; InputError for another."""
    if not isinstance(given, str) or not 0 < len(given) <= 64 or not all(c.isalnum() or c in "-_." for c in given):
        raise InputError("name of an edge", f"{str(given)[:80]!r}", "up to 64 letters, digits, '-', '_' and '.'")
    return given


def _text(given: Any) -> str:
    if not isinstance(given, str) or not 0 < len(given) <= _NAME:
        raise ValueError("no text")
    return given


def _whole(given: Any) -> int:
    if not isinstance(given, int) or isinstance(given, bool) or not 0 <= given < _MOST:
        raise ValueError("no whole number")
    return given
