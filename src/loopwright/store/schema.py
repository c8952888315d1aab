"""The database of events and people: its tables, how it is opened, and its migrations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from loopwright.core.errors import MissingExtra, StoreError

HEAD = "0002"  # the newest step of migrations/versions
_meta = sa.MetaData()
events = sa.Table(
    "events", _meta,
    sa.Column("number", sa.BigInteger, primary_key=True), sa.Column("id", sa.Text), sa.Column("kind", sa.Text),
    sa.Column("about", sa.Text), sa.Column("t_ns", sa.BigInteger), sa.Column("known_ns", sa.BigInteger),
    sa.Column("actor", sa.Text), sa.Column("body", sa.Text), sa.Column("because", sa.Text), sa.Column("key", sa.Text),
    sa.Column("hash", sa.Text),
)
reasons = sa.Table(
    "reasons",
    _meta,
    sa.Column("because", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True),
)
links = sa.Table(  # which events name an id in their body
    "links", _meta,
    sa.Column("ref", sa.Text, primary_key=True), sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("t_ns", sa.BigInteger, primary_key=True), sa.Column("number", sa.BigInteger, primary_key=True),
)
states = sa.Table(  # where everything stands; kinds: kind -> number of its last event, as JSON
    "states", _meta,
    sa.Column("noun", sa.Text, primary_key=True), sa.Column("about", sa.Text, primary_key=True),
    sa.Column("parent", sa.Text), sa.Column("kind", sa.Text), sa.Column("number", sa.BigInteger),
    sa.Column("since_ns", sa.BigInteger), sa.Column("known_ns", sa.BigInteger), sa.Column("kinds", sa.Text),
)
persons = sa.Table(
    "persons", _meta,
    sa.Column("id", sa.Text, primary_key=True), sa.Column("measures", sa.Text), sa.Column("handedness", sa.Text),
    sa.Column("consents", sa.Text), sa.Column("source", sa.Text), sa.Column("group", sa.Text),
)
users = sa.Table(
    "users", _meta,
    sa.Column("name", sa.Text, primary_key=True), sa.Column("role", sa.Text), sa.Column("password_hash", sa.Text),
    sa.Column("person", sa.Text),
)
tokens = sa.Table(
    "tokens",
    _meta,
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("user", sa.Text),
    sa.Column("label", sa.Text),
)


def connect(url: str, read_only: bool = False) -> sa.Engine:
    """An engine on the database of `url` ('sqlite:////plant/events.sqlite', 'postgresql+psycopg:..'), migrated to HEAD.

    Raises MissingExtra when the driver is not installed, StoreError when the database cannot be opened.
    """
    try:
        engine = sa.create_engine(url, connect_args={"check_same_thread": False} if url.startswith("sqlite") else {})
    except ModuleNotFoundError as error:
        raise MissingExtra("store/events", error.name or "psycopg", "postgres") from error
    if engine.dialect.name == "sqlite":
        _tune(engine, read_only)
    try:
        if not read_only:
            migrate(engine)
        return engine
    except sa.exc.SQLAlchemyError as error:
        engine.dispose()
        raise StoreError(
            f"events {_shown(engine)}",
            f"the database cannot be opened ({_short(error)})",
            "",
            "restore it from the last copy",
        ) from error


def migrate(engine: sa.Engine) -> None:
    """Brings the database to HEAD; does nothing, and imports nothing, when it is there already."""
    with engine.connect() as connection:
        if sa.inspect(connection).has_table("alembic_version"):
            found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
            if found == HEAD:
                return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def insert(connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]], replace: bool = False) -> None:
    """Adds rows, given in the order of the table's columns; `replace` overwrites those of the same primary key."""
    if not rows:
        return
    names = [column.name for column in table.columns]
    columns = ", ".join(f'"{name}"' for name in names)
    keys = [column.name for column in table.primary_key]
    rest = ", ".join(f'"{name}" = excluded."{name}"' for name in names if name not in keys)
    over = f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {rest}" if replace else ""
    if connection.dialect.name != "postgresql":
        marks = ", ".join("?" for _ in names)
        connection.exec_driver_sql(f"INSERT INTO {table.name} ({columns}) VALUES ({marks}){over}", list(rows))
    elif replace:
        kinds = ("bigint" if isinstance(column.type, sa.BigInteger) else "text" for column in table.columns)
        given = ", ".join(f"%s::{kind}[]" for kind in kinds)
        sql = f"INSERT INTO {table.name} ({columns}) SELECT * FROM unnest({given}){over}"
        connection.exec_driver_sql(sql, tuple(list(values) for values in zip(*rows, strict=True)))
    else:
        cursor: Any = connection.connection.cursor()
        with cursor.copy(f"COPY {table.name} ({columns}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)


def count_again(connection: sa.Connection, first: int, last: int) -> None:
    """Tells PostgreSQL to count its tables again whenever there are twice as many events: it plans by what it counted,
    and counts by itself only a minute later."""
    if connection.dialect.name == "postgresql" and last >= 512 and last.bit_length() > (first - 1).bit_length():
        connection.execute(sa.text("ANALYZE events, reasons, links, states"))


def lock_writers(connection: sa.Connection) -> None:
    """One writer at a time until the transaction ends (SQLite has it by BEGIN IMMEDIATE)."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(4711206119)"))


def _tune(engine: sa.Engine, read_only: bool) -> None:
    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's own BEGIN, not the driver's
        for pragma in ("busy_timeout=5000", "foreign_keys=ON", *(["query_only=ON"] if read_only else [])):
            connection.execute(f"PRAGMA {pragma}")
        if not read_only:
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
                connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _on_begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _shown(engine: sa.Engine) -> str:
    return engine.url.render_as_string(hide_password=True)


def _short(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0][:200]


@contextmanager
def told(verb: str) -> Iterator[None]:
    """Says StoreError, with a word, where the database fails."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        said = f"the database cannot be {verb} ({_short(error)})"
        raise StoreError("events", said, "", "free the disk or mend its rights; nothing was recorded") from error
