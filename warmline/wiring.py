"""What every process needs, with pages or without: logs, keys, database, phone company, prompts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import gevent.monkey
from sqlalchemy.exc import OperationalError

from config import logs, prompts
from config.settings import Settings
from warmline import clock, db
from warmline.contacts import outbox
from warmline.models.base import Keys
from warmline.telephony import gateway, twiml
from warmline.telephony.twilio_gateway import TwilioGateway

STALLED_SECONDS = 8  # half of what the phone company waits for an answer


def wire(settings: Settings, spawn: Callable[..., Any] | None = None) -> None:
    """Hand the settings to whatever needs them. `spawn` runs what follows a commit; None runs it in place."""
    logs.use(settings.log_format)
    Keys.use([key.get_secret_value() for key in settings.field_keys], settings.index_key.get_secret_value())
    engine = db.connect(settings.database_url.get_secret_value())
    if engine.dialect.name == "postgresql" and gevent.monkey.is_module_patched("socket"):
        db.bind(engine, spawn, _not_stalled)
    else:
        db.bind(engine, spawn)
    gateway.use(
        TwilioGateway(
            settings.twilio_account_sid,
            settings.twilio_auth_token.get_secret_value(),
            settings.public_base_url,
            settings.twilio_api_base_url,
        )
    )
    twiml.use(prompts.load(), settings.public_base_url, settings.fallback_number)
    outbox.use(clock.now)


@contextmanager
def _not_stalled() -> Iterator[None]:
    """Give a session up after STALLED_SECONDS; its connection, in the middle of something, is thrown away.

    Raises OperationalError, as for a database that is down.
    """
    watch = gevent.Timeout(STALLED_SECONDS)
    try:
        with watch:
            yield
    except gevent.Timeout as stalled:
        if stalled is not watch:
            raise
        raise OperationalError("the database does not answer in time", None, stalled) from stalled
