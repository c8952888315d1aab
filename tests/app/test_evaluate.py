"""`loopwright evaluate`: tables with their baseline, plain words for what cannot be scored, never NaN."""

from __future__ import annotations

import itertools
import os
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from loopwright.app import evaluate_words, evaluating
from loopwright.core import plug
from loopwright.core.errors import InputError, UnknownName
from loopwright.learn.rows import Champion, Cost, Row, document
from tests.app import own_tables
from tests.app.commands import Done, runner
from tests.app.evaluation_schema import has_the_schema, strict
from tests.app.own_tables import MAPS, SPOILED, good, ten_thousand_channels, written


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """The command, in this process."""
    return runner(capsys, "evaluate")


def mapped(task: str, every_column: bool = False) -> list[str]:
    """Options; every_column: without `target`, so that every column of numbers counts."""
    pairs = [pair for pair in MAPS[task] if not (every_column and pair.startswith("target="))]
    return [word for pair in pairs for word in ("--map", pair)]


def sound(done: Done) -> dict[str, Any]:
    """The document of a table that is whole: rows with numbers, each with its baseline, a champion that is ours."""
    told: dict[str, Any] = done.told
    has_the_schema(told)
    return told


# (task, how it was spoiled) -> what the message must say; anything else gets a table
REFUSED = {
    ("any", "all_missing"): "no cell holds a number", ("forecast", "one_point"): "1 different times",
    ("anomaly", "one_point"): "no unit has 40 rows", ("life", "one_point"): "at least 4", ("life", "one_unit"): "at least 4",
    ("class", "constant"): "copies of each other", ("class", "one_unit"): "1 classes",
}
TOLD_OF = {"infinite": "numbers are infinite", "huge": "numbers are infinite", "turned": "times go back", "repeated": "the later row counts"}
QUICK = {"forecast": "smoothing", "anomaly": "robust_z", "life": "survival", "class": "spectra"}  # beside the baselines


@pytest.mark.slow
@pytest.mark.parametrize("task", MAPS)
def test_a_table_of_ones_own_is_scored_beside_its_baseline(run: Any, tmp_path: Path, task: str) -> None:
    file = written(tmp_path, good(task))
    done = run(task, "--data", file, *mapped(task), "--model", QUICK[task], "--seeds", "2", "--out", tmp_path / "out", "--json")
    assert done.code == 0, done.said
    told = sound(done)
    assert told["champion"]
    assert strict((tmp_path / "out" / "rows.json").read_text()) == told
    assert {row["task"] for row in told["rows"]} == {task}
    assert any(value is not None for row in told["rows"] for value in row["metrics"].values())


@pytest.mark.slow
@pytest.mark.parametrize("spoiled", [*SPOILED, "ten_thousand_channels"])
@pytest.mark.parametrize("task", MAPS)
def test_bad_input_gets_a_sound_table_or_an_error_in_words(run: Any, tmp_path: Path, task: str, spoiled: str) -> None:
    if spoiled == "ten_thousand_channels":
        file = ten_thousand_channels(tmp_path, task)
    else:
        file = written(tmp_path, SPOILED[spoiled](good(task)))
    options = mapped(task, every_column=spoiled == "ten_thousand_channels")
    done = run(task, "--data", file, *options, "--model", QUICK[task], "--seeds", "1", "--json")
    refused = next((why for (one, how), why in REFUSED.items() if one in (task, "any") and how == spoiled), "")
    if refused:
        assert done.code == 2, done.out
        assert re.fullmatch(r"loopwright: .+: .+; allowed: .+", done.said.strip().splitlines()[-1])
        assert refused in done.said
        return
    assert done.code == 0, done.said
    told = sound(done)
    notes = [note for row in told["rows"] for note in row.get("notes", ())]
    assert any(TOLD_OF.get(spoiled, "") in note for note in notes)


@pytest.mark.slow
def test_a_class_with_one_member_is_scored_or_refused_in_words(run: Any, tmp_path: Path) -> None:
    table = good("class")
    table.loc[table["run"] == "r3", "kind"] = "stopped"
    done = run("class", "--data", written(tmp_path, table), *mapped("class"), "--model", "spectra", "--seeds", "1", "--json")
    assert done.code in (0, 2), done.said
    if done.code == 0:
        sound(done)
    else:
        assert "stopped" in done.said


@pytest.mark.slow
@pytest.mark.parametrize("task", MAPS)
def test_a_toml_file_says_what_pairs_say_and_copies_of_a_unit_are_told_or_refused(run: Any, tmp_path: Path, task: str) -> None:
    table = good(task)
    unit = table.columns[0]
    file = written(tmp_path, table)
    keys = dict(pair.split("=") for pair in MAPS[task])
    toml = tmp_path / "own.toml"
    toml.write_text("\n".join([f'task = "{task}"', *(f'{key} = "{column}"' for key, column in keys.items())]))
    base = sorted(evaluating.named(task, [QUICK[task]]))[0]
    options = ["--data", file, "--model", base, "--seeds", "1", "--json"]
    by_file, by_pairs = run(task, *options, "--map", toml), run(task, *options, *mapped(task))
    assert (by_file.code, by_pairs.code) == (0, 0), by_file.said
    for one, other in zip(sound(by_file)["rows"], sound(by_pairs)["rows"], strict=True):
        assert one | {"cost": 0} == other | {"cost": 0}
    toml.write_text(toml.read_text().replace(f'task = "{task}"', 'task = "other"'))
    assert f"line 1, key task: it is for 'other'; allowed: '{task}'" in run(task, *options, "--map", toml).said
    first = table[unit].iloc[0]
    written(tmp_path, pd.concat([table, table[table[unit] == first].assign(**{unit: "copy"})]))
    done = run(task, *options, *mapped(task))
    notes = [note for row in (done.told["rows"] if done.code == 0 else []) for note in row.get("notes", ())]
    assert any(f"copy as {first}" in note for note in notes) or "says the same as" in done.said


@pytest.mark.parametrize("flag", ["--point-adjust", "--shuffle", "--threshold-on-test", "--cap-test-labels"])
def test_traps_are_refused_with_the_reason(run: Any, tmp_path: Path, flag: str) -> None:
    done = run("anomaly", "--data", tmp_path, flag)
    assert done.code == 2
    assert done.said.startswith("loopwright: evaluation: ")
    assert len(done.said) > 100


def test_an_unknown_layout_lists_those_there_are_and_what_each_needs(run: Any, tmp_path: Path) -> None:
    for task, names in (("forecast", ("grid_ett", "grid_pjm", "grid_vic_elec")), ("class", ("gearbox", "hydraulic", "ucr"))):
        done = run(task, "--data", tmp_path)
        assert done.code == 2
        for name in (*names, "csv"):
            assert f"{name}: " in done.said


def test_a_layout_of_another_task_is_called_by_its_name(run: Any, tmp_path: Path) -> None:
    (tmp_path / "ETTh1.csv").write_text("date,HUFL,HULL,MUFL,MULL,LUFL,LULL,OT\n2016-07-01 00:00:00,1,1,1,1,1,1,1\n")
    done = run("class", "--data", tmp_path)
    assert done.code == 2
    assert "it is grid_ett, for forecast" in done.said


def test_folders_of_several_layouts_are_taken_one_after_the_other(tmp_path: Path) -> None:
    for name in ("b", "a", "nothing"):
        (tmp_path / name).mkdir()
    head = "date,HUFL,HULL,MUFL,MULL,LUFL,LULL,OT\n"
    (tmp_path / "a" / "ETTh1.csv").write_text(head)
    (tmp_path / "b" / "ETTh2.csv").write_text(head)
    assert evaluating.layouts(tmp_path, "forecast", False) == [("grid_ett", tmp_path / "a"), ("grid_ett", tmp_path / "b")]
    assert evaluating.layouts(tmp_path / "a", "forecast", False) == [("grid_ett", tmp_path / "a")]


def test_data_that_is_not_there_and_a_map_of_an_unknown_role_are_told(run: Any, tmp_path: Path) -> None:
    done = run("forecast", "--data", tmp_path / "nowhere")
    assert (done.code, "is not there" in done.said) == (2, True)
    done = run("forecast", "--data", written(tmp_path, good("forecast")), "--map", "unitt=meter")
    assert (done.code, "did you mean 'unit'" in done.said) == (2, True)
    done = run("forecast", "--data", written(tmp_path, good("forecast")), "--map", "unit=metre")
    assert (done.code, "did you mean 'meter'" in done.said) == (2, True)


def test_baselines_are_always_among_the_models_and_an_unknown_one_is_named() -> None:
    for task, room in evaluating.ROOM.items():
        names = sorted(plug.find(f"learn.models.{room}"))
        bases = [name for name in names if plug.load(f"learn.models.{room}", name).BASELINE]
        assert bases, task
        others = [name for name in names if name not in bases]
        assert evaluating.named(task, ["all"]) == [*bases, *others]
        assert evaluating.named(task, others[:1]) == [*bases, *others[:1]]
        assert evaluating.named(task, ["peer:x"], ["x"]) == [*bases, "peer:x"]
        with pytest.raises(UnknownName, match="allowed: all"):
            evaluating.named(task, ["chronos"])


def row(model: str, metrics: dict[str, float | None], **more: Any) -> Row:
    given = {"set": "nab", "task": "anomaly", "horizon": "", "baseline": "flag_all", "split": "time", "seeds": 5,
             "cost": Cost(0.5, 1.25, 3.0), **more}
    return Row(model=model, metrics=metrics, **given)


def test_the_table_shows_score_spread_split_seeds_baseline_cost_champion_and_where_the_threshold_is_from() -> None:
    threshold = "training part, 1 % false alarms"
    rows = [
        row("flag_all", {"vus_pr": 0.1, "missed_alarm_rate": None}, threshold=threshold),
        row("subspace", {"vus_pr": 0.45678, "missed_alarm_rate": 0.2}, threshold=threshold, spread={"vus_pr": 0.0123},
            notes=("2 files have no anomaly",)),
    ]
    told = evaluate_words.told(document(rows, {"nab": Champion("subspace", "training parts", {"vus_pr": 0.5})}))
    assert told.splitlines() == [
        "nab   anomaly, split by time, seeds 5, baseline flag_all",
        "  model             vus_pr  missed_alarm_rate  fit s  us/point  MB",
        "  flag_all             0.1                  -    0.5      1.25   3",
        "  subspace*  0.4568 ±0.012                0.2    0.5      1.25   3",
        "  * champion subspace, chosen on training parts",
        "  threshold: training part, 1 % false alarms",
        "  2 files have no anomaly",
    ]


def test_a_metric_that_no_row_has_takes_no_column() -> None:
    told = evaluate_words.told(document([row("flag_all", {"blind": None, "vus_pr": 0.1})], {}))
    assert told.splitlines()[1].split() == ["model", "vus_pr", "fit", "s", "us/point", "MB"]


def test_a_narrow_terminal_gets_fewer_metrics_and_is_told_which_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    told = document([row("flag_all", {f"metric_number_{i}": 0.5 for i in range(8)})], {})
    monkeypatch.setenv("COLUMNS", "90")
    narrow = evaluate_words.told(told)
    assert max(map(len, narrow.splitlines()[:3])) <= 90
    assert narrow.splitlines()[-1] == "  with --json also: metric_number_3, metric_number_4, metric_number_5, metric_number_6, metric_number_7"
    monkeypatch.setenv("COLUMNS", "200")
    assert "with --json also" not in evaluate_words.told(told)


def test_what_was_stopped_early_and_what_was_not_scored_are_told() -> None:
    told = document([row("flag_all", {"vus_pr": 0.1})], {}, finished=False) | {"skipped": {"b": "it is cut off"}}
    assert evaluate_words.told(told).splitlines()[-3:] == ["not scored: b: it is cut off", "", "Stopped early: these are the rows so far."]


def test_every_layout_says_which_task_it_serves_and_what_it_needs() -> None:
    readers = {name: plug.load("learn.sets", name) for name in plug.find("learn.sets")}
    for name, module in readers.items():
        assert module.TASKS, name
        assert set(module.TASKS) <= set(evaluating.ROOM), name
        assert module.NEEDS, name
        assert not module.recognises(Path(own_tables.__file__).parent), name


def test_a_file_that_is_no_folder_and_an_empty_folder_frighten_no_reader(tmp_path: Path) -> None:
    (tmp_path / "noise.csv").write_bytes(b"\xff\xfe\x00\x01" * 10)
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1")
    (tmp_path / "cut.csv.gz").write_bytes(b"\x1f\x8b\x08")
    for name in plug.find("learn.sets"):
        for path in (tmp_path, *tmp_path.iterdir(), tmp_path / "nowhere"):
            assert not plug.load("learn.sets", name).recognises(path), (name, path.name)


def test_ctrl_c_gives_the_rows_so_far_and_says_so(tmp_path: Path) -> None:
    hours = np.arange(400)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        table = pd.DataFrame({"date": pd.Timestamp("2016-07-01") + pd.to_timedelta(hours, "h")})
        for i, name in enumerate(("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")):
            table[name] = np.sin((hours + i) * 2 * np.pi / 24)
        table.to_csv(tmp_path / folder / f"ETTh{folder}.csv", index=False)
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if "ETThb/short" in line:
            raise KeyboardInterrupt

    told = evaluating.evaluated(evaluating.Asked("forecast", tmp_path, ("mean",), 1), say)
    assert {row["set"] for row in told["rows"]} == {"grid_ett/ETTha"}
    assert set(told["champion"]) == {"grid_ett/ETTha/short"}
    assert told["stopped"] is True
    assert said[-1] == "stopped: the rows so far; start it again for the rest (--out DIR keeps what is done)"


def test_no_set_at_all_is_an_error_that_repeats_why() -> None:
    with pytest.raises(InputError, match="is not there"):
        evaluating.layouts(Path("nowhere"), "life", False)


@pytest.mark.slow
def test_the_page_does_what_it_says(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/how-to/evaluate-a-model.md: its code runs, its commands end as they say, its messages are those."""
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "evaluate-a-model.md").read_text("utf-8")
    monkeypatch.chdir(tmp_path)
    for code in re.findall(r"```python\n(.*?)```", page, re.S):
        exec(compile(code, "evaluate-a-model.md", "exec"), {})
    for name, text in re.findall(r"```toml\n# (\S+)\n(.*?)```", page, re.S):
        (tmp_path / name).write_text(text)
    told = [line for block in re.findall(r"```console\n(.*?)```", page, re.S) for line in block.splitlines()]
    assert len(told) == 8
    for line, following in itertools.pairwise([*told, "$"]):
        if not line.startswith("$ "):
            continue
        words = shlex.split(line)
        assert words[1:3] == ["loopwright", "evaluate"]
        done = run(*words[3:])
        if following.startswith("$"):
            assert done.code == 0, done.said
            assert "* champion" in done.out
        else:
            assert (done.code, done.said.strip()) == (2, following)


def test_a_copy_of_the_label_among_the_channels_of_an_anomaly_is_refused(run: Any, tmp_path: Path) -> None:
    table = good("anomaly").assign(flag=lambda t: 5.0 - 2.0 * t["fault"])
    done = run("anomaly", "--data", written(tmp_path, table), *mapped("anomaly"), "--model", "robust_z", "--seeds", "1")
    assert done.code == 2
    assert "column 'flag': it is the answer on another scale" in done.said


def test_a_folder_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    if os.access(closed, os.R_OK):
        pytest.skip("root may read everything")
    with pytest.raises(InputError, match="closed cannot be read"):
        evaluating.layouts(closed, "class", False)
