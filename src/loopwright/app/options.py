"""What commands share: options of the same name and meaning, and where words and results go."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from loopwright.core.errors import StoreError

SitePath = Annotated[Path, typer.Option("--site", help="a site file, or a folder that holds one plant's data")]
Json = Annotated[bool, typer.Option("--json", help="one JSON document on standard output")]


def say(text: str) -> None:
    """One line for the person, on standard error."""
    print(text, file=sys.stderr, flush=True)


def out(document: Any, as_json: bool, words: Callable[[Any], str]) -> None:
    """The result, on standard output: JSON, or in words. StoreError when the disk that it goes to is full."""
    text = json.dumps(document, indent=2, default=str) if as_json else words(document)
    try:
        print(text, flush=True)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        unheard()
        raise StoreError("standard output", f"it cannot be written ({error.strerror})", "", "make room") from None


def unheard() -> None:
    """What is left for standard output goes nowhere: nobody reads it, and the end of the interpreter writes it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
