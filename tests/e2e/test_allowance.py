"""A day's allowance in the browser: the peer sees that little is left, and a supervisor lets the caller call."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Enter
from tests.e2e.looks import looks_well
from tests.e2e.steps import SOON, call, choose, log, report, takes
from tests.e2e.test_afterwards import ends, wishes
from tests.product import Caller, Product

LEFT = "The caller has about 5 minutes left today."


@pytest.fixture
def five_minutes(product: Product) -> Iterator[None]:
    """The line gives each caller five minutes a day."""
    yield from wishes(product, {"minutes_a_day": 5})


@pytest.fixture
def somebody(product: Product, tidy: None) -> Iterator[Caller]:
    caller = Caller(product, "+14045550178")
    yield caller
    caller.hangs_up()


@pytest.mark.usefixtures("five_minutes")
def test_a_peer_sees_what_is_left_says_that_it_was_relay_and_a_supervisor_lifts_it(
    enter: Enter, somebody: Caller
) -> None:
    peer, supervisor = enter("peer1"), enter("supervisor")
    choose(peer, "Available")
    takes(peer, somebody)
    expect(call(peer)).to_contain_text(LEFT)
    looks_well(peer)
    ends(peer, somebody)
    report(peer).get_by_label("Towards the caller's time today").select_option("relay")
    expect(report(peer)).to_contain_text(re.compile("Saved [0-9]"), timeout=SOON)
    looks_well(peer)
    peer.reload()
    expect(report(peer).get_by_label("Towards the caller's time today")).to_have_value("relay")
    log(peer)

    supervisor.goto("/contacts")
    supervisor.get_by_role("table").get_by_role("link").first.click()
    expect(supervisor.get_by_text("does not count towards the time for today (by relay)")).to_be_visible()
    supervisor.get_by_role("button", name="Let this caller call today without a limit").click()
    expect(supervisor.get_by_text("This caller may call today without a limit.")).to_be_visible()
    looks_well(supervisor)
