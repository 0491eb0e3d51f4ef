"""Twilio's request signature. https://www.twilio.com/docs/usage/security#validating-requests"""

from collections.abc import Mapping, Sequence

from twilio.request_validator import RequestValidator

from warmline.telephony.twiml import OVERRIDES


def is_valid(auth_token: str, url: str, form: Mapping[str, Sequence[str]], signature: str | None) -> bool:
    """Whether `signature` is Twilio's for this POST.

    `url` is what we told Twilio to ask: built from the configured public base URL, never from the Host or
    X-Forwarded-* headers, which whoever asks can choose. `form` maps each key to all of its values; empty ones count.
    """
    if not signature:
        return False
    validator = RequestValidator(auth_token)
    fields = _MultiDict(form)
    # Twilio does not sign the fragment that carries our connection overrides; a proxy that replays Twilio's
    # requests may sign the address as it was given. Either proves the same token.
    return bool(validator.validate(url, fields, signature) or validator.validate(url + OVERRIDES, fields, signature))


class _MultiDict(dict[str, Sequence[str]]):
    """What twilio-python asks of a form: `getall` makes it count repeated keys."""

    def getall(self, key: str) -> Sequence[str]:
        return self[key]
