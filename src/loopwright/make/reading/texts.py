"""Shops of the literature, as texts: which dialect a text is in is seen from its numbers, and told.

    parse(text, name) -> Parsed

    job shop          'jobs machines', then a row a job of pairs 'machine seconds' (machines from 0 or from 1). Rows may
                      differ in length and name a machine twice; a row may end with '-1 -1' (Da Col and Teppan)
    flexible          'jobs machines [mean number of choices]', then a row a job: how many operations, and for each how
                      many choices and so many pairs 'machine seconds' (machines from 1 or from 0). Brandimarte 1993
    times, machines   'jobs machines', then a row a job of seconds, then a row a job of machines, with or without the
                      words of Taillard's own files (E. Taillard, "Benchmarks for basic scheduling problems", EJOR 1993)

Empty lines do not count, nor does what stands behind '#'. Every complaint is an InputError with line, value, rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from loopwright.core.errors import InputError, UnknownName
from loopwright.make.shop import Job, Machine, Operation, Shop

FORMS = ("job-shop", "flexible", "times-machines")
MOST_JOBS, MOST_MACHINES, MOST_OPERATIONS = 1_000_000, 100_000, 2_000_000
LONGEST_S = 1_000_000_000  # of one operation: 31 years
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
_BAD = re.compile(r"[^0-9\s-]|-(?![0-9])|(?<=[0-9])-|[0-9]{19}")
_ENDS = [-1, -1]

Choices = tuple[tuple[int, int], ...]  # (machine as it stands in the text, seconds)
Route = list[Choices]


@dataclass(frozen=True)
class Parsed:
    """A shop, the dialect it was written in, and what is to be known about how it was read."""

    shop: Shop
    dialect: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Row:
    line: int
    numbers: list[int]


@dataclass(frozen=True)
class _Text:
    """What the first line says, and the rows below it."""

    name: str
    jobs: int
    machines: int
    flexibility: bool
    line: int
    rows: list[_Row]

    def at(self, row: _Row, number: int, field: str) -> str:
        """Where the number (from 0) of a row stands."""
        return f"{self.name}: line {row.line}, number {number + 1} ({field})"


def parse(text: str, name: str, form: str = "") -> Parsed:
    """The shop that a text describes.

    form  one of FORMS; '': seen from the numbers
    Raises InputError for a text that is none of the dialects, or fits two of them; UnknownName for a form.
    """
    if form and form not in FORMS:
        raise UnknownName("form of a shop's text", form, FORMS)
    lines = _lines(text)
    if not lines:
        raise InputError(name, "nothing stands in it", "a first line 'jobs machines' and a row for every job")
    if any(re.search("[A-Za-z]", words) for _, words in lines):
        lines = _without_words(lines, name)
        form = form or "times-machines"
    read = _header(lines, name)
    chosen = form or _recognised(read)
    return _shop(read, chosen, _READERS[chosen](read))


def _lines(text: str) -> list[tuple[int, str]]:
    """(line number, what stands on it) of lines with something on them."""
    found = ((n, line.partition("#")[0].strip()) for n, line in enumerate(text.splitlines(), 1))
    return [(n, line) for n, line in found if line]


def _without_words(lines: list[tuple[int, str]], name: str) -> list[tuple[int, str]]:
    """The numbers of a file in Taillard's words: 'Nb of jobs, ...', six numbers, 'Times', rows, 'Machines', rows."""
    if sum(line.lower().startswith("nb of jobs") for _, line in lines) > 1:
        raise InputError(name, "several instances stand in it", "one instance a file", "split it at 'Nb of jobs'")
    words = ("nb of jobs", "times", "machines", "number of jobs")
    rest = [(n, line) for n, line in lines if not line.lower().startswith(words)]
    if rest == lines or not rest:
        return lines
    line, first = rest[0]
    return [(line, " ".join(first.split()[:2])), *rest[1:]]


def _header(lines: list[tuple[int, str]], name: str) -> _Text:
    line, first = lines[0]
    parts = first.split()
    for n, part in enumerate(parts[:3]):
        if not _NUMBER.fullmatch(part) or ("." in part and n < 2):
            field = ("jobs", "machines", "mean number of choices")[n]
            raise InputError(f"{name}: line {line}, number {n + 1} ({field})", repr(part[:40]), "a whole number")
    if not 2 <= len(parts) <= 3:
        raise InputError(f"{name}: line {line}", f"{len(parts)} numbers", "'jobs machines', or a third number for the "
                         "mean number of choices")
    jobs, machines = int(parts[0]), int(parts[1])
    for n, (field, value, most) in enumerate((("jobs", jobs, MOST_JOBS), ("machines", machines, MOST_MACHINES))):
        if not 1 <= value <= most:
            raise InputError(f"{name}: line {line}, number {n + 1} ({field})", str(value), f"1 to {most:,}")
    rows = [_Row(n, _numbers(words, n, name)) for n, words in lines[1:]]
    return _Text(name, jobs, machines, len(parts) == 3, line, rows)


def _numbers(words: str, line: int, name: str) -> list[int]:
    if _BAD.search(words):
        for n, word in enumerate(words.split(), 1):
            if _BAD.search(word):
                given = repr(word[:40])
                raise InputError(f"{name}: line {line}, number {n}", given, "a whole number of up to 18 digits")
    return [int(word) for word in words.split()]


def _recognised(read: _Text) -> str:
    """The one dialect that the rows fit; InputError when they fit two."""
    if read.flexibility:
        return "flexible"
    if len(read.rows) == 2 * read.jobs and all(len(row.numbers) == read.machines for row in read.rows):
        return "times-machines"
    fits = {form: sum(_fits(read, form)) for form in ("job-shop", "flexible")}
    whole = [form for form, count in fits.items() if count == len(read.rows)]
    if len(whole) == 2 and read.rows:
        raise InputError(f"{read.name}: line {read.rows[0].line}", "the rows can be read as a job shop and as a "
                         "flexible one", "one reading", "say which: --format job-shop or --format flexible (or name "
                         "the file .jsp or .fjs)")
    return "flexible" if fits["flexible"] > fits["job-shop"] else "job-shop"


def _fits(read: _Text, form: str) -> Iterator[bool]:
    """Whether each row can be one of the dialect."""
    for row in read.rows:
        try:
            _SPLIT[form](read, row)
        except InputError:
            yield False
        else:
            yield True


def _pairs(read: _Text, row: _Row) -> Route:
    """A row of pairs 'machine seconds'."""
    numbers = row.numbers[:-2] if row.numbers[-2:] == _ENDS else row.numbers
    if len(numbers) % 2:
        raise InputError(read.at(row, len(numbers) - 1, "machine without seconds"), str(numbers[-1]),
                         "pairs 'machine seconds'", f"the row has {len(numbers)} numbers: is it cut off?")
    for n, machine in enumerate(numbers[::2]):
        _in_range(read, row, 2 * n, machine)
    for n, seconds in enumerate(numbers[1::2]):
        if not 0 <= seconds <= LONGEST_S:
            raise InputError(read.at(row, 2 * n + 1, f"seconds of operation {n}"), str(seconds),
                             f"whole seconds from 1 to {LONGEST_S:,} (0: the operation is left out)")
    return [(pair,) for pair in zip(numbers[::2], numbers[1::2], strict=True)]


def _groups(read: _Text, row: _Row) -> Route:
    """A row 'operations', then for each 'choices' and pairs 'machine seconds'."""
    numbers, at = row.numbers, 1
    route: Route = []
    for operation in range(_count(read, row, 0, "operations of the job")):
        choices = _count(read, row, at, f"choices of operation {operation}")
        end = at + 1 + 2 * choices
        if end > len(numbers):
            raise InputError(read.at(row, at, f"choices of operation {operation}"), str(choices),
                             f"as many pairs 'machine seconds' as it says; {(len(numbers) - at - 1) / 2:g} follow",
                             "is the row cut off?")
        machines, seconds = numbers[at + 1:end:2], numbers[at + 2:end:2]
        for n, (machine, takes) in enumerate(zip(machines, seconds, strict=True)):
            _in_range(read, row, at + 1 + 2 * n, machine)
            if not 0 <= takes <= LONGEST_S:
                raise InputError(read.at(row, at + 2 + 2 * n, f"seconds of operation {operation}"), str(takes),
                                 f"whole seconds from 1 to {LONGEST_S:,} (0: the operation is left out)")
            if machine in machines[:n]:
                raise InputError(read.at(row, at + 1 + 2 * n, f"machine of operation {operation}"),
                                 f"{machine} stands twice among its choices", "each machine once")
        route.append(tuple(zip(machines, seconds, strict=True)))
        at = end
    if at < len(numbers):
        raise InputError(read.at(row, at, "behind the last operation"), str(numbers[at]),
                         f"nothing more: the row says {numbers[0]} operations", f"{len(numbers) - at} numbers too many")
    return route


def _count(read: _Text, row: _Row, at: int, field: str) -> int:
    if at >= len(row.numbers):
        raise InputError(f"{read.name}: line {row.line}", f"it ends before number {at + 1} ({field})",
                         f"{row.numbers[0]} operations, as the row says", "is the row cut off?")
    if row.numbers[at] < 1:
        raise InputError(read.at(row, at, field), str(row.numbers[at]), "a count from 1 on")
    return row.numbers[at]


def _in_range(read: _Text, row: _Row, at: int, machine: int) -> None:
    if not 0 <= machine <= read.machines:
        allowed = f"0 to {read.machines - 1}, or 1 to {read.machines}"
        raise InputError(read.at(row, at, "machine"), str(machine), allowed)


def _rows(split: Callable[[_Text, _Row], Route]) -> Callable[[_Text], list[Route]]:
    """A reader of one row a job."""
    def read_rows(read: _Text) -> list[Route]:
        _counted(read, read.jobs, "rows")
        return [split(read, row) for row in read.rows]
    return read_rows


def _counted(read: _Text, rows: int, what: str) -> None:
    if len(read.rows) != rows:
        extra = "is the file cut off?"
        if len(read.rows) > rows:
            extra = f"line {read.rows[rows].line} is the first too many"
        raise InputError(f"{read.name}: line {read.line}, number 1 (jobs)", f"{read.jobs}, but {len(read.rows)} {what} "
                         "follow", f"{rows} {what}", extra)


def _paired(read: _Text) -> list[Route]:
    """Rows of seconds, then rows of machines, as many as jobs each."""
    _counted(read, 2 * read.jobs, "rows (seconds, then machines)")
    routes: list[Route] = []
    for times, machines in zip(read.rows[:read.jobs], read.rows[read.jobs:], strict=True):
        if len(times.numbers) != len(machines.numbers):
            raise InputError(f"{read.name}: line {machines.line}", f"{len(machines.numbers)} machines",
                             f"{len(times.numbers)}, as line {times.line} has seconds")
        for n, (seconds, machine) in enumerate(zip(times.numbers, machines.numbers, strict=True)):
            _in_range(read, machines, n, machine)
            if not 0 <= seconds <= LONGEST_S:
                raise InputError(read.at(times, n, f"seconds of operation {n}"), str(seconds), f"1 to {LONGEST_S:,}")
        routes.append([((m, s),) for m, s in zip(machines.numbers, times.numbers, strict=True)])
    return routes


_SPLIT: dict[str, Callable[[_Text, _Row], Route]] = {"job-shop": _pairs, "flexible": _groups}
_READERS: dict[str, Callable[[_Text], list[Route]]] = {
    "job-shop": _rows(_pairs), "flexible": _rows(_groups), "times-machines": _paired}

_WORDS = {"job-shop": "job shop", "flexible": "flexible job shop", "times-machines": "job shop, seconds then machines"}


def _shop(read: _Text, form: str, routes: list[Route]) -> Parsed:
    """Jobs j0, j1, ... with operations op0, op1, ..., machines by the number they have in the text."""
    operations = sum(len(route) for route in routes)
    if not 1 <= operations <= MOST_OPERATIONS:
        raise InputError(read.name, f"{operations:,} operations", f"1 to {MOST_OPERATIONS:,}")
    _whole_last_row(read, form, routes)
    first = _first_machine(read, form, routes)
    names = [f"m{n}" for n in range(read.machines + 1)]
    notes: list[str] = []
    jobs = tuple(_job(read, n, route, names, notes) for n, route in enumerate(routes))
    if notes:
        notes = [f"operations of 0 s are left out, what follows waits for what came before: {', '.join(notes[:10])}"
                 + (f" and {len(notes) - 10} more" if len(notes) > 10 else "")]
    machines = tuple(Machine(name, name) for name in names[first:first + read.machines])
    return Parsed(Shop(0, machines, jobs), f"{_WORDS[form]}, machines from {first}", tuple(notes))


def _job(read: _Text, number: int, route: Route, names: Sequence[str], notes: list[str]) -> Job:
    job = f"j{number}"
    operations: list[Operation] = []
    for n, choices in enumerate(route):
        if any(seconds == 0 for _, seconds in choices):
            if any(seconds for _, seconds in choices):
                where = f"{read.name}: line {read.rows[number].line}, operation op{n}"
                raise InputError(where, "takes 0 s on some machines and longer on others", "whole seconds above 0")
            notes.append(f"{job}/op{n}")
            continue
        after = (operations[-1].name,) if operations else ()
        operations.append(Operation(job, f"op{n}", tuple((names[m], s) for m, s in choices), after))
    return Job(job, tuple(operations))


def _first_machine(read: _Text, form: str, routes: list[Route]) -> int:
    """0 or 1: how machines are counted. Where neither 0 nor the last number stands, as the dialect usually does."""
    numbers = {machine for route in routes for choices in route for machine, _ in choices}
    if {0, read.machines} <= numbers:
        raise InputError(read.name, f"machines 0 and {read.machines} both stand in it, and there are {read.machines}",
                         f"0 to {read.machines - 1}, or 1 to {read.machines}")
    if 0 in numbers or read.machines in numbers:
        return 0 if 0 in numbers else 1
    return 0 if form == "job-shop" else 1


def _whole_last_row(read: _Text, form: str, routes: list[Route]) -> None:
    """A last row that alone is short was cut off: rows that differ in length differ before the last one too."""
    if form != "job-shop" or len(routes) < 3 or {len(route) for route in routes[:-1]} != {read.machines}:
        return
    if len(routes[-1]) < read.machines:
        raise InputError(f"{read.name}: line {read.rows[-1].line}", f"{len(routes[-1])} operations",
                         f"{read.machines}, as every row before has", "is the file cut off?")
