"""What the limits count by, drains that were asked for, and routines that one process runs at a time."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"

_WORD = sa.String(32).with_variant(mysql.VARCHAR(32, charset="ascii", collation="ascii_bin"), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "routines",
        sa.Column("name", _WORD, nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.add_column("uploads", sa.Column("active_at", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("workers", sa.Column("drain_requested", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index("ix_jobs_user_state", "jobs", ["user_id", "state", "expires_at", "result_size_bytes"])


def downgrade() -> None:
    op.drop_index("ix_jobs_user_state", "jobs")
    with op.batch_alter_table("workers") as workers:
        workers.drop_column("drain_requested")
    with op.batch_alter_table("uploads") as uploads:
        uploads.drop_column("active_at")
    op.drop_table("routines")
