"""`loopwright trace`: from any event or thing back to what it rests on, or forward to what rests on it, as a tree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loopwright.app.options import Json, SitePath, out

if TYPE_CHECKING:
    from loopwright.store.trace import Direction


def register(app: typer.Typer) -> None:
    """Puts the command on the app."""

    @app.command()
    def trace(
        id: Annotated[str, typer.Argument(help="of an event, unit, order, machine, rule, revision, model, alarm ...")],
        site: SitePath,
        forward: Annotated[bool, typer.Option("--forward", help="what rests on it, its siblings included")] = False,
        both: Annotated[bool, typer.Option("--both", help="what it rests on, and what rests on it")] = False,
        depth: Annotated[int, typer.Option(min=1, max=50, help="how many things deep")] = 8,
        each: Annotated[int, typer.Option(min=1, max=10_000, help="how many of a kind; the rest is counted")] = 20,
        as_json: Json = False,
    ) -> None:
        """What a thing or an event rests on, back to the first order. Or forward: what rests on it."""
        from loopwright.app.views.trace import in_words

        found = trace_in(site, id, "both" if both else "forward" if forward else "back", depth, each)
        out(found, as_json, in_words)


def trace_in(path: Path, id_: str, direction: Direction, depth: int, each: int) -> dict[str, Any]:
    """The trace in the plant of a site, beside whatever process writes it."""
    from loopwright.app.opening import open_site
    from loopwright.app.views.trace import as_data
    from loopwright.store.trace import trace

    with open_site(path, read_only=True) as store:
        return as_data(trace(store, id_, direction, depth=depth, each=each))
