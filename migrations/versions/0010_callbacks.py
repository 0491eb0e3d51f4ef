"""Callbacks: a caller hangs up, keeps the place, and is called."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

BOOKED = sa.text("callback_at IS NOT NULL")
STATES = (
    "arriving", "waiting", "offered", "connecting", "connected", "closed", "abandoned", "after_hours", "missed",
    "unreached",
)  # fmt: skip
KINDS = ("move_caller", "recall_caller", "end_conference", "hang_up", "send_text", "call_caller")


def upgrade() -> None:
    op.add_column("contact", sa.Column("callback_told_wait", sa.Integer(), nullable=True))
    for name in ("booking_at", "callback_at", "callback_due_at"):
        op.add_column("contact", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.add_column("contact", sa.Column("callback_tries", sa.Integer(), server_default="0", nullable=False))
    op.add_column("contact", sa.Column("callback_number", sa.Text(), nullable=True))
    op.add_column("contact", sa.Column("callback_later", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("contact", sa.Column("calling", sa.String(length=32), nullable=True))
    op.create_index("ix_contact_callback", "contact", ["callback_at"], postgresql_where=BOOKED, sqlite_where=BOOKED)
    _know("contact", "ck_contact_contactstate_known", "state", STATES)
    _know("outside_request", "ck_outside_request_requestkind_known", "kind", KINDS)


def _know(table: str, constraint: str, column: str, values: tuple[str, ...]) -> None:
    """Let a column of states have these values: all that it had, and a new last one."""

    def check(values: tuple[str, ...]) -> str:
        return f"{column} IN ({', '.join(repr(value) for value in values)})"

    bind = op.get_bind()
    if bind.dialect.name == "postgresql":
        op.drop_constraint(op.f(constraint), table, type_="check")
        op.create_check_constraint(op.f(constraint), table, check(values))
        return
    # SQLite cannot alter a constraint. For one that changes no row it says to write the schema itself:
    # https://www.sqlite.org/lang_altertable.html#otheralter
    version = bind.exec_driver_sql("PRAGMA schema_version").scalar_one()
    bind.exec_driver_sql("PRAGMA writable_schema=ON")
    bind.exec_driver_sql(
        "UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE type = 'table' AND name = ?",
        (check(values[:-1]), check(values), table),
    )
    bind.exec_driver_sql(f"PRAGMA schema_version={version + 1}")
    bind.exec_driver_sql("PRAGMA writable_schema=OFF")
