"""Callers by their numbers: found by keyed hash, stored encrypted."""

from datetime import datetime

import phonenumbers
from phonenumbers import PhoneNumberType
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from warmline.models import Caller
from warmline.models.base import keyed_hash, new_id

# What Twilio sends for a withheld number: words, and their spellings on a keypad.
# https://help.twilio.com/articles/223179988
WITHHELD = {
    "anonymous", "unknown", "restricted", "unavailable", "private",
    "+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253",
}  # fmt: skip

# Whom a charity calls: no premium rate, no shared cost, no number that follows a person wherever they are at a price.
CALLABLE = {
    PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE, PhoneNumberType.VOIP,
    PhoneNumberType.TOLL_FREE,
}  # fmt: skip

# Built once, for every call and every text asks.
_KNOWN = select(Caller).where(
    Caller.organization_id == bindparam("organization_id"), Caller.number_hash == bindparam("number_hash")
)


def e164(number: str) -> str | None:
    """The number in E.164, or None for a withheld, malformed or impossible one."""
    if not number or number.strip().lower() in WITHHELD:
        return None
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def callable_at(number: str, country: str | None = None) -> str | None:
    """The number in E.164 if somebody may be called there; `country` is that of a number written without one.

    A number may be possible and yet be none: without its area code for one, or in an area that does not exist.
    """
    try:
        parsed = phonenumbers.parse(number, country)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.number_type(parsed) not in CALLABLE:
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def find_or_add(session: Session, organization_id: str, number: str, now: datetime) -> Caller | None:
    """The caller with this number in this organization; None if the number is withheld, so that no two are merged.

    May raise IntegrityError when two first contacts of one number meet: the verb is then run again.
    """
    known = e164(number)
    if known is None:
        return None
    number_hash = keyed_hash(organization_id, known)
    caller = session.scalar(_KNOWN, {"organization_id": organization_id, "number_hash": number_hash})
    if caller is None:
        caller = Caller(
            id=new_id(), organization_id=organization_id, number_hash=number_hash, number=known, first_seen_at=now
        )
        session.add(caller)
        session.flush()
    return caller
