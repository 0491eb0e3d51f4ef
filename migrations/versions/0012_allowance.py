"""How much a caller may talk in a day: what does not count, and who calls without a limit."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("contact", sa.Column("exempt", sa.String(length=20), nullable=True))
    op.add_column("caller", sa.Column("allowance_free_until", sa.DateTime(timezone=True), nullable=True))
