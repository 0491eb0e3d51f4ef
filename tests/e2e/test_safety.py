"""A peer gets a supervisor, whose board sounds until somebody has it; a boundary, a hand-off, the history."""

import re

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Enter
from tests.e2e.looks import PHONE, looks_well
from tests.e2e.steps import SOON, alert, call, choose, log, report, said, takes, ticks
from tests.e2e.test_call import LISTEN
from tests.product import Caller, eventually

NEEDED = "Robin Hale needs a supervisor"


def tones(page: Page) -> int:
    return int(page.evaluate("tones"))


def sounds(page: Page) -> None:
    """Once more than until now."""
    before = tones(page)
    eventually(lambda: tones(page) > before, what="it is silent")


def test_the_board_sounds_until_somebody_has_it(enter: Enter, caller: Caller) -> None:
    first, second, peer = enter("supervisor"), enter("admin"), enter("peer1")
    for board in (first, second):
        board.add_init_script(LISTEN)
        board.reload()
        expect(board.locator("#connection")).to_have_text("Live")
        assert tones(board) == 0
    choose(peer, "Available")
    takes(peer, caller)

    peer.get_by_label("What it is about, in a few words").fill("He has stopped talking.")
    peer.get_by_role("button", name="Get my supervisor").click()
    expect(call(peer)).to_contain_text("Waiting for your supervisor…")
    for board in (first, second):
        expect(board.get_by_role("heading", name=NEEDED)).to_be_visible()
        expect(board.get_by_text("He has stopped talking.")).to_be_visible()
        expect(alert(board)).to_have_text(f"{NEEDED}, Georgia line")
        expect(board).to_have_title(f"● {NEEDED}, Georgia line")
    for board in (first, second):
        sounds(board)
        sounds(board)  # and goes on

    first.get_by_role("button", name="Acknowledge").click()
    expect(call(peer)).to_contain_text(re.compile("Your supervisor has seen it: Dana Whitlock, .*[AP]M"))
    expect(said(peer)).to_contain_text("Your supervisor has seen it")
    for board in (first, second):
        expect(board.get_by_text(re.compile("Dana Whitlock has it, since"))).to_be_visible()
        expect(board.get_by_role("button", name="Acknowledge")).to_have_count(0)
        expect(board).to_have_title(re.compile("^\\s*Board"))
    silent = [tones(board) for board in (first, second)]
    first.wait_for_timeout(2500)
    assert [tones(board) for board in (first, second)] == silent
    peer.get_by_role("button", name="I need nobody any more").click()
    expect(first.get_by_role("heading", name=NEEDED)).to_have_count(0)


def test_a_boundary_is_said_and_the_report_says_so(enter: Enter, caller: Caller) -> None:
    peer = enter("peer1")
    choose(peer, "Available")
    takes(peer, caller)
    report(peer).get_by_label("Notes", exact=False).first.fill("Half a sentence")
    peer.get_by_text("End with a boundary…").click()
    sentence = "This is where we end the conversation for today."
    expect(call(peer).get_by_text(sentence)).to_be_visible()
    peer.get_by_role("button", name="Say this and end").click()
    caller.hears(sentence)
    caller.hears("988")
    caller.is_in("ended")
    expect(report(peer)).to_contain_text("Wrap-up")
    expect(report(peer).get_by_label("I kept a boundary")).to_be_checked()
    expect(report(peer).get_by_label("Notes", exact=False).first).to_have_value("Half a sentence")
    ticks(report(peer).get_by_label("Social"))
    report(peer).get_by_role("button", name="Log this contact").click()
    expect(peer.get_by_role("heading", name="You are ready")).to_be_visible()


def test_nothing_of_it_shuts_anybody_out(enter: Enter, caller: Caller) -> None:
    peer, board = enter("peer1", viewport=PHONE), enter("supervisor", viewport=PHONE)
    choose(peer, "Available")
    takes(peer, caller)
    expect(peer.get_by_role("heading", name="Earlier contacts")).to_be_visible()
    peer.get_by_text("End with a boundary…").click()
    ticks(report(peer).get_by_label("Handed off to crisis help"))
    handoff = peer.get_by_role("button", name="Record the hand-off")
    expect(handoff).to_be_visible()
    peer.get_by_role("button", name="Get my supervisor").click()
    expect(call(peer)).to_contain_text("Waiting for your supervisor…")
    expect(board.get_by_role("heading", name=NEEDED)).to_be_visible()
    for page in (peer, board):
        looks_well(page)
    board.get_by_role("button", name="Acknowledge").click()
    expect(call(peer)).to_contain_text("Your supervisor has seen it")

    for choice in ("Mobile crisis team", "The caller agreed", "I stayed until they had taken over"):
        peer.get_by_label(choice).check()
    peer.locator(".handoff").get_by_label("Connected").check()
    handoff.click()
    expect(peer.get_by_text("Hand-off recorded: Mobile crisis team")).to_be_visible(timeout=SOON)
    for page in (peer, board):
        looks_well(page)

    call(peer).get_by_role("button", name="End call").click()
    expect(report(peer)).to_contain_text("Wrap-up")
    log(peer)
    board.get_by_role("link", name="History").click()
    expect(board.get_by_role("heading", name="History")).to_be_visible()
    looks_well(board)
    board.get_by_role("row").nth(1).get_by_role("link").click()
    expect(board.get_by_text("Recorded a hand-off")).to_be_visible()
    board.get_by_role("button", name="Open the notes").click()
    expect(board.get_by_text("The notes were opened")).to_be_visible()
    looks_well(board)
