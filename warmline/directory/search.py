"""Finding a service: by words, place and kind. A fixed number of queries, and never more rows than fit a screen."""

import unicodedata
from dataclasses import dataclass
from datetime import date

import phonenumbers
from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from warmline.errors import NotFound
from warmline.models import Resource, ResourceKind, ResourceStatus

PAGE = 20  # services shown at once
MOST = 200
FIELDS = (
    "name", "organization_name", "description", "kind", "place", "phone", "schedule", "eligibility_description", "cost",
    "languages", "status", "assured_date",
)  # fmt: skip
LONGEST_QUERY = 100  # characters
MOST_WORDS = 8
OPEN = (ResourceStatus.ACTIVE,)
TO_BE_GIVEN = (*OPEN, ResourceStatus.TEMPORARILY_CLOSED)


@dataclass(frozen=True, slots=True)
class Service:
    """A service as a page shows it."""

    id: str
    organization_name: str
    name: str
    description: str
    status: ResourceStatus
    kind: ResourceKind
    place: str
    phone: str
    schedule: str
    eligibility_description: str
    cost: str
    languages: str
    assured_date: date | None

    @property
    def number(self) -> str:
        """The telephone number as people write it."""
        if not self.phone.startswith("+"):
            return self.phone
        parsed = phonenumbers.parse(self.phone)
        forms = phonenumbers.PhoneNumberFormat
        return phonenumbers.format_number(parsed, forms.NATIONAL if parsed.country_code == 1 else forms.INTERNATIONAL)


@dataclass(frozen=True, slots=True)
class Found:
    """The services that fit, as far as they are shown, and how many there are."""

    services: tuple[Service, ...]
    total: int

    @property
    def more(self) -> int:
        """How many are to be shown for the next ones to be seen; 0 if these are all, or as many as can be."""
        shown = len(self.services)
        return min(shown + PAGE, MOST) if shown < min(self.total, MOST) else 0


def fold(text: str) -> str:
    """Text as the search compares it: one case, no accents, single blanks, no control characters."""
    apart = unicodedata.normalize("NFKD", text).casefold()
    letters = [letter for letter in apart if not unicodedata.combining(letter)]
    return " ".join("".join(letter if letter.isprintable() else " " for letter in letters).split())


def words_of(resource: Resource) -> str:
    """What the search reads of a service; its name comes first, because results are in this order."""
    kind = resource.kind.replace("_", " ")
    return fold(f"{resource.name} {resource.organization_name} {kind} {resource.description}")


def find(
    session: Session,
    organization_id: str,
    query: str = "",
    place: str = "",
    kind: str = "",
    shown: int = PAGE,
    *,
    inactive: bool = False,
) -> Found:
    """Services of this organization's directory that have every word of `query`; temporarily closed ones come last.

    `place` and `kind` are exact, and "" is any; an unknown one finds nothing. `inactive` adds those that are not
    active any more, after all others.
    """
    fits = [Resource.organization_id == organization_id]
    if not inactive:
        fits.append(Resource.status.in_(TO_BE_GIVEN))
    if place:
        fits.append(Resource.place == clean(place))
    if kind:
        fits.append(Resource.kind == (ResourceKind(kind) if kind in set(ResourceKind) else None))
    words = fold(query[:LONGEST_QUERY]).split()[:MOST_WORDS]
    fits.extend(Resource.words.contains(word, autoescape=True) for word in words)
    total = session.scalar(select(func.count()).select_from(Resource).where(*fits)) or 0
    last = case({status: rank for rank, status in enumerate(TO_BE_GIVEN)}, value=Resource.status, else_=9)
    rows = session.scalars(
        select(Resource).where(*fits).order_by(last, Resource.words, Resource.id).limit(max(PAGE, min(shown, MOST)))
    )
    return Found(tuple(service(row) for row in rows), total)


def places(session: Session, organization_id: str) -> tuple[str, ...]:
    """The places for which the directory has services, in alphabetical order."""
    rows = session.scalars(
        select(Resource.place)
        .where(Resource.organization_id == organization_id, Resource.status.in_(TO_BE_GIVEN))
        .distinct()
    )
    return tuple(sorted(rows, key=fold))


def get(session: Session, organization_id: str, resource_id: str) -> Service:
    """One service, whatever its status; NotFound if it is not in this organization's directory."""
    row = session.scalar(
        select(Resource).where(Resource.id == clean(resource_id), Resource.organization_id == organization_id)
    )
    if row is None:
        raise NotFound
    return service(row)


def as_form(shown: Service) -> dict[str, str]:
    """A service as its form is filled in."""
    values = {name: str(getattr(shown, name) or "") for name in FIELDS}
    return values | {"phone": shown.number}


def clean(text: str) -> str:
    """Without control characters (PostgreSQL refuses NUL) and needless blanks."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def service(row: Resource) -> Service:
    """A row as pages show it."""
    return Service(
        id=row.id,
        organization_name=row.organization_name,
        name=row.name,
        description=row.description,
        status=row.status,
        kind=row.kind,
        place=row.place,
        phone=row.phone,
        schedule=row.schedule,
        eligibility_description=row.eligibility_description,
        cost=row.cost,
        languages=row.languages,
        assured_date=row.assured_date,
    )
