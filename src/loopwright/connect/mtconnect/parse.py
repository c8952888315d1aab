"""MTConnect documents of any version to columns, with lxml (extra `mtconnect`).

    probe(document)     what the agent's devices have: DataItems by id
    streams(document)   header and observations as columns, or the agent's Refusal
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.connect.mtconnect.names import WHERE
from loopwright.core.errors import LinkError, MissingExtra

_NUMBERS = ("instanceId", "firstSequence", "lastSequence", "nextSequence", "bufferSize")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d+))?\s*(Z|[+-]\d\d:?\d\d)?$")


@dataclass(frozen=True)
class Header:
    """instanceId, and of the agent's buffer: firstSequence, lastSequence, nextSequence, bufferSize (0: not said)."""

    instance: int
    first: int
    last: int
    following: int
    buffer: int


@dataclass(frozen=True)
class Refusal:
    """An MTConnectError: its code and text."""

    code: str
    text: str


@dataclass(frozen=True)
class Item:
    """A DataItem of a probe. device: uuid of its device, or its name where old models have none."""

    id: str
    name: str
    category: str
    type: str
    units: str
    device: str


@dataclass(frozen=True)
class Streams:
    """Observations in the order of their numbers: (n,) numbers, ids of data items, times and values as text."""

    header: Header
    sequence: np.ndarray
    item: pa.Array
    time: pa.Array
    value: pa.Array


def library() -> Any:
    """lxml.etree, imported when it is first needed; MissingExtra names the extra when it is not installed."""
    try:
        return importlib.import_module("lxml.etree")
    except ImportError:
        raise MissingExtra("connect/mtconnect", "lxml", "mtconnect") from None


def _root(document: bytes, where: str) -> Any:
    """The document's root element. No entities, nothing is fetched."""
    etree = library()
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True, remove_comments=True)
    try:
        return etree.fromstring(document, parser)
    except etree.XMLSyntaxError as error:
        start = document[:60].decode("utf-8", "replace")
        said = f"{where} is no XML ({str(error)[:100]}): {start!r}"
        raise LinkError(WHERE, said, "a document of an MTConnect agent") from None


def probe(document: bytes, where: str) -> dict[str, Item]:
    """Every data item of the agent by id. Raises LinkError for anything else than an MTConnectDevices document."""
    root = _root(document, where)
    if _local(root) != "MTConnectDevices":
        refusal = _refusal(root)
        said = f"{refusal.code}: {refusal.text}" if refusal else f"is a {_local(root)} document"
        raise LinkError(WHERE, f"{where} {said}", "an MTConnectDevices document")
    items = {}
    for device in root.iterfind("{*}Devices/*"):
        whose = device.get("uuid") or device.get("name") or device.get("id", "")
        for item in device.iterfind(".//{*}DataItem"):
            given = item.attrib
            name = given.get("id", "")
            items[name] = Item(
                name, given.get("name", ""), given.get("category", ""), given.get("type", ""),
                given.get("units", ""), whose)
    return items


def streams(document: bytes, where: str) -> Streams | Refusal:
    """The observations of a Streams document. Raises LinkError for what is neither that nor an error document."""
    root = _root(document, where)
    refusal = _refusal(root)
    if refusal is not None:
        return refusal
    head = root.find("{*}Header")
    if _local(root) != "MTConnectStreams" or head is None:
        raise LinkError(WHERE, f"{where} is a {_local(root)} document", "an MTConnectStreams document")
    try:
        numbers = [int(head.get(name, "0")) for name in _NUMBERS]
        return _observations(root, Header(*numbers))
    except (TypeError, ValueError, OverflowError) as error:
        raise LinkError(WHERE, f"{where} is damaged ({str(error)[:100]})", "an MTConnectStreams document") from None


def _observations(root: Any, header: Header) -> Streams:
    found = root.xpath("//*[@sequence and @dataItemId and not(parent::*[local-name()='Condition'])]")
    rows = [(e.get("sequence"), e.get("dataItemId"), e.get("timestamp"), e.text) for e in found]
    conditions = root.xpath("//*[local-name()='Condition']/*[@sequence and @dataItemId]")
    rows += [(e.get("sequence"), e.get("dataItemId"), e.get("timestamp"), _local(e)) for e in conditions]
    numbers, items, times, values = zip(*rows, strict=True) if rows else ((), (), (), ())
    sequence = np.array([int(number) for number in numbers], dtype=np.int64)
    order = np.argsort(sequence, kind="stable")
    columns = [pa.array(column, pa.string()).take(pa.array(order)) for column in (items, times, values)]
    return Streams(header, sequence[order], *columns)


def _local(element: Any) -> str:
    return str(library().QName(element).localname)


def _refusal(root: Any) -> Refusal | None:
    """What an MTConnectError document says; None for any other."""
    if _local(root) != "MTConnectError":
        return None
    error = root.find(".//{*}Errors/*")
    if error is None:
        error = root.find(".//{*}Error")  # before version 1.2
    if error is None:
        return Refusal("", "no reason given")
    return Refusal(error.get("errorCode", ""), (error.text or error.findtext("{*}ErrorMessage") or "").strip())


def times(texts: pa.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n,) t_ns, n, and which texts are no time. Digits below the nanosecond are n * 10 ps; no zone means UTC."""
    zoned = pc.cast(texts, pa.string())
    try:
        t_ns = pc.cast(zoned, pa.timestamp("ns", "UTC")).cast(pa.int64())
        zeros = np.zeros(len(texts), dtype=np.int32)
        return t_ns.fill_null(0).to_numpy(), zeros, t_ns.is_null().to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        rows = [_time(text) for text in texts.to_pylist()]
        bad = np.array([row is None for row in rows], dtype=bool)
        both = np.array([row or (0, 0) for row in rows], dtype=np.int64).reshape(-1, 2)
        return both[:, 0], both[:, 1].astype(np.int32), bad


def _time(text: str | None) -> tuple[int, int] | None:
    """One time that Arrow does not read: without a zone, or with more than nine digits of a second."""
    found = _TIME.match(text.strip()) if text else None
    if found is None:
        return None
    day, clock, digits, zone = found.groups()
    try:
        seconds = int(np.datetime64(f"{day}T{clock}", "s").astype(np.int64))
    except ValueError:
        return None
    if zone and zone != "Z":
        hours, minutes = int(zone[1:3]), int(zone[-2:])
        seconds -= (hours * 3600 + minutes * 60) * (-1 if zone[0] == "-" else 1)
    fraction = (digits or "").ljust(11, "0")[:11]
    t_ns = seconds * 10**9 + int(fraction[:9])
    return min(max(t_ns, -(2**63) + 1), 2**63 - 1), int(fraction[9:])  # beyond 64 bits: refused for its time
