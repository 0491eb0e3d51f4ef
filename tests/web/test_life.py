"""Evenings as a state machine: several callers, by voice and text, two peers, a phone company that keeps its word.

Signed requests, the console's own posts, the real database code. Hypothesis decides what happens next: calls, texts,
hang-ups, accepts, declines, expiries, drops, shifts that end, a line that pauses or closes; what the line has chosen as
its policy; what the company tells us late, twice, never or in another order; and at which commit or request our
process dies. What holds always is checked after every step that changed anything.
"""

import os
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import String, bindparam, delete, literal, select, type_coerce, union_all, update
from sqlalchemy.orm import Session

from routing.eligibility import asked_from, why_not
from routing.facts import Peer as PeerFacts
from routing.facts import Waiting
from routing.policy import Policy, Skill, Step, StepKind, Strategy, read
from routing.states import IN_QUEUE, LIVE_CONTACT, LIVE_ENGAGEMENT
from tests.cast import Cast, Person
from tests.company import Call, Company, Killed, Telling
from tests.web import walk
from tests.web.test_hooks import Twilio
from warmline import clock, db
from warmline.contacts import asking, availability, outbox, parting
from warmline.models import (
    Apart,
    AskedBy,
    Caller,
    Channel,
    Contact,
    Engagement,
    Event,
    Leg,
    Line,
    Message,
    Offer,
    OutsideRequest,
    Peer,
    Presence,
    Shift,
    Survey,
    base,
)
from warmline.models.history import TABLES
from warmline.people import roster
from warmline.telephony import gateway

pytestmark = pytest.mark.both

EXAMPLES, STEPS = int(os.environ.get("LIFE_EXAMPLES", "4")), 40
CALLERS = ("+14045550123", "+14045550124", "+14045550125")
TEXTS = ("hello", "Hola", "English", "later", "STOP", "START", "1")
TROUBLES = ("", "not taken", "lost", "answer lost", "killed before", "killed after")
COMMIT = Session.commit
SOON, LATER = timedelta(seconds=20), timedelta(seconds=40)
Rows = Sequence[Any]

# What the invariants read, at every step: built once, and without what nobody asks of it.
OFFERS = select(Offer.id, Offer.contact_id, Offer.peer_id, Offer.state)
ENGAGEMENTS = select(
    Engagement.id, Engagement.contact_id, Engagement.peer_id, Engagement.channel, Engagement.state, Engagement.wrap_by
)
CONTACTS = select(
    Contact.id,
    Contact.state,
    Contact.channel,
    Contact.priority,
    Contact.queued_at,
    Contact.callback_at,
    Contact.callback_due_at,
    Contact.callback_tries,
    Contact.calling,
).where(Contact.state.in_(LIVE_CONTACT))
LIVING_LEGS = select(Leg.contact_id, Leg.engagement_id, Leg.kind, Leg.state).where(Leg.state != "ended")
SENDING = select(OutsideRequest.claimed_at).where(OutsideRequest.state == "sending")
EVENTS = (
    select(Event.id, Event.subject, Event.subject_id, Event.name, Event.old, Event.new)
    .where(Event.id > bindparam("latest"))
    .order_by(Event.id)
)
STATES = union_all(
    *(  # each of these has an id and a state, which their base has not
        select(literal(kind.__tablename__), kind.id, type_coerce(kind.state, String))  # type: ignore[attr-defined]
        for kind in TABLES
    )
)
MOVES = {
    kind.__tablename__: {(str(state), name): str(new) for (state, name), new in table.items()}
    for kind, table in TABLES.items()
}
CLOSES_SOON = {str(day): [["00:00", "14:00"]] for day in range(7)}  # the evening begins at 13:00 in New York
TO_CALL_BACK, TO_THE_SISTER = Step(SOON, StepKind.CALLBACK), Step(SOON, StepKind.SISTER, "Illinois")
POLICIES = (
    Policy(),
    Policy(strategy=Strategy.ROUND_ROBIN, wishes=(Skill.FAMILY, Skill.VETERAN), wish_for=None, steps=(TO_CALL_BACK,)),
    Policy(
        strategy=Strategy.FEWEST_TODAY,
        steps=(Step(SOON, StepKind.SEVERAL), Step(SOON, StepKind.CALLBACK)),
        most_waiting=2,
    ),
    Policy(strategy=Strategy.SAME_PEER, wishes=(Skill.VETERAN,), wish_for=LATER, contacts_a_day=2),
    Policy(strategy=Strategy.RING_SEVERAL, several=2, steps=(TO_CALL_BACK,)),
    Policy(strategy=Strategy.RING_SEVERAL, contacts_a_day=1, steps=(TO_CALL_BACK,)),
    Policy(
        skills=frozenset({Skill.FAMILY}),
        usual_talk=timedelta(minutes=2),
        steps=(TO_CALL_BACK, Step(LATER, StepKind.WIDEN)),
    ),
    Policy(wishes=(Skill.FAMILY, Skill.VETERAN), wish_for=None, steps=(TO_THE_SISTER,)),
    Policy(steps=(TO_THE_SISTER, TO_CALL_BACK)),
)


class Evening(RuleBasedStateMachine):
    def __init__(self, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.cast, self.twilio, self.monkeypatch = cast, Twilio(cast.app), monkeypatch
        self.now = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
        self.heard_since = clock.LONG_AGO
        self.company = Company(self.answers, self)
        self.people: dict[str, Person] = {"peer1": cast.peer1, "peer2": cast.peer2, "outsider": cast.outsider}
        self.peers = {name: walk.peer(person) for name, person in self.people.items()}
        self.tokens = {name: person.token for name, person in self.people.items()}
        self.supervisor_token = cast.supervisor.token
        self.consoles: set[str] = set()  # whose console is open
        self.browsers: dict[str, Call] = {}  # the peers' calls, by engagement
        self.fuse = 0  # commits until our process dies; 0: it lives on
        self.changed = True  # since what must hold was looked at
        self.ringing: dict[str, list[str]] = {}  # offers, by peer, as of that look
        self.taken: dict[str, set[str]] = {}  # contacts in which a peer has or had a part
        self.latest = 0  # event that was read
        self.states: dict[tuple[str, str], str] = {}  # of every row, by the events
        self.ranks: dict[str, int] = {}  # of those in line, after the step before
        self.keys: dict[str, tuple[Any, ...]] = {}  # by which they stand in line; of everybody who ever did
        gateway.use(self.company)
        monkeypatch.setattr(clock, "now", lambda: self.now)
        outbox.use(clock.now)
        monkeypatch.setattr(Session, "commit", lambda session: self.commit(session))

    def sid(self, prefix: str = "CA") -> str:
        return walk.sid(prefix)

    def commit(self, session: Session) -> None:
        """Commit, unless our process dies now; or die just after it, before anything that was to follow."""
        writes = db._writing.get()
        if writes and self.fuse == 1:
            self.fuse = 0
            raise Killed
        COMMIT(session)
        self.changed = self.changed or writes
        if writes and self.fuse:
            self.fuse = max(0, self.fuse - 2)
            if self.fuse == 0:
                raise Killed

    @initialize(policy=st.sampled_from(POLICIES), closes_soon=st.booleans())
    def begins(self, policy: Policy, closes_soon: bool) -> None:
        walk.begins_anew(self.now)
        self.rings_at_both = policy.strategy is Strategy.RING_SEVERAL
        self.rings_several = self.rings_at_both or policy.after(StepKind.SEVERAL) is not None
        self.calls_back = policy.after(StepKind.CALLBACK) is not None
        with db.transaction() as session:
            line = self.georgia(session)
            sister = session.scalars(select(Line.id).filter_by(name="Illinois")).one()
            steps = tuple(replace(step, line=step.line and sister) for step in policy.steps)
            line.policy = replace(policy, steps=steps).kept()
            if closes_soon:  # so whoever books is asked whether they may be called after the next opening
                line.hours = CLOSES_SOON
            # The same evening must be the same again, whichever was before it.
            session.execute(update(Peer).values(status="off", status_at=self.now, idle_since=self.now))
            session.execute(delete(Presence))
            if TO_THE_SISTER in policy.steps:  # peer2 works there alone
                here = update(Shift).filter_by(peer_id=self.peers["peer2"].id, line_id=line.id)
                session.execute(here.values(starts_at=self.now + timedelta(days=30)))
        # And of two equal peers the id decides.
        ids = (uuid.UUID(int=number) for number in count(1))
        self.monkeypatch.setattr(base, "uuid", SimpleNamespace(uuid4=lambda: next(ids)))
        for name in ("peer1", "peer2"):
            self.opens_console(name)
            self.chooses(name, "available")

    # Callers

    def living(self) -> list[Call]:
        return [call for call in self.company.calls.values() if call.place != "over"]

    def asking(self) -> list[Call]:
        """Calls that wait for a document."""
        return [call for call in self.living() if call.asks]

    def listening(self) -> list[Call]:
        """Calls in the queue, with a document that they listen to."""
        return [call for call in self.living() if call.place == "queue" and not call.asks]

    @precondition(lambda self: len(self.living()) < 5)
    @rule(number=st.sampled_from(CALLERS))
    def a_call_comes(self, number: str) -> None:
        with self.we_may_die():
            call = self.company.begins("/twilio/voice/incoming", From=number, To=walk.GEORGIA)
            self.company.fetch(call)

    @precondition(lambda self: self.asking())
    @rule(data=st.data(), key=st.sampled_from(["1", "2", "3", ""]))
    def a_call_goes_on(self, data: st.DataObject, key: str) -> None:
        self.company.keys = lambda: key
        with self.we_may_die():
            self.company.fetch(data.draw(st.sampled_from(self.asking())))

    @precondition(lambda self: self.listening())
    @rule(data=st.data())
    def the_wait_audio_ends(self, data: st.DataObject) -> None:
        call = data.draw(st.sampled_from(self.listening()))
        self.company.loop(call)
        with self.we_may_die():
            self.company.fetch(call)

    @precondition(lambda self: self.calls_back and self.listening())
    @rule(data=st.data())
    def somebody_wants_to_be_called(self, data: st.DataObject) -> None:
        self.books(data.draw(st.sampled_from(self.listening())))

    @precondition(lambda self: self.calls_back)
    @rule(
        number=st.sampled_from(CALLERS),
        closes=st.sampled_from([False, False, True]),
        calls_itself=st.sampled_from([False, False, True]),
        keys=st.sampled_from([["1"], ["", "1"], ["", "", ""]]),
        trouble=st.sampled_from(["", *TROUBLES]),
    )
    def a_caller_is_called_back(
        self, number: str, closes: bool, calls_itself: bool, keys: list[str], trouble: str
    ) -> None:
        """A caller books while nobody answers; then peers do, and the phone rings, which is taken or not, up to thrice.

        The line may close meanwhile, and open again; the caller may call before we do.
        """
        self.the_line_serves()
        for name in ("peer1", "peer2"):
            self.chooses(name, "break")
        if call := self.gets_in_line(number):
            self.time_passes(25)
            if call.place == "queue" and not call.asks:
                self.books(call)
            self.time_passes(5)
        if closes:
            self.the_line_opens_or_closes(opens=False)
            self.time_passes(5)
            self.the_line_opens_or_closes(opens=True)
            self.time_passes(5)
        if calls_itself:
            self.gets_in_line(number)
        self.company.troubles = [trouble]
        for key in keys:
            for name in ("peer1", "peer2"):
                self.chooses(name, "available")
            self.things_take_their_course(30, key)
            if key == "1":
                break
            self.we_are_away(1000)

    def gets_in_line(self, number: str) -> Call | None:
        """A call comes and goes as far as the queue, unless there are many already, or we die of it."""
        before = len(self.company.calls)
        if len(self.living()) < 5:
            self.a_call_comes(number)
            self.company.keys = lambda: "1"
        if len(self.company.calls) == before:
            return None
        call = [*self.company.calls.values()][-1]
        for _ in range(5):
            if call.asks:
                with self.we_may_die():
                    self.company.fetch(call)
        return call

    def books(self, call: Call) -> None:
        """The key, the number confirmed, goodbye."""
        self.company.keys = lambda: "2" if call.place == "queue" else "1"
        self.company.loop(call)
        for _ in range(4):
            if call.asks:
                with self.we_may_die():
                    self.company.fetch(call)

    @precondition(lambda self: self.living())
    @rule(data=st.data())
    def somebody_hangs_up(self, data: st.DataObject) -> None:
        self.company.hangs_up(data.draw(st.sampled_from(self.living())))

    @rule(number=st.sampled_from(CALLERS), body=st.sampled_from(TEXTS))
    def a_text_comes(self, number: str, body: str) -> None:
        form = {"MessageSid": self.sid("SM"), "From": number, "To": walk.GEORGIA, "Body": body}
        self.company.untold.append(("/twilio/sms/incoming", form))
        self.is_told(len(self.company.untold) - 1)

    # What would happen anyway

    @rule(steps=st.integers(1, 12), keys=st.sampled_from(["1", "1", "2"]))
    def things_take_their_course(self, steps: int, keys: str) -> None:
        self.company.keys = lambda: keys
        for _ in range(steps):
            if not self.takes_its_course():
                break

    @precondition(lambda self: len(self.living()) < 5)
    @rule(number=st.sampled_from(CALLERS), steps=st.integers(4, 16), key=st.sampled_from(["1", "2"]))
    def a_call_comes_and_goes_on(self, number: str, steps: int, key: str) -> None:
        self.a_call_comes(number)
        self.things_take_their_course(steps, key)

    @rule(seconds=st.sampled_from([5, 25]), steps=st.integers(4, 16))
    def time_passes_and_things_take_their_course(self, seconds: int, steps: int) -> None:
        self.time_passes(seconds)
        self.things_take_their_course(steps, "1")

    def takes_its_course(self) -> bool:
        """The next step of an undisturbed evening, as far as it goes without time; False if there is none."""
        if asking_now := self.asking():
            with self.we_may_die():
                self.company.fetch(asking_now[0])
        elif self.company.untold:
            self.is_told(0)
        else:
            return self.picks_up("peer1") | self.picks_up("peer2")
        self.what_must_hold_holds()  # a rule of many steps would else hide what held for a moment only
        return True

    # What the company tells us

    @precondition(lambda self: self.company.untold)
    @rule(data=st.data())
    def something_is_told(self, data: st.DataObject) -> None:
        self.is_told(data.draw(st.integers(0, len(self.company.untold) - 1)))

    @precondition(lambda self: self.company.untold)
    @rule(data=st.data())
    def something_is_never_told(self, data: st.DataObject) -> None:
        lost = data.draw(st.integers(0, len(self.company.untold) - 1))
        if "/twilio/sms/incoming" not in self.company.untold[lost][0]:
            self.company.untold.pop(lost)

    @precondition(lambda self: self.company.told)
    @rule(data=st.data())
    def something_is_told_again(self, data: st.DataObject) -> None:
        """Much later, and once more at once, which then moves nothing."""
        telling = data.draw(st.sampled_from(self.company.told))
        with self.we_may_die() as lived:
            self.company.tell(telling)
        if lived:
            with db.reading() as session:
                before = session.execute(STATES).all()
            with self.we_may_die() as lived:
                self.company.tell(telling)
            if lived:
                with db.reading() as session:
                    assert set(session.execute(STATES)) == set(before), f"{telling} moved something twice"

    @precondition(lambda self: self.company.sent)
    @rule(data=st.data(), status=st.sampled_from(["sent", "delivered", "undelivered"]))
    def a_delivery_is_told(self, data: st.DataObject, status: str) -> None:
        _, message_id, _ = data.draw(st.sampled_from(self.company.sent))
        with db.reading() as session:
            message = session.get(Message, message_id)
        if message is not None and message.message_sid is not None:
            form = {"MessageSid": message.message_sid, "MessageStatus": status}
            with self.we_may_die():
                self.company.tell((f"/twilio/sms/status?message={message_id}", form))

    @rule(troubles=st.lists(st.sampled_from(TROUBLES), max_size=4))
    def the_next_requests_meet_trouble(self, troubles: list[str]) -> None:
        self.company.troubles = troubles

    @rule(commits=st.integers(1, 8))
    def we_are_to_die_soon(self, commits: int) -> None:
        self.fuse = commits

    # Peers and supervisor

    @precondition(lambda self: self.ringing)
    @rule(data=st.data(), answer=st.sampled_from(["accept", "accept", "decline"]))
    def a_peer_answers(self, data: st.DataObject, answer: str) -> None:
        names = [name for name, peer in self.peers.items() if peer.id in self.ringing]
        self.answers_offers(data.draw(st.sampled_from(names)), answer)

    def answers_offers(self, who: str, answer: str) -> bool:
        offers = self.offers_to(who)
        for offer in offers:
            self.presses(who, f"/console/offers/{offer}/{answer}", (200, 409))
        return bool(offers)

    @rule(who=st.sampled_from(["peer1", "peer2"]))
    def a_browser_calls(self, who: str) -> None:
        self.calls_in(who)

    def calls_in(self, who: str) -> bool:
        with db.reading() as session:
            query = select(Engagement.id, Engagement.offer_id)
            connecting = session.execute(query.filter_by(peer_id=self.peers[who].id, state="connecting")).all()
        for id, offer_id in connecting:
            if id not in self.browsers:
                form = {"From": f"client:{self.peers[who].identity}", "offer": offer_id}
                call = self.browsers[id] = self.company.begins("/twilio/voice/client", **form)
                with self.we_may_die():
                    self.company.fetch(call)
                return True
        return False

    def picks_up(self, who: str) -> bool:
        """Whether there was anything to accept, or to call in for."""
        return self.answers_offers(who, "accept") | self.calls_in(who)

    @precondition(lambda self: self.taken)
    @rule(who=st.sampled_from(["peer1", "peer2"]), what=st.sampled_from(["end", "report", "messages", "boundary"]))
    def a_peer_does_what_a_conversation_offers(self, who: str, what: str) -> None:
        form = {"disposition": "support_given", "reasons": "social", "text_ok": "1", "body": "I am here."}
        for contact in self.contacts_of(who):
            self.presses(who, f"/console/contacts/{contact}/{what}", (200, 404, 409), **form)

    @rule(who=st.sampled_from(["peer1", "peer2"]), status=st.sampled_from(["available"] * 3 + ["break"]))
    def a_peer_chooses(self, who: str, status: str) -> None:
        self.chooses(who, status)

    @rule(who=st.sampled_from(["peer1", "peer2"]), opens=st.sampled_from([True, True, False]))
    def a_console_opens_or_closes(self, who: str, opens: bool) -> None:
        if opens:
            self.opens_console(who)
        else:
            self.consoles.discard(who)

    @rule(opens=st.sampled_from([True] * 3 + [False]))
    def the_line_opens_or_closes(self, opens: bool) -> None:
        with db.reading() as session:
            line = session.scalars(select(Line).filter_by(name="Georgia")).one()
        path, form = (f"/lines/{line.id}/reopen", {}) if opens else (f"/lines/{line.id}/close", {"reason": "staff"})
        headers = {"X-CSRFToken": self.supervisor_token, "Accept": "application/json"}
        with self.we_may_die():
            answer = self.cast.supervisor.client.post(path, data=form, headers=headers)
            assert answer.status_code in (200, 302, 409, 422), answer.text

    # What a supervisor and the roster do

    @rule(who=st.sampled_from(["peer1", "peer2"]), in_seconds=st.sampled_from([None, None, 0, 30, 90]))
    def a_shift_is_to_end(self, who: str, in_seconds: int | None) -> None:
        ends_at = None if in_seconds is None else self.now + timedelta(seconds=in_seconds)
        with self.by_hand() as session:
            session.execute(update(Shift).where(Shift.peer_id == self.peers[who].id).values(ends_at=ends_at))

    @rule(pauses=st.sampled_from([True, False, False]))
    def the_line_pauses_or_goes_on(self, pauses: bool) -> None:
        with self.by_hand() as session:
            self.georgia(session).paused_at = self.now if pauses else None

    @rule(who=st.sampled_from(["peer1", "peer2"]), seconds=st.sampled_from([0, 30]))
    def a_peer_rests(self, who: str, seconds: int) -> None:
        with self.by_hand() as session:
            session.get_one(Peer, self.peers[who].id).rests_until = self.now + timedelta(seconds=seconds)

    @rule(data=st.data(), who=st.sampled_from(["peer1", "peer2"]), apart=st.booleans())
    def two_are_not_to_meet_again(self, data: st.DataObject, who: str, apart: bool) -> None:
        with self.by_hand() as session:
            callers = session.scalars(select(Caller.id).order_by(Caller.id)).all()
            if not callers:
                return
            pair = {"caller_id": data.draw(st.sampled_from(callers)), "peer_id": self.peers[who].id}
            session.execute(delete(Apart).filter_by(**pair))
            if apart:
                session.add(Apart(**pair, asked_by=AskedBy.CALLER, asked_at=self.now))

    # Time

    @rule(seconds=st.sampled_from([1, 5, 10, 25, 60]))
    def time_passes(self, seconds: int) -> None:
        until, step = self.now + timedelta(seconds=seconds), timedelta(seconds=max(5, seconds // 5))
        while self.now < until:
            self.now = min(until, self.now + step)
            self.the_clock_ticks()

    @rule(seconds=st.sampled_from([60, 400, 1000, 40_000]))
    def we_are_away(self, seconds: int) -> None:
        """Nothing of ours runs for minutes, or all night: whatever is due then is late."""
        self.now += timedelta(seconds=seconds)
        self.starts_anew()
        self.the_clock_ticks(deaf_until=self.now)

    def the_clock_ticks(self, deaf_until: datetime = clock.LONG_AGO) -> None:
        for name in sorted(self.consoles):
            self.opens_console(name)
        with self.we_may_die() as lived:
            clock.tick(self.now, self.heard_since, deaf_until)
        if lived:
            self.whoever_waits_waits_for_a_reason()

    # What holds always

    @invariant()
    def what_must_hold_holds(self) -> None:
        if not self.changed:
            return
        self.changed = False
        with db.reading() as session:
            offers = session.execute(OFFERS).all()
            engagements = session.execute(ENGAGEMENTS).all()
            contacts = session.execute(CONTACTS).all()
            self.one_at_a_time(session, offers, engagements)
            self.nothing_waits_for_nothing(session, contacts, offers, engagements)
            self.no_place_is_lost(contacts)
            self.history_is_whole(session)

    def one_at_a_time(self, session: Session, offers: Rows, engagements: Rows) -> None:
        """One live offer a peer, one winner a contact, no peer on two calls, nobody from elsewhere."""
        pending = [offer for offer in offers if offer.state == "pending"]
        live = [engagement for engagement in engagements if engagement.state in LIVE_ENGAGEMENT]
        assert len({offer.peer_id for offer in pending}) == len(pending)
        if not self.rings_several:
            assert len({offer.contact_id for offer in pending}) == len(pending)
        assert len({engagement.contact_id for engagement in live}) == len(live)
        calls = [engagement.peer_id for engagement in live if engagement.channel is Channel.VOICE]
        assert len(set(calls)) == len(calls)
        texts = [engagement.peer_id for engagement in live if engagement.channel is Channel.TEXT]
        assert set(calls).isdisjoint(texts), "no call beside texts, unless the line says so"
        assert max((texts.count(peer) for peer in texts), default=0) <= 2
        assert self.peers["outsider"].id not in {offer.peer_id for offer in offers}
        self.ringing, self.taken = defaultdict(list), defaultdict(set)
        for offer in pending:
            self.ringing[offer.peer_id].append(offer.id)
        for engagement in engagements:
            self.taken[engagement.peer_id].add(engagement.contact_id)

    def nothing_waits_for_nothing(self, session: Session, contacts: Rows, offers: Rows, engagements: Rows) -> None:
        """Whatever is not final has something that will move it on, whatever else is lost."""
        pending = {offer.contact_id for offer in offers if offer.state == "pending"}
        engaged = {each.contact_id: each.id for each in engagements if each.state in LIVE_ENGAGEMENT}
        legs = session.execute(LIVING_LEGS).all()
        on_phone = {leg.contact_id for leg in legs if leg.kind == "caller"}
        up = {leg.engagement_id for leg in legs if leg.kind == "peer" and leg.state == "joined"}
        for contact in contacts:
            assert (contact.state == "offered") == (contact.id in pending)
            assert (contact.state in ("connecting", "connected")) == (contact.id in engaged)
            if contact.callback_at is not None:
                assert (contact.calling is None) <= (engaged.get(contact.id) not in up), "the peer is there: it rings"
                assert (contact.calling is not None) <= (contact.callback_due_at is not None), "a call has an end"
                assert contact.callback_tries <= len(parting.PAUSES), "nobody is called for ever"
            elif contact.channel is Channel.VOICE:
                assert contact.id in on_phone, "the company is asked about living calls only"
        for engagement in engagements:
            assert (engagement.state == "wrapping") <= (engagement.wrap_by is not None)
        for request in session.execute(SENDING):
            assert request.claimed_at is not None

    def no_place_is_lost(self, contacts: Rows) -> None:
        """A place in line gets worse by those alone who were dropped and went to the front.

        Whoever was talking meanwhile has not lost what they had waited before.
        """
        waiting = [contact for contact in contacts if contact.state in IN_QUEUE]
        keys = {contact.id: (-contact.priority, contact.queued_at, contact.id) for contact in waiting}
        ranks = {id: rank for rank, id in enumerate(sorted(keys, key=lambda id: keys[id]))}
        before = {id: self.keys[id][0] for id in self.ranks}  # whoever was not in line may have been dropped once more
        raised = sum(1 for id, key in keys.items() if key[0] < before.get(id, 0))
        for id in keys.keys() & self.keys.keys():
            assert keys[id] <= self.keys[id], "queued_at and priority are kept"
        for id in ranks.keys() & self.ranks.keys():
            assert ranks[id] <= self.ranks[id] + raised
        self.ranks, self.keys = ranks, self.keys | keys

    def history_is_whole(self, session: Session) -> None:
        """States move along their table alone, each move with its event."""
        for step in session.execute(EVENTS, {"latest": self.latest}):
            self.latest = step.id
            moves, row = MOVES.get(step.subject, {}), (step.subject, step.subject_id)
            if step.name == "began" and step.subject in MOVES:
                assert row not in self.states
                self.states[row] = step.new
            elif (step.old, step.name) in moves:  # others are notes about it, such as another language
                assert step.old == self.states[row]
                assert step.new == moves[step.old, step.name]
                self.states[row] = step.new
        current = {(kind, id): state for kind, id, state in session.execute(STATES)}
        assert current == self.states, "something moved without an event"

    def whoever_waits_waits_for_a_reason(self) -> None:
        """After a tick there is a refusal for every pair of a peer and a contact who waits, and no step is due.

        The facts are put together here once more, each from its own row; only the refusals are the product's.
        """
        with db.reading() as session:
            waiting = session.scalars(select(Contact).where(Contact.state.in_(("waiting", "offered")))).all()
            if not waiting:
                return
            line = self.georgia(session)
            policy = read(line.policy, paused=line.paused_at is not None)
            peers = [self.facts_of(session, peer) for peer in session.scalars(select(Peer))]
            for contact in waiting:
                assert contact.queued_at is not None
                latest = select(Event.at).where(Event.subject_id == contact.id).order_by(Event.id.desc()).limit(1)
                was_here = session.scalar(latest) != self.now  # and is not back in line since this very tick
                if was_here:
                    assert contact.steps == len(policy.taken(self.now - contact.queued_at)), "a step is due"
                if contact.state == "offered":
                    continue
                apart = frozenset(session.scalars(select(Apart.peer_id).filter_by(caller_id=contact.caller_id)))
                if was_here and contact.wish_required and contact.wish is not None:
                    could = [peer for peer in peers if contact.wish in peer.skills and peer.id not in apart]
                    coming = [peer for peer in could if asked_from(peer, line.id, policy, self.now) is not None]
                    assert coming, f"{contact.id} waits for {contact.wish}, which nobody can grant"
                is_due = contact.callback_at is not None and not contact.callback_due_at and not contact.calling
                if contact.channel is Channel.VOICE and contact.queue_sid is None and not is_due:
                    continue  # on the way, or to be called later
                offers = session.scalars(select(Offer).filter_by(contact_id=contact.id)).all()
                offers = sorted(offers, key=lambda offer: (offer.made_at, offer.decided_at or self.now, offer.id))
                facts = Waiting(
                    id=contact.id,
                    line=contact.line_id,
                    channel=contact.channel,
                    language=contact.language,
                    priority=contact.priority,
                    queued_at=contact.queued_at,
                    asked=tuple(offer.peer_id for offer in offers),
                    asked_until={offer.peer_id: offer.decided_at for offer in offers if offer.state != "lost"},
                    wish=contact.wish,
                    wish_required=contact.wish_required,
                    apart=apart,
                )
                for peer in peers:
                    assert why_not(peer, facts, policy, self.now), f"{contact.channel} {contact.id} waits for {peer.id}"

    def facts_of(self, session: Session, peer: Peer) -> PeerFacts:
        shifts = session.scalars(select(Shift).filter_by(peer_id=peer.id))
        presence = session.get(Presence, peer.id)
        doing = roster.activities(session, [peer.id])[peer.id]
        return PeerFacts(
            id=peer.id,
            status=peer.status,
            activity=doing.activity,
            threads=doing.threads,
            seen_at=presence.seen_at if presence is not None else None,
            idle_since=peer.idle_since,
            shifts={
                shift.line_id: shift.ends_at
                for shift in shifts
                if shift.starts_at <= self.now and (shift.ends_at is None or self.now < shift.ends_at)
            },
            languages=frozenset(peer.languages),
            skills=frozenset(peer.skills or ()),
            rests_until=peer.rests_until,
        )

    def georgia(self, session: Session) -> Line:
        return session.scalars(select(Line).filter_by(name="Georgia")).one()

    def teardown(self) -> None:
        """People are willing, nothing fails any more: everybody is served, and in the end everything is final."""
        if self.rings_at_both:
            self.both_accept_at_once()
        self.nothing_stands_in_the_way()
        for tries in range(40):
            if not self.serves_on(
                5 if tries < 15 else 300
            ):  # whoever could not be called is called again minutes later
                break
        else:
            raise AssertionError(f"somebody is stuck: {self.unfinished()}")
        for call in self.living():
            self.company.hangs_up(call)
        self.company.untold.clear()  # and even the last of it is never told
        for tries in range(60):
            self.serves_on(5 if tries < 2 else 60)
            if not self.unfinished():
                break
        assert self.unfinished() == []
        assert self.company.wrong == []
        self.what_must_hold_holds()

    def both_accept_at_once(self) -> None:
        """A call comes where calls ring at both, and both press: one has it.

        Nobody can say who, so it is the last that happens: the same choices must lead to the same evening.
        """
        for call in self.living():  # of two who wait each would ring at one peer
            self.company.hangs_up(call)
        while self.company.untold:
            self.is_told(0)
        self.nothing_stands_in_the_way()
        for name in ("peer1", "peer2"):
            for what in ("end", "report"):
                self.a_peer_does_what_a_conversation_offers(name, what)
        self.gets_in_line("+14045550126")
        offered = {name: self.offers_to(name) for name in ("peer1", "peer2")}
        with db.reading() as session:
            rings = [session.get_one(Offer, id).contact_id for ids in offered.values() for id in ids]
        if len(rings) == 2 and len(set(rings)) == 1:
            with ThreadPoolExecutor(2) as threads:
                presses = [
                    threads.submit(self.presses, name, f"/console/offers/{id}/accept", (200, 409))
                    for name, [id] in offered.items()
                ]
            assert [press.result() for press in presses].count(200) == 1
        self.what_must_hold_holds()

    def nothing_stands_in_the_way(self) -> None:
        """Whoever could be served is: the line is open, or closes no more; both peers are there; nothing fails."""
        self.the_line_serves()
        self.company.keys = lambda: "1"
        with self.by_hand() as session:
            line = self.georgia(session)
            if line.hours:
                line.hours, line.closed_at, line.closed_until = {}, None, None
            session.execute(delete(Apart))
        for name in ("peer1", "peer2"):
            self.opens_console(name)
            self.chooses(name, "available")

    def the_line_serves(self) -> None:
        """Nothing fails for now, nobody has paused or closed the line, and whoever works there is on shift."""
        self.company.troubles, self.fuse = [], 0
        with self.by_hand() as session:
            line = self.georgia(session)
            line.paused_at = None
            is_closed = line.closed_at is not None
            session.execute(update(Shift).values(ends_at=None))
            session.execute(update(Peer).values(rests_until=None))
        if is_closed:
            self.the_line_opens_or_closes(opens=True)

    def serves_on(self, seconds: int) -> bool:
        """What willing people do, and then so much time; False once nobody is left whom they could serve."""
        self.company_goes_on()
        for name in ("peer1", "peer2"):
            self.chooses(name, "available")
            self.picks_up(name)
        self.company_goes_on()
        for name in ("peer1", "peer2"):
            for contact in self.contacts_of(name, "active", "wrapping"):
                for what in ("end", "report"):
                    path = f"/console/contacts/{contact}/{what}"
                    self.presses(name, path, (200,), disposition="support_given", reasons="social")
        self.time_passes(seconds)
        with db.reading() as session:
            return session.scalars(select(Contact.id).where(Contact.state.in_(LIVE_CONTACT))).first() is not None

    def company_goes_on(self) -> None:
        """Every call follows its documents as far as it goes, and everything is told."""
        for call in [*self.company.calls.values()]:
            if call.place == "queue" and not call.asks:
                self.company.loop(call)
            for _ in range(20):
                if call.asks:
                    self.company.fetch(call)
        while self.company.untold:
            self.is_told(0)

    def unfinished(self) -> list[str]:
        """What is not in a final state."""
        found = [f"{call.sid} {call.place}" for call in self.living()]
        with db.reading() as session:
            for kind, table in TABLES.items():
                lasting = {str(state) for state, _ in table}
                if kind in (Message, Survey):  # a delivery need not be told, nor a question answered
                    lasting = {"pending", "due"}
                if kind is OutsideRequest:  # one that nobody knows of may stay so: the calls tell the rest
                    lasting = {"pending", "sending"}
                states = session.scalars(select(kind.state))  # type: ignore[attr-defined]  # each has one
                found += [f"{kind.__tablename__} {state}" for state in states if state in lasting]
        return found

    # How it is done

    @contextmanager
    def we_may_die(self) -> Iterator[list[bool]]:
        """Run a piece of our process; if it dies, another one starts. What is yielded stays true if it lived."""
        lived = [True]
        try:
            yield lived
        except Killed:
            lived.clear()
            self.starts_anew()

    def starts_anew(self) -> None:
        """Another process of ours begins, and knows nothing for certain."""
        self.fuse = 0
        self.heard_since = self.now
        asking.doubt_everything()

    @contextmanager
    def by_hand(self) -> Iterator[Session]:
        """What others change in the database: it is not our process that dies of it."""
        fuse, self.fuse = self.fuse, 0
        with db.transaction() as session:
            yield session
        self.fuse = fuse

    def answers(self, telling: Telling) -> str:
        path, form = telling
        answer = self.twilio.posts(path, form)
        assert answer.status_code == 200, (path, answer.text)
        return answer.text

    def is_told(self, number: int) -> None:
        """The company tells us; if we die of it, it tells us again later."""
        telling = self.company.untold.pop(number)
        with self.we_may_die() as lived:
            self.company.tell(telling)
        if not lived:
            self.company.untold.append(telling)

    def presses(self, who: str, path: str, expected: tuple[int, ...], **form: str) -> int | None:
        headers = {"X-CSRFToken": self.tokens[who], "Accept": "application/json"}
        with self.we_may_die():
            answer = self.people[who].client.post(path, data=form, headers=headers)
            assert answer.status_code in expected, (path, answer.text)
            return answer.status_code
        return None

    def chooses(self, who: str, status: str) -> None:
        with db.reading() as session:
            chosen = session.scalars(select(Peer.status).filter_by(id=self.peers[who].id)).one()
        if chosen != status:
            self.presses(who, "/console/status", (200,), status=status)

    def opens_console(self, who: str) -> None:
        self.consoles.add(who)
        with self.we_may_die():
            availability.seen(self.peers[who], self.now)

    def offers_to(self, who: str) -> list[str]:
        with db.reading() as session:
            query = select(Offer.id).filter_by(peer_id=self.peers[who].id, state="pending")
            return list(session.scalars(query.order_by(Offer.id)))

    def contacts_of(self, who: str, *states: str) -> list[str]:
        """Contacts in which this peer has a part; if `states` are given, one that is in such a state."""
        with db.reading() as session:
            query = select(Engagement.contact_id).filter_by(peer_id=self.peers[who].id).distinct()
            query = query.order_by(Engagement.contact_id)
            return list(session.scalars(query.where(Engagement.state.in_(states)) if states else query))


@pytest.mark.timeout(300)
def test_an_evening_keeps_its_word_whatever_happens(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    run_state_machine_as_test(
        partial(Evening, cast, monkeypatch),  # type: ignore[arg-type]  # calls it, whatever it is
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            # What fails is printed step by step and says enough; to shrink it would take minutes.
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
        ),
    )
