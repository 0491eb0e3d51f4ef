"""Every reason why a peer is not asked, and its edge."""

import pytest
from hypothesis import given

from routing.eligibility import (
    BUSY,
    JUST_ASKED,
    LANGUAGE,
    NOT_AVAILABLE,
    NOT_ON_SHIFT,
    NOT_PRESENT,
    is_present,
    why_not,
)
from routing.facts import TIMES, Limits, Peer, Waiting
from routing.states import Activity, PeerStatus
from tests.routing.situations import NOW, contact, contacts, peer, peers, seconds

EVERY_REFUSAL = [NOT_ON_SHIFT, NOT_AVAILABLE, NOT_PRESENT, BUSY, LANGUAGE, JUST_ASKED]


def refusals(who: Peer, whom: Waiting) -> list[str]:
    return [refusal.code for refusal in why_not(who, whom, TIMES, NOW)]


def test_a_peer_who_is_ready_may_be_asked():
    assert refusals(peer(), contact()) == []


@pytest.mark.parametrize(
    ("who", "refusal"),
    [
        (peer(lines=frozenset({"illinois"})), "not_on_shift"),
        (peer(lines=frozenset()), "not_on_shift"),
        (peer(seen=None), "not_present"),
        (peer(seen=22.001), "not_present"),
        (peer(languages=frozenset({"es"})), "language"),
        (peer(languages=frozenset()), "language"),
    ],
)
def test_one_thing_that_is_missing_is_one_refusal(who: Peer, refusal: str):
    assert refusals(who, contact()) == [refusal]


@pytest.mark.parametrize("status", set(PeerStatus) - {PeerStatus.AVAILABLE})
def test_only_whoever_chose_available_is_asked(status: PeerStatus):
    assert refusals(peer(status=status), contact()) == ["not_available"]


@pytest.mark.parametrize("activity", set(Activity) - {Activity.IDLE})
def test_whoever_does_something_is_busy(activity: Activity):
    assert refusals(peer(activity=activity), contact()) == ["busy"]


@pytest.mark.parametrize(
    ("threads", "channel", "limits", "asked"),
    [
        (1, "text", Limits(), True),
        (2, "text", Limits(), False),
        (2, "text", Limits(texts=3), True),
        (1, "text", Limits(texts=1), False),
        (1, "voice", Limits(), False),
        (1, "voice", Limits(voice_with_texts=True), True),
        (0, "text", Limits(texts=4, voice_with_texts=True), False),  # talks to somebody, by voice
        (0, "voice", Limits(texts=4, voice_with_texts=True), False),
    ],
)
def test_whoever_only_writes_may_be_asked_for_what_the_line_lets_go_together(
    threads: int, channel: str, limits: Limits, asked: bool
):
    who = peer(activity=Activity.TALKING, threads=threads)
    assert refusals(who, contact(channel=channel, limits=limits)) == ([] if asked else ["busy"])


def test_every_refusal_is_told_not_only_the_first():
    nobody = peer(seen=None, status=PeerStatus.OFF, activity=Activity.TALKING, lines=frozenset(), languages=frozenset())
    asked = contact(asked=("a",), last_asked_until=NOW)
    assert why_not(nobody, asked, TIMES, NOW) == EVERY_REFUSAL


def test_a_line_and_a_language_more_than_needed_do_no_harm():
    who = peer(lines=frozenset({"illinois", "georgia"}), languages=frozenset({"es", "en"}))
    assert refusals(who, contact()) == []


@pytest.mark.parametrize(("ago", "present"), [(-1, True), (0, True), (22, True), (22.001, False), (3600, False)])
def test_two_missed_heartbeats_and_the_network_are_forgiven(ago: float, present: bool):
    # A heartbeat of the future was stamped by a process whose clock is a little ahead of ours.
    assert is_present(NOW - seconds(ago), TIMES, NOW) is present


def test_a_console_that_was_never_heard_is_not_present():
    assert not is_present(None, TIMES, NOW)


@pytest.mark.parametrize(("ago", "refused"), [(0, True), (4.999, True), (5, False), (60, False)])
def test_whoever_was_asked_last_gets_a_breath(ago: float, refused: bool):
    asked = contact(asked=("b", "a"), last_asked_until=NOW - seconds(ago))
    assert refusals(peer("a"), asked) == (["just_asked"] if refused else [])


def test_only_the_latest_asked_gets_a_breath():
    assert refusals(peer("b"), contact(asked=("b", "a"), last_asked_until=NOW)) == []


@given(peers, contacts)
def test_refusals_have_distinct_codes_in_one_order(who: Peer, whom: Waiting):
    found = why_not(who, whom, TIMES, NOW)
    assert found == [refusal for refusal in EVERY_REFUSAL if refusal in found]


def test_every_refusal_has_a_code_of_its_own_and_a_sentence():
    assert len({refusal.code for refusal in EVERY_REFUSAL}) == len(EVERY_REFUSAL)
    for refusal in EVERY_REFUSAL:
        assert refusal.sentence.split()[0] in {"is", "has", "does", "was"}, "it goes on after a peer's name"
