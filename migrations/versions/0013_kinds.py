"""Contacts of one kind are found in their order: whoever waits for others in front of them costs nothing."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    kind = ["state", "line_id", "language", "channel"]
    in_order = [sa.text("priority DESC"), "queued_at", "id", "wish", "wish_required"]
    op.create_index("ix_contact_kind", "contact", [*kind, *in_order])
