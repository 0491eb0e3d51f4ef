"""Policies of lines; skills, rest and wishes; peers and callers who are kept apart; several offers of one contact."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("line", sa.Column("policy", sa.JSON(), nullable=True))
    op.add_column("line", sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("peer", sa.Column("skills", sa.JSON(), nullable=True))
    op.add_column("peer", sa.Column("rests_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("contact", sa.Column("wish", sa.String(length=20), nullable=True))
    op.add_column("contact", sa.Column("wish_required", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("contact", sa.Column("steps", sa.Integer(), server_default="0", nullable=False))
    op.add_column("report", sa.Column("heavy", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("report", sa.Column("apart", sa.String(length=10), nullable=True))
    op.create_table(
        "apart",
        sa.Column("caller_id", sa.String(length=32), nullable=False),
        sa.Column("peer_id", sa.String(length=32), nullable=False),
        sa.Column(
            "asked_by",
            sa.Enum("peer", "caller", name="askedby_known", native_enum=False, create_constraint=True, length=20),
            nullable=False,
        ),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["caller_id"], ["caller.id"], name=op.f("fk_apart_caller_id")),
        sa.ForeignKeyConstraint(["peer_id"], ["peer.id"], name=op.f("fk_apart_peer_id")),
        sa.PrimaryKeyConstraint("caller_id", "peer_id", name=op.f("pk_apart")),
    )
    op.create_index(op.f("ix_apart_peer_id"), "apart", ["peer_id"])
    op.drop_index("uq_offer_live_contact", "offer")
    op.create_index(op.f("ix_offer_state_deadline"), "offer", ["state", "deadline"])
    op.create_index(op.f("ix_offer_peer_id_made_at"), "offer", ["peer_id", "made_at"])
