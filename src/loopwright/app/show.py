"""What happens now: on a terminal one line a stage of the loop, redrawn in place; elsewhere plain lines."""

from __future__ import annotations

import threading
from typing import Any, TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from loopwright.app.flow import Flow

EVERY_S = 0.2
MARKS = {"waiting": ("·", "dim"), "active": ("●", "yellow"), "done": ("✓", "green")}


class Show:
    """Draws a Flow until it is closed. `say` prints a line above the drawing."""

    def __init__(self, flow: Flow, stream: TextIO) -> None:
        self._flow, self._console = flow, Console(file=stream, highlight=False)
        self._live: Live | None = None
        self._stop = threading.Event()
        self._said: set[tuple[str, str]] = set()
        self._thread = threading.Thread(target=self._draw, name="show", daemon=True)

    def __enter__(self) -> Show:
        if self._console.is_terminal:
            self._live = Live(self._table(), console=self._console, refresh_per_second=4, transient=False)
            self._live.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def say(self, text: str) -> None:
        """One line, kept above the drawing."""
        self._console.print(text, soft_wrap=True, markup=False)

    def close(self) -> None:
        """Draws the last state and lets go of the terminal."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._thread.join(2.0)
        if self._live is not None:
            self._live.update(self._table(), refresh=True)
            self._live.stop()
        else:
            self._lines()

    def _draw(self) -> None:
        while not self._stop.wait(EVERY_S):
            if self._live is not None:
                self._live.update(self._table())
            else:
                self._lines()

    def _table(self) -> Table:
        """One row a stage: mark, name, count, seconds, the sentence."""
        table = Table.grid(padding=(0, 2))
        for stage in self._flow.snapshot()["stages"]:
            mark, style = MARKS[stage["state"]]
            count = "" if stage["count"] is None else f"{stage['count']:,}"
            seconds = "" if stage["seconds"] is None else f"{stage['seconds']:.1f} s"
            table.add_row(
                Text(mark, style=style),
                Text(stage["name"], style=style if stage["state"] == "active" else ""),
                Text(count, justify="right"),
                Text(seconds, style="dim", justify="right"),
                Text(stage["words"]),
            )
        return table

    def _lines(self) -> None:
        """For a pipe or a log: each sentence once."""
        rows: list[dict[str, Any]] = list(reversed(self._flow.snapshot()["recent"]))
        for row in rows:
            key = (row["stage"], row["words"])
            if key not in self._said:
                self._said.add(key)
                self.say(f"{row['stage']:<8} {row['words']}")
