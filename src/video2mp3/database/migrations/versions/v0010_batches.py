"""Conversions that were ordered together."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0010"
down_revision = "0009"

_ASCII = {"charset": "ascii", "collation": "ascii_bin"}


def _ascii(length: int) -> sa.String:
    return sa.String(length).with_variant(mysql.VARCHAR(length, **_ASCII), "mysql", "mariadb")


_LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(charset="utf8mb4"), "mysql", "mariadb")
_TEXT_255 = sa.String(255).with_variant(
    mysql.VARCHAR(255, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
)


def upgrade() -> None:
    op.create_table(
        "batches",
        sa.Column("id", _ascii(32), nullable=False),
        sa.Column("user_id", _ascii(32), nullable=False),
        sa.Column("tag", _TEXT_255, nullable=True),
        sa.Column("idempotency_key", _TEXT_255, nullable=True),
        sa.Column("request_sha256", _ascii(64), nullable=True),
        sa.Column("webhook_url", _LONG_TEXT, nullable=True),
        sa.Column("webhook_secret", _ascii(255), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.UniqueConstraint("user_id", "idempotency_key", name="uq_batches_idempotency"),
        sa.Index("ix_batches_user", "user_id", "id"),
        sa.Index("ix_batches_ended", "ended_at", "id"),
    )
    op.add_column("jobs", sa.Column("batch_id", _ascii(32), nullable=True))
    op.create_index("ix_jobs_batch_id", "jobs", ["batch_id"])


def downgrade() -> None:
    op.execute("DELETE FROM notifications WHERE kind = 'batch'")
    op.drop_index("ix_jobs_batch_id", "jobs")
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_column("batch_id")
    op.drop_table("batches")
