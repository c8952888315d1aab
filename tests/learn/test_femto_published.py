"""FEMTO's bearings as they were published: a folder a bearing, a CSV a snapshot, told as the same bearing in Parquet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loopwright.core.errors import InputError
from loopwright.learn.sets import femto


def published(folder: Path, snapshots: int = 40) -> np.ndarray:
    """Bearing1_1 with a comma, Bearing1_4 with semicolons, as published; gives the accelerations (S, 64, 2) of each."""
    g = np.random.default_rng(0).normal(size=(snapshots, 64, 2)).round(3)
    for name, mark in (("Bearing1_1", ","), ("Bearing1_4", ";")):
        place = folder / "Learning_set" / name
        place.mkdir(parents=True)
        for i in range(snapshots):
            rows = [mark.join(["9", "39", "39", "65664", f"{x}", f"{y}"]) for x, y in g[i]]
            (place / f"acc_{i + 1:05d}.csv").write_text("\n".join(rows) + "\n")
        (place / "temp_00001.csv").write_text("9,39,39,1,70\n")
    return g


def test_a_clone_of_the_repository_is_read_as_its_parquet_copy_is(tmp_path: Path) -> None:
    g = published(tmp_path / "clone")
    assert femto.recognises(tmp_path / "clone")
    assert femto.recognises(tmp_path / "clone" / "Learning_set")
    first, second = femto.read(tmp_path / "clone").recordings
    assert (first.name, second.name) == ("Bearing1_1", "Bearing1_4")
    np.testing.assert_array_equal(first.asked, second.asked)
    (tmp_path / "copy").mkdir()
    table = {"snapshot": np.repeat(np.arange(40) + 1, 64), "horiz_g": g[..., 0].ravel(), "vert_g": g[..., 1].ravel()}
    pq.write_table(pa.table(table), tmp_path / "copy" / "Bearing1_1.parquet")
    (copy,) = femto.read(tmp_path / "copy").recordings
    np.testing.assert_allclose(copy.asked, first.asked)
    np.testing.assert_array_equal(copy.labels, first.labels)


def test_a_snapshot_that_is_no_table_is_named(tmp_path: Path) -> None:
    published(tmp_path)
    (tmp_path / "Learning_set" / "Bearing1_1" / "acc_00003.csv").write_text("9,39,39,1\n")
    with pytest.raises(InputError, match=r"acc_00003\.csv: 1 rows without two accelerations"):
        femto.read(tmp_path)
