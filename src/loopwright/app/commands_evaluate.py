"""`loopwright evaluate`: how good each model is on a set, beside its baseline, and what it costs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from loopwright.app.options import Json, out, say


class Task(StrEnum):
    """What is to be told."""

    life = "life"
    forecast = "forecast"
    anomaly = "anomaly"
    class_ = "class"


def register(app: typer.Typer) -> None:
    """Puts the command on the app."""
    app.command()(evaluate)


def _trap(flag: str) -> object:
    return typer.Option(flag, hidden=True)


def evaluate(
    task: Annotated[Task, typer.Argument(help="life, forecast, anomaly or class")],
    data: Annotated[Path, typer.Option(help="a folder of a public layout, a folder of such folders, or a CSV")],
    model: Annotated[list[str] | None, typer.Option(help="name of a model, again for another; all (default)")] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="fits whose mean and spread are told")] = 5,
    kept: Annotated[Path | None, typer.Option("--out", help="a folder for rows.json and the champion's predictions")]
    = None,
    map_: Annotated[list[str] | None, typer.Option("--map", help="what a CSV's columns are: unit=engine, time=cycle, "
                                                                 "target=load, label=fault, condition=setting; "
                                                                 "or a TOML file")] = None,
    point_adjust: Annotated[bool, _trap("--point-adjust")] = False,
    shuffle: Annotated[bool, _trap("--shuffle")] = False,
    test_threshold: Annotated[bool, _trap("--threshold-on-test")] = False,
    cap: Annotated[bool, _trap("--cap-test-labels")] = False,
    as_json: Json = False,
) -> None:
    """Evaluates models on data they have not seen. Score, baseline, split, seeds and spread, and cost.

    Knows the public layouts of learn/sets by their files; any other CSV is told by --map.
    The champion is chosen on training data. Ctrl-C gives the rows so far; with --out the same command goes on later.
    """
    from loopwright.app import evaluate_words
    from loopwright.app.evaluating import Asked, evaluated
    from loopwright.learn import traps

    asked_for = {"point adjustment": point_adjust, "shuffled windows": shuffle,
                 "threshold on test data": test_threshold, "capped test labels": cap}
    for trap, wanted in asked_for.items():
        if wanted:
            raise traps.refuse(trap)
    asked = Asked(str(task), data, tuple(model or ("all",)), seeds, kept, tuple(map_ or ()))
    out(evaluated(asked, say), as_json, evaluate_words.told)
