"""Who is told that something changed, after the commit that changed it."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from warmline import push
from warmline.db import after_commit
from warmline.models import Line


def for_peer(session: Session, peer_id: str) -> None:
    """The peer's consoles fetch again."""
    after_commit(session, push.publish, f"peer:{peer_id}", "console", peer_id)


def for_line(session: Session, line_id: str) -> None:
    """The boards that show this line fetch again."""
    after_commit(session, push.publish, f"line:{line_id}", "board", line_id)


def for_organization(session: Session, organization_id: str) -> None:
    """Every board of the organization fetches again: a peer's own state is shown on each."""
    for line_id in session.scalars(select(Line.id).where(Line.organization_id == organization_id)):
        for_line(session, line_id)
