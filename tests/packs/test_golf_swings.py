"""Recorded swings: features and flight as signals, both views of a swing at one time, gaps where a ratio has no value."""

import math

import pytest

from loopwright.core.errors import InputError
from loopwright.core.pack import ImportOptions
from loopwright.core.types import BAD
from loopwright.packs.golf.signals import FEATURES, SWING, feature_name
from loopwright.packs.golf.swings import read_swings

FLIGHT = "View,ClubType,Distance,Carry,LrDistanceOut,DirectionAngle,SpinBack,SpinSide,SpinAxis,BallSpeed,GolferId"
HEAD = FLIGHT + ",5-HIP-LINE,5-LEFT-ARM-ANGLE,4-HIP-SHIFTED,1-SHOULDER-LOC"
OPTIONS = ImportOptions(origin_ns=1_000_000_000, spacing_s=30.0)


def read(tmp_path, *rows, head=HEAD):
    path = tmp_path / "swings.csv"
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return read_swings(path, OPTIONS)


FACE = "FACEON,I7,137.7,119.0,-8.3,3.0,4000,-500,-7.125,45.1,1,,160.0,0.5,33.5"
BEHIND = "DTL,I7,137.7,119.0,-8.3,3.0,4000,-500,-7.125,45.1,1,0.25,,,"


def test_a_swing_becomes_signals_in_inside_units(tmp_path):
    rows = {r["signal"]: r for r in read(tmp_path, FACE).table.to_pylist()}
    assert rows["carry"]["thing"] == "golfer-1"
    assert rows["impact.left.arm.angle"]["value"] == pytest.approx(math.radians(160))
    assert rows["toe.up.shoulder.loc"]["value"] == pytest.approx(0.335)  # per cent in the file
    assert rows["launch.direction"]["value"] == pytest.approx(math.radians(3))
    assert rows["carry.deviation.angle"]["value"] == pytest.approx(math.asin(-8.3 / 119))
    assert rows["ball.spin"]["value"] == pytest.approx(math.hypot(4000, 500) * math.pi / 30)
    assert "impact.hip.line" not in rows  # the camera behind sees it, this one does not
    assert SWING.signal("club.type").codes[rows["club.type"]["code"]] == "iron 7"


def test_both_views_of_a_swing_share_a_time_and_the_next_swing_comes_later(tmp_path):
    found = read(tmp_path, FACE, BEHIND, FACE.replace("119.0", "121.0"), FACE)
    keys = [(r["t_ns"], r["n"]) for r in found.table.to_pylist() if r["signal"] == "carry"]
    later = OPTIONS.origin_ns + 30 * 10**9
    assert keys == [(OPTIONS.origin_ns, 0), (OPTIONS.origin_ns, 1), (later, 0), (OPTIONS.origin_ns, 0)]
    assert found.assumed["origin_ns"] == OPTIONS.origin_ns
    assert "2 swings" in found.notes[0]


def test_infinite_ratios_and_spreadsheet_errors_are_gaps(tmp_path):
    for cell in ("inf", "#NAME?", "nan"):
        rows = {r["signal"]: r for r in read(tmp_path, FACE.replace(",0.5,", f",{cell},")).table.to_pylist()}
        assert (rows["mid.downswing.hip.shifted"]["value"], rows["mid.downswing.hip.shifted"]["quality"]) == (None, BAD)


def test_rows_that_cannot_be_used_are_refused(tmp_path):
    bad = [FACE.replace("FACEON", "ABOVE"), FACE.replace(",1,,", ",x,,"), FACE.replace("119.0", "-1"), "FACEON,I7"]
    found = read(tmp_path, FACE, *bad)
    assert dict(found.refused) == {
        "view not known": 1, "golfer not known": 1, "carry not above 0": 1, "row cut off or too long": 1}


def test_another_table_is_refused_with_the_columns_it_lacks(tmp_path):
    with pytest.raises(InputError, match=r"GolferId \(is it 'Golfer'\?\)"):
        read(tmp_path, FACE, head=HEAD.replace("GolferId", "Golfer"))
    with pytest.raises(InputError, match="no row can be used"):
        read(tmp_path, FACE.replace("FACEON", "ABOVE"))


def test_every_real_row_is_read_and_every_value_can_be_true(shared_data):
    found = read_swings(shared_data / "golf_caddieset" / "caddieset_dev.csv.gz", OPTIONS)
    assert (found.rows, dict(found.refused)) == (1512, {})
    assert set(found.table["thing"].unique().to_pylist()) == {f"golfer-{n}" for n in range(1, 6)}
    assert all(feature_name(column) for column in FEATURES)
    for row in found.table.to_pylist():
        signal = SWING.signal(row["signal"])
        if row["value"] is not None and row["signal"] != "view":
            assert signal.low <= row["value"] <= signal.high, row
