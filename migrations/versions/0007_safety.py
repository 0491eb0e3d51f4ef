"""Alerts, hand-offs, ends with a boundary, callers who asked to be remembered."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("contact", sa.Column("ended_how", sa.String(length=20), nullable=True))
    op.add_column("caller", sa.Column("remembered_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("caller", sa.Column("remember_as", sa.Text(), nullable=True))
    op.add_column("report", sa.Column("remember", sa.Boolean(), nullable=True))
    op.add_column("report", sa.Column("remember_as", sa.Text(), nullable=True))
    op.create_index(
        op.f("ix_contact_organization_id_arrived_at_id"), "contact", ["organization_id", "arrived_at", "id"]
    )
    op.create_index(op.f("ix_contact_caller_id_arrived_at"), "contact", ["caller_id", "arrived_at"])
    op.create_table(
        "alert",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("organization_id", sa.String(length=32), nullable=False),
        sa.Column("contact_id", sa.String(length=32), nullable=False),
        sa.Column("peer_id", sa.String(length=32), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.String(length=32), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["acknowledged_by"], ["account.id"], name=op.f("fk_alert_acknowledged_by")),
        sa.ForeignKeyConstraint(["contact_id"], ["contact.id"], name=op.f("fk_alert_contact_id")),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name=op.f("fk_alert_organization_id")),
        sa.ForeignKeyConstraint(["peer_id"], ["peer.id"], name=op.f("fk_alert_peer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
    )
    still_open = sa.text("ended_at IS NULL")
    op.create_index(
        "uq_alert_open_contact",
        "alert",
        ["contact_id"],
        unique=True,
        postgresql_where=still_open,
        sqlite_where=still_open,
    )
    op.create_index(
        "ix_alert_open",
        "alert",
        ["organization_id", "raised_at"],
        postgresql_where=still_open,
        sqlite_where=still_open,
    )
    op.create_index(op.f("ix_alert_contact_id"), "alert", ["contact_id"])
    op.create_table(
        "handoff",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("organization_id", sa.String(length=32), nullable=False),
        sa.Column("contact_id", sa.String(length=32), nullable=False),
        sa.Column("peer_id", sa.String(length=32), nullable=False),
        sa.Column(
            "given_to", _codes("givento", "988", "crisis_centre", "mobile_crisis", "911", "other"), nullable=False
        ),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("agreed", _codes("agreement", "yes", "no", "not_asked"), nullable=False),
        sa.Column("warmth", _codes("warmth", "warm", "cold"), nullable=False),
        sa.Column("outcome", _codes("handoffoutcome", "connected", "declined", "no_answer", "other"), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["contact_id"], ["contact.id"], name=op.f("fk_handoff_contact_id")),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name=op.f("fk_handoff_organization_id")),
        sa.ForeignKeyConstraint(["peer_id"], ["peer.id"], name=op.f("fk_handoff_peer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_handoff")),
        sa.UniqueConstraint("contact_id", "peer_id", name=op.f("uq_handoff_contact_id_peer_id")),
    )


def _codes(name: str, *codes: str) -> sa.Enum:
    return sa.Enum(*codes, name=f"{name}_known", native_enum=False, create_constraint=True, length=20)
