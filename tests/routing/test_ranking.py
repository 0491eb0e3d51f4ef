"""Who waits first, and who is asked first."""

import pytest

from routing.facts import Peer, Waiting
from routing.ranking import first_in_line, longest_idle
from tests.routing.situations import contact, peer


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (contact("z", waited=90), contact("a", waited=30)),
        (contact("z", waited=30, priority=10), contact("a", waited=90)),
        (contact("z", waited=90, priority=10), contact("a", waited=30, priority=10)),
        (contact("a", waited=60), contact("z", waited=60)),
    ],
    ids=[
        "longest wait",
        "priority before wait",
        "longest wait of one priority",
        "same moment: any, but always the same",
    ],
)
def test_first_in_line(first: Waiting, second: Waiting):
    assert first_in_line(first) < first_in_line(second)


@pytest.mark.parametrize(
    ("asked", "first", "second"),
    [
        ((), peer("z", idle=90), peer("a", idle=30)),
        ((), peer("a", idle=60), peer("z", idle=60)),
        ((), peer("z", idle=1), peer("a", idle=90, threads=1)),
        (("z",), peer("a", idle=1), peer("z", idle=90)),
        (("z", "a"), peer("z", idle=1), peer("a", idle=90)),
        (("a", "a", "z", "b"), peer("z", idle=1), peer("a", idle=90)),
        (("z", "z", "a"), peer("z", idle=1), peer("a", idle=90)),
    ],
    ids=[
        "longest idle",
        "same moment: any, but always the same",
        "whoever does nothing before whoever writes",
        "whoever was not asked",
        "not the latest asked",
        "whoever was asked less often",
        "not the latest asked, though the other was asked more often",
    ],
)
def test_longest_idle(asked: tuple[str, ...], first: Peer, second: Peer):
    order = longest_idle(contact(asked=asked))
    assert order(first) < order(second)
