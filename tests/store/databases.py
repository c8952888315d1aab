"""Both databases of events as fixtures: `url` is of an empty one, SQLite and PostgreSQL in turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.store import postgres


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "sqlite":
        yield ""
    else:
        with postgres.server() as url:
            yield url


@pytest.fixture
def url(server: str, tmp_path: Path) -> str:
    """An empty database of its own."""
    if not server:
        return f"sqlite:///{tmp_path / 'shared.sqlite'}"
    name = f"t{abs(hash(tmp_path)) % 10**12}"
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    admin.dispose()
    return server.rsplit("/", 1)[0] + f"/{name}"
