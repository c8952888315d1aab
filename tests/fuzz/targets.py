"""Every decoder as a function of bytes: it gives batches, or says with an error of the house why not. Nothing else.

    TARGETS    name -> what is done with bytes from outside
    SEEDS      name -> valid messages of it, to be mutated
Whatever is decoded goes on through the store's intake, where every sample must become stored, a duplicate or refused.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from loopwright.connect import files, payload, relay
from loopwright.connect.batch import from_rows
from loopwright.connect.mtconnect import parse, rows
from loopwright.connect.opcua import codec
from loopwright.connect.opcua import rows as opcua_rows
from loopwright.connect.opcua.link import _slow
from loopwright.core.clock import SimClock
from loopwright.core.errors import InputError, LinkError, LoopwrightError
from loopwright.core.types import POINTS_IN, Batch
from loopwright.store import intake, keys, segment
from loopwright.store.catalogue import Catalogue
from loopwright.store.live import Live
from loopwright.store.piece import IPC, Piece, Run
from loopwright.store.ranges import Ranges
from tests.store.plant import MILL, THINGS, blocks, points

Things = {thing.id: (thing, MILL) for thing in THINGS}
KNOWN_NS = 1_700_000_000_000_000_000
FOLDER = Path(tempfile.gettempdir())


@cache
def _catalogue() -> Catalogue:
    catalogue = Catalogue()
    catalogue.declare([MILL], THINGS)
    return catalogue


def take(batches: Iterable[Batch]) -> None:
    """Decides about each batch as `put` does; every sample must be accounted for, and what is stored must be tellable."""
    for batch in batches:
        live = Live()
        live.resize(len(_catalogue().names))
        taken = intake.take_in(batch, KNOWN_NS, _catalogue(), live, Ranges(), lambda _: keys.joined([]))
        receipt = taken.receipt
        assert batch.samples == receipt.stored + receipt.duplicate + sum(receipt.refused.values())
        assert receipt.late + receipt.conflict <= 2 * receipt.stored
        assert all(isinstance(reason, str) and n > 0 for reason, n in receipt.refused.items())
        if taken.table is not None and taken.keys is not None:
            taken.table.validate(full=True)
            live.update(taken.table, taken.keys.slot)


def arrow(body: bytes) -> None:
    table, head = payload.decode(body)
    take([Batch("mqtt", f"mqtt/{head.source}#{head.epoch}", head.sequence, table, head.sent)])


def json_body(body: bytes) -> None:
    for thing in ("", "mill-1"):
        for report in payload.from_json(body, thing, Things):
            table, refused = from_rows(report.rows, Things)
            refused = {**refused, **{reason: refused.get(reason, 0) + n for reason, n in report.refused.items()}}
            sequence, sent = (report.head.sequence, report.head.sent) if report.head else (None, None)
            take([Batch("http", "http/x/json", sequence, table, sent, refused)])


def edge(body: bytes) -> None:
    take(relay.decode(body).batches("http"))


def packed(body: bytes) -> None:
    table = segment.unpack(body)
    take([Batch("http", "http/edge", 0, table.drop_columns(["known_ns", "assumed"]))])


def opcua(body: bytes) -> None:
    """The first byte says how many values, and behind how many bytes of handle each stands."""
    if not body:
        raise LinkError("fuzz", "nothing")
    count, handle = body[0] >> 1, bool(body[0] & 1)
    runs, _ = codec.decode(body[1:], 0, count, _slow, handle)
    for run in runs:
        for signal in ("spindle.speed", "parts", "mode"):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                table, refused = opcua_rows.to_table("mill-1", MILL, [(signal, run)], {("mill-1", "spindle.speed"): (1e3, -5.0)})
            take([Batch("opcua", "opcua/mill-1", None, table, refused=refused)])


_TARGETS = [rows.Target("mill-1", MILL.signal(name), 0, scale) for name, scale in (("spindle.speed", (2.0, 1.0)), ("parts", None), ("mode", None))]


def mtconnect(body: bytes) -> None:
    found = parse.streams(body, "fuzz")
    if isinstance(found, parse.Refusal):
        raise LinkError("fuzz", found.code)
    if not len(found.sequence):
        return
    which = np.arange(len(found.sequence)) % len(_TARGETS)
    table, refused = rows.to_table(_TARGETS, which, found.time, found.value)
    take([Batch("mtconnect", "mtconnect/a", None, table, refused=refused)])


def probe(body: bytes) -> None:
    parse.probe(body, "fuzz")


def _file(body: bytes, suffix: str, **settings: object) -> None:
    path = FOLDER / f"loopwright-fuzz-{os.getpid()}{suffix}"
    path.write_bytes(body)

    async def read() -> None:
        wanted = files.Settings(str(path), **settings)  # type: ignore[arg-type]
        async for batch in files.read(wanted, Things, lambda _: None, SimClock()):
            take([batch])

    try:
        asyncio.run(read())
    finally:
        path.unlink(missing_ok=True)


def csv(body: bytes) -> None:
    _file(body, ".csv", columns={"speed": "spindle.speed", "mode": "mode"}, time="t", thing="mill-1")


def csv_long(body: bytes) -> None:
    _file(body, ".csv", time="t_ns", time_zone="Europe/Berlin")


def parquet(body: bytes) -> None:
    _file(body, ".parquet")


TARGETS: dict[str, Callable[[bytes], None]] = {
    "arrow": arrow, "json": json_body, "edge": edge, "segment": packed, "opcua": opcua, "mtconnect": mtconnect,
    "probe": probe, "csv": csv, "csv_long": csv_long, "parquet": parquet,
}


def run(name: str, body: bytes) -> bool:
    """Feeds one message; whether it was taken. Any error that is not of the house is a finding."""
    try:
        TARGETS[name](body)
        return True
    except (InputError, LinkError):
        return False
    except LoopwrightError as error:
        raise AssertionError(f"{name}: {type(error).__name__} for bytes from outside: {error}") from error


# valid messages ----------------------------------------------------------------------------------------------------


def _table() -> pa.Table:
    return points(*(
        row for i in range(6) for row in (
            ("mill-1", "spindle.speed", KNOWN_NS + i, 100.0 + i), ("mill-1", "parts", KNOWN_NS + i, i), ("mill-1", "mode", KNOWN_NS + i, 1),
            ("mill-2", "spindle.speed", KNOWN_NS + i, None))))


def _blocks() -> pa.Table:
    return blocks(("mill-1", "vibration", KNOWN_NS, 1_000_000, [0.5] * 12), ("mill-1", "force", KNOWN_NS, 1_000, [1.0, 2.0, 3.0]))


def _known(table: pa.Table) -> pa.Table:
    count = table.num_rows
    return table.append_column("known_ns", pa.array([KNOWN_NS] * count, pa.int64())).append_column("assumed", pa.array([False] * count))


def _json() -> list[bytes]:
    one = {"thing": "mill-1", "t": "2026-01-31T12:00:00Z", "epoch": "b", "seq": 4, "sent": 9, "final": False, "values": {
        "spindle.speed": {"value": 12.5, "unit": "rad/s", "quality": 1}, "parts": 7, "mode": "active", "unheard": None}}
    return [json.dumps(one).encode(), json.dumps([one, {"thing": "mill-2", "ts": 1_769_860_800_000, "values": {"parts": 1}}]).encode()]


def _edge() -> list[bytes]:
    table = _known(_table().slice(0, 8))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data = bytes(sink.getvalue())
    ipc = Piece((1,), IPC, False, 8, (Run(0, 0, 8),), data)
    seg = Piece((2,), "parquet", False, 8, (Run(0, 8, 8),), segment.pack(table))
    head = relay.Head("line-3", "e", "s", 0)
    return [relay.encode(head, [["mqtt/mill-1#1", 16]], [0], [ipc, seg], [(Run(0, 16, 3), "dropped")])]  # type: ignore[list-item]


def _opcua() -> list[bytes]:
    count = 8
    arrival = np.full(count, codec.to_ticks(KNOWN_NS))
    column = codec.Column(
        KNOWN_NS + np.arange(count), np.zeros(count, np.int32), np.arange(count) * 1.5, np.arange(count) % 3 == 2,
        (np.arange(count) % 3).astype(np.int8), arrival)
    text = bytes([codec.VALUE, 12, 6, 0, 0, 0]) + b"active"
    handles = b"".join(bytes([i, 0, 0, 0, codec.VALUE, 6]) + bytes([1, 0, 0, 0]) for i in range(3))
    return [bytes([count << 1]) + codec.encode(column, "gauge"), bytes([2]) + text, bytes([3 << 1 | 1]) + handles,
            bytes([2]) + bytes([codec.VALUE, 21, 3, 2, 0, 0, 0]) + b"en" + bytes([2, 0, 0, 0]) + b"ab"]


def _mtconnect() -> list[bytes]:
    times = ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.123456789Z", "2026-01-31T12:00:00.12345678901Z", "2026-01-31T13:00:00+01:00")
    values = ("12.5", "17", "ACTIVE", "UNAVAILABLE")
    observed = "".join(
        f'<Speed dataItemId="x{i}" timestamp="{t}" sequence="{i + 1}">{v}</Speed>' for i, (t, v) in enumerate(zip(times, values, strict=True)))
    head = '<Header instanceId="7" bufferSize="100" firstSequence="1" lastSequence="4" nextSequence="5"/>'
    return [
        f'<MTConnectStreams xmlns="urn:mtconnect.org:MTConnectStreams:2.4">{head}<Streams><DeviceStream><ComponentStream><Samples>{observed}'
        "</Samples><Condition><Normal dataItemId='c' timestamp='2026-01-31T12:00:00Z' sequence='6'/></Condition></ComponentStream>"
        "</DeviceStream></Streams></MTConnectStreams>".encode(),
        b'<MTConnectError><Errors><Error errorCode="OUT_OF_RANGE">no</Error></Errors></MTConnectError>',
    ]


_PROBE = b'<MTConnectDevices><Devices><Device uuid="u" name="d"><DataItems><DataItem id="x" category="SAMPLE" type="POSITION" units="MILLIMETER"/></DataItems></Device></Devices></MTConnectDevices>'
_CSV = b"t,speed,mode\n2026-01-31T12:00:00Z,12.5,active\n2026-01-31T12:00:01Z,,0\n2026-01-31T12:00:02Z,nan,idle\n"
_LONG = b"thing,signal,t_ns,value,code,n,quality\nmill-1,spindle.speed,2026-01-31T12:00:00,12.5,,0,0\nmill-1,mode,2026-10-25T02:30:00,,1,0,1\nx,y,1700000000,1,,,\n"


def _parquet() -> list[bytes]:
    found = []
    for table in (_table(), _table().set_column(2, "t_ns", _table().column("t_ns").cast(pa.timestamp("ns", "UTC"))).drop_columns(["n"])):
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        found.append(bytes(sink.getvalue()))
    return found


SEEDS: dict[str, list[bytes]] = {
    "arrow": [payload.encode(table, payload.Head("mill-1", "b", 4, 64)) for table in (_table(), _blocks(), POINTS_IN.empty_table())],
    "json": _json(), "edge": _edge(), "segment": [segment.pack(_known(_table())), segment.pack(_known(_blocks()))],
    "opcua": _opcua(), "mtconnect": _mtconnect(), "probe": [_PROBE], "csv": [_CSV, _CSV.replace(b",", b";")], "csv_long": [_LONG],
    "parquet": _parquet(),
}
