"""One simulator process for all tests of a worker; every test finds it forgetful of the one before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twilio.rest import Client

from tests.simulator.world import PATIENCE_SECONDS, Product, Simulator, client_for, start_simulator


@pytest.fixture(scope="session")
def _product() -> Iterator[Product]:
    product = Product()
    yield product
    product.stop()


@pytest.fixture(scope="session")
def _simulator(_product: Product) -> Iterator[Simulator]:
    process, url = start_simulator(_product.base_url)
    yield Simulator(url)
    process.terminate()
    process.wait(PATIENCE_SECONDS)


@pytest.fixture
def product(_product: Product, _simulator: Simulator) -> Product:
    """The product, with nothing remembered and nothing to say."""
    _simulator.ask("POST", "/script/reset")
    _product.forgets()
    return _product


@pytest.fixture
def simulator(_simulator: Simulator, product: Product) -> Simulator:
    return _simulator


@pytest.fixture
def twilio(simulator: Simulator) -> Client:
    return client_for(simulator.url)
