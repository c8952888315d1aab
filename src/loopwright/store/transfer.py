"""Events and people from one database into another, table by table, as they stood at one moment.

A backup holds them as SQLite whatever they stood in, so that a plant on PostgreSQL can be restored into either.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from loopwright.core.errors import InputError, StoreError
from loopwright.store import schema

_ROWS = 5000
_OWN = "alembic_version"  # which step the database is at: the target has its own


class Held:
    """The events and people of a server's database as they stood when `hold` was called last."""

    def __init__(self, url: str) -> None:
        self._engine = schema.connect(url, read_only=True)
        self._held: sa.Connection | None = None
        self._number = 0

    def hold(self) -> None:
        """Begins a transaction that sees one moment."""
        self.release()
        self._held = self._engine.connect().execution_options(isolation_level="REPEATABLE READ")
        self._number = _newest(self._held)

    def moved(self) -> bool:
        """Whether an event was recorded since."""
        with self._engine.connect() as connection:
            return _newest(connection) != self._number

    def to_sqlite(self, path: Path) -> None:
        """Writes it as an events.sqlite of a plant."""
        assert self._held is not None
        path.unlink(missing_ok=True)
        target = schema.connect(f"sqlite:///{path}")
        try:
            copy(self._held, target)
            with target.connect() as connection:
                connection.exec_driver_sql("COMMIT")
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            target.dispose()

    def release(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None

    def close(self) -> None:
        self.release()
        self._engine.dispose()


def into(url: str, path: Path) -> int:
    """Copies an events.sqlite into the empty database of `url`, in one transaction; how many events."""
    source, target = schema.connect(f"sqlite:///{path}"), schema.connect(url)
    try:
        with target.connect() as connection:
            if _newest(connection):
                raise InputError(f"events {schema._shown(target)}", "there are events in it", "an empty database")
        with source.connect() as connection:
            copy(connection, target)
            return _newest(connection)
    finally:
        source.dispose()
        target.dispose()


def copy(source: sa.Connection, target: sa.Engine) -> None:
    """Every table of the source into the same table of the target, which has them all, empty."""
    found, there = sa.MetaData(), sa.MetaData()
    try:
        found.reflect(source)
        there.reflect(target)
        with target.connect().execution_options(writes=True) as connection, connection.begin():
            for table in found.sorted_tables:
                if table.name == _OWN:
                    continue
                rows = source.execution_options(yield_per=_ROWS).execute(sa.select(table)).mappings()
                for part in rows.partitions(_ROWS):
                    connection.execute(sa.insert(there.tables[table.name]), [dict(row) for row in part])
    except (sa.exc.SQLAlchemyError, KeyError) as error:
        said = str(getattr(error, "orig", None) or error).splitlines()[0][:200]
        raise StoreError("events", f"they cannot be copied ({said})", "databases of the same version") from error


def _newest(connection: sa.Connection) -> int:
    return int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(schema.events.c.number), 0))).scalar_one())
