"""`loopwright whatif`: a plant's shop, or a shop in a file, with something changed; two plans beside each other."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from loopwright.app.options import Json, out, say

Action = StrEnum("Action", ["list", "show", "compare", "adopt", "drop"])
Texts = list[str] | None


def _more(text: str) -> Any:
    return typer.Option(help=text, metavar="NAME")


def register(app: typer.Typer) -> None:
    """Puts the command on the app."""
    app.command()(whatif)


def whatif(
    context: typer.Context,
    site: Annotated[Path, typer.Argument(help="a site file, a plant's folder, or a shop in a file")],
    action: Annotated[Action | None, typer.Argument(help="what to do with what was tried")] = None,
    names: Annotated[Texts, typer.Argument(help="names of what was tried")] = None,
    machine_more: Annotated[Texts, _more("one machine more like it; mill-1=mill-9 names it")] = None,
    machine_away: Annotated[Texts, _more("it is away; mill-1=2d for so long")] = None,
    speed: Annotated[Texts, _more("so many times as fast: mill-1=1.2")] = None,
    shift_more: Annotated[Texts, _more("shifts on that day too: sat")] = None,
    shift_less: Annotated[Texts, _more("no shift on that day")] = None,
    order_earlier: Annotated[Texts, _more("due so much earlier: A12=2d")] = None,
    order_later: Annotated[Texts, _more("due so much later")] = None,
    order_gone: Annotated[Texts, _more("without it")] = None,
    order_more: Annotated[Texts, _more("one order more like what is left of it")] = None,
    operator_more: Annotated[Texts, _more("one person more like that one")] = None,
    operator_away: Annotated[Texts, _more("not there; p-1=8h for so long")] = None,
    material_earlier: Annotated[Texts, _more("arrives so much earlier: steel=1d")] = None,
    material_later: Annotated[Texts, _more("arrives so much later")] = None,
    name: Annotated[str, typer.Option(help="what the try is called (default: numbered)")] = "",
    seconds: Annotated[float | None, typer.Option(help="of search for each side (default: the site's)")] = None,
    objective: Annotated[str, typer.Option(help="of a shop in a file: as in loopwright plan")] = "makespan",
    why: Annotated[str, typer.Option(help="the reason, in a few words")] = "",
    gantt: Annotated[Path | None, typer.Option(help="an SVG to draw both plans in")] = None,
    author: Annotated[str, typer.Option(help="who asks (default: your account; over the API the user)")] = "",
    as_json: Json = False,
) -> None:
    """Plans the shop as it would be, and compares. Figures, load of each machine, end of each order, what moved.

    With changes, a plan is tried and kept under its name; then list, show NAME, compare NAME NAME, adopt NAME (it
    becomes the plan of the plant), drop NAME. Of a shop in a file both plans are compared and nothing is kept.
    """
    from loopwright.app import whatif_words
    from loopwright.app.plan_file import refuse_other_than_svg
    from loopwright.app.whatif_command import Asked, answer
    from loopwright.make.whatif import KINDS

    refuse_other_than_svg(gantt)
    given = context.params  # an option for each kind of change, by its name
    changes = tuple(f"{kind} {text}" for kind in KINDS for text in given[kind.replace("-", "_")] or ())
    asked = Asked(str(action or ""), tuple(names or ()), changes, name, seconds, objective, why, author)
    document, drawing = answer(site, asked, gantt is not None)
    if gantt is not None:
        from loopwright.app.plan_file import write

        write(gantt, drawing)
        say(f"drawn in {gantt}")
    out(document, as_json, whatif_words.told)
