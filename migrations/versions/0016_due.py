"""What the clock asks for each second is found by index, however many wait."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_contact_callback", "contact")
    for name, columns, condition in (
        ("callback", ["line_id", "callback_due_at"], "callback_at IS NOT NULL"),
        ("step", ["state", "line_id", "steps", "queued_at"], "ended_at IS NULL"),
        ("wish", ["state", "wish_required", "line_id", "language", "wish", "caller_id"], "wish IS NOT NULL"),
        ("text", ["state", "line_id", "language", "channel", "stays_at"], "channel = 'text'"),
    ):
        where = sa.text(condition)
        op.create_index(f"ix_contact_{name}", "contact", columns, postgresql_where=where, sqlite_where=where)
