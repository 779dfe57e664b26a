"""Who wants no mails, and which jobs nobody is to be mailed about."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("users", sa.Column("wants_mail", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column("jobs", sa.Column("notify", sa.Boolean(), server_default=sa.true(), nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_column("notify")
    with op.batch_alter_table("users") as users:
        users.drop_column("wants_mail")
