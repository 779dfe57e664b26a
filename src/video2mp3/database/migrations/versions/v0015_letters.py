"""Letters with one-time tokens; when an address was verified."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0015"
down_revision = "0014"

_ASCII = {"charset": "ascii", "collation": "ascii_bin"}


def _ascii(length: int) -> sa.String:
    return sa.String(length).with_variant(mysql.VARCHAR(length, **_ASCII), "mysql", "mariadb")


_TEXT_255 = sa.String(255).with_variant(
    mysql.VARCHAR(255, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
)


def upgrade() -> None:
    op.create_table(
        "letters",
        sa.Column("id", _ascii(32), nullable=False),
        sa.Column("user_id", _ascii(32), nullable=True),
        sa.Column("kind", _ascii(32), nullable=False),
        sa.Column("email", _TEXT_255, nullable=True),
        sa.Column("secret_sha256", _ascii(64), nullable=True),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.UniqueConstraint("secret_sha256"),
    )
    op.create_index("ix_letters_user_id", "letters", ["user_id"])
    op.create_index("ix_letters_expires_at", "letters", ["expires_at"])
    op.create_index("ix_letters_due", "letters", ["sent_at", "not_before"])
    op.add_column("users", sa.Column("email_verified_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("users") as users:
        users.drop_column("email_verified_at")
    op.drop_table("letters")
