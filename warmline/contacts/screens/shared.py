"""What both screens need."""

import hashlib
import json
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, or_

from routing.states import LIVE_ENGAGEMENT, EngagementState
from warmline.models import Shift

OPEN_ENGAGEMENT = (*LIVE_ENGAGEMENT, EngagementState.WRAPPING)


def version(shown: Any) -> str:
    """An opaque hash of what a page shows."""
    return hashlib.sha256(repr(shown).encode()).hexdigest()


def versioned(answer: dict[str, Any]) -> dict[str, Any]:
    """A JSON answer with the hash of itself."""
    canonical = json.dumps(answer, sort_keys=True, separators=(",", ":"))
    return {"version": hashlib.sha256(canonical.encode()).hexdigest(), **answer}


def on_shift(now: datetime) -> ColumnElement[bool]:
    """The condition that a row of `Shift` covers `now`."""
    return and_(Shift.starts_at <= now, or_(Shift.ends_at.is_(None), Shift.ends_at > now))
