"""A shop's recorded work, done once more in another order: every piece takes as long as it took, by whoever was there.

    pieces = pieces_of(works)                               what waits for what, from the log itself
    floor = Floor(pieces, there, able, start_ns)            the state at start_ns is the real one
    floor.run(choose, until_ns=None)                        choose(floor, resource, ready) -> key, or None: it waits
    floor.ends                                              order -> when its last piece ended

A piece waits for all pieces of its order that really ended before it began: what really overlapped may overlap. Whoever
really had several things in hand at some time can have as many then, and one when there without work. What is not done
when he leaves is taken over by who else can do it, and waits for him where nobody else can.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import PlanError
from loopwright.make.past.attendance import Capacity, Times
from loopwright.make.past.work_log import Work, by_order, by_resource
from loopwright.make.shop import Key


@dataclass(frozen=True)
class Piece:
    """One row of the log as work to be done.

    seconds  how long it takes in somebody's hands, whoever does it; after: pieces of its order that must have ended
    lag_s    so long after the last of them it can begin, for reasons that the log does not tell
    known    whether the route says it before it can begin; rework is not foreseen
    """

    key: Key
    work: Work
    seconds: float
    after: tuple[Key, ...] = ()
    lag_s: float = 0.0
    known: bool = True


def pieces_of(works: Sequence[Work]) -> list[Piece]:
    """Every row that has a length as a piece, with what it really waited for (only what says nothing twice)."""
    found = []
    for order, all_rows in by_order(works).items():
        rows = [w for w in all_rows if w.end_ns > w.start_ns]
        keys = [(order, f"{n:03d} {w.activity}") for n, w in enumerate(rows, 1)]
        for k, work in enumerate(rows):
            before = [j for j in range(k) if rows[j].end_ns <= work.start_ns]
            last_ns = max((rows[j].start_ns for j in before), default=0)
            after = tuple(keys[j] for j in before if rows[j].end_ns > last_ns)
            foreseen = not (work.rework or "rework" in work.activity.casefold())
            found.append(Piece(keys[k], work, work.seconds, after, known=foreseen))
    return found


def idle_waits(pieces: Sequence[Piece], there: Mapping[str, Times], long_s: float | None = None) -> list[Piece]:
    """The pieces with the waits that the log does not explain kept as lags.

    Of the time between the end of what it waited for and its start, the part in which whoever did it was there and had
    nothing else. long_s: waits longer than this are kept whole (work outside the house, material, a customer's word).
    """
    ends = {p.key: p.work.end_ns for p in pieces}
    works = by_resource([p.work for p in pieces])
    out = []
    for piece in pieces:
        ready_ns = max((ends[key] for key in piece.after), default=piece.work.start_ns)
        wait_ns = piece.work.start_ns - ready_ns
        if wait_ns <= 0:
            out.append(piece)
            continue
        name = piece.work.resource
        busy = [(w.start_ns, w.end_ns) for w in works[name] if w.end_ns > ready_ns and w.start_ns < piece.work.start_ns]
        idle_ns = _inside(there[name], ready_ns, piece.work.start_ns) - _covered(busy, ready_ns, piece.work.start_ns)
        lag_s = max(0, idle_ns) / NS_PER_S
        out.append(replace(piece, lag_s=wait_ns / NS_PER_S if long_s and wait_ns > long_s * NS_PER_S else lag_s))
    return out


def _inside(times: Times, start_ns: int, end_ns: int) -> int:
    return sum(max(0, min(b, end_ns) - max(a, start_ns)) for a, b in times)


def _covered(times: Times, start_ns: int, end_ns: int) -> int:
    covered, at = 0, start_ns
    for a, b in sorted(times):
        a, b = max(a, at), min(b, end_ns)
        if b > a:
            covered, at = covered + b - a, b
    return covered


@dataclass
class Running:
    """A piece in somebody's hands, since when, and how much of it is left."""

    piece: Piece
    start_ns: int
    left_ns: int


Choose = Callable[["Floor", str, list[Piece]], Key | None]


@dataclass
class Floor:
    """The shop while its recorded work is done again.

    pieces  all of the log; there: resource -> how many pieces it can have in hand, and when
    able    piece -> resources that can do it; release: order -> when it is known and may begin
    running resource -> what it has in hand, as it was begun
    """

    pieces: Sequence[Piece]
    there: Mapping[str, Capacity]
    able: Mapping[Key, Sequence[str]]
    start_ns: int
    release: dict[str, int] = field(init=False)
    now_ns: int = field(init=False)
    todo: dict[Key, Piece] = field(init=False)
    done: dict[Key, int] = field(init=False)
    running: dict[str, list[Running]] = field(init=False)

    def __post_init__(self) -> None:
        self.now_ns = self.start_ns
        self.release = {}
        for piece in self.pieces:
            order, begun_ns = piece.key[0], piece.work.start_ns
            self.release[order] = min(self.release.get(order, begun_ns), begun_ns)
        self._edges = {name: sorted({t for a, b, _ in mine for t in (a, b)}) for name, mine in self.there.items()}
        self._starts = {name: [a for a, _, _ in mine] for name, mine in self.there.items()}
        self.todo, self.done = {}, {}
        self.running = {name: [] for name in self.there}
        self._ready_ns: dict[Key, int] = {}
        self._behind: dict[Key, list[Key]] = {}
        for piece in sorted(self.pieces, key=lambda p: (p.work.start_ns, p.key)):
            if piece.work.end_ns <= self.start_ns:
                self.done[piece.key] = piece.work.end_ns
            elif piece.work.start_ns < self.start_ns:
                left_ns = piece.work.end_ns - self.start_ns
                self.running[piece.work.resource].append(Running(piece, piece.work.start_ns, left_ns))
            else:
                self.todo[piece.key] = piece
            for key in piece.after:
                self._behind.setdefault(key, []).append(piece.key)
        for key in self.todo:
            self._look(key)

    def _look(self, key: Key) -> None:
        """Notes when a piece can begin, once that is known."""
        piece = self.todo[key]
        if all(other in self.done for other in piece.after):
            ready_ns = max([self.release[key[0]], *(self.done[other] for other in piece.after)])
            self._ready_ns[key] = ready_ns + round(piece.lag_s * NS_PER_S)

    def ready(self) -> list[Piece]:
        """What could begin now; what became ready first first."""
        keys = sorted((ready_ns, key) for key, ready_ns in self._ready_ns.items() if ready_ns <= self.now_ns)
        return [self.todo[key] for _, key in keys]

    def hands(self, name: str) -> int:
        """How many pieces it can have in hand now; 0 while it is away."""
        at = bisect_right(self._starts[name], self.now_ns) - 1
        return self.there[name][at][2] if at >= 0 and self.there[name][at][1] > self.now_ns else 0

    @property
    def busy(self) -> bool:
        """Whether anything is left to do."""
        return bool(self.todo) or any(self.running.values())

    def run(self, choose: Choose, until_ns: int | None = None) -> None:
        """Works until everything is done, or until then. Raises PlanError when a piece can never be done."""
        while self.busy:
            hands = {name: self.hands(name) for name in self.there}
            self._hand_over(hands)
            self._hand_out(choose, hands)
            next_ns = self._next_ns(hands)
            if next_ns is None:
                stuck = min([*self.todo, *(one.piece.key for mine in self.running.values() for one in mine)])
                raise PlanError(f"operation {stuck[1]!r} of order {stuck[0]!r}", "is never done",
                                "", "nobody who can do it is ever there again, or the rule leaves it")
            stop_ns = next_ns if until_ns is None else min(next_ns, until_ns)
            self._work(hands, stop_ns)
            if until_ns is not None and stop_ns >= until_ns:
                return

    def _hand_over(self, hands: Mapping[str, int]) -> None:
        """What somebody cannot go on with now waits for whoever else can do it; what nobody else can waits for him."""
        for name, mine in self.running.items():
            for one in [one for one in mine[hands[name]:] if len(self.able[one.piece.key]) > 1]:
                mine.remove(one)
                self.todo[one.piece.key] = replace(one.piece, seconds=one.left_ns / NS_PER_S)
                self._ready_ns[one.piece.key] = one.start_ns

    def _hand_out(self, choose: Choose, hands: Mapping[str, int]) -> None:
        waiting = self.ready()
        for name, many in hands.items():
            while waiting and len(self.running[name]) < many:
                able = [piece for piece in waiting if name in self.able[piece.key]]
                key = choose(self, name, able) if able else None
                if key is None:
                    break
                piece = self.todo.pop(key)
                del self._ready_ns[key]
                waiting.remove(piece)
                self.running[name].append(Running(piece, self.now_ns, max(1, round(piece.seconds * NS_PER_S))))

    def _work(self, hands: Mapping[str, int], until_ns: int) -> None:
        """Time passes; what is done is done."""
        passed, self.now_ns = until_ns - self.now_ns, until_ns
        for name, mine in self.running.items():
            for one in mine[:hands[name]]:
                one.left_ns -= passed
            for one in [one for one in mine if one.left_ns <= 0]:
                mine.remove(one)
                self.done[one.piece.key] = self.now_ns
                for key in self._behind.get(one.piece.key, ()):
                    if key in self.todo:
                        self._look(key)

    def _next_ns(self, hands: Mapping[str, int]) -> int | None:
        """When something changes next: a piece ends or becomes ready, or somebody comes or leaves."""
        times = [self.now_ns + one.left_ns for name, mine in self.running.items() for one in mine[:hands[name]]]
        times += [t for t in self._ready_ns.values() if t > self.now_ns]
        for edges in self._edges.values():
            at = bisect_right(edges, self.now_ns)
            times += edges[at:at + 1]
        return min(times, default=None)

    @property
    def ends(self) -> dict[str, int]:
        """order -> when the last of its pieces that are done ended."""
        found: dict[str, int] = {}
        for (order, _), end_ns in self.done.items():
            found[order] = max(found.get(order, end_ns), end_ns)
        return found


def first_in(floor: Floor, name: str, ready: list[Piece]) -> Key | None:
    """First in, first out: what became ready first."""
    return ready[0].key


def by(rank: Callable[[Piece], float]) -> Choose:
    """The rule that takes what has the least rank: a due date, a duration as it is expected."""

    def choose(floor: Floor, name: str, ready: list[Piece]) -> Key | None:
        return min(ready, key=lambda piece: (rank(piece), piece.key)).key

    return choose


def as_it_was(pieces: Sequence[Piece]) -> Choose:
    """What each really did, in that order, and nothing out of turn: how the model tells of what really happened."""
    turn: dict[str, list[Key]] = {}
    for piece in sorted(pieces, key=lambda p: (p.work.start_ns, p.work.end_ns, p.key)):
        turn.setdefault(piece.work.resource, []).append(piece.key)

    def choose(floor: Floor, name: str, ready: list[Piece]) -> Key | None:
        able = {piece.key for piece in ready}
        due = next((key for key in turn.get(name, ()) if key in floor.todo), None)
        return due if due in able else None

    return choose
