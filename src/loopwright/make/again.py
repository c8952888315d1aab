"""Operations of a unit that are done again: rework ('bend#2') and the replacement of a scrapped unit ('bend~2').

    operations = reworked(operations, ["bend"], done, attempt=2)
    operations = replaced(route, number=2)

The names say it all: 'bend#2~3' is the bending of the third piece, the second time.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from loopwright.core.errors import UnknownName
from loopwright.make.route import RouteOperation


def base_of(name: str) -> str:
    """The operation of the route that a name repeats: 'bend' of 'bend#2~3'."""
    return name.partition("~")[0].partition("#")[0]


def number_of(name: str) -> int:
    """Which piece an operation makes: 3 of 'bend#2~3', 1 of 'bend'."""
    tail = name.partition("~")[2]
    return int(tail) if tail.isdigit() else 1


def attempt_of(name: str) -> int:
    """The how many-th time it is done on its piece: 2 of 'bend#2~3', 1 of 'bend~3'."""
    mark = name.partition("~")[0].partition("#")[2]
    return int(mark) if mark.isdigit() else 1


def replaced(route: Sequence[RouteOperation], number: int) -> tuple[RouteOperation, ...]:
    """All operations of the route for the number-th piece of an order."""
    if number == 1:
        return tuple(route)
    return tuple(replace(o, name=f"{o.name}~{number}", after=tuple(f"{a}~{number}" for a in o.after)) for o in route)


def reworked(
    operations: Sequence[RouteOperation], names: Collection[str], done: Collection[str], attempt: int
) -> tuple[RouteOperation, ...]:
    """The operations of a piece with those of the names done once more, in their order; what follows waits for them.

    names    operations to be done again, and with them those that are done already and follow them
    done     operations that have ended
    attempt  2 for the first rework of a piece
    Raises UnknownName for a name that is not among them.
    """
    by_name = {o.name: o for o in operations}
    for name in names:
        if name not in by_name:
            raise UnknownName("rework: operation", name, by_name)
    again = set(names)
    for _ in operations:  # as many rounds as the longest chain can be
        again |= {o.name for o in operations if o.name in done and again & set(o.after)}
    new = {name: _next(name, attempt) for name in again}
    more = [
        replace(o, name=new[o.name], after=tuple(new[a] for a in o.after if a in again))
        for o in operations if o.name in again]
    waiting = [
        o if o.name in again or o.name in done else
        replace(o, after=(*o.after, *(new[a] for a in o.after if a in again))) for o in operations]
    return (*waiting, *more)


def _next(name: str, attempt: int) -> str:
    stem, tilde, number = name.partition("~")
    return f"{base_of(stem)}#{attempt}{tilde}{number}"
