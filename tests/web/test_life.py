"""Evenings as a state machine: several callers, by voice and text, two peers, a phone company that keeps its word.

Signed requests, the console's own posts, the real database code. Hypothesis decides what happens next: calls, texts,
hang-ups, accepts, declines, expiries, drops, shifts that end, a line that pauses or closes; what the line has chosen as
its policy; what the company tells us late, twice, never or in another
order; and at which commit or request our process dies. What holds always is checked after every step.
"""

import os
import uuid
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from routing.eligibility import why_not
from routing.facts import Peer as PeerFacts
from routing.facts import Waiting
from routing.policy import Policy, Skill, Step, StepKind, Strategy, read
from routing.states import LIVE_CONTACT, LIVE_ENGAGEMENT
from tests.cast import Cast, Person
from tests.company import Call, Company, Killed, Telling
from tests.web import walk
from tests.web.test_hooks import Twilio
from warmline import clock, db
from warmline.contacts import asking, availability, outbox
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

EXAMPLES, STEPS = int(os.environ.get("LIFE_EXAMPLES", "4")), 60
CALLERS = ("+14045550123", "+14045550124", "+14045550125")
TEXTS = ("hello", "Hola", "English", "later", "STOP", "START", "1")
TROUBLES = ("", "not taken", "lost", "answer lost", "killed before", "killed after")
COMMIT = Session.commit
SOON, LATER = timedelta(seconds=20), timedelta(seconds=40)
CLOSES_SOON = {str(day): [["00:00", "14:00"]] for day in range(7)}  # the evening begins at 13:00 in New York
POLICIES = (
    Policy(),
    Policy(strategy=Strategy.ROUND_ROBIN),
    Policy(steps=(Step(SOON, StepKind.CALLBACK),), most_waiting=2),
    Policy(strategy=Strategy.FEWEST_TODAY, steps=(Step(SOON, StepKind.SEVERAL),)),
    Policy(strategy=Strategy.SAME_PEER),
    Policy(strategy=Strategy.RING_SEVERAL, several=2),
    Policy(strategy=Strategy.RING_SEVERAL, several=3),
    Policy(strategy=Strategy.RING_SEVERAL, several=2, steps=(Step(LATER, StepKind.CALLBACK),)),
    Policy(skills=frozenset({Skill.FAMILY}), usual_talk=timedelta(minutes=2), steps=(Step(LATER, StepKind.WIDEN),)),
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
        if writes and self.fuse:
            self.fuse = max(0, self.fuse - 2)
            if self.fuse == 0:
                raise Killed

    @initialize(policy=st.sampled_from(POLICIES), closes_soon=st.booleans())
    def begins(self, policy: Policy, closes_soon: bool) -> None:
        walk.begins_anew(self.now)
        self.rings_at_both = policy.strategy is Strategy.RING_SEVERAL
        with db.transaction() as session:
            line = self.georgia(session)
            line.policy = policy.kept()
            if closes_soon:  # so whoever books is asked whether they may be called after the next opening
                line.hours = CLOSES_SOON
            session.get_one(Peer, self.peers["peer2"].id).skills = [Skill.FAMILY]
        # The same evening must be the same again: of two equal peers the id decides.
        ids = (uuid.UUID(int=number) for number in count(1))
        self.monkeypatch.setattr(base, "uuid", SimpleNamespace(uuid4=lambda: next(ids)))
        for name in ("peer1", "peer2"):
            self.opens_console(name)
            self.chooses(name, "available")

    # Callers

    @precondition(lambda self: sum(call.place != "over" for call in self.company.calls.values()) < 5)
    @rule(number=st.sampled_from(CALLERS))
    def a_call_comes(self, number: str) -> None:
        with self.we_may_die():
            call = self.company.begins("/twilio/voice/incoming", From=number, To=walk.GEORGIA)
            self.company.fetch(call)

    @rule(data=st.data(), key=st.sampled_from(["1", "2", "3", ""]))
    def a_call_goes_on(self, data: st.DataObject, key: str) -> None:
        self.company.keys = lambda: key
        if asking_now := [call for call in self.company.calls.values() if call.asks]:
            with self.we_may_die():
                self.company.fetch(data.draw(st.sampled_from(asking_now)))

    @rule(data=st.data())
    def the_wait_audio_ends(self, data: st.DataObject) -> None:
        queued = [call for call in self.company.calls.values() if call.place == "queue" and not call.asks]
        if queued:
            call = data.draw(st.sampled_from(queued))
            self.company.loop(call)
            with self.we_may_die():
                self.company.fetch(call)

    @rule(data=st.data())
    def somebody_wants_to_be_called(self, data: st.DataObject) -> None:
        queued = [call for call in self.company.calls.values() if call.place == "queue" and not call.asks]
        if queued:
            self.books(data.draw(st.sampled_from(queued)))

    @rule(number=st.sampled_from(CALLERS), steps=st.integers(1, 16), closes=st.booleans())
    def a_caller_is_called_back(self, number: str, steps: int, closes: bool) -> None:
        """On a line that calls back, a caller books while nobody answers; then peers do, and the phone rings.

        The line may close meanwhile, and open again.
        """
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
        for name in ("peer1", "peer2"):
            self.chooses(name, "available")
        self.things_take_their_course(steps, "1")

    def gets_in_line(self, number: str) -> Call | None:
        """A call comes and goes as far as the queue, unless there are many already, or we die of it."""
        before = len(self.company.calls)
        if sum(call.place != "over" for call in self.company.calls.values()) < 5:
            self.a_call_comes(number)
            self.company.keys = lambda: "1"
        if len(self.company.calls) == before:
            return None
        call = [*self.company.calls.values()][-1]
        for _ in range(4):
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

    @rule(data=st.data())
    def somebody_hangs_up(self, data: st.DataObject) -> None:
        if living := [call for call in self.company.calls.values() if call.place != "over"]:
            self.company.hangs_up(data.draw(st.sampled_from(living)))

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
            self.takes_its_course()

    @rule(number=st.sampled_from(CALLERS), steps=st.integers(4, 16))
    def a_call_comes_and_goes_on(self, number: str, steps: int) -> None:
        if sum(call.place != "over" for call in self.company.calls.values()) < 5:
            self.a_call_comes(number)
        self.things_take_their_course(steps, "1")

    @rule(seconds=st.sampled_from([5, 25]), steps=st.integers(4, 16))
    def time_passes_and_things_take_their_course(self, seconds: int, steps: int) -> None:
        self.time_passes(seconds)
        self.things_take_their_course(steps, "1")

    def takes_its_course(self) -> None:
        """The next step of an undisturbed evening, as far as it goes without time."""
        if asking_now := [call for call in self.company.calls.values() if call.asks]:
            with self.we_may_die():
                self.company.fetch(asking_now[0])
        elif self.company.untold:
            self.is_told(0)
        else:
            for name in ("peer1", "peer2"):
                self.a_peer_answers(name, "accept")
                self.a_browser_calls(name)

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
        with self.we_may_die():
            self.company.tell(data.draw(st.sampled_from(self.company.told)))

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

    @rule(who=st.sampled_from(["peer1", "peer2"]), answer=st.sampled_from(["accept", "accept", "decline"]))
    def a_peer_answers(self, who: str, answer: str) -> None:
        for offer in self.offers_to(who):
            self.presses(who, f"/console/offers/{offer}/{answer}", (200, 409))

    @rule(who=st.sampled_from(["peer1", "peer2"]))
    def a_browser_calls(self, who: str) -> None:
        with db.reading() as session:
            query = select(Engagement).filter_by(peer_id=self.peers[who].id, state="connecting")
            engagement = session.scalars(query).first()
        if engagement is not None and engagement.id not in self.browsers:
            form = {"From": f"client:{self.peers[who].identity}", "offer": engagement.offer_id}
            call = self.browsers[engagement.id] = self.company.begins("/twilio/voice/client", **form)
            with self.we_may_die():
                self.company.fetch(call)

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

    @precondition(lambda self: self.rings_at_both)
    @rule(number=st.sampled_from(CALLERS))
    def both_accept_at_once(self, number: str) -> None:
        """A call comes where calls ring at both, and both press: one has it."""
        for call in self.company.calls.values():  # of two who wait each would ring at one peer
            if call.place != "over":
                self.company.hangs_up(call)
        while self.company.untold:
            self.is_told(0)
        self.nothing_stands_in_the_way()
        self.the_line_opens_or_closes(opens=True)
        for name in ("peer1", "peer2"):
            for what in ("end", "report"):
                self.a_peer_does_what_a_conversation_offers(name, what)
        self.gets_in_line(number)
        offered = {name: self.offers_to(name) for name in ("peer1", "peer2")}
        with db.reading() as session:
            rings = [session.get_one(Offer, id).contact_id for ids in offered.values() for id in ids]
        if len(rings) == 2 and len(set(rings)) == 1 and not self.fuse:
            with ThreadPoolExecutor(2) as threads:
                presses = [
                    threads.submit(self.presses, name, f"/console/offers/{id}/accept", (200, 409))
                    for name, [id] in offered.items()
                ]
            assert [press.result() for press in presses].count(200) == 1

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
        until = self.now + timedelta(seconds=seconds)
        while self.now < until:
            self.now = min(until, self.now + timedelta(seconds=5))
            for name in sorted(self.consoles):
                self.opens_console(name)
            with self.we_may_die() as lived:
                clock.tick(self.now, self.heard_since)
            if lived:
                self.whoever_waits_waits_for_a_reason()

    # What holds always

    @invariant()
    def what_must_hold_holds(self) -> None:
        with db.reading() as session:
            self.one_at_a_time(session)
            self.nothing_waits_for_nothing(session)
            self.no_place_is_lost(session)
            self.history_is_whole(session)

    def one_at_a_time(self, session: Session) -> None:
        """One live offer a peer, one winner a contact, no peer on two calls, nobody from elsewhere."""
        pending = session.scalars(select(Offer).filter_by(state="pending")).all()
        live = session.scalars(select(Engagement).where(Engagement.state.in_(LIVE_ENGAGEMENT))).all()
        assert len({offer.peer_id for offer in pending}) == len(pending)
        if not self.rings_several(session):
            assert len({offer.contact_id for offer in pending}) == len(pending)
        assert len({engagement.contact_id for engagement in live}) == len(live)
        calls = [engagement.peer_id for engagement in live if engagement.channel is Channel.VOICE]
        assert len(set(calls)) == len(calls)
        texts = [engagement.peer_id for engagement in live if engagement.channel is Channel.TEXT]
        assert set(calls).isdisjoint(texts), "no call beside texts, unless the line says so"
        assert max((texts.count(peer) for peer in texts), default=0) <= 2
        everybody = {offer.peer_id for offer in session.scalars(select(Offer))}
        assert self.peers["outsider"].id not in everybody

    def nothing_waits_for_nothing(self, session: Session) -> None:
        """Whatever is not final has something that will move it on, whatever else is lost."""
        pending = {offer.contact_id for offer in session.scalars(select(Offer).filter_by(state="pending"))}
        engaged = {
            engagement.contact_id: engagement
            for engagement in session.scalars(select(Engagement).where(Engagement.state.in_(LIVE_ENGAGEMENT)))
        }
        living = set(session.scalars(select(Leg.contact_id).where(Leg.state != "ended", Leg.kind == "caller")))
        for contact in session.scalars(select(Contact).where(Contact.state.in_(LIVE_CONTACT))):
            assert (contact.state == "offered") == (contact.id in pending)
            assert (contact.state in ("connecting", "connected")) == (contact.id in engaged)
            if contact.callback_at is not None:
                assert contact.callback_due_at is not None or contact.state != "connecting" or contact.id in engaged
            elif contact.channel is Channel.VOICE:
                assert contact.id in living, "the company is asked about living calls only"
        for engagement in session.scalars(select(Engagement).filter_by(state="wrapping")):
            assert engagement.wrap_by is not None
        for request in session.scalars(select(OutsideRequest).filter_by(state="pending")):
            assert request.due_at is not None
        for request in session.scalars(select(OutsideRequest).filter_by(state="sending")):
            assert request.claimed_at is not None

    def no_place_is_lost(self, session: Session) -> None:
        """A place in line gets worse by those alone who were dropped and went to the front.

        Whoever was talking meanwhile has not lost what they had waited before.
        """
        waiting = session.scalars(select(Contact).where(Contact.state.in_(("waiting", "offered", "connecting")))).all()
        keys = {contact.id: (-contact.priority, contact.queued_at, contact.id) for contact in waiting}
        ranks = {id: sorted(keys.values()).index(key) for id, key in keys.items()}
        raised = sum(1 for id, key in keys.items() if key[0] < self.keys.get(id, (0,))[0])
        for id in keys.keys() & self.keys.keys():
            assert keys[id] <= self.keys[id], "queued_at and priority are kept"
        for id in ranks.keys() & self.ranks.keys():
            assert ranks[id] <= self.ranks[id] + raised
        self.ranks, self.keys = ranks, self.keys | keys

    def history_is_whole(self, session: Session) -> None:
        """States move along their table alone, each move with its event."""
        told: dict[tuple[str, str], list[Event]] = defaultdict(list)
        for step in session.scalars(select(Event).order_by(Event.id)):
            told[step.subject, step.subject_id].append(step)
        for kind, table in TABLES.items():
            moves = {(str(state), name): str(new) for (state, name), new in table.items()}
            for id, current in session.execute(select(kind.id, kind.state)):  # type: ignore[attr-defined]  # each has both
                state = None
                for step in told[kind.__tablename__, id]:
                    if step.name == "began":
                        assert state is None
                        state = step.new
                    elif (step.old, step.name) in moves:  # others are notes about it, such as another language
                        assert step.old == state
                        assert moves[step.old or "", step.name] == step.new
                        state = step.new
                assert current == state, f"{kind.__tablename__} moved without an event"

    def whoever_waits_waits_for_a_reason(self) -> None:
        """After a tick there is a refusal for every pair of a peer and a contact who waits, and no step is due.

        The facts are put together here once more, each from its own row; only the refusals are the product's.
        """
        with db.reading() as session:
            line = self.georgia(session)
            policy = read(line.policy, paused=line.paused_at is not None)
            waiting = session.scalars(select(Contact).filter_by(state="waiting")).all()
            peers = [self.facts_of(session, peer) for peer in session.scalars(select(Peer))]
            for contact in waiting:
                assert contact.queued_at is not None
                latest = select(Event.at).where(Event.subject_id == contact.id).order_by(Event.id.desc()).limit(1)
                if session.scalar(latest) != self.now:  # else it is back in line since this very tick
                    assert contact.steps == len(policy.taken(self.now - contact.queued_at)), "a step is due"
                is_due = contact.callback_at is not None and not contact.callback_due_at and not contact.calling
                if contact.channel is Channel.VOICE and contact.queue_sid is None and not is_due:
                    continue  # on the way, or to be called later
                apart = session.scalars(select(Apart.peer_id).filter_by(caller_id=contact.caller_id))
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
                    apart=frozenset(apart),
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

    def rings_several(self, session: Session) -> bool:
        policy = read(self.georgia(session).policy)
        by_step = any(step.kind is StepKind.SEVERAL for step in policy.steps)
        return by_step or policy.strategy is Strategy.RING_SEVERAL

    def teardown(self) -> None:
        """People are willing, nothing fails any more: everybody is served, and in the end everything is final."""
        self.nothing_stands_in_the_way()
        for _ in range(40):
            if not self.serves_on():
                break
        else:
            raise AssertionError(f"somebody is stuck: {self.unfinished()}")
        for call in self.company.calls.values():
            if call.place != "over":
                self.company.hangs_up(call)
        self.company.untold.clear()  # and even the last of it is never told
        for _ in range(60):
            self.serves_on()
            if not self.unfinished():
                break
            self.time_passes(25)
        assert self.unfinished() == []
        assert self.company.wrong == []

    def nothing_stands_in_the_way(self) -> None:
        """Whoever could be served is: the line is open, or closes no more; both peers are there; nothing fails."""
        self.company.troubles, self.fuse = [], 0
        self.company.keys = lambda: "1"
        with self.by_hand() as session:
            line = self.georgia(session)
            line.paused_at = None
            if line.hours:
                line.hours, line.closed_at, line.closed_until = {}, None, None
            session.execute(delete(Apart))
            session.execute(update(Shift).values(ends_at=None))
            session.execute(update(Peer).values(rests_until=None))
        for name in ("peer1", "peer2"):
            self.opens_console(name)
            self.chooses(name, "available")

    def serves_on(self) -> bool:
        """What willing people do within some seconds; False once nobody is left whom they could serve."""
        self.company_goes_on()
        for name in ("peer1", "peer2"):
            self.chooses(name, "available")
            self.a_peer_answers(name, "accept")
            self.a_browser_calls(name)
        self.company_goes_on()
        for name in ("peer1", "peer2"):
            for contact in self.contacts_of(name, "active", "wrapping"):
                for what in ("end", "report"):
                    path = f"/console/contacts/{contact}/{what}"
                    self.presses(name, path, (200,), disposition="support_given", reasons="social")
        self.time_passes(5)
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
        found = [f"{call.sid} {call.place}" for call in self.company.calls.values() if call.place != "over"]
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
        self.presses(who, "/console/status", (200,), status=status)

    def opens_console(self, who: str) -> None:
        self.consoles.add(who)
        with self.we_may_die():
            availability.seen(self.peers[who], self.now)

    def offers_to(self, who: str) -> list[str]:
        with db.reading() as session:
            return list(session.scalars(select(Offer.id).filter_by(peer_id=self.peers[who].id, state="pending")))

    def contacts_of(self, who: str, *states: str) -> list[str]:
        """Contacts in which this peer has a part; if `states` are given, one that is in such a state."""
        with db.reading() as session:
            query = select(Engagement.contact_id).filter_by(peer_id=self.peers[who].id).distinct()
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
