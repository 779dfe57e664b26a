"""API keys; from where and by what each session is used."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0013"
down_revision = "0012"

_ASCII = {"charset": "ascii", "collation": "ascii_bin"}


def _ascii(length: int) -> sa.String:
    return sa.String(length).with_variant(mysql.VARCHAR(length, **_ASCII), "mysql", "mariadb")


_TEXT_255 = sa.String(255).with_variant(
    mysql.VARCHAR(255, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
)


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", _ascii(32), nullable=False),
        sa.Column("user_id", _ascii(32), nullable=False),
        sa.Column("name", _TEXT_255, nullable=False),
        sa.Column("scopes", _ascii(64), nullable=False),
        sa.Column("secret_sha256", _ascii(64), nullable=False),
        sa.Column("hint", _ascii(32), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.UniqueConstraint("secret_sha256"),
    )
    op.create_index("ix_api_keys_user", "api_keys", ["user_id", "id"])
    op.add_column("sign_ins", sa.Column("user_agent", _TEXT_255, nullable=True))
    op.add_column("sign_ins", sa.Column("address", _ascii(64), nullable=True))
    op.add_column("sign_ins", sa.Column("last_used_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    # An older version would not know what they are, and would not show them.
    op.execute("DELETE FROM sign_ins WHERE kind = 'access'")
    with op.batch_alter_table("sign_ins") as sign_ins:
        for column in ("last_used_at", "address", "user_agent"):
            sign_ins.drop_column(column)
    op.drop_table("api_keys")
