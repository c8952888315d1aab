"""What commands share: options of the same name and meaning, and where words and results go."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

SitePath = Annotated[Path, typer.Option("--site", help="a site file, or a folder that holds one plant's data")]
Json = Annotated[bool, typer.Option("--json", help="one JSON document on standard output")]


def say(text: str) -> None:
    """One line for the person, on standard error."""
    print(text, file=sys.stderr, flush=True)


def out(document: Any, as_json: bool, words: Callable[[Any], str]) -> None:
    """The result, on standard output: JSON, or in words."""
    print(json.dumps(document, indent=2, default=str) if as_json else words(document), flush=True)
