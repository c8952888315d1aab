"""A command of loopwright run in the test's own process, with what it printed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from loopwright.app.cli import main


@dataclass
class Done:
    """How a command ended: its exit status, what it printed, what it said on standard error."""

    code: int
    out: str
    said: str

    @property
    def told(self) -> Any:
        """The JSON it printed; NaN and infinities in it are an error."""
        def refuse(word: str) -> None:
            raise ValueError(f"{word} in JSON")

        return json.loads(self.out, parse_constant=refuse)


def runner(capsys: pytest.CaptureFixture[str], name: str) -> Callable[..., Done]:
    """run(*arguments): the command of that name."""
    def command(*arguments: str | Path) -> Done:
        with pytest.raises(SystemExit) as left:
            main([name, *map(str, arguments)])
        caught = capsys.readouterr()
        return Done(int(left.value.code or 0), caught.out, caught.err)
    return command
