"""A shift until further notice ends when time does: whoever is on shift is found by index, whatever is past."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

never = datetime(9999, 12, 31, tzinfo=UTC)


def upgrade() -> None:
    shift = sa.table("shift", sa.column("ends_at", sa.DateTime(timezone=True)))
    op.execute(shift.update().where(shift.c.ends_at.is_(None)).values(ends_at=never))
    with op.batch_alter_table("shift") as batch:
        batch.alter_column("ends_at", existing_type=sa.DateTime(timezone=True), nullable=False)
        batch.drop_index("ix_shift_line_id_starts_at")
        batch.drop_index("ix_shift_peer_id")
        batch.create_index("ix_shift_line_id_ends_at", ["line_id", "ends_at"])
        batch.create_index("ix_shift_peer_id_ends_at", ["peer_id", "ends_at"])
