"""`loopwright evaluate life` on NASA's files however they lie there, blind or not; on a table of one's own with a date of failure."""

from __future__ import annotations

import gzip
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.app.commands import runner
from tests.app.evaluation_schema import has_the_schema
from tests.learn.made_lives import life_set

SETS = {"FD003": life_set(9, 7, seed=3), "FD004": life_set(8, 5, conditions=3, seed=4)}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """The command, in this process."""
    return runner(capsys, "evaluate")


def nasa(folder: Path, form: str, truth: bool) -> Path:
    """FD003 and FD004 in NASA's columns, plain as upstream (blanks at the end of a line), zipped, or with CRLF."""
    folder.mkdir(parents=True)
    for name, one in SETS.items():
        texts = {f"RUL_{name}.txt": "".join(f"{unit.left:.0f} \n" for unit in one.test)} if truth else {}
        for part, units in (("train", one.train), ("test", one.test)):
            rows = [" ".join(f"{v:.6f}" for v in (e + 1, t + 1, *unit.settings[t], 100.0, *unit.values[t], *np.ones(16)))
                    for e, unit in enumerate(units) for t in range(len(unit))]
            texts[f"{part}_{name}.txt"] = "".join(f"{row}  \n" for row in rows)
        for file, text in texts.items():
            if form == "zipped":
                (folder / f"{file}.gz").write_bytes(gzip.compress(text.encode()))
            else:
                (folder / file).write_bytes(text.replace("\n", "\r\n" if form == "crlf" else "\n").encode())
    return folder


@pytest.mark.slow
def test_blind_sets_are_predicted_alike_however_their_files_lie_there(run: Any, tmp_path: Path) -> None:
    """One number a line, no header, an engine a line in its order; the truth, where it is there, changes no digit."""
    places = {"plain": nasa(tmp_path / "plain", "plain", False), "zipped": nasa(tmp_path / "zipped", "zipped", False),
              "crlf": nasa(tmp_path / "crlf", "crlf", False), "truth": nasa(tmp_path / "truth", "plain", True)}
    nasa(tmp_path / "download" / "CMAPSSData", "plain", False)
    places["folder in a folder"] = tmp_path / "download"
    files: dict[str, list[str]] = {}
    for form, data in places.items():
        done = run("life", "--data", data, "--model", "ridge", "--seeds", "1", "--out", tmp_path / "out" / form, "--json")
        assert done.code == 0, done.said
        has_the_schema(done.told)
        assert set(done.told["champion"]) == {"cmapss/FD003", "cmapss/FD004"}
        assert (done.told["rows"][0]["metrics"]["rmse_raw"] is None) == (form != "truth")
        files[form] = [(tmp_path / "out" / form / f"{name}.csv").read_text() for name in SETS]
    assert all(texts == files["plain"] for texts in files.values())
    for text, one in zip(files["plain"], SETS.values(), strict=True):
        numbers = [float(line) for line in text.splitlines()]
        assert len(numbers) == len(one.test)
        assert all(math.isfinite(number) and number >= 0 for number in numbers)
    told = [float(line) for text in files["plain"] for line in text.splitlines()]
    true = [unit.left for one in SETS.values() for unit in one.test]
    assert np.corrcoef(told, np.minimum(true, 125.0))[0, 1] > 0.5  # in the order of the engines


def test_a_sub_set_without_its_test_file_is_left_out_and_it_is_said(run: Any, tmp_path: Path) -> None:
    data = nasa(tmp_path / "some", "plain", False)
    (data / "test_FD004.txt").unlink()
    done = run("life", "--data", data, "--model", "ridge", "--seeds", "1", "--json")
    assert {row["set"] for row in done.told["rows"]} == {"cmapss/FD003"}
    assert "FD004 is left out: test_FD004.txt is not there" in done.told["rows"][0]["notes"]
    (data / "test_FD003.txt").unlink()
    done = run("life", "--data", data)
    assert (done.code, "test_FD003.txt is not there" in done.said) == (2, True)


def test_training_and_test_files_that_are_swapped_are_refused(run: Any, tmp_path: Path) -> None:
    data = tmp_path / "swapped"
    SETS["FD001"] = life_set(14, 14, seed=8)
    try:
        nasa(data, "plain", False)
    finally:
        del SETS["FD001"]
    for file in data.glob("*FD00[34]*"):
        file.unlink()
    (data / "train_FD001.txt").rename(data / "kept")
    (data / "test_FD001.txt").rename(data / "train_FD001.txt")
    (data / "kept").rename(data / "test_FD001.txt")
    done = run("life", "--data", data, "--model", "ridge", "--seeds", "1")
    assert done.code == 2
    assert "training and test are swapped: give each file its own name" in done.said


def own(path: Path, units: int = 9) -> Path:
    """Vibration and heat of pumps every ten minutes, most of them until they failed, two still running."""
    rng = np.random.default_rng(0)
    lines = ["pump,at,vibration,heat"]
    ends = []
    for u in range(units):
        life = int(rng.integers(150, 300))
        heard = life if u < units - 2 else life // 2
        t = np.arange(heard)
        wear = np.exp((t - life) / 40)
        for at, v, h in zip(t, 2 + 6 * wear + rng.normal(0, 0.2, heard), 40 + 20 * wear + rng.normal(0, 1, heard), strict=True):
            lines.append(f"p{u},{np.datetime64('2026-01-01') + np.timedelta64(int(at) * 10, 'm')},{v:.3f},{h:.2f}")
        failed = np.datetime64("2026-01-01T00:00:00") + np.timedelta64(life * 10, "m")
        ends.append(f"p{u} = {failed}" if heard == life else f'p{u} = "running"')
    (path / "pumps.csv").write_text("\n".join(lines) + "\n")
    (path / "pumps.toml").write_text("\n".join(['unit = "pump"', 'time = "at"', 'cycle = "1 h"', "[units]", 'vibration = "mm/s"',
                                                "[failed_at]", *ends]) + "\n")
    return path / "pumps.csv"


def test_a_table_with_a_date_of_failure_gets_a_life_table_and_the_lives_of_those_that_run(run: Any, tmp_path: Path) -> None:
    file = own(tmp_path)
    done = run("life", "--data", file, "--map", tmp_path / "pumps.toml", "--model", "survival", "--seeds", "2", "--out", tmp_path / "out", "--json")
    assert done.code == 0, done.said
    told = done.told
    has_the_schema(told)
    errors = {row["model"]: row["metrics"]["left_out_rmse_capped"] for row in told["rows"]}
    assert errors["survival"] < 0.7 * errors["mean_life"]
    assert {"a cycle is 1 h: lives, errors and estimates are in cycles", "vibration in mm/s"} <= set(told["rows"][0]["notes"])
    lines = [line.split(",") for line in (tmp_path / "out" / "pumps_running.csv").read_text().splitlines()]
    assert lines[0][:4] == ["unit", "age", "left", "left_q0.05"]
    assert [line[0] for line in lines[1:]] == ["p7", "p8"]
    assert all(0 <= float(line[3]) <= float(line[6]) <= float(line[-1]) for line in lines[1:])


def test_one_pump_under_two_names_and_a_count_of_the_rows_are_refused(run: Any, tmp_path: Path) -> None:
    file = own(tmp_path)
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines, *(line.replace("p1,", "q1,") for line in lines if line.startswith("p1,"))]) + "\n")
    toml = tmp_path / "pumps.toml"
    toml.write_text(toml.read_text() + "q1 = 2027-01-01\n")
    done = run("life", "--data", file, "--map", toml, "--model", "ridge", "--seeds", "1")
    assert done.code == 2
    assert "says the same as training unit" in done.said
    counted = [lines[0] + ",number", *(f"{line},{n}" for n, line in enumerate(lines[1:]))]
    file.write_text("\n".join(counted) + "\n")
    done = run("life", "--data", file, "--map", "unit=pump", "--map", "time=at", "--model", "ridge", "--seeds", "1")
    assert done.code == 2
    assert "column 'number': it counts on from unit to unit: it names the unit" in done.said
