"""Events (append-only, enforced by the database itself) and the erasable tables of people."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SQLITE = """
CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, '{table} are append-only: what happened is not edited'); END
"""
_POSTGRES = """
CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION loopwright_append_only()
"""
_FUNCTION = """
CREATE FUNCTION loopwright_append_only() RETURNS trigger AS $$
BEGIN RAISE EXCEPTION '% are append-only: what happened is not edited', TG_TABLE_NAME; END
$$ LANGUAGE plpgsql
"""


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text(), nullable=False, unique=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("t_ns", sa.BigInteger(), nullable=False),
        sa.Column("known_ns", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("hash", sa.Text(), nullable=False),
    )
    op.create_index("events_kind", "events", ["kind", "number"])
    op.create_index("events_about", "events", ["about", "number"])
    op.create_index("events_known", "events", ["known_ns"])
    op.create_index("events_key", "events", ["kind", "key"], unique=True)
    op.create_table(
        "reasons",
        sa.Column("because", sa.Text(), primary_key=True),
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
    )
    _append_only()
    op.create_table(
        "persons",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("measures", sa.Text(), nullable=False),
        sa.Column("handedness", sa.Text(), nullable=False),
        sa.Column("consents", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("group", sa.Text(), nullable=False),
    )
    op.create_index("persons_source", "persons", ["source"])
    op.create_table(
        "users",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
    )
    op.create_table(
        "tokens",
        sa.Column("hash", sa.Text(), primary_key=True),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
    )


def _append_only() -> None:
    postgres = op.get_bind().dialect.name == "postgresql"
    if postgres:
        op.execute(_FUNCTION)
    for table in ("events", "reasons"):
        for verb in ("UPDATE", "DELETE", *(["TRUNCATE"] if postgres else [])):
            op.execute((_POSTGRES if postgres else _SQLITE).format(table=table, verb=verb))
