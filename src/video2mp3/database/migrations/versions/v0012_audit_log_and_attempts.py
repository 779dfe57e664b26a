"""The audit log, and the attempts by which sign-ins are throttled."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0012"
down_revision = "0011"


def _ascii(length: int) -> sa.String:
    return sa.String(length).with_variant(
        mysql.VARCHAR(length, charset="ascii", collation="ascii_bin"), "mysql", "mariadb"
    )


def upgrade() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("id", _ascii(32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("action", _ascii(32), nullable=False),
        sa.Column("user_id", _ascii(32), nullable=True),
        sa.Column("subject_id", _ascii(32), nullable=True),
        sa.Column("address", _ascii(64), nullable=True),
        sa.Column("request_id", _ascii(64), nullable=True),
        sa.Column("detail", _ascii(32), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_audit_entries_at", "audit_entries", ["at"])
    op.create_index("ix_audit_entries_user_id", "audit_entries", ["user_id", "id"])
    op.create_index("ix_audit_entries_subject_id", "audit_entries", ["subject_id", "id"])
    op.create_table(
        "attempts",
        sa.Column("id", _ascii(32), nullable=False),
        sa.Column("counter_sha256", _ascii(64), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_attempts_counter", "attempts", ["counter_sha256", "expires_at"])
    op.create_index("ix_attempts_expires_at", "attempts", ["expires_at"])


def downgrade() -> None:
    op.drop_table("attempts")
    op.drop_table("audit_entries")
