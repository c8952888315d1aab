"""How long values are kept: rows older than their signal's limit leave the points, and later their rollups.

    retain(store, [Keep(signals=("spindle.*",), raw_days=90, rollup_days=3650)], now_ns)

Of the lines that match a series the first counts; a line with a hold keeps what it matches for as long as it stands.
Events are never removed, and neither is what they rest on (`store.evidence`). Every row that goes is counted in the hop
`points` as refused 'expired', in the minute in which it was accepted.

Files are taken some at a time. Of those, the books and the intent are written first, in one transaction; then one
commit takes away the files of which nothing is left, and each of the others is written anew without what goes. After a
crash the opening of the plant does the rest of the intent. Flushes come between.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from loopwright.core.errors import InputError, StoreError
from loopwright.store import reroll, sparse
from loopwright.store.counts import NS_PER_MINUTE, Counts
from loopwright.store.delta import Table
from loopwright.store.evidence import Range, kept
from loopwright.store.journal import Journal, Work
from loopwright.store.read import Wanted
from loopwright.store.snapshot import Snapshot
from loopwright.store.sql import quoted

if TYPE_CHECKING:
    from loopwright.store.cellar import Store

HOUR_NS = 3_600_000_000_000
_INTENT, _LAST = "expiring", "retained_ns"
_FILES, _ROWS = 64, 50_000_000  # taken at a time
_RAW, _ROLLUPS = ("points", "blocks"), ("rollups",)
_EVERY = 2**63 - 1
_KEEP_HOURS = 2  # for readers that opened an older snapshot


@dataclass(frozen=True)
class Keep:
    """One line: how long the values of some signals are kept.

    kind, signals, things  patterns ('*', 'spindle.*') of the thing's kind, the signal's name, the thing's id
    raw_days, rollup_days  0: for ever
    hold                   why nothing of it may be removed, whatever other lines say; '': no hold
    """

    kind: str = "*"
    signals: tuple[str, ...] = ("*",)
    things: tuple[str, ...] = ("*",)
    raw_days: float = 0.0
    rollup_days: float = 0.0
    hold: str = ""

    def __post_init__(self) -> None:
        for name in ("raw_days", "rollup_days"):
            days = getattr(self, name)
            if not 0 <= days < 1e6:
                raise InputError(f"[[keep]] {name}", f"is {days!r}", "days above 0, or 0: for ever")
        if self.rollup_days and not 0 < self.raw_days <= self.rollup_days:
            given = f"{self.rollup_days} days of rollups, {self.raw_days or 'all'} of values"
            raise InputError("[[keep]]", given, "rollups for at least as long as the values")

    def names(self, kind: str, signal: str) -> bool:
        """Whether it is about this signal of that kind, of some things at least."""
        return fnmatchcase(kind, self.kind) and any(fnmatchcase(signal, p) for p in self.signals)

    def word(self) -> str:
        """How it is called in reports: kind, signals, things."""
        things = "" if self.things == ("*",) else f" of {', '.join(self.things)}"
        return f"{self.kind}: {', '.join(self.signals)}{things}"


@dataclass(frozen=True)
class Gone:
    """Series that are kept for the same time: rows of these with t_ns < limit_ns go. things None: whoever has them."""

    rule: int
    limit_ns: int
    signals: tuple[str, ...]
    things: tuple[str, ...] | None

    def sql(self, span_ns: int) -> str:
        """The rows as a condition. span_ns: how long a row may last."""
        parts = [f"t_ns < {self.limit_ns - span_ns}", f"signal IN ({_names(self.signals)})"]
        if self.things is not None:
            parts.append(f"thing IN ({_names(self.things)})")
        return f"({' AND '.join(parts)})"


def retain(
    store: Store, rules: Sequence[Keep], now_ns: int, *, dry_run: bool = False, actor: str = "retention",
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Removes what is older than the rules keep it; says what went, or with dry_run what would go.

    returns  rows, samples, bytes (of files, estimated), classes: the same for each line and table, kept: how many
             ranges are held as evidence. Recorded as event points.expired when something went.
    stop     asked between one part and the next; the rest is done the next time
    """
    _alone(store)
    if not dry_run:
        store._writable("retain")
        store.flush()
        if any(rule.raw_days for rule in rules):
            sparse.every_level(store)
        _rolled(store)
    protected = kept(store)
    found: list[dict[str, Any]] = []
    for name, table in store.tables.items():
        if name not in _RAW + _ROLLUPS or not isinstance(table, Table):
            continue
        gone = _groups(store, rules, now_ns, "raw_days" if name in _RAW else "rollup_days")
        span_ns = store._memory.span_ns if name == "blocks" else 0
        if gone:
            held = _within(protected, gone) if name in _RAW else []
            going = _Going(gone, span_ns, held)
            found += _table(store, name, table, going, dry_run, stop)
            if dry_run and name in _RAW:
                found += _waiting(store, name, going)
    told = _told(rules, found) | {"kept": len(protected), "dry_run": dry_run}
    if not dry_run and not stop():
        with store._lock:
            store._journal.commit(Work(meta={_LAST: str(now_ns)}))
    if told["rows"] and not dry_run:
        from loopwright.core.types import Event

        body = {"samples": told["samples"], "rows": told["rows"], "rules": [vars(rule) for rule in rules]}
        store.record([Event("points.expired", store._journal.meta("plant"), now_ns, actor, body)])
        for leaver in store.leavers:
            leaver(None)
    return told


def _alone(store: Store) -> None:
    """Raises StoreError where the rows of several plants stand in one table: each accounts for its own only, and the
    compaction of one may take a file away while another counts what goes of it."""
    for table in store._tables:
        snapshot = table.refresh() if table.place.shared else table.snapshot
        if not snapshot.alone:
            raise StoreError(
                f"points {table.place.uri}", "it cannot be trimmed by age: other plants have rows in it",
                "rows of one plant", "give each plant a points_url of its own, or erase by name",
            )


def last_ns(store: Store) -> int:
    """When it was done last, whole; 0: never."""
    return int(store._journal.meta(_LAST, "0"))


def finish(tables: Mapping[str, Any], journal: Journal) -> None:
    """Does the rest of what was being removed when a crash came."""
    intent = json.loads(journal.meta(_INTENT, "{}"))
    if intent:
        table = tables[intent["table"]]
        _remove(table, set(intent["whole"]), intent["border"], intent["where"])
        journal.commit(Work(meta={_INTENT: "{}"}))


@dataclass(frozen=True)
class _Going:
    """What goes of one table: rows of these series, but not those of the protected ranges."""

    gone: Sequence[Gone]
    span_ns: int
    protected: Sequence[Range]

    @property
    def limit_ns(self) -> int:
        return max(one.limit_ns for one in self.gone)

    def where(self, upto: int) -> str:
        """Of batches up to this one."""
        series = " OR ".join(one.sql(self.span_ns) for one in self.gone)
        held = "".join(f" AND NOT {one.sql(self.span_ns)}" for one in self.protected)
        return f"batch <= {upto} AND ({series}){held}"

    def rule(self) -> str:
        """Which line a row goes by."""
        return f"CASE {' '.join(f'WHEN {one.sql(self.span_ns)} THEN {one.rule}' for one in self.gone)} END"


def _within(protected: Sequence[Range], gone: Sequence[Gone]) -> list[Range]:
    """The protected ranges in which something would go, those that meet as one."""
    signals = {name for one in gone for name in one.signals}
    limit_ns = max(one.limit_ns for one in gone)
    found: list[Range] = []
    for one in sorted(protected, key=lambda r: (r.thing, r.signal, r.start_ns is not None, r.start_ns or 0)):
        if (one.signal and one.signal not in signals) or (one.start_ns is not None and one.start_ns >= limit_ns):
            continue
        last = found[-1] if found else None
        open_ = last is not None and last.end_ns is None
        if last and (last.thing, last.signal) == (one.thing, one.signal) and (
            open_ or one.start_ns is None or one.start_ns <= (last.end_ns or 0) + 1
        ):
            ends = [last.end_ns, one.end_ns]
            end_ns = None if None in ends else max(end for end in ends if end is not None)
            found[-1] = Range(last.thing, last.signal, last.start_ns, end_ns)
        else:
            found.append(one)
    return found


def _rolled(store: Store) -> None:
    """Writes the rollups of all that stands, before the values that they are made of go."""
    with store._flushing:
        rollups = store._memory.rollups
        while rollups.tasks and not rollups.stuck and reroll.again(store):
            pass
        if rollups.stuck or rollups.tasks:
            said = "the rollups of some values could not be made"
            raise StoreError(f"plant {store.path}", said, "", "open the plant anew; until then nothing is removed")
        reroll.write(store)


def _groups(store: Store, rules: Sequence[Keep], now_ns: int, days: str) -> list[Gone]:
    """The series that are not kept for ever, grouped by the line that says so."""
    kinds, things = store.kinds(), store.things()
    several = [name for kind in kinds.values() for name in {s.name for s in kind.signals}]
    found: dict[tuple[int, tuple[str, ...] | None], list[str]] = {}
    for kind in kinds.values():
        own = [thing.id for thing in things.values() if thing.kind == kind.name]
        for signal in kind.signals:
            matching = [i for i, rule in enumerate(rules) if rule.names(kind.name, signal.name)]
            for line, of in _lines(rules, matching, own):
                if line is not None and getattr(rules[line], days):
                    whole = len(of) == len(own) and several.count(signal.name) == 1
                    found.setdefault((line, None if whole else tuple(of)), []).append(signal.name)
    return [
        Gone(line, _limit(now_ns, getattr(rules[line], days)), tuple(sorted(signals)), of)
        for (line, of), signals in found.items() if of is None or of
    ]


def _lines(rules: Sequence[Keep], matching: list[int], things: list[str]) -> Iterable[tuple[int | None, list[str]]]:
    """(line that counts, None: held or none, its things) for the things of a kind."""
    if all(rules[i].things == ("*",) for i in matching):
        held = any(rules[i].hold for i in matching)
        return [(matching[0] if matching and not held else None, things)]
    found: dict[int | None, list[str]] = {}
    for thing in things:
        own = [i for i in matching if any(fnmatchcase(thing, p) for p in rules[i].things)]
        line = own[0] if own and not any(rules[i].hold for i in own) else None
        found.setdefault(line, []).append(thing)
    return found.items()


def _limit(now_ns: int, days: float) -> int:
    """In whole hours, so that no rollup of an hour stands beside half of its values."""
    return int(now_ns - days * 24 * HOUR_NS) // HOUR_NS * HOUR_NS


def _table(
    store: Store, name: str, table: Table, going: _Going, dry_run: bool, stop: Callable[[], bool]
) -> list[dict[str, Any]]:
    """What went of one table, some files at a time: rule, rows, samples, bytes."""
    found: list[dict[str, Any]] = []
    done: set[str] = set()
    while not stop():
        if dry_run:
            snapshot = table.snapshot
            files = [file for file in snapshot.between(None, going.limit_ns) if file not in done][:_FILES]
            counted = _count(store, name, snapshot, files, going.where(snapshot.flushed), going.rule())
        else:
            with store._flushing, table._compacting:
                snapshot = table.refresh()
                _alone(store)
                files = _some(snapshot, [f for f in snapshot.between(None, going.limit_ns) if f not in done])
                where = going.where(snapshot.flushed)
                counted = _count(store, name, snapshot, files, where, going.rule())
                if counted:
                    _book_and_remove(store, name, table, counted, where)
        if not files:
            break
        done.update(files)
        found += counted
        if not dry_run and counted:
            done.update(set(table.snapshot.files) - set(snapshot.files))  # what was written anew
    if found and not dry_run:
        table.checkpoint(_KEEP_HOURS)
    return found


def _some(snapshot: Snapshot, files: list[str]) -> list[str]:
    rows = dict(zip(snapshot.files, snapshot.rows.tolist(), strict=True))
    total = np.cumsum([rows[file] for file in files])
    return files[:max(1, min(_FILES, int((total <= _ROWS).sum())))] if files else []


def _count(
    store: Store, name: str, snapshot: Snapshot, files: list[str], where: str, rule: str
) -> list[dict[str, Any]]:
    """What goes of each file: rule, minute, source, rows, samples, and its share of the file's bytes."""
    found = []
    raw = name in _RAW
    of = f"batch // {NS_PER_MINUTE} AS minute, source" if raw else "0 AS minute, '' AS source"
    samples = "sum(samples)" if name == "blocks" else "count(*)" if raw else "0"
    index = {file: i for i, file in enumerate(snapshot.files)}
    for file in files:
        sql = (
            f"SELECT {rule} AS rule, {of}, count(*)::BIGINT AS rows, {samples}::BIGINT AS samples "
            f"FROM {snapshot.scan([file])} WHERE {where} GROUP BY ALL"
        )
        every, size = int(snapshot.rows[index[file]]), int(snapshot.bytes[index[file]])
        for row in store._reader.run(sql, {}).to_pylist():
            share = round(size * row["rows"] / max(1, every))
            found.append({**row, "table": name, "file": file, "of": every, "bytes": share})
    return found


def _waiting(store: Store, name: str, going: _Going) -> list[dict[str, Any]]:
    """What would go of the rows that are in the journal yet."""
    view = store._view(name == "blocks", Wanted())
    samples = "sum(samples)" if name == "blocks" else "count(*)"
    sql = (
        f"SELECT {going.rule()} AS rule, count(*)::BIGINT AS rows, {samples}::BIGINT AS samples "
        f"FROM tail WHERE {going.where(_EVERY)} GROUP BY ALL"
    )
    rows = store._reader.run(sql, {"tail": view.tail}).to_pylist()
    return [{**row, "table": name, "bytes": 0} for row in rows]


def _book_and_remove(store: Store, name: str, table: Table, counted: list[dict[str, Any]], where: str) -> None:
    """Books the rows and writes the intent, then removes them. The flushing is held."""
    going: dict[str, int] = {}
    counts: dict[tuple[int, str, str], Counts] = {}
    with store._lock:
        for row in counted:
            going[row["file"]] = going.get(row["file"], 0) + row["rows"]
            if name in _RAW:
                words = counts.setdefault((row["minute"], store._memory.books.hop_of(row["source"]), row["source"]), {})
                words["expired"] = words.get("expired", 0) + row["samples"]
        every = {row["file"]: row["of"] for row in counted}
        relative = dict(zip(table.snapshot.files, table.snapshot.names, strict=True))
        whole = [relative[file] for file, rows in going.items() if rows == every[file]]
        border = [relative[file] for file, rows in going.items() if rows != every[file]]
        intent = {"table": name, "whole": whole, "border": border, "where": where}
        work = Work(meta={_INTENT: json.dumps(intent)})
        store._memory.books.erase(work, counts)
        store._journal.commit(work)
        store._memory.books.keep(work)
    _remove(table, set(whole), border, where)
    with store._lock:
        store._journal.commit(Work(meta={_INTENT: "{}"}))


def _remove(table: Table, whole: set[str], border: Sequence[str], where: str) -> None:
    """Takes away whole files in one commit, and rewrites the others one by one. Those that are gone, are done."""
    there = [name for name in table.snapshot.names if name in whole]
    if there:
        table._commit([], there, "DELETE")
    for name in border:
        snapshot = table.snapshot
        if name in snapshot.names:
            table._rewrite(snapshot, [f"{snapshot.place.uri}/{name}"], f"NOT ({where})")


def _told(rules: Sequence[Keep], found: list[dict[str, Any]]) -> dict[str, Any]:
    """Sums, in all and by line and table."""
    words = ("rows", "samples", "bytes")
    classes: dict[tuple[int, str], dict[str, Any]] = {}
    for row in found:
        one = classes.setdefault((row["rule"], row["table"]), {
            "class": rules[row["rule"]].word(), "table": row["table"], **dict.fromkeys(words, 0),
        })
        for word in words:
            one[word] += row[word]
    total = {word: sum(row[word] for row in found) for word in words}
    return {**total, "classes": [classes[key] for key in sorted(classes)]}


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(quoted, names))
