"""`loopwright models list|show|train|promote|demote|score`: which model serves, how good it is, and who may change
that."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from loopwright.app.options import Json, SitePath, out, say

By = Annotated[str, typer.Option(help="user in whose name it is done")]
Id = Annotated[str, typer.Argument(metavar="MODEL", help="id of a model, or how its id or kept name begins")]


def register(app: typer.Typer) -> None:
    """Puts the commands on the app."""
    group = typer.Typer(help="Models: trained, promoted, scored, demoted.", no_args_is_help=True)
    for name, command in (("list", list_), ("show", show), ("promote", promote), ("demote", demote), ("score", score),
                          ("train", train)):
        group.command(name)(command)
    app.add_typer(group, name="models")


def list_(site: SitePath, as_json: Json = False) -> None:
    """Every model that was trained. Its state, its loss beside the baseline's, on unseen units and live."""
    from loopwright.app import model_reads
    from loopwright.app.opening import open_site
    from loopwright.app.views.models import in_words

    with open_site(site, read_only=True) as store:
        out(model_reads.rows(store), as_json, in_words)


def show(model: Id, site: SitePath, as_json: Json = False) -> None:
    """One model's card, live scores, drift, curves and worst cases."""
    from loopwright.app import model_reads
    from loopwright.app.opening import open_site
    from loopwright.app.views.models import card_in_words

    with open_site(site, read_only=True) as store:
        out(model_reads.show(store, model), as_json, card_in_words)


def promote(model: Id, site: SitePath, by: By, as_json: Json = False) -> None:
    """Puts a kept model up for promotion. Its gate runs now, then two others must approve it."""
    _done(site, as_json, "promote", model, by)


def demote(
    model: Id, site: SitePath, by: By, why: Annotated[str, typer.Option(help="the reason")], as_json: Json = False
) -> None:
    """Takes the model that serves out of force. The simplest baseline serves from then on."""
    _done(site, as_json, "demote", model, by, why)


def score(site: SitePath, as_json: Json = False) -> None:
    """Scores every live prediction whose outcome is known. Demotes champions that lose to the baseline."""
    from loopwright.app import scored
    from loopwright.app.opening import there
    from loopwright.app.plant import open_plant
    from loopwright.app.site import site_of

    there(site_of(site))
    with open_plant(site_of(site)) as plant:
        told = scored.check_all(plant, plant.clock.now_ns())
    out(told, as_json, _scored_in_words)


def train(
    site: SitePath,
    task: Annotated[str, typer.Argument(metavar="TASK", help="what is learned (default: all of the site)")] = "",
    as_json: Json = False,
) -> None:
    """Trains a model of a task from what the plant knows. Puts it up for promotion; Ctrl-C loses one step."""
    import asyncio
    import sys
    from functools import partial

    from loopwright.app.learning import learned, task_of, training
    from loopwright.app.opening import there
    from loopwright.app.plant import open_plant
    from loopwright.app.site import site_of

    there(site_of(site))
    told = []
    with open_plant(site_of(site)) as plant:
        for one in [task_of(plant, task)] if task else learned(plant):
            say = partial(print, file=sys.stderr, flush=True)
            told.append(asyncio.run(training.train(plant, one, say)))
    out(told, as_json, _trained_in_words)


def _trained_in_words(told: list[dict[str, Any]]) -> str:
    lines = [f"{one['task']}: " + (one["why"] or f"{one['model']} {one['came']}")
             + f" ({one['outcomes']} outcomes, {one['took_s']:.1f} s)" for one in told]
    return "\n".join(lines) or "nothing is learned here"


def _done(site: Path, as_json: bool, verb: str, model: str, by: str, *why: str) -> None:
    from loopwright.app import models
    from loopwright.app.opening import there
    from loopwright.app.plant import open_plant
    from loopwright.app.site import site_of

    there(site_of(site))
    with open_plant(site_of(site)) as plant:
        id_ = models.card_of(plant.store, model).id
        says = getattr(models, verb)(plant, id_, by, *why, plant.clock.now_ns())
    if as_json:
        out({"model": id_, "says": says}, True, str)
    else:
        say(f"{id_}: {says}")


def _scored_in_words(told: list[dict[str, Any]]) -> str:
    lines = [f"{one['task']}: {one['scored']} scored, {one['changed']} scored again, {one['waiting']} wait, "
             f"{one['leaks']} known too early, {one['expired']} expired; {one['model'] or 'the baseline serves'}"
             + (f": {one['says']}" if one["model"] else "") + (". It is demoted." if one["demoted"] else "")
             for one in told]
    return "\n".join(lines) or "no model has made a prediction yet"
