"""The earliest end of one job more in the gaps of a plan, nothing else moved: exact, or the best found in time.

    found = insert(floor, job, deadline_s) -> Inserted(slots, end_s, proven)

Depth first over the operations of the job, the earliest places first, cut by what the rest takes at least. An operation
whose machines, persons and tools no other of the job can need meanwhile takes its earliest end at once: then nothing is
lost by it. Every plan that is as early as it can be in each gap can be reached, so that a search that ends by itself
has the earliest end.
Source of the idea: label setting over earliest ends as in resource-constrained shortest paths (M. Desrochers, F.
Soumis, A generalized permanent labelling algorithm, INFOR 26, 1988); serial schedule generation over all orders (R.
Kolisch, Serial and parallel resource-constrained project scheduling methods revisited, EJOR 90, 1996).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from loopwright.core.clock import monotonic_s
from loopwright.make.dispatching.bound import fastest
from loopwright.make.promises.lines import NEVER_S, Floor, Place
from loopwright.make.shop import Job, Operation, in_order

MOST_OPERATIONS = 200  # of a job: of longer ones each operation takes its earliest end, without a proof
MOST_PLACES = 50_000  # that are looked at before the search gives up the proof
Ends = Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class Inserted:
    """A floor with the job in it, or None where it fits nowhere.

    end_s    of the job's last operation
    proven   no place in the gaps ends earlier (or, without a floor: there is none)
    """

    floor: Floor | None
    end_s: int
    proven: bool


def insert(floor: Floor, job: Job, deadline_s: float, most: int = MOST_PLACES) -> Inserted:
    """The job in the gaps of a floor. deadline_s: by `monotonic_s`; the first plan is finished whatever it says; most:
    places that are looked at, about."""
    search = _Search(floor, job, deadline_s, most)
    search.greedy(floor, {})
    if len(search.operations) > MOST_OPERATIONS:
        return Inserted(search.best, search.end_s, False)
    search.meet(floor)
    if any(search.rivals.values()) or any(link.lot_s is not None for o in search.operations for link in o.links):
        search.go(floor, {})
    return Inserted(search.best, search.end_s, search.whole)


def put_in(floor: Floor, job: Job, ends: Ends) -> Inserted:
    """The operations of a job that are not in `ends` (with their starts and ends), each where it ends first."""
    search = _Search(floor, job, 0.0, 0)
    search.greedy(floor, dict(ends))
    return Inserted(search.best, search.end_s, False)


def ready_s(ready: int, operation: Operation, seconds: int, ends: Ends) -> int:
    """When an operation that takes so long can start, behind what it waits for."""
    for name in operation.after:
        link, (start_s, end_s) = operation.link(name), ends[name]
        if link.lot_s is None:
            ready = max(ready, end_s + link.lag_s)
        else:
            ready = max(ready, start_s + link.lot_s, end_s + link.lag_s - seconds)
    return ready


def least_after(job: Job) -> dict[str, int]:
    """operation -> seconds that its job needs at least after its end."""
    after: dict[str, int] = {}
    for operation in reversed(in_order(job)):
        mine = after.setdefault(operation.name, 0)
        for before in operation.after:
            link = operation.link(before)
            whole_s = fastest(operation) if link.lot_s is None else 0
            after[before] = max(after.get(before, 0), link.lag_s + whole_s + mine)
    return after


class _Search:
    """One search: what is known of the job, the best so far, and how much more may be looked at."""

    def __init__(self, floor: Floor, job: Job, deadline_s: float, most: int) -> None:
        self.operations = in_order(job)
        self.deadline_s, self.most, self.looked, self.whole = deadline_s, most, 0, True
        self.best: Floor | None = None
        self.end_s = NEVER_S
        self.after = least_after(job)
        self.ready = {o.name: floor.shop.ready_s(job, o) for o in self.operations}
        self.behind = {o.name: [b for b in self.operations if o.name in b.after] for o in self.operations}
        self.rivals: dict[str, set[str]] = {}

    def meet(self, floor: Floor) -> None:
        """Finds out which operations of the job can be in each other's way."""
        later = {o.name: _later(o, self.operations) for o in self.operations}
        self.rivals = {
            o.name: {b.name for b in self.operations if b is not o and _rivals(floor, o, b, later)}
            for o in self.operations}

    def greedy(self, floor: Floor, ends: dict[str, tuple[int, int]]) -> None:
        """Each operation where it ends first: a plan to begin with, if there is room."""
        for operation in self.operations:
            if operation.name in ends:
                continue
            places = self._first(floor, operation, ends)
            if not places:
                return
            floor = floor.put(operation, places[0])
            ends[operation.name] = places[0].start_s, places[0].end_s
        self.best, self.end_s = floor, max((end for _, end in ends.values()), default=0)

    def go(self, floor: Floor, ends: dict[str, tuple[int, int]]) -> None:
        """Everything that can follow from here."""
        left = [o for o in self.operations if o.name not in ends]
        if not left:
            end_s = max((end for _, end in ends.values()), default=0)
            if end_s < self.end_s:
                self.best, self.end_s = floor, end_s
            return
        if self._least(ends, left) >= self.end_s:
            return
        able = [o for o in left if all(name in ends for name in o.after)]
        names = {o.name for o in left}
        alone = next((o for o in able if not self.rivals[o.name] & names), None)
        for operation in [alone] if alone else able:
            for place in self._first(floor, operation, ends) if alone else self._all(floor, operation, ends):
                if self._over():
                    return
                if place.end_s + self.after[operation.name] >= self.end_s:
                    break
                self.go(floor.put(operation, place), {**ends, operation.name: (place.start_s, place.end_s)})

    def _over(self) -> bool:
        """Whether to stop; never before there is one plan."""
        self.looked += 1
        if self.best is not None and (self.looked > self.most or monotonic_s() > self.deadline_s):
            self.whole = False
        return not self.whole

    def _least(self, ends: Ends, left: list[Operation]) -> int:
        """Seconds before which the job cannot end from here."""
        known: dict[str, tuple[int, int]] = dict(ends)
        least = max((end for _, end in ends.values()), default=0)
        for operation in left:
            starts = [(ready_s(self.ready[operation.name], operation, seconds, known), seconds)
                      for _, seconds in operation.on]
            first_s, end_s = min(start for start, _ in starts), min(start + seconds for start, seconds in starts)
            known[operation.name] = first_s, end_s
            least = max(least, end_s + self.after[operation.name])
        return least

    def _ways(self, floor: Floor, operation: Operation, ends: Ends) -> list[Iterator[Place]]:
        ready = self.ready[operation.name]
        return [floor.places(operation, machine, seconds, ready_s(ready, operation, seconds, ends))
                for machine, seconds in operation.on]

    def _first(self, floor: Floor, operation: Operation, ends: Ends) -> list[Place]:
        """The earliest end; where a lot of it can go on before that, also what starts earlier."""
        found = [place for way in self._ways(floor, operation, ends) if (place := next(way, None))]
        found.sort(key=lambda place: (place.end_s, place.start_s, place.machine))
        kept: list[Place] = []
        lots = any(b.link(operation.name).lot_s is not None for b in self.behind[operation.name])
        for place in found:
            if not kept or (lots and place.start_s < kept[-1].start_s):
                kept.append(place)
        return kept

    def _all(self, floor: Floor, operation: Operation, ends: Ends) -> list[Place]:
        """Every place that could still lead to an earlier end, the earliest end first."""
        found = []
        for way in self._ways(floor, operation, ends):
            for place in way:
                if place.end_s + self.after[operation.name] >= self.end_s:
                    break
                found.append(place)
        return sorted(found, key=lambda place: (place.end_s, place.start_s))


def _later(operation: Operation, operations: list[Operation]) -> set[str]:
    """Those that cannot start before its end: at least one link on the way to them waits for all of it."""
    begun, ended = {operation.name}, set[str]()
    for other in operations:  # each after those it waits for
        waits = {name: other.link(name).lot_s is None for name in other.after}
        if any(name in ended or (name in begun and whole) for name, whole in waits.items()):
            ended.add(other.name)
        elif any(name in begun for name in waits):
            begun.add(other.name)
    return ended


def _rivals(floor: Floor, one: Operation, other: Operation, later: Mapping[str, set[str]]) -> bool:
    """Whether it can matter for one where the other goes: they share something, at one time or through a setup."""
    machines = {machine for machine, _ in one.on} & {machine for machine, _ in other.on}
    if other.name in later[one.name] or one.name in later[other.name]:
        return bool(one.setup or other.setup) and not machines.isdisjoint(floor.changing)
    people = set(floor.skilled.get(one.skill, ())) & set(floor.skilled.get(other.skill, ()))
    return bool(machines or people or set(one.tools) & set(other.tools))
