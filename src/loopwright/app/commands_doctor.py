"""`loopwright doctor`: whether anything was lost."""

from __future__ import annotations

from typing import Annotated

import typer

from loopwright.app.options import Json, SitePath, out
from loopwright.core.errors import StoreError


def register(app: typer.Typer) -> None:
    """Puts the command on the app."""
    app.command()(doctor)


def doctor(
    site: SitePath,
    start: Annotated[str, typer.Option("--from", help="first moment: a day, ISO 8601 with a zone, or ns")] = "",
    end: Annotated[str, typer.Option("--to", help="the moment after the last")] = "",
    source: Annotated[str, typer.Option(help="only this source")] = "",
    deep: Annotated[bool, typer.Option("--deep", help="count every row by source, check rollups and states")] = False,
    mend: Annotated[bool, typer.Option("--mend", help="as --deep, and make again what differs")] = False,
    as_json: Json = False,
) -> None:
    """Whether anything was lost. The accounts of every hop and source over any range of time, the chain of events, what
    waits, how much room is left.

    Exit status 5 when something is lost, an account does not add up, or the chain is broken.
    """
    from loopwright.app.doctor import examine, healthy, in_words
    from loopwright.core.moments import moment_ns

    found = examine(site, moment_ns(start, "--from"), moment_ns(end, "--to"), source or None, deep or mend, mend)
    out(found, as_json, in_words)
    if not healthy(found):
        raise typer.Exit(StoreError.exit_code)
