"""Texts as a state machine: signed webhooks and status callbacks, told twice, late and in any order.

Each text is in one thread, in order; each of ours is sent once; nothing is sent after STOP but the one confirmation.
"""

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial

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
from sqlalchemy import select

from routing.states import LIVE_CONTACT
from tests.cast import Cast, Person
from tests.web import walk
from tests.web.test_hooks import Twilio
from warmline import clock, db
from warmline.contacts import availability, outbox
from warmline.models import Contact, Direction, Message, Offer, OutsideRequest
from warmline.telephony import gateway
from warmline.telephony.gateway import Membership, NotTaken, Uncertain

pytestmark = pytest.mark.both

CALLERS = ("+14045550123", "+14045550124")
STOP = ("STOP", "stop", " Quit ", "UNSUBSCRIBE", "End", "cancel")
ORDINARY = ("hello", "please stop", "the end", "help me", "Can we start?", "", "💛 " * 40)
STATUSES = ("queued", "sent", "delivered", "undelivered", "failed", "read", "nonsense")


class Company:
    """Takes texts, or does not, or does not say; and knows who asked for none."""

    def __init__(self) -> None:
        self.fates: list[str] = []
        self.sent: list[tuple[str, str]] = []  # (message id, SID)
        self.after_stop: dict[str, list[str]] = {}  # number → what was sent since the STOP

    def send_text(self, sender: str, recipient: str, body: str, message_id: str) -> str:
        fate = self.fates.pop(0) if self.fates else "taken"
        if fate == "not taken":
            raise NotTaken("429 20429")
        if fate == "lost":
            raise Uncertain("ReadTimeout")
        sid = walk.sid("SM")
        self.sent.append((message_id, sid))
        if recipient in self.after_stop:
            self.after_stop[recipient].append(body)
        if fate == "answer lost":
            raise Uncertain("ReadTimeout")
        return sid

    def locate(self, call_sid: str, queue_sid: str | None, conference: str | None) -> Membership:
        raise AssertionError("nobody calls here")

    move_caller = redirect = hang_up = end_conference = call = calls_made = locate


class Texting(RuleBasedStateMachine):
    def __init__(self, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.cast = cast
        self.twilio = Twilio(cast.app)
        self.company = Company()
        self.now = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
        self.told: list[dict[str, str]] = []  # every incoming text, in the order of its first telling
        self.tokens = [peer.token for peer in self.peers]
        gateway.use(self.company)  # type: ignore[arg-type]  # nobody calls here
        monkeypatch.setattr(clock, "now", lambda: self.now)
        outbox.use(clock.now)

    @initialize()
    def begins(self) -> None:
        walk.begins_anew(self.now)
        for peer in self.peers:
            walk.is_ready(peer)

    @property
    def peers(self) -> list[Person]:
        return [self.cast.peer1, self.cast.peer2]

    # What may happen

    @rule(number=st.sampled_from(CALLERS), body=st.sampled_from(ORDINARY))
    def somebody_writes(self, number: str, body: str) -> None:
        self._tells_anew(number, body)

    @rule(number=st.sampled_from(CALLERS), word=st.sampled_from(STOP))
    def somebody_wants_no_texts(self, number: str, word: str) -> None:
        self.company.after_stop.setdefault(number, [])
        self._tells_anew(number, word)

    @rule(number=st.sampled_from(CALLERS), word=st.sampled_from(["START", "start "]))
    def somebody_wants_texts_again(self, number: str, word: str) -> None:
        self.company.after_stop.pop(number, None)
        self._tells_anew(number, word)

    @rule(number=st.sampled_from(CALLERS))
    def somebody_asks_for_help(self, number: str) -> None:
        self._tells_anew(number, "HELP")

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def a_text_is_told_again(self, data: st.DataObject) -> None:
        self._tells(data.draw(st.sampled_from(self.told)))

    @precondition(lambda self: self.company.sent)
    @rule(data=st.data(), status=st.sampled_from(STATUSES))
    def a_delivery_is_told(self, data: st.DataObject, status: str) -> None:
        message_id, sid = data.draw(st.sampled_from(self.company.sent))
        self._posts(f"/twilio/sms/status?message={message_id}", {"MessageSid": sid, "MessageStatus": status})

    @rule(who=st.integers(0, 1))
    def a_peer_accepts(self, who: int) -> None:
        for offer in self._state(who)["offers"]:
            assert self._presses(who, f"/console/offers/{offer['id']}/accept") in (200, 409)

    @rule(who=st.integers(0, 1), body=st.sampled_from(["I am here.", "Take your time.", "x" * 1601]))
    def a_peer_writes(self, who: int, body: str) -> None:
        for contact in self._state(who)["contacts"]:
            answer = self._presses(who, f"/console/contacts/{contact['id']}/messages", body=body)
            assert answer in (200, 409, 422)

    @rule(who=st.integers(0, 1))
    def a_peer_ends_and_logs(self, who: int) -> None:
        for contact in self._state(who)["contacts"]:
            assert self._presses(who, f"/console/contacts/{contact['id']}/end") == 200
            report = {"disposition": "support_given", "reasons": "social"}
            assert self._presses(who, f"/console/contacts/{contact['id']}/report", **report) == 200

    @rule(fates=st.lists(st.sampled_from(["taken", "not taken", "lost", "answer lost"]), max_size=3))
    def the_company_has_trouble(self, fates: list[str]) -> None:
        self.company.fates = fates

    @rule(seconds=st.sampled_from([1, 6, 25]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        for peer in self.peers:
            availability.seen(walk.peer(peer), self.now)
        clock.tick(self.now)

    # What holds always

    @invariant()
    def each_text_is_in_one_thread_in_order(self) -> None:
        with db.reading() as session:
            rows = session.execute(
                select(Message, Contact)
                .join(Contact, Contact.id == Message.contact_id)
                .where(Message.direction == Direction.IN)
                .order_by(Message.at, Message.id)
            ).all()
            threads: dict[str, list[str]] = {}
            for message, contact in rows:
                threads.setdefault(contact.id, []).append(message.message_sid or "")
                [told] = [form for form in self.told if form["MessageSid"] == message.message_sid]
                assert contact.caller is not None
                assert contact.caller.number == told["From"]
            order = [form["MessageSid"] for form in self.told]
            assert sorted(sid for sids in threads.values() for sid in sids) == sorted(order)
            for sids in threads.values():
                assert sids == sorted(sids, key=order.index)
            live = Counter(session.scalars(select(Contact.caller_id).where(Contact.state.in_(LIVE_CONTACT))))
            assert set(live.values()) <= {1}

    @invariant()
    def each_of_ours_is_sent_once_at_most(self) -> None:
        assert set(Counter(message_id for message_id, _ in self.company.sent).values()) <= {1}

    @invariant()
    def nothing_is_sent_after_stop_but_one_confirmation(self) -> None:
        for bodies in self.company.after_stop.values():
            assert len(bodies) <= 1
            assert all("no more texts" in body for body in bodies)

    def teardown(self) -> None:
        """Some minutes later nothing waits to be sent, and whatever the company took is known as taken."""
        self.company.fates = []
        for _ in range(30):
            self.time_passes(25)
        with db.reading() as session:
            requests = set(session.scalars(select(OutsideRequest.state)))
            ours = select(Message.state).where(Message.direction == Direction.OUT, Message.message_sid.is_(None))
            assert requests.isdisjoint({"pending", "sending"})
            assert set(session.scalars(ours)) <= {"failed", "unconfirmed"}
            assert len(session.scalars(select(Offer.id).where(Offer.state == "pending")).all()) <= len(self.peers)

    # How it is told

    def _tells_anew(self, number: str, body: str) -> None:
        self.now += timedelta(milliseconds=10)
        form = {"MessageSid": walk.sid("SM"), "From": number, "To": walk.GEORGIA, "Body": body}
        self.told.append(form)
        self._tells(form)

    def _tells(self, form: dict[str, str]) -> None:
        self._posts("/twilio/sms/incoming", form)

    def _posts(self, path: str, form: dict[str, str]) -> None:
        assert self.twilio.posts(path, form).status_code == 200

    def _presses(self, who: int, path: str, **form: str) -> int:
        headers = {"X-CSRFToken": self.tokens[who], "Accept": "application/json"}
        return self.peers[who].client.post(path, data=form, headers=headers).status_code

    def _state(self, who: int) -> dict[str, list[dict[str, str]]]:
        found: dict[str, list[dict[str, str]]] = self.peers[who].get("/console/state").get_json()
        return found


def test_texts_come_once_in_order_and_stop_means_stop(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    run_state_machine_as_test(
        partial(Texting, cast, monkeypatch),  # type: ignore[arg-type]  # calls it, whatever it is
        settings=settings(
            max_examples=5,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            # What fails is printed step by step and says enough; to shrink it would take minutes.
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
        ),
    )
