"""`loopwright promise`, `late`, `pegging`: when an order can be done, why orders are late, what hangs on what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from loopwright.app.options import Json, out

Where = Annotated[Path, typer.Argument(metavar="SITE_OR_FILE", help="a site file, a plant's folder, or a shop's file")]
Seconds = Annotated[float, typer.Option("--plan-seconds", help="of a shop in a file: how long it is planned first")]
Goal = Annotated[str, typer.Option("--objective", help="of a shop in a file: as in loopwright plan")]


def register(app: typer.Typer) -> None:
    """Puts the commands on the app."""
    for command in (promise, late, pegging):
        app.command()(command)


def promise(
    where: Where,
    person: Annotated[str, typer.Option(help="whose order it would be: fitted first")] = "",
    like: Annotated[str, typer.Option(help="an order that it is like")] = "",
    due: Annotated[str, typer.Option(help="by when: a day, or a moment with its zone")] = "",
    order: Annotated[str, typer.Option(help="what it would be called")] = "",
    job: Annotated[Path | None, typer.Option(help="of a shop in a file: a JSON file with the order")] = None,
    seconds: Annotated[float, typer.Option(help="how long may be searched")] = 1.0,
    plan_seconds: Seconds = 1.0,
    objective: Goal = "tardiness",
    as_json: Json = False,
) -> None:
    """When one order more could be done beside all that is planned. Nothing is placed or changed.

    The first offer moves nobody; the next make nobody late; then what is earlier still, with whom it would delay.
    """
    from loopwright.app import promise_command as command

    asked = {"person": person, "like": like, "due": due, "order": order, "seconds": seconds}
    found = command.promise(where, asked, job, command.Searched(plan_seconds, objective))
    out(found, as_json, command.promise_in_words)


def late(
    where: Where,
    order: Annotated[str, typer.Option("--why", help="this order only, late or not")] = "",
    plan_seconds: Seconds = 1.0,
    objective: Goal = "tardiness",
    as_json: Json = False,
) -> None:
    """Why orders are late. What each did and waited for, adding up to the time from its release to its end."""
    from loopwright.app import promise_command as command

    out(command.late(where, order, command.Searched(plan_seconds, objective)), as_json, command.late_in_words)


def pegging(
    where: Where,
    order: Annotated[str, typer.Option(help="what this order needs")] = "",
    machine: Annotated[str, typer.Option(help="what this machine does, for whom")] = "",
    person: Annotated[str, typer.Option(help="what this person does, for whom")] = "",
    tool: Annotated[str, typer.Option(help="what holds this tool")] = "",
    material: Annotated[str, typer.Option(help="what waits for this material")] = "",
    plan_seconds: Seconds = 1.0,
    objective: Goal = "tardiness",
    as_json: Json = False,
) -> None:
    """What every operation needs, when, and how far it may slip. So far, and no order becomes late."""
    from loopwright.app import promise_command as command

    of = {"order": order, "machine": machine, "person": person, "tool": tool, "material": material}
    wanted = {name: text for name, text in of.items() if text}
    rows = command.pegging(where, wanted, command.Searched(plan_seconds, objective))
    out(rows, as_json, command.pegging_in_words)
