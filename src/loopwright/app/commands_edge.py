"""`loopwright edge`: listens to machines and sends what they say on to a central plant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from loopwright.app.options import Json, out


def register(app: typer.Typer) -> None:
    """Puts the command on the app."""

    @app.command()
    def edge(
        site: Annotated[Path, typer.Argument(help="the edge's site file, with an [edge] table")],
        data: Annotated[Path | None, typer.Option(help="folder of recorded data that plays the machines")] = None,
        status: Annotated[bool, typer.Option("--status", help="say how the edge is, and end")] = False,
        as_json: Json = False,
    ) -> None:
        """Keeps on this disk what machines say, and sends it on. To the centre, until Ctrl-C.

        With --status it says what waits, since when, how fast it comes and goes, and for how many hours there is room.
        """
        from loopwright.app.edge import in_words, run_edge
        from loopwright.app.edge import status as status_of

        if status or as_json:
            out(status_of(site), as_json, in_words)
        else:
            run_edge(site, data)
