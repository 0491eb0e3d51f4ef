"""The week to come: where it is cut, who is there, and what is worth saying first."""

from datetime import UTC, date, datetime, timedelta

import pytest

from routing.cover import State
from routing.estimates import ENOUGH, Load, erlang_a
from tests.reports.past import Past, local, minutes
from warmline.people import lines
from warmline.reports.schedule import TARGET, Finding, Slot, Week, until, week

SATURDAY, MONDAY = date(2026, 11, 21), date(2026, 11, 23)
EVENINGS = {str(day): [["17:00", "22:00"]] for day in range(7)}


@pytest.fixture
def line(past: Past) -> Past:
    """A line that is open in the evening. It is Friday 20 November, 13:00."""
    past.line.hours = EVENINGS
    return past


def look(past: Past) -> Week:
    return week(past.line, lines.open_between(past.line, past.now, until(past.line, past.now)), past.now)


def slots(past: Past, day: date = MONDAY) -> list[tuple[str, str, tuple[str, ...], State]]:
    """A day's slots: from, to, who, and what is to be said of it."""
    [found] = [each for each in look(past).days if each.date == day]
    return [(clock(slot.begins), clock(slot.ends), slot.names, slot.state) for slot in found.slots]


def clock(at: datetime) -> str:
    return at.astimezone(local("2026-11-20").tzinfo).strftime("%H:%M")


def mondays(past: Past, hour: int, calls: int, weeks: int = 8, handled: float = 20) -> None:
    """So many calls at an hour of each Monday before, of whom one more gives up after five minutes."""
    for back in range(1, weeks + 1):
        begins = local(f"2026-11-23 {hour}:00") - timedelta(weeks=back)
        for number in range(calls):
            past.answered(begins + minutes(number), waited=0, handled=handled)
        past.left(begins + minutes(59), waited=5)


def test_seven_days_begin_today_and_closed_ones_are_empty(line: Past) -> None:
    line.line.hours = EVENINGS | {"5": []}
    found = look(line)
    assert [day.date for day in found.days] == [date(2026, 11, 20) + timedelta(days=number) for number in range(7)]
    assert [len(day.slots) for day in found.days] == [1, 0, 1, 1, 1, 1, 1]


def test_what_is_over_today_is_left_out(line: Past) -> None:
    line.now = local("2026-11-20 18:20").astimezone(UTC)
    assert look(line).days[0].slots[0].begins == line.now
    line.now = local("2026-11-20 22:00").astimezone(UTC)
    assert look(line).days[0].slots == ()


def test_a_slot_is_cut_where_somebody_comes_or_goes(line: Past) -> None:
    line.shift(line.robin, "2026-11-23 16:00", "2026-11-23 19:30")
    line.shift(line.marisol, "2026-11-23 18:15", "2026-11-23 23:00")
    assert slots(line) == [
        ("17:00", "18:15", ("peer1",), State.NOT_KNOWN),
        ("18:15", "19:30", ("peer1", "peer2"), State.NOT_KNOWN),
        ("19:30", "22:00", ("peer2",), State.NOT_KNOWN),
    ]


def test_of_shifts_that_overlap_a_peer_counts_once_and_the_next_shift_goes_on(line: Past) -> None:
    line.shift(line.robin, "2026-11-23 16:00", "2026-11-23 19:00")
    line.shift(line.robin, "2026-11-23 18:00", "2026-11-23 20:00")
    line.shift(line.robin, "2026-11-23 20:00", "2026-11-23 21:00")
    line.shift(line.marisol, "2026-11-23 17:00", "2026-11-23 22:00", line=line.harbor)
    assert slots(line) == [
        ("17:00", "21:00", ("peer1",), State.NOT_KNOWN),
        ("21:00", "22:00", (), State.NOBODY),
    ]


def test_a_shift_without_an_end_goes_on(line: Past) -> None:
    line.shift(line.robin, "2026-11-01 10:00", None)
    assert [day.slots[0].names for day in look(line).days] == [("peer1",)] * 7


def test_two_spans_of_a_day_are_two_slots(line: Past) -> None:
    line.line.hours = {"0": [["09:00", "12:00"], ["17:00", "20:00"]]}
    assert [slot[:2] for slot in slots(line)] == [("09:00", "12:00"), ("17:00", "20:00")]


def test_a_night_is_divided_at_midnight(line: Past) -> None:
    line.line.hours = {"6": [["22:00", "02:00"]]}
    assert [slot[:2] for slot in slots(line, date(2026, 11, 22))] == [("22:00", "00:00")]
    assert [slot[:2] for slot in slots(line)] == [("00:00", "02:00")]


def test_a_whole_day_is_one_slot_and_says_so(line: Past) -> None:
    line.line.hours = {}
    [slot] = look(line).days[1].slots
    assert slot.all_day
    assert not look(line).days[0].slots[0].all_day


def test_each_hour_is_judged_by_the_same_hour_of_past_weeks(line: Past) -> None:
    mondays(line, 19, calls=3)
    for peer in (line.robin, line.marisol):
        line.shift(peer, "2026-11-23 17:00", "2026-11-23 22:00")
    both = ("peer1", "peer2")
    assert slots(line) == [
        ("17:00", "19:00", both, State.ENOUGH),
        ("19:00", "20:00", both, State.TOO_FEW),
        ("20:00", "22:00", both, State.ENOUGH),
    ]
    hour: Slot = look(line).days[3].slots[1]
    load = Load(per_hour=4, handle=20 * 60, patience=5 * 60)
    assert (hour.calls, hour.needed) == ((4, 4), (3, 3))
    assert hour.cover.there == erlang_a(load, 2, TARGET.within)
    assert hour.cover.one_fewer == erlang_a(load, 1, TARGET.within)


def test_one_absence_is_told_where_it_leaves_too_few(line: Past) -> None:
    mondays(line, 19, calls=3, handled=10)
    for peer in (line.robin, line.marisol):
        line.shift(peer, "2026-11-23 17:00", "2026-11-23 22:00")
    assert [slot[3] for slot in slots(line)] == [State.ENOUGH, State.ONE_ABSENCE, State.ENOUGH]


def test_hours_that_say_the_same_are_one_slot_that_speaks_of_the_busiest(line: Past) -> None:
    mondays(line, 18, calls=5)
    mondays(line, 19, calls=9)
    mondays(line, 20, calls=7)
    line.shift(line.robin, "2026-11-23 18:00", "2026-11-23 21:00")
    [slot] = [slot for slot in look(line).days[3].slots if slot.state is State.TOO_FEW]
    assert (clock(slot.begins), clock(slot.ends), clock(slot.busiest)) == ("18:00", "21:00", "19:00")
    assert slot.calls == (6, 10)
    assert slot.cover.there == erlang_a(Load(10, 20 * 60, 5 * 60), 1, TARGET.within)
    assert slot.needed
    assert slot.needed[0] < slot.needed[1] == slot.cover.needed


@pytest.mark.parametrize(("answered", "known"), [(ENOUGH - 1, False), (ENOUGH, True)])
def test_with_too_few_answered_calls_nothing_is_known(line: Past, answered: int, known: bool) -> None:
    for number in range(answered):
        past_week = local("2026-10-01 19:00") + minutes(number)
        line.answered(past_week, waited=0, handled=20)
    line.shift(line.robin, "2026-11-23 17:00", "2026-11-23 22:00")
    assert look(line).demand.says_enough is known
    [slot] = look(line).days[3].slots
    assert (slot.state is State.NOT_KNOWN) is not known
    assert (slot.calls is None) is (slot.needed is None) is not known


def test_before_a_whole_week_has_passed_nothing_is_known(line: Past) -> None:
    for number in range(ENOUGH):
        line.answered(local("2026-11-13 00:01") + minutes(number), waited=0, handled=20)
    assert not look(line).demand.says_enough
    line.answered("2026-11-12 23:00", waited=0, handled=20)
    assert look(line).demand.says_enough


def test_the_warning_is_counted_and_says_when_it_begins(line: Past) -> None:
    mondays(line, 19, calls=3, handled=10)
    line.shift(line.robin, "2026-11-01 12:00", None)
    line.shift(line.marisol, "2026-11-23 17:00", "2026-11-23 20:00")
    line.line.hours = {"0": [["18:00", "22:00"]]}
    assert look(line).findings == (
        Finding(State.ONE_ABSENCE, timedelta(hours=1), local("2026-11-23 19:00").astimezone(UTC), MONDAY),
    )


def test_what_is_worst_stands_first(line: Past) -> None:
    line.shift(line.robin, "2026-11-21 19:30", "2026-11-21 22:00")
    assert look(line).findings == (
        Finding(State.NOBODY, timedelta(hours=32.5), local("2026-11-20 17:00").astimezone(UTC), date(2026, 11, 20)),
        Finding(State.NOT_KNOWN, timedelta(hours=2.5), local("2026-11-21 19:30").astimezone(UTC), SATURDAY),
    )


def test_on_the_day_on_which_clocks_go_back_an_hour_lasts_two(line: Past) -> None:
    line.now = local("2026-10-30 12:00").astimezone(UTC)
    line.line.hours = {"6": [["00:00", "03:00"]]}
    [finding] = look(line).findings
    assert finding.lasts == timedelta(hours=4)


def test_a_zone_that_is_half_an_hour_off_has_hours_of_its_own(line: Past) -> None:
    """Cut at its own full hours: two slots of different load meet at 19:00 there."""
    line.line.time_zone = "Asia/Kolkata"
    line.line.hours = {"0": [["18:00", "20:00"]]}
    at = datetime(2026, 11, 16, 13, 30, tzinfo=UTC)  # 19:00 there
    for back in range(8):
        for number in range(4):
            line.answered(at - timedelta(weeks=back) + minutes(number), waited=0, handled=30)
    line.shift(line.robin, "2026-11-01 10:00", None)
    found = look(line).days[3].slots
    assert [slot.begins for slot in found] == [at + timedelta(weeks=1, hours=-1), at + timedelta(weeks=1)]


def test_a_line_that_is_closed_early_opens_when_that_ends(line: Past) -> None:
    line.line.closed_at, line.line.closed_until = line.now, local("2026-11-21 18:00").astimezone(UTC)
    assert look(line).days[0].slots == ()
    assert slots(line, SATURDAY)[0][:2] == ("18:00", "22:00")
    line.line.closed_until = None
    assert len(look(line).days[0].slots) == 1, "it may be reopened at any moment"
