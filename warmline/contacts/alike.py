"""Which kinds of contacts there are, without a look at each of them."""

from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, aliased

from warmline.models import Contact

Columns = tuple[InstrumentedAttribute[Any], ...]


def kinds(columns: Columns, *where: ColumnElement[bool]) -> Select[Any]:
    """The different values of `columns` among the contacts `where`: DISTINCT, by a few looks at the index for each.

    The index begins with what `where` asks for and goes on with these columns. Neither database skips from one kind
    to the next by itself: https://wiki.postgresql.org/wiki/Loose_indexscan
    """
    latest = aliased(Contact)
    alike = [column == getattr(latest, column.key) for column in columns]
    # The next value of the last column beside the same others; if there is none, of the one before it, and so on.
    further = [
        _first(columns, *where, *alike[:place], column > getattr(latest, column.key)).correlate(latest)
        for place, column in reversed(list(enumerate(columns)))
    ]
    found = select(_first(columns, *where).scalar_subquery().label("id")).cte(recursive=True)
    behind = func.coalesce(*(each.scalar_subquery() for each in further))
    found = found.union_all(select(behind).select_from(latest).join(found, found.c.id == latest.id))
    return select(*columns).join(found, found.c.id == Contact.id)


def _first(columns: Columns, *where: ColumnElement[bool]) -> Select[Any]:
    return select(Contact.id).where(*where).order_by(*columns).limit(1)
