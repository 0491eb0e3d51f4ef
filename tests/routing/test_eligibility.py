"""Every reason why a peer is not asked, and its edge."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.eligibility import EVERY_REFUSAL, asked_from, is_present, why_not
from routing.facts import Peer, Waiting
from routing.policy import UNCHOSEN, Policy, Skill, Step, StepKind
from routing.states import Activity, PeerStatus
from tests.routing.situations import LINES, NOW, contact, contacts, peer, peers, policies, seconds


def refusals(who: Peer, whom: Waiting, policy: Policy = UNCHOSEN) -> list[str]:
    return [refusal.code for refusal in why_not(who, whom, policy, NOW)]


def until(number: float) -> datetime:
    return NOW + seconds(number)


def test_a_peer_who_is_ready_may_be_asked():
    assert refusals(peer(), contact()) == []


@pytest.mark.parametrize(
    ("who", "refusal"),
    [
        (peer(shifts={"illinois": None}), "not_on_shift"),
        (peer(shifts={}), "not_on_shift"),
        (peer(seen=None), "not_present"),
        (peer(seen=22.001), "not_present"),
        (peer(languages=frozenset({"es"})), "language"),
        (peer(languages=frozenset()), "language"),
        (peer(rests_until=until(0.001)), "rests"),
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
    ("threads", "channel", "policy", "asked"),
    [
        (1, "text", Policy(), True),
        (2, "text", Policy(), False),
        (2, "text", Policy(texts=3), True),
        (1, "text", Policy(texts=1), False),
        (1, "voice", Policy(), False),
        (1, "voice", Policy(voice_with_texts=True), True),
        (0, "text", Policy(texts=4, voice_with_texts=True), False),  # talks to somebody, by voice
        (0, "voice", Policy(texts=4, voice_with_texts=True), False),
    ],
)
def test_whoever_only_writes_may_be_asked_for_what_the_line_lets_go_together(
    threads: int, channel: str, policy: Policy, asked: bool
):
    who = peer(activity=Activity.TALKING, threads=threads)
    assert refusals(who, contact(channel=channel), policy) == ([] if asked else ["busy"])


def test_nobody_is_asked_while_the_line_is_paused():
    assert refusals(peer(), contact(), Policy(paused=True)) == ["line_paused"]


@pytest.mark.parametrize(("rests_until", "refused"), [(None, False), (until(0), False), (until(600), True)])
def test_whoever_had_a_heavy_contact_rests_until_the_time_is_over(rests_until: datetime | None, refused: bool):
    assert refusals(peer(rests_until=rests_until), contact()) == (["rests"] if refused else [])


@pytest.mark.parametrize(
    ("ends", "refused"), [(None, False), (until(1200), False), (until(1199), True), (until(1), True)]
)
def test_whose_shift_ends_before_a_usual_talk_would_is_not_asked(ends: datetime | None, refused: bool):
    policy = Policy(usual_talk=timedelta(minutes=20))
    assert refusals(peer(shifts={"georgia": ends}), contact(), policy) == (["shift_ends"] if refused else [])


def test_a_line_without_a_usual_talk_asks_until_the_last_second():
    assert refusals(peer(shifts={"georgia": until(1)}), contact()) == []


@pytest.mark.parametrize(
    ("skills", "refused"),
    [((), True), ((Skill.FAMILY,), True), ((Skill.FAMILY, Skill.VETERAN), False), (tuple(Skill), False)],
)
def test_the_line_asks_for_all_of_its_skills(skills: tuple[Skill, ...], refused: bool):
    policy = Policy(skills=frozenset({Skill.FAMILY, Skill.VETERAN}))
    assert refusals(peer(skills=frozenset(skills)), contact(), policy) == (["skills"] if refused else [])


@pytest.mark.parametrize(
    ("waited", "required", "wish_for", "refused"),
    [
        (0, False, 60, True),
        (59.999, False, 60, True),
        (60, False, 60, False),
        (3600, True, 60, True),  # the caller's own word
        (0, False, None, False),  # chosen while the line only preferred it
    ],
)
def test_a_wish_counts_as_long_as_it_was_meant_to(waited: float, required: bool, wish_for: int | None, refused: bool):
    policy = Policy(wish_for=None if wish_for is None else seconds(wish_for))
    whom = contact(waited=waited, wish=Skill.VETERAN, wish_required=required)
    assert refusals(peer(), whom, policy) == (["wish"] if refused else [])
    assert refusals(peer(skills=frozenset({Skill.VETERAN})), whom, policy) == []


def test_two_who_asked_not_to_meet_again_do_not():
    assert refusals(peer("a"), contact(apart=frozenset({"a"}))) == ["apart"]
    assert refusals(peer("b"), contact(apart=frozenset({"a"}))) == []


class TestSteps:
    """What a line does for those who wait long makes refusals fewer, from the second on for which it is set."""

    wide = Policy(
        skills=frozenset({Skill.FAMILY}),
        usual_talk=timedelta(minutes=20),
        wish_for=seconds(600),
        steps=(Step(seconds(60), StepKind.WIDEN),),
    )
    near_the_end = peer(shifts={"georgia": until(60)})

    def test_before_it_nothing_is_widened(self):
        whom = contact(waited=59.999, wish=Skill.VETERAN)
        assert refusals(self.near_the_end, whom, self.wide) == ["shift_ends", "skills", "wish"]

    def test_then_skills_the_end_of_a_shift_and_a_wish_count_no_more(self):
        assert refusals(self.near_the_end, contact(waited=60, wish=Skill.VETERAN), self.wide) == []

    def test_but_a_wish_that_is_required_does(self):
        whom = contact(waited=60, wish=Skill.VETERAN, wish_required=True)
        assert refusals(self.near_the_end, whom, self.wide) == ["wish"]

    def test_sister_lines_peers_are_asked_as_well(self):
        elsewhere, policy = (
            peer(shifts={"illinois": None}),
            Policy(steps=(Step(seconds(60), StepKind.SISTER, "illinois"),)),
        )
        assert refusals(elsewhere, contact(waited=59.999), policy) == ["not_on_shift"]
        assert refusals(elsewhere, contact(waited=60), policy) == []
        assert refusals(peer(shifts={"georgia": None}), contact(waited=60), policy) == []

    def test_a_shift_that_goes_on_on_the_sister_line_is_long_enough(self):
        steps = (Step(seconds(60), StepKind.SISTER, "illinois"),)
        who, policy = (
            peer(shifts={"georgia": until(60), "illinois": None}),
            Policy(steps=steps, usual_talk=seconds(600)),
        )
        assert refusals(who, contact(waited=0), policy) == ["shift_ends"]
        assert refusals(who, contact(waited=60), policy) == []


def test_every_refusal_is_told_not_only_the_first():
    nobody = peer(
        seen=None, status=PeerStatus.OFF, activity=Activity.TALKING, shifts={"georgia": until(1)},
        languages=frozenset(), rests_until=until(1),
    )  # fmt: skip
    asked = contact(waited=0, asked_until={"a": NOW}, wish=Skill.VETERAN, apart=frozenset({"a"}))
    policy = Policy(paused=True, skills=frozenset({Skill.FAMILY}), usual_talk=seconds(60))
    found = refusals(nobody, asked, policy)
    assert found == [refusal.code for refusal in EVERY_REFUSAL if refusal.code != "not_on_shift"]


def test_a_line_and_a_language_more_than_needed_do_no_harm():
    who = peer(shifts={"illinois": None, "georgia": None}, languages=frozenset({"es", "en"}))
    assert refusals(who, contact()) == []


@pytest.mark.parametrize(("ago", "present"), [(-1, True), (0, True), (22, True), (22.001, False), (3600, False)])
def test_two_missed_heartbeats_and_the_network_are_forgiven(ago: float, present: bool):
    # A heartbeat of the future was stamped by a process whose clock is a little ahead of ours.
    assert is_present(NOW - seconds(ago), NOW) is present


def test_a_console_that_was_never_heard_is_not_present():
    assert not is_present(None, NOW)


@pytest.mark.parametrize(("ago", "refused"), [(0, True), (4.999, True), (5, False), (60, False)])
def test_whoever_was_asked_a_moment_ago_gets_a_breath(ago: float, refused: bool):
    asked = contact(asked_until={"a": NOW - seconds(ago), "b": NOW - seconds(60)})
    assert refusals(peer("a"), asked) == (["just_asked"] if refused else [])


def test_a_breath_is_of_those_who_were_asked_alone():
    assert refusals(peer("b"), contact(asked_until={"a": NOW})) == []


@given(peers, contacts, policies)
def test_refusals_have_distinct_codes_in_one_order(who: Peer, whom: Waiting, policy: Policy):
    found = why_not(who, whom, policy, NOW)
    assert found == [refusal for refusal in EVERY_REFUSAL if refusal in found]


@given(peers, policies, st.sampled_from(LINES), st.integers(0, 60))
def test_who_may_be_asked_from_a_wait_on_is_refused_by_the_line_before_and_not_after(
    who: Peer, policy: Policy, line: str, waited: int
):
    from_then = asked_from(who, line, policy, NOW)
    by_the_line = {"not_on_shift", "shift_ends", "skills"} & set(
        refusals(who, contact(line=line, waited=waited), policy)
    )
    assert (not by_the_line) == (from_then is not None and from_then <= seconds(waited))


def test_every_refusal_has_a_code_of_its_own_and_a_sentence():
    assert len({refusal.code for refusal in EVERY_REFUSAL}) == len(EVERY_REFUSAL)
    for refusal in EVERY_REFUSAL:
        assert refusal.sentence.split()[0] in {"is", "has", "does", "was", "goes", "rests"}, "it follows a peer's name"
