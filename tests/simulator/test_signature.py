"""The simulator signs as Twilio does."""

import pytest
from twilio.request_validator import RequestValidator

from simulator.webhooks import signature

URL = "https://example.com/myapp.php?foo=1&bar=2"


def call(number: str) -> dict[str, str]:
    """The form of Twilio's example."""
    return {"CallSid": "CA1234567890ABCDE", "Caller": number, "Digits": "1234", "From": number, "To": "+18005551212"}


@pytest.mark.parametrize(
    ("url", "params", "expected"),
    [
        # https://www.twilio.com/docs/usage/security#validating-requests
        (URL, call("+14158675310"), "L/OH5YylLD5NRKLltdqwSvS0BnU="),
        # https://github.com/twilio/twilio-python/blob/main/tests/unit/test_request_validator.py
        (URL.replace("example", "mycompany"), call("+14158675309"), "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
    ],
)
def test_the_signature_is_that_of_the_published_examples(url: str, params: dict[str, str], expected: str) -> None:
    assert signature("12345", url, params) == expected


@pytest.mark.parametrize(
    "params", [{}, {"Digits": "", "From": ""}, {"b": "2", "B": "1", "_": "3"}, {"Body": "¿Sí? 💛"}]
)
@pytest.mark.parametrize("url", [URL, "http://127.0.0.1:5000/x", "https://proxy.example.org/lines/a%20b/x?y="])
def test_twilio_python_agrees(url: str, params: dict[str, str]) -> None:
    assert RequestValidator("12345").validate(url, params, signature("12345", url, params))
