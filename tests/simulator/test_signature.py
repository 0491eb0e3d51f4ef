"""The simulator signs as Twilio does."""

from twilio.request_validator import RequestValidator

from simulator.webhooks import signature


def test_the_signature_is_that_of_the_published_example() -> None:
    """https://www.twilio.com/docs/usage/security#test-the-validity-of-your-webhook-signature"""
    url = "https://example.com/myapp.php?foo=1&bar=2"
    params = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675310",
        "Digits": "1234",
        "From": "+14158675310",
        "To": "+18005551212",
    }
    assert signature("12345", url, params) == RequestValidator("12345").compute_signature(url, params)
