"""Lines have holidays, may close early, speak in words of their own, and carry a crisis card."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("line", sa.Column("holidays", sa.JSON(), nullable=True))
    op.add_column("line", sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("line", sa.Column("closed_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("line", sa.Column("closed_words", sa.JSON(), nullable=True))
    op.add_column("line", sa.Column("words", sa.JSON(), nullable=True))
    op.add_column("line", sa.Column("card", sa.JSON(), nullable=True))
    op.add_column("line", sa.Column("texts_at_once", sa.Integer(), server_default="2", nullable=False))
    op.add_column("line", sa.Column("voice_with_texts", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("line", sa.Column("version", sa.Integer(), server_default="1", nullable=False))
