"""Everything comes out as plain files: all of it, bit for bit, at one moment, and a run that was stopped goes on."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loopwright.core.errors import InputError, NotAllowed, StoreError, UnknownName
from loopwright.core.types import POINTS, Event, Person
from loopwright.store import Store, export, open_store
from tests.store.plant import S, blocks, numbered, plain, points, speeds

ROOT = Path(__file__).parents[2]
HARD = [0.1, -0.0, 5e-324, 1.7976931348623157e308, 2 / 3, 1e22, 123456789.123456789, 2.0**-1074, 1.0]


def fill(store: Store) -> None:
    """Every sort of value, twice the same time, a gap, a correction, blocks, and rows that are not flushed yet."""
    rows = [("mill-1", "spindle.speed", i * S, abs(v)) for i, v in enumerate(HARD) if abs(v) <= 3000]
    rows += [("mill-2", "parts", 0, 2**53 - 1), ("mill-2", "parts", S, None), ("mill-1", "mode", S, 7)]
    store.put(numbered(points(*rows), 0))
    store.put(numbered(blocks(("mill-2", "vibration", 5, 1_000_000, [0.1, -0.0, 1e-45, 499.99997])), 0, "mqtt/fast"))
    store.put(numbered(blocks(("mill-1", "force", 7, 10_000_000, [1.0, 2.0, 3.5, -1.5e30, 0.3, 1.17549435e-38])), 0, "mqtt/f"))
    store.flush()
    store.put(numbered(speeds([17.5], -5 * S, "mill-2"), 0, "mqtt/late"))
    event = store.record([Event("points.corrected", "mill-1", 1, "Größe ☂", {"reason": 'quote " comma ,'}, because=("a",))])[0]
    store.put(plain(speeds([2999.0], 0), "http/erika", correction=event.id))


def read(dest: Path, table: str) -> pa.Table:
    """All files of a table of a Parquet export."""
    return pa.concat_tables([pq.ParquetFile(path).read() for path in sorted(dest.glob(f"{table}/*/*.parquet"))])


@pytest.mark.parametrize("size", [500_000, 2])
def test_parquet_holds_every_row_bit_for_bit(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(export, "_SAMPLES", size)
    fill(store)
    index = export.export(store, tmp_path / "out")
    rows = read(tmp_path / "out", "points")
    keys = [(name, "ascending") for name in ("thing", "signal", "t_ns", "n")]
    assert rows.select(POINTS.names).sort_by(keys).replace_schema_metadata() == store.get()
    fast = read(tmp_path / "out", "blocks")
    wanted = store.get(blocks=True)
    assert fast.select(wanted.column_names).sort_by(keys[:3]).replace_schema_metadata() == wanted
    replaced = read(tmp_path / "out", "points_replaced")
    assert (replaced.column("value").to_pylist(), replaced.column("correction").to_pylist()) == ([0.1], [""])
    assert index["rows"] == {"points": store.get().num_rows, "points_replaced": 1, "blocks": 2, "events": 1}
    samples = index["rows"]["points"] + 1 + sum(fast.column("samples").to_pylist())
    assert samples == store.hops()["points"].out
    assert (len(list((tmp_path / "out").glob("points/*/*"))) > 1) == (size == 2)


def test_every_file_of_the_index_has_its_hash_and_rows(store: Store, tmp_path: Path) -> None:
    fill(store)
    index = export.export(store, tmp_path / "out")
    for row in index["files"]:
        content = (tmp_path / "out" / row["file"]).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (row["sha256"], row["bytes"])
    there = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert there == {row["file"] for row in index["files"]} | {
        "export.json", "index.json", "README.md", "kinds.json", "things.json", "signals.csv",
    }
    assert export.export(store, tmp_path / "out") == index


def test_other_programs_read_it(store: Store, tmp_path: Path) -> None:
    fill(store)
    export.export(store, tmp_path / "out")
    sql = f"SELECT kind, count(*) FROM read_parquet('{tmp_path}/out/points/*/*.parquet', hive_partitioning=true) GROUP BY ALL"
    assert duckdb.sql(sql).fetchall() == [("mill", store.get().num_rows)]
    assert len(pd.read_parquet(tmp_path / "out" / "points")) == store.get().num_rows


def test_csv_reads_back_to_the_same_bits(store: Store, tmp_path: Path) -> None:
    fill(store)
    export.export(store, tmp_path / "out", form="csv")
    found: list[dict[str, Any]] = []
    for path in sorted((tmp_path / "out").glob("points/*/*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            found += csv.DictReader(file)
    wanted = store.get().to_pylist()
    assert len(found) == len(wanted)
    for got, row in zip(found, wanted, strict=True):
        assert (got["thing"], got["signal"], int(got["t_ns"]), int(got["n"])) == tuple(row[k] for k in ("thing", "signal", "t_ns", "n"))
        assert pd.Timestamp(got["t"]).value == row["t_ns"]
        if row["value"] is None:
            assert got["value"] == ""
        else:
            assert struct.pack("<d", float(got["value"])) == struct.pack("<d", row["value"])
        assert got["code"] == ("" if row["code"] is None else str(row["code"]))
        assert got["word"] == ("fault" if row["signal"] == "mode" else "")
    samples = {}
    for path in sorted((tmp_path / "out").glob("blocks/*/*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            samples |= {row["signal"]: row["values"].split(" ") for row in csv.DictReader(file)}
    for row in store.get(blocks=True).to_pylist():
        again = np.array([float(text) for text in samples[row["signal"]]], np.float64).astype(np.float32)
        assert again.tobytes() == np.array(row["values"], np.float32).tobytes()
    with (tmp_path / "out" / "signals.csv").open(encoding="utf-8", newline="") as file:
        units = {row["signal"]: (row["unit"], row["codes"]) for row in csv.DictReader(file)}
    assert units["spindle.speed"] == ("rad/s", "")
    assert units["mode"] == ("", "0=idle; 1=active; 7=fault")


def test_the_chain_of_exported_events_is_checked_by_the_page_beside_it(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store)
    store.record([Event("unit.claimed", f"u-{i}", 1, "x", {"owner": "p", "note": 1e22, "deep": {"b": [0.1], "a": None}}) for i in range(5)])
    export.export(store, tmp_path / "out")
    monkeypatch.chdir(tmp_path / "out")
    page = (tmp_path / "out" / "README.md").read_text("utf-8")
    code = re.findall(r"```python\n(import hashlib.*?)```", page, re.S)[0]
    exec(compile(code, "README", "exec"), found := {"__name__": "page"})
    assert found["head"] == store.events.head()
    lines = (tmp_path / "out" / "events.jsonl").read_text("utf-8").splitlines()
    assert len(lines) == 6
    (tmp_path / "out" / "events.jsonl").write_text("\n".join([lines[0], lines[1].replace("u-0", "u-9"), *lines[2:]]), "utf-8")
    with pytest.raises(AssertionError, match="event 2 was changed"):
        exec(compile(code, "README", "exec"), {"__name__": "page"})


def test_what_was_exported_can_be_put_into_a_plant_again(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store)
    export.export(store, tmp_path / "out")
    monkeypatch.chdir(tmp_path / "out")
    page = (tmp_path / "out" / "README.md").read_text("utf-8")
    code = re.findall(r"```python\n(import json\nfrom pathlib.*?)```", page, re.S)[0]
    for _ in range(2):  # twice: the second time all is known already
        exec(compile(code, "README", "exec"), {"__name__": "page"})
    with open_store(tmp_path / "again.plant") as again:
        assert again.kinds() == store.kinds()
        assert again.things() == store.things()
        for fast in (False, True):
            one, other = (s.get(blocks=fast).drop_columns(["assumed"]) for s in (store, again))
            assert one == other


def test_a_part_can_be_asked_for(store: Store, tmp_path: Path) -> None:
    fill(store)
    index = export.export(store, tmp_path / "out", things=["mill-1"], signals=["spindle.speed"], start_ns=S, end_ns=5 * S, what=["points"])
    wanted = store.get(things="mill-1", signals=["spindle.speed"], start_ns=S, end_ns=5 * S)
    assert read(tmp_path / "out", "points").select(POINTS.names).replace_schema_metadata() == wanted
    assert index["rows"] == {"points": wanted.num_rows}
    with pytest.raises(UnknownName, match="there is no 'mill-7'"):
        export.export(store, tmp_path / "x", things=["mill-7"])
    with pytest.raises(UnknownName, match="'speed'"):
        export.export(store, tmp_path / "x", signals=["speed"])
    with pytest.raises(UnknownName, match="'xlsx'"):
        export.export(store, tmp_path / "x", form="xlsx")
    assert not (tmp_path / "x").exists()


def test_folders_that_cannot_be_used_are_refused(store: Store, tmp_path: Path) -> None:
    fill(store)
    with pytest.raises(InputError, match="inside the plant"):
        export.export(store, store.path / "out")
    export.export(store, tmp_path / "out")
    with pytest.raises(InputError, match="holds another export"):
        export.export(store, tmp_path / "out", form="csv")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter").touch()
    with pytest.raises(InputError, match="not empty"):
        export.export(store, tmp_path / "full")


def test_people_leave_only_when_somebody_says_who_and_why(store: Store, tmp_path: Path) -> None:
    store.people.save(Person("p-1", {"stature": 1.8125}, "left", {"coach": 5}, "ansur2", "female"))
    index = export.export(store, tmp_path / "all")
    assert "people" not in index["rows"]
    assert not any("p-1" in path.read_text("utf-8") for path in (tmp_path / "all").iterdir() if path.is_file())
    with pytest.raises(NotAllowed, match="nobody says"):
        export.export(store, tmp_path / "people", what=["people"])
    export.export(store, tmp_path / "people", what=["people"], by="erika", why="the owner moves to another house")
    row = json.loads((tmp_path / "people" / "people.jsonl").read_text("utf-8"))
    assert (row["id"], row["measures"]) == ("p-1", {"stature": 1.8125})
    event = store.recall(kind="plant.exported")[0]
    assert (event.actor, event.body["persons"], event.body["why"]) == ("erika", 1, "the owner moves to another house")


def test_it_is_of_one_moment_even_when_it_goes_on_later(store: Store, tmp_path: Path) -> None:
    store.put(numbered(speeds([1, 2, 3]), 0))
    fill_later = speeds([9, 9], 10 * S)

    def stop(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export.export(store, tmp_path / "out", progress=stop)
    assert not (tmp_path / "out" / "index.json").exists()
    store.put(numbered(fill_later, 3))
    store.record([Event("points.corrected", "mill-1", 1, "erika", {"reason": "r"})])
    store.flush()
    index = export.export(store, tmp_path / "out")
    assert read(tmp_path / "out", "points").column("value").to_pylist() == [1, 2, 3]
    assert index["rows"] == {"points": 3, "events": 0}


@pytest.mark.slow
def test_a_killed_export_goes_on_and_ends_as_one_that_was_not(store: Store, tmp_path: Path) -> None:
    fill(store)
    store.put(numbered(points(*(("mill-1", "parts", i * S, i) for i in range(100))), 100))
    store.close()
    code = (
        "import sys; from pathlib import Path; from loopwright.store import export, open_store\n"
        "export._SAMPLES = 10\n"
        "with open_store(Path(sys.argv[1]), read_only=True) as store:\n"
        "    export.export(store, Path(sys.argv[2]), progress=lambda *_: print(flush=True))\n"
    )
    command = [sys.executable, "-c", code, str(store.path), str(tmp_path / "out")]
    for lines in (1, 7):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            assert process.stdout is not None
            for _ in range(lines):
                process.stdout.readline()
            os.kill(process.pid, signal.SIGKILL)
    assert not (tmp_path / "out" / "index.json").exists()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    with open_store(store.path) as again:
        keys = [(name, "ascending") for name in ("thing", "signal", "t_ns", "n")]
        assert read(tmp_path / "out", "points").select(POINTS.names).sort_by(keys).replace_schema_metadata() == again.get()
        assert json.loads((tmp_path / "out" / "index.json").read_text())["rows"]["points"] == again.get().num_rows
    assert not list((tmp_path / "out").rglob("*.part"))


@pytest.mark.slow
def test_a_full_disk_is_told_and_it_goes_on(store: Store, tmp_path: Path) -> None:
    """No file of the child may grow beyond 100 kB: the same error as a full disk."""
    noise = np.random.default_rng(3).uniform(0, 3000, 40_000)
    store.put(numbered(speeds(list(noise)), 0))
    store.flush()
    store.close()
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from pathlib import Path; from loopwright.core.errors import StoreError; from loopwright.store import export, open_store\n"
        "with open_store(Path(sys.argv[1]), read_only=True) as store:\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "    try: export.export(store, Path(sys.argv[2]))\n"
        "    except StoreError as error: print(error, file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", code, str(store.path), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert "it goes on" in done.stderr
    assert "Traceback" not in done.stderr
    with open_store(store.path) as again:
        assert export.export(again, tmp_path / "out")["rows"]["points"] == 40_000
    assert isinstance(StoreError("a", "b"), Exception)
