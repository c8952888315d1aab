"""Files with estimates of remaining life."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from loopwright.core.errors import StoreError
from loopwright.learn.lives.units import LEVELS, Unit


def estimates(path: Path, estimate: np.ndarray) -> None:
    """One estimate a line, cycles, in the order of the test units; no header."""
    _written(path, "".join(f"{value:.4f}\n" for value in estimate))


def running(path: Path, units: Sequence[Unit], estimate: np.ndarray, quantiles: np.ndarray) -> None:
    """A line a unit: its name, its age, the estimate and its quantiles, in cycles.

    estimate (n,); quantiles (n, Q) at units.LEVELS
    """
    lines = [",".join(["unit", "age", "left", *(f"left_q{level:g}" for level in LEVELS)])]
    for unit, left, spread in zip(units, estimate.tolist(), quantiles.tolist(), strict=True):
        name = '"' + unit.id.replace('"', '""') + '"' if set(unit.id) & set(',"\n') else unit.id
        lines.append(",".join([name, str(len(unit)), f"{left:.4f}", *(f"{value:.4f}" for value in spread)]))
    _written(path, "\n".join(lines) + "\n")


def _written(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_text(text, "utf-8")
        part.replace(path)
    except OSError as error:
        raise StoreError(str(path), f"it cannot be written ({error.strerror})", "", "name another folder") from error
