"""One attempt to reach a line, by voice or text: what reports count."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, ForeignKey, Index, String, false, or_, text
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship

from routing.states import ContactState
from warmline.models.base import Base, Encrypted, UtcDateTime, id_column, state_column
from warmline.models.caller import Caller
from warmline.models.line import Line

_FINAL = "state IN ('closed', 'abandoned', 'after_hours', 'missed')"
_OPEN_TEXT = text(f"channel = 'text' AND NOT ({_FINAL})")
_WISHED = ("state", "wish_required", "line_id", "language", "wish", "caller_id")


def _some(name: str, *columns: str, where: str) -> Index:
    """An index of those alone of whom this is true."""
    return Index(name, *columns, postgresql_where=text(where), sqlite_where=text(where))


class Channel(StrEnum):
    VOICE = "voice"
    TEXT = "text"


class Contact(Base):
    __tablename__ = "contact"
    __table_args__ = (
        # A caller's next text goes on with the open thread.
        Index(
            "uq_contact_open_text",
            "line_id",
            "caller_id",
            unique=True,
            postgresql_where=_OPEN_TEXT,
            sqlite_where=_OPEN_TEXT,
        ),
        Index(None, "organization_id", "arrived_at", "id"),
        # What the clock looks for once a second: of those who wait it reads the ones for whom something is due.
        _some("ix_contact_callback", "line_id", "callback_due_at", where="callback_at IS NOT NULL"),
        _some("ix_contact_step", "state", "line_id", "steps", "queued_at", where="ended_at IS NULL"),
        _some("ix_contact_wish", *_WISHED, where="wish IS NOT NULL"),
        _some("ix_contact_text", "state", "line_id", "language", "channel", "stays_at", where="channel = 'text'"),
        Index(None, "caller_id", "arrived_at"),
    )

    id: Mapped[str] = id_column()
    organization_id: Mapped[str] = mapped_column(ForeignKey("organization.id"))
    line_id: Mapped[str] = mapped_column(ForeignKey("line.id"))
    caller_id: Mapped[str | None] = mapped_column(ForeignKey("caller.id"), index=True)  # None: number withheld
    channel: Mapped[Channel] = state_column(Channel)
    state: Mapped[ContactState] = state_column(ContactState)
    language: Mapped[str] = mapped_column(String(8))
    priority: Mapped[int] = mapped_column(default=0)
    arrived_at: Mapped[datetime] = mapped_column(UtcDateTime)
    queued_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # kept through every failed offer and drop
    queue_sid: Mapped[str | None] = mapped_column(String(34))  # set while the phone company holds the caller
    unqueued_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # since when the caller is outside the queue
    stays_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime
    )  # waits though nobody speaks the language: chosen, or told by text
    kept_until: Mapped[datetime | None] = mapped_column(UtcDateTime)  # the opening until which a text was told to wait
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    told_place: Mapped[int | None]  # what the caller heard last, and the QueueTime of the request that it answered
    told_wait: Mapped[int | None]
    # The QueueTime of the wait request whose answer asked for a yes to the survey: its repetition is answered alike.
    survey_asked_wait: Mapped[int | None]
    survey_ok_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    wish: Mapped[str | None] = mapped_column(String(20))  # routing.policy.Skill, chosen by the caller
    wish_required: Mapped[bool] = mapped_column(default=False, server_default=false())
    steps: Mapped[int] = mapped_column(default=0, server_default="0")  # overflow steps of the line that were taken
    # A callback: the caller has hung up, and this contact keeps the place. Only while `callback_at` is set do we call.
    callback_told_wait: Mapped[int | None]  # the QueueTime of the latest wait request whose answer told of it
    booking_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # since when the caller is asked for a number
    callback_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # confirmed
    callback_due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # not before; None: in line. A call's end
    callback_tries: Mapped[int] = mapped_column(default=0, server_default="0")  # calls that were not taken
    callback_number: Mapped[str | None] = mapped_column(Encrypted)  # typed; None: the caller's own
    callback_later: Mapped[bool] = mapped_column(default=False, server_default=false())  # also after the next opening
    callback_postponed: Mapped[bool] = mapped_column(default=False, server_default=false())  # until the next opening
    calling: Mapped[str | None] = mapped_column(String(32))  # the engagement for which the caller is being called
    exempt: Mapped[str | None] = mapped_column(String(20))  # why it counts for no allowance: relay, interpreter
    ended_how: Mapped[str | None] = mapped_column(String(20))  # a prompt's key: the last words, if not the usual ones

    line: Mapped[Line] = relationship(lazy="joined", innerjoin=True)
    caller: Mapped[Caller | None] = relationship()

    @hybrid_property
    def is_in_line(self) -> bool:
        """Whether one that waits is before others: not who is to be called later.

        Who has just booked a call is, for that is due once they have hung up, and who is being called: the peer may
        let go.
        """
        if self.callback_due_at is None or self.callback_at is None or self.calling is not None:
            return True
        return self.callback_due_at <= self.callback_at

    @is_in_line.inplace.expression
    @classmethod
    def _is_in_line(cls) -> ColumnElement[bool]:
        return or_(cls.callback_due_at.is_(None), cls.calling.is_not(None), cls.callback_due_at <= cls.callback_at)


# The clock, the board and the places in line read what waits, in its order, however many are over. SQLite uses no
# partial index for `state IN (…)`, so this is a whole one.
Index(
    "ix_contact_queue",
    Contact.state,
    Contact.organization_id,
    Contact.priority.desc(),
    Contact.queued_at,
    Contact.id,
    Contact.line_id,
)
# Dispatch reads who is first of each kind that a peer can take, in this order. What comes after the id decides as well
# whom a contact is for: who waits for others is passed over without a look at the table.
Index(
    "ix_contact_kind",
    Contact.state,
    Contact.line_id,
    Contact.language,
    Contact.channel,
    Contact.priority.desc(),
    Contact.queued_at,
    Contact.id,
    Contact.wish,
    Contact.wish_required,
)
