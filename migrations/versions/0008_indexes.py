"""What is under way is found by an index on SQLite too, which uses no partial one for `state IN (…)`."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, table in (
        ("ix_contact_live", "contact"),
        ("ix_engagement_open", "engagement"),
        ("ix_outside_request_open", "outside_request"),
        ("ix_survey_due", "survey"),
        ("ix_survey_lapses", "survey"),
    ):
        op.drop_index(name, table)
    in_order = ["state", "organization_id", sa.text("priority DESC"), "queued_at", "id", "line_id"]
    op.create_index("ix_contact_queue", "contact", in_order)
    op.create_index(op.f("ix_engagement_state_peer_id"), "engagement", ["state", "peer_id"])
    op.create_index(op.f("ix_outside_request_state_due_at"), "outside_request", ["state", "due_at"])
    op.create_index(op.f("ix_survey_state_due_at"), "survey", ["state", "due_at"])
    op.create_index(op.f("ix_survey_state_lapses_at"), "survey", ["state", "lapses_at"])
