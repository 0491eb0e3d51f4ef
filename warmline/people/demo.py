"""The demo organization: lines, peers, a supervisor, an administrator; and a neighbor who may see nothing of it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from routing.policy import Skill
from routing.states import PeerStatus
from warmline import db
from warmline.models import Account, Line, LineNumber, Organization, Peer, Role, Shift
from warmline.people import accounts


@dataclass(frozen=True, slots=True)
class DemoLine:
    number: str
    name: str
    time_zone: str
    place: str
    centre: str
    centre_number: str


@dataclass(frozen=True, slots=True)
class DemoPerson:
    email: str
    name: str
    role: Role
    languages: tuple[str, ...] = ()
    skills: tuple[Skill, ...] = ()


@dataclass(frozen=True, slots=True)
class DemoOrganization:
    id: str
    name: str
    lines: tuple[DemoLine, ...]
    people: tuple[DemoPerson, ...]


ORGANIZATIONS = (
    DemoOrganization(
        "lantern",
        "Lantern Peer Network",
        (
            DemoLine(
                "+14045550101",
                "Georgia",
                "America/New_York",
                "Maple Falls",
                "Maple Falls Crisis Center",
                "+14045550181",
            ),
            DemoLine(
                "+13125550102",
                "Illinois",
                "America/Chicago",
                "Prairie Junction",
                "Prairie Junction Crisis Center",
                "+13125550182",
            ),
            DemoLine(
                "+12025550103",
                "Washington D.C.",
                "America/New_York",
                "Anacostia Heights",
                "Potomac Bend Crisis Center",
                "+12025550183",
            ),
        ),
        (
            DemoPerson("peer1@example.org", "Robin Hale", Role.PEER, ("en",), (Skill.VETERAN, Skill.SUBSTANCE_USE)),
            DemoPerson("peer2@example.org", "Marisol Vega", Role.PEER, ("en", "es"), (Skill.FAMILY, Skill.PARENT)),
            DemoPerson("supervisor@example.org", "Dana Whitlock", Role.SUPERVISOR),
            DemoPerson("admin@example.org", "Jules Okoro", Role.ADMIN),
        ),
    ),
    DemoOrganization(
        "harbor",
        "Harbor Voices",
        (
            DemoLine(
                "+16065550104",
                "Harbor",
                "America/New_York",
                "Harbor Point",
                "Harbor Point Crisis Center",
                "+16065550184",
            ),
        ),
        (DemoPerson("outsider@example.org", "Sam Ferris", Role.PEER, ("en",)),),
    ),
)


POLICY = (
    "Stay with the caller.\nTell your supervisor at once.\n"
    "Ask whether they would call 988 or the crisis center, and say the number.\nIn danger of life: 911."
)


def seed(password: str, now: datetime) -> None:
    """Make what is missing of the demo, and give its accounts this password. Doing it again changes nothing else."""
    emails = [accounts.email_hash(person.email) for demo in ORGANIZATIONS for person in demo.people]
    with db.reading() as session:
        hashes = set(session.scalars(select(Account.password_hash).where(Account.email_hash.in_(emails))))
    kept = next((known for known in hashes if accounts.password_fits(known, password)), None)
    password_hash = kept or accounts.hash_password(password)
    with db.transaction() as session:
        for demo in ORGANIZATIONS:
            _seed(session, demo, password_hash, now)


def _seed(session: Session, demo: DemoOrganization, password_hash: str, now: datetime) -> None:
    if session.get(Organization, demo.id) is None:
        session.add(Organization(id=demo.id, name=demo.name))
        session.flush()
    lines = [_line(session, demo, line) for line in demo.lines]
    for person in demo.people:
        account = session.scalar(select(Account).where(Account.email_hash == accounts.email_hash(person.email)))
        if account is None:
            account = accounts.create(session, demo.id, person.role, person.name, person.email, password_hash)
            if person.role is Role.PEER:
                _on_shift(session, account, person, lines, now)
        elif account.password_hash != password_hash:
            accounts.set_password(session, account, password_hash, now)


def _line(session: Session, demo: DemoOrganization, line: DemoLine) -> str:
    if known := session.get(LineNumber, line.number):
        return known.line_id
    card = {"policy": POLICY, "centre": line.centre, "phone": line.centre_number}
    row = Line(
        organization_id=demo.id,
        name=line.name,
        time_zone=line.time_zone,
        languages=["en", "es"],
        hours={},
        place=line.place,
        card=card,
    )
    row.numbers.append(LineNumber(number=line.number))
    session.add(row)
    session.flush()
    return row.id


def _on_shift(session: Session, account: Account, person: DemoPerson, lines: list[str], now: datetime) -> None:
    peer = Peer(
        organization_id=account.organization_id,
        account_id=account.id,
        name=person.name,
        languages=list(person.languages),
        skills=list(person.skills),
        status=PeerStatus.OFF,
        status_at=now,
        idle_since=now,
    )
    session.add(peer)
    session.flush()
    session.add_all(Shift(peer_id=peer.id, line_id=line, starts_at=now) for line in lines)
