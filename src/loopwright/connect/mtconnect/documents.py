"""MTConnect documents as text: Devices, Streams, Error, version 2.4.

Rows of observations are joined by Arrow, column by column: 0.8 us a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.connect.mtconnect.names import SENDER, DataItem
from loopwright.core.clock import iso
from loopwright.core.types import Thing

VERSION = "2.4"
UNAVAILABLE = "UNAVAILABLE"


@dataclass(frozen=True)
class Observations:
    """Rows as columns, (n,) each: number, place of the data item, t_ns, n, 64 bits of the value, True for a gap."""

    sequence: np.ndarray
    item: np.ndarray
    t_ns: np.ndarray
    n: np.ndarray
    bits: np.ndarray
    gap: np.ndarray

    def take(self, where: object) -> Observations:
        """The rows at those places."""
        return Observations(*(getattr(self, name)[where] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Desk:
    """What every document's header says: instance, size of the buffer, when the agent started, what time it is."""

    instance: int
    buffer: int
    started_ns: int
    now_ns: int

    def header(self, **more: object) -> str:
        """The Header element."""
        both = {
            "creationTime": iso(self.now_ns), "sender": SENDER, "instanceId": self.instance,
            "version": f"{VERSION}.0.0", "bufferSize": self.buffer, **more,
        }
        return f"<Header {' '.join(f'{name}={quoteattr(str(value))}' for name, value in both.items())}/>"


def availability_id(thing: Thing) -> str:
    """The id of a device's AVAILABILITY."""
    return device_id(thing) + ".avail"


def device_id(thing: Thing) -> str:
    """The id and name of a thing's Device."""
    return "d." + "".join(c if c.isalnum() or c in "._-" else "_" for c in thing.id)


def devices(desk: Desk, things: Sequence[tuple[Thing, Sequence[DataItem]]]) -> str:
    """The answer to /probe."""
    parts = []
    for thing, items in things:
        name = quoteattr(device_id(thing))
        parts.append(f"<Device id={name} name={name} uuid={quoteattr(f'urn:loopwright:{thing.id}')}><DataItems>\n")
        parts.append(f'<DataItem id={quoteattr(availability_id(thing))} category="EVENT" type="AVAILABILITY"/>\n')
        parts.extend(_data_item(item) for item in items)
        parts.append("</DataItems></Device>\n")
    head = desk.header(assetBufferSize=1, assetCount=0, deviceModelChangeTime=iso(desk.started_ns))
    return _document("Devices", f"{head}<Devices>{''.join(parts)}</Devices>")


def _data_item(item: DataItem) -> str:
    signal = item.signal
    units = f" units={quoteattr(item.units)}" if item.units else ""
    name = signal.name + (f".q{item.quality}" if item.quality else "")
    limits = ""
    if signal.kind == "state":
        limits = "".join(f"<Value>{escape(word)}</Value>" for word in signal.codes.values())
    elif signal.low is not None and signal.high is not None:
        limits = f"<Minimum>{signal.low!r}</Minimum><Maximum>{signal.high!r}</Maximum>"
    return (f"<DataItem id={quoteattr(item.id)} name={quoteattr(name)} category={quoteattr(item.category)} "
            f"type={quoteattr(item.type)}{units}>"
            + (f"<Constraints>{limits}</Constraints>" if limits else "")
            + f"<Definition><Description>{escape(signal.meaning)}</Description></Definition></DataItem>\n")


def error(desk: Desk, code: str, text: str) -> str:
    """An MTConnectError document."""
    said = f"<Errors><Error errorCode={quoteattr(code)}>{escape(text)}</Error></Errors>"
    return _document("Error", desk.header() + said)


class Writer:
    """Writes Streams documents of one agent: knows the data items, and what stands before and behind each observation.

    things  (thing, its data items) in order; a thing's AVAILABILITY comes before its items in the numbering of places
    """

    def __init__(self, things: Sequence[tuple[Thing, Sequence[DataItem]]]) -> None:
        opening: list[str] = []
        closing, whole, sample, device = [], [], [], []
        self.words: dict[int, dict[int, str]] = {}
        self._things = [thing for thing, _ in things]
        for place, (thing, items) in enumerate(things):
            for item in (None, *items):
                element = item.element if item else "Availability"
                name = item.id if item else availability_id(thing)
                if item is None or item.signal.kind == "state":
                    codes = item.signal.codes if item else {0: UNAVAILABLE, 1: "AVAILABLE"}
                    self.words[len(opening)] = {code: escape(word) for code, word in codes.items()}
                opening.append(f'<{element} dataItemId={quoteattr(name)} timestamp="')
                closing.append(f"</{element}>\n")
                whole.append(item is None or item.signal.kind != "gauge")
                sample.append(item is not None and item.category == "SAMPLE")
                device.append(place)
        self._opening, self._closing = pa.array(opening), pa.array(closing)
        self._whole, self._sample, self._device = np.array(whole), np.array(sample), np.array(device)

    def streams(self, desk: Desk, rows: Observations, first: int, last: int, following: int) -> str:
        """A Streams document.

        first, last, following  firstSequence, lastSequence and nextSequence of its header
        """
        numbers = {"firstSequence": first, "lastSequence": last, "nextSequence": following}
        parts = [desk.header(**numbers, deviceModelChangeTime=iso(desk.started_ns)), "<Streams>"]
        whose = self._device[rows.item]
        for place, thing in enumerate(self._things):
            mine = rows.take(whose == place)
            if len(mine.item):
                name = quoteattr(device_id(thing))
                parts.append(f"<DeviceStream name={name} uuid={quoteattr(f'urn:loopwright:{thing.id}')}>"
                             f'<ComponentStream component="Device" componentId={name} name={name}>')
                parts.extend(self._group(mine))
                parts.append("</ComponentStream></DeviceStream>")
        return _document("Streams", "".join(parts) + "</Streams>")

    def _group(self, rows: Observations) -> list[str]:
        """Samples and Events of one device."""
        sample = self._sample[rows.item]
        return [f"<{name}>\n{self._rows(rows.take(mask))}</{name}>\n"
                for name, mask in (("Samples", sample), ("Events", ~sample)) if mask.any()]

    def _rows(self, rows: Observations) -> str:
        """One element a row."""
        place = pa.array(rows.item)
        times = pa.array(np.datetime_as_string(rows.t_ns.view("datetime64[ns]"), unit="ns"))
        if rows.n.any():  # samples of equal time are told apart below the nanosecond: n * 10 ps
            tail = pa.array([f"{n:02d}" if n else "" for n in rows.n.tolist()])
            times = pc.binary_join_element_wise(times, tail, "")
        elements = pc.binary_join_element_wise(
            self._opening.take(place), times, 'Z" sequence="', pa.array(rows.sequence).cast(pa.string()), '">',
            self._values(rows), self._closing.take(place), "")
        return "".join(elements.to_pylist())

    def _values(self, rows: Observations) -> pa.Array:
        """(n,) texts: the shortest that gives the number back, words of states, UNAVAILABLE for gaps."""
        numbers = rows.bits.view(np.float64)
        texts = pa.array(numbers).cast(pa.string())
        odd = ~np.isfinite(numbers)
        whole = self._whole[rows.item]
        if (odd & ~whole).any():
            names = np.where(np.isnan(numbers), "NaN", np.where(numbers > 0, "INF", "-INF"))
            texts = pc.if_else(pa.array(odd), pa.array(names), texts)
        if whole.any():
            texts = pc.if_else(pa.array(whole), pa.array(rows.bits).cast(pa.string()), texts)
        for place, words in self.words.items():
            mask = rows.item == place
            if mask.any():
                said = [words.get(code, str(code)) for code in rows.bits[mask].tolist()]
                texts = pc.replace_with_mask(texts, pa.array(mask), pa.array(said, pa.string()))
        return pc.if_else(pa.array(rows.gap), UNAVAILABLE, texts)


def _document(kind: str, body: str) -> str:
    name = f"MTConnect{kind}"
    space = f"urn:mtconnect.org:{name}:{VERSION}"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{name} xmlns="{space}">{body}</{name}>\n'
