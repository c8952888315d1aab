"""`loopwright backup`, `restore`, `rehearse`, `retain`, `export`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from loopwright.app.options import Json, SitePath, out
from loopwright.core.errors import StoreError


def register(app: typer.Typer) -> None:
    """Puts the commands on the app."""
    for command in (backup, restore, rehearse, retain, export):
        app.command()(command)


def backup(
    dest: Annotated[Path, typer.Argument(help="folder of backups: a new one, or one that this plant was backed up to")],
    site: SitePath,
    keep: Annotated[int, typer.Option(min=0, help="how many generations stay; 0: all")] = 0,
    as_json: Json = False,
) -> None:
    """A hot backup beside whatever writes the plant. All that was acknowledged before it began, none of it twice.

    The second one copies only what is new. Stop it at any moment: a generation is whole or is not there.
    """
    from loopwright.app.keep import backed_up_in_words, backup_plant

    with bar("backup", rows=False) as progress:
        told = backup_plant(site, dest, keep, progress)
    out(told, as_json, backed_up_in_words)


def restore(
    source: Annotated[Path, typer.Argument(metavar="BACKUP", help="folder of backups")],
    target: Annotated[Path | None, typer.Argument(metavar="NEWFOLDER", help="a new or empty folder")] = None,
    generation: Annotated[int | None, typer.Option(help="which generation (default: the newest)")] = None,
    verify_only: Annotated[bool, typer.Option("--verify-only", help="check everything, leave nothing")] = False,
    site: Annotated[Path | None, typer.Option(help="site file that says where folder, points and events go")] = None,
    as_json: Json = False,
) -> None:
    """Makes a plant from a backup. Every hash checked, the chain of events verified, every sample counted again.

    Exit status 5 when something is broken; then there is no new folder.
    """
    from loopwright.app.keep import restore_plant, restored_in_words

    with bar("verify" if verify_only else "restore", rows=False) as progress:
        told = restore_plant(source, target, generation, verify_only, progress, site)
    out(told, as_json, restored_in_words)
    if told["broken"]:
        raise typer.Exit(StoreError.exit_code)


def rehearse(
    site: SitePath,
    of: Annotated[Path | None, typer.Option("--backup", help="take the newest backup in this folder instead")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="leave the copy, beside the plant")] = False,
    as_json: Json = False,
) -> None:
    """Tries this version on a copy of the plant. What an upgrade changes, how long it takes, whether all is there.

    The plant itself is only read. Exit status 5 when something would break.
    """
    from loopwright.app.keep import rehearse_plant, rehearsed_in_words

    with bar("copy", rows=False) as progress:
        told = rehearse_plant(site, of, keep, progress)
    out(told, as_json, rehearsed_in_words)
    if told["broken"]:
        raise typer.Exit(StoreError.exit_code)


def retain(
    site: SitePath,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would go")] = False,
    as_json: Json = False,
) -> None:
    """Removes values older than the site's [[keep]] lines say. `loopwright run` does it once a day.

    What an open alarm, a standing decision or change, or a correction rests on stays, and so do all events.
    """
    from loopwright.app.keep import retain_plant, retained_in_words

    out(retain_plant(site, dry_run), as_json, retained_in_words)


def export(
    dest: Annotated[Path, typer.Argument(help="a new folder, or one in which this export was begun")],
    site: SitePath,
    form: Annotated[str, typer.Option("--format", help="parquet or csv")] = "parquet",
    things: Annotated[list[str] | None, typer.Option("--things", help="only of this thing (may be repeated)")] = None,
    signals: Annotated[list[str] | None, typer.Option("--signals", help="only this signal (may be repeated)")] = None,
    start: Annotated[str, typer.Option("--from", help="first moment: a day, ISO 8601 with a zone, or ns")] = "",
    end: Annotated[str, typer.Option("--to", help="the moment after the last")] = "",
    what: Annotated[str, typer.Option(help="some of points, blocks, events, models, people")] = (
        "points,blocks,events,models"
    ),
    by: Annotated[str, typer.Option(help="with people: the user who takes them")] = "",
    why: Annotated[str, typer.Option(help="with people: what for, in a sentence that is recorded")] = "",
    as_json: Json = False,
) -> None:
    """Everything as plain files, as it stands at this moment. It reads beside whatever writes the plant.

    Stop it at any moment and run it again: it goes on.
    """
    from loopwright.app.keep import chosen, export_plant, exported_in_words

    asked = chosen(form, things or [], signals or [], start, end, what)
    with bar("export", rows=True) as progress:
        told = export_plant(site, dest, asked, by, why, progress)
    out({name: value for name, value in told.items() if name != "files"}, as_json, exported_in_words)


@contextmanager
def bar(title: str, rows: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar on standard error, when that is a terminal: in rows or in bytes, a second, and the time left."""
    from rich import progress as rich
    from rich.console import Console
    from rich.text import Text

    class Speed(rich.ProgressColumn):
        """Rows a second."""

        def render(self, task: rich.Task) -> Text:
            return Text(f"{task.speed or 0:,.0f} rows/s")

    in_rows, in_bytes = (rich.MofNCompleteColumn(), Speed()), (rich.DownloadColumn(), rich.TransferSpeedColumn())
    with rich.Progress(
        rich.TextColumn(title), rich.BarColumn(), *(in_rows if rows else in_bytes), rich.TimeRemainingColumn(),
        console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty(),
    ) as shown:
        task = shown.add_task(title, total=None)
        yield lambda what, done, total: shown.update(task, completed=done, total=total)
