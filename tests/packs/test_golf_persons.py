"""Body measures from files: what is read, and what is refused with which words. Small files made here; real ones where there are."""

import gzip

import pytest

from loopwright.core.errors import InputError
from loopwright.core.pack import ImportOptions
from loopwright.packs.golf import PACK
from loopwright.packs.golf.persons import read_persons

ANSUR = "subjectid,stature,wristheight,handlength,palmlength,weightkg,Gender,WritingPreference"
OWN = "id,stature_mm,wrist_height_mm,hand_length_mm,handedness"


def read(tmp_path, text, name="persons.csv", encoding="utf-8"):
    path = tmp_path / name
    data = text.encode(encoding)
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return read_persons(path, ImportOptions())


def test_an_ansur_row_becomes_a_person_in_metres_and_kilograms(tmp_path):
    found = read(tmp_path, f"{ANSUR}\n10027,1776,853,193,113,815,Male,Right hand\n")
    person = found.persons[0]
    assert person.id == "ansur-10027"
    assert person.measures["stature"] == pytest.approx(1.776)
    assert person.measures["weight"] == pytest.approx(81.5)  # the column is kilograms times ten
    assert (person.handedness, person.group, person.source) == ("right", "male", "ANSUR II")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8", "utf-8-sig"])
def test_both_spellings_of_the_id_and_every_encoding_are_read_plain_and_compressed(tmp_path, encoding):
    text = f"{ANSUR.replace('subjectid', 'SubjectId')},Ort\n7,1700,820,190,110,700,Female,Left hand,Würzburg\n"
    for name in ("a.csv", "a.csv.gz"):
        assert read(tmp_path, text, name, encoding).persons[0].handedness == "left"


def test_who_writes_with_either_hand_is_taken_as_right_handed_and_the_report_says_so(tmp_path):
    found = read(tmp_path, f"{ANSUR}\n7,1700,820,190,110,700,Female,Either hand (No preference)\n")
    assert found.persons[0].handedness == "right"
    assert "either hand" in found.notes[0]


@pytest.mark.parametrize(("row", "reason"), [
    ("2,-1700,820,190,right", "stature not above 0"),
    ("2,1700,0,190,right", "wrist_height not above 0"),
    ("2,nan,820,190,right", "stature not a number"),
    ("2,,820,190,right", "stature missing"),
    ("2,tall,820,190,right", "stature not a number"),
    ("2,66.9,820,190,right", "stature looks like inches"),
    ("2,1.70,820,190,right", "stature looks like metres"),
    ("2,170,820,190,right", "stature looks like centimetres"),
    ("2,1700,820,7.5,right", "hand_length looks like inches"),
    ("2,2900,820,190,right", "stature out of human range"),
    ("2,1700,1100,190,right", "wrist_height does not fit stature"),
    ("2,1700,820,190,both", "handedness not known"),
    ("2,1700,820", "row cut off or too long"),
    ("a b,1700,820,190,right", "id not usable"),
])
def test_a_row_that_cannot_be_true_is_refused_by_reason_and_line(tmp_path, row, reason):
    found = read(tmp_path, f"{OWN}\n1,1700,820,190,left\n{row}\n")
    assert [p.id for p in found.persons] == ["1"]
    assert dict(found.refused) == {reason: 1}
    assert "line 3" in found.notes[-1]


def test_every_row_is_a_person_a_duplicate_or_refused(tmp_path):
    rows = ["1,1700,820,190,left", "1,1700,820,190,left", "1,1710,820,190,left", "2,1800,870,195,right"]
    found = read(tmp_path, "\n".join([OWN, *rows]) + "\n\n")
    assert (len(found.persons), found.duplicate, dict(found.refused)) == (2, 1, {"id twice": 1})
    assert found.rows == len(found.persons) + found.duplicate + sum(found.refused.values()) == 4
    assert found.persons[0].measures["stature"] == pytest.approx(1.7)  # the first of the two that disagree


def test_units_of_ones_own_file_stand_in_its_column_names(tmp_path):
    found = read(tmp_path, "id;stature_in;wrist_height_cm;hand_length_m;weight_lb\nanna;66,9;82,0;0,19;140\n")
    measures = found.persons[0].measures
    assert measures["stature"] == pytest.approx(1.699, abs=1e-3)
    assert measures["wrist_height"] == pytest.approx(0.82)
    assert measures["weight"] == pytest.approx(63.5, abs=0.01)  # 140 lb
    assert found.assumed == {"handedness": "right"}


@pytest.mark.parametrize(("text", "words"), [
    ("id,statur_mm,wrist_height_mm,hand_length_mm\n1,1,1,1\n", "stature_mm (is it 'statur_mm'?)"),
    ("id,stature,wrist_height_mm,hand_length_mm\n1,1,1,1\n", "names no unit"),
    ("subjectid,stature,wristheigth,handlength,WritingPreference\n1,1,1,1,R\n", "wristheight (is it 'wristheigth'?)"),
    ("a,b\n1,2\n", "columns are missing"),
    (f"{OWN}\n", "no row"),
    ("hello\nworld\n", "not a CSV"),
    ("", "is empty"),
    (f"{OWN}\n1,66.9,33,7.5,right\n2,70,34,7.6,right\n", "looks like inches"),
])
def test_a_file_that_cannot_be_used_says_what_is_wrong(tmp_path, text, words):
    with pytest.raises(InputError, match=r"persons\.csv") as caught:
        read(tmp_path, text)
    assert words in str(caught.value)
    assert caught.value.allowed or caught.value.todo


def test_a_cut_off_gz_a_folder_and_a_missing_file_are_named(tmp_path):
    whole = gzip.compress(f"{OWN}\n1,1700,820,190,left\n".encode())
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(whole[:-9])
    for path, word in ((cut, "cut-off"), (tmp_path, "folder"), (tmp_path / "no.csv", "not there")):
        with pytest.raises(InputError, match=word):
            read_persons(path, ImportOptions())


def test_every_person_of_ansur_is_read(shared_data):
    found = [read_persons(path, ImportOptions()) for path in sorted((shared_data / "ansur2").glob("*.csv.gz"))]
    persons = [p for one in found for p in one.persons]
    assert len(persons) > 4000
    assert not any(one.refused or one.duplicate for one in found)
    assert {p.group for p in persons} == {"male", "female"}
    assert 0.08 < sum(p.handedness == "left" for p in persons) / len(persons) < 0.14
    assert PACK.importers["persons"] is read_persons
