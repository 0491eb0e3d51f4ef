"""The directory finds what was asked for, and nothing else."""

from typing import Any

import pytest

from tests.cast import Cast
from tests.web.walk import counted
from warmline import clock, db
from warmline.directory import demo, resources, search
from warmline.errors import Invalid, NotFound
from warmline.models import Event, Resource

pytestmark = pytest.mark.both

SERVICE = {
    "name": "Café Mañana",
    "organization_name": "Niños y Más",
    "description": "Breakfast, 100% free_of_charge",
    "kind": "family",
    "place": "Maple Falls",
}


def found(cast: Cast, *arguments: Any, **options: Any) -> list[str]:
    with db.reading() as session:
        services = search.find(session, cast.admin.account.organization_id, *arguments, **options).services
    return [service.name for service in services]


def added(cast: Cast, **changes: str) -> str:
    return resources.add(cast.admin.account, SERVICE | changes, clock.now())


def test_every_word_must_fit_somewhere(cast: Cast) -> None:
    assert found(cast, "groceries") == ["Maple Falls Community Pantry", "Prairie Junction Food Shelf"]
    assert found(cast, "groceries diapers") == ["Prairie Junction Food Shelf"], "two words of one description"
    assert found(cast, "table food hot") == ["Heights Kitchen"], "organization, kind and description"
    assert found(cast, "groceries lawyer") == []


def test_case_and_accents_do_not_matter(cast: Cast) -> None:
    added(cast)
    for query in ("Café", "cafe", "CAFÉ MANANA", "ninos mas", "  niños  "):
        assert found(cast, query) == ["Café Mañana"], query


@pytest.mark.parametrize("query", ["%", "_", "\\", "a%b", "\0", "'; --"])
def test_signs_of_the_database_mean_nothing(cast: Cast, query: str) -> None:
    expected = {"%": ["Café Mañana"], "_": ["Café Mañana"]}
    added(cast)
    every = found(cast)
    assert found(cast, query) == (every if query == "\0" else expected.get(query, []))


def test_place_and_kind_are_exact(cast: Cast) -> None:
    assert found(cast, "", "Maple Falls", "food") == ["Maple Falls Community Pantry"]
    assert found(cast, "", "Maple", "") == []
    assert found(cast, "", "", "no such kind") == []
    assert len(found(cast, "", "Anacostia Heights")) == 6
    with db.reading() as session:
        places = search.places(session, cast.admin.account.organization_id)
    assert places == ("Anacostia Heights", "Maple Falls", "Prairie Junction")


def test_only_what_is_active_and_what_is_temporarily_closed_comes_last(cast: Cast) -> None:
    added(cast, name="A first one", status="temporarily closed")
    for status in ("inactive", "defunct"):
        added(cast, name=f"A {status} one", status=status)
    names = found(cast, shown=100)
    assert names[-2:] == ["A first one", "The Porch"]
    assert "A inactive one" not in names
    assert found(cast, "", "Maple Falls", inactive=True)[-3:] == ["A first one", "A defunct one", "A inactive one"]


def test_twenty_are_shown_and_then_more(cast: Cast) -> None:
    for number in range(25):
        added(cast, name=f"Number {number}")
    with db.reading() as session:
        organization = cast.admin.account.organization_id
        first = search.find(session, organization, "number")
        assert (len(first.services), first.total, first.more) == (20, 25, 40)
        rest = search.find(session, organization, "number", shown=first.more)
        assert (len(rest.services), rest.more) == (25, 0)
        assert search.find(session, organization, "number", shown=-5).services == first.services
        assert len(search.find(session, organization, shown=10**9).services) == 45


def test_another_organization_has_its_own_directory(cast: Cast) -> None:
    id = added(cast)
    with db.reading() as session:
        harbor = cast.outsider.account.organization_id
        assert search.find(session, harbor, "cafe").services == ()
        assert search.places(session, harbor) == ()
        with pytest.raises(NotFound):
            search.get(session, harbor, id)
        assert search.get(session, cast.peer1.account.organization_id, id).name == "Café Mañana"


def test_the_number_of_queries_is_fixed(cast: Cast) -> None:
    organization = cast.admin.account.organization_id
    with db.reading() as session, counted() as few:
        search.find(session, organization, "no such thing")
    with db.reading() as session, counted() as many:
        search.find(session, organization, shown=search.MOST)
    selects = [[one for one in statements if "SELECT" in one] for statements in (few, many)]
    assert [len(one) for one in selects] == [2, 2]


def test_a_change_is_found_and_the_old_words_are_not(cast: Cast) -> None:
    id = added(cast)
    resources.change(cast.admin.account, id, SERVICE | {"name": "Tea at Noon"}, clock.now())
    assert found(cast, "tea noon") == ["Tea at Noon"]
    assert found(cast, "manana") == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": " "}, "name_missing"),
        ({"place": ""}, "place_missing"),
        ({"name": "a" * 121}, "name_too_long"),
        ({"kind": "magic"}, "kind_unknown"),
        ({"status": "sleeping"}, "status_unknown"),
        ({"phone": "call us"}, "phone_unknown"),
        ({"phone": "+1 404 555 0160 ext. 5"}, "phone_unknown"),
        ({"assured_date": "yesterday"}, "assured_date_unknown"),
        ({"assured_date": "2199-01-01"}, "assured_date_in_future"),
    ],
)
def test_what_does_not_fit_is_refused(cast: Cast, changes: dict[str, str], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        added(cast, **changes)
    assert refused.value.code == code


@pytest.mark.parametrize(("typed", "stored"), [("(404) 555-0160", "+14045550160"), ("988", "988"), ("", "")])
def test_telephone_numbers_are_kept_in_one_form(cast: Cast, typed: str, stored: str) -> None:
    id = added(cast, phone=typed)
    with db.reading() as session:
        assert session.get_one(Resource, id).phone == stored


def test_the_demo_has_twenty_services_and_is_made_once(cast: Cast) -> None:
    with db.reading() as session:
        before = [(row.id, row.status) for row in session.query(Resource).order_by(Resource.id)]
    assert len(before) == 20
    resources.deactivate(cast.admin.account, before[0][0], clock.now())
    demo.seed(clock.now())
    with db.reading() as session:
        after = [(row.id, row.status) for row in session.query(Resource).order_by(Resource.id)]
        assert session.query(Event).filter_by(subject="resource", name="added").count() == 20
    assert after == [(before[0][0], "inactive"), *before[1:]]
