"""The process: how it starts, what it refuses to start with, and whom it lets in."""

from __future__ import annotations

import re

import pytest

from simulator.settings import Settings, SettingsError
from tests.simulator.world import PATIENCE_SECONDS, Product, Simulator, start_simulator

COMPLETE = {
    "PUBLIC_BASE_URL": "http://localhost:5000",
    "TWILIO_ACCOUNT_SID": "AC1",
    "TWILIO_AUTH_TOKEN": "t",
    "TWILIO_API_KEY_SID": "SK1",
    "TWILIO_API_KEY_SECRET": "s",
    "TWILIO_TWIML_APP_SID": "AP1",
    "SIMULATOR_NUMBERS": "+14045550101=Georgia, +13125550102",
}


def test_settings_come_from_the_environment() -> None:
    settings = Settings.from_environment(COMPLETE)
    assert settings.numbers == {"+14045550101": "Georgia", "+13125550102": "+13125550102"}
    assert settings.origins == {"http://localhost:5000", "http://127.0.0.1:5000"}
    assert (settings.port, settings.speed, settings.script) == (5001, 1.0, True)


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, "") for name in COMPLETE]
    + [
        ("PUBLIC_BASE_URL", "localhost"),
        ("PUBLIC_BASE_URL", "http://x/y"),
        ("SIMULATOR_NUMBERS", "404=Georgia"),
    ]
    + [("SIMULATOR_SPEED", "0"), ("SIMULATOR_SPEED", "fast"), ("SIMULATOR_PORT", "x")],
)
def test_a_missing_or_malformed_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.from_environment({**COMPLETE, name: value})


def test_the_script_interface_can_be_absent(product: Product) -> None:
    process, url = start_simulator(product.base_url, SIMULATOR_SCRIPT="off", SIMULATOR_OVERRIDES="rc=2&rp=all")
    try:
        quiet = Simulator(url)
        assert quiet.http.get(f"{url}/script/errors", timeout=5).status_code == 404
        sid = quiet.ask("POST", "/phones/calls", **{"from": "+14045550123", "to": "+14045550101"})["sid"]
        assert product.wait_for("/twilio/voice/incoming", CallSid=sid).signed
    finally:
        process.terminate()
    assert process.wait(PATIENCE_SECONDS) == 0


def test_other_sites_in_the_same_browser_are_kept_out(simulator: Simulator) -> None:
    strange = {"Origin": "https://example.org"}
    assert simulator.http.post(f"{simulator.url}/script/reset", headers=strange, timeout=5).status_code == 403
    rebound = {"Host": "evil.example.org"}
    assert simulator.http.get(f"{simulator.url}/", headers=rebound, timeout=5).status_code == 421
    form = simulator.http.post(f"{simulator.url}/phones/calls", data={"to": "x"}, timeout=5)
    assert form.status_code == 415


def test_the_page_runs_under_a_strict_policy(simulator: Simulator) -> None:
    answer = simulator.http.get(f"{simulator.url}/", timeout=5)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|\sstyle=", answer.text)
    for name in re.findall(r'(?:src|href)="(/static/[^"]+)"', answer.text):
        assert simulator.http.get(simulator.url + name, timeout=5).ok


def test_a_number_that_nobody_has_is_not_in_service(simulator: Simulator) -> None:
    for body in ({"from": "+14045550123", "to": "+19995550100"}, {"from": "me", "to": "+14045550101"}):
        answer = simulator.http.post(f"{simulator.url}/script/calls", json=body, timeout=5)
        assert answer.status_code == 400
        assert answer.json()["error"]
