"""Calls to a caller that go wrong, or of which nobody knows whether they were made."""

from datetime import timedelta
from typing import Any

import pytest

from tests.contacts.booked import (
    LOST,
    books,
    calls_made,
    is_asked,
    is_rung,
    is_rung_perhaps,
    lets_ring,
    promises,
    takes,
    the_request,
    words_sent,
)
from tests.contacts.world import CALLER, GEORGIA, OTHER_CALLER, QUEUE, World
from warmline import clock
from warmline.contacts import asking, calling_back, connect, intake, outbox, parting
from warmline.models import Engagement, Leg, Offer
from warmline.telephony.gateway import Membership, NotTaken, Refused, Uncertain

HOW = pytest.mark.parametrize("how", ["answer lost", "killed"])


def refused(answer: str) -> Refused:
    """As Twilio puts it: an HTTP status, and mostly a code."""
    status, _, code = answer.partition(" ")
    return Refused(answer, int(status), int(code or 0))


def is_given_up(world: World) -> tuple[str, Engagement]:
    """Whether the call was made could be asked of nobody until its time was over: the contact and the engagement."""
    contact_id, engagement = is_rung_perhaps(world)
    world.company.failures = [Uncertain("timeout")] * 9
    world.pass_time(75)
    world.company.failures.clear()
    return contact_id, engagement


def assert_it_was_one_try(world: World, contact_id: str) -> None:
    """The peer is free again, and the caller was not reached once."""
    assert world.activity(world.peer1) == "idle"
    assert world.contact(contact_id).callback_tries == 1


def test_a_call_that_certainly_was_not_made_is_asked_for_again(world: World) -> None:
    promises(world)
    books(world)
    world.available(world.peer1)
    world.company.failures = [NotTaken("429")]
    engagement = world.accepts(world.peer1)
    world.comes_up(engagement)
    world.pass_time(3)
    assert calls_made(world) == 2
    takes(world, engagement, f"CA8{1:031d}")
    assert world.contact(engagement.contact_id).state == "connected"


@pytest.mark.parametrize("code", [21211, 13224])
def test_a_call_that_is_refused_for_its_number_is_a_try_and_frees_the_peer(world: World, code: int) -> None:
    promises(world)
    contact_id, _ = books(world)
    world.available(world.peer1)
    world.company.failures = [Refused(f"400 {code}", 400, code)]
    world.comes_up(world.accepts(world.peer1))
    world.pass_time(2)
    assert_it_was_one_try(world, contact_id)


@pytest.mark.parametrize("answer", ["401 20003", "404"])
def test_a_call_that_is_refused_for_another_reason_is_no_try_and_is_made_later(world: World, answer: str) -> None:
    """Our token was changed, the account is suspended, a mistake of ours: no phone has rung."""
    promises(world)
    contact_id, _ = books(world)
    world.available(world.peer1)
    for pause in (5, 10):
        world.company.failures = [refused(answer)]
        world.comes_up(world.accepts(world.peer1))
        world.pass_time(2)
        assert world.activity(world.peer1) == "idle"
        world.pass_time(pause * 60 - 10)
        assert world.offer_to(world.peer1) is None
        world.pass_time(15)
    engagement, sid = is_rung(world, world.peer1)
    contact = world.contact(contact_id)
    assert (contact.state, contact.callback_tries) == ("connecting", 0)
    assert words_sent(world) == [], "nobody has called them"
    takes(world, engagement, sid)
    assert world.contact(contact_id).state == "connected"


def test_a_refusal_takes_away_no_try_of_whoever_does_not_answer(world: World) -> None:
    promises(world)
    contact_id, _ = books(world)
    world.available(world.peer1)
    _, sid = is_rung(world, world.peer1)
    lets_ring(world, sid)
    world.pass_time(5 * 60 + 5)
    world.company.failures = [refused("401 20003")]
    world.comes_up(world.accepts(world.peer1))
    world.pass_time(2)
    assert_it_was_one_try(world, contact_id)
    world.pass_time(5 * 60 + 5)
    assert world.rings_at(world.peer1).contact_id == contact_id


def test_nobody_is_owed_a_call_for_ever_by_a_line_that_may_make_none(world: World) -> None:
    """Peers are asked less and less often, and at last no more."""
    promises(world)
    contact_id, _ = books(world)
    refusals = 0
    while world.contact(contact_id).state == "waiting":
        world.now = max(world.now, world.contact(contact_id).callback_due_at or world.now)
        clock.tick(world.now)
        world.available(world.peer1)
        world.company.failures = [refused("401 20003")]
        world.comes_up(world.accepts(world.peer1))
        world.pass_time(2)
        refusals += 1
    assert (world.contact(contact_id).state, refusals) == ("unreached", 12)
    assert len(words_sent(world)) == 1


def test_a_call_that_rings_after_we_gave_it_up_is_taken_all_the_same(world: World) -> None:
    contact_id, engagement = is_given_up(world)
    assert world.contact(contact_id).state == "waiting"
    assert calling_back.heard(contact_id, engagement.id, "CA71", world.now) is not None
    calling_back.take(contact_id, "CA71", world.now)
    assert connect.caller_may_join(contact_id, world.now) is None
    intake.queued(contact_id, QUEUE, world.now)
    assert world.contact(contact_id).state == "offered"


def test_a_call_that_rings_after_we_gave_it_up_is_one_try_and_not_two(world: World) -> None:
    contact_id, engagement = is_given_up(world)
    assert world.contact(contact_id).callback_tries == 1
    assert calling_back.heard(contact_id, engagement.id, "CA71", world.now) is not None
    lets_ring(world, "CA71")
    contact = world.contact(contact_id)
    assert (contact.callback_tries, contact.calling) == (1, None)
    assert contact.callback_due_at == world.now + parting.PAUSES[0]


def test_a_call_whose_end_nobody_tells_is_asked_about(world: World) -> None:
    promises(world)
    contact_id, _ = books(world)
    world.available(world.peer1)
    _, sid = is_rung(world, world.peer1)
    world.company.whereabouts[sid] = Membership(finished=True)
    world.pass_time(15)
    assert_it_was_one_try(world, contact_id)


# Nobody knows whether a call was made


@HOW
def test_a_call_of_which_its_own_webhook_tells_is_not_asked_about(world: World, how: str) -> None:
    contact_id, engagement = is_rung_perhaps(world, how=how)
    world.pass_time(15)
    takes(world, engagement, LOST)
    assert the_request(world).state == "done"
    world.pass_time(30)
    assert world.contact(contact_id).state == "connected"
    assert (calls_made(world), is_asked(world)) == (1, 0)


@HOW
def test_a_call_that_certainly_was_not_made_is_made_and_is_no_try(world: World, how: str) -> None:
    contact_id, engagement = is_rung_perhaps(world, how=how)
    world.pass_time(19)
    assert (calls_made(world), is_asked(world)) == (1, 0), "it may still be on its way"
    world.pass_time(6)
    assert (calls_made(world), is_asked(world)) == (2, 1)
    takes(world, engagement, f"CA8{1:031d}")
    contact = world.contact(contact_id)
    assert (contact.state, contact.callback_tries) == ("connected", 0)
    assert world.activity(world.peer1) == "talking"


def test_a_call_that_was_made_is_found_and_is_ours(world: World) -> None:
    contact_id, engagement = is_rung_perhaps(world)
    world.company.made[LOST] = GEORGIA, CALLER
    world.pass_time(25)
    assert the_request(world).state == "done"
    takes(world, engagement, LOST)
    assert world.contact(contact_id).state == "connected"
    assert (calls_made(world), is_asked(world)) == (1, 1)


def test_a_call_that_was_made_and_is_over_frees_the_peer_though_no_webhook_came(world: World) -> None:
    contact_id, _ = is_rung_perhaps(world)
    world.company.made[LOST] = GEORGIA, CALLER
    world.company.whereabouts[LOST] = Membership(finished=True)
    world.pass_time(40)
    assert_it_was_one_try(world, contact_id)


def test_where_nobody_can_be_asked_a_call_counts_as_a_try_once_its_time_is_over(world: World) -> None:
    contact_id, engagement = is_rung_perhaps(world)
    world.company.failures = [Uncertain("timeout")] * 9
    world.pass_time(55, every=5)
    assert world.activity(world.peer1) == "connecting"
    assert is_asked(world) == 4, "again and again, but not at every tick"
    world.pass_time(10)
    assert_it_was_one_try(world, contact_id)
    assert calling_back.heard(contact_id, engagement.id, LOST, world.now, finished=True) is None
    parting.leg_ended(LOST, world.now)
    assert world.contact(contact_id).callback_tries == 1, "told late that it rang: not counted twice"
    world.pass_time(60)
    assert (calls_made(world), is_asked(world)) == (1, 4)


def test_whoever_can_be_asked_at_last_has_the_call_made(world: World) -> None:
    contact_id, engagement = is_rung_perhaps(world)
    world.company.failures = [Uncertain("timeout"), NotTaken("429")]
    world.pass_time(45, every=5)
    assert (calls_made(world), is_asked(world)) == (2, 3)
    takes(world, engagement, f"CA8{1:031d}")
    assert world.contact(contact_id).state == "connected"


def test_an_answer_that_is_only_late_is_an_answer(world: World) -> None:
    promises(world)
    contact_id, _ = books(world)
    world.available(world.peer1)

    def dawdle() -> None:
        world.company.before = None
        world.pass_time(12)
        assert the_request(world).state == "unknown"

    engagement = world.accepts(world.peer1)
    world.company.before = dawdle
    world.comes_up(engagement)
    assert the_request(world).state == "done"
    takes(world, engagement, f"CA8{1:031d}")
    assert world.contact(contact_id).state == "connected"
    assert (calls_made(world), is_asked(world)) == (1, 0)


def test_whoever_has_claimed_a_call_and_was_stopped_for_long_does_not_make_it(world: World) -> None:
    """A machine that was suspended: by now another one may have been told that the call was not made, and makes it."""
    promises(world)
    contact_id, _ = books(world)
    world.available(world.peer1)
    engagement = world.accepts(world.peer1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbox, "deliver", lambda _: None)
        world.comes_up(engagement)
    claimed = outbox._claim(contact_id)
    assert claimed is not None
    world.now += timedelta(seconds=10)
    outbox._send(claimed)
    assert calls_made(world) == 0
    world.pass_time(15)
    assert calls_made(world) == 1


def test_a_webhook_that_comes_while_we_ask_is_believed_before_the_answer(world: World) -> None:
    contact_id, engagement = is_rung_perhaps(world)

    def told() -> None:
        calling_back.heard(contact_id, engagement.id, LOST, world.now)

    world.company.before = told
    world.pass_time(25)
    assert (calls_made(world), is_asked(world)) == (1, 1)
    assert world.leg(LOST).contact_id == contact_id
    assert the_request(world).state == "done"


@pytest.mark.parametrize("made", [False, True])
def test_whoever_calls_the_line_while_we_ask_is_not_called(world: World, made: bool) -> None:
    contact_id, _ = is_rung_perhaps(world)
    if made:
        world.company.made[LOST] = GEORGIA, CALLER

    def calls_in() -> None:
        world.company.before = None
        world.arrives()

    world.now += timedelta(seconds=19)
    clock.tick(world.now)
    world.company.before = calls_in
    world.pass_time(5)
    assert (calls_made(world), is_asked(world)) == (1, 1)
    assert (("hang up", LOST) in world.company.asked) == made, "their phone need not ring any more"
    assert world.contact(contact_id).callback_at is None


@pytest.mark.parametrize("second", ["answered", "lost again"])
def test_of_two_processes_that_ask_at_once_one_makes_the_call(
    world: World, monkeypatch: pytest.MonkeyPatch, second: str
) -> None:
    """The first is slow to hear its answer, so that another asks, and acts on it, before the first one does."""
    is_rung_perhaps(world)
    world.now += timedelta(seconds=12)
    clock.tick(world.now)
    world.now += timedelta(seconds=10)
    request, asks = the_request(world), world.company.calls_made

    def slowly(*question: Any) -> list[str]:
        answer = asks(*question)
        monkeypatch.setattr(world.company, "calls_made", asks)
        asking.ask_for_call(request.id, world.now)
        assert is_asked(world) == 1, "one question at a time"
        world.now += timedelta(seconds=10)
        world.company.failures = [None, Uncertain("timeout")] if second == "lost again" else []
        asking.ask_for_call(request.id, world.now)
        assert (calls_made(world), is_asked(world)) == (2, 2)
        return answer

    monkeypatch.setattr(world.company, "calls_made", slowly)
    asking.ask_for_call(request.id, world.now)
    assert calls_made(world) == 2
    assert the_request(world).attempts == 2


def test_a_call_that_was_not_made_is_not_made_for_a_peer_who_has_let_go(world: World) -> None:
    contact_id, _ = is_rung_perhaps(world)
    world.pass_time(5)
    parting.end(world.peer1, contact_id, world.now)
    world.available(world.peer2)
    assert world.offer_to(world.peer2) is None, "nobody else is asked while it may ring"
    world.pass_time(20)
    assert calls_made(world) == 1
    assert world.contact(contact_id).callback_tries == 0
    assert [offer.contact_id for offer in world.all(Offer, state="pending")] == [contact_id]


def test_of_two_who_are_called_at_one_number_only_the_webhooks_tell_whose_a_call_is(world: World) -> None:
    promises(world)
    phone = "+14045550199"
    first_id, _ = books(world, typed=phone)
    second_id, _ = books(world, OTHER_CALLER, typed=phone)
    world.available(world.peer1, world.peer2)
    engagements = {}
    for peer in (world.peer1, world.peer2):
        contact_id, engagements[contact_id] = is_rung_perhaps(world, peer)
    world.company.made[LOST] = GEORGIA, phone
    world.pass_time(25)
    assert is_asked(world) >= 2
    assert world.all(Leg, call_sid=LOST) == []
    assert calls_made(world) == 2
    calling_back.heard(second_id, engagements[second_id].id, LOST, world.now)
    world.pass_time(12)
    assert world.leg(LOST).contact_id == second_id
    assert calls_made(world) == 3, "so that the other one's was certainly not made"
    assert {leg.contact_id for leg in world.all(Leg, call_sid=f"CA8{1:031d}")} == {first_id}
