"""Webhooks, and notifications that are for one."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0009"
down_revision = "0008"

_ASCII = {"charset": "ascii", "collation": "ascii_bin"}


def _ascii(length: int) -> sa.String:
    return sa.String(length).with_variant(mysql.VARCHAR(length, **_ASCII), "mysql", "mariadb")


_LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(charset="utf8mb4"), "mysql", "mariadb")
_TEXT_255 = sa.String(255).with_variant(
    mysql.VARCHAR(255, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
)


def upgrade() -> None:
    op.create_table(
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
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
    )
    op.create_index("ix_webhooks_job_id", "webhooks", ["job_id"])
    op.create_index("ix_webhooks_user", "webhooks", ["user_id", "job_id", "id"])
    op.add_column("notifications", sa.Column("target", _ascii(32), server_default="", nullable=False))
    op.add_column("notifications", sa.Column("give_up_at", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("notifications", sa.Column("status", sa.SmallInteger(), nullable=True))
    op.add_column("notifications", sa.Column("problem", _TEXT_255, nullable=True))
    # What was queued before is given up a day after it was made.
    op.execute("UPDATE notifications SET give_up_at = created_at + 86400000000")
    # The new one before the old one goes: MySQL needs an index for the foreign key at any time.
    with op.batch_alter_table("notifications") as notifications:
        notifications.create_unique_constraint("uq_notifications_job_target", ["job_id", "kind", "target"])
    with op.batch_alter_table("notifications") as notifications:
        notifications.drop_constraint("uq_notifications_job", type_="unique")
    op.create_index("ix_notifications_target", "notifications", ["target", "id"])


def downgrade() -> None:
    # An older notifier would mail them.
    op.execute("DELETE FROM notifications WHERE kind = 'webhook'")
    op.drop_index("ix_notifications_target", "notifications")
    with op.batch_alter_table("notifications") as notifications:
        notifications.create_unique_constraint("uq_notifications_job", ["job_id", "kind"])
    with op.batch_alter_table("notifications") as notifications:
        notifications.drop_constraint("uq_notifications_job_target", type_="unique")
    with op.batch_alter_table("notifications") as notifications:
        for column in ("problem", "status", "give_up_at", "target"):
            notifications.drop_column(column)
    op.drop_table("webhooks")
