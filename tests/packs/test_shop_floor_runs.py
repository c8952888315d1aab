"""Reading a folder of recorded runs, also when it is not as it should be."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest

from loopwright.core import kinds
from loopwright.core.errors import InputError
from loopwright.core.pack import ImportOptions
from loopwright.packs.shop_floor import PACK
from loopwright.packs.shop_floor.runs import labelled, place, points, read_labels, read_runs
from loopwright.packs.shop_floor.signals import MILL
from tests.packs.cnc_folder import STEPS, write_labels, write_run

ORIGIN_NS = 1_767_600_000 * 10**9


def test_runs_come_in_the_order_of_their_numbers_with_their_labels(tmp_path: Path) -> None:
    write_run(tmp_path / "experiment_10.csv.gz")
    write_run(tmp_path / "experiment_02.csv")
    write_labels(tmp_path / "labels.csv", ["2,6,4.0,unworn,yes,yes", "10,20,2.5,worn,no,"])
    runs = read_runs(tmp_path)
    assert [run.number for run in runs] == [2, 10]
    first, second = runs[0].label, runs[1].label
    assert first is not None
    assert second is not None
    assert (first.tool, first.feed_m_s, first.clamp_pa) == ("unworn", pytest.approx(0.006), pytest.approx(4e5))
    assert (second.tool, second.finalized, second.passed) == ("worn", False, None)


def test_the_kaggle_spelling_of_the_labels_is_read_too(tmp_path: Path) -> None:
    header = "No,material,feedrate,clamp_pressure,tool_condition,machining_finalized,passed_visual_inspection"
    write_labels(tmp_path / "train.csv", ["1,wax,6,4,unworn,yes,yes"], header)
    assert read_labels(tmp_path)[1].tool == "unworn"


def test_a_run_without_a_label_is_read_and_says_so(tmp_path: Path) -> None:
    write_run(tmp_path / "experiment_01.csv")
    (run,) = read_runs(tmp_path)
    assert run.label is None
    assert "no label" in run.notes[0]
    assert labelled(place([run], ["mill-1"], ORIGIN_NS)) == ()


def test_units_are_converted_once(tmp_path: Path) -> None:
    """6 mm/s is 0.006 m/s, 20 % of the rated current is 0.2, 53.3 turns a second are 334.9 rad/s."""
    write_run(tmp_path / "experiment_01.csv")
    (run,) = read_runs(tmp_path)
    assert np.median(run.columns["program.feed"][20:80]) == pytest.approx(0.006)
    assert np.median(run.columns["s.current_feedback"]) == pytest.approx(0.2, abs=0.01)
    assert np.median(run.columns["s.velocity"]) == pytest.approx(334.9, abs=0.05)


def test_a_missing_column_is_named_and_an_extra_one_is_left_out_with_a_note(tmp_path: Path) -> None:
    path = write_run(tmp_path / "experiment_01.csv")
    text = path.read_text()
    path.write_text(text.replace("S1_OutputPower", "Spindle_Power"))
    with pytest.raises(InputError, match=r"experiment_01\.csv: lacks the columns S1_OutputPower"):
        read_runs(tmp_path)
    lines = text.splitlines()
    path.write_text("\n".join([f"{lines[0]},Coolant", *(f"{line},1" for line in lines[1:])]) + "\n")
    assert "Coolant" in read_runs(tmp_path)[0].notes[0]


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda raw: raw[: len(raw) // 2], "cut off"),
        (lambda raw: b"", "empty"),
        (lambda raw: b"\x1f\x8bnonsense", "broken"),
    ],
)
def test_a_damaged_file_is_refused_with_a_word(tmp_path: Path, damage, word: str) -> None:  # type: ignore[no-untyped-def]
    path = write_run(tmp_path / "experiment_01.csv.gz")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=word):
        read_runs(tmp_path)


def test_a_last_line_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = write_run(tmp_path / "experiment_01.csv")
    path.write_text(path.read_text()[:-40])
    with pytest.raises(InputError, match="cut-off last line"):
        read_runs(tmp_path)


def test_text_in_a_column_of_numbers_names_the_column(tmp_path: Path) -> None:
    path = write_run(tmp_path / "experiment_01.csv")
    lines = path.read_text().splitlines()
    lines[3] = "abc" + lines[3][lines[3].index(","):]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match="X1_ActualPosition"):
        read_runs(tmp_path)


def test_a_file_instead_of_a_folder_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        read_runs(write_run(tmp_path / "experiment_01.csv"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no runs"):
        read_runs(tmp_path / "empty")


def test_the_same_run_twice_is_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "experiment_01.csv")
    write_run(tmp_path / "experiment_1.csv.gz")
    with pytest.raises(InputError, match="run 1 is already there"):
        read_runs(tmp_path)


@pytest.mark.parametrize(
    ("row", "word"),
    [("1,6,4.0,broken,yes,yes", "worn, unworn"), ("1.5,6,4.0,worn,yes,yes", "whole number"), ("1,fast,4.0,worn,yes,yes", "feedrate")],
)
def test_a_label_that_cannot_be_read_names_its_line(tmp_path: Path, row: str, word: str) -> None:
    path = write_labels(tmp_path / "labels.csv", [row])
    with pytest.raises(InputError, match=rf"labels\.csv:2.*{word}"):
        read_labels(path.parent)


def test_a_step_of_unknown_name_is_kept_as_unknown(tmp_path: Path) -> None:
    write_run(tmp_path / "experiment_01.csv", steps=("Prep", "Deburr", "END"))
    (run,) = read_runs(tmp_path)
    words = {MILL.signal("machining.process").codes[int(code)] for code in run.columns["machining.process"]}
    assert words == {"Prep", "Unknown", "End"}
    assert "deburr" in " ".join(run.notes)


def test_rows_that_contradict_the_labels_are_noted(tmp_path: Path) -> None:
    write_run(tmp_path / "experiment_01.csv", label="worn")
    write_labels(tmp_path / "labels.csv", ["1,6,4.0,unworn,yes,yes"])
    assert "the labels say unworn" in read_runs(tmp_path)[0].notes[0]


def test_runs_are_dealt_to_machines_in_turn_and_do_not_overlap(tmp_path: Path) -> None:
    for number in range(1, 6):
        write_run(tmp_path / f"experiment_{number:02d}.csv")
    placed = place(read_runs(tmp_path), ["mill-1", "mill-2"], ORIGIN_NS, spacing_s=5.0)
    assert [one.thing for one in placed] == ["mill-1", "mill-2", "mill-1", "mill-2", "mill-1"]
    mine = [one for one in placed if one.thing == "mill-1"]
    assert mine[0].start_ns == ORIGIN_NS
    assert all(b.start_ns > a.end_ns for a, b in itertools.pairwise(mine))
    assert [one.parts_before for one in mine] == [0, 1, 2]


def test_points_are_ten_a_second_in_order_and_hold_the_parts_made(tmp_path: Path) -> None:
    write_run(tmp_path / "experiment_03.csv", rows=90)
    (one,) = place(read_runs(tmp_path), ["mill-1"], ORIGIN_NS)
    table = points(one)
    t_ns = table.column("t_ns").to_numpy()
    assert (np.diff(t_ns) >= 0).all()
    power = table.filter(pc.field("signal") == "s.output_power")
    assert power.num_rows == 90
    assert set(np.diff(power.column("t_ns").to_numpy()).tolist()) == {100_000_000}
    parts = table.filter(pc.field("signal") == "part.count").column("code").to_pylist()
    assert parts == [0, 1]
    assert table.filter(pc.field("signal") == "run.number").column("code").unique().to_pylist() == [3]


def test_a_run_that_never_came_to_its_last_layer_makes_no_part(tmp_path: Path) -> None:
    write_run(tmp_path / "experiment_01.csv", steps=STEPS[:4])
    (one,) = place(read_runs(tmp_path), ["mill-1"], ORIGIN_NS)
    assert points(one).filter(pc.field("signal") == "part.count").column("code").to_pylist() == [0, 0]


def test_an_empty_cell_is_a_gap_and_not_a_zero(tmp_path: Path) -> None:
    path = write_run(tmp_path / "experiment_01.csv")
    lines = path.read_text().splitlines()
    lines[5] = lines[5][lines[5].index(","):]  # the first cell, X1_ActualPosition
    path.write_text("\n".join(lines) + "\n")
    (one,) = place(read_runs(tmp_path), ["mill-1"], ORIGIN_NS)
    x = points(one).filter(pc.field("signal") == "x.position").column("value")
    assert x.null_count == 1
    assert x[4].as_py() is None


def test_labels_become_events_and_never_points(tmp_path: Path) -> None:
    write_run(tmp_path / "experiment_01.csv", label="worn")
    write_labels(tmp_path / "labels.csv", ["1,6,4.0,worn,yes,no"])
    (one,) = place(read_runs(tmp_path), ["mill-1"], ORIGIN_NS)
    (event,) = labelled([one])
    kinds.check(event)
    assert (event.about, event.body["label"], event.t_ns) == ("mill-1/run-1", "worn", one.end_ns)
    assert not [name for name in points(one).column("signal").unique().to_pylist() if "condition" in name]


def test_the_importer_of_the_pack_counts_rows_and_says_what_it_assumed(tmp_path: Path) -> None:
    write_run(tmp_path / "experiment_01.csv", rows=60)
    write_run(tmp_path / "experiment_02.csv", rows=70)
    write_labels(tmp_path / "labels.csv", ["1,6,4.0,worn,yes,no", "2,6,4.0,unworn,yes,yes"])
    imported = PACK.importers["runs"](tmp_path, ImportOptions(origin_ns=ORIGIN_NS))
    assert imported.rows == 130
    assert imported.table is not None
    assert len(imported.events) == 2
    assert imported.assumed["origin_ns"] == ORIGIN_NS
    again = PACK.importers["runs"](tmp_path, ImportOptions(origin_ns=ORIGIN_NS))
    assert again.hash == imported.hash
    assert again.table == imported.table
