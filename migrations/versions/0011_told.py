"""What a caller in line was told last."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("contact", sa.Column("told_place", sa.Integer(), nullable=True))
    op.add_column("contact", sa.Column("told_wait", sa.Integer(), nullable=True))
