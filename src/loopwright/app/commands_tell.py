"""`loopwright tell`: what happens in the shop, told by hand; the plan follows by itself."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from loopwright.app.options import Json, out

What = StrEnum("What", [
    "started", "finished", "scrapped", "rework", "down", "up", "slower", "away", "back", "late", "due", "workorder",
    "done"])


def register(app: typer.Typer) -> None:
    """Puts the command on the app."""
    app.command()(tell)


def tell(
    site: Annotated[Path, typer.Argument(help="a site file, or a folder that holds one plant's data")],
    what: Annotated[What, typer.Argument(help="what happened")],
    about: Annotated[str, typer.Argument(help="order, machine, operator, material or work order")],
    operations: Annotated[list[str] | None, typer.Argument(help="of an order: its operation; rework: several")] = None,
    machine: Annotated[str, typer.Option(help="where it began or ended (default: where the plan has it)")] = "",
    operator: Annotated[str, typer.Option(help="who is at it")] = "",
    at: Annotated[str, typer.Option(help="when, ISO 8601 with a zone or ns (default: now)")] = "",
    until: Annotated[str, typer.Option(help="a moment, or a length of time from --at on: 2h, 30min, 1.5d")] = "",
    why: Annotated[str, typer.Option(help="the reason, in a few words")] = "",
    factor: Annotated[float | None, typer.Option(help="slower: 1.5 takes half as long again")] = None,
    weight: Annotated[float | None, typer.Option(help="due: what its lateness costs beside other orders'")] = None,
    author: Annotated[str, typer.Option(help="who tells it (default: your account; over the API the user)")] = "",
    as_json: Json = False,
) -> None:
    """Tells what happened in the shop. The plan is repaired by itself.

    started, finished ORDER OPERATION; scrapped ORDER; rework ORDER OPERATION...; down, up, slower, workorder MACHINE;
    away, back OPERATOR; late MATERIAL --until; due ORDER --until; done WORKORDER. Works beside a running plant too:
    then over its API, as the user whose token LOOPWRIGHT_TOKEN holds.
    """
    from loopwright.app.telling import in_words, run_tell

    asked = {"what": str(what), "about": about, "operations": operations or [], "machine": machine,
             "operator": operator, "at": at, "until": until, "why": why, "factor": factor, "weight": weight}
    out(run_tell(site, author, asked), as_json, in_words)
