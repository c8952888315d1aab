"""`loopwright query`: one SELECT over a plant, printed or written as it comes, however long it is."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from loopwright.app.options import Json, SitePath, say

if TYPE_CHECKING:
    import pyarrow as pa

    from loopwright.store.query import Answer

TABLE_ROWS = 100  # a table for people ends here unless --limit says otherwise
_WIDEST = 60  # characters of a cell


class Format(StrEnum):
    """How an answer is written."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


def register(app: typer.Typer) -> None:
    """Puts the command on the app."""
    @app.command()
    def query(
        sql: Annotated[str, typer.Argument(help="one SELECT over points, blocks, events, minutes, hours, newest, "
                                                "things, signals")],
        site: SitePath,
        how: Annotated[Format, typer.Option("--format", help="how it is written")] = Format.table,
        to: Annotated[Path | None, typer.Option("--out", help="a file to write it to, instead of printing it")] = None,
        limit: Annotated[int | None, typer.Option(min=1, help="so many rows at most")] = None,
        as_json: Json = False,
    ) -> None:
        """One SELECT in DuckDB's SQL over a plant. It reads beside whatever process writes it; nothing can be changed.

        Times are nanoseconds UTC: make_timestamp_ns(t_ns) shows them, epoch_ns(TIMESTAMP '2026-11-21') asks for one.
        Rows are written as they come; Ctrl-C ends it at any moment.
        """
        rows = answer(site, sql, Format.json if as_json else how, to, limit)
        if to is not None:
            say(f"{rows:,} rows in {to}")


def answer(path: Path, sql: str, how: Format, to: Path | None, limit: int | None) -> int:
    """Writes what the statement gives; how many rows. A file appears when it is whole.

    Raises InputError for a statement that is none, or a format that needs a file.
    """
    from loopwright.app.opening import open_site
    from loopwright.core.errors import InputError, StoreError
    from loopwright.store.query import ask

    if how is Format.parquet and to is None:
        raise InputError("query", "--format parquet on the terminal", "a file", "name one with --out FILE")
    with open_site(path, read_only=True) as store, ask(store, sql) as found:
        batches = _first(_waited(found), limit if limit or how is not Format.table else TABLE_ROWS + 1)
        if to is None:
            return _WRITERS[how](found.schema, batches, sys.stdout.buffer, limit)
        part = to.with_name(f".{to.name}.part")
        try:
            with part.open("wb") as file:
                rows = _WRITERS[how](found.schema, batches, file, limit)
            part.replace(to)
        except OSError as error:
            said = f"it cannot be written ({error.strerror})"
            raise StoreError(str(to), said, "", "name another file, or free the disk") from error
        finally:
            part.unlink(missing_ok=True)
        return rows


def _waited(found: Answer) -> Iterator[pa.RecordBatch]:
    """The rows as they come, computed in a thread, so that Ctrl-C is heard at once and ends the statement."""
    with ThreadPoolExecutor(1, "query") as worker:
        try:
            while (batch := worker.submit(found.next).result()) is not None:
                yield batch
        finally:
            found.stop()


def _first(batches: Iterator[pa.RecordBatch], limit: int | None) -> Iterator[pa.RecordBatch]:
    left = limit
    for batch in batches:
        if left is not None and batch.num_rows >= left:
            yield batch.slice(0, left)
            return
        left = None if left is None else left - batch.num_rows
        yield batch


def _flat(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Lists and structs as JSON text: a cell of CSV has no others."""
    import pyarrow as pa

    columns = [
        pa.array([None if v is None else json.dumps(v, default=_plain) for v in column.to_pylist()], pa.string())
        if pa.types.is_nested(column.type) else column for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _csv(schema: pa.Schema, batches: Iterator[pa.RecordBatch], file: IO[bytes], limit: int | None) -> int:
    import pyarrow.csv as csv

    rows = 0
    with csv.CSVWriter(file, _flat(_none(schema)).schema) as writer:
        for batch in batches:
            writer.write_batch(_flat(batch))
            rows += batch.num_rows
    return rows


def _none(schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)


def _json(schema: pa.Schema, batches: Iterator[pa.RecordBatch], file: IO[bytes], limit: int | None) -> int:
    """One array of objects, an object a line."""
    rows = 0
    file.write(b"[")
    for batch in batches:
        lines = [json.dumps(row, default=_plain, allow_nan=False) for row in _finite(batch)]
        if lines:
            file.write(((",\n" if rows else "\n") + ",\n".join(lines)).encode())
        rows += len(lines)
    file.write(b"\n]\n")
    return rows


def _finite(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """Rows in which a number that JSON does not have (NaN, infinity) is null."""
    floats = [name for name, kind in zip(batch.schema.names, batch.schema.types, strict=True) if str(kind) in _FLOATS]
    rows: list[dict[str, Any]] = batch.to_pylist()
    for row in rows:
        for name in floats:
            if row[name] is not None and row[name] - row[name] != 0:
                row[name] = None
    return rows


def _plain(value: Any) -> Any:
    """What JSON has no word for: a decimal as a number, anything else as text."""
    from decimal import Decimal

    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)


_FLOATS = ("double", "float", "halffloat")


def _parquet(schema: pa.Schema, batches: Iterator[pa.RecordBatch], file: IO[bytes], limit: int | None) -> int:
    import pyarrow.parquet as parquet

    rows = 0
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def _table(schema: pa.Schema, batches: Iterator[pa.RecordBatch], file: IO[bytes], limit: int | None) -> int:
    """Columns as wide as what stands in them, numbers to the right; a word when there is more."""
    rows = [row for batch in batches for row in zip(*(c.to_pylist() for c in batch.columns), strict=True)]
    more = limit is None and len(rows) > TABLE_ROWS
    shown = [[_cell(value) for value in row] for row in rows[:None if limit else TABLE_ROWS]]
    widths = [max(len(text) for text in column) for column in zip(schema.names, *shown, strict=True)]
    kinds = [str(kind) for kind in schema.types]
    right = [kind in _FLOATS or kind.lstrip("u").startswith("int") or kind.startswith("decimal") for kind in kinds]
    for row in (schema.names, ["-" * width for width in widths], *shown):
        cells = [text.rjust(w) if r else text.ljust(w) for text, w, r in zip(row, widths, right, strict=True)]
        file.write("  ".join(cells).rstrip().encode() + b"\n")
    if more:
        file.write(f"the first {TABLE_ROWS} rows; --limit shows more, --format csv all\n".encode())
    return len(shown)


def _cell(value: Any) -> str:
    text = "" if value is None else f"{value:.15g}" if isinstance(value, float) else str(value)
    text = "".join(c if c.isprintable() else "�" for c in text)  # nothing that a terminal would take for a command
    return text if len(text) <= _WIDEST else text[:_WIDEST - 1] + "…"


_WRITERS: dict[Format, Callable[[Any, Iterator[Any], IO[bytes], int | None], int]] = {
    Format.table: _table, Format.csv: _csv, Format.json: _json, Format.parquet: _parquet,
}
