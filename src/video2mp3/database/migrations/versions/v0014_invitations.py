"""Invitations."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0014"
down_revision = "0013"

_ASCII = {"charset": "ascii", "collation": "ascii_bin"}


def _ascii(length: int) -> sa.String:
    return sa.String(length).with_variant(mysql.VARCHAR(length, **_ASCII), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "invitations",
        sa.Column("id", _ascii(32), nullable=False),
        sa.Column("code_sha256", _ascii(64), nullable=False),
        sa.Column("made_by", _ascii(32), nullable=True),
        sa.Column("used_by", _ascii(32), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("code_sha256"),
    )


def downgrade() -> None:
    op.drop_table("invitations")
