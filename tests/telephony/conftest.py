"""A simulator to send requests to, and the tiny product that it asks."""

from tests.simulator.conftest import _product, _simulator, product, simulator

__all__ = ["_product", "_simulator", "product", "simulator"]
