"""`loopwright plan`: a shop in a file, a whole suite of published shops, or a plant's own open orders."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from loopwright.app.options import Json, out, say
from loopwright.core.errors import InputError

MANY = 250_000  # operations
FIRST_US = 15.0  # microseconds of processor time an operation, until the first plan of a very large shop stands


class Draw(StrEnum):
    """What is drawn."""

    machines = "machines"
    orders = "orders"
    load = "load"
    lateness = "lateness"
    all = "all"


def register(app: typer.Typer) -> None:
    """Puts the command on the app."""
    app.command()(plan)


def plan(
    file: Annotated[Path | None, typer.Argument(help="a shop: .jsp, .fjs, .txt or .json")] = None,
    seconds: Annotated[float, typer.Option(help="how long may be searched; a suite: for each instance")] = 10.0,
    objective: Annotated[str, typer.Option(help="makespan, tardiness, setup, or a mix such as makespan:1,tardiness:5")]
    = "makespan",
    workers: Annotated[int, typer.Option(help="threads of the search")] = 2,
    seed: Annotated[int, typer.Option(help="what chance is drawn from")] = 0,
    form: Annotated[str, typer.Option("--format", help="job-shop, flexible or times-machines, where a text fits two")]
    = "",
    gantt: Annotated[Path | None, typer.Option(help="an SVG to draw the plan in")] = None,
    draw: Annotated[Draw | None, typer.Option(help="what --gantt draws, machines unless you say otherwise; all: four "
                                                    "files, out-machines.svg and its like")] = None,
    site: Annotated[Path | None, typer.Option("--site", help="a site file: plan its open orders, changing nothing")]
    = None,
    suite: Annotated[Path | None, typer.Option(help="a folder or .zip of shops: plan them all")] = None,
    best_known: Annotated[Path | None, typer.Option("--best-known", help="JSON of what is known of the suite")] = None,
    family: Annotated[str, typer.Option(help="of the suite only this family: ta")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="of the suite only the first so many")] = None,
    kept: Annotated[Path | None, typer.Option("--out", help="a .jsonl that keeps the suite's rows; a second start goes "
                                                            "on")] = None,
    as_json: Json = False,
) -> None:
    """Plans a shop and says how good the plan is at least. Makespan, proven bound, status, gap, seconds, solver.

    Every plan is checked against the shop's rules before it is told. Ctrl-C gives the best plan so far.
    """
    from loopwright.app.plan_file import Asked, refuse_other_than_svg

    refuse_other_than_svg(gantt)
    asked = Asked(seconds, objective, workers, seed)
    if sum(one is not None for one in (file, suite, site)) != 1:
        raise InputError("plan", "what to plan is not clear", "one of FILE, --suite FOLDER_OR_ZIP, --site SITE")
    if suite is None and (best_known or family or limit or kept):
        raise InputError("plan", "--best-known, --family, --limit and --out", "together with --suite")
    if draw and not gantt:
        raise InputError("plan", f"--draw {draw.value}", "together with --gantt out.svg, the file to draw in")
    if suite is not None:
        if gantt:
            raise InputError("plan", "--gantt", "a FILE or --site; a suite is not drawn")
        _suite(suite, form, asked, (best_known, family, limit, kept), as_json)
    else:
        _one(file, site, form, asked, (gantt, draw or Draw.machines), as_json)


def _one(
    file: Path | None, site: Path | None, form: str, asked: Any, drawn: tuple[Path | None, Draw], as_json: bool
) -> None:
    from threading import Event, Thread

    from loopwright.app import plan_file
    from loopwright.make.dispatching.tables import uncollected
    from loopwright.make.reading.files import read

    zone = ""
    loading = Thread(target=_load, name="load the search", daemon=True)
    loading.start()  # beside the reading of the file, so that it takes none of the seconds
    if file is not None:
        with uncollected():
            instance = read(file, form)
    else:
        from loopwright.app.open_shop import open_orders

        assert site is not None
        instance, zone = open_orders(site)
    for note in instance.notes:
        say(f"{instance.name}: {note}")
    operations = sum(len(job.operations) for job in instance.shop.jobs)
    if operations > MANY:
        first_s = FIRST_US * operations / 1e6
        say(f"{operations:,} operations: the first plan takes about {first_s:,.0f} s, and its check as long again, "
            "whatever --seconds says; Ctrl-C gives it without a search")
    loading.join()
    watched = plan_file.Watched(Event(), loud=sys.stderr.isatty())
    found = plan_file.planned(instance.shop, asked, watched)
    if drawn[0] is not None:
        for place in plan_file.drawn(instance.shop, found, zone, drawn[0], drawn[1].value):
            say(f"drawn in {place}")
    out(plan_file.document(instance, found, watched.stop.is_set()), as_json, plan_file.in_words)


def _load() -> None:
    """Loads what the search is compiled to, if it is."""
    from loopwright.make.search import warm

    if warm.installed():
        warm.ready()


def _suite(
    place: Path, form: str, asked: Any, wanted: tuple[Path | None, str, int | None, Path | None], as_json: bool
) -> None:
    from loopwright.app import suite
    from loopwright.make.reading.best_known import read_best
    from loopwright.make.reading.files import listed

    best_known, family, limit, kept = wanted
    best = read_best(best_known) if best_known else {}
    sources = suite.chosen(listed(place, form), best, family, limit)
    done: list[dict[str, Any]] = []
    stopped = False
    if asked.seconds:
        suite.warm_up(say)
    try:
        for row in suite.rows(sources, best, asked, kept, say):
            done.append(row)
    except KeyboardInterrupt:
        stopped = True
    told = suite.summary(done) | {"of": len(sources), "stopped": stopped}
    out(told, as_json, suite.in_words)
    if stopped:
        raise KeyboardInterrupt
    if told["mean"]["errors"]:
        raise typer.Exit(InputError.exit_code)
