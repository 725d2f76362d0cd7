"""Earning is killed inside the transaction of a batch: the batch is processed again, exactly once."""

import pytest

from tests.chaos.earning_backlog import assert_exact_after_a_kill
from tests.chaos.killable import BEFORE_COMMIT
from tests.support import Stack


@pytest.mark.parametrize("point", BEFORE_COMMIT["earning"])
async def test_a_batch_is_posted_exactly_once(
    bare_stack: Stack, bare_store: str, point: str
) -> None:
    await assert_exact_after_a_kill(bare_stack, bare_store, point)
