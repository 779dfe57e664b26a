"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None

_ASCII = {"charset": "ascii", "collation": "ascii_bin"}


def _ascii(length: int) -> sa.String:
    return sa.String(length).with_variant(mysql.VARCHAR(length, **_ASCII), "mysql", "mariadb")


def _text() -> sa.String:
    return sa.String(255).with_variant(
        mysql.VARCHAR(255, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
    )


def _long_text() -> sa.Text:
    return sa.Text().with_variant(mysql.LONGTEXT(charset="utf8mb4"), "mysql", "mariadb")


def _refers_to(column: str, on_delete: str) -> sa.ForeignKeyConstraint:
    table = column.removesuffix("_id") + "s"
    return sa.ForeignKeyConstraint([column], [f"{table}.id"], ondelete=on_delete)


def upgrade() -> None:
    op.create_table(
        "signing_keys",
        sa.Column("id", _ascii(32), nullable=False),
        sa.Column("private_pem", _long_text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("retires_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "users",
        sa.Column("id", _ascii(32), nullable=False),
        sa.Column("username", _text(), nullable=False),
        sa.Column("username_key", _text(), nullable=False),
        sa.Column("email", _text(), nullable=True),
        sa.Column("password_hash", sa.String(255), nullable=True),
        sa.Column("role", _ascii(32), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("disabled_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("username_key"),
    )
    op.create_table(
        "workers",
        sa.Column("id", _ascii(32), nullable=False),
        sa.Column("host", _text(), nullable=False),
        sa.Column("slots", sa.SmallInteger(), nullable=False),
        sa.Column("draining", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("heartbeat_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.Index("ix_workers_heartbeat_at", "heartbeat_at"),
    )
    op.create_table(
        "sign_ins",
        sa.Column("id", _ascii(32), nullable=False),
        sa.Column("user_id", _ascii(32), nullable=False),
        sa.Column("kind", _ascii(32), nullable=False),
        sa.Column("family", _ascii(32), nullable=False),
        sa.Column("secret_sha256", _ascii(64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("secret_sha256"),
        _refers_to("user_id", "CASCADE"),
        sa.Index("ix_sign_ins_user_id", "user_id"),
        sa.Index("ix_sign_ins_family", "family"),
        sa.Index("ix_sign_ins_expires_at", "expires_at"),
    )
    op.create_table(
        "uploads",
        sa.Column("id", _ascii(32), nullable=False),
        sa.Column("user_id", _ascii(32), nullable=False),
        sa.Column("name", _text(), nullable=False),
        sa.Column("state", _ascii(32), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("received_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        _refers_to("user_id", "CASCADE"),
        sa.Index("ix_uploads_user_id", "user_id"),
        sa.Index("ix_uploads_expires_at", "expires_at"),
    )
    op.create_table(
        "upload_chunks",
        sa.Column("upload_id", _ascii(32), nullable=False),
        sa.Column("offset_bytes", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("storage_key", _ascii(255), nullable=False),
        sa.PrimaryKeyConstraint("upload_id", "offset_bytes"),
        _refers_to("upload_id", "CASCADE"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", _ascii(32), nullable=False),
        sa.Column("user_id", _ascii(32), nullable=False),
        sa.Column("upload_id", _ascii(32), nullable=True),
        sa.Column("source_name", _text(), nullable=False),
        sa.Column("source_size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("source_duration_s", sa.Double(), nullable=True),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("tag", _text(), nullable=True),
        sa.Column("idempotency_key", _text(), nullable=True),
        sa.Column("request_sha256", _ascii(64), nullable=True),
        sa.Column("state", _ascii(32), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.SmallInteger(), nullable=False),
        sa.Column("lost_leases", sa.SmallInteger(), nullable=False),
        sa.Column("lease_owner", _ascii(32), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.Column("announced_until", sa.BigInteger(), nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("percent", sa.SmallInteger(), nullable=False),
        sa.Column("done_s", sa.Double(), nullable=False),
        sa.Column("result_key", _ascii(255), nullable=True),
        sa.Column("result_sha256", _ascii(64), nullable=True),
        sa.Column("result_size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("result_duration_s", sa.Double(), nullable=True),
        sa.Column("report", sa.JSON(), nullable=True),
        sa.Column("error_code", _ascii(32), nullable=True),
        sa.Column("error_detail", _long_text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        _refers_to("user_id", "CASCADE"),
        _refers_to("upload_id", "SET NULL"),
        sa.UniqueConstraint("user_id", "idempotency_key", name="uq_jobs_idempotency"),
        sa.Index("ix_jobs_upload_id", "upload_id"),
        sa.Index("ix_jobs_schedule", "state", "priority", "turn", "id"),
        sa.Index("ix_jobs_announced", "state", "announced_until"),
        sa.Index("ix_jobs_lease", "state", "lease_until"),
        sa.Index("ix_jobs_user", "user_id", "id"),
        sa.Index("ix_jobs_turn", "user_id", "priority", "turn"),
        sa.Index("ix_jobs_expiry", "expires_at"),
    )
    op.create_table(
        "notifications",
        sa.Column("id", _ascii(32), nullable=False),
        sa.Column("job_id", _ascii(32), nullable=False),
        sa.Column("kind", _ascii(32), nullable=False),
        sa.Column("state", _ascii(32), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.Column("announced_until", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        _refers_to("job_id", "CASCADE"),
        sa.UniqueConstraint("job_id", "kind", name="uq_notifications_job"),
        sa.Index("ix_notifications_schedule", "state", "not_before", "id"),
    )


def downgrade() -> None:
    for table in (
        "notifications",
        "jobs",
        "upload_chunks",
        "uploads",
        "sign_ins",
        "workers",
        "users",
        "signing_keys",
    ):
        op.drop_table(table)
