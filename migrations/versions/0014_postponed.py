"""Callbacks that wait for the next opening, whenever that is."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("contact", sa.Column("callback_postponed", sa.Boolean(), server_default=sa.false(), nullable=False))
