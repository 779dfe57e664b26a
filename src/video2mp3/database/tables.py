"""All tables. Columns whose names end in `_at`, `_until` or `not_before` are microseconds since 1970 (see clock)."""

import secrets
import threading
import time
from typing import Annotated, Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    true,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from video2mp3.engine import ResolvedOptions

# Ids and tokens compare byte by byte on every database; MySQL would ignore the case otherwise.
_ASCII = {"charset": "ascii", "collation": "ascii_bin"}
_Id32 = String(32).with_variant(mysql.VARCHAR(32, **_ASCII), "mysql", "mariadb")
_Sha256 = String(64).with_variant(mysql.VARCHAR(64, **_ASCII), "mysql", "mariadb")
_Word = String(32).with_variant(mysql.VARCHAR(32, **_ASCII), "mysql", "mariadb")
_Short = String(64).with_variant(mysql.VARCHAR(64, **_ASCII), "mysql", "mariadb")
_Key = String(255).with_variant(mysql.VARCHAR(255, **_ASCII), "mysql", "mariadb")
_Text255 = String(255).with_variant(mysql.VARCHAR(255, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")
# A plain BLOB of MySQL holds 64 KiB: the checksums of 2 GiB.
_Checksums = LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")
_LongText = Text().with_variant(mysql.LONGTEXT(charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")
# Not the server's defaults, which may be tables without transactions, or texts without emojis.
_MYSQL_OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (("engine", "InnoDB"), ("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}


class _Options(TypeDecorator[ResolvedOptions]):
    """Resolved options, as versioned JSON."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: ResolvedOptions | None, _: Dialect) -> dict[str, Any] | None:
        return None if value is None else value.as_json()

    def process_result_value(self, value: dict[str, Any] | None, _: Dialect) -> ResolvedOptions | None:
        return None if value is None else ResolvedOptions.from_json(value)


Id = Annotated[str, mapped_column(_Id32)]
Word = Annotated[str, mapped_column(_Word)]
Timestamp = Annotated[int, mapped_column(BigInteger)]


_id_lock = threading.Lock()
_last_id_us = 0


def new_id() -> str:
    """Returns a new id: 32 hex digits that cannot be guessed.

    Ids sort by creation time; those of one process sort exactly in the order of creation.
    """
    global _last_id_us
    with _id_lock:
        _last_id_us = max(_last_id_us + 1, time.time_ns() // 1000)
        return f"{_last_id_us:013x}{secrets.token_hex(10)[1:]}"


class Base(DeclarativeBase):
    """The base of all tables."""

    def __init_subclass__(cls, **arguments: Any) -> None:
        cls.__table_args__ = (*cls.__dict__.get("__table_args__", ()), _MYSQL_OPTIONS)
        super().__init_subclass__(**arguments)


class User(Base):
    """An account."""

    __tablename__ = "users"

    id: Mapped[Id] = mapped_column(primary_key=True, default=new_id)
    username: Mapped[str] = mapped_column(_Text255)
    # The name as it is compared (NFKC, casefolded), so that names cannot differ in case only.
    username_key: Mapped[str] = mapped_column(_Text255, unique=True)
    email: Mapped[str | None] = mapped_column(_Text255, default=None)
    # When it was shown that emails to that address arrive; None: it may be anybody's.
    email_verified_at: Mapped[Timestamp | None] = mapped_column(default=None)
    # None: nobody can sign in with a password (the user `local`).
    password_hash: Mapped[str | None] = mapped_column(String(255), default=None)
    # False: no emails about conversions.
    email_notifications: Mapped[bool] = mapped_column(Boolean, default=True, server_default=true())
    role: Mapped[Word] = mapped_column(default="user")
    created_at: Mapped[Timestamp]
    disabled_at: Mapped[Timestamp | None] = mapped_column(default=None)
    # Disabled permanently: the row is erased after all its data (`jobs/housekeeping/erasing.py`).
    deleted_at: Mapped[Timestamp | None] = mapped_column(default=None, index=True)
    # The tags of the account's job that was claimed last: see `jobs/fair_queueing.py`.
    virtual_start: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0", index=True)
    virtual_finish: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0", index=True)


class SignIn(Base):
    """A secret that authenticates a user: a refresh token, a browser's cookie or a one-time link.

    `kind` is `refresh`, `cookie`, `link`, or `access` (an access token that nothing renews). Only the secret's SHA-256
    is stored. Refresh tokens that follow each other share a `family`; one used twice ends the whole family. The row
    whose `id` is the family's is the session as its owner sees it.
    """

    __tablename__ = "sign_ins"

    id: Mapped[Id] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    kind: Mapped[Word]
    family: Mapped[Id] = mapped_column(index=True)
    secret_sha256: Mapped[str] = mapped_column(_Sha256, unique=True)
    created_at: Mapped[Timestamp]
    expires_at: Mapped[Timestamp] = mapped_column(index=True)
    used_at: Mapped[Timestamp | None] = mapped_column(default=None)
    ended_at: Mapped[Timestamp | None] = mapped_column(default=None)
    # Of the session, not of each of its tokens. The User-Agent is untrusted text.
    user_agent: Mapped[str | None] = mapped_column(_Text255, default=None)
    address: Mapped[str | None] = mapped_column(_Short, default=None)
    last_used_at: Mapped[Timestamp | None] = mapped_column(default=None)


class ApiKey(Base):
    """A secret for a program: only its SHA-256 is stored. `scopes`: `convert`, `read`, `admin`, with spaces between."""

    __tablename__ = "api_keys"
    __table_args__ = (Index("ix_api_keys_user", "user_id", "id"),)

    id: Mapped[Id] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(_Text255)
    scopes: Mapped[str] = mapped_column(_Short)
    secret_sha256: Mapped[str] = mapped_column(_Sha256, unique=True)
    # Its first letters, by which the owner recognizes it.
    hint: Mapped[Word]
    created_at: Mapped[Timestamp]
    # None: never.
    expires_at: Mapped[Timestamp | None] = mapped_column(default=None)
    last_used_at: Mapped[Timestamp | None] = mapped_column(default=None)


class Invitation(Base):
    """A code for creating one account, if registration is by invitation."""

    __tablename__ = "invitations"

    id: Mapped[Id] = mapped_column(primary_key=True, default=new_id)
    code_sha256: Mapped[str] = mapped_column(_Sha256, unique=True)
    # The ids of users, which may have been deleted. None: made on the command line; not used yet.
    created_by: Mapped[Id | None] = mapped_column(default=None)
    used_by: Mapped[Id | None] = mapped_column(default=None)
    created_at: Mapped[Timestamp]
    expires_at: Mapped[Timestamp]
    used_at: Mapped[Timestamp | None] = mapped_column(default=None)


class OutboxRow:
    """The columns of a message that is sent after the commit: `outbox/claims.py` writes them, and says what they mean.

    `state`: `queued`, `sending`, `sent`, `failed`. `attempts` counts the claims, and is their fence.
    """

    id: Mapped[Id] = mapped_column(primary_key=True, default=new_id)
    state: Mapped[Word] = mapped_column(default="queued")
    attempts: Mapped[int] = mapped_column(SmallInteger, default=0)
    not_before: Mapped[Timestamp] = mapped_column(default=0)
    lease_until: Mapped[Timestamp | None] = mapped_column(default=None)
    # No attempt is queued for later than this.
    expires_at: Mapped[Timestamp]
    created_at: Mapped[Timestamp]
    sent_at: Mapped[Timestamp | None] = mapped_column(default=None)


class OneTimeToken(OutboxRow, Base):
    """A token that is good once, until `expires_at`, and the email that carries it. `kind`: `reset`, `verify`.

    Each attempt to send the email makes the token anew. Only its SHA-256 is stored.
    """

    __tablename__ = "one_time_tokens"
    __table_args__ = (
        Index("ix_one_time_tokens_due", "state", "not_before"),
        Index("ix_one_time_tokens_expires_at", "expires_at"),
    )

    # None: it was requested for an account that does not exist, and only the request had to take as long.
    user_id: Mapped[Id | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), default=None, index=True)
    kind: Mapped[Word]
    # The account's address when it was requested.
    email: Mapped[str | None] = mapped_column(_Text255, default=None)
    secret_sha256: Mapped[str | None] = mapped_column(_Sha256, unique=True, default=None)
    used_at: Mapped[Timestamp | None] = mapped_column(default=None)


class SigningKey(Base):
    """An Ed25519 key that signs access tokens; `id` is the tokens' `kid`."""

    __tablename__ = "signing_keys"

    id: Mapped[Id] = mapped_column(primary_key=True, default=new_id)
    private_pem: Mapped[str] = mapped_column(_LongText)
    created_at: Mapped[Timestamp]
    retires_at: Mapped[Timestamp | None] = mapped_column(default=None)


class Secret(Base):
    """A secret that signs URLs. Deleting the row invalidates all of them."""

    __tablename__ = "secrets"

    name: Mapped[Word] = mapped_column(primary_key=True)
    # 32 random bytes in hexadecimal.
    secret: Mapped[str] = mapped_column(_Sha256)
    created_at: Mapped[Timestamp]


class AuditEntry(Base):
    """An action on an account, a secret or the service: see `accounts/audit.py`.

    Its ids refer to no rows: it outlives the rows that it names.
    """

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("ix_audit_entries_user_id", "user_id", "id"),
        Index("ix_audit_entries_subject_id", "subject_id", "id"),
    )

    id: Mapped[Id] = mapped_column(primary_key=True, default=new_id)
    at: Mapped[Timestamp] = mapped_column(index=True)
    action: Mapped[Word]
    user_id: Mapped[Id | None] = mapped_column(default=None)
    subject_id: Mapped[Id | None] = mapped_column(default=None)
    address: Mapped[str | None] = mapped_column(_Short, default=None)
    # None: the command line.
    request_id: Mapped[str | None] = mapped_column(_Short, default=None)
    detail: Mapped[Word] = mapped_column(default="")


class Attempt(Base):
    """A counted attempt, such as a failed login: see `accounts/throttling.py`."""

    __tablename__ = "attempts"
    __table_args__ = (Index("ix_attempts_counter", "counter_sha256", "expires_at"),)

    id: Mapped[Id] = mapped_column(primary_key=True, default=new_id)
    # A hash, so that no name and no address is stored.
    counter_sha256: Mapped[str] = mapped_column(_Sha256)
    expires_at: Mapped[Timestamp] = mapped_column(index=True)


class Upload(Base):
    """A file that was uploaded, or is being uploaded: an ordered list of chunks. `state`: `open`, `complete`."""

    __tablename__ = "uploads"

    id: Mapped[Id] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    # As the user named it: untrusted text. Never part of a key or a path.
    name: Mapped[str] = mapped_column(_Text255)
    state: Mapped[Word] = mapped_column(default="open")
    # The whole size where it was declared; None until then.
    size_bytes: Mapped[int | None] = mapped_column(BigInteger, default=None)
    received_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[Timestamp]
    expires_at: Mapped[Timestamp] = mapped_column(index=True)
    # The Upload-Metadata of a tus client, verbatim, because the client may request it.
    tus_metadata: Mapped[str | None] = mapped_column(_LongText, default=None)
    # When the last bytes were received: an abandoned upload does not count as concurrent.
    active_at: Mapped[Timestamp] = mapped_column(default=0, server_default="0")
    # How often an early conversion has run out of bytes.
    stalls: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")


class UploadChunk(Base):
    """One stored object of an upload; immutable."""

    __tablename__ = "upload_chunks"

    upload_id: Mapped[Id] = mapped_column(ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True)
    offset_bytes: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    storage_key: Mapped[str] = mapped_column(_Key)
    # Of the object's blocks: see `storage/checksums.py`.
    checksums: Mapped[bytes] = mapped_column(_Checksums)


class Batch(Base):
    """Jobs that were submitted together. The batch has ended (`ended_at`) when all of them have."""

    __tablename__ = "batches"
    __table_args__ = (
        UniqueConstraint("user_id", "idempotency_key", name="uq_batches_idempotency"),
        Index("ix_batches_user", "user_id", "id"),
        Index("ix_batches_ended", "ended_at", "id"),
        Index("ix_batches_user_ended", "user_id", "ended_at", "id"),
    )

    id: Mapped[Id] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    tag: Mapped[str | None] = mapped_column(_Text255, default=None)
    idempotency_key: Mapped[str | None] = mapped_column(_Text255, default=None)
    request_sha256: Mapped[str | None] = mapped_column(_Sha256, default=None)
    # The receiver of an event at its end, if any.
    webhook_url: Mapped[str | None] = mapped_column(_LongText, default=None)
    webhook_secret: Mapped[str | None] = mapped_column(_Key, default=None)
    created_at: Mapped[Timestamp]
    ended_at: Mapped[Timestamp | None] = mapped_column(default=None)


class Job(Base):
    """A job: the row of a conversion in the queue. It is the single source of truth.

    `state`: `waiting` (for its upload), `queued`, `processing`, `finished`, `failed`, `canceled`. Every
    change of state is in `jobs/lifecycle`.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        UniqueConstraint("user_id", "idempotency_key", name="uq_jobs_idempotency"),
        Index("ix_jobs_schedule", "state", "user_id", "priority", "id"),
        Index("ix_jobs_announced", "state", "announced_until"),
        Index("ix_jobs_lease", "state", "lease_until"),
        Index("ix_jobs_user", "user_id", "id"),
        Index("ix_jobs_user_ended", "user_id", "ended_at", "id"),
        Index("ix_jobs_user_state", "user_id", "state", "expires_at", "result_size_bytes"),
        Index("ix_jobs_expiry", "expires_at"),
        Index("ix_jobs_transfer", "transfer", "user_id", "not_before", "id"),
    )

    id: Mapped[Id] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    upload_id: Mapped[Id | None] = mapped_column(
        ForeignKey("uploads.id", ondelete="SET NULL"), default=None, index=True
    )
    # Refers to no row, as a foreign key would make SQLite copy the whole table; a batch is deleted with its jobs.
    batch_id: Mapped[Id | None] = mapped_column(default=None, index=True)
    # Refers to no row: it stays when the upload is deleted, so that the job is not tried again without its cover.
    cover_upload_id: Mapped[Id | None] = mapped_column(default=None, index=True)
    # Where to fetch the upload from, and where to send the result. Their queries are secrets: see `outbound.redacted`.
    source_url: Mapped[str | None] = mapped_column(_LongText, default=None)
    result_url: Mapped[str | None] = mapped_column(_LongText, default=None)
    source_name: Mapped[str] = mapped_column(_Text255)
    source_size_bytes: Mapped[int] = mapped_column(BigInteger)
    source_duration_s: Mapped[float | None] = mapped_column(default=None)
    options: Mapped[ResolvedOptions] = mapped_column(_Options)
    tag: Mapped[str | None] = mapped_column(_Text255, default=None)
    # False: no email about this one.
    email_notifications: Mapped[bool] = mapped_column(Boolean, default=True, server_default=true())
    idempotency_key: Mapped[str | None] = mapped_column(_Text255, default=None)
    request_sha256: Mapped[str | None] = mapped_column(_Sha256, default=None)
    # Of the request that created it, for logs and traces (see `telemetry/tracing.py`).
    request_id: Mapped[str | None] = mapped_column(_Short, default=None)
    traceparent: Mapped[str | None] = mapped_column(_Short, default=None)

    state: Mapped[Word] = mapped_column(default="queued")
    # Why a waiting job cannot start before its whole file is there (a code of `errors.BLOCKED_REASONS`); None: it can.
    blocked_reason: Mapped[Word | None] = mapped_column(default=None)
    # 0 high, 1 normal, 2 low: of a user's jobs the lowest comes first (see `jobs/fair_queueing.py`).
    priority: Mapped[int] = mapped_column(SmallInteger, default=1)
    # A transfer that is due or in progress: `fetch` the file at source_url, `send` the result.
    transfer: Mapped[Word | None] = mapped_column(default=None)
    # Bytes read from source_url; fewer than the file has if only its audio was fetched.
    fetched_bytes: Mapped[int | None] = mapped_column(BigInteger, default=None)
    # Counts the claims; a worker whose fence is not the row's has lost the job.
    fence: Mapped[int] = mapped_column(BigInteger, default=0)
    failures: Mapped[int] = mapped_column(SmallInteger, default=0)
    lost_leases: Mapped[int] = mapped_column(SmallInteger, default=0)
    lease_owner: Mapped[Id | None] = mapped_column(default=None)
    lease_until: Mapped[Timestamp | None] = mapped_column(default=None)
    not_before: Mapped[Timestamp] = mapped_column(default=0)
    announced_until: Mapped[Timestamp] = mapped_column(default=0)
    cancel_requested: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())

    percent: Mapped[int] = mapped_column(SmallInteger, default=0)
    done_s: Mapped[float] = mapped_column(default=0.0)

    result_key: Mapped[str | None] = mapped_column(_Key, default=None)
    result_sha256: Mapped[str | None] = mapped_column(_Sha256, default=None)
    result_size_bytes: Mapped[int | None] = mapped_column(BigInteger, default=None)
    # Of the object's blocks (see `storage/checksums.py`): 2 KB for an hour of MP3, read only where the result is.
    result_checksums: Mapped[bytes | None] = mapped_column(_Checksums, default=None, deferred=True)
    result_duration_s: Mapped[float | None] = mapped_column(default=None)
    report: Mapped[dict[str, Any] | None] = mapped_column(JSON, default=None)
    # Part of each link to the result: links with an earlier one have been stopped (see `accounts/links.py`).
    link_serial: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    error_code: Mapped[Word | None] = mapped_column(default=None)
    error_detail: Mapped[str | None] = mapped_column(_LongText, default=None)

    created_at: Mapped[Timestamp]
    started_at: Mapped[Timestamp | None] = mapped_column(default=None)
    ended_at: Mapped[Timestamp | None] = mapped_column(default=None)
    expires_at: Mapped[Timestamp | None] = mapped_column(default=None)


class Webhook(Base):
    """A receiver of events at the ends of jobs: of all the account's, or of one job (`job_id`)."""

    __tablename__ = "webhooks"
    __table_args__ = (Index("ix_webhooks_user", "user_id", "job_id", "id"),)

    id: Mapped[Id] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    job_id: Mapped[Id | None] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), default=None, index=True)
    url: Mapped[str] = mapped_column(_LongText)
    # In the format of Standard Webhooks. Signing needs the plain secret, so it is not hashed.
    secret: Mapped[str] = mapped_column(_Key)
    events: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[Timestamp]
    # When its receiver answered 410: it gets no more deliveries.
    disabled_at: Mapped[Timestamp | None] = mapped_column(default=None)


class Notification(OutboxRow, Base):
    """A message to somebody about a job's end: made with the end, in the same transaction.

    `kind`: `email` (to the owner), `webhook`, `batch` (about the end of a whole batch). It is announced before it is
    claimed: `outbox/fair_window.py`.
    """

    __tablename__ = "notifications"
    __table_args__ = (
        UniqueConstraint("job_id", "kind", "target", name="uq_notifications_job_target"),
        Index("ix_notifications_target", "target", "id"),
        # Holds all that the relay compares when it chooses: it may look at many that have to wait.
        Index(
            "ix_notifications_turns", "state", "user_id", "destination", "not_before", "announced_until", "id", "job_id"
        ),
        Index("ix_notifications_announced", "state", "announced_until"),
    )

    job_id: Mapped[Id] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    kind: Mapped[Word] = mapped_column(default="email")
    # The id of the webhook, or of the batch; empty: the owner.
    target: Mapped[Id] = mapped_column(default="", server_default="")
    # The job's owner, and the host that the message goes to (empty: the mail server): turns are taken between them.
    # The owner refers to no row, as the job does.
    user_id: Mapped[Id]
    destination: Mapped[str] = mapped_column(_Key, default="", server_default="")
    announced_until: Mapped[Timestamp] = mapped_column(default=0)
    # How the last attempt went: the receiver's HTTP status, and a sentence where it was not taken.
    status: Mapped[int | None] = mapped_column(SmallInteger, default=None)
    problem: Mapped[str | None] = mapped_column(_Text255, default=None)


class Destination(Base):
    """A host that does not take a user's webhooks (`outbox/destinations.py`). One that takes them has no row."""

    __tablename__ = "destinations"

    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    host: Mapped[str] = mapped_column(_Key, primary_key=True)
    # Deliveries in a row that it has not taken, and when the next may be tried.
    failures: Mapped[int] = mapped_column(SmallInteger, default=0)
    not_before: Mapped[Timestamp]


class Waveform(Base):
    """The waveform of a result: recorded during encoding, or measured at the first request."""

    __tablename__ = "waveforms"

    job_id: Mapped[Id] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    # The number of an MP3 in a ZIP; 0: the result is one MP3.
    segment: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    step_s: Mapped[float]
    duration_s: Mapped[float]
    # One byte for each step, see `engine.Waveform`.
    peaks: Mapped[bytes] = mapped_column(LargeBinary)


class Worker(Base):
    """A worker process, as its heartbeat reports it: the relay sizes its window by the slots seen here."""

    __tablename__ = "workers"

    id: Mapped[Id] = mapped_column(primary_key=True, default=new_id)
    host: Mapped[str] = mapped_column(_Text255)
    slots: Mapped[int] = mapped_column(SmallInteger)
    draining: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    # Written by an administrator; the worker reads it with each heartbeat.
    drain_requested: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    started_at: Mapped[Timestamp]
    heartbeat_at: Mapped[Timestamp] = mapped_column(index=True)


class PeriodicTask(Base):
    """A periodic task that one process runs for all: the one that advances `due_at`."""

    __tablename__ = "periodic_tasks"

    name: Mapped[Word] = mapped_column(primary_key=True)
    due_at: Mapped[Timestamp]
