"""What both screens need."""

import hashlib
import json
from datetime import datetime
from typing import Any

from routing.states import LIVE_ENGAGEMENT, EngagementState

OPEN_ENGAGEMENT = (*LIVE_ENGAGEMENT, EngagementState.WRAPPING)


def version(shown: Any) -> str:
    """An opaque hash of what a page shows."""
    return hashlib.sha256(repr(shown).encode()).hexdigest()


def versioned(answer: dict[str, Any]) -> dict[str, Any]:
    """A JSON answer with the hash of itself."""
    canonical = json.dumps(answer, sort_keys=True, separators=(",", ":"))
    return {"version": hashlib.sha256(canonical.encode()).hexdigest(), **answer}


def resting_until(rests_until: datetime | None, now: datetime) -> datetime | None:
    """Until when a peer rests; None for one who does not, or no more."""
    return rests_until if rests_until is not None and now < rests_until else None


def iso(at: datetime | None) -> str | None:
    """A time in a JSON answer."""
    return at.isoformat() if at is not None else None
