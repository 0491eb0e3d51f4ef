"""Why a caller still waits, and why a peer was not asked, as supervisors and the peer read it."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
import time_machine
from sqlalchemy import select, update

from routing.eligibility import APART, EVERY_REFUSAL, WISH
from routing.states import PeerStatus
from tests.cast import Cast, Person
from tests.web.walk import calls, counted, hangs_up, is_ready, peer, state, talk, writes
from warmline import clock, db
from warmline.contacts import availability, dispatch, offers
from warmline.contacts.screens import why
from warmline.models import Apart, Contact, Line, Offer, Peer, Shift
from warmline.models.apart import AskedBy
from warmline.people import roster

CLOCK_TIME = r"(?:[A-Z][a-z]{2} \d+, )?\d+:\d\d [AP]M"  # with the day, if at the line it is another one


def read(person: Person, path: str) -> str:
    """The words of a page, without its tags."""
    answer = person.get(path)
    assert answer.status_code == 200, answer.text
    main = answer.text.split("<main", 1)[1] if "<main" in answer.text else answer.text
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", main))).replace(" ,", ",")


def waiting(cast: Cast, contact: str) -> str:
    return read(cast.supervisor, f"/board/contacts/{contact}/why")


def not_asked(cast: Cast, person: Person) -> str:
    return read(cast.supervisor, f"/board/peers/{peer(person).id}/why")


def change(kind: Any, id: str, **values: object) -> None:
    with db.transaction() as session:
        session.execute(update(kind).where(kind.id == id).values(**values))


def keep(line: str, **policy: object) -> None:
    with db.transaction() as session:
        session.execute(update(Line).where(Line.name == line).values(policy=policy))


def line_id(name: str) -> str:
    with db.reading() as session:
        return session.scalars(select(Line.id).where(Line.name == name)).one()


def on_shift_for(person: Person, *names: str) -> None:
    ids = [line_id(name) for name in names]
    with db.transaction() as session:
        for shift in session.scalars(select(Shift).where(Shift.peer_id == peer(person).id)):
            if shift.line_id not in ids:
                session.delete(shift)


# A caller who waits


def test_a_caller_for_whom_nobody_is_there_waits_with_every_peer_s_reasons(cast: Cast) -> None:
    is_ready(cast.peer1)
    contact = calls(language="es")
    page = waiting(cast, contact)
    assert "Nobody may be asked just now." in page
    assert "Robin Hale does not speak the caller's language (speaks English)" in page
    assert re.search(rf"Marisol Vega has not chosen Available \(Off since {CLOCK_TIME}\) has no console open", page)
    assert "Place 1" in page
    assert "Nobody yet." in page
    assert f'href="/board/contacts/{contact}/why"' in cast.supervisor.get("/board").text


def test_who_is_to_be_called_later_is_in_nobody_s_way(cast: Cast) -> None:
    """The board, the page and the caller go by one rule."""
    booked, contact = calls(), calls("+14045550124")
    later = clock.now() + timedelta(minutes=30)
    change(Contact, booked, callback_at=clock.now(), callback_due_at=later, queue_sid=None)
    places = {row["contact"]: row["place"] for row in cast.supervisor.get("/board/state").get_json()["waiting"]}
    assert places == {booked: None, contact: 1}
    assert "Place 1" in waiting(cast, contact)
    assert re.search(rf"will be called, from {CLOCK_TIME} on\. Until then nobody is asked", waiting(cast, booked))
    assert "Place" not in waiting(cast, booked)
    assert re.search(rf"to be called from {CLOCK_TIME} on", read(cast.supervisor, "/board"))
    change(Contact, booked, callback_postponed=True)
    assert "will be called when the line is open again. Until then nobody is asked" in waiting(cast, booked)
    assert "to be called when the line is open again" in read(cast.supervisor, "/board")


def test_what_the_page_says_is_what_dispatch_decides(cast: Cast) -> None:
    """Whoever has no refusal is asked, and nobody else."""
    is_ready(cast.peer1)
    contact = calls(language="es")
    assert why.still_waits(peer(cast.peer1).organization_id, contact, clock.now()).next is None
    with db.transaction() as session:  # nobody hears of it yet
        session.get_one(Peer, peer(cast.peer1).id).languages = ["en", "es"]
    assert why.still_waits(peer(cast.peer1).organization_id, contact, clock.now()).next == "Robin Hale"
    assert "Robin Hale will be asked at once." in waiting(cast, contact)
    assert dispatch.run(peer(cast.peer1).organization_id, clock.now()) == 1
    assert "Is being asked now: Robin Hale." in waiting(cast, contact)


def test_who_was_asked_and_what_came_of_it(cast: Cast) -> None:
    is_ready(cast.peer1)
    contact = calls()
    now = clock.now()
    offer = state(cast.peer1)["offers"][0]["id"]
    cast.peer1.post(f"/console/offers/{offer}/decline")
    page = waiting(cast, contact)
    assert "Robin Hale · “Not now”" in page
    assert "Robin Hale was asked for this contact a moment ago" in page
    with time_machine.travel(now + timedelta(seconds=10)):
        is_ready(cast.peer1)
        dispatch.run(peer(cast.peer1).organization_id, clock.now())
        offers.expire(state(cast.peer1)["offers"][0]["id"], "no_answer", clock.now())
        assert "Robin Hale · Was not answered (no answer in time)" in waiting(cast, contact)


def test_a_caller_who_is_being_connected_or_waits_no_more(cast: Cast) -> None:
    is_ready(cast.peer1)
    contact = calls()
    cast.peer1.post(f"/console/offers/{state(cast.peer1)['offers'][0]['id']}/accept")
    assert "Robin Hale has accepted, and the two are being connected." in waiting(cast, contact)
    talk(contact)
    page = waiting(cast, contact)
    assert "This contact waits no more: talking." in page
    assert "Peers on shift" not in page
    assert f'href="/contacts/{contact}"' in cast.supervisor.get(f"/board/contacts/{contact}/why").text


def test_a_caller_whom_the_phone_company_does_not_hold_is_not_said_to_be_asked_about(cast: Cast) -> None:
    contact = calls()
    is_ready(cast.peer1)
    offers.expire(state(cast.peer1)["offers"][0]["id"], "no_answer", clock.now())
    change(Contact, contact, queue_sid=None)
    with time_machine.travel(clock.now() + timedelta(seconds=10)):
        is_ready(cast.peer1)
        assert "The phone company is bringing the caller back" in waiting(cast, contact)
        page = read(cast.peer1, "/console/why")
    assert "nobody is asked until the caller is back on the line, or due to be called" in page
    assert "you will be asked" not in page


def test_every_refusal_is_explained(cast: Cast) -> None:
    """Everything that can stand between two people, at once; each with what helps to understand it."""
    now = clock.now()
    contact = calls()
    robin = peer(cast.peer1)
    with db.reading() as session:
        caller = session.get_one(Contact, contact).caller_id
    keep(
        "Georgia",
        skills=["veteran"],
        wishes=["parent"],
        wish_for=600,
        usual_talk=3600,
        steps=[{"after": 300, "kind": "widen"}, {"after": 900, "kind": "several"}],
    )
    change(Contact, contact, wish="parent", language="es")
    change(Line, line_id("Georgia"), paused_at=now)
    change(Peer, robin.id, rests_until=now + timedelta(minutes=9), skills=[])
    with db.transaction() as session:
        session.execute(update(Shift).where(Shift.peer_id == robin.id).values(ends_at=now + timedelta(minutes=20)))
        session.add(Apart(caller_id=caller, peer_id=robin.id, asked_by=AskedBy.CALLER, asked_at=now))
        session.add(
            Offer(
                organization_id=robin.organization_id,
                contact_id=contact,
                peer_id=robin.id,
                state="declined",
                made_at=now,
                deadline=now,
                decided_at=now,
                reason="not_now",
            )
        )
    with db.transaction() as session:
        session.execute(
            update(Peer)
            .where(Peer.id == robin.id)
            .values(status=PeerStatus.AWAY, status_reason="missed", status_at=now)
        )
    (shown,) = (
        one
        for one in why.still_waits(robin.organization_id, contact, clock.now()).candidates
        if one.name == "Robin Hale"
    )
    codes = [one.code for one in shown.against]
    assert codes == [refusal.code for refusal in EVERY_REFUSAL if refusal.code not in ("not_on_shift", "busy")], (
        "whoever is on shift, and not busy"
    )
    page = waiting(cast, contact)
    for words in (
        rf"a supervisor has paused the line \(since {CLOCK_TIME}\)",
        rf"usual talk would be over \(the shift ends at {CLOCK_TIME}\) ?; counts until {CLOCK_TIME}",
        rf"every skill that this line asks for \(veteran\) ?; counts until {CLOCK_TIME}",
        rf"has not chosen Available \(Away since {CLOCK_TIME}: two offers were not answered\)",
        r"has no console open",
        rf"rests after a heavy contact \(until {CLOCK_TIME}\)",
        r"does not speak the caller's language \(speaks English\)",
        rf"is not whom the caller wished for \(parent\) ?; counts until {CLOCK_TIME}",
        r"is not to meet this caller again",
        r"was asked for this contact a moment ago",
        rf"Wish parent · counts until {CLOCK_TIME}",
        rf"Next step {CLOCK_TIME}: the line's skills, a wish",
        r"several peers are rung at once",
    ):
        assert re.search(words, page), words


def test_whoever_is_busy_is_said_to_be_so_with_what_and_since_when(cast: Cast) -> None:
    is_ready(cast.peer1)
    first = calls()
    cast.peer1.post(f"/console/offers/{state(cast.peer1)['offers'][0]['id']}/accept")
    talk(first)
    second = calls(number="+14045550124")
    assert re.search(rf"Robin Hale is busy with another contact \(talking since {CLOCK_TIME}\)", waiting(cast, second))
    hangs_up(first)
    assert "(in wrap-up since" in waiting(cast, second)


def test_whoever_writes_has_no_room_for_a_call(cast: Cast) -> None:
    is_ready(cast.peer1)
    writes()
    cast.peer1.post(f"/console/offers/{state(cast.peer1)['offers'][0]['id']}/accept")
    assert "Robin Hale is busy with another contact (1 text conversation)" in waiting(cast, calls())


def test_peers_of_a_sister_line_are_shown_with_the_time_from_which_they_are_asked(cast: Cast) -> None:
    on_shift_for(cast.peer1, "Illinois")
    is_ready(cast.peer1)
    contact = calls()
    page = waiting(cast, contact)
    assert "Robin Hale" not in page
    assert "1 peer is not on shift for this line" in page
    keep("Georgia", steps=[{"after": 120, "kind": "sister", "line": line_id("Illinois")}])
    page = waiting(cast, contact)
    assert re.search(
        rf"Robin Hale is not on shift for this line \(peers of the Illinois line are asked from {CLOCK_TIME} on\)",
        page,
    )
    assert re.search(rf"Next step {CLOCK_TIME}: peers of the Illinois line are asked too", page)
    with time_machine.travel(clock.now() + timedelta(minutes=3)):
        is_ready(cast.peer1)
        assert "Is being asked now: Robin Hale." in waiting(cast, contact)
        assert "peers of the Illinois line are asked too · taken" in waiting(cast, contact)


# A peer who was not asked


def test_a_peer_reads_what_stands_between_them_and_whoever_waits(cast: Cast) -> None:
    is_ready(cast.peer1)
    contact = calls(language="es")
    page = read(cast.peer1, "/console/why")
    assert "Why was I not asked?" in page
    assert "Georgia line, Illinois line, Washington D.C. line you may be asked" in page
    assert re.search(rf"Call · Georgia line · since {CLOCK_TIME} you do not speak the caller's language", page)
    availability.choose(peer(cast.peer1), "break", clock.now())
    assert "you have not chosen Available (Break since" in read(cast.peer1, "/console/why")
    assert (
        f'href="/board/contacts/{contact}/why"' in cast.supervisor.get(f"/board/peers/{peer(cast.peer1).id}/why").text
    )


def test_an_offer_to_somebody_else_says_what_spoke_against_this_peer_then(cast: Cast) -> None:
    """The peer was on a break when it was made, and is not any more."""
    start = clock.now()
    with time_machine.travel(start + timedelta(seconds=5)):
        is_ready(cast.peer1)
        is_ready(cast.peer2)
        availability.choose(peer(cast.peer1), "break", clock.now())
    with time_machine.travel(start + timedelta(seconds=9)):
        calls()
    with time_machine.travel(start + timedelta(seconds=15)):
        is_ready(cast.peer1)
        assert "Marisol Vega was asked: the status was not Available" in not_asked(cast, cast.peer1)
        own = read(cast.peer1, "/console/why")
    assert "Call · Georgia line: the status was not Available" in own
    assert "Marisol" not in own


def test_whoever_was_in_wrap_up_or_spoke_another_language_reads_so(cast: Cast) -> None:
    start = clock.now()
    with time_machine.travel(start + timedelta(seconds=5)):
        is_ready(cast.peer1)
        first = calls()
        cast.peer1.post(f"/console/offers/{state(cast.peer1)['offers'][0]['id']}/accept")
        talk(first)
        hangs_up(first)
    with time_machine.travel(start + timedelta(seconds=10)):
        is_ready(cast.peer2)
        calls(number="+14045550124", language="es")
        shown = why.not_asked(peer(cast.peer1).organization_id, peer(cast.peer1).id, clock.now())
    assert [one.codes for one in shown.passed] == [("busy", "language")]


def test_whoever_only_ranked_behind_reads_in_which_order_the_line_asks(cast: Cast) -> None:
    start = clock.now()
    for number, person in enumerate((cast.peer2, cast.peer1), start=1):
        with time_machine.travel(start + timedelta(seconds=number)):
            is_ready(person)
    with time_machine.travel(start + timedelta(seconds=5)):
        calls()
        (passed,) = why.not_asked(peer(cast.peer1).organization_id, peer(cast.peer1).id, clock.now()).passed
        assert passed.codes == ()
        page = read(cast.peer1, "/console/why")
        availability.choose(peer(cast.peer2), "break", clock.now())
        cast.peer1.post(f"/console/offers/{state(cast.peer1)['offers'][0]['id']}/decline")
        assert codes_of_the_past(cast.peer1) == [()], "that one declined later does not count"
    assert "somebody else came first" in page
    assert "This line asks whoever has been free longest." in page


@pytest.mark.parametrize(("strategy", "first"), [("longest_idle", "Marisol Vega"), ("fewest_today", "Robin Hale")])
def test_of_two_who_may_be_asked_the_line_s_order_says_who_comes_first(cast: Cast, strategy: str, first: str) -> None:
    """Marisol has been free longer, and has taken a contact today."""
    keep("Georgia", strategy=strategy)
    start = clock.now()
    robin, marisol = peer(cast.peer1), peer(cast.peer2)
    is_ready(cast.peer2)
    taken = calls()
    cast.peer2.post(f"/console/offers/{state(cast.peer2)['offers'][0]['id']}/accept")
    talk(taken)
    hangs_up(taken)
    cast.peer2.post(f"/console/contacts/{taken}/report", disposition="support_given", reasons="social")
    with time_machine.travel(start + timedelta(seconds=30)):
        is_ready(cast.peer1)
        availability.seen(marisol, clock.now())
        change(Peer, marisol.id, languages=["en"])
        contact = calls(number="+14045550124", language="es")
        for each in (robin, marisol):  # and nobody hears of it yet
            change(Peer, each.id, languages=["en", "es"])
        assert why.still_waits(robin.organization_id, contact, clock.now()).next == first
        behind = {
            shown.name: shown.chances[0].before
            for shown in (why.not_asked(robin.organization_id, each.id, clock.now()) for each in (robin, marisol))
        }
        (second,) = {"Marisol Vega", "Robin Hale"} - {first}
        assert behind == {first: (), second: (first,)}
        assert f"first comes {first}" in not_asked(cast, cast.peer1 if second == "Robin Hale" else cast.peer2)


def codes_of_the_past(person: Person) -> list[tuple[str, ...]]:
    shown = why.not_asked(peer(person).organization_id, peer(person).id, clock.now())
    return [one.codes for one in shown.passed]


def test_what_is_said_of_the_past_stays_true_when_things_change(cast: Cast) -> None:
    """Robin was passed over for the language, has learned it since, is not to meet the caller again, rests, …"""
    is_ready(cast.peer1)
    robin = peer(cast.peer1)
    with time_machine.travel(clock.now() + timedelta(seconds=1)):
        change(Peer, peer(cast.peer2).id, languages=["en"])
        is_ready(cast.peer2)
        contact = calls(language="es")
        change(Peer, peer(cast.peer2).id, languages=["en", "es"])
        dispatch.run(robin.organization_id, clock.now())
        assert codes_of_the_past(cast.peer1) == [("language",)]
        change(Peer, robin.id, languages=["en", "es"], rests_until=clock.now() + timedelta(minutes=10))
        change(Line, line_id("Georgia"), paused_at=clock.now())
        with db.transaction() as session:
            caller_id = session.get_one(Contact, contact).caller_id
            session.add(Apart(caller_id=caller_id, peer_id=robin.id, asked_by=AskedBy.CALLER, asked_at=clock.now()))
        assert codes_of_the_past(cast.peer1) == [("language",)]
        assert "Call · Georgia line" in waiting(cast, contact)


def test_whoever_was_asked_for_somebody_else_or_was_free_again_is_told_so(cast: Cast) -> None:
    start = clock.now()
    with time_machine.travel(start + timedelta(seconds=1)):
        is_ready(cast.peer1)
        first = calls()
    with time_machine.travel(start + timedelta(seconds=2)):
        is_ready(cast.peer2)
        calls(number="+14045550124")
        assert codes_of_the_past(cast.peer1) == [("busy",)]
        cast.peer1.post(f"/console/offers/{state(cast.peer1)['offers'][0]['id']}/accept")
        talk(first)
        hangs_up(first)
        cast.peer1.post(f"/console/contacts/{first}/report", disposition="support_given", reasons="social")
    with time_machine.travel(start + timedelta(seconds=8)):
        cast.peer2.post(f"/console/offers/{state(cast.peer2)['offers'][0]['id']}/decline")
        cast.peer1.post(f"/console/offers/{state(cast.peer1)['offers'][0]['id']}/decline")
    with time_machine.travel(start + timedelta(seconds=14)):
        dispatch.run(peer(cast.peer1).organization_id, clock.now())
        assert codes_of_the_past(cast.peer1) == [(), ("busy",)], "free again, and behind"


def test_a_rest_an_agreement_and_a_breath_speak_against_a_peer_as_long_as_they_lasted(cast: Cast) -> None:
    start = clock.now()
    with time_machine.travel(start):
        is_ready(cast.peer2)
    with time_machine.travel(start + timedelta(seconds=1)):
        is_ready(cast.peer1)
        heavy = calls()
        cast.peer2.post(f"/console/offers/{state(cast.peer2)['offers'][0]['id']}/decline")
        assert codes_of_the_past(cast.peer1) == [()]
        assert codes_of_the_past(cast.peer2) == [("just_asked",)]
        cast.peer1.post(f"/console/offers/{state(cast.peer1)['offers'][0]['id']}/accept")
        talk(heavy)
        hangs_up(heavy)
    with time_machine.travel(start + timedelta(seconds=10)):
        said = {"disposition": "support_given", "reasons": "social", "heavy": "yes", "apart": "caller"}
        assert cast.peer1.post(f"/console/contacts/{heavy}/report", **said).status_code == 200
        assert codes_of_the_past(cast.peer1) == [()], "neither the rest nor the agreement was there then"
    with time_machine.travel(start + timedelta(seconds=20)):
        is_ready(cast.peer1)
        is_ready(cast.peer2)
        calls()
        assert codes_of_the_past(cast.peer1) == [("rests", "apart"), ()]
        cast.peer2.post(f"/console/offers/{state(cast.peer2)['offers'][0]['id']}/decline")
    with time_machine.travel(start + timedelta(seconds=30)):
        cast.peer1.post("/console/ready")
        is_ready(cast.peer2)
        calls("+14045550124")
        assert codes_of_the_past(cast.peer1)[-2:] == [("rests", "apart"), ()]


def test_what_was_before_the_shift_is_not_shown(cast: Cast) -> None:
    is_ready(cast.peer2)
    calls()
    robin, now = peer(cast.peer1), clock.now()
    assert len(why.not_asked(robin.organization_id, robin.id, now).passed) == 1
    with db.transaction() as session:
        session.execute(update(Shift).where(Shift.peer_id == robin.id).values(starts_at=now + timedelta(seconds=1)))
    assert why.not_asked(robin.organization_id, robin.id, now + timedelta(seconds=2)).passed == ()


def test_a_peer_without_a_shift_reads_that(cast: Cast) -> None:
    on_shift_for(cast.peer1)
    calls()
    page = read(cast.peer1, "/console/why")
    assert "You are not on shift now." in page
    assert "Nobody is waiting." in page


def test_an_offer_of_one_s_own_is_nothing_that_one_was_not_asked_for(cast: Cast) -> None:
    keep("Georgia", strategy="ring_several")
    is_ready(cast.peer1)
    is_ready(cast.peer2)
    calls()
    robin = peer(cast.peer1)
    shown = why.not_asked(robin.organization_id, robin.id, clock.now())
    assert shown.passed == ()
    assert [chance.mine for chance in shown.chances] == [True]
    assert "you are being asked now" in read(cast.peer1, "/console/why")


def test_a_peer_learns_nothing_of_what_a_caller_confided(cast: Cast) -> None:
    robin, now = peer(cast.peer1), clock.now()
    is_ready(cast.peer1)
    contact = calls(language="es")
    with db.transaction() as session:
        caller = session.get_one(Contact, contact).caller_id
        session.add(Apart(caller_id=caller, peer_id=robin.id, asked_by=AskedBy.CALLER, asked_at=now))
    change(Contact, contact, wish="veteran", wish_required=True)
    change(Peer, peer(cast.peer2).id, skills=["veteran"])
    change(Peer, robin.id, skills=[])
    own = why.for_themselves(why.not_asked(robin.organization_id, robin.id, clock.now()))
    assert [one.code for one in own.chances[0].against] == ["language", why.PRIVATE]
    assert own.chances[0].contact == ""
    is_ready(cast.peer2)
    own = why.for_themselves(why.not_asked(robin.organization_id, robin.id, clock.now()))
    assert [(one.codes, one.contact, one.asked) for one in own.passed] == [(("language", why.PRIVATE), "", "")]
    page = cast.peer1.get("/console/why").text
    for secret in ("wished for", "veteran", "meet again", contact, "Marisol", str(caller)):
        assert secret not in page
    assert "a wish of the caller" in page
    theirs = not_asked(cast, cast.peer1)
    assert "is not whom the caller wished for (veteran)" in theirs
    assert "is not to meet this caller again" in theirs


def test_the_pages_see_a_free_peer_as_dispatch_does(cast: Cast) -> None:
    is_ready(cast.peer1)
    is_ready(cast.peer2)
    writes()
    writer = cast.peer1 if state(cast.peer1)["offers"] else cast.peer2
    writer.post(f"/console/offers/{state(writer)['offers'][0]['id']}/accept")
    robin = peer(cast.peer1)
    with db.reading() as session:
        free = {each.id: each for each in roster.free(session, robin.organization_id, clock.now())}
        everybody = {each.id: each for each in roster.everybody(session, robin.organization_id, clock.now())}
    assert len(free) == 2
    assert {id: everybody[id] for id in free} == free
    on_shift_for(writer)
    availability.choose(peer(writer), "away", clock.now())
    with db.reading() as session:
        assert peer(writer).id not in {each.id for each in roster.free(session, robin.organization_id, clock.now())}
        (away,) = (each for each in roster.everybody(session, robin.organization_id, clock.now()) if not each.shifts)
    assert (away.id, away.status, away.threads) == (peer(writer).id, PeerStatus.AWAY, 1)


# Who may read it


@pytest.mark.parametrize("part", ["", "/fragment"])
def test_it_is_for_supervisors_of_the_same_organization_and_for_the_peer(cast: Cast, part: str) -> None:
    ours, theirs = calls(), calls(line="+16065550104")
    for reader in (cast.supervisor, cast.admin):
        assert reader.get(f"/board/contacts/{ours}/why{part}").status_code == 200
        assert reader.get(f"/board/peers/{peer(cast.peer1).id}/why{part}").status_code == 200
        assert reader.get(f"/console/why{part}").status_code == 403
        for path in (f"contacts/{theirs}", f"peers/{peer(cast.outsider).id}", "contacts/nobody", "peers/nobody"):
            assert reader.get(f"/board/{path}/why{part}").status_code == 404
    for reader in (cast.peer1, cast.outsider):
        assert reader.get(f"/board/contacts/{ours}/why{part}").status_code == 403
        assert reader.get(f"/board/peers/{peer(cast.peer1).id}/why{part}").status_code == 403
        assert reader.get(f"/console/why{part}").status_code == 200
    assert "Georgia" not in cast.outsider.get(f"/console/why{part}").text


@pytest.mark.parametrize("strategy", ["longest_idle", "fewest_today", "same_peer"])
def test_the_number_of_queries_does_not_grow(cast: Cast, strategy: str) -> None:
    keep("Georgia", strategy=strategy)
    is_ready(cast.peer1)
    contact = calls()
    pages = (
        (cast.supervisor, f"/board/contacts/{contact}/why"),
        (cast.supervisor, f"/board/peers/{peer(cast.peer2).id}/why"),
        (cast.peer2, "/console/why"),
    )

    def asked(person: Person, path: str) -> int:
        person.get(path)
        with counted() as statements:
            person.get(path)
        return len(statements)

    few = [asked(*page) for page in pages]
    for number in range(150, 160):
        calls(number=f"+14045550{number}")
    offers.expire(state(cast.peer1)["offers"][0]["id"], "no_answer", clock.now())
    assert [asked(*page) for page in pages] == few


def test_a_page_that_says_the_same_is_not_sent_again(cast: Cast) -> None:
    contact = calls()
    path = f"/board/contacts/{contact}/why/fragment"
    held = {"If-None-Match": cast.supervisor.get(path).headers["ETag"]}
    assert cast.supervisor.client.get(path, headers=held).status_code == 304
    is_ready(cast.peer1)
    assert cast.supervisor.client.get(path, headers=held).status_code == 200


# The words


def test_every_refusal_has_its_words(cast: Cast) -> None:
    with cast.app.test_request_context():
        words: Any = cast.app.jinja_env.get_template("_why_words.html").make_module(cast.app.jinja_env.globals)
    codes = {refusal.code for refusal in EVERY_REFUSAL}
    assert {refusal.code: refusal.sentence for refusal in EVERY_REFUSAL} == words.REFUSAL
    assert set(words.REFUSAL_YOU) == codes - {WISH.code, APART.code} | {why.PRIVATE}
    assert set(words.REFUSAL_THEN) == codes | {why.PRIVATE}


def test_a_reader_of_spanish_reads_spanish(cast: Cast) -> None:
    is_ready(cast.peer1)
    contact = calls(language="es")
    cast.supervisor.post("/language", language="es")
    page = waiting(cast, contact)
    assert "¿Por qué esta persona sigue esperando?" in page
    assert "no habla el idioma de la persona (idiomas: Inglés)" in page


def test_a_page_that_keeps_itself_fresh_has_somewhere_to_say_that_it_cannot(cast: Cast) -> None:
    for person, path in (
        (cast.peer1, "/console"),
        (cast.peer1, "/console/why"),
        (cast.supervisor, "/board"),
        (cast.supervisor, f"/board/peers/{peer(cast.peer1).id}/why"),
    ):
        page = person.get(path).text
        assert 'id="notice-connection"' in page
        assert re.search(r'id="said"[^>]*role="status"', page), f"nothing is read out on {path}"
