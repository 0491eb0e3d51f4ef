"""The demo's directory: twenty services that do not exist, in three towns that do not exist."""

from dataclasses import asdict, dataclass
from datetime import date, datetime

from warmline import db
from warmline.directory import resources
from warmline.models import Organization, Resource
from warmline.models.history import record

ORGANIZATION = "lantern"
ASSURED = date(2026, 11, 2)
CLOSED = "demo-service-14"  # one is temporarily closed, so that it can be seen how that looks


@dataclass(frozen=True, slots=True)
class DemoService:
    id: str
    name: str
    organization_name: str
    kind: str
    description: str
    phone: str
    schedule: str
    eligibility_description: str
    cost: str
    languages: str


SERVICES = {
    "Maple Falls": (
        DemoService("demo-service-01", "Maple Falls Community Pantry", "Table for All", "food",
            "Groceries for a week, no papers asked. Fresh bread on Fridays.",
            "+14045550160", "Mon-Fri 9-5, Sat 9-12", "Anybody who lives in the county", "Free", "English, Spanish"),
        DemoService("demo-service-02", "Warm Beds Maple Falls", "Open Gate Shelter", "housing",
            "A bed for the night, supper and a locker. Pets may come along.",
            "+14045550161", "Every day from 5 PM", "Adults; no sobriety asked", "Free", "English"),
        DemoService("demo-service-03", "Ride Together", "Maple Falls Transit Friends", "transport",
            "Rides to the doctor, the pharmacy and the court. Call two days ahead.",
            "+14045550162", "Mon-Fri 7-6", "Without a car of one's own", "$2 a ride", "English, Spanish"),
        DemoService("demo-service-04", "Tuesday Circle", "Lantern Alumni", "peer_support",
            "A circle of people who have been there themselves. Come and just listen, if you like.",
            "+14045550163", "Tue 6:30-8 PM", "Adults", "Free", "English"),
        DemoService("demo-service-05", "Willow House", "Stillwater Respite", "respite",
            "A quiet house for up to seven nights, staffed by peers, before things get too much.",
            "+14045550164", "Any time; call first", "Adults of the county", "Free", "English, Spanish"),
        DemoService("demo-service-06", "Maple Falls Free Clinic", "Helping Hands Health", "clinic",
            "A doctor, a nurse and a counselor; prescriptions at low cost.",
            "+14045550165", "Mon, Wed, Thu 8-6", "Without insurance", "Sliding scale", "English, Spanish"),
        DemoService("demo-service-07", "First Mornings Club", "Recovery on Main", "recovery",
            "Coffee at seven, a meeting at eight, somebody to walk with afterwards.",
            "+14045550166", "Every day 7-10 AM", "Anybody in or near recovery", "Free", "English"),
    ),
    "Prairie Junction": (
        DemoService("demo-service-08", "Prairie Junction Food Shelf", "Good Neighbors of the Prairie", "food",
            "Choose your own groceries; diapers and pet food too.",
            "+13125550160", "Mon, Wed, Fri 10-4", "Once a month for each household", "Free", "English, Polish"),
        DemoService("demo-service-09", "Keys for Keeps", "Prairie Housing Fund", "housing",
            "Help with a deposit or with rent that is late, and a talk with the landlord.",
            "+13125550161", "Mon-Thu 9-4", "Renters with a notice", "Free", "English, Spanish"),
        DemoService("demo-service-10", "Tenant and Family Law Hour", "Law for Everybody", "legal",
            "Half an hour with a lawyer: eviction, custody, debts.",
            "+13125550162", "Thu 4-7 PM", "Low income", "Free", "English, Spanish"),
        DemoService("demo-service-11", "Benefits Desk", "Junction Resource Center", "benefits",
            "Somebody who fills in the forms with you: food, disability, health insurance.",
            "+13125550163", "Mon-Fri 9-3", "Anybody", "Free", "English, Spanish"),
        DemoService("demo-service-12", "Back to Work Studio", "Prairie Clubhouse", "work",
            "Practice interviews, work clothes, and jobs whose employers understand a gap.",
            "+13125550164", "Mon-Fri 10-5", "Adults with a mental health history", "Free", "English"),
        DemoService("demo-service-13", "Parents After Dark", "Prairie Family Circle", "family",
            "A group for parents and siblings, online and in the library.",
            "+13125550165", "Wed 7-8:30 PM", "Family of somebody who struggles", "Free", "English"),
        DemoService("demo-service-14", "The Porch", "Prairie Young People", "youth",
            "Games, supper and somebody to talk to. Nobody asks why you came.",
            "+13125550166", "Mon-Sat 3-9 PM", "Ages 14 to 21", "Free", "English, Spanish"),
    ),
    "Anacostia Heights": (
        DemoService("demo-service-15", "Heights Kitchen", "Anacostia Table", "food",
            "A hot lunch at a long table, and a bag to take home.",
            "+12025550160", "Every day 11:30-1:30", "Anybody", "Free", "English, Amharic"),
        DemoService("demo-service-16", "Safe Stairs", "Heights Women's Fund", "housing",
            "Rooms for women and their children who had to leave.",
            "+12025550161", "Day and night", "Women, with or without children", "Free", "English, Spanish, Amharic"),
        DemoService("demo-service-17", "Heights Peer Drop-in", "Anacostia Peer Union", "peer_support",
            "Sofas, computers, and peers on every shift.",
            "+12025550162", "Mon-Fri 12-8", "Adults", "Free", "English"),
        DemoService("demo-service-18", "Harbor Light Respite", "Anacostia Peer Union", "respite",
            "Five nights in a small house, with a peer awake at any hour.",
            "+12025550163", "Any time; call first", "Adults of the district", "Free", "English"),
        DemoService("demo-service-19", "Papers and Rights Clinic", "District Law Students", "legal",
            "Lost papers, benefits that were refused, records to be sealed.",
            "+12025550164", "Tue, Sat 10-2", "Low income", "Free", "English, Spanish, French"),
        DemoService("demo-service-20", "Steps Forward", "Heights Recovery Center", "recovery",
            "A day program with breakfast, groups and a ride home.",
            "+12025550165", "Mon-Fri 8-3", "Adults", "Insurance or free", "English, Spanish"),
    ),
}  # fmt: skip


def seed(now: datetime) -> None:
    """Make what is missing of the demo's directory. Doing it again changes nothing, whatever people changed."""
    with db.transaction() as session:
        if session.get(Organization, ORGANIZATION) is None:
            return
        for place, services in SERVICES.items():
            for service in services:
                if session.get(Resource, service.id) is not None:
                    continue
                status = "temporarily closed" if service.id == CLOSED else "active"
                form = {**asdict(service), "place": place, "status": status}
                values = {**resources.read(form, now), "assured_date": ASSURED}
                row = resources.insert(session, ORGANIZATION, service.id, values)
                record(session, row, "added", now, new=row.status)
