"""Stores of the end-to-end tests."""

import pytest

from tests.support import Shop


@pytest.fixture
async def rich(shop: Shop) -> Shop:
    """A store with a program, and cust_1 with 3,500 points."""
    await shop.program()
    await shop.earn("cust_1", 3_500)
    return shop
