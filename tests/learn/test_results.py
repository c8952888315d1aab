"""An evaluation that was killed goes on where it ended, and never with what other data, code or settings gave."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import loopwright
from loopwright.app.evaluating import Asked, evaluated
from loopwright.core.errors import StoreError
from loopwright.learn.kept import results
from loopwright.learn.rows import Progress, once
from tests.app.own_tables import MAPS, good, written

QUICK = {"forecast": "drift", "anomaly": "robust_z", "life": "ridge", "class": "spectra"}
MADE_OF = {"the data": "1", "the program": "2"}


def quiet(_: str) -> None:
    """Says nothing."""


def test_what_was_kept_is_taken_up_as_it_was(tmp_path: Path) -> None:
    value = {"rmse": float("nan"), "n": 3, "scores": np.arange(6.0).reshape(2, 3), "none": None}
    results.opened(tmp_path / "kept", MADE_OF, quiet).put(("life", "a", 1), value)
    said: list[str] = []
    shelf = results.opened(tmp_path / "kept", MADE_OF, said.append)
    found = shelf.get(("life", "a", 1))
    assert shelf.get(("life", "a", 2)) is None
    assert shelf.taken == 1
    np.testing.assert_array_equal(found.pop("scores"), value.pop("scores"))
    assert repr(found) == repr(dict(sorted(value.items())))
    assert said == [f"1 results of an earlier start are in {tmp_path / 'kept'}: they are taken up"]


@pytest.mark.parametrize("harm", ["cut", "flipped", "emptied", "swapped"])
def test_a_torn_or_altered_result_counts_as_none(tmp_path: Path, harm: str) -> None:
    shelf = results.opened(tmp_path, MADE_OF, quiet)
    shelf.put(("a",), 1.0)
    (file,) = tmp_path.glob("*.result")
    shelf.put(("b",), 2.0)
    (other,) = set(tmp_path.glob("*.result")) - {file}
    data = file.read_bytes()
    file.write_bytes({"cut": data[:-9], "flipped": data[:40] + bytes([data[40] ^ 1]) + data[41:], "emptied": b"",
                      "swapped": other.read_bytes()}[harm])
    assert shelf.get(("a",)) is None
    assert shelf.get(("b",)) == 2.0


def test_results_of_other_data_are_thrown_away_and_it_is_said_what_changed(tmp_path: Path) -> None:
    results.opened(tmp_path, MADE_OF, quiet).put(("a",), 1.0)
    said: list[str] = []
    assert results.opened(tmp_path, {**MADE_OF, "the data": "9"}, said.append).get(("a",)) is None
    assert said == [f"the data changed since the results in {tmp_path}: all computed anew"]
    (tmp_path / results.HEAD).write_text("{cut off")
    assert results.opened(tmp_path, MADE_OF, said.append).get(("a",)) is None
    assert "changed since" in said[-1]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="name another folder"):
        results.opened(tmp_path / "file" / "kept", MADE_OF, quiet)


def test_the_fingerprint_changes_with_bytes_and_names_and_not_with_times_or_the_folder_of_results(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "out").mkdir(parents=True)
    (data / "a.txt").write_text("1")
    before = results.fingerprint(data, data / "out")
    (data / "out" / "rows.json").write_text("{}")
    os.utime(data / "a.txt", (1, 1))
    assert results.fingerprint(data, data / "out") == before
    assert results.fingerprint(data) != before
    (data / "loop").symlink_to(data)
    assert results.fingerprint(data, data / "out") == before
    assert results.fingerprint(data, data) != results.fingerprint(data, data / "out")
    (data / "loop").unlink()
    (data / "a.txt").write_text("2")
    changed = results.fingerprint(data, data / "out")
    (data / "a.txt").rename(data / "b.txt")
    assert len({before, changed, results.fingerprint(data, data / "out")}) == 3


@pytest.mark.parametrize("out", [".", ".."])
def test_data_that_lies_where_results_are_written_is_fingerprinted_all_the_same(tmp_path: Path, out: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    file = data / "own.csv"
    file.write_text("1")
    before = [results.fingerprint(place, data / out) for place in (data, file)]
    (data / out / "kept").mkdir()
    (data / out / "kept" / "x.result").write_text("9")
    (data / out / "rows.json").write_text("{}")
    assert [results.fingerprint(place, data / out) for place in (data, file)] == before
    file.write_text("2")
    assert not set(before) & {results.fingerprint(place, data / out) for place in (data, file)}


def test_once_computes_without_a_shelf_and_once_with_one(tmp_path: Path) -> None:
    calls: list[int] = []

    def make() -> float:
        calls.append(1)
        return 7.0

    assert [once(quiet, ("a",), make), once(Progress(quiet), ("a",), make)] == [7.0, 7.0]
    shelved = Progress(quiet, results.opened(tmp_path, MADE_OF, quiet))
    assert [once(shelved, ("a",), make) for _ in range(3)] == [7.0] * 3
    assert len(calls) == 3




@pytest.mark.slow
@pytest.mark.parametrize("task", QUICK)
def test_an_evaluation_that_is_stopped_anywhere_ends_as_one_that_was_not(
    tmp_path: Path, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after every second result (of classes, sixtieth): each start takes up what is there; the end is the same."""
    every = 60 if task == "class" else 2
    asked = Asked(task, written(tmp_path, good(task)), (QUICK[task],), 2, tmp_path / "broken", MAPS[task])
    put = results.Shelf.put
    left = [every]

    def stopping(self: results.Shelf, key: results.Key, value: object) -> None:
        put(self, key, value)
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    monkeypatch.setattr(results.Shelf, "put", stopping)
    starts = 0
    told: dict[str, Any] = {"stopped": True}
    while told.get("stopped"):
        left[0] = every
        told = evaluated(asked, quiet)
        starts += 1
        assert starts < 40
    assert starts > 1
    again = evaluated(asked, quiet)
    assert json.dumps(again) == json.dumps(told)
    monkeypatch.setattr(results.Shelf, "put", put)
    whole = evaluated(Asked(task, asked.data, asked.models, 2, tmp_path / "whole", MAPS[task]), quiet)
    for one, other in zip(whole["rows"], told["rows"], strict=True):
        assert one | {"cost": 0} == other | {"cost": 0}
    assert whole["champion"] == told["champion"]


@pytest.mark.slow
def test_changed_data_and_another_mapping_are_computed_anew(tmp_path: Path) -> None:
    table = good("life")
    file = written(tmp_path, table)
    said: list[str] = []
    asked = Asked("life", file, ("mean_life",), 1, tmp_path / "out", MAPS["life"])
    first = evaluated(asked, said.append)
    evaluated(asked, said.append)
    assert any("are taken up" in line for line in said)
    written(tmp_path, pd.concat([table, table.tail(1).assign(cycle=lambda t: t["cycle"] + 1)]))
    said.clear()
    assert evaluated(asked, said.append)["rows"][0]["metrics"] != first["rows"][0]["metrics"]
    assert any(line.startswith("the data changed since") for line in said)
    said.clear()
    evaluated(Asked("life", file, ("mean_life",), 1, tmp_path / "out", (*MAPS["life"], "target=heat")), said.append)
    assert any(line.startswith("the mapping changed since") for line in said)


@pytest.mark.slow
def test_more_seeds_and_models_are_added_to_what_is_there(tmp_path: Path) -> None:
    file = written(tmp_path, good("life"))
    out = tmp_path / "out"
    counts = []
    for models, seeds in ((("mean_life",), 1), (("mean_life",), 3), (("survival",), 3)):
        told = evaluated(Asked("life", file, models, seeds, out, MAPS["life"]), quiet)
        assert {row["seeds"] for row in told["rows"]} == {seeds}
        counts.append({path.name: path.stat().st_mtime_ns for path in out.rglob("*.result")})
    assert [len(count) for count in counts] == [2, 6, 9]  # two baselines, then a third model
    assert counts[0].items() <= counts[1].items() <= counts[2].items()


@pytest.mark.slow
def test_a_process_that_is_interrupted_or_killed_is_taken_up_by_the_next(tmp_path: Path) -> None:
    """SIGINT, then kill -9, then whole: a process of its own, with a copy of the package that nobody edits meanwhile."""
    source = Path(loopwright.__file__).parent
    shutil.copytree(source, tmp_path / "src" / "loopwright", ignore=shutil.ignore_patterns("__pycache__"))
    file = written(tmp_path, good("life"))
    command = [sys.executable, "-m", "loopwright", "evaluate", "life", "--data", str(file), "--seeds", "3", "--model", "survival",
               "--out", str(tmp_path / "out"), "--json", *(word for pair in MAPS["life"] for word in ("--map", pair))]

    def start(after: str = "", sign: int = 0) -> tuple[int, list[str], str]:
        with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(tmp_path / "src")}, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            assert process.stdout is not None
            lines = []
            for line in process.stderr:
                lines.append(line)
                if after and after in line:
                    process.send_signal(sign)
                    after = ""
            return process.wait(), lines, process.stdout.read()

    code, lines, out = start("mean_life, seed 0", signal.SIGINT)
    assert code == 0
    assert "start it again for the rest (what is done is kept in" in lines[-1]
    assert json.loads(out)["stopped"] is True
    code, lines, _ = start("ridge, seed 1", signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert "are taken up" in lines[0]
    code, lines, out = start()
    assert (code, "are taken up" in lines[0]) == (0, True)
    told = json.loads(out)
    assert [row["model"] for row in told["rows"]] == ["mean_life", "ridge", "survival"]
    assert "stopped" not in told
