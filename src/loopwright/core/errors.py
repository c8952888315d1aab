"""Every error that Loopwright raises on purpose.

    LoopwrightError            says where, what was given, what is allowed, what to do
    |- InputError              a file, row, value or argument that cannot be used
    |  |- UnknownName          a name that is not there; lists the names there are and the nearest one
    |  `- UnitError            a unit that is not of the table, or of the wrong quantity
    |- SiteError               the site file does not say what it must
    |- MissingExtra            a library that an extra of the package brings
    |- LinkError               a peer cannot be reached, or does not speak as its protocol says
    |- StoreError              the plant's data cannot be read or written
    |  `- PlantBusy            another process writes this plant
    |- PlanError               no plan exists for what was asked
    `- NotAllowed              a person, role or consent that this needs is not there
       `- NoConsent            the owner has not agreed to this purpose

The command line prints the message and leaves with `exit_code`; nothing else catches the whole tree.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LONGEST = 1_000  # characters of what a message says was given


class LoopwrightError(Exception):
    """An error whose message can be acted on.

    where    what it is about: a file and row, a setting, a thing
    given    what was found there
    allowed  what may stand there ('' when the sentence needs none)
    todo     what to do about it ('' when `allowed` says it)
    """

    exit_code = 1

    def __init__(self, where: str, given: str, allowed: str = "", todo: str = "") -> None:
        where, given = _short(where), _short(given)  # what was given comes from anywhere
        self.where, self.given, self.allowed, self.todo = where, given, allowed, todo
        parts = [f"{where}: {given}"]
        if allowed:
            parts.append(f"allowed: {allowed}")
        if todo:
            parts.append(todo)
        super().__init__("; ".join(parts))

    def __reduce__(self) -> tuple[type, tuple[str, ...]]:
        return type(self), (self.where, self.given, self.allowed, self.todo)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text):,} characters)"


class InputError(LoopwrightError):
    exit_code = 2


class UnknownName(InputError):
    """A name that is not there. UnknownName("signal", "sped", ["speed"]) suggests 'speed'."""

    def __init__(self, what: str, name: str, names: Iterable[str] = (), *rest: str) -> None:
        if rest:  # rebuilt from a pickle, with the four parts of the base class
            super().__init__(what, name, str(names), *rest)
            return
        known, name = sorted(names), _short(name)
        near = difflib.get_close_matches(name, known, n=1)
        shown = ", ".join(known[:30]) + (f" and {len(known) - 30} more" if len(known) > 30 else "")
        hint = f"did you mean {near[0]!r}?" if near else ""
        super().__init__(what, f"there is no {name!r}", shown or "none is defined", hint)


class UnitError(InputError):
    pass


class SiteError(LoopwrightError):
    exit_code = 2


class MissingExtra(LoopwrightError):
    """A library that an extra brings. MissingExtra("make/plan", "ortools", "plan")."""

    exit_code = 3

    def __init__(self, where: str, library: str, extra: str, *rest: str) -> None:
        if rest:
            super().__init__(where, library, extra, *rest)
            return
        super().__init__(where, f"the library {library!r} is not installed", "", f"pip install 'loopwright[{extra}]'")


class LinkError(LoopwrightError):
    exit_code = 4


class StoreError(LoopwrightError):
    exit_code = 5


class PlantBusy(StoreError):
    pass


class PlanError(LoopwrightError):
    exit_code = 6


class NotAllowed(LoopwrightError):
    exit_code = 7


class NoConsent(NotAllowed):
    pass
