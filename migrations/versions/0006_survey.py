"""A survey by text after a contact, for callers who said yes."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

DUE = sa.text("state = 'due'")
UNDER_WAY = sa.text("state IN ('invited', 'answering')")


def upgrade() -> None:
    op.add_column("contact", sa.Column("survey_asked_wait", sa.Integer(), nullable=True))
    op.add_column("contact", sa.Column("survey_ok_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "survey",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("organization_id", sa.String(length=32), nullable=False),
        sa.Column("contact_id", sa.String(length=32), nullable=False),
        sa.Column("line_id", sa.String(length=32), nullable=False),
        sa.Column("caller_id", sa.String(length=32), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "due", "invited", "answering", "completed", "lapsed", "stopped", "withdrawn",
                name="surveystate_known", native_enum=False, create_constraint=True, length=20,
            ),
            nullable=False,
        ),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("invited_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lapses_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "question",
            sa.Enum(
                "felt_supported", "feeling", "otherwise",
                name="question_known", native_enum=False, create_constraint=True, length=20,
            ),
            nullable=False,
        ),
        sa.Column("asked_again", sa.Boolean(), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("felt_supported", sa.Boolean(), nullable=True),
        sa.Column("feeling", sa.SmallInteger(), nullable=True),
        sa.Column(
            "otherwise",
            sa.Enum(
                "emergency_room", "emergency_call", "crisis_line", "hospital", "waited_alone", "talked_to_someone",
                "something_else",
                name="otherwise_known", native_enum=False, create_constraint=True, length=20,
            ),
            nullable=True,
        ),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name=op.f("fk_survey_organization_id")),
        sa.ForeignKeyConstraint(["contact_id"], ["contact.id"], name=op.f("fk_survey_contact_id")),
        sa.ForeignKeyConstraint(["line_id"], ["line.id"], name=op.f("fk_survey_line_id")),
        sa.ForeignKeyConstraint(["caller_id"], ["caller.id"], name=op.f("fk_survey_caller_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_survey")),
        sa.UniqueConstraint("contact_id", name=op.f("uq_survey_contact_id")),
    )  # fmt: skip
    op.create_index(
        "uq_survey_under_way", "survey", ["caller_id"], unique=True,
        postgresql_where=UNDER_WAY, sqlite_where=UNDER_WAY,
    )  # fmt: skip
    op.create_index("ix_survey_due", "survey", ["due_at"], postgresql_where=DUE, sqlite_where=DUE)
    op.create_index("ix_survey_lapses", "survey", ["lapses_at"], postgresql_where=UNDER_WAY, sqlite_where=UNDER_WAY)
    op.create_index(op.f("ix_survey_caller_id_invited_at"), "survey", ["caller_id", "invited_at"])
    op.create_index(op.f("ix_survey_organization_id_invited_at"), "survey", ["organization_id", "invited_at"])
    op.add_column("message", sa.Column("survey_id", sa.String(length=32), nullable=True))
