"""The database of events and people: its tables, how it is opened, and its migrations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from loopwright.core.errors import MissingExtra, StoreError

PATIENCE_S = 5  # how long one writer waits for another
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

    A server that was restarted is found again: every connection is tried before it is used.
    Raises MissingExtra when the driver is not installed, StoreError when the database cannot be opened, or is of a
    newer Loopwright, or (read_only) of an older one.
    """
    try:
        engine = sa.create_engine(url, pool_pre_ping=True, connect_args=_settings(url))
    except ModuleNotFoundError as error:
        raise MissingExtra("store/events", error.name or "psycopg", "postgres") from error
    if engine.dialect.name == "sqlite":
        _tune(engine, read_only)
    try:
        migrate(engine, read_only)
        return engine
    except StoreError:
        engine.dispose()
        raise
    except sa.exc.SQLAlchemyError as error:
        engine.dispose()
        raise StoreError(
            f"events {_shown(engine)}",
            f"the database cannot be opened ({_short(error)})",
            "",
            _todo(_short(error)) or "restore it from the last copy",
        ) from error


def migrate(engine: sa.Engine, read_only: bool = False) -> None:
    """Brings the database to HEAD in one transaction, so that a step that fails leaves it as it was; does nothing, and
    imports nothing, when it is there already. There is no way back: StoreError when it is newer than HEAD."""
    with engine.connect() as connection:
        found = version(connection)
    if found > HEAD:
        said = f"it was written by a newer Loopwright (its version is {found})"
        todo = "update Loopwright, or restore the copy made before the update: there is no way back"
        raise StoreError(f"events {_shown(engine)}", said, f"versions up to {HEAD}", todo)
    if found == HEAD:
        return
    if read_only:
        said = f"it was written by an older Loopwright (its version is {found or 'none'})"
        raise StoreError(f"events {_shown(engine)}", said, f"version {HEAD}", "open the plant once for writing")
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        lock_writers(connection)
        if version(connection) != HEAD:  # another process was quicker
            config.attributes["connection"] = connection
            command.upgrade(config, HEAD)


def version(connection: sa.Connection) -> str:
    """The step the database has reached, '' when it is empty."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return ""
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() or ""


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
        _copy(connection, f"COPY {table.name} ({columns}) FROM STDIN", rows)


def _copy(connection: sa.Connection, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """PostgreSQL's quick way in, past SQLAlchemy; its errors are SQLAlchemy's again."""
    cursor: Any = connection.connection.cursor()
    driver: Any = connection.dialect.loaded_dbapi
    try:
        with cursor.copy(sql) as copy:
            for row in rows:
                copy.write_row(row)
    except driver.Error as error:
        raise sa.exc.OperationalError(sql, None, error) from error


def count_again(connection: sa.Connection, first: int, last: int) -> None:
    """Tells PostgreSQL to count its tables again whenever there are twice as many events: it plans by what it counted,
    and counts by itself only a minute later."""
    if connection.dialect.name == "postgresql" and last >= 512 and last.bit_length() > (first - 1).bit_length():
        connection.execute(sa.text("ANALYZE events, reasons, links, states"))


def lock_writers(connection: sa.Connection) -> None:
    """One writer at a time until the transaction ends (SQLite has it by BEGIN IMMEDIATE)."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(4711206119)"))


def _settings(url: str) -> dict[str, Any]:
    """What a driver is told; for PostgreSQL unless the URL itself says it."""
    if url.startswith("sqlite"):
        return {"check_same_thread": False}
    said = sa.make_url(url).query
    usual = {"connect_timeout": 10, "options": f"-c lock_timeout={PATIENCE_S}s"}
    return {name: value for name, value in usual.items() if name not in said}


def _tune(engine: sa.Engine, read_only: bool) -> None:
    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's own BEGIN, not the driver's
        patience = f"busy_timeout={PATIENCE_S * 1000}"
        for pragma in (patience, "foreign_keys=ON", *(["query_only=ON"] if read_only else [])):
            connection.execute(f"PRAGMA {pragma}")
        if not read_only:
            # 64 MB of pages in memory, a checkpoint every 32 MB: indexes of millions of events stay quick to add to
            wide = ("cache_size=-64000", "wal_autocheckpoint=8000")
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", *wide):
                connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _on_begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _shown(engine: sa.Engine) -> str:
    return engine.url.render_as_string(hide_password=True)


def _todo(short: str) -> str:
    """What to do about a database that is there but does not answer; '' where it is something else."""
    if "locked" in short or "lock timeout" in short:
        return "another process holds it; try again"
    lost = ("connection", "terminat", "connect")
    return "see that its server runs, and try again" if any(word in short for word in lost) else ""


def _short(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0][:200]


@contextmanager
def told(verb: str) -> Iterator[None]:
    """Says StoreError, with a word, where the database fails."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        short = _short(error)
        todo = _todo(short) or "free the disk or mend its rights"
        nothing = "; nothing was recorded" if verb == "written" else ""
        raise StoreError("events", f"the database cannot be {verb} ({short})", "", todo + nothing) from error
