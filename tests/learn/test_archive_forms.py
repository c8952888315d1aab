"""The forms in which the UEA and UCR archives, and the gearbox and mill sets, come from their sources: small made files."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest

from loopwright.core.errors import InputError
from loopwright.learn.proof import classes as proof
from loopwright.learn.sets import cnc_mill_wear, gearbox, hydraulic, ucr
from loopwright.learn.tables import class_text
from tests.learn.test_class_sets import cycles, recordings, run_file

HEAD = """#comment
@classLabel   true  Standing "Playing badminton" -1
@equalLength false
@missing true
@problemName Small
@TimeStamps\tfalse
@univariate false
@dimensions 2

@DATA
"""


def test_the_header_of_a_ts_file_may_stand_in_any_order_and_labels_may_have_blanks() -> None:
    series, labels = class_text.ts(HEAD + "1,2,3:4,5,6:Standing\n?,8:9,?: Playing badminton \n\n# end\n1:2:-1\n")
    assert labels == ["Standing", "Playing badminton", "-1"]
    assert [one.shape for one in series] == [(2, 3), (2, 2), (2, 1)]
    np.testing.assert_array_equal(series[1], [[np.nan, 8], [9, np.nan]])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_as_on_any_system(end: str) -> None:
    _, labels = class_text.ts(end.join(["@classLabel true a b", "@data", "1,2:a", "3,4:b"]))
    assert labels == ["a", "b"]


def test_a_class_is_one_word_in_every_form() -> None:
    for cell in ("-1", " -1.0000000e+00", "-1.0", "'-1'"):
        assert class_text.word(cell) == "-1"
    assert [class_text.word(cell) for cell in ("2.5", "?", "NaN", "", "left hand", "1e400")] == [
        "2.5", "", "", "", "left hand", "1e400"]


def test_a_regression_problem_or_one_without_classes_is_told() -> None:
    with pytest.raises(InputError, match="numbers to predict"):
        class_text.ts("@targetLabel true\n@data\n1,2:0.5\n")
    _, labels = class_text.ts("@classLabel false\n@data\n1,2\n3,4\n")
    assert labels == ["", ""]


def test_arff_of_one_channel_and_of_several_is_read() -> None:
    one = "% about\n@relation x\n@attribute a numeric\n@attribute target {-1,1}\n@data\n1.5,?,-1\n2,3,1\n"
    series, labels = class_text.arff(one)
    assert labels == ["-1", "1"]
    np.testing.assert_array_equal(series[0], [[1.5, np.nan]])
    several = "@relation x\n@attribute r relational\n@end r\n@data\n'1,2,3\\n4,5,6',Running\n\"1,2,3\\n4,5,6\",'On foot'\n"
    series, labels = class_text.arff(several)
    assert labels == ["Running", "On foot"]
    np.testing.assert_array_equal(series[1], [[1, 2, 3], [4, 5, 6]])


@pytest.mark.parametrize(
    ("train", "test"),
    [("Beat_TRAIN.tsv", "Beat_TEST.tsv"), ("beat_train.TXT", "Beat_Test.txt"), ("Beat_TRAIN", "Beat_TEST"),
     ("Beat_TRAIN.txt", "Beat_TEST.tsv.gz"), ("Beat-TRAIN.txt.gz", "BEAT_TEST.txt")],
)
def test_the_two_parts_are_found_in_any_case_of_letters_and_any_form(train: str, test: str, tmp_path: Path) -> None:
    for name, text in ((train, "1 2 3\n-1 3 4\n"), (test, "1\t5\t6\n")):
        data = text.replace(" ", "\t").encode()
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    (one,) = ucr.read(tmp_path)
    assert one.name.lower() == "beat"
    assert one.labels == ("1", "-1", "1")
    assert one.apart is not None
    assert one.apart.tolist() == [False, False, True]
    assert [one.name for one in ucr.read(tmp_path / train)] == [one.name]


def test_of_a_problem_in_every_form_one_is_read_and_what_lies_beside_is_passed_over(tmp_path: Path) -> None:
    ts = "@classLabel true a b\n@data\n1,2:3,4:a\n5,6:7,8:b\n"
    for part in ("TRAIN", "TEST"):
        (tmp_path / f"Moves_{part}.ts").write_text(ts)
        (tmp_path / f"Moves_{part}.arff").write_text("@data\n'1,2\\n3,4',a\n'5,6\\n7,8',b\n")
        for dimension in (1, 2):
            (tmp_path / f"MovesDimension{dimension}_{part}.arff").write_text("@data\n1,2,a\n5,6,b\n")
    for name in ("Moves.txt", "README.md", "mitdb_100.dat", "train.csv", "test_FD001.txt"):
        (tmp_path / name).write_text("words")
    (tmp_path / "Other_TRAIN.txt").write_text("1 2 3\n2 3 4\n")
    first, second = ucr.read(tmp_path)
    assert (first.name, first.cases.values[0].shape, len(first.cases)) == ("Moves", (2, 2), 4)
    assert second.name == "Other"


def test_a_test_part_alone_is_no_problem(tmp_path: Path) -> None:
    (tmp_path / "Beat_TEST.txt").write_text("1 2 3\n")
    assert not ucr.recognises(tmp_path)


def test_parts_of_unlike_channels_are_refused_with_both_numbers(tmp_path: Path) -> None:
    (tmp_path / "Moves_TRAIN.ts").write_text("@data\n1,2:3,4:a\n")
    (tmp_path / "Moves_TEST.ts").write_text("@data\n1,2:a\n")
    with pytest.raises(InputError, match=r"1 channels, the training part has 2"):
        ucr.read(tmp_path)


def test_a_class_that_only_one_part_has_is_told_and_answered_without_nan(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = [" ".join(map(str, [k % 2, *(rng.standard_normal(20) + 3 * (k % 2))])) for k in range(12)]
    (tmp_path / "Beat_TRAIN.txt").write_text("\n".join(lines))
    (tmp_path / "Beat_TEST.txt").write_text("\n".join([*lines[:3], lines[3].replace("1 ", "7 ", 1)]).replace("3.", "3.1"))
    rows, _ = proof.rows(tmp_path, ["euclid", "majority", "spectra"], 1, None, lambda text: None)
    assert {row.metrics["cases"] for row in rows} == {4}
    assert all(np.isfinite(row.metrics["log_loss"] or np.nan) for row in rows)
    assert any("never answered there: 7" in note for row in rows for note in row.notes)
    assert any("do not say whose" in note for row in rows for note in row.notes)


def test_the_gearbox_archive_is_read_from_its_folders_and_a_recording_once(tmp_path: Path) -> None:
    for folder, letter in (("Healthy Data", "h"), ("BrokenTooth", "b")):
        (tmp_path / folder).mkdir()
        for load in (0, 10):
            rows = np.random.default_rng(load).standard_normal((2_050, 4))
            table = pa.table({name: rows[:, i] for i, name in enumerate(("A1", "a2", "a3", " a4"))})
            pacsv.write_csv(table, tmp_path / folder / f"{letter}30hz{load}.csv")
    recordings(tmp_path, (0,))
    every, apart = gearbox.read(tmp_path)
    assert sorted(set(every.whole)) == ["broken/load00", "broken/load10", "healthy/load00", "healthy/load10"]
    assert len(every.cases) == 2 * 2 + 2  # load 0 is there as Parquet too, of 4,100 samples, and is read from that
    assert apart.name == "gearbox/other_loads"
    assert not gearbox.recognises(tmp_path.parent)


def test_labels_of_the_mills_are_put_together_from_both_tables(tmp_path: Path) -> None:
    for number in (1, 2, 4):
        run_file(tmp_path, number, "")
    (tmp_path / "labels.csv").write_text("No,feedrate,clamp_pressure,tool_condition\n1,6,4.0,unworn\n2,6,4.0,worn\n")
    (tmp_path / "Train.csv").write_text(
        "No,material,feedrate,clamp_pressure,tool_condition,machining_finalized,passed_visual_inspection\n"
        "1,wax,6,4,unworn,yes,yes\n4,wax,6,2.5,worn,no,\n")
    every, apart = cnc_mill_wear.read(tmp_path)
    assert every.labels == ("unworn", "worn", "worn")
    assert apart.apart is not None
    assert apart.apart.tolist() == [False, False, True]


def test_hydraulic_sensors_of_a_hundred_hertz_and_plain_files_are_read(tmp_path: Path) -> None:
    cycles(tmp_path, 10)
    rows = np.arange(10 * 6_000, dtype=np.float64).reshape(10, 6_000)
    (tmp_path / "PS1.TXT").write_text("\n".join("\t".join(f"{v:.0f}" for v in row) for row in rows))
    (one, *_) = hydraulic.read(tmp_path)
    assert one.cases.channels == ("FS1", "TS1", "PS1")
    np.testing.assert_allclose(one.cases.values[0][2, :2], [4.5, 14.5])
