"""Launch-monitor exports in the variants people meet. Rows are made here; names and units are those of public exports."""

import math
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from loopwright.core.errors import InputError, UnitError
from loopwright.core.pack import ImportOptions
from loopwright.core.types import BAD, DOUBTFUL, POINTS_IN
from loopwright.packs.golf.launch_file import club_type, plain, words
from loopwright.packs.golf.shots import parse_time, read_shots
from loopwright.packs.golf.signals import CLUB

ORDER = list(words()["columns"])
UNITS = {"speed": "km/h", "length": "m"}
BERLIN = ImportOptions(time_zone="Europe/Berlin")
SHOT = {
    "date": "10/09/2025 18:45:04", "player": "Player 1", "club_name": "", "club_type": "7 Iron", "club_speed": 120.0,
    "attack_angle": -3.0, "club_path": 2.0, "face_angle": 1.0, "face_to_path": -1.0, "ball_speed": 160.0, "smash": 1.333,
    "launch_angle": 18.0, "launch_direction": 1.2, "back_spin": 5900.0, "side_spin": -400.0, "spin": 5913.5,
    "spin_kind": "Measured", "spin_axis": -3.9, "apex": 22.0, "carry": 125.5, "carry_deviation_angle": 0.5,
    "carry_deviation": 1.1, "total": 133.0, "total_deviation_angle": 0.5, "total_deviation": 1.2, "note": "", "tag": "",
    "air_density": 1.195, "air_temperature": 21.1, "air_pressure": 101.0, "humidity": 68,
}
SIGNS = {
    **dict.fromkeys(("club_speed", "ball_speed"), "[km/h]"), **dict.fromkeys(("spin", "back_spin", "side_spin"), "[rpm]"),
    **dict.fromkeys(("apex", "carry", "carry_deviation", "total", "total_deviation"), "[m]"),
    **dict.fromkeys(("attack_angle", "club_path", "face_angle", "face_to_path", "launch_angle", "launch_direction", "spin_axis",
                     "carry_deviation_angle", "total_deviation_angle"), "[deg]"),
    "air_density": "[g/L]", "air_temperature": "[deg C]", "air_pressure": "[kPa]", "humidity": "[%]",
}


def export(tmp_path, *shots, language=0, separator=",", signs=SIGNS, brand=False, bom=True, name="session.csv"):
    """A file as the app writes it. language: place of the name in the table of words (0 English, 1 German, -1 the last)."""
    names = words()["columns"]
    order = [c for c in ORDER if brand or c != "brand"]
    if brand:
        order[order.index("note"):order.index("note")] = ["target_total", "target_carry"]
        order += ["t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8"]
    header = [names[c][min(language, len(names[c]) - 1)] if c in names else c for c in order]
    lines = [separator.join(header)]
    if signs:
        lines.append(separator.join(signs.get(c, "") for c in order))
    for shot in shots:
        cells = [str({**SHOT, **shot}.get(c, "")) for c in order]
        if separator == ";":
            cells = [c.replace(".", ",") if c.replace(".", "").replace("-", "").isdigit() else c for c in cells]
        lines.append(separator.join(cells))
    path = tmp_path / name
    path.write_bytes((b"\xef\xbb\xbf" if bom else b"") + ("\r\n".join(lines) + "\r\n").encode())
    return path


def values(found):
    assert found.table.schema == POINTS_IN
    return {(r["signal"], r["n"]): r for r in found.table.to_pylist()}


def test_a_shot_is_read_in_inside_units_at_its_local_time(tmp_path):
    found = read_shots(export(tmp_path, {}), BERLIN)
    got = values(found)
    assert got["ball.speed", 0]["value"] == pytest.approx(160 / 3.6)
    assert got["launch.angle", 0]["value"] == pytest.approx(math.radians(18))
    assert got["ball.spin", 0]["value"] == pytest.approx(5913.5 * math.pi / 30)
    assert got["air.pressure", 0]["value"] == pytest.approx(101_000)
    assert got["humidity", 0]["value"] == pytest.approx(0.68)
    assert CLUB.signal("club.type").codes[got["club.type", 0]["code"]] == "iron 7"
    when = datetime(2025, 9, 10, 18, 45, 4, tzinfo=ZoneInfo("Europe/Berlin"))
    assert got["carry", 0]["t_ns"] == int(when.timestamp()) * 10**9
    assert got["carry", 0]["thing"] == "Player 1"
    assert found.assumed["time_zone"] == "Europe/Berlin"


def test_german_with_semicolons_and_decimal_commas_is_the_same_session(tmp_path):
    english = read_shots(export(tmp_path, {"date": "10.09.2025 18:45:04"}), BERLIN)
    german = read_shots(export(
        tmp_path, {"date": "10.09.2025 18:45:04", "club_type": "Eisen 7", "spin_kind": "Gemessen"}, language=1, separator=";",
        name="de.csv"), BERLIN)
    assert german.table.equals(english.table)


def test_thai_with_a_brand_column_and_yards_is_read(tmp_path):
    signs = {k: {"[m]": "[หลา]", "[km/h]": "[mph]"}.get(v, v) for k, v in SIGNS.items()} | {"apex": "[ม.]"}
    shot = {"date": "28/08/26 17:10:49", "club_type": "เหล็ก 5", "spin_kind": "วัด", "ball_speed": 115.3, "carry": 177.0}
    found = read_shots(export(tmp_path, shot, language=-1, signs=signs, brand=True), ImportOptions(time_zone="Asia/Bangkok"))
    got = values(found)
    assert got["ball.speed", 0]["value"] == pytest.approx(115.3 * 0.44704)
    assert got["carry", 0]["value"] == pytest.approx(177 * 0.9144)
    assert got["apex", 0]["value"] == pytest.approx(22.0)
    assert CLUB.signal("club.type").codes[got["club.type", 0]["code"]] == "iron 5"
    assert CLUB.signal("spin.kind").codes[got["spin.kind", 0]["code"]] == "measured"


def test_an_unknown_language_is_read_by_position_when_the_units_row_proves_the_layout(tmp_path):
    path = export(tmp_path, {}, bom=False)
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[0] = ",".join(f"xx{i}" for i in range(31))
    path.write_text("\n".join(lines), encoding="utf-8")
    found = read_shots(path, BERLIN)
    assert values(found)["carry", 0]["value"] == pytest.approx(125.5)
    assert "by position" in found.notes[0]
    del lines[1]
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(InputError, match="columns are missing"):
        read_shots(path, BERLIN)


def test_spin_that_was_estimated_is_doubtful_and_marked(tmp_path):
    got = values(read_shots(export(tmp_path, {"spin_kind": "Estimated"}), BERLIN))
    assert {got[s, 0]["quality"] for s in ("ball.spin", "back.spin", "side.spin", "ball.spin.axis")} == {DOUBTFUL}
    assert got["spin.kind", 0]["code"] == 2
    assert got["carry.normalised", 0]["quality"] == DOUBTFUL
    assert got["ball.speed", 0]["quality"] == 0


def test_the_spin_that_was_estimated_does_not_touch_the_normalised_carry(tmp_path):
    carries = []
    for rpm in (2000.0, 9000.0):
        got = values(read_shots(export(tmp_path, {"spin_kind": "Estimated", "spin": rpm, "air_density": 1.0}), BERLIN))
        carries.append(got["carry.normalised", 0]["value"])
    assert carries[0] == carries[1] < 125.5  # thin air carried it further than standard air would


def test_a_missing_carry_is_a_gap_and_never_zero(tmp_path):
    for missing in ("", "0.0"):
        got = values(read_shots(export(tmp_path, {"carry": missing}), BERLIN))
        assert (got["carry", 0]["value"], got["carry", 0]["quality"]) == (None, BAD)
        assert ("carry.normalised", 0) not in got


def test_numbers_that_the_device_made_of_nothing_are_gaps(tmp_path):
    """A real export: club speed empty, and still a smash factor of -41.8 and a face to path of 0."""
    shot = {"club_speed": "", "club_path": "", "face_angle": "", "smash": -41.8, "face_to_path": 0.0}
    got = values(read_shots(export(tmp_path, shot), BERLIN))
    assert all(got[s, 0]["value"] is None for s in ("club.speed", "smash", "face.to.path", "club.path"))


def test_shots_of_one_second_are_told_apart_and_an_exact_repeat_is_not(tmp_path):
    found = read_shots(export(tmp_path, {}, {"carry": 99.0}, {}), BERLIN)
    carry = [(r["n"], r["value"]) for r in found.table.to_pylist() if r["signal"] == "carry"]
    assert carry == [(0, 125.5), (1, 99.0), (0, 125.5)]


def test_a_copy_of_a_shot_without_its_carry_adds_nothing(tmp_path):
    for shots in (({}, {"carry": ""}), ({"carry": ""}, {})):
        found = read_shots(export(tmp_path, *shots), BERLIN)
        carry = [(r["n"], r["value"]) for r in found.table.to_pylist() if r["signal"] == "carry"]
        assert carry == [(0, 125.5)]
        assert any("copies" in note for note in found.notes)


@pytest.mark.parametrize(("text", "day_first", "wanted"), [
    ("10/09/2025 18:45:04", True, (2025, 9, 10, 18, 45, 4)), ("4/19/26 6:58:02 PM", False, (2026, 4, 19, 18, 58, 2)),
    ("14.02.24 13:33:18", False, (2024, 2, 14, 13, 33, 18)), ("2025-09-10 08:05:04", False, (2025, 9, 10, 8, 5, 4)),
    ("28/08/2568 17:10:49", True, (2025, 8, 28, 17, 10, 49)), ("06/11/26 18:02:30 PM", True, (2026, 11, 6, 18, 2, 30)),
    ("12/31/25 12:00:00 AM", False, (2025, 12, 31, 0, 0, 0)),
])
def test_times_are_read_as_people_write_them(text, day_first, wanted):
    assert parse_time(text, day_first) == datetime(*wanted)


@pytest.mark.parametrize("text", ["", "yesterday", "31/31/2025 10:00:00", "10/09/1925 18:45:04", "10/09/2025"])
def test_what_is_no_time_is_none(text):
    assert parse_time(text, True) is None


def test_the_order_of_day_and_month_is_found_from_the_file_and_otherwise_assumed(tmp_path):
    def month(*dates, name="s.csv", **options):
        found = read_shots(export(tmp_path, *({"date": d} for d in dates), name=name), ImportOptions(**options))
        first = datetime.fromtimestamp(found.table["t_ns"][0].as_py() / 1e9, ZoneInfo("UTC"))
        return first.month, "day_first" in found.assumed

    assert month("05/09/26 10:00:00", "28/08/26 10:00:00") == (9, False)
    assert month("05/09/26 10:00:00", "08/28/26 10:00:00") == (5, False)
    assert month("05/09/26 10:00:00") == (9, True)
    assert month("05/09/26 10:00:00", day_first=False) == (5, False)
    assert month("05/09/26 10:00:00", name="DrivingRange-2026-05-09.csv") == (5, False)
    with pytest.raises(InputError, match="one order"):
        month("28/08/26 10:00:00", "08/28/26 10:00:00")


def test_without_a_units_row_the_flight_of_the_balls_tells_the_units(tmp_path):
    metric = [{"ball_speed": 160 + i, "carry": 122 + i, "date": f"28/08/2025 10:00:{i:02}"} for i in range(5)]
    yards = [{**s, "ball_speed": s["ball_speed"] / 1.609344, "carry": s["carry"] / 0.9144} for s in metric]
    for shots, words_ in ((metric, "km/h and m"), (yards, "mph and yd")):
        found = read_shots(export(tmp_path, *shots, signs=None), BERLIN)
        assert found.assumed["units"] == words_
        assert values(found)["carry", 0]["value"] == pytest.approx(122, rel=1e-3) or len(found.table) > 0
    with pytest.raises(InputError, match="units row"):
        read_shots(export(tmp_path, *metric[:2], signs=None), BERLIN)
    odd = [{**s, "ball_speed": 3.0} for s in metric]
    with pytest.raises(InputError, match="units"):
        read_shots(export(tmp_path, *odd, signs=None), BERLIN)


def test_rows_that_cannot_be_used_are_refused_by_reason(tmp_path):
    path = export(tmp_path, {}, {"date": "some day"}, {"ball_speed": "", "carry": ""})
    path.write_bytes(path.read_bytes() + b"cut,off\r\n")
    found = read_shots(path, BERLIN)
    assert dict(found.refused) == {
        "row cut off or too long": 1, "time not readable": 1, "no ball speed and no carry": 1}
    assert found.rows == 4


def test_wrong_files_and_units_are_named(tmp_path):
    averages = tmp_path / "trackman.csv"
    averages.write_text("tour,club,club_speed_mph,carry_yd\nPGA,Driver,115.0,282.0\n", encoding="utf-8")
    with pytest.raises(InputError, match="averages by club, not of shots"):
        read_shots(averages, BERLIN)
    with pytest.raises(UnitError, match=r"\[furlong\]"):
        read_shots(export(tmp_path, {}, signs={**SIGNS, "carry": "[furlong]"}), BERLIN)
    with pytest.raises(UnitError, match="deg"):
        read_shots(export(tmp_path, {}, signs={**SIGNS, "ball_speed": "[deg]"}), BERLIN)
    with pytest.raises(InputError, match="no shot"):
        read_shots(export(tmp_path), BERLIN)
    with pytest.raises(InputError, match="time zone"):
        read_shots(export(tmp_path, {}), ImportOptions(time_zone="Mars/Olympus"))
    with pytest.raises(InputError, match="no row can be used"):
        read_shots(export(tmp_path, {"date": "x"}), BERLIN)


def test_clubs_are_known_in_many_languages():
    told = {"9 Iron": "iron 9", "Eisen 7": "iron 7", "เหล็ก 5": "iron 5", "IJzer 8": "iron 8", "W1": "driver",
            "Holz 3": "wood 3", "ไม้ 3": "wood 3", "Hybrid 4": "hybrid 4", "Pitching Wedge": "pitching wedge",
            "Sand Wedge": "sand wedge", "Putter": "putter", "Driver": "driver", "I4": "iron 4", "???": "not known", "": "not known"}
    assert {name: club_type(name) for name in told} == told
    assert plain("Schl.gsch.") == "schlgsch"


def test_a_real_session_is_read_whole_and_every_value_can_be_true(shared_data):
    path = next((shared_data / "golf_launch_monitor").glob("garmin_r10_*.csv"))
    found = read_shots(path, BERLIN)
    rows = found.table.to_pylist()
    assert found.rows == 30
    assert not found.refused
    assert "day_first" not in found.assumed  # the file's name says the day
    shots = {(r["t_ns"], r["n"]) for r in rows}
    assert len(shots) == 30
    for row in rows:
        signal = CLUB.signal(row["signal"])
        if row["value"] is not None:
            assert signal.low <= row["value"] <= signal.high, row
    estimated = sum(r["signal"] == "spin.kind" and r["code"] == 2 for r in rows)
    assert estimated == sum(r["signal"] == "ball.spin" and r["quality"] == DOUBTFUL for r in rows) == 14
