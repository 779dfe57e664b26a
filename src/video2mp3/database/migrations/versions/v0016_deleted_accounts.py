"""When an account was deleted, until it is erased."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("users", sa.Column("deleted_at", sa.BigInteger(), nullable=True))
    op.create_index("ix_users_deleted_at", "users", ["deleted_at"])


def downgrade() -> None:
    op.drop_index("ix_users_deleted_at", "users")
    with op.batch_alter_table("users") as users:
        users.drop_column("deleted_at")
