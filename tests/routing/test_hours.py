"""Open or closed, over midnight and on both days on which the clocks change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from routing.hours import is_open, open_between, opens_next, overlapping, read_clock, running_over

GEORGIA = "America/New_York"
EVENINGS = {str(day): [("17:00", "22:00")] for day in range(5)}
SUNDAY = "6"
CHRISTMAS: dict[str, list[tuple[str, str]]] = {"2026-12-25": []}


def at(when: str, zone: str = GEORGIA, fold: int = 0) -> datetime:
    """The moment at which clocks in `zone` show `when`."""
    return datetime.fromisoformat(when).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def read(moment: datetime | None) -> str:
    """A moment as the clocks at its place show it, with their distance from UTC."""
    assert moment is not None
    return moment.isoformat(timespec="minutes")


# 2026-11-20 is a Friday.
@pytest.mark.parametrize(
    ("when", "is_so"),
    [
        ("2026-11-20T16:59:59", False),
        ("2026-11-20T17:00", True),
        ("2026-11-20T21:59:59", True),
        ("2026-11-20T22:00", False),
        ("2026-11-21T18:00", False),
        ("2026-11-23T18:00", True),
    ],
)
def test_a_span_holds_its_start_and_not_its_end(when: str, is_so: bool):
    assert is_open(EVENINGS, GEORGIA, at(when)) is is_so


def test_no_hours_are_all_hours():
    assert is_open({}, GEORGIA, at("2026-11-20T03:00"))
    assert opens_next({}, GEORGIA, at("2026-11-20T03:00")) is None


def test_a_line_without_a_single_span_never_opens():
    hours = {str(day): [] for day in range(7)}
    assert not is_open(hours, GEORGIA, at("2026-11-20T12:00"))
    assert opens_next(hours, GEORGIA, at("2026-11-20T12:00")) is None


def test_hours_are_those_of_the_lines_own_place():
    noon_in_georgia = at("2026-11-20T17:00", GEORGIA)
    assert is_open(EVENINGS, GEORGIA, noon_in_georgia)
    assert not is_open(EVENINGS, "America/Chicago", noon_in_georgia)


@pytest.mark.parametrize(
    ("when", "opens"),
    [
        ("2026-11-20T09:00", "2026-11-20T17:00-05:00"),
        ("2026-11-20T22:00", "2026-11-23T17:00-05:00"),
        ("2026-11-21T18:00", "2026-11-23T17:00-05:00"),
        ("2026-11-23T16:59:59", "2026-11-23T17:00-05:00"),
        ("2026-11-23T17:00", "2026-11-24T17:00-05:00"),
    ],
)
def test_the_next_opening(when: str, opens: str):
    assert read(opens_next(EVENINGS, GEORGIA, at(when))) == opens


def test_a_line_that_opens_once_a_week_opens_again_in_a_week():
    hours = {"4": [("09:00", "10:00")]}
    assert read(opens_next(hours, GEORGIA, at("2026-11-20T09:00"))) == "2026-11-27T09:00-05:00"
    assert read(opens_next(hours, GEORGIA, at("2026-11-20T10:00"))) == "2026-11-27T09:00-05:00"


def test_spans_of_a_day_need_no_order():
    hours = {"4": [("17:00", "22:00"), ("9:00", "12:00")]}
    assert is_open(hours, GEORGIA, at("2026-11-20T09:30"))
    assert not is_open(hours, GEORGIA, at("2026-11-20T12:00"))
    assert read(opens_next(hours, GEORGIA, at("2026-11-20T08:00"))) == "2026-11-20T09:00-05:00"
    assert read(opens_next(hours, GEORGIA, at("2026-11-20T12:00"))) == "2026-11-20T17:00-05:00"


class TestMidnight:
    @pytest.mark.parametrize(
        ("when", "is_so"),
        [
            ("2026-11-20T21:59", False),
            ("2026-11-20T22:00", True),
            ("2026-11-20T23:59:59.999999", True),
            ("2026-11-21T00:00", False),
        ],
    )
    def test_a_day_may_end_at_24(self, when: str, is_so: bool):
        assert is_open({"4": [("22:00", "24:00")]}, GEORGIA, at(when)) is is_so

    @pytest.mark.parametrize(
        ("when", "is_so"),
        [
            ("2026-11-20T01:00", False),  # Friday's early hours belong to Thursday
            ("2026-11-20T22:00", True),
            ("2026-11-21T00:00", True),
            ("2026-11-21T01:59", True),
            ("2026-11-21T02:00", False),
            ("2026-11-21T22:00", False),
        ],
    )
    def test_a_span_may_go_over_midnight(self, when: str, is_so: bool):
        assert is_open({"4": [("22:00", "02:00")]}, GEORGIA, at(when)) is is_so

    def test_from_sunday_into_monday(self):
        hours = {SUNDAY: [("22:00", "02:00")]}
        assert is_open(hours, GEORGIA, at("2026-11-23T01:00"))
        assert read(opens_next(hours, GEORGIA, at("2026-11-23T02:00"))) == "2026-11-29T22:00-05:00"

    def test_two_halves_are_one_night(self):
        hours = {"4": [("22:00", "24:00")], "5": [("00:00", "02:00")]}
        for minute in range(240):
            assert is_open(hours, GEORGIA, at("2026-11-20T22:00") + timedelta(minutes=minute))
        assert not is_open(hours, GEORGIA, at("2026-11-21T02:00"))

    @pytest.mark.parametrize("whole", [("00:00", "24:00"), ("00:00", "00:00")])
    def test_a_whole_day(self, whole: tuple[str, str]):
        hours = {"4": [whole]}
        assert not is_open(hours, GEORGIA, at("2026-11-19T23:59"))
        assert is_open(hours, GEORGIA, at("2026-11-20T00:00"))
        assert is_open(hours, GEORGIA, at("2026-11-20T23:59"))
        assert not is_open(hours, GEORGIA, at("2026-11-21T00:00"))


class TestSpring:
    """On 2026-03-08 the clocks go from 01:59 EST to 03:00 EDT."""

    def test_what_the_clocks_skip_is_not_open(self):
        hours = {SUNDAY: [("02:00", "03:00")]}
        start = at("2026-03-08T00:00")
        assert not any(is_open(hours, GEORGIA, start + timedelta(minutes=minute)) for minute in range(23 * 60))

    def test_a_line_whose_only_span_is_skipped_opens_a_week_later(self):
        hours = {SUNDAY: [("02:00", "03:00")]}
        assert read(opens_next(hours, GEORGIA, at("2026-03-08T00:00"))) == "2026-03-15T02:00-04:00"
        assert read(opens_next(hours, GEORGIA, at("2026-03-01T04:00"))) == "2026-03-15T02:00-04:00"

    def test_an_opening_that_is_skipped_is_when_the_clocks_have_skipped_it(self):
        hours = {SUNDAY: [("02:30", "06:00")]}
        assert not is_open(hours, GEORGIA, at("2026-03-08T01:59:59"))
        assert is_open(hours, GEORGIA, at("2026-03-08T03:00"))
        assert read(opens_next(hours, GEORGIA, at("2026-03-08T01:00"))) == "2026-03-08T03:00-04:00"

    def test_an_end_that_is_skipped_is_when_the_clocks_skip_it(self):
        hours = {SUNDAY: [("01:00", "02:30")]}
        assert is_open(hours, GEORGIA, at("2026-03-08T01:59:59"))
        assert not is_open(hours, GEORGIA, at("2026-03-08T03:00"))

    def test_a_night_is_an_hour_shorter(self):
        hours = {"5": [("22:00", "04:00")]}
        minutes = [at("2026-03-07T20:00") + timedelta(minutes=number) for number in range(12 * 60)]
        assert sum(is_open(hours, GEORGIA, minute) for minute in minutes) == 5 * 60

    def test_the_opening_after_it_is_in_summer_time(self):
        hours = {SUNDAY: [("17:00", "22:00")]}
        assert read(opens_next(hours, GEORGIA, at("2026-03-07T12:00"))) == "2026-03-08T17:00-04:00"

    def test_a_place_that_skips_midnight_opens_at_one(self):
        hours = {SUNDAY: [("00:00", "04:00")]}  # Chile, 2026-09-06
        assert read(opens_next(hours, "America/Santiago", at("2026-09-05T20:00", "America/Santiago"))) == (
            "2026-09-06T01:00-03:00"
        )


class TestFall:
    """On 2026-11-01 the clocks go from 01:59 EDT back to 01:00 EST."""

    def test_a_night_is_an_hour_longer(self):
        hours = {"5": [("22:00", "04:00")]}
        minutes = [at("2026-10-31T20:00") + timedelta(minutes=number) for number in range(12 * 60)]
        assert sum(is_open(hours, GEORGIA, minute) for minute in minutes) == 7 * 60

    def test_what_opens_in_the_hour_that_comes_twice_opens_once(self):
        hours = {SUNDAY: [("01:30", "06:00")]}
        assert not is_open(hours, GEORGIA, at("2026-11-01T01:29", fold=0))
        assert is_open(hours, GEORGIA, at("2026-11-01T01:30", fold=0))
        assert is_open(hours, GEORGIA, at("2026-11-01T01:15", fold=1)), "it does not close for a quarter of an hour"
        assert is_open(hours, GEORGIA, at("2026-11-01T05:59"))

    def test_what_closes_in_the_hour_that_comes_twice_closes_once_and_late(self):
        hours = {SUNDAY: [("00:00", "01:30")]}
        assert is_open(hours, GEORGIA, at("2026-11-01T01:45", fold=0))
        assert is_open(hours, GEORGIA, at("2026-11-01T01:29", fold=1))
        assert not is_open(hours, GEORGIA, at("2026-11-01T01:30", fold=1))

    def test_the_next_opening_is_never_in_the_past(self):
        hours = {SUNDAY: [("01:30", "01:45")]}
        closed = at("2026-11-01T01:50", fold=1)
        assert not is_open(hours, GEORGIA, closed)
        assert read(opens_next(hours, GEORGIA, closed)) == "2026-11-08T01:30-05:00"
        assert read(opens_next(hours, GEORGIA, at("2026-11-01T00:00"))) == "2026-11-01T01:30-04:00"

    def test_the_opening_after_it_is_in_winter_time(self):
        hours = {SUNDAY: [("17:00", "22:00")]}
        assert read(opens_next(hours, GEORGIA, at("2026-10-31T12:00"))) == "2026-11-01T17:00-05:00"


class TestHolidays:
    """Christmas 2026 is a Friday."""

    @pytest.mark.parametrize("hours", [EVENINGS, {}])
    def test_a_holiday_is_closed_all_day_and_no_longer(self, hours: dict):
        assert is_open(hours, GEORGIA, at("2026-12-24T18:00"), CHRISTMAS)
        for clock in ("00:00", "18:00", "23:59:59"):
            assert not is_open(hours, GEORGIA, at(f"2026-12-25T{clock}"), CHRISTMAS)

    def test_a_line_open_around_the_clock_closes_for_the_day(self):
        assert is_open({}, GEORGIA, at("2026-12-24T23:59:59"), CHRISTMAS)
        assert read(opens_next({}, GEORGIA, at("2026-12-25T10:00"), CHRISTMAS)) == "2026-12-26T00:00-05:00"
        assert is_open({}, GEORGIA, at("2026-12-26T00:00"), CHRISTMAS)

    def test_hours_of_its_own(self):
        own = {"2026-12-24": [("09:00", "12:00")]}
        assert is_open(EVENINGS, GEORGIA, at("2026-12-24T09:00"), own)
        assert not is_open(EVENINGS, GEORGIA, at("2026-12-24T12:00"), own)
        assert not is_open(EVENINGS, GEORGIA, at("2026-12-24T18:00"), own), "instead of the weekday's, not beside them"
        assert read(opens_next(EVENINGS, GEORGIA, at("2026-12-23T23:00"), own)) == "2026-12-24T09:00-05:00"

    def test_the_next_opening_is_after_the_holidays(self):
        assert read(opens_next(EVENINGS, GEORGIA, at("2026-12-24T23:00"), CHRISTMAS)) == "2026-12-28T17:00-05:00"

    def test_a_date_is_that_of_the_lines_own_place(self):
        midnight_in_georgia = at("2026-12-25T00:30")
        assert not is_open({}, GEORGIA, midnight_in_georgia, CHRISTMAS)
        assert is_open({}, "America/Chicago", midnight_in_georgia, CHRISTMAS)

    def test_an_evening_before_goes_on_past_midnight(self):
        nights = {"3": [("22:00", "02:00")], "4": [("22:00", "02:00")]}
        assert is_open(nights, GEORGIA, at("2026-12-25T01:59"), CHRISTMAS)
        assert not is_open(nights, GEORGIA, at("2026-12-25T22:00"), CHRISTMAS)
        assert not is_open(nights, GEORGIA, at("2026-12-26T01:00"), CHRISTMAS)

    def test_a_holiday_may_go_over_midnight(self):
        eve = {"2026-12-24": [("20:00", "03:00")], "2026-12-25": []}
        assert is_open({}, GEORGIA, at("2026-12-25T02:59"), eve)
        assert not is_open({}, GEORGIA, at("2026-12-25T03:00"), eve)

    def test_a_month_of_holidays_and_an_opening_far_away_are_found(self):
        december = {f"2026-12-{day:02}": [] for day in range(1, 32)}
        assert read(opens_next({}, GEORGIA, at("2026-12-01T10:00"), december)) == "2027-01-01T00:00-05:00"
        only = {"2027-06-01": [("09:00", "10:00")]}
        assert read(opens_next({"0": []}, GEORGIA, at("2026-12-01T10:00"), only)) == "2027-06-01T09:00-04:00"

    def test_a_holiday_on_which_the_clocks_change(self):
        spring = {"2026-03-08": [("01:00", "04:00")]}
        start = at("2026-03-08T00:00")
        minutes = [start + timedelta(minutes=number) for number in range(24 * 60)]
        assert sum(is_open({"0": []}, GEORGIA, minute, spring) for minute in minutes) == 2 * 60
        fall = {"2026-11-01": [("01:00", "04:00")]}
        start = at("2026-11-01T00:00")
        minutes = [start + timedelta(minutes=number) for number in range(24 * 60)]
        assert sum(is_open({"0": []}, GEORGIA, minute, fall) for minute in minutes) == 4 * 60


def test_the_next_opening_of_an_open_line_is_after_it_has_closed():
    night = {"4": [("22:00", "24:00")], "5": [("00:00", "02:00"), ("09:00", "10:00")]}
    assert read(opens_next(night, GEORGIA, at("2026-11-20T23:00"))) == "2026-11-21T09:00-05:00", (
        "midnight is no opening"
    )
    always = {str(day): [("00:00", "24:00")] for day in range(7)}
    assert opens_next(always, GEORGIA, at("2026-11-20T23:00")) is None
    assert read(opens_next(always, GEORGIA, at("2026-12-20T23:00"), CHRISTMAS)) == "2026-12-26T00:00-05:00"


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("17:00", "17:00"), ("9:05", "09:05"), (" 0:00 ", "00:00"), ("24:00", "24:00"), ("5 PM", "17:00"),
        ("5pm", "17:00"), ("5:30 p.m.", "17:30"), ("12 am", "00:00"), ("12:15 PM", "12:15"), ("530pm", "17:30"),
        ("25:00", None), ("24:01", None), ("17:60", None), ("13 PM", None), ("0 am", None), ("5", None), ("", None),
        ("-1:00", None), ("17:00:00", None), ("noon", None), ("١٧:٠٠", None),
    ],
)  # fmt: skip
def test_a_clock_is_read_as_people_write_it(written: str, means: str | None):
    assert read_clock(written) == means


def test_spans_of_one_day_that_overlap():
    assert overlapping([("09:00", "12:00"), ("11:59", "13:00")])
    assert overlapping([("20:00", "02:00"), ("22:00", "23:00")])
    assert overlapping([("00:00", "00:00"), ("09:00", "10:00")])
    assert not overlapping([("12:00", "13:00"), ("09:00", "12:00")])
    assert not overlapping([])


def test_a_day_that_runs_into_the_next():
    assert running_over({"0": [("22:00", "02:00")], "1": [("01:00", "03:00")]}) == ["0"]
    assert running_over({"6": [("22:00", "02:00")], "0": [("01:59", "03:00")]}) == ["6"], "Sunday into Monday"
    assert running_over({"0": [("22:00", "02:00")], "1": [("02:00", "03:00")]}) == []
    assert running_over({"0": [("00:00", "24:00")], "1": [("00:00", "24:00")]}) == []


clocks = st.integers(0, 24 * 4 - 1).map(lambda quarter: f"{quarter // 4:02}:{quarter % 4 * 15:02}")
spans = st.tuples(clocks, clocks | st.just("24:00"))
weeks = st.dictionaries(st.sampled_from("0123456"), st.lists(spans, max_size=3), min_size=1)
zones = st.sampled_from([GEORGIA, "America/Chicago", "America/Santiago", "Europe/Dublin", "Australia/Lord_Howe", "UTC"])
moments = st.integers(0, 2 * 365 * 24 * 60).map(lambda minutes: at("2026-01-01", "UTC") + timedelta(minutes=minutes))
# Around the changes of 2026, where faults would hide.
changes = st.builds(
    lambda day, minutes: at(day, "UTC") + timedelta(minutes=minutes),
    st.sampled_from(["2026-03-08", "2026-11-01", "2026-04-05", "2026-09-06", "2026-10-04", "2026-10-25"]),
    st.integers(-24 * 60, 48 * 60),
)
dates = st.sampled_from(["2026-03-07", "2026-03-08", "2026-03-09", "2026-11-01", "2026-11-02", "2027-05-01"])
feasts = st.dictionaries(dates, st.lists(spans, max_size=2))


@given(weeks, zones, moments | changes, feasts)
def test_a_closed_line_opens_when_it_says_and_not_before(hours: dict, zone: str, now: datetime, holidays: dict):
    assume(not is_open(hours, zone, now, holidays))
    opens = opens_next(hours, zone, now, holidays)
    if opens is None:
        assert not any(hours.values())
        assert not any(spans for day, spans in holidays.items() if day > f"{now:%Y-%m-%d}")
        return
    assert opens > now
    assert is_open(hours, zone, opens, holidays)
    for part in range(20):
        assert not is_open(hours, zone, now + (opens - now) * part / 20, holidays)
    # In UTC: a wall clock that was put forward has no moment before.
    assert not is_open(hours, zone, opens.astimezone(UTC) - timedelta(microseconds=1), holidays)


@given(weeks, moments)
def test_where_clocks_never_change_the_hours_are_read_off_the_wall(hours: dict, now: datetime):
    def covers(weekday: int, minutes: int) -> bool:
        for start, end in hours.get(str(weekday), ()):
            first, last = (int(clock[:2]) * 60 + int(clock[3:]) for clock in (start, end))
            if first <= minutes < (last if last > first else last + 24 * 60):
                return True
        return False

    minutes = now.hour * 60 + now.minute
    wanted = covers(now.weekday(), minutes) or covers((now.weekday() - 1) % 7, minutes + 24 * 60)
    assert is_open(hours, "UTC", now) is wanted


@given(weeks, zones, zones, moments | changes)
def test_in_which_zone_the_time_is_told_makes_no_difference(hours: dict, zone: str, told: str, now: datetime):
    elsewhere = now.astimezone(ZoneInfo(told))
    assert is_open(hours, zone, now) == is_open(hours, zone, elsewhere)
    assert opens_next(hours, zone, now) == opens_next(hours, zone, elsewhere)


@given(zones, moments | changes)
def test_whole_days_leave_no_gap(zone: str, now: datetime):
    assert is_open({str(day): [("00:00", "24:00")] for day in range(7)}, zone, now)


@given(weeks, zones, moments | changes)
def test_the_next_opening_is_told_in_the_lines_zone(hours: dict, zone: str, now: datetime):
    opens = opens_next(hours, zone, now)
    assert opens is None or opens.tzinfo == ZoneInfo(zone)


def opened(hours: dict[str, list[tuple[str, str]]], since: str, until: str, holidays=None) -> list[tuple[str, str]]:
    """When the line is open between, as the clocks of Georgia show it."""
    place = ZoneInfo(GEORGIA)
    return [
        (opens.astimezone(place).strftime("%a %H:%M"), closes.astimezone(place).strftime("%a %H:%M"))
        for opens, closes in open_between(hours, GEORGIA, at(since), at(until), holidays)
    ]


def test_a_week_is_its_spans():
    found = opened(EVENINGS, "2026-11-20T12:00", "2026-11-27T00:00")
    assert found == [(f"{day} 17:00", f"{day} 22:00") for day in ("Fri", "Mon", "Tue", "Wed", "Thu")]


def test_a_span_begins_and_ends_where_one_looks():
    assert opened(EVENINGS, "2026-11-20T18:30", "2026-11-20T21:00") == [("Fri 18:30", "Fri 21:00")]
    assert opened(EVENINGS, "2026-11-20T22:00", "2026-11-23T17:00") == []


def test_around_the_clock_is_one_span():
    assert opened({}, "2026-11-20T18:30", "2026-11-27T00:00") == [("Fri 18:30", "Fri 00:00")]


def test_what_goes_over_midnight_has_begun_the_day_before():
    night = {"4": [("22:00", "02:00")], "5": [("02:00", "03:00"), ("09:00", "10:00")]}
    found = opened(night, "2026-11-21T00:30", "2026-11-22T00:00")
    assert found == [("Sat 00:30", "Sat 03:00"), ("Sat 09:00", "Sat 10:00")], "what touches is one"


def test_a_holiday_keeps_its_own_hours():
    found = opened(EVENINGS, "2026-12-24T00:00", "2026-12-26T00:00", holidays=CHRISTMAS)
    assert found == [("Thu 17:00", "Thu 22:00")]


@given(weeks, zones, moments | changes, feasts, st.integers(-2, 10 * 24 * 60))
def test_open_between_and_is_open_say_the_same(hours, zone, since, holidays, minutes):
    moment = since + timedelta(minutes=minutes)
    found = open_between(hours, zone, since, since + timedelta(days=9), holidays)
    assert found == sorted(found)
    within = since <= moment < since + timedelta(days=9)
    expected = within and is_open(hours, zone, moment, holidays)
    assert any(opens <= moment < closes for opens, closes in found) is expected
