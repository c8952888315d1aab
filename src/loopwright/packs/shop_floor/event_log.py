"""Reads a shop's event log: a CSV (gz too) with a row for each time somebody worked at an order.

    log = read_log(path, zone, columns)         every row of the file taken, repeated or refused with its reason
    import_log(path, options)                   the pack's importer `log`: 'work.logged' events

Columns are found by their usual names (process mining tools, the 4TU production log, our own), or named by whoever
brings the file: {"machine": "Anlage", "start": "Beginn"}. Times without a zone are of `zone`, which is assumed.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from loopwright.core.errors import InputError, UnknownName
from loopwright.core.pack import Imported, ImportOptions
from loopwright.core.types import Event
from loopwright.make.past.work_log import EVENT, RUN, SETUP, Work, as_body

_KIND = "a CSV file, plain or compressed with gzip, with a header and a row for each piece of work"
LARGEST = 256 * 2**20  # bytes of text; a log of ten million rows is a few times that and belongs into a database
# our word -> what columns are called; compared without case, spaces and signs
NAMES: dict[str, tuple[str, ...]] = {
    "order": ("order", "case id", "case", "case:concept:name", "work order", "order id", "auftrag"),
    "activity": ("activity", "operation", "concept:name", "task", "process", "arbeitsgang"),
    "machine": ("machine", "machine id", "station", "work centre", "work center", "maschine", "anlage"),
    "operator": ("operator", "worker id", "worker", "person", "bediener"),
    "resource": ("resource", "org:resource"),
    "start": ("start", "start timestamp", "start time", "start_timestamp", "begin", "beginn"),
    "end": ("end", "complete timestamp", "complete", "end time", "end timestamp", "time:timestamp", "ende"),
    "quantity": ("quantity", "qty completed", "qty", "good", "menge", "stueck"),
    "scrap": ("scrap", "qty rejected", "rejected", "ausschuss"),
    "review": ("review", "qty for mrb"),
    "stage": ("stage", "report type"),
    "rework": ("rework", "nacharbeit"),
}
NEEDED = ("order", "activity", "start")
_FORMS = ("%Y/%m/%d %H:%M:%S.%f", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M")
_STAGES = {"s": SETUP, "setup": SETUP, "d": RUN, "run": RUN, "done": RUN}
_TRUE, _FALSE = ("y", "yes", "true", "1", "x", "j", "ja"), ("", "n", "no", "false", "0", "nein")
MARKER = "marks the start or end of an order, no work"
CUT_OFF = "row cut off or too long"
LONGEST_NS = 31 * 86_400 * 10**9  # a row that says more has a typing error in its date, as a rule
EARLIEST, LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2199, 12, 31, tzinfo=UTC)


@dataclass(frozen=True)
class Log:
    """What a file holds: rows = works + repeats + refused.

    works    by line; repeats: lines that say exactly what an earlier line says
    refused  (line, field, value, rule) of rows that could not be used
    columns  our word -> the file's; assumed: what the file did not say
    """

    path: str
    hash: str
    rows: int
    works: tuple[Work, ...]
    repeats: tuple[int, ...]
    refused: tuple[tuple[int, str, str, str], ...]
    columns: Mapping[str, str]
    assumed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reasons(self) -> dict[str, int]:
        """Rule that was broken -> rows."""
        return dict(Counter(rule for _, _, _, rule in self.refused))


class _Bad(ValueError):
    """A cell that cannot be used: (field, value, rule)."""


def read_log(path: Path, zone: str = "UTC", columns: Mapping[str, str] | None = None) -> Log:
    """Every row of a log, accounted for.

    zone     IANA name, for times that name none: assumed, and said in Log.assumed
    columns  our word (see NAMES) -> the file's column, where it is not one of the usual names
    Raises InputError for a file that is no log, UnknownName for a column or word that is not there.
    """
    path, local = Path(path), _zone(zone)
    raw, text = _text(path)
    delimiter = max((",", ";", "\t"), key=text.split("\n", 1)[0].count)
    lines = _lines(text, delimiter, path)
    header = next(lines, (0, []))[1]
    found = _columns(header, columns or {}, path)
    assumed: dict[str, Any] = {"known_ns": "when the work was completed"}
    if "resource" in found:
        word = "operator" if "operator" not in found else "machine"
        if word not in found:
            found[word] = found["resource"]
            if "machine" not in found or word == "operator":
                assumed["resource"] = f"column {header[found['resource']]!r} is the {word}"
        del found["resource"]
    if "machine" not in found and "operator" not in found:
        raise UnknownName(f"{path}: column of the machine or operator", "machine", header)
    reader = _Reader(found, len(header), local)
    rows = 0
    for line, cells in lines:
        rows += 1
        reader.take(line, cells)
    if not rows:
        raise InputError(str(path), "holds a header and no row", _KIND, "export it again")
    if reader.naive:
        assumed["time_zone"] = zone
    if "end" not in found:
        assumed["end"] = "the file has no end of work: each row ends when it starts"
    names = {word: header[at] for word, at in found.items()}
    digest = hashlib.sha256(raw).hexdigest()
    kept = tuple(reader.works), tuple(reader.repeats), tuple(reader.refused)
    return Log(str(path), digest, rows, *kept, names, assumed)


class _Reader:
    """Rows into work, one by one."""

    def __init__(self, columns: Mapping[str, int], wide: int, zone: ZoneInfo) -> None:
        self.columns, self.wide, self.zone = columns, wide, zone
        self.works: list[Work] = []
        self.repeats: list[int] = []
        self.refused: list[tuple[int, str, str, str]] = []
        self.naive = False
        self._seen: set[tuple[str, ...]] = set()

    def take(self, line: int, cells: Sequence[str]) -> None:
        """One row: work, a repeat, or refused."""
        if len(cells) != self.wide:
            self.refused.append((line, "row", f"{len(cells)} cells for {self.wide} columns", CUT_OFF))
            return
        said = {word: cells[at].strip() for word, at in self.columns.items()}
        if said["activity"].casefold() in ("start", "end") and said["activity"] in (
                said.get("operator"), said.get("machine")):
            self.refused.append((line, "activity", said["activity"], MARKER))
            return
        if tuple(cells) in self._seen:
            self.repeats.append(line)
            return
        try:
            self.works.append(self._work(line, said))
        except _Bad as bad:
            self.refused.append((line, *bad.args))
            return
        self._seen.add(tuple(cells))

    def _work(self, line: int, said: Mapping[str, str]) -> Work:
        for word in ("order", "activity"):
            if not said[word]:
                raise _Bad(word, "", f"{word} is empty")
        machine, operator = said.get("machine", ""), said.get("operator", "")
        if not machine and not operator:
            raise _Bad("machine", "", "neither a machine nor an operator")
        start_ns = self._time("start", said["start"])
        end_ns = self._time("end", said["end"]) if "end" in said else start_ns
        if end_ns < start_ns:
            raise _Bad("end", said["end"], "ends before it starts")
        if end_ns - start_ns > LONGEST_NS:
            raise _Bad("end", said["end"], "takes more than 31 days without a break")
        quantity, scrap, review = (_count(word, said.get(word, "")) for word in ("quantity", "scrap", "review"))
        rework = said.get("rework", "").casefold()
        if rework not in _TRUE + _FALSE:
            raise _Bad("rework", said["rework"], "rework is neither yes nor no")
        stage = said.get("stage", "")
        return Work(said["order"], said["activity"], start_ns, end_ns, machine, operator,
                    _STAGES.get(stage.casefold(), stage), quantity, scrap, review, rework in _TRUE, line)

    def _time(self, word: str, text: str) -> int:
        """ns UTC. A local hour that a clock change repeats is its first; one that it leaves out is refused."""
        when = _when(text)
        if when is None:
            raise _Bad(word, text, f"{word} is no time")
        if when.tzinfo is None:
            self.naive = True
            there = when.replace(tzinfo=self.zone)
            if there.astimezone(UTC).astimezone(self.zone).replace(tzinfo=None) != when:
                raise _Bad(word, text, f"{word} does not exist there: a clock change leaves it out")
            when = there
        if not EARLIEST <= when <= LATEST:
            raise _Bad(word, text, f"{word} is not between 1970 and 2199")
        since = when.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
        return (since // timedelta(microseconds=1)) * 1000


def _when(text: str) -> datetime | None:
    for form in _FORMS:
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _count(word: str, text: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)
    except ValueError:
        raise _Bad(word, text, f"{word} is no number of pieces") from None
    if not 0 <= value < math.inf:
        raise _Bad(word, text, f"{word} is no number of pieces")
    return value


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError("time zone of the log", f"{name!r} is not known", "an IANA name: 'Europe/Berlin'") from error


def _text(path: Path) -> tuple[bytes, str]:
    """(bytes on disk, text). InputError for what is no text."""
    if not path.is_file():
        raise InputError(str(path), "is a folder" if path.is_dir() else "is not there", _KIND, "check the name")
    raw = path.read_bytes()
    data = raw
    if raw[:2] == b"\x1f\x8b":
        try:
            with gzip.open(io.BytesIO(raw)) as file:
                data = file.read(LARGEST + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            given = f"is a cut-off or damaged gzip file ({error})"
            raise InputError(str(path), given, _KIND, "copy it again") from error
    if len(data) > LARGEST:
        raise InputError(str(path), f"more than {LARGEST:,} bytes of text", "a log that fits in memory", "split it")
    if not data.strip() or b"\0" in data:
        raise InputError(str(path), "is empty" if not data.strip() else "is not a text file", _KIND)
    try:
        return raw, data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw, data.decode("cp1252", errors="replace")


def _lines(text: str, delimiter: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of every row that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num}", f"cannot be read: {error}", _KIND) from error


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def _columns(header: Sequence[str], named: Mapping[str, str], path: Path) -> dict[str, int]:
    """Our word -> place in the row."""
    places = {name.strip(): k for k, name in reversed(list(enumerate(header)))}
    found: dict[str, int] = {}
    for word, name in named.items():
        if word not in NAMES:
            raise UnknownName(f"{path}: column=", word, NAMES)
        if name not in places:
            raise UnknownName(f"{path}: column of {word}", name, places)
        found[word] = places[name]
    plain = {_plain(name): k for name, k in reversed(places.items())}
    for word, usual in NAMES.items():
        at = next((plain[_plain(name)] for name in usual if _plain(name) in plain), None)
        if word not in found and at is not None and at not in found.values():
            found[word] = at
    for word in NEEDED:
        if word not in found:
            raise UnknownName(f"{path}: column of the {word}", NAMES[word][0], header)
    return found


def events(log: Log, actor: str = "import:log") -> tuple[tuple[Event, ...], int]:
    """('work.logged' events in the order in which they became known, how many operators were written as names).

    A person's name never stands in the ledger: an operator whose mark has no digit in it is taken for a name, and
    numbered within the file.
    """
    names = sorted({w.operator for w in log.works if w.operator and not any(c.isdigit() for c in w.operator)})
    marks = {name: f"operator-{n}" for n, name in enumerate(names, 1)}
    told = []
    counts: Counter[str] = Counter()
    for work in sorted(log.works, key=lambda w: (w.end_ns, w.line)):
        work = replace(work, operator=marks.get(work.operator, work.operator))
        counts[work.id] += 1
        id_ = work.id + (f"#{counts[work.id]}" if counts[work.id] > 1 else "")
        told.append(Event(EVENT, id_, work.end_ns, actor, as_body(work, log.assumed), key=f"{EVENT}/{id_}"))
    return tuple(told), len(names)


def import_log(path: Path, options: ImportOptions) -> Imported:
    """The pack's importer `log`."""
    log = read_log(path, options.time_zone, options.columns)
    told, names = events(log)
    bad = [row for row in log.refused if row[3] != MARKER]
    notes = [f"refused: line {line}, {what} {value!r}: {rule}" for line, what, value, rule in bad[:5]]
    notes += [f"and {len(bad) - 5:,} rows more are refused"] if len(bad) > 5 else []
    notes += [f"assumed: {name}: {value}" for name, value in log.assumed.items()]
    notes += [f"operators written as names stand in the ledger as operator-1 to operator-{names}"] if names else []
    return Imported("log", log.path, log.hash, log.rows, events=told, refused=log.reasons, duplicate=len(log.repeats),
                    notes=tuple(notes), assumed=log.assumed)
