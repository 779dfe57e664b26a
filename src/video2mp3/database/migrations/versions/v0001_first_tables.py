"""The first tables."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import SchemaItem

revision = "0001"
down_revision = None

_ASCII = {"charset": "ascii", "collation": "ascii_bin"}
_TEXT = sa.String(255).with_variant(mysql.VARCHAR(255, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")
_CHECKSUMS = sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")
_LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")

_MYSQL_OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (("engine", "InnoDB"), ("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}


def _create_table(name: str, *columns: SchemaItem) -> None:
    op.create_table(name, *columns, **_MYSQL_OPTIONS)


def _ascii(length: int) -> sa.String:
    return sa.String(length).with_variant(mysql.VARCHAR(length, **_ASCII), "mysql", "mariadb")


def _refers_to(column: str, on_delete: str) -> sa.ForeignKeyConstraint:
    table = column.removesuffix("_id") + "s"
    return sa.ForeignKeyConstraint([column], [f"{table}.id"], ondelete=on_delete)


def upgrade() -> None:
    _create_table(
        "attempts",
        sa.Column("id", _ascii(32), nullable=False),
        sa.Column("counter_sha256", _ascii(64), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.Index("ix_attempts_counter", "counter_sha256", "expires_at"),
        sa.Index("ix_attempts_expires_at", "expires_at"),
    )
    _create_table(
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
        sa.Index("ix_audit_entries_at", "at"),
        sa.Index("ix_audit_entries_subject_id", "subject_id", "id"),
        sa.Index("ix_audit_entries_user_id", "user_id", "id"),
    )
    _create_table(
        "invitations",
        sa.Column("id", _ascii(32), nullable=False),
        sa.Column("code_sha256", _ascii(64), nullable=False),
        sa.Column("created_by", _ascii(32), nullable=True),
        sa.Column("used_by", _ascii(32), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("code_sha256"),
    )
    _create_table(
        "periodic_tasks",
        sa.Column("name", _ascii(32), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    _create_table(
        "secrets",
        sa.Column("name", _ascii(32), nullable=False),
        sa.Column("secret", _ascii(64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    _create_table(
        "signing_keys",
        sa.Column("id", _ascii(32), nullable=False),
        sa.Column("private_pem", _LONG_TEXT, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("retires_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    _create_table(
        "users",
        sa.Column("id", _ascii(32), nullable=False),
        sa.Column("username", _TEXT, nullable=False),
        sa.Column("username_key", _TEXT, nullable=False),
        sa.Column("email", _TEXT, nullable=True),
        sa.Column("email_verified_at", sa.BigInteger(), nullable=True),
        sa.Column("password_hash", sa.String(255), nullable=True),
        sa.Column("email_notifications", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("role", _ascii(32), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("disabled_at", sa.BigInteger(), nullable=True),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.Column("virtual_start", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("virtual_finish", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("username_key"),
        sa.Index("ix_users_deleted_at", "deleted_at"),
        sa.Index("ix_users_virtual_finish", "virtual_finish"),
        sa.Index("ix_users_virtual_start", "virtual_start"),
    )
    _create_table(
        "workers",
        sa.Column("id", _ascii(32), nullable=False),
        sa.Column("host", _TEXT, nullable=False),
        sa.Column("slots", sa.SmallInteger(), nullable=False),
        sa.Column("draining", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("drain_requested", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("heartbeat_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.Index("ix_workers_heartbeat_at", "heartbeat_at"),
    )
    _create_table(
        "api_keys",
        sa.Column("id", _ascii(32), nullable=False),
        sa.Column("user_id", _ascii(32), nullable=False),
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("scopes", _ascii(64), nullable=False),
        sa.Column("secret_sha256", _ascii(64), nullable=False),
        sa.Column("hint", _ascii(32), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        _refers_to("user_id", "CASCADE"),
        sa.UniqueConstraint("secret_sha256"),
        sa.Index("ix_api_keys_user", "user_id", "id"),
    )
    _create_table(
        "batches",
        sa.Column("id", _ascii(32), nullable=False),
        sa.Column("user_id", _ascii(32), nullable=False),
        sa.Column("tag", _TEXT, nullable=True),
        sa.Column("idempotency_key", _TEXT, nullable=True),
        sa.Column("request_sha256", _ascii(64), nullable=True),
        sa.Column("webhook_url", _LONG_TEXT, nullable=True),
        sa.Column("webhook_secret", _ascii(255), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        _refers_to("user_id", "CASCADE"),
        sa.UniqueConstraint("user_id", "idempotency_key", name="uq_batches_idempotency"),
        sa.Index("ix_batches_ended", "ended_at", "id"),
        sa.Index("ix_batches_user", "user_id", "id"),
        sa.Index("ix_batches_user_ended", "user_id", "ended_at", "id"),
    )
    _create_table(
        "one_time_tokens",
        sa.Column("id", _ascii(32), nullable=False),
        sa.Column("user_id", _ascii(32), nullable=True),
        sa.Column("kind", _ascii(32), nullable=False),
        sa.Column("email", _TEXT, nullable=True),
        sa.Column("secret_sha256", _ascii(64), nullable=True),
        sa.Column("state", _ascii(32), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        _refers_to("user_id", "CASCADE"),
        sa.UniqueConstraint("secret_sha256"),
        sa.Index("ix_one_time_tokens_due", "state", "not_before"),
        sa.Index("ix_one_time_tokens_expires_at", "expires_at"),
        sa.Index("ix_one_time_tokens_user_id", "user_id"),
    )
    _create_table(
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
        sa.Column("user_agent", _TEXT, nullable=True),
        sa.Column("address", _ascii(64), nullable=True),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        _refers_to("user_id", "CASCADE"),
        sa.UniqueConstraint("secret_sha256"),
        sa.Index("ix_sign_ins_expires_at", "expires_at"),
        sa.Index("ix_sign_ins_family", "family"),
        sa.Index("ix_sign_ins_user_id", "user_id"),
    )
    _create_table(
        "uploads",
        sa.Column("id", _ascii(32), nullable=False),
        sa.Column("user_id", _ascii(32), nullable=False),
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("state", _ascii(32), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("received_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("tus_metadata", _LONG_TEXT, nullable=True),
        sa.Column("active_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("stalls", sa.SmallInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id"),
        _refers_to("user_id", "CASCADE"),
        sa.Index("ix_uploads_expires_at", "expires_at"),
        sa.Index("ix_uploads_user_id", "user_id"),
    )
    _create_table(
        "jobs",
        sa.Column("id", _ascii(32), nullable=False),
        sa.Column("user_id", _ascii(32), nullable=False),
        sa.Column("upload_id", _ascii(32), nullable=True),
        sa.Column("batch_id", _ascii(32), nullable=True),
        sa.Column("cover_upload_id", _ascii(32), nullable=True),
        sa.Column("source_url", _LONG_TEXT, nullable=True),
        sa.Column("result_url", _LONG_TEXT, nullable=True),
        sa.Column("source_name", _TEXT, nullable=False),
        sa.Column("source_size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("source_duration_s", sa.Double(), nullable=True),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("tag", _TEXT, nullable=True),
        sa.Column("email_notifications", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("idempotency_key", _TEXT, nullable=True),
        sa.Column("request_sha256", _ascii(64), nullable=True),
        sa.Column("request_id", _ascii(64), nullable=True),
        sa.Column("traceparent", _ascii(64), nullable=True),
        sa.Column("state", _ascii(32), nullable=False),
        sa.Column("blocked_reason", _ascii(32), nullable=True),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("transfer", _ascii(32), nullable=True),
        sa.Column("fetched_bytes", sa.BigInteger(), nullable=True),
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
        sa.Column("result_checksums", _CHECKSUMS, nullable=True),
        sa.Column("result_size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("result_duration_s", sa.Double(), nullable=True),
        sa.Column("report", sa.JSON(), nullable=True),
        sa.Column("link_serial", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error_code", _ascii(32), nullable=True),
        sa.Column("error_detail", _LONG_TEXT, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        _refers_to("upload_id", "SET NULL"),
        _refers_to("user_id", "CASCADE"),
        sa.UniqueConstraint("user_id", "idempotency_key", name="uq_jobs_idempotency"),
        sa.Index("ix_jobs_announced", "state", "announced_until"),
        sa.Index("ix_jobs_batch_id", "batch_id"),
        sa.Index("ix_jobs_cover_upload_id", "cover_upload_id"),
        sa.Index("ix_jobs_expiry", "expires_at"),
        sa.Index("ix_jobs_lease", "state", "lease_until"),
        sa.Index("ix_jobs_schedule", "state", "user_id", "priority", "id"),
        sa.Index("ix_jobs_transfer", "transfer", "user_id", "not_before", "id"),
        sa.Index("ix_jobs_upload_id", "upload_id"),
        sa.Index("ix_jobs_user", "user_id", "id"),
        sa.Index("ix_jobs_user_ended", "user_id", "ended_at", "id"),
        sa.Index("ix_jobs_user_state", "user_id", "state", "expires_at", "result_size_bytes"),
    )
    _create_table(
        "upload_chunks",
        sa.Column("upload_id", _ascii(32), nullable=False),
        sa.Column("offset_bytes", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("storage_key", _ascii(255), nullable=False),
        sa.Column("checksums", _CHECKSUMS, nullable=False),
        sa.PrimaryKeyConstraint("upload_id", "offset_bytes"),
        _refers_to("upload_id", "CASCADE"),
    )
    _create_table(
        "notifications",
        sa.Column("id", _ascii(32), nullable=False),
        sa.Column("job_id", _ascii(32), nullable=False),
        sa.Column("kind", _ascii(32), nullable=False),
        sa.Column("target", _ascii(32), server_default="", nullable=False),
        sa.Column("user_id", _ascii(32), nullable=False),
        sa.Column("destination", _ascii(255), server_default="", nullable=False),
        sa.Column("state", _ascii(32), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.Column("announced_until", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("problem", _TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        _refers_to("job_id", "CASCADE"),
        sa.UniqueConstraint("job_id", "kind", "target", name="uq_notifications_job_target"),
        sa.Index("ix_notifications_announced", "state", "announced_until"),
        sa.Index("ix_notifications_target", "target", "id"),
        sa.Index(
            "ix_notifications_turns", "state", "user_id", "destination", "not_before", "announced_until", "id", "job_id"
        ),
    )
    _create_table(
        "destinations",
        sa.Column("user_id", _ascii(32), nullable=False),
        sa.Column("host", _ascii(255), nullable=False),
        sa.Column("failures", sa.SmallInteger(), nullable=False),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "host"),
        _refers_to("user_id", "CASCADE"),
    )
    _create_table(
        "waveforms",
        sa.Column("job_id", _ascii(32), nullable=False),
        sa.Column("segment", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("step_s", sa.Double(), nullable=False),
        sa.Column("duration_s", sa.Double(), nullable=False),
        sa.Column("peaks", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "segment"),
        _refers_to("job_id", "CASCADE"),
    )
    _create_table(
        "webhooks",
        sa.Column("id", _ascii(32), nullable=False),
        sa.Column("user_id", _ascii(32), nullable=False),
        sa.Column("job_id", _ascii(32), nullable=True),
        sa.Column("url", _LONG_TEXT, nullable=False),
        sa.Column("secret", _ascii(255), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("disabled_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        _refers_to("job_id", "CASCADE"),
        _refers_to("user_id", "CASCADE"),
        sa.Index("ix_webhooks_job_id", "job_id"),
        sa.Index("ix_webhooks_user", "user_id", "job_id", "id"),
    )


def downgrade() -> None:
    for table in (
        "webhooks",
        "waveforms",
        "destinations",
        "notifications",
        "upload_chunks",
        "jobs",
        "uploads",
        "sign_ins",
        "one_time_tokens",
        "batches",
        "api_keys",
        "workers",
        "users",
        "signing_keys",
        "secrets",
        "periodic_tasks",
        "invitations",
        "audit_entries",
        "attempts",
    ):
        op.drop_table(table)
