"""The files of an export: how a table, the catalogue and the page that explains them are written."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from loopwright.core.types import Kind, Thing
from loopwright.store.place import durable


def write(path: Path, rows: pa.Table, form: str, kind: Kind | None) -> None:
    """Rows as one Parquet or CSV file. kind: of their things, for units and the words of states."""
    if form == "parquet":
        units = {signal.name: signal.unit for signal in kind.signals} if kind else {}
        told = rows.replace_schema_metadata({"units": json.dumps(units), "times": "ns since 1970 UTC"})
        pq.write_table(told, path, compression="zstd", row_group_size=65_536)
        return
    with pa.OSFile(str(path), "wb") as sink:
        pyarrow.csv.write_csv(plain(rows, kind), sink)


def plain(rows: pa.Table, kind: Kind | None) -> pa.Table:
    """Rows as CSV holds them: times also as ISO text, codes also as words, blocks as numbers with spaces between."""
    columns: dict[str, Any] = {}
    for name in rows.column_names:
        column = rows.column(name)
        if name == "t_ns":
            columns["t"] = _iso(column)
        if name == "values":
            texts = column.combine_chunks()
            texts = texts.chunk(0) if isinstance(texts, pa.ChunkedArray) else texts
            inner = pa.ListArray.from_arrays(texts.offsets, texts.values.cast(pa.string()))
            column = pc.binary_join(inner, " ")
        columns[name] = column
        if name == "code":
            columns["word"] = _words(rows, kind)
    return pa.table(columns)


def _iso(t_ns: pa.ChunkedArray) -> pa.ChunkedArray:
    """2026-11-21T20:17:50.123456789Z. Arrow's own text, mended: strftime takes 17 times as long."""
    text = pc.utf8_replace_slice(t_ns.cast(pa.timestamp("ns")).cast(pa.string()), 10, 11, "T")
    return pc.binary_join_element_wise(text, "Z", "")


def _words(rows: pa.Table, kind: Kind | None) -> pa.Array:
    """The word of each code, '' where it has none."""
    words = [(s.name, code, word) for s in kind.signals for code, word in s.codes.items()] if kind else []
    signal, code = rows.column("signal"), rows.column("code")
    found = pa.array([""] * rows.num_rows, pa.string())
    for name, number, word in words:
        here = pc.fill_null(pc.and_(pc.equal(signal, name), pc.equal(code, number)), False)
        found = pc.if_else(here, word, found)
    return found


def tables(
    dest: Path, kinds: Iterable[Kind], things: Iterable[Thing], as_dict: Callable[[Kind], dict[str, Any]]
) -> None:
    """kinds.json, things.json and signals.csv."""
    kinds = list(kinds)
    document = [as_dict(kind) for kind in kinds]
    (dest / "kinds.json").write_text(json.dumps(document, indent=1, ensure_ascii=False), "utf-8")
    rows = [{**vars(thing), "labels": dict(thing.labels)} for thing in things]
    (dest / "things.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False), "utf-8")
    with (dest / "signals.csv").open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["kind", "signal", "unit", "sort", "rate_hz", "low", "high", "shape", "codes", "meaning"])
        for kind in kinds:
            for s in kind.signals:
                codes = "; ".join(f"{code}={word}" for code, word in s.codes.items())
                shape = " ".join(map(str, s.shape))
                out.writerow([kind.name, s.name, s.unit, s.kind, s.rate_hz, s.low, s.high, shape, codes, s.meaning])


def whole(path: Path, text: str) -> None:
    """Writes a file whole or not at all."""
    half = path.with_name(f"{path.name}.part")
    half.write_text(text, "utf-8")
    durable([half])
    half.replace(path)
    durable([path.parent])


def readme(dest: Path, form: str, what: Iterable[str]) -> None:
    """The page that says what each file is and how to read it."""
    reads = _PARQUET if form == "parquet" else _CSV
    people = "people.jsonl     persons with their measures and consents: personal data, keep it as such\n"
    text = _README.replace("@READS@", reads).replace("@PEOPLE@", people if "people" in what else "")
    (dest / "README.md").write_text(text.replace("@FORM@", form), "utf-8")


_README = '''# What is in this folder

```
points/          values of slow signals, a row a value; a folder for each kind of thing, files of some things each
blocks/          fast signals, a row a run of samples: values[i] was true at t_ns + i * dt_ns
*_replaced/      rows as they were before a correction replaced them; there is none where nothing was corrected
events.jsonl     every event, one JSON object a line, in the order of its chain
models/          trained models by the SHA-256 of their bytes: 'LWMODEL1', the length of a JSON text (uint64,
                 little-endian), the text {"arrays": [dtype, shape, start, bytes], "state": ...}, then the arrays, from
                 the next multiple of 64 bytes on; their cards stand in events.jsonl (model.trained)
kinds.json       kinds of things with the table of their signals; signals.csv says the same in rows, with units
things.json      the things that were heard
@PEOPLE@index.json       rows, bytes and SHA-256 of every file, and the moment of the export; written last
export.json      what was asked for; delete it when you no longer want to go on with the export
```

## Columns

| column | what it is |
|---|---|
| thing, signal | what said it; units stand in signals.csv |
| t_ns | when it was true, nanoseconds since 1970 UTC; `t` in CSV files is the same as text |
| n | tells values of the same signal and time apart |
| value | of a gauge |
| code | of a counter or a state; `word` in CSV files is the state's word |
| neither value nor code | a gap that the source reported |
| dt_ns, values, samples | of a block: time from sample to sample, the samples (a vector after the other), how many |
| quality | 0 good, 1 doubtful, 2 bad |
| known_ns, assumed | when it became known; assumed where a file said so |
| batch, source | the journal's number of the batch it came with, and who sent it |
| correction | the id of the event that allowed it to replace another row |

## Read it

@READS@
## Check the chain of events

```python
import hashlib, json

head, fields = "0" * 64, ("id", "kind", "about", "t_ns", "known_ns", "actor", "body", "because", "key")
with open("events.jsonl", encoding="utf-8") as lines:
    for line in lines:
        event = json.loads(line)
        event["body"] = json.dumps(event["body"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        event["because"] = json.dumps(event["because"])
        text = json.dumps([event[name] for name in fields], separators=(",", ":"), ensure_ascii=False)
        head = hashlib.sha256((head + text).encode()).hexdigest()
        assert head == event["hash"], f"event {event['number']} was changed"
```
'''
_PARQUET = '''```sql
SELECT * FROM read_parquet('points/*/*.parquet', hive_partitioning = true) WHERE signal = 'spindle.speed';   -- DuckDB
```

```python
import pandas
rows = pandas.read_parquet("points")
```

## Put it into a plant again

```python
import json
from pathlib import Path
import pyarrow.parquet as pq
from loopwright.core.types import Batch, Thing
from loopwright.store import open_store
from loopwright.store.catalogue import kind_from_dict

folder = Path(".")
with open_store(Path("../again.plant")) as store:
    kinds, things = (json.loads((folder / f"{name}.json").read_text("utf-8")) for name in ("kinds", "things"))
    store.declare([kind_from_dict(kind) for kind in kinds], [Thing(**thing) for thing in things])
    for what, columns in (
        ("points", ["thing", "signal", "t_ns", "n", "value", "code", "quality"]),
        ("blocks", ["thing", "signal", "t_ns", "dt_ns", "values", "quality"]),
    ):
        for path in sorted(folder.glob(f"{what}/*/*.parquet")):
            rows = pq.ParquetFile(path).read()
            known = rows.column("known_ns").combine_chunks()
            store.put(Batch("files", f"files/{path.stem}", None, rows.select(columns), known_ns=known))
```
'''
_CSV = '''Files are UTF-8 with a header; an empty cell is no value; numbers are written so that reading gives the same
bits.

```python
import pandas
from pathlib import Path
rows = pandas.concat(pandas.read_csv(path, float_precision="round_trip") for path in Path("points").glob("*/*.csv"))
```

'''
