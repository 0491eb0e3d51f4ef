"""A caller may wait though nobody on shift speaks the language."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("contact", sa.Column("stays_at", sa.DateTime(timezone=True), nullable=True))
