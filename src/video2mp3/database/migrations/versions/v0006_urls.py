"""Conversions of files at URLs, and to URLs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0006"
down_revision = "0005"

_TEXT = sa.Text().with_variant(mysql.LONGTEXT(charset="utf8mb4"), "mysql", "mariadb")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("source_url", _TEXT, nullable=True))
    op.add_column("jobs", sa.Column("result_url", _TEXT, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_column("result_url")
        jobs.drop_column("source_url")
