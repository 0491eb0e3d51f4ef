"""One whole call, told twice, late, in any order or never: one winner, each move once, and nobody stuck.

A small phone company follows our documents truthfully. What it tells us of that is up to hypothesis, and so are people,
time, and requests whose answer is lost.
"""

import logging
import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from itertools import count
from types import SimpleNamespace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from routing.states import LIVE_CONTACT, LIVE_ENGAGEMENT
from tests.company import Call, Company, Telling
from tests.contacts.world import CALLER, GEORGIA, World, populate
from warmline import clock
from warmline.contacts import availability, offers, parting, wrapup
from warmline.errors import DomainError
from warmline.models import Base, Contact, Engagement, Leg, Offer, OutsideRequest, Peer, base
from warmline.telephony import gateway
from warmline.web.hooks import voice

Acts = dict[str, Callable[[], object]]  # by name

STEPS = 30
SOON_SECONDS = 45  # an offer to somebody who has just stepped away, and another
AFTER_SILENCE_SECONDS = 110  # the longest that a caller may be nowhere, a round of asking, and an offer


class Story:
    """A caller, two peers with their consoles open, and whatever happens to them."""

    def __init__(self, world: World, client: FlaskClient) -> None:
        self.world = world
        self.client = client
        self.company = Company(self.answers, world)
        gateway.use(self.company)
        world.available(world.peer1, world.peer2)
        self.peers = (world.peer1, world.peer2)
        self.caller = self.company.begins("/twilio/voice/incoming", From=CALLER, To=GEORGIA)
        self.browsers: dict[str, Call] = {}  # by engagement

    def answers(self, telling: Telling) -> str:
        path, form = telling
        response = self.client.post(path, data=form)
        assert response.status_code == 200, path
        return response.text

    # What may happen next

    def possible(self) -> Acts:
        """What carries the call on."""
        acts: Acts = {}
        company = self.company
        for number, call in enumerate(company.calls.values()):
            if call.asks:
                acts[f"call {number} gets its document"] = partial(company.fetch, call)
            elif call.place == "queue":
                acts[f"call {number} loops"] = partial(company.loop, call)
        for number, peer in enumerate(self.peers, 1):
            if offer := self.world.offer_to(peer):
                acts[f"peer{number} accepts"] = partial(self.accept, peer, offer.id)
                acts[f"peer{number} declines"] = partial(offers.decline, peer, offer.id, self.world.now)
        for engagement in self.connecting():
            acts["a browser calls"] = partial(self.calls_in, engagement)
        return acts

    def mishaps(self) -> Acts:
        """What nobody wishes for, or only somebody."""
        acts: Acts = {}
        for number, peer in enumerate(self.peers, 1):
            if self.world.peer(peer).status == "available":
                acts[f"peer{number} steps away"] = partial(self.choose, peer, "break")
            else:
                acts[f"peer{number} is back"] = partial(self.choose, peer, "available")
        for engagement in self.world.all(Engagement):
            if engagement.state in LIVE_ENGAGEMENT:
                acts["End"] = partial(self.end, engagement)
        for call in self.browsers.values():
            if call.place != "over":
                acts["a peer's phone is lost"] = partial(self.company.hangs_up, call)
        if self.caller.place != "over":
            acts["the caller hangs up"] = partial(self.company.hangs_up, self.caller)
        return acts

    def connecting(self) -> list[Engagement]:
        """Accepted, and no browser has called in for it."""
        return [row for row in self.world.all(Engagement, state="connecting") if row.id not in self.browsers]

    def accept(self, peer: Peer, offer_id: str) -> None:
        try:
            offers.accept(peer, offer_id, self.world.now)
        except DomainError:
            assert self.world.get(Offer, offer_id).deadline <= self.world.now

    def choose(self, peer: Peer, status: str) -> None:
        availability.choose(peer, status, self.world.now)

    def calls_in(self, engagement: Engagement) -> None:
        identity = self.world.get(Peer, engagement.peer_id).identity
        form = {"From": f"client:{identity}", "offer": engagement.offer_id}
        self.browsers[engagement.id] = self.company.begins("/twilio/voice/client", **form)

    def end(self, engagement: Engagement) -> None:
        parting.end(self.world.get(Peer, engagement.peer_id), engagement.contact_id, self.world.now)

    # How it goes on by itself

    def goes_on(self) -> None:
        """The next step of an undisturbed call, as far as it goes without time."""
        if acts := [act for name, act in self.possible().items() if "loops" not in name and "declines" not in name]:
            acts[0]()
        elif self.company.untold:
            self.company.tell(self.company.untold.pop(0))

    def tell_all(self) -> None:
        while self.company.untold:
            self.company.tell(self.company.untold.pop(0))

    def fetch_all(self) -> None:
        for _ in range(50):
            waiting = [call for call in [*self.company.calls.values()] if call.asks]
            if not waiting:
                return
            for call in waiting:
                if call.asks:
                    self.company.fetch(call)
        raise AssertionError("a call runs in circles")

    def pass_time(self, seconds: int) -> None:
        """Time passes, both consoles are open, the clock ticks."""
        while seconds > 0:
            self.world.now += timedelta(seconds=min(seconds, 20))
            seconds -= 20
            for peer in self.peers:
                availability.seen(peer, self.world.now)
            clock.tick(self.world.now)

    @property
    def contact(self) -> Contact | None:
        found = self.world.all(Contact)
        assert len(found) <= 1
        return found[0] if found else None

    def talks(self) -> bool:
        """The caller and a peer hear each other, and we know it."""
        contact, room = self.contact, self.company.rooms.get(self.caller.room)
        if contact is None or room is None or self.caller.place != "conference":
            return False
        active = self.world.all(Engagement, state="active")
        together = [call for call in self.browsers.values() if call in room.members]
        return bool(together) and contact.state == "connected" and [self.browsers[row.id] for row in active] == together

    def gets_through(self, within: int = SOON_SECONDS) -> None:
        """People are willing, nothing fails any more: within so many seconds the caller talks with a peer."""
        self.company.troubles.clear()
        self.company.keys = lambda: "1"
        for _ in range(0, within, 5):
            self.fetch_all()
            self.tell_all()
            if self.caller.place == "over" or self.talks():
                return
            for peer in self.peers:
                if self.world.peer(peer).status != "available":
                    self.choose(peer, "available")
                if offer := self.world.offer_to(peer):
                    self.accept(peer, offer.id)
                if self.world.activity(peer) == "wrapping" and self.contact:
                    wrapup.report(peer, self.contact.id, "dropped", [], "", False, self.world.now)
            for engagement in self.connecting():
                self.calls_in(engagement)
            for call in self.company.calls.values():
                if call.place == "queue":
                    self.company.loop(call)
            self.fetch_all()
            self.tell_all()
            self.pass_time(5)
        raise AssertionError(f"the caller is stuck, {self.contact and self.contact.state}, {self.caller}")

    def goes_on_talking(self) -> None:
        """Nobody hangs up, and nothing else separates them."""
        talked = self.talks()
        self.pass_time(60)
        self.fetch_all()
        assert self.talks() is talked

    def is_over_and_done_with(self) -> None:
        """Minutes later nothing is left that anybody would have to tidy up."""
        for _ in range(10):
            self.fetch_all()
            self.pass_time(20)
        world = self.world
        contact = self.contact
        assert contact is None or contact.state not in LIVE_CONTACT
        assert [row.state for row in world.all(Offer) if row.state == "pending"] == []
        assert [row.state for row in world.all(Engagement) if row.state not in ("done", "failed")] == []
        assert [row.state for row in world.all(Leg) if row.state != "ended"] == []
        assert [row.state for row in world.all(OutsideRequest) if row.state in ("pending", "sending")] == []
        assert [world.activity(peer) for peer in self.peers] == ["idle", "idle"]
        assert [call.place for call in self.company.calls.values() if call.place != "over"] == []
        assert self.company.wrong == []
        winners = [row.offer_id for row in world.all(Engagement)]
        assert len(winners) == len(set(winners)) == len(world.all(Offer, state="accepted"))


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    """Our hooks, without the check of signatures; a failure inside them is the test's."""
    app = Flask("hooks")
    app.register_blueprint(voice.blueprint)

    def fail(error: Exception) -> None:
        raise error

    monkeypatch.setattr(voice, "log_failure", fail)
    return app.test_client()


def begin(engine: Engine, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> Story:
    """A new story in an emptied database."""
    with engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(table.delete())
    ids = (uuid.UUID(int=number) for number in count(1))
    # The same story must be the same again: of two equal peers the id decides.
    monkeypatch.setattr(base, "uuid", SimpleNamespace(uuid4=lambda: next(ids)))
    populate(engine)
    world = World(engine)
    monkeypatch.setattr(clock, "now", lambda: world.now)
    return Story(world, client)


@settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    # The draws that fail are printed and say enough; to shrink them would take minutes.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(data=st.data())
@pytest.mark.both
def test_whatever_is_told_in_whatever_order_there_is_one_winner_and_nobody_is_stuck(
    engine: Engine,
    client: FlaskClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    data: st.DataObject,
) -> None:
    story = begin(engine, client, monkeypatch)
    company = story.company
    for _ in range(data.draw(st.integers(0, 15), "undisturbed")):
        story.goes_on()
    company.keys = lambda: data.draw(st.sampled_from(["1", ""]), "key")
    company.troubles = data.draw(
        st.lists(st.sampled_from(["", "not taken", "lost", "answer lost"]), max_size=5), "troubles"
    )
    for _ in range(data.draw(st.integers(0, STEPS), "steps")):
        if acts := anything(story, data.draw(st.integers(0, 11), "kind")):
            acts[data.draw(st.sampled_from(list(acts)), "act")]()
    lost = data.draw(st.booleans(), "the rest is lost")
    if lost:
        company.untold.clear()
    story.gets_through(AFTER_SILENCE_SECONDS if lost else SOON_SECONDS)
    story.goes_on_talking()
    if data.draw(st.booleans(), "a peer ends it"):
        for engagement in story.world.all(Engagement, state="active"):
            story.end(engagement)
    elif story.caller.place != "over":
        company.hangs_up(story.caller)
    if data.draw(st.booleans(), "the end is lost"):
        company.untold.clear()
    story.tell_all()
    story.is_over_and_done_with()
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


def anything(story: Story, kind: int) -> Acts:
    """What may happen, of one of twelve kinds; nothing, if nothing of that kind may."""
    company, untold, told = story.company, len(story.company.untold), len(story.company.told)
    if kind < 4:
        return story.possible()
    if kind < 7:
        return {f"tells {n}": partial(lambda n: company.tell(company.untold.pop(n)), n) for n in range(untold)}
    if kind == 7:
        return {f"tells {n} again": partial(lambda n: company.tell(company.told[n]), n) for n in range(told)}
    if kind < 10:
        return {f"{seconds} s": partial(story.pass_time, seconds) for seconds in (2, 16, 21)}
    return story.mishaps()


@pytest.mark.parametrize("told", ["backwards", "never"])
def test_the_caller_may_be_gone_after_each_step(
    engine: Engine, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    story = begin(engine, client, monkeypatch)
    steps = 0
    while not story.talks():
        story.goes_on()
        steps += 1
    assert steps > 8
    for step in range(steps + 1):
        story = begin(engine, client, monkeypatch)
        for _ in range(step):
            story.goes_on()
        story.company.hangs_up(story.caller)
        if told == "never":
            story.company.untold.clear()
        story.company.untold.reverse()
        story.tell_all()
        story.is_over_and_done_with()


def test_a_caller_on_the_way_in_to_a_peer_who_has_just_ended_it_is_called_back_at_once(
    engine: Engine, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = begin(engine, client, monkeypatch)
    while story.caller.place != "conference":
        story.goes_on()
    [engagement] = story.world.all(Engagement, state="connecting")
    story.end(engagement)
    story.company.untold.clear()  # nobody tells us that the caller had arrived there
    story.fetch_all()
    assert story.caller.place == "queue"
    story.gets_through()


@pytest.mark.parametrize("peers", [1, 2])
def test_nothing_that_is_told_again_separates_two_who_talk(
    engine: Engine, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, peers: int
) -> None:
    story = begin(engine, client, monkeypatch)
    company = story.company
    story.gets_through()
    for _ in range(1, peers):
        [lost] = [call for call in story.browsers.values() if call.place != "over"]
        company.hangs_up(lost)
        assert not story.talks()
        story.gets_through()
    assert story.talks()
    separated = set()
    for telling in [*company.told]:
        company.tell(telling)
        story.fetch_all()
        story.tell_all()
        if not story.talks():
            separated.add(f"{telling}")
            story.gets_through()
    assert separated == set()
    story.goes_on_talking()
    assert company.wrong == []
