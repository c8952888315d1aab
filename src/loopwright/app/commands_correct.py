"""`loopwright correct`, `undo`, `history`, `corrections`: values that were wrong, with author and reason."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from loopwright.app.options import Json, SitePath, out
from loopwright.core.errors import InputError

Thing = Annotated[str, typer.Argument(help="which thing")]
Signal = Annotated[str, typer.Argument(help="which of its signals")]
Reason = Annotated[str, typer.Option("--reason", help="why, in a sentence")]
Author = Annotated[str, typer.Option("--author", help="who corrects (default: your account; over the API the user)")]
From = Annotated[str, typer.Option("--from", help="first moment, ISO 8601 with a zone or ns (default: open)")]
To = Annotated[str, typer.Option("--to", help="the moment after the last (default: open)")]


def register(app: typer.Typer) -> None:
    """Puts the commands on the app."""
    app.command()(correct)
    app.command()(undo)
    app.command()(history)
    app.command()(corrections)


def correct(
    thing: Thing,
    signal: Signal,
    site: SitePath,
    reason: Reason,
    start: From = "",
    end: To = "",
    bad: Annotated[bool, typer.Option("--bad", help="mark the values bad; they stay visible")] = False,
    good: Annotated[bool, typer.Option("--good", help="mark them good again")] = False,
    gap: Annotated[bool, typer.Option("--gap", help="take them out: there was no value")] = False,
    reset: Annotated[bool, typer.Option("--reset", help="a counter fell at --from: count on from there")] = False,
    value: Annotated[str | None, typer.Option("--set", help="the value it was, of a state also its word")] = None,
    add: Annotated[float | None, typer.Option("--add", help="what to add to each value")] = None,
    scale: Annotated[float | None, typer.Option("--scale", help="what to multiply each value by")] = None,
    author: Author = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would change")] = False,
    as_json: Json = False,
) -> None:
    """Corrects values of a signal from --from to before --to. Both versions stay, and `loopwright undo` takes it back.

    Works beside a running plant too: then over its API, as the user whose token LOOPWRIGHT_TOKEN holds.
    """
    from loopwright.app.correcting import run_correct, told

    flags: dict[str, Any] = {"bad": bad, "good": good, "gap": gap, "reset": reset}
    given: dict[str, Any] = {how: None for how, on in flags.items() if on}
    given |= {how: by for how, by in (("set", value), ("add", add), ("scale", scale)) if by is not None}
    if len(given) != 1:
        said = " and ".join(f"--{how}" for how in given) or "nothing to do"
        raise InputError("correct", said, "one of --bad, --good, --set V, --add V, --scale F, --gap, --reset")
    ((how, by),) = given.items()
    asked = {
        "thing": thing, "signal": signal, "start": start, "end": end, "how": how, "by": by, "reason": reason,
        "dry_run": dry_run,
    }
    out(run_correct(site, author, asked), as_json, told)


def undo(
    event: Annotated[str, typer.Argument(help="id of the correction, as `loopwright corrections` shows it")],
    site: SitePath,
    reason: Reason,
    author: Author = "",
    as_json: Json = False,
) -> None:
    """Takes a correction back: what stood before stands again. An undo can be undone too."""
    from loopwright.app.correcting import run_undo, told

    out(run_undo(site, author, event, reason), as_json, told)


def history(
    thing: Thing,
    signal: Signal,
    at: Annotated[str, typer.Argument(help="the moment, ISO 8601 with a zone or ns")],
    site: SitePath,
    as_json: Json = False,
) -> None:
    """Every version of a value at one moment. What was known when, by whom and why; * marks what stands."""
    from loopwright.app.correcting import history_in, versions
    from loopwright.app.opening import open_site

    with open_site(site, read_only=True) as store:
        out(history_in(store, thing, signal, at), as_json, versions)


def corrections(
    site: SitePath,
    thing: Annotated[str, typer.Option("--thing", help="only of this thing")] = "",
    limit: Annotated[int, typer.Option(min=1, help="how many")] = 20,
    as_json: Json = False,
) -> None:
    """Corrections, newest first, with who made them and why."""
    from loopwright.app.correcting import list_in, listed
    from loopwright.app.opening import open_site

    with open_site(site, read_only=True) as store:
        out(list_in(store, thing, limit), as_json, listed)
