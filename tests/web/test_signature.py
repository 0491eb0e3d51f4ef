"""Twilio's request signature, checked against the vectors that Twilio itself publishes."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence

import pytest

from warmline.telephony import signature
from warmline.telephony.twiml import OVERRIDES

TOKEN = "12345"
URL = "https://example.com/myapp.php?foo=1&bar=2"
OLD_URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
WITH_PORT = OLD_URL.replace(".com", ".com:1234")
PLAIN_URL = OLD_URL.replace("https", "http")
OURS = "https://warmline.example.org/twilio/voice/incoming"


def call(number: str) -> dict[str, list[str]]:
    """The form of Twilio's example."""
    fields = {"CallSid": "CA1234567890ABCDE", "Caller": number, "Digits": "1234", "From": number, "To": "+18005551212"}
    return {name: [value] for name, value in fields.items()}


CALL = call("+14158675310")
SIGNATURE = "L/OH5YylLD5NRKLltdqwSvS0BnU="


def signed(text: str, token: str = TOKEN) -> str:
    """HMAC-SHA1 in base64, by nothing but the standard library."""
    return base64.b64encode(hmac.digest(token.encode(), text.encode(), hashlib.sha1)).decode()


@pytest.mark.parametrize(
    ("url", "form", "expected"),
    [
        # https://www.twilio.com/docs/usage/security#validating-requests
        pytest.param(URL, CALL, SIGNATURE, id="documentation"),
        # the same on an older page: https://github.com/twilio-samples/api-snippets, security/signature_validation
        pytest.param(OLD_URL, CALL, "GvWf1cFY/Q7PnoempGyD5oXAezc=", id="older documentation"),
        # https://github.com/twilio/twilio-python/blob/main/tests/unit/test_request_validator.py, and the same in PHP
        pytest.param(OLD_URL, call("+14158675309"), "RSOYDt4T1cUTdK1PDd93/VVr8B8=", id="libraries"),
        # https://github.com/twilio/twilio-php/blob/main/tests/Twilio/Unit/Security/RequestValidatorTest.php
        pytest.param(
            OLD_URL,
            {"Sid": ["CA123"], "SidAccount": ["AC123"], "Digits": ["5678", "1234", "1234"]},
            "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
            id="repeated keys",
        ),
        # The test of twilio-python again, and of twilio-csharp: a port that is asked and not signed, or the reverse.
        pytest.param(WITH_PORT, call("+14158675309"), "RSOYDt4T1cUTdK1PDd93/VVr8B8=", id="port not signed"),
        pytest.param(WITH_PORT, call("+14158675309"), "CYn1h0gLBdNxDGkKJg6hYohgeD8=", id="port signed"),
        pytest.param(OLD_URL, call("+14158675309"), "kvajT1Ptam85bY51eRf/AJRuM3w=", id="port 443 signed"),
        pytest.param(PLAIN_URL, call("+14158675309"), "0ZXoZLH/DfblKGATFgpif+LLRf4=", id="port 80 signed"),
        pytest.param(
            WITH_PORT.replace("https", "http"), call("+14158675309"), "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=", id="port, plain"
        ),
        # https://github.com/twilio/twilio-csharp/blob/main/test/Twilio.Test/Security/RequestValidatorTest.cs
        pytest.param(
            OLD_URL.replace("mycompany", "MyCompany"),
            call("+14158675309"),
            "g9IN/x4Cft2g517EjYvEvM/W7LU=",
            id="capitals",
        ),
    ],
)
def test_the_published_signatures_pass(url: str, form: Mapping[str, Sequence[str]], expected: str) -> None:
    assert signature.is_valid(TOKEN, url, form, expected)


def test_the_order_in_which_fields_arrive_does_not_matter() -> None:
    assert signature.is_valid(TOKEN, URL, dict(reversed(CALL.items())), SIGNATURE)


@pytest.mark.parametrize(
    ("token", "url", "form", "given"),
    [
        pytest.param(TOKEN, URL, CALL, None, id="no signature"),
        pytest.param(TOKEN, URL, CALL, "", id="an empty signature"),
        pytest.param(TOKEN, URL, CALL, "wrong", id="a made-up one"),
        pytest.param(TOKEN, URL, CALL, "é" * len(SIGNATURE), id="one that is not ASCII"),
        pytest.param(TOKEN, URL, CALL, SIGNATURE[:-1], id="cut"),
        pytest.param(TOKEN, URL, CALL, SIGNATURE + "=", id="longer"),
        pytest.param(TOKEN, URL, CALL, SIGNATURE.swapcase(), id="another case"),
        pytest.param("12346", URL, CALL, SIGNATURE, id="another token"),
        pytest.param(TOKEN, URL.replace("https", "http"), CALL, SIGNATURE, id="another scheme"),
        pytest.param(TOKEN, URL.replace("example.com", "example.org"), CALL, SIGNATURE, id="another host"),
        pytest.param(TOKEN, URL.replace("myapp", "yourapp"), CALL, SIGNATURE, id="another path"),
        pytest.param(TOKEN, URL.partition("?")[0], CALL, SIGNATURE, id="no query"),
        pytest.param(TOKEN, URL + "&more=1", CALL, SIGNATURE, id="a longer query"),
        pytest.param(TOKEN, URL, CALL | {"Digits": ["4321"]}, SIGNATURE, id="a field altered"),
        pytest.param(TOKEN, URL, CALL | {"Digits": ["1234", "5"]}, SIGNATURE, id="a value more"),
        pytest.param(TOKEN, URL, CALL | {"More": ["1"]}, SIGNATURE, id="a field more"),
        pytest.param(TOKEN, URL, CALL | {"More": [""]}, SIGNATURE, id="an empty field more"),
        pytest.param(TOKEN, URL, {k: v for k, v in CALL.items() if k != "Digits"}, SIGNATURE, id="a field less"),
        pytest.param(TOKEN, URL, {}, SIGNATURE, id="no field at all"),
    ],
)
def test_anything_else_is_refused(token: str, url: str, form: Mapping[str, Sequence[str]], given: str | None) -> None:
    assert not signature.is_valid(token, url, form, given)


def test_empty_values_count() -> None:
    form = {"From": [""], "Digits": [""]}
    assert signature.is_valid(TOKEN, OURS, form, signed(f"{OURS}DigitsFrom"))
    assert not signature.is_valid(TOKEN, OURS, form, signed(OURS))


def test_the_address_is_the_public_one_and_may_lie_below_a_proxys_path() -> None:
    """What the proxy cuts off, or asks us instead, nobody has signed."""
    public = "https://proxy.example.org/lines/a%20b/twilio/voice/incoming?try=1"
    assert signature.is_valid(TOKEN, public, {"From": [""]}, signed(f"{public}From"))
    for inside in (public.replace("/lines/a%20b", ""), public.replace("%20", " "), public.replace("proxy", "inside")):
        assert not signature.is_valid(TOKEN, inside, {"From": [""]}, signed(f"{public}From"))


def test_a_request_without_a_form_is_signed_by_its_address() -> None:
    assert signature.is_valid(TOKEN, OURS, {}, signed(OURS))


def test_names_are_sorted_as_unix_sorts_them() -> None:
    form = {"a": ["1"], "B": ["2"], "_": ["3"]}
    assert signature.is_valid(TOKEN, OURS, form, signed(f"{OURS}B2_3a1"))


def test_letters_of_any_alphabet_are_signed_as_utf_8() -> None:
    form = {"Body": ["¿Hay alguien? 💛 здесь"]}
    assert signature.is_valid(TOKEN, OURS, form, signed(f"{OURS}Body¿Hay alguien? 💛 здесь"))
    assert not signature.is_valid(TOKEN, OURS, form, signed(f"{OURS}Body¿Hay alguien? 💚 здесь"))


@pytest.mark.parametrize(
    ("told", "asked"),
    [
        ("https://warmline.example.org/x?try=1", "https://warmline.example.org:443/x?try=1"),
        ("https://warmline.example.org:8443/x", "https://warmline.example.org:8443/x"),
        ("https://warmline.example.org:8443/x", "https://warmline.example.org/x"),
        ("http://localhost:5000/x", "http://localhost:5000/x"),
        ("http://localhost/x", "http://localhost:80/x"),
    ],
)
def test_the_port_may_be_named_or_not(told: str, asked: str) -> None:
    """Twilio does not always sign the port that it asks."""
    assert signature.is_valid(TOKEN, told, CALL, signed(asked + "".join(k + v[0] for k, v in CALL.items())))


def test_another_port_is_another_address() -> None:
    assert not signature.is_valid(
        TOKEN, "https://warmline.example.org:8443/x", {}, signed("https://warmline.example.org:8444/x")
    )


def test_connection_overrides_may_be_signed_or_not() -> None:
    """They are for Twilio itself, which takes them off; what stands between may leave them on."""
    assert signature.is_valid(TOKEN, OURS, {}, signed(OURS))
    assert signature.is_valid(TOKEN, OURS, {}, signed(OURS + OVERRIDES))
    assert not signature.is_valid(TOKEN, OURS, {}, signed(OURS + "#rc=1"))
