"""Earning is killed after the commit of a batch: the redelivered batch posts nothing again, and every
entry is published."""

import pytest

from tests.chaos.earning_backlog import assert_exact_after_a_kill
from tests.chaos.killable import AFTER_COMMIT
from tests.support import Stack


@pytest.mark.parametrize("point", AFTER_COMMIT["earning"])
async def test_a_batch_is_posted_exactly_once_and_published(
    bare_stack: Stack, bare_store: str, point: str
) -> None:
    await assert_exact_after_a_kill(bare_stack, bare_store, point)
