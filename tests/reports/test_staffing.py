"""The peers that a line needs, from its own past: what counts, for which hour, and how much."""

from datetime import UTC, datetime, timedelta
from math import inf

import pytest

from bench.day import simulated
from routing.estimates import ENOUGH, Load, Target, erlang_a, peers_needed
from tests.reports.past import Past, local, minutes
from warmline.models import Channel, Line
from warmline.reports import past as ours
from warmline.reports.past import Call, patience
from warmline.reports.staffing import Row, Table, table

pytestmark = pytest.mark.both

TARGET = Target(share=0.8, within=30)
TUESDAY = 1
SUNDAY = 6


def one_week(past: Past, weeks: int = 1) -> Table:
    return table(past.line, weeks, TARGET, past.now)


def only(found: Table) -> Row:
    [row] = found.rows
    return row


def test_a_line_without_a_past_has_an_empty_table(past: Past) -> None:
    found = one_week(past)
    assert (found.rows, found.demand.calls, found.demand.patience) == ((), 0, inf)
    assert found.demand.since == local("2026-11-13 00:00").astimezone(UTC)
    assert found.demand.until == local("2026-11-20 00:00").astimezone(UTC)


def test_calls_belong_to_the_hour_on_the_lines_own_wall(past: Past) -> None:
    past.answered("2026-11-17 10:00", waited=1, handled=20)
    past.answered("2026-11-17 10:59", waited=5, handled=30)
    row = only(one_week(past))
    assert (row.weekday, row.hour, row.offered, row.handle) == (TUESDAY, 10, 2, 25 * 60)


def test_an_hour_is_the_average_of_its_weeks(past: Past) -> None:
    past.answered("2026-11-17 10:00", waited=1, handled=20)
    past.answered("2026-11-10 10:00", waited=1, handled=20)
    past.answered("2026-11-10 10:30", waited=1, handled=20)
    assert only(one_week(past, weeks=2)).offered == 1.5


def test_weeks_before_a_lines_first_call_do_not_make_its_hours_look_quiet(past: Past) -> None:
    for day in ("2026-10-29", "2026-11-05", "2026-11-12", "2026-11-19"):
        past.answered(f"{day} 10:00", waited=1, handled=20)
    found = one_week(past, weeks=8)
    assert (found.demand.weeks, found.demand.calls) == (3, 3), "three whole ones since the first"
    assert found.demand.since == local("2026-10-30 00:00").astimezone(UTC)
    assert only(found).offered == 1


def test_a_line_younger_than_a_week_is_judged_by_its_days(past: Past) -> None:
    past.answered("2026-11-17 10:00", waited=1, handled=20)
    found = one_week(past, weeks=8)
    assert (found.demand.weeks, found.demand.whole, only(found).offered) == (1, False, 1)


def test_a_line_that_was_quiet_for_some_days_keeps_all_its_weeks(past: Past) -> None:
    past.answered("2026-10-02 00:00", waited=1, handled=20)
    assert one_week(past, weeks=8).demand.weeks == 7
    past.answered("2026-10-01 23:59", waited=1, handled=20)
    assert one_week(past, weeks=8).demand.weeks == 8


def test_what_is_no_call_of_these_weeks_to_this_line_does_not_count(past: Past) -> None:
    past.answered("2026-11-12 23:59", waited=0, handled=20)
    past.answered("2026-11-20 00:00", waited=0, handled=20)
    past.left("2026-11-17 10:00", waited=3, line=past.harbor)
    past.left("2026-11-17 10:00", waited=3, line=past.sister)
    past.left("2026-11-17 10:00", waited=3, channel=Channel.TEXT)
    assert one_week(past).rows == ()


def test_a_call_given_up_at_once_is_no_work_but_tells_of_patience(past: Past) -> None:
    past.answered("2026-11-17 10:00", waited=2, handled=20)
    past.left("2026-11-17 10:10", waited=9 / 60)
    past.left("2026-11-17 10:20", waited=10 / 60)
    found = one_week(past)
    assert only(found).offered == 2
    assert (found.demand.calls, found.demand.left) == (3, 2)
    assert found.demand.patience == pytest.approx((120 + 9 + 10) / 2)


def test_who_is_called_back_has_waited_until_they_hung_up(past: Past) -> None:
    """The next morning they are served; nobody holds a phone all night."""
    past.left("2026-11-17 17:00", waited=2)
    past.booked(past.answered("2026-11-17 17:00", waited=16 * 60, handled=20), "2026-11-17 17:03")
    found = one_week(past)
    assert (found.demand.calls, found.demand.left) == (2, 1)
    assert found.demand.patience == 2 * 60 + 3 * 60


def test_whom_nobody_could_answer_has_not_lost_patience(past: Past) -> None:
    past.missed("2026-11-17 10:00", waited=2)
    found = one_week(past)
    assert (only(found).offered, found.demand.calls, found.demand.left, found.demand.patience) == (1, 1, 0, inf)


def test_a_caller_who_was_dropped_and_came_back_is_one_call_of_both_talks(past: Past) -> None:
    contact = past.answered("2026-11-17 10:00", waited=1, handled=10)
    past.engaged(contact, past.marisol, local("2026-11-17 10:20"), handled=15)
    row = only(one_week(past))
    assert (row.offered, row.handle) == (1, 25 * 60)


def test_an_hour_with_few_calls_takes_the_lines_usual_handle_time(past: Past) -> None:
    for number in range(ENOUGH):
        past.answered(local("2026-11-17 10:00") + minutes(number), waited=0, handled=10)
    past.answered("2026-11-17 11:00", waited=0, handled=31)
    ten, eleven = one_week(past).rows
    assert ten.handle == 10 * 60
    assert eleven.handle == pytest.approx((ENOUGH * 10 + 31) / (ENOUGH + 1) * 60)


def test_peers_are_those_on_shift_each_once(past: Past) -> None:
    past.shift(past.robin, "2026-11-17 10:30", "2026-11-17 12:00")
    past.shift(past.robin, "2026-11-17 11:00", "2026-11-17 12:00")  # written down twice
    past.shift(past.marisol, "2026-11-17 11:00", "2026-11-17 11:45")
    past.shift(past.marisol, "2026-11-17 11:00", "2026-11-17 12:00", line=past.harbor)
    assert [(row.hour, row.peers) for row in one_week(past).rows] == [(10, 0.5), (11, 1.75)]


def test_a_shift_without_an_end_goes_on_to_the_end_of_the_weeks(past: Past) -> None:
    past.shift(past.robin, "2026-11-01 10:30", None)
    assert [row.peers for row in one_week(past).rows] == [1] * 7 * 24


def test_a_shift_that_goes_on_after_the_last_midnight_counts_until_then(past: Past) -> None:
    past.shift(past.robin, "2026-11-19 22:00", "2026-11-20 13:00")
    assert [(row.weekday, row.hour, row.peers) for row in one_week(past).rows] == [(3, 22, 1), (3, 23, 1)]


def test_on_the_day_on_which_clocks_go_back_an_hour_is_two(past: Past) -> None:
    past.now = local("2026-11-02 12:00")
    for fold in (0, 1):
        past.answered(local("2026-11-01 01:30", fold), waited=0, handled=5)
    past.shift(past.robin, "2026-11-01 00:00", "2026-11-01 04:00")
    found = {row.hour: row for row in one_week(past).rows}
    assert found[1].weekday == SUNDAY
    assert found[1].offered == 1
    assert {row.peers for row in found.values()} == {1}


def test_what_is_needed_and_what_one_absence_means_is_erlang_a(past: Past) -> None:
    for number in range(ENOUGH):
        past.answered(local("2026-11-17 10:00") + minutes(2 * number), waited=1, handled=20)
        past.left(local("2026-11-17 10:01") + minutes(2 * number), waited=4)
    for peer in (past.robin, past.marisol):
        past.shift(peer, "2026-11-17 10:00", "2026-11-17 11:00")
    row = only(one_week(past))
    load = Load(per_hour=2 * ENOUGH, handle=20 * 60, patience=5 * 60)
    assert row.needed == peers_needed(load, TARGET) > 10
    assert row.there == erlang_a(load, 2, TARGET.within)
    assert row.one_fewer == erlang_a(load, 1, TARGET.within)


def test_half_a_peer_is_one(past: Past) -> None:
    past.answered("2026-11-17 10:00", waited=0, handled=15)
    past.left("2026-11-17 10:15", waited=5)
    past.shift(past.robin, "2026-11-17 10:00", "2026-11-17 10:30")
    row = only(one_week(past))
    assert row.peers == 0.5
    assert row.there == erlang_a(Load(per_hour=2, handle=15 * 60, patience=5 * 60), 1, TARGET.within)


def test_where_nobody_ever_left_too_much_work_has_no_figures(past: Past) -> None:
    for number in range(3):
        past.answered(local("2026-11-17 10:00") + minutes(number), waited=0, handled=30)
    past.shift(past.robin, "2026-11-17 10:00", "2026-11-17 11:00")
    row = only(one_week(past))
    assert (row.there, row.one_fewer) == (None, None)
    assert row.needed == peers_needed(Load(3, 30 * 60), TARGET)


def test_without_any_answer_nothing_is_known_of_handle_times(past: Past) -> None:
    past.left("2026-11-17 10:00", waited=3)
    row = only(one_week(past))
    assert (row.offered, row.handle, row.needed, row.there) == (1, None, None, None)


def test_patience_is_found_again_in_a_past_that_was_drawn_with_it() -> None:
    load = Load(per_hour=40, handle=20 * 60, patience=5 * 60)
    calls = [
        Call(each.arrival.at, each.waited, each.peer is not None, each.peer is None, each.arrival.handle, "en")
        for each in simulated(load, peers=12, hours=24 * 7, seed=1)
    ]
    assert patience(calls) == pytest.approx(load.patience, rel=0.07)


def test_a_year_is_read_a_day_at_a_time(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    spans: list[timedelta] = []

    def read(line: Line, since: datetime, until: datetime) -> list[Call]:
        spans.append(until - since)
        return []

    monkeypatch.setattr(ours, "_calls", read)
    one_week(past, weeks=52)
    assert sum(spans, timedelta()) == timedelta(weeks=52)
    assert max(spans) == timedelta(days=1)
