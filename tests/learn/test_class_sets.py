"""Readers of the layouts with classes, on small files of their form; and on the shared data where that is there."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loopwright.core import plug
from loopwright.core.errors import InputError
from loopwright.learn.models.classes import run_measures
from loopwright.learn.sets import cnc_mill_wear, gearbox, hydraulic, ucr
from loopwright.learn.tables import class_text

SHARED = Path(__file__).parents[3] / "shared" / "data"
TS = "#about\n@problemName Small\n@classLabel true a b\n@data\n1,2,3:4,5,6:a\n7,?,9:0,1:b\n"


def shared(name: str) -> Path:
    if not (SHARED / name).is_dir():
        pytest.skip(f"the data {name} are not here")
    return SHARED / name


def recordings(folder: Path, loads: tuple[int, ...], rows: int = 4_100) -> None:
    rng = np.random.default_rng(0)
    for load in loads:
        for state in ("healthy", "broken"):
            table = pa.table({f"a{i}": rng.standard_normal(rows).astype(np.float32) for i in range(1, 5)})
            pq.write_table(table, folder / f"{state}_30hz_load{load:02d}.parquet")


def cycles(folder: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    for name, points in (("FS1", 600), ("TS1", 60)):
        rows = "\n".join("\t".join(f"{v:.2f}" for v in row) for row in rng.standard_normal((count, points)))
        (folder / f"{name}.txt.gz").write_bytes(gzip.compress(rows.encode()))
    levels = [f"{(3, 20, 100)[i % 3]}\t{(73, 100)[i // 5 % 2]}\t{i % 2}\t{(90, 130)[i // 7 % 2]}\t0" for i in range(count)]
    (folder / "profile.txt").write_text("\n".join(levels))


def run_file(folder: Path, number: int, tool: str, rows: int = 60) -> None:
    rng = np.random.default_rng(number)
    names = sorted({*cnc_mill_wear.CHANNELS, *cnc_mill_wear._ROLES})
    columns = {name: rng.standard_normal(rows) for name in names}
    columns["S1_ActualVelocity"], columns["M1_CURRENT_FEEDRATE"] = np.full(rows, 53.3), np.full(rows, 6.0)
    columns["Machining_Process"] = ["Prep"] * 10 + ["Layer 1 Up"] * (rows - 10)
    if tool:
        columns["tool_condition"] = [tool] * rows
    pa.csv.write_csv(pa.table(columns), folder / f"experiment_{number:02d}.csv")


def test_ts_text_gives_channels_unknown_values_and_classes() -> None:
    values, labels = class_text.ts(TS)
    assert labels == ["a", "b"]
    np.testing.assert_array_equal(values[0], [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(values[1], [[7, np.nan, 9], [0, 1, np.nan]])


@pytest.mark.parametrize(
    ("text", "words"),
    [("1,2:a", "@data"), ("@timeStamps true\n@data\n(0,1):a", "time stamps"), ("@data\n", "no case"),
     ("@data\n1,x:a", "numbers"), ("@data\n1:2:a\n1:a", "as many"), ("@data\na", "no series")],
)
def test_ts_text_that_is_none_is_refused_with_words(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        class_text.ts(text)


def test_ts_files_stand_as_training_and_published_test_part(tmp_path: Path) -> None:
    (tmp_path / "Small_TRAIN.ts").write_text(TS)
    (tmp_path / "Small_TEST.ts.gz").write_bytes(gzip.compress(TS.encode()))
    assert ucr.recognises(tmp_path)
    (one,) = ucr.read(tmp_path)
    assert (one.name, one.cases.ids) == ("Small", ("train/0", "train/1", "test/0", "test/1"))
    assert one.apart is not None
    assert one.apart.tolist() == [False, False, True, True]


def test_ucr_text_reads_blanks_tabs_and_commas_with_the_class_first(tmp_path: Path) -> None:
    (tmp_path / "Beat_TRAIN.txt").write_text("  -1.0e+00  1.5 2.5\n 1.0 3 4\n")
    (tmp_path / "Beat_TEST.tsv").write_text("1\t5\tNaN\n")
    (tmp_path / "Other_TRAIN.txt.gz").write_bytes(gzip.compress(b"2,1,2\n3,4,5\n"))
    first, second = ucr.read(tmp_path)
    assert (first.name, first.labels) == ("Beat", ("-1", "1", "1"))
    assert first.apart is not None
    assert first.apart.tolist() == [False, False, True]
    assert [one.shape for one in first.cases.values] == [(1, 2), (1, 2), (1, 1)]
    assert (second.name, second.labels, second.apart) == ("Other", ("2", "3"), None)


def test_a_cut_off_line_is_told_with_its_number(tmp_path: Path) -> None:
    (tmp_path / "Beat_TRAIN.txt").write_text("1 2 3\n1 2\n")
    with pytest.raises(InputError, match="line 2"):
        ucr.read(tmp_path)


def test_gearbox_windows_stay_with_their_recording_and_load(tmp_path: Path) -> None:
    recordings(tmp_path, (0, 20))
    (one,) = gearbox.read(tmp_path)
    assert Counter(one.groups) == {"load00": 4, "load20": 4}
    assert Counter(one.labels) == {"healthy": 4, "broken": 4}
    assert {v.shape for v in one.cases.values} == {(4, gearbox.WINDOW)}
    assert len(set(one.whole)) == 4


def test_other_loads_of_the_gearbox_are_set_apart_as_well(tmp_path: Path) -> None:
    recordings(tmp_path, (0, 10, 20))
    every, apart = gearbox.read(tmp_path)
    assert (every.name, apart.name) == ("gearbox", "gearbox/other_loads")
    assert apart.apart is not None
    assert {g for g, a in zip(apart.groups, apart.apart, strict=True) if a} == {"load10"}


def test_gearbox_csv_of_the_archive_is_read(tmp_path: Path) -> None:
    rows = "\n".join(",".join(str(i % 7) for _ in range(4)) for i in range(2_000))
    (tmp_path / "b30hz10.csv").write_text("a1,a2,a3,a4\n" + rows)
    (tmp_path / "h30hz10.csv").write_text("a1,a2,a3,a4\n" + rows)
    (one,) = gearbox.read(tmp_path)
    assert one.labels == ("broken", "healthy")


def test_hydraulic_cycles_have_four_answers_and_blocks(tmp_path: Path) -> None:
    cycles(tmp_path, 100)
    sets = hydraulic.read(tmp_path)
    assert [one.name for one in sets] == [f"hydraulic/{name}" for name in hydraulic.TARGETS]
    assert len({id(one.cases) for one in sets}) == 1
    assert sets[0].cases.values[0].shape == (2, 600)
    assert Counter(sets[0].groups) == {"block00": 49, "block01": 49, "block02": 2}
    np.testing.assert_array_equal(sets[0].cases.values[0][1, :10], np.repeat(sets[0].cases.values[0][1, 0], 10))


def test_all_cycles_of_the_archive_give_every_fifth_block_as_a_test_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hydraulic, "WHOLE", 245)
    cycles(tmp_path, 245)
    sets = hydraulic.read(tmp_path)
    fifth = next(one for one in sets if one.name == "hydraulic/pump/fifth_blocks")
    assert fifth.apart is not None
    assert np.flatnonzero(fifth.apart).tolist() == list(range(196, 245))
    assert len({one.cases.ids for one in sets}) == 1


def test_a_sensor_with_another_number_of_cycles_is_refused(tmp_path: Path) -> None:
    cycles(tmp_path, 20)
    (tmp_path / "TS1.txt.gz").write_bytes(gzip.compress(b"1\t2\n"))
    with pytest.raises(InputError, match=r"profile\.txt has 20"):
        hydraulic.read(tmp_path)


def test_a_mill_run_is_its_cutting_alone_with_the_label_of_the_table_or_of_its_rows(tmp_path: Path) -> None:
    for number, tool in ((1, "unworn"), (2, "worn"), (4, "")):
        run_file(tmp_path, number, tool)
    (tmp_path / "labels.csv").write_text("No,feedrate,clamp_pressure,tool_condition\n1,6,4.0,unworn\n")
    every, apart = cnc_mill_wear.read(tmp_path)
    assert every.labels == ("unworn", "worn", "")
    assert {one.shape for one in every.cases.values} == {(len(cnc_mill_wear.CHANNELS), 50)}
    assert every.cases.measures is not None
    assert every.cases.measures.columns(["clamp_pa"])[:, 0].tolist()[0] == pytest.approx(4e5)
    assert apart.apart is not None
    assert apart.apart.tolist() == [False, False, True]


def test_a_mill_run_that_hardly_cuts_is_kept_without_measures_and_told(tmp_path: Path) -> None:
    for number, rows in ((1, 60), (2, 60), (3, 12)):
        run_file(tmp_path, number, "worn" if number == 2 else "unworn", rows)
    (one,) = cnc_mill_wear.read(tmp_path)
    assert one.cases.values[2].shape == (len(cnc_mill_wear.CHANNELS), 12)
    assert one.cases.measures is not None
    assert np.isnan(one.cases.measures.values[2, 0])
    assert any("run03" in note for note in one.notes)
    state = run_measures.fit(one.cases, one.labels, one.groups)
    assert np.isfinite(run_measures.predict(state, one.cases)).all()


@pytest.mark.parametrize("layout", ["ucr", "gearbox", "hydraulic", "cnc_mill_wear"])
def test_an_empty_folder_is_of_no_layout_and_says_what_is_needed(layout: str, tmp_path: Path) -> None:
    module = plug.load("learn.sets", layout)
    assert module.TASKS == ("class",)
    assert not module.recognises(tmp_path)
    with pytest.raises(InputError):
        module.read(tmp_path)


def test_the_shared_sets_have_the_cases_their_pages_tell_of() -> None:
    (motions,) = ucr.read(shared("imu_basicmotions"))
    assert (len(motions.cases), motions.cases.values[0].shape) == (80, (6, 100))
    assert motions.apart is not None
    assert motions.apart.sum() == 40
    beats = {one.name: one for one in ucr.read(shared("health_ecg"))}
    assert beats["ECG200"].cases.values[0].shape == (1, 96)
    assert beats["ECG5000"].cases.values[0].shape == (1, 140)
    (gears,) = gearbox.read(shared("gearbox"))
    assert (len(set(gears.groups)), len(set(gears.whole))) == (5, 10)
    runs = cnc_mill_wear.read(shared("cnc_mill_wear"))[0]
    assert Counter(runs.labels) == {"worn": 7, "unworn": 6}


@pytest.mark.slow
def test_the_shared_hydraulic_cycles_are_in_36_blocks() -> None:
    sets = hydraulic.read(shared("hydraulic"))
    assert len(sets[0].cases) == 1764
    assert len(set(sets[0].groups)) == 36
    assert {one.name: len(set(one.labels)) for one in sets} == {
        "hydraulic/cooler": 3, "hydraulic/valve": 4, "hydraulic/pump": 3, "hydraulic/accumulator": 4,
    }
