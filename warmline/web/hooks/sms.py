"""What Twilio tells of texts. https://www.twilio.com/docs/messaging/guides/webhook-request"""

from flask import Blueprint, Response, abort, request
from werkzeug.exceptions import HTTPException

from warmline import clock
from warmline.contacts import messages, texts
from warmline.telephony import twiml
from warmline.web import access
from warmline.web.hooks import answer, field, log_failure, sid

blueprint = Blueprint("sms", __name__, url_prefix="/twilio/sms")


@blueprint.post("/incoming")
@access.twilio
def incoming() -> Response:
    """A text to one of our numbers; what we answer goes out as a text of its own."""
    message_sid = sid("MessageSid") or sid("SmsSid")
    if not message_sid:
        abort(400)  # it could not be told from its own repetition, nor from somebody else's text
    known = texts.receive(
        message_sid,
        field("From"),
        field("To"),
        field("Body"),
        bool(field("OptOutType")),
        clock.now(),
    )
    return answer(twiml.no_reply() if known else twiml.reply("text_unknown"))


@blueprint.post("/status")
@access.twilio
def status() -> Response:
    """The delivery of a text of ours."""
    message_id, message_sid = request.args.get("message", "").replace("\0", "")[:32], sid("MessageSid")
    if message_sid:
        messages.delivered(message_id, message_sid, field("MessageStatus"), field("ErrorCode"), clock.now())
    return answer(twiml.no_reply())


@blueprint.errorhandler(HTTPException)
def refused(error: HTTPException) -> HTTPException:
    """Not signed, too large, not a POST: refused as it is, with nothing stored."""
    return error


@blueprint.errorhandler(Exception)
def trouble(error: Exception) -> Response:
    """Our own failure: whoever wrote must know that nobody read it, and whom else to turn to."""
    log_failure(error)
    if request.path.endswith("/status"):
        return answer(twiml.no_reply(), 503)  # nobody reads this answer; Twilio may ask again
    if field("Body").strip().upper() in texts.STOP:
        return answer(twiml.no_reply(), 503)
    return answer(twiml.reply("text_trouble"))
