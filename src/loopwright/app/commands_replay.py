"""`loopwright replay`: the last weeks of a shop's own log, planned again from what was known at the time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from loopwright.app.options import Json, out, say


def register(app: typer.Typer) -> None:
    """Puts the command on the app."""
    app.command()(replay)


def replay(
    log: Annotated[Path | None, typer.Argument(help="a CSV: a row for each time somebody worked at an order")] = None,
    site: Annotated[Path | None, typer.Option("--site", help="instead: a plant that imported the log")] = None,
    begin: Annotated[str, typer.Option("--from", help="first day planned again: '2025-03-03' (else: the last third)")]
    = "",
    time_zone: Annotated[str, typer.Option(help="of times that name none, and of shifts (default: the site's, or UTC)")]
    = "",
    column: Annotated[list[str] | None, typer.Option(help="where the file calls it otherwise: machine=Anlage")] = None,
    who: Annotated[str, typer.Option(help="skilled: whoever was seen at an activity can do it; same: only who did")]
    = "skilled",
    there: Annotated[str, typer.Option(help="seen: people were there when they were seen; usual: in usual hours too")]
    = "seen",
    waits: Annotated[str, typer.Option(help="unexplained waits that are kept: none, idle, or long")] = "none",
    due: Annotated[str, typer.Option(help="rule of due dates: same, work or operations")] = "same",
    tight: Annotated[float, typer.Option(help="times the usual allowance")] = 1.0,
    every_hours: Annotated[float, typer.Option(help="from one planning to the next")] = 24.0,
    seconds: Annotated[float, typer.Option(help="for each planning")] = 1.0,
    seed: Annotated[int, typer.Option(help="what chance is drawn from")] = 0,
    svg: Annotated[Path | None, typer.Option(help="an SVG of planned beside real flow times")] = None,
    as_json: Json = False,
) -> None:
    """Plans the last weeks of a log again, day by day. From what was known then, and works them with what it really
    took: flow time and lateness beside what happened, beside rules, and beside repairs of one plan.

    The log tells neither due dates nor machines that were free; what is assumed instead is said.
    """
    from loopwright.app import replaying

    asked = replaying.Asked(log, site, begin, time_zone, replaying.mapping(column or ()), who, there, waits, due, tight,
                            every_hours, seconds, seed, svg)
    out(replaying.replayed(asked, say), as_json, replaying.in_words)
