"""Who writes and still waits when a line closes keeps the place until it opens again."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("contact", sa.Column("kept_until", sa.DateTime(timezone=True), nullable=True))
