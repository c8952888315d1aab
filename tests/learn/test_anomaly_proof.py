"""The protocol of anomalies on small sets of each layout, and on the public ones where they stand beside the project."""

from __future__ import annotations

import gzip
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loopwright.core.errors import InputError
from loopwright.learn.detecting import watched
from loopwright.learn.detecting.recordings import Recording
from loopwright.learn.models.anomaly import fused, pca
from loopwright.learn.proof import anomaly as proof
from loopwright.learn.rows import document
from loopwright.learn.sets import femto, nab, skab, tennessee_eastman

SHARED = Path(__file__).parents[3] / "shared" / "data"
QUICK = ["chance", "flag_all", "robust_z", "pca"]
SENSORS = ["Accelerometer1RMS", "Accelerometer2RMS", "Current", "Pressure"]


def quiet(text: str) -> None:
    assert text


def nab_folder(folder: Path, rows: int = 1300) -> Path:
    """One file with an anomaly in its second half, one without labels."""
    random = np.random.default_rng(0)
    values = np.sin(np.arange(rows) / 8) + 0.1 * random.normal(size=rows)
    values[1000:1060] += 5.0
    times = np.datetime64("2014-01-01T00:00:00") + np.arange(rows) * np.timedelta64(5, "m")
    text = "timestamp,value\n" + "".join(f"{str(t).replace('T', ' ')},{v}\n" for t, v in zip(times, values, strict=True))
    (folder / "real").mkdir(parents=True)
    (folder / "labels").mkdir()
    (folder / "real" / "a.csv.gz").write_bytes(gzip.compress(text.encode()))
    (folder / "real" / "unlabelled.csv").write_text(text)
    window = [str(times[1000]).replace("T", " ") + ".000000", str(times[1059]).replace("T", " ") + ".000000"]
    (folder / "labels" / "combined_windows.json").write_text(json.dumps({"real/a.csv": [window]}))
    return folder


def skab_folder(folder: Path) -> Path:
    random = np.random.default_rng(1)
    values = random.normal(size=(700, 4))
    values[500:600] += 6.0
    labels = (np.arange(700) >= 500) & (np.arange(700) < 600)
    lines = [";".join(["datetime", *SENSORS, "anomaly", "changepoint"])]
    for n in range(700):
        cells = [f"2020-03-09 10:{n // 60:02d}:{n % 60:02d}", *(f"{v:.5f}" for v in values[n]), f"{labels[n]:.1f}", "0.0"]
        lines.append(";".join(cells))
    (folder / "valve").mkdir(parents=True)
    (folder / "valve" / "0.csv").write_text("\n".join(lines))
    (folder / "free.csv").write_text(";".join(["datetime", *SENSORS]) + "\n2020;1;2;3;4\n")
    return folder


def te_zip(folder: Path, normal: bool) -> Path:
    random = np.random.default_rng(2)
    fault = random.normal(size=(960, 52))
    fault[160:, :5] += 8.0
    text = "\n".join(" ".join(f"{v:.4f}" for v in row) for row in fault)
    folder.mkdir()
    with zipfile.ZipFile(folder / "te.zip", "w") as packed:
        packed.writestr("d16_te.dat", text)
        if normal:
            calm = random.normal(size=(500, 52))
            packed.writestr("d00.dat", "\n".join(" ".join(f"{v:.4f}" for v in row) for row in calm.T))
            packed.writestr("d00_te.dat", "\n".join(" ".join(f"{v:.4f}" for v in row) for row in random.normal(size=(960, 52))))
    return folder


def femto_folder(folder: Path) -> Path:
    random = np.random.default_rng(3)
    folder.mkdir()
    for name, snapshots in (("Bearing1_1", 120), ("Bearing1_2", 60)):
        number = np.repeat(np.arange(snapshots) + 1, 256)
        worn = np.where(number > 0.6 * snapshots, 1 + 20 * (number / snapshots - 0.6), 1.0)
        table = {"snapshot": number.astype(np.int16)}
        table |= {axis: (worn * random.normal(size=len(number))).astype(np.float32) for axis in ("horiz_g", "vert_g")}
        pq.write_table(pa.table(table), folder / f"{name}.parquet")
    (folder / "total_snapshots.json").write_text(json.dumps({"Bearing1_1": 120, "Bearing1_2": 60}))
    return folder


def test_a_nab_folder_is_read_with_its_windows_and_its_first_quarter_to_learn_from(tmp_path: Path) -> None:
    path = nab_folder(tmp_path / "nab")
    assert nab.recognises(path)
    told = nab.read(path)
    [recording] = told.recordings
    assert recording.name == "real/a"
    assert recording.fit.shape == (500, 1)
    assert recording.labels.sum() == 60
    assert np.argmax(recording.labels) == 500
    assert recording.step_s == 300.0
    assert told.notes == ("without windows and left out: unlabelled.csv",)


def test_the_folder_of_one_kind_finds_the_windows_beside_it(tmp_path: Path) -> None:
    path = nab_folder(tmp_path / "nab")
    assert len(nab.read(path / "real").recordings) == 1


def test_a_skab_folder_is_read_without_the_file_that_has_no_labels(tmp_path: Path) -> None:
    path = skab_folder(tmp_path / "skab")
    assert skab.recognises(path)
    [recording] = skab.read(path).recordings
    assert recording.channels == tuple(SENSORS)
    assert recording.fit.shape == (400, 4)
    assert recording.labels.sum() == 100


@pytest.mark.parametrize("normal", [True, False])
def test_a_fault_is_read_with_or_without_its_normal_run(tmp_path: Path, normal: bool) -> None:
    path = te_zip(tmp_path / "te", normal)
    assert tennessee_eastman.recognises(path)
    [recording] = tennessee_eastman.read(path).recordings
    assert recording.fit.shape[1] == 52
    assert recording.fit.shape[0] == (500 if normal else 120)
    assert recording.labels.sum() == 800


def test_layouts_do_not_take_each_other(tmp_path: Path) -> None:
    paths = [nab_folder(tmp_path / "n"), skab_folder(tmp_path / "s"), te_zip(tmp_path / "t", True),
             femto_folder(tmp_path / "f")]
    for n, layout in enumerate((nab, skab, tennessee_eastman, femto)):
        assert [layout.recognises(path) for path in paths] == [n == m for m in range(4)]


@pytest.mark.slow
def test_every_layout_gives_a_table_with_its_baselines_and_a_champion(tmp_path: Path) -> None:
    for path in (nab_folder(tmp_path / "n"), skab_folder(tmp_path / "s"), te_zip(tmp_path / "t", True),
                 femto_folder(tmp_path / "f")):
        rows, champion = proof.rows(path, QUICK, 2, tmp_path, quiet)
        told = document(rows, champion)
        assert {row["model"] for row in told["rows"]} == set(QUICK)
        [best] = champion.values()
        assert best.model in ("robust_z", "pca")
        assert json.loads(json.dumps(told, allow_nan=False)) == told


@pytest.mark.slow
def test_a_plain_anomaly_is_found_in_each_layout(tmp_path: Path) -> None:
    found = {}
    for path in (nab_folder(tmp_path / "n"), skab_folder(tmp_path / "s"), te_zip(tmp_path / "t", True)):
        rows, _ = proof.rows(path, ["chance", "pca"], 1, None, quiet)
        found |= {(row.set, row.model): row.metrics for row in rows}
    for name in ("nab", "skab", "tennessee_eastman"):
        ours, chance = found[name, "pca"], found[name, "chance"]
        assert ours["missed_alarm_rate"] < 0.1
        assert ours["false_alarm_rate"] < 0.1
        assert ours["vus_pr"] > chance["vus_pr"] + 0.05


def test_flagging_everything_misses_nothing_and_is_always_wrong_on_usual_rows(tmp_path: Path) -> None:
    rows, _ = proof.rows(skab_folder(tmp_path / "s"), ["chance", "flag_all"], 1, None, quiet)
    told = next(row for row in rows if row.model == "flag_all").metrics
    assert told["missed_alarm_rate"] == 0.0
    assert told["false_alarm_rate"] == 1.0


def test_labels_and_what_is_asked_change_no_threshold(tmp_path: Path) -> None:
    told = skab.read(skab_folder(tmp_path / "s"))
    one = told.recordings[0]
    other = Recording(one.name, one.channels, one.fit, one.calm, one.asked * 50.0, 1 - one.labels, 1.0)
    first = watched.scored(pca, told, 0)[0].threshold
    assert watched.scored(pca, replace(told, recordings=(other,)), 0)[0].threshold == first


def test_a_life_gives_its_lead_and_false_alarms_by_hand() -> None:
    labels = np.array([0] * 10 + [1] * 10)
    left = np.linspace(0.8, 0.0, 20)
    one = Recording("b", ("x",), np.zeros((5, 1)), np.zeros((0, 1)), np.zeros((20, 1)), labels, 10.0, left=left)
    scores = np.zeros(20)
    scores[3:7] = 9.0  # in alarm from the third row above: rows 5 and 6
    scores[12:] = 9.0  # and from row 14
    told = watched.lives([one], [watched.Told(np.zeros(5), scores, 0, 5.0)])
    assert told["false_alarms_per_1000"] == 100.0
    assert told["healthy_in_alarm"] == pytest.approx(0.2)
    assert told["lead_share"] == pytest.approx(left[14])
    assert told["lasting_share"] == pytest.approx(left[5])  # 8 of the 15 rows from the fifth on are in alarm


def test_an_alarm_lasts_from_where_more_than_half_of_the_rows_left_are_in_it() -> None:
    """By hand: of 10 rows from the first on 5 are in alarm, of the 7 from the fourth on 4."""
    alarms = np.array([1, 0, 0, 1, 0, 1, 0, 1, 0, 1], dtype=bool)
    left = np.linspace(0.9, 0.0, 10)
    assert watched._lasting(alarms, left) == pytest.approx(left[3])
    assert watched._lasting(np.zeros(4, dtype=bool), left[:4]) == 0.0


def test_a_table_of_ones_own_is_told_by_its_mapping(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    values = random.normal(size=400)
    values[300:320] += 9.0
    lines = [f"{n},{v},{int(300 <= n < 320)}" for n, v in enumerate(values)]
    (tmp_path / "own.csv").write_text("t,flow,bad\n" + "\n".join(lines))
    mapping = {"time": ("t",), "target": ("flow",), "label": ("bad",)}
    rows, champion = proof.rows(tmp_path / "own.csv", ["chance", "robust_z"], 1, None, quiet, mapping)
    told = next(row for row in rows if row.model == "robust_z").metrics
    assert told["vus_pr"] > 0.5
    assert champion["own"].model == "robust_z"
    with pytest.raises(InputError, match="label"):
        proof.read(tmp_path / "own.csv", {"target": ("flow",)})


@pytest.mark.slow
def test_a_detector_that_cannot_do_a_set_is_left_out_and_the_others_are_told(tmp_path: Path) -> None:
    pytest.importorskip("numba")
    random = np.random.default_rng(5)
    channels = [f"c{n}" for n in range(600)]
    table = np.column_stack((np.arange(80), random.normal(size=(80, 600)), np.arange(80) > 70))
    lines = [",".join(["t", *channels, "bad"]), *(",".join(f"{v:.3f}" for v in row[:-1]) + f",{int(row[-1])}"
                                                  for row in table)]
    (tmp_path / "wide.csv").write_text("\n".join(lines))
    said: list[str] = []
    mapping = {"time": ("t",), "label": ("bad",)}
    rows, champion = proof.rows(tmp_path / "wide.csv", ["chance", "robust_z", "fused"], 1, None, said.append, mapping)
    assert [row.model for row in rows] == ["chance", "robust_z"]
    assert champion["wide"].model == "robust_z"
    assert any("fused is left out" in line for line in said)


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "d01_te.dat").write_text("1 2 3\n4 5 6\n")
    with pytest.raises(InputError, match="52 numbers"):
        proof.read(tmp_path / "x")
    with pytest.raises(InputError, match="no layout"):
        proof.read(tmp_path)
    bad = nab_folder(tmp_path / "bad")
    (bad / "labels" / "combined_windows.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        nab.read(bad)


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "nab").is_dir(), reason="the public files of NAB do not stand beside the project")
def test_short_nab_files_of_the_published_table_are_beaten_without_a_setting_for_any() -> None:
    pytest.importorskip("numba")
    told = nab.read(SHARED / "nab")
    short = tuple(r for r in told.recordings if r.name in told.published and len(r.asked) < 5_000)
    assert len(short) >= 5
    said = watched.scored(fused, replace(told, recordings=short), 0)
    ours = np.mean([watched.vus_pr_of(one, scores)[0] for one, scores in zip(short, said, strict=True)])
    assert ours > np.mean([told.published[one.name]["Sub-PCA"] for one in short])
