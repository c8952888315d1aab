"""`loopwright query` and `Store.query`: any SELECT, streamed, over what is kept and nothing else."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import sleep
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as parquet
import pytest

from loopwright.app.cli import main
from loopwright.core.clock import SimClock
from loopwright.core.errors import InputError
from loopwright.core.types import Event
from loopwright.store import Store, open_store
from loopwright.store.narrow import narrowed
from loopwright.store.query import ask, parsed
from tests.store.plant import S, blocks, declared, plain, points, speeds

MIN = 60 * S


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """100 values on mill-1, one a second from 0, of which 60 are flushed; mill-2 has a state, a counter and a gap."""
    with open_store(tmp_path_factory.mktemp("plant"), SimClock()) as opened:
        declared(opened)
        opened.put(plain(speeds(range(60))))
        opened.flush()
        opened.put(plain(speeds(range(60, 100), 60 * S)))
        opened.put(plain(points(("mill-2", "mode", 0, 7), ("mill-2", "parts", 61 * S, 12), ("mill-2", "parts", 62 * S, None))))
        opened.put(plain(blocks(("mill-1", "vibration", 0, S // 1000, [1.0, 2.0, 3.5]))))
        opened.record([Event("unit.claimed", "u", 1, "x", {"owner": "p"})])
        yield opened


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, in this process."""
    said, told = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(told), pytest.raises(SystemExit) as left:
        main(["query", "--site", str(folder), *arguments])
    words = []
    for stream in (said, told):
        stream.flush()
        words.append(stream.buffer.getvalue().decode())  # type: ignore[attr-defined]
    return subprocess.CompletedProcess([], int(left.value.code or 0), *words)


# the views


@pytest.mark.parametrize(("sql", "golden"), [
    ("SELECT count(*) AS n, sum(value) AS s FROM points WHERE signal = 'spindle.speed'", [{"n": 100, "s": 4950.0}]),
    ("SELECT signal, dt_ns, values FROM blocks", [{"signal": "vibration", "dt_ns": 1_000_000, "values": [1.0, 2.0, 3.5]}]),
    ("SELECT about, body->>'$.owner' AS owner FROM events", [{"about": "u", "owner": "p"}]),
    ("SELECT t_ns, count, bad, gaps, min, max, mean, last FROM minutes WHERE thing = 'mill-1' AND signal = 'spindle.speed' ORDER BY t_ns", [
        {"t_ns": 0, "count": 60, "bad": 0, "gaps": 0, "min": 0.0, "max": 59.0, "mean": 29.5, "last": 59.0},
        {"t_ns": MIN, "count": 40, "bad": 0, "gaps": 0, "min": 60.0, "max": 99.0, "mean": 79.5, "last": 99.0}]),
    ("SELECT t_ns, count, gaps, last FROM hours WHERE signal = 'parts'", [{"t_ns": 0, "count": 1, "gaps": 1, "last": 12.0}]),
    ("SELECT signal, value FROM newest WHERE thing = 'mill-1' ORDER BY signal", [{"signal": "spindle.speed", "value": 99.0}, {"signal": "vibration", "value": 3.5}]),
    ("SELECT thing, kind FROM things ORDER BY thing", [{"thing": "mill-1", "kind": "mill"}, {"thing": "mill-2", "kind": "mill"}]),
    ("SELECT signal, codes->>'$.7' AS word FROM signals WHERE type = 'state'", [{"signal": "mode", "word": "fault"}]),
    ("WITH p AS (SELECT * FROM points) SELECT s.unit, max(p.value) AS m FROM p JOIN signals AS s USING (signal) WHERE p.thing = 'mill-1' GROUP BY ALL", [{"unit": "rad/s", "m": 99.0}]),
    ("SELECT 1 + 1 AS two", [{"two": 2}]),
])
def test_every_view_answers(store: Store, sql: str, golden: list[dict[str, Any]]) -> None:
    assert store.query(sql).to_pylist() == golden


@pytest.mark.parametrize(("sql", "words"), [
    ("SELECT valu FROM points", r'"valu" not found.*the columns are points: thing, signal, t_ns, n, value'),
    ("SELECT value FROM pointss", "there is no view 'pointss'; did you mean 'points'"),
    ("SELECT * FROM points WHERE t_ns = 'yesterday'", "Conversion Error"),
    ("DELETE FROM points", "not one SELECT"), ("SHOW TABLES", "not one SELECT"), ("SELECT 1; SELECT 2", "not one SELECT"),
    ("SELECT * FROM read_csv('/etc/passwd')", "disabled"), ("SELECT * FROM '/etc/passwd'", "no view '/etc/passwd'"),
    ("SELECT * FROM people", "no view 'people'"), ("SELECT * FROM store", "no view 'store'"), ("SELECT getenv('HOME')", "does not exist"),
    ("SELEC 1", "syntax error"), ("SELECT " + "1+" * 600 + "1", "nested too deeply"), ("SELECT * FROM glob('/etc/*')", "disabled"),
])
def test_what_cannot_be_asked_is_said(store: Store, sql: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        store.query(sql)


def test_an_answer_comes_piece_by_piece_and_can_be_left_at_any_moment(store: Store) -> None:
    """A million million rows: whole they would not fit anywhere."""
    with ask(store, "SELECT range AS i, value FROM range(1000000000000) JOIN points ON t_ns = 0 AND thing = 'mill-1'") as answer:
        assert answer.schema.names == ["i", "value"]
        first = answer.next()
        assert first is not None
        assert first.column("i")[0].as_py() == 0
        assert first.num_rows < 1_000_000


def test_reading_goes_on_beside_puts_and_flushes(store: Store) -> None:
    with ask(store, "SELECT sum(value) AS s FROM points WHERE thing = 'mill-1' AND t_ns < 100000000000") as answer:
        store.put(plain(points(("mill-2", "spindle.speed", 0, 5.0))))
        store.flush()
        assert answer.table().column("s").to_pylist() == [4950.0]


# which files are opened


@pytest.mark.parametrize(("sql", "golden"), [
    ("SELECT * FROM points WHERE thing = 'a' AND t_ns >= 5 AND t_ns < 9", {"things": ["a"], "start_ns": 5, "end_ns": 9}),
    ("SELECT * FROM points AS p WHERE p.signal IN ('x', 'y') AND 7 < p.t_ns AND value > 3", {"signals": ["x", "y"], "start_ns": 7}),
    ("SELECT * FROM points WHERE t_ns BETWEEN 3 AND 9 AND t_ns > 4", {"start_ns": 4, "end_ns": 10}),
    ("SELECT * FROM (SELECT * FROM points WHERE thing = 'a' AND thing IN ('a', 'b')) WHERE t_ns = 4", {"things": ["a"]}),
    ("SELECT * FROM points WHERE thing = 'a' OR t_ns > 5", {}),
    ("SELECT * FROM points WHERE NOT (t_ns > 5)", {}),
    ("SELECT * FROM points WHERE thing = signal AND t_ns > 1.5", {}),
    ("SELECT * FROM points WHERE thing = 'a' UNION ALL SELECT * FROM points", {}),
    ("SELECT * FROM points JOIN newest AS n USING (thing) WHERE n.t_ns > 5", {}),
    ("SELECT * FROM newest", {}),
    ("SELECT (SELECT max(value) FROM points WHERE points.thing = 'a' AND n.t_ns > 5) FROM newest AS n", {"things": ["a"]}),
])
def test_plain_conditions_say_which_rows_can_matter(sql: str, golden: dict[str, Any]) -> None:
    assert narrowed(parsed(duckdb.connect(":memory:"), sql), "points") == golden


def test_conditions_give_the_same_rows_as_no_knowledge_of_them(store: Store) -> None:
    for condition in ("thing = 'mill-1' AND t_ns >= 59000000000 AND t_ns <= 61000000000", "t_ns BETWEEN 10 AND 3000000000", "signal IN ('parts', 'mode')", "thing = 'mill-1' AND thing = 'mill-2'"):
        everything = duckdb.from_arrow(store.query("SELECT * FROM points"))
        golden = everything.query("everything", f"SELECT thing, signal, t_ns FROM everything WHERE {condition} ORDER BY ALL").fetchall()
        found = store.query(f"SELECT thing, signal, t_ns FROM points WHERE {condition} ORDER BY ALL").to_pylist()
        assert [tuple(row.values()) for row in found] == golden


# handing over


def test_an_answer_is_arrow_pandas_and_numpy(store: Store) -> None:
    table = store.query("SELECT t_ns, value FROM points WHERE thing = 'mill-1' AND signal = 'spindle.speed' ORDER BY t_ns")
    frame = table.to_pandas()
    assert frame["value"].sum() == 4950.0
    values = table.column("value").chunk(0).to_numpy(zero_copy_only=True)
    assert values.__array_interface__["data"][0] == table.column("value").chunk(0).buffers()[1].address
    np.testing.assert_array_equal(values, np.arange(100.0))


def test_an_answer_is_polars(store: Store) -> None:
    polars = pytest.importorskip("polars", reason="polars is not installed (pip install polars)")
    table = store.query("SELECT thing, value FROM points WHERE signal = 'spindle.speed' AND thing = 'mill-1'")
    assert polars.from_arrow(table)["value"].sum() == 4950.0


# the command


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plant that nobody writes: ten values."""
    made = tmp_path_factory.mktemp("idle") / "plant"
    with open_store(made, SimClock()) as opened:
        declared(opened)
        opened.put(plain(speeds([0.5, *range(1, 10)])))
    return made


def test_a_table_for_people(folder: Path) -> None:
    """By hand: numbers stand to the right, names to the left."""
    said = run(folder, "SELECT thing, t_ns, value FROM points ORDER BY t_ns LIMIT 2")
    assert said.stdout == "thing         t_ns  value\n------  ----------  -----\nmill-1           0    0.5\nmill-1  1000000000      1\n"
    assert said.returncode == 0


def test_csv_json_and_parquet_hold_the_same_rows(folder: Path, tmp_path: Path) -> None:
    sql = "SELECT thing, t_ns, value, [t_ns] AS list FROM points ORDER BY t_ns"
    comma = run(folder, sql, "--format", "csv")
    rows = list(csv.DictReader(comma.stdout.splitlines()))
    objects = json.loads(run(folder, sql, "--json").stdout)
    said = run(folder, sql, "--format", "parquet", "--out", str(tmp_path / "rows.parquet"))
    assert f"10 rows in {tmp_path / 'rows.parquet'}" in said.stderr
    assert parquet.read_table(tmp_path / "rows.parquet").to_pylist() == objects
    assert [(r["thing"], int(r["t_ns"]), float(r["value"]), json.loads(r["list"])) for r in rows] == [tuple(o.values()) for o in objects]
    assert list(tmp_path.iterdir()) == [tmp_path / "rows.parquet"]
    assert len(json.loads(run(folder, sql, "--json", "--limit", "3").stdout)) == 3


def test_numbers_that_json_does_not_have_are_null(folder: Path) -> None:
    assert json.loads(run(folder, "SELECT 'nan'::DOUBLE AS a, 'inf'::DOUBLE AS b, 1.5 AS c", "--json").stdout) == [{"a": None, "b": None, "c": 1.5}]


def test_mistakes_are_told_in_one_sentence_and_leave_no_file(folder: Path, tmp_path: Path) -> None:
    for sql, more, words in (
        ("SELECT valu FROM points", [], "the columns are points: thing"), ("SELECT 1", ["--format", "parquet"], "name one with --out"),
        ("SELECT 1", ["--out", str(tmp_path / "no" / "such")], "cannot be written"), ("SELECT error('oh')", ["--out", str(tmp_path / "x")], "oh"),
    ):
        said = run(folder, sql, *more)
        assert said.returncode != 0
        assert words in said.stderr
        assert "Traceback" not in said.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_long_table_says_that_there_is_more_and_no_control_character_reaches_the_terminal(folder: Path) -> None:
    said = run(folder, "SELECT i, chr(27) || '[31m' AS x FROM range(1000) AS r(i)")
    assert len(said.stdout.splitlines()) == 103
    assert "the first 100 rows" in said.stdout
    assert "\x1b" not in said.stdout


@pytest.mark.slow
def test_ctrl_c_ends_a_statement_that_would_take_for_ever(folder: Path, tmp_path: Path) -> None:
    sql = "SELECT count(*) FROM range(10000000) AS a, range(10000000) AS b WHERE a.range % 7 = b.range % 5"
    command = [sys.executable, "-m", "loopwright", "query", "--site", str(folder), sql, "--out", str(tmp_path / "rows.csv"), "--format", "csv"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.iterdir()) and process.poll() is None:
        sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "stopped" in said
    assert list(tmp_path.iterdir()) == []
