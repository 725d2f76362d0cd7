"""The stack of the tests that start and kill their own services."""

from collections.abc import Iterator

import pytest

from tests.bench.servers import servers
from tests.chaos.alone import new_store
from tests.support import Stack


@pytest.fixture(scope="module")
def bare_stack() -> Iterator[Stack]:
    """PostgreSQL, Kafka and Redis without services: the test starts and kills its own."""
    with servers() as stack:
        yield stack


@pytest.fixture
async def bare_store(bare_stack: Stack) -> str:
    """The id of a new store with a program of ten points per dollar."""
    return await new_store(bare_stack)
