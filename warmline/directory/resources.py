"""Keeping the directory: services are added, changed and taken out of use, never deleted."""

import re
from collections.abc import Mapping
from datetime import date, datetime

import phonenumbers
from sqlalchemy import select
from sqlalchemy.orm import Session

from warmline.db import transaction
from warmline.directory import search
from warmline.errors import Invalid, NotFound
from warmline.models import Account, Resource, ResourceKind, ResourceStatus
from warmline.models.base import new_id
from warmline.models.history import record

LONGEST = {
    "organization_name": 120,
    "name": 120,
    "description": 2000,
    "place": 80,
    "schedule": 200,
    "eligibility_description": 500,
    "cost": 200,
    "languages": 120,
}
REQUIRED = ("name", "organization_name", "place")
SHORT_NUMBER = re.compile(r"\d{3,6}")  # 211, 988


def add(account: Account, form: Mapping[str, str], now: datetime) -> str:
    """A new service in the directory of this account's organization; its id. Raises Invalid."""
    values = read(form, now)
    with transaction() as session:
        resource = insert(session, account.organization_id, new_id(), values)
        record(session, resource, "added", now, new=resource.status, why={"by": account.id})
        return resource.id


def change(account: Account, resource_id: str, form: Mapping[str, str], now: datetime) -> None:
    """Write these values over a service's. Raises NotFound, Invalid. The same values again are no change."""
    values = read(form, now)
    with transaction() as session:
        resource = _held(session, account, resource_id)
        _change(session, account, resource, values, now)


def deactivate(account: Account, resource_id: str, now: datetime) -> None:
    """Take a service out of the search. Raises NotFound. Doing it again changes nothing."""
    with transaction() as session:
        resource = _held(session, account, resource_id)
        if resource.status in search.TO_BE_GIVEN:
            _change(session, account, resource, {"status": ResourceStatus.INACTIVE}, now)


def insert(session: Session, organization_id: str, id: str, values: Mapping[str, object]) -> Resource:
    """The row, with what the search reads."""
    resource = Resource(id=id, organization_id=organization_id, **values)
    resource.words = search.words_of(resource)
    session.add(resource)
    session.flush()
    return resource


def read(form: Mapping[str, str], now: datetime) -> dict[str, object]:
    """The columns that a filled-in form says. Raises Invalid, whose code is `<field>_…`."""
    values: dict[str, object] = {name: search.clean(form.get(name, "")) for name in LONGEST}
    for name in REQUIRED:
        if not values[name]:
            raise Invalid("Name, organization and place are needed.", code=f"{name}_missing")
    for name, limit in LONGEST.items():
        if len(str(values[name])) > limit:
            raise Invalid("This may have {limit} characters at most.", code=f"{name}_too_long", limit=limit)
    values["phone"] = _phone(form.get("phone", ""))
    values["assured_date"] = _assured(form.get("assured_date", ""), now)
    try:
        values["kind"] = ResourceKind(form.get("kind", ""))
    except ValueError:
        raise Invalid("Choose a kind of service.", code="kind_unknown") from None
    try:
        values["status"] = ResourceStatus(form.get("status") or ResourceStatus.ACTIVE)
    except ValueError:
        raise Invalid("Choose whether the service is active.", code="status_unknown") from None
    return values


def _held(session: Session, account: Account, resource_id: str) -> Resource:
    resource = session.scalar(
        select(Resource)
        .where(Resource.id == search.clean(resource_id), Resource.organization_id == account.organization_id)
        .with_for_update()
    )
    if resource is None:
        raise NotFound
    return resource


def _change(
    session: Session, account: Account, resource: Resource, values: Mapping[str, object], now: datetime
) -> None:
    changed = sorted(name for name, value in values.items() if getattr(resource, name) != value)
    if not changed:
        return
    old = resource.status
    for name in changed:
        setattr(resource, name, values[name])
    resource.words = search.words_of(resource)
    record(session, resource, "changed", now, old=old, new=resource.status, why={"by": account.id, "fields": changed})


def _phone(typed: str) -> str:
    number = search.clean(typed)
    if not number or SHORT_NUMBER.fullmatch(number):
        return number
    try:
        parsed = phonenumbers.parse(number, "US")
    except phonenumbers.NumberParseException:
        parsed = None
    if parsed is None or parsed.extension or not phonenumbers.is_possible_number(parsed):
        raise Invalid("That is not a telephone number that can be called.", code="phone_unknown")
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def _assured(typed: str, now: datetime) -> date | None:
    if not typed.strip():
        return None
    try:
        day = date.fromisoformat(typed.strip())
    except ValueError:
        raise Invalid("That is not a date.", code="assured_date_unknown") from None
    if day > now.date():
        raise Invalid("Nobody can have checked it on a day that is still to come.", code="assured_date_in_future")
    return day
