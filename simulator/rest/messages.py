"""Text messages: https://www.twilio.com/docs/messaging/api/message-resource"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import request

from simulator.company import rfc2822
from simulator.messages import Message, refusal, segments, send
from simulator.rest import ROOT, Refusal, api, base_uri, find, form, listing
from simulator.web import company


def shape(message: Message) -> dict[str, Any]:
    uri = f"{base_uri()}/Messages/{message.sid}"
    return {
        "sid": message.sid,
        "account_sid": company().settings.account_sid,
        "api_version": "2010-04-01",
        "body": message.body,
        "from": message.from_,
        "to": message.to,
        "direction": message.direction,
        "status": message.status,
        "num_segments": str(segments(message.body)),
        "num_media": "0",
        "error_code": message.error_code,
        "error_message": None,
        "messaging_service_sid": None,
        "price": None,
        "price_unit": "USD",
        "date_created": rfc2822(message.created),
        "date_updated": rfc2822(message.updated),
        "date_sent": rfc2822(message.sent) if message.sent else None,
        "uri": f"{uri}.json",
        "subresource_uris": {"media": f"{uri}/Media.json"},
    }


@api.post(f"{ROOT}/Messages.json")
def create_message(account: str) -> tuple[dict[str, Any], int]:
    asked = form()
    if problem := refusal(company(), asked):
        raise Refusal(400, *problem)
    return shape(send(company(), asked["From"], asked["To"], asked["Body"], asked.get("StatusCallback", ""))), 201


@api.get(f"{ROOT}/Messages/<sid>.json")
def fetch_message(account: str, sid: str) -> dict[str, Any]:
    return shape(find(company().messages, sid))


@api.get(f"{ROOT}/Messages.json")
def list_messages(account: str) -> dict[str, Any]:
    wanted = request.args

    def sent_then(message: Message) -> bool:
        """DateSent is a day or a moment; `DateSent>` and `DateSent<` (the sign is in the name) include it."""
        for name, fits in (("DateSent", "="), ("DateSent>", ">"), ("DateSent<", "<")):
            if name in wanted:
                given, moment = wanted[name], message.sent or message.created
                try:
                    parsed = datetime.fromisoformat(given)
                except ValueError:
                    raise Refusal(400, 20001, f"{given} is not a date") from None
                same_day = moment.date() == parsed.date()
                bound = parsed.date() if len(given) == 10 else None
                later = moment.date() >= bound if bound else moment.timestamp() >= parsed.timestamp()
                earlier = moment.date() <= bound if bound else moment.timestamp() <= parsed.timestamp()
                if not {"=": same_day, ">": later, "<": earlier}[fits]:
                    return False
        return True

    return listing(
        "messages",
        (
            message
            for message in reversed(company().messages.values())
            if wanted.get("To") in (None, message.to)
            and wanted.get("From") in (None, message.from_)
            and sent_then(message)
        ),
        shape,
    )
