"""The upload that is the cover of a job's MP3."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0003"
down_revision = "0002"

_ID = sa.String(32).with_variant(mysql.VARCHAR(32, charset="ascii", collation="ascii_bin"), "mysql", "mariadb")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("cover_upload_id", _ID, nullable=True))
    op.create_index("ix_jobs_cover_upload_id", "jobs", ["cover_upload_id"])


def downgrade() -> None:
    op.drop_index("ix_jobs_cover_upload_id", "jobs")
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_column("cover_upload_id")
