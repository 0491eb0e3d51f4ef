"""One of many processes that serve the same contacts at once, on purpose at the same instant.

`python -m tests.faults.colliding URL PLACE OF OVER [unguarded]` is process PLACE of OF, which acts until the file OVER
is there, or until everybody is served. It keeps nothing: whatever it does follows from what it reads, so it can be
killed and started again at any moment. It is peers, callers, phone company and clock in one:

- Every BEAT all processes look, and all of them answer the same offers in the same order: where several peers are rung
  for a contact, different ones of them.
- What else is to be done for a contact has one process that mostly does it, and a second one now and then.
- Each has a clock that ticks; none asks for the lease.

`unguarded` takes the row locks away: the control, which must book somebody twice.
"""

import contextlib
import os
import random
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event, select

from config import prompts
from routing.facts import TIMES
from routing.states import LIVE_CONTACT, ContactState, EngagementState, LegState, OfferState, PeerStatus
from tests.contacts.world import QUEUE, RecordingCompany
from warmline import clock, db
from warmline.contacts import asking, availability, connect, intake, offers, outbox, parting, wrapup
from warmline.errors import Conflict, NotFound
from warmline.models import Channel, Contact, Engagement, Leg, LegKind, Offer, Peer
from warmline.models.base import Keys, new_id
from warmline.telephony import gateway, twiml

BEAT = 0.06  # seconds
TICK = 4.0
SHORT = {"ring": 2.5, "connect": 2.5, "wrap_up": 0.5, "breath": 0.1}  # seconds, in place of a line's usual ones
UNDER_WAY = (EngagementState.CONNECTING, EngagementState.ACTIVE, EngagementState.WRAPPING)


def take_locks_away(engine: Engine) -> None:
    """From now on nobody holds a row until the commit."""

    @event.listens_for(engine, "before_cursor_execute", retval=True)
    def unlock(_c: Any, _k: Any, statement: str, parameters: Any, *_: Any) -> tuple[str, Any]:
        return statement.partition(" FOR UPDATE")[0].partition(" FOR NO KEY UPDATE")[0], parameters


class Hands:
    """What one process does at each beat."""

    def __init__(self, place: int, of: int, now: Callable[[], datetime] = clock.now) -> None:
        self.place, self.of, self.now = place, of, now
        self.chance = random.Random()
        with db.reading() as session:
            self.peers = {peer.id: peer for peer in session.scalars(select(Peer))}

    def serve(self, over: Path) -> None:
        ticked = time.time() - TICK * self.chance.random()
        while not over.exists() and self.beat():
            if time.time() > ticked + TICK:
                ticked = time.time()
                availability.all_seen(self.peers.values(), self.now())
                clock.tick(self.now())
            time.sleep(BEAT - time.time() % BEAT)

    def beat(self, *, answering: bool = True) -> bool:
        """Look, and do what is to be done; False if nobody is left. Without `answering` nobody answers what rings."""
        with db.reading() as session:
            contacts = session.execute(
                select(Contact.id, Contact.state, Contact.channel, Contact.queue_sid, Leg.call_sid)
                .outerjoin(Leg, (Leg.contact_id == Contact.id) & (Leg.kind == LegKind.CALLER))
                .where(Contact.state.in_(LIVE_CONTACT))
                .order_by(Contact.arrived_at, Contact.id)
            ).all()
            rung = session.execute(
                select(Offer.id, Offer.contact_id, Offer.peer_id)
                .where(Offer.state == OfferState.PENDING)
                .order_by(Offer.contact_id, Offer.id)
            ).all()
            engaged = session.scalars(select(Engagement).where(Engagement.state.in_(UNDER_WAY))).all()
            legs = session.scalars(select(Leg).where(Leg.kind == LegKind.PEER, Leg.state != LegState.ENDED)).all()
            idle = session.scalars(select(Peer).where(Peer.status != PeerStatus.AVAILABLE)).all()
        if answering:
            self.answer(rung)
            self.come_and_go(contacts, {peer.id for peer in idle})
        sids = {contact.id: contact.call_sid for contact in contacts}
        phones = {leg.engagement_id: leg for leg in legs}
        for engagement in engaged:
            if self.is_mine(engagement.id):
                self.go_on(engagement, phones.get(engagement.id), sids.get(engagement.contact_id))
        by_state = {state: [contact for contact in contacts if contact.state is state] for state in LIVE_CONTACT}
        waiting, arriving = by_state[ContactState.WAITING], by_state[ContactState.ARRIVING]
        # Only while nobody waits are several rung for one caller: then the next come, as many as half of the peers.
        coming = arriving[: len(self.peers) // 2] if not waiting else []
        for contact in [*coming, *waiting]:
            if contact.channel is Channel.VOICE and contact.queue_sid is None and self.is_mine(contact.id):
                self.does(intake.queued, contact.id, QUEUE)  # for the first time, or back from a conference
        return bool(contacts)

    def is_mine(self, id: str) -> bool:
        """Whether this process looks after a row; another one does now and then, too."""
        return int(id, 16) % self.of == self.place or self.chance.random() < 0.02

    def come_and_go(self, contacts: Any, away: set[str]) -> None:
        """Callers hang up; peers take a break, and come back."""
        for contact in contacts:
            if contact.call_sid and self.is_mine(contact.id) and self.chance.random() < 0.003:
                self.does(parting.leg_ended, contact.call_sid)
        for peer in self.peers.values():
            if self.is_mine(peer.id) and self.chance.random() < (0.3 if peer.id in away else 0.01):
                self.does(availability.choose, peer, "available" if peer.id in away else "break")

    def answer(self, rung: Any) -> None:
        """Everybody answers, and for a contact that rings at several each process another peer."""
        at_once: dict[str, list[Any]] = {}
        for offer in rung:
            at_once.setdefault(offer.contact_id, []).append(offer)
        for several in at_once.values():
            offer = several[self.place % len(several)]
            if self.chance.random() < 0.6:
                continue
            match int(offer.id, 16) % 10:
                case 0:
                    pass  # nobody answers, until its time is over
                case 1 | 2:
                    self.does(offers.decline, self.peers[offer.peer_id], offer.id)
                case _:
                    self.does(offers.accept, self.peers[offer.peer_id], offer.id)

    def go_on(self, engagement: Engagement, phone: Leg | None, caller_sid: str | None) -> None:
        """The next thing that peer, caller or phone company does."""
        peer, contact_id = self.peers[engagement.peer_id], engagement.contact_id
        if engagement.state is EngagementState.CONNECTING and phone is None:
            if int(engagement.id, 16) % 12:  # else the phone never comes up
                sid = f"CA{new_id()}"
                if self.does(connect.peer_leg, peer.identity, engagement.offer_id, sid):
                    self.does(connect.joined, engagement.id, sid, f"CF{engagement.id}")
        elif engagement.state is EngagementState.CONNECTING and phone is not None and phone.state is LegState.STARTED:
            self.does(connect.joined, engagement.id, phone.call_sid, f"CF{engagement.id}")
        elif engagement.state is EngagementState.CONNECTING:
            self.does(connect.caller_may_join, contact_id)
            self.does(connect.joined, engagement.id, caller_sid, f"CF{engagement.id}")
        elif engagement.state is EngagementState.ACTIVE and self.chance.random() < 0.4:
            match self.chance.randrange(6):
                case 0 if phone is not None:
                    self.does(parting.leg_ended, phone.call_sid)  # a drop
                case 1 | 2 if caller_sid is not None:
                    self.does(parting.leg_ended, caller_sid)
                case _:
                    self.does(parting.end, peer, contact_id)
        elif engagement.state is EngagementState.WRAPPING and int(engagement.id, 16) % 3:  # else time runs out
            self.does(wrapup.report, peer, contact_id, "information", ["social"], "", False)

    def does(self, verb: Callable[..., Any], *arguments: Any) -> Any:
        """Do it now. Whoever comes too late is told so, in one way or another; everything else would be a fault."""
        with contextlib.suppress(Conflict, NotFound):
            return verb(*arguments, self.now())
        return None


def main(url: str, place: str, of: str, over: str, *unguarded: str) -> None:
    for name, seconds in SHORT.items():
        object.__setattr__(TIMES, name, timedelta(seconds=seconds))
    asking.ASK_AFTER = timedelta(hours=1)  # of the phone company, which would say of every call that all is well
    Keys.use([os.environ["FIELD_KEY"]], "an index key of the tests, and only theirs")
    engine = db.connect(url)
    db.bind(engine)
    gateway.use(RecordingCompany())
    twiml.use(prompts.load(), "https://warmline.example.org")
    outbox.use(clock.now)
    if unguarded:
        take_locks_away(engine)
    Hands(int(place), int(of)).serve(Path(over))


if __name__ == "__main__":
    main(*sys.argv[1:])
