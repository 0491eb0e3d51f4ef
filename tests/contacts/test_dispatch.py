"""Whom dispatch sees, and what an offer costs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, event, insert, select, update

from routing.facts import MakeOffer
from routing.policy import Policy, Step, StepKind, Strategy
from routing.states import OfferState, PeerStatus
from tests.contacts.world import GEORGIA, ILLINOIS, OTHER_CALLER, World
from warmline import clock, db
from warmline.contacts import dispatch, offers, parting
from warmline.models import Contact, Engagement, Line, Offer, Peer, Presence, Shift
from warmline.models.base import new_id
from warmline.people import roster

pytestmark = pytest.mark.both

MOST_STEPS = 15


@contextmanager
def asked() -> Iterator[list[str]]:
    """What the database is asked meanwhile."""
    statements: list[str] = []

    def note(*noted: object) -> None:
        if not str(noted[2]).startswith("BEGIN"):
            statements.append(str(noted[2]))

    event.listen(db.bound(), "before_cursor_execute", note)
    yield statements
    event.remove(db.bound(), "before_cursor_execute", note)


@contextmanager
def worked() -> Iterator[list[int]]:
    """How many steps SQLite takes meanwhile, by tens."""
    steps = [0]

    def counts(connection: Any, *_: object) -> None:
        connection.set_progress_handler(lambda: steps.__setitem__(0, steps[0] + 1), 10)

    event.listen(db.bound(), "checkout", counts)
    yield steps
    event.remove(db.bound(), "checkout", counts)


def are_free(world: World, *peers: Peer) -> None:
    """These peers are free, and nobody has looked for contacts for them yet."""
    with db.transaction() as session:
        for peer in peers:
            session.get_one(Peer, peer.id).status = PeerStatus.AVAILABLE
            session.add(Presence(peer_id=peer.id, seen_at=world.now))


def writes(world: World, *peers: Peer) -> None:
    """Each of these peers has a conversation in writing."""
    with db.transaction() as session:
        line = session.scalars(select(Line).where(Line.numbers.any(number=GEORGIA))).one()
        times = {"arrived_at": world.now, "queued_at": world.now}
        for peer in peers:
            contact, offer = new_id(), new_id()
            ours = {"organization_id": world.lantern, "contact_id": contact, "peer_id": peer.id}
            session.add(
                Contact(
                    id=contact, organization_id=world.lantern, line_id=line.id, channel="text", state="connected",
                    language="en", **times,
                )
            )  # fmt: skip
            session.flush()
            session.add(Offer(id=offer, state="accepted", made_at=world.now, deadline=world.now, **ours))
            session.flush()
            session.add(
                Engagement(
                    offer_id=offer, channel="text", state="active", began_at=world.now, connect_by=world.now,
                    active_at=world.now, conference_name=offer, **ours,
                )
            )  # fmt: skip


def test_whoever_waits_behind_many_for_whom_nobody_is_free_is_seen(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "AT_A_TIME", 2)
    for number in range(3):
        world.waits(f"+1404555014{number}", language="es")
    contact_id, _ = world.waits("+14045550144")
    world.available(world.peer1)
    offer = world.offer_to(world.peer1)
    assert offer is not None
    assert offer.contact_id == contact_id


def test_while_nobody_waits_no_peer_is_looked_at(world: World) -> None:
    are_free(world, world.peer1)
    with asked() as statements:
        assert dispatch.run(world.lantern, world.now) == 0
        assert dispatch.run(world.lantern, world.now, peer_id=world.peer1.id) == 0
    assert len(statements) == 2, "who is the first in line?"


def test_peers_who_are_left_are_not_looked_at_again_for_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "AT_A_TIME", 1)
    world.waits()
    are_free(world, world.peer1, world.peer2)
    with asked() as statements:
        assert dispatch.run(world.lantern, world.now) == 1
    assert len([statement for statement in statements if "JOIN presence" in statement]) == 1


def two_lines(world: World) -> tuple[list[str], list[str], list[str]]:
    """Georgia's peers, Illinois's peers, and who waits: thirty for Georgia, and then one for Illinois."""
    world.opens_line("Illinois", ILLINOIS)
    georgians, others = ([world.hires(f"{line}{number}", ["en"]).id for number in range(15)] for line in "gi")
    with db.transaction() as session:
        georgia, illinois = (
            session.scalars(select(Line.id).where(Line.numbers.any(number=number))).one()
            for number in (GEORGIA, ILLINOIS)
        )
        for peers, line in ((georgians, illinois), (others, georgia)):
            session.execute(delete(Shift).where(Shift.peer_id.in_(peers), Shift.line_id == line))
        session.execute(update(Peer).where(Peer.id.in_([*georgians, *others])).values(status=PeerStatus.AVAILABLE))
        session.add_all(Presence(peer_id=id, seen_at=world.now) for id in (*georgians, *others))
        alike = {
            "organization_id": world.lantern, "channel": "voice", "state": "waiting", "language": "en",
            "queue_sid": "QU" + "0" * 32,
        }  # fmt: skip
        rows = [
            {"id": f"{number:032}", "line_id": georgia, **alike, **dict.fromkeys(("arrived_at", "queued_at"), at)}
            for number, at in enumerate(world.now - timedelta(seconds=40 - each) for each in range(30))
        ]
        latest = {"id": f"{30:032}", "line_id": illinois, "arrived_at": world.now, "queued_at": world.now}
        session.execute(insert(Contact), [*rows, {**alike, **latest}])
    return georgians, others, [f"{number:032}" for number in range(31)]


def test_a_look_reads_what_a_change_can_affect(world: World) -> None:
    georgians, others, waiting = two_lines(world)

    def read(**changed: Any) -> tuple[set[str], list[str]]:
        with db.reading() as session:
            found = dispatch.look(session, world.lantern, world.now, **changed)
        return {peer.id for peer in found.peers}, [contact.id for contact in found.waiting]

    assert read(peer_id=georgians[3]) == ({georgians[3]}, waiting[: 1 + dispatch.SPARE])
    assert read(contact_id=waiting[29]) == (set(georgians), waiting[: 15 + dispatch.SPARE])
    assert read(contact_id=waiting[30]) == (set(others), waiting[30:])


def test_whoever_still_waits_for_a_wish_that_nobody_grants_is_not_read(world: World) -> None:
    georgians, _, waiting = two_lines(world)
    with db.transaction() as session:
        line = session.scalars(select(Line).where(Line.numbers.any(number=GEORGIA))).one()
        line.policy = Policy(wishes=("veteran",), wish_for=timedelta(seconds=38)).kept()
        session.execute(update(Contact).where(Contact.id != waiting[30]).values(wish="veteran"))
    with db.reading() as session:
        found = dispatch.look(session, world.lantern, world.now, peer_id=georgians[0])
    assert [contact.id for contact in found.waiting] == waiting[:3], "they have waited long enough"


def test_a_newcomer_is_not_served_before_whoever_has_waited_longer(world: World) -> None:
    """A line was paused and is resumed; before the clock has noticed, somebody calls."""
    with db.transaction() as session:
        session.scalars(select(Line).where(Line.numbers.any(number=GEORGIA))).one().paused_at = world.now
    world.available(world.peer1)
    first, _ = world.waits()
    with db.transaction() as session:
        session.scalars(select(Line).where(Line.numbers.any(number=GEORGIA))).one().paused_at = None
    world.now += timedelta(seconds=1)
    newcomer, _ = world.waits(OTHER_CALLER)
    clock.tick(world.now)
    assert (world.contact(first).state, world.contact(newcomer).state) == ("offered", "waiting")


def test_a_newcomer_is_not_served_before_whoever_has_waited_longer_on_another_line_of_the_peer(world: World) -> None:
    world.opens_line("Illinois", ILLINOIS)
    first, _ = world.waits(dialled=ILLINOIS)
    world.now += timedelta(seconds=1)
    are_free(world, world.peer1)
    newcomer, _ = world.waits(OTHER_CALLER)
    assert (world.contact(first).state, world.contact(newcomer).state) == ("offered", "waiting")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_how_often_peers_were_ever_asked_costs_nothing(world: World) -> None:
    """A line that asks in turn wants to know when each was asked last."""

    def look() -> int:
        with worked() as steps, db.reading() as session:
            assert dispatch.look(session, world.lantern, world.now).peers
        return steps[0]

    contact_id, _ = world.waits()
    past_id, sid = world.waits(OTHER_CALLER)
    parting.leg_ended(sid, world.now)
    are_free(world, world.peer1, world.peer2)
    with db.transaction() as session:
        session.get_one(Contact, contact_id).line.policy = Policy(strategy=Strategy.ROUND_ROBIN).kept()
    look()
    before = look()
    with db.transaction() as session:
        for number in range(200):
            at = world.now - timedelta(days=1 + number)
            session.add_all(
                Offer(
                    organization_id=world.lantern, contact_id=past_id, peer_id=peer.id, state=OfferState.DECLINED,
                    made_at=at, deadline=at, decided_at=at,
                )
                for peer in (world.peer1, world.peer2)
            )  # fmt: skip
    assert look() < 1.2 * before


def looks_behind(world: World, kinds: int, who: dict[str, Any]) -> tuple[int, int]:
    """The steps of a look by peers of so many kinds, with one in front `who` is not for them and with a thousand."""

    def look() -> int:
        with worked() as steps, db.reading() as session:
            [found] = dispatch.look(session, world.lantern, world.now).waiting
        assert found.id == behind
        return steps[0] * 10

    peers = [world.peer1, world.hires("peer3", ["en", "fr"])][:kinds]
    first, _ = world.waits()
    behind, _ = world.waits(OTHER_CALLER)
    writes(world, *peers)
    are_free(world, *peers)
    with db.transaction() as session:
        line = session.get_one(Contact, first).line
        line.voice_with_texts, line.texts_at_once = True, 1
        session.add(
            Line(
                id="another", organization_id=world.lantern, name="Another", time_zone=line.time_zone, languages=["en"],
                hours={},
            )
        )  # fmt: skip
        session.get_one(Contact, behind).priority = -1
        session.flush()
        session.execute(update(Contact).where(Contact.id == first).values(who))
    look()
    before = look()
    alike = {
        "organization_id": world.lantern, "line_id": line.id, "channel": "voice", "state": "waiting", "language": "en",
        "arrived_at": world.now, "queued_at": world.now, "queue_sid": "QU" + "0" * 32,
    }  # fmt: skip
    with db.transaction() as session:
        session.execute(insert(Contact), [{"id": new_id(), **alike, **who} for _ in range(1000)])
    return before, look()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("kinds", [1, 2])
@pytest.mark.parametrize(
    "who", [{"language": "es"}, {"channel": "text"}, {"line_id": "another"}], ids=lambda who: next(iter(who))
)
def test_however_many_wait_in_front_for_others_it_costs_nothing(world: World, who: dict[str, Any], kinds: int) -> None:
    few, many = looks_behind(world, kinds, who)
    assert many < 1.1 * few


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("kinds", [1, 2])
def test_those_who_wish_for_others_are_passed_over_in_the_index(world: World, kinds: int) -> None:
    """Otherwise each of them is read from the table, and a long queue of them holds up everybody behind."""
    few, many = looks_behind(world, kinds, {"wish": "veteran", "wish_required": True})
    assert (many - few) / 1000 < MOST_STEPS


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "question",
    [
        lambda session, world, line: roster.free(session, world.lantern, world.now),
        lambda session, world, line: roster.free(session, world.lantern, world.now, peer_id=world.peer1.id),
        lambda session, world, line: roster.free(session, world.lantern, world.now, line_ids=[line.id]),
        lambda session, world, line: roster.on_shift(session, [line.id], world.now),
        lambda session, world, line: roster.everybody(session, world.lantern, world.now),
        lambda session, world, line: roster.spoken_on_shift(session, line, world.now),
    ],
    ids=["free", "one peer", "of a line", "on shift", "everybody", "spoken"],
)
def test_however_many_shifts_are_over_it_costs_nothing(world: World, question: Callable[..., Any]) -> None:
    """By an index, and without statistics: nobody at a charity has ever heard of ANALYZE."""

    def asks() -> tuple[int, Any]:
        with worked() as steps, db.reading() as session:
            answer = question(session, world, session.get_one(Line, line_id))
        return steps[0], answer

    are_free(world, world.peer1, world.peer2)
    with db.reading() as session:
        line_id = session.scalars(select(Line.id).where(Line.numbers.any(number=GEORGIA))).one()
    asks()
    before, answer = asks()
    past = [
        {
            "id": new_id(), "peer_id": peer.id, "line_id": line_id,
            "starts_at": world.now - timedelta(hours=number + 4), "ends_at": world.now - timedelta(hours=number),
        }
        for number in range(1000)
        for peer in (world.peer1, world.peer2)
    ]  # fmt: skip
    with db.transaction() as session:
        session.execute(insert(Shift), past)
    steps, again = asks()
    assert again == answer
    assert steps <= before + 2


@pytest.mark.parametrize("most_kinds", [1, 20])
def test_whoever_wishes_for_what_comes_only_by_a_later_step_is_not_read_yet(
    world: World, most_kinds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Peers who grant it are free on the sister line, whom the policy asks after a minute; the others do not grant it.

    All of them would be read, and compared with every free peer, once a second.
    """
    monkeypatch.setattr(dispatch, "MOST_KINDS", most_kinds)
    world.opens_line("Illinois", ILLINOIS)
    with db.transaction() as session:
        georgia, illinois = (
            session.scalars(select(Line).where(Line.numbers.any(number=number))).one() for number in (GEORGIA, ILLINOIS)
        )
        georgia.policy = Policy(
            wishes=("veteran",), wish_for=None, steps=(Step(timedelta(minutes=1), StepKind.SISTER, illinois.id),)
        ).kept()
        session.execute(delete(Shift).where(Shift.peer_id == world.peer1.id, Shift.line_id == illinois.id))
        session.execute(delete(Shift).where(Shift.peer_id == world.peer2.id, Shift.line_id == georgia.id))
        session.get_one(Peer, world.peer2.id).skills = ["veteran"]
    anyone, _ = world.waits(OTHER_CALLER)
    world.now += timedelta(seconds=1)
    wishers = [world.waits(f"+140455502{number}")[0] for number in range(10, 40)]
    with db.transaction() as session:
        session.execute(update(Contact).where(Contact.id.in_(wishers)).values(wish="veteran", wish_required=True))

    def read() -> list[str]:
        with db.reading() as session:
            return [contact.id for contact in dispatch.look(session, world.lantern, world.now).waiting]

    are_free(world, world.peer1, world.peer2)
    assert read() == [anyone]
    world.now += timedelta(minutes=1)
    with db.transaction() as session:
        session.execute(update(Presence).values(seen_at=world.now))
    assert read() == [anyone, *sorted(wishers)][: 2 + dispatch.SPARE], "each of them once, by whomever"


def test_peers_of_more_kinds_than_one_query_looks_for_find_who_is_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "MOST_KINDS", 1)
    first, _ = world.waits(language="es")
    world.now += timedelta(seconds=1)
    second, _ = world.waits(OTHER_CALLER)
    are_free(world, world.peer1, world.peer2)
    with db.reading() as session:
        found = dispatch.look(session, world.lantern, world.now).waiting
    assert [contact.id for contact in found] == [first, second]


def test_an_offer_is_made_and_accepted_in_a_few_statements(world: World) -> None:
    contact_id, _ = world.waits()
    are_free(world, world.peer1)
    with asked() as statements:
        assert dispatch.make([MakeOffer(contact_id, world.peer1.id)], world.now)
    assert len(statements) <= 8
    offer = world.offer_to(world.peer1)
    assert offer is not None
    with asked() as statements:
        offers.accept(world.peer1, offer.id, world.now)
    assert len(statements) <= 10
