"""A small folder of machining runs in the format of the public set, made up here: no real data in the repository."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from loopwright.packs.shop_floor.signals import COLUMNS, PROCESS_COLUMN

STEPS = ("Starting", "Prep", "Layer 1 Up", "Layer 1 Down", "Layer 2 Up", "Layer 2 Down", "Layer 3 Up", "Layer 3 Down", "end")


def write_run(path: Path, worn: bool = False, rows: int = 90, seed: int = 0, label: str = "", steps: tuple[str, ...] = STEPS) -> Path:
    """Writes one run; worn runs turn less steadily. label: fills a tool_condition column."""
    rng = np.random.default_rng(seed)
    words = [steps[i * len(steps) // rows] for i in range(rows)]
    values = {}
    for column, (signal, _) in COLUMNS.items():
        values[column] = np.round(rng.normal(0, 1e-3, rows), 6)
        if signal.endswith(("voltage", "output_current", "inertia")):
            values[column] = np.abs(values[column])
    values["S1_ActualVelocity"] = np.full(rows, 53.3)
    values["S1_ActualAcceleration"] = np.round(rng.normal(0, 60 if worn else 30, rows), 3)
    values["S1_CurrentFeedback"] = np.round(20 + rng.normal(0, 3 if worn else 2, rows), 3)
    values["M1_CURRENT_FEEDRATE"] = np.array([50.0 if "Layer" not in word else 6.0 for word in words])
    values["M1_sequence_number"] = np.arange(rows) // 10
    values["M1_CURRENT_PROGRAM_NUMBER"] = np.ones(rows)
    names = [*COLUMNS, PROCESS_COLUMN, *(["tool_condition"] if label else [])]
    lines = [",".join(names)]
    for i in range(rows):
        cells = [f"{values[column][i]}" for column in COLUMNS] + [words[i]] + ([label] if label else [])
        lines.append(",".join(cells))
    text = "\n".join(lines) + "\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def write_labels(path: Path, rows: list[str], header: str = "No,feedrate,clamp_pressure,tool_condition,machining_finalized,passed_visual_inspection") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path
