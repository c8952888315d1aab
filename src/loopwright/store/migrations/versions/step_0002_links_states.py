"""Which events name an id in their body, and where everything stands: derived from the events, those that are there
included."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    from loopwright.store import fold

    op.create_table(
        "links",
        sa.Column("ref", sa.Text(), primary_key=True),
        sa.Column("kind", sa.Text(), primary_key=True),
        sa.Column("t_ns", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "states",
        sa.Column("noun", sa.Text(), primary_key=True),
        sa.Column("about", sa.Text(), primary_key=True),
        sa.Column("parent", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("since_ns", sa.BigInteger(), nullable=False),
        sa.Column("known_ns", sa.BigInteger(), nullable=False),
        sa.Column("kinds", sa.Text(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("states_number", "states", ["noun", "number"])
    op.create_index("states_kind", "states", ["noun", "kind", "number"])
    op.create_index("states_parent", "states", ["parent", "noun"])
    op.create_index("events_time", "events", ["t_ns"])
    op.create_index("events_kind_time", "events", ["kind", "t_ns"])
    fold.rebuild(op.get_bind())
