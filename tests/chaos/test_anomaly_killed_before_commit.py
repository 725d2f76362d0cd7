"""Anomaly is killed inside the transaction of a batch: the batch is judged again, and each burst is
flagged once."""

import pytest

from tests.chaos.anomaly_bursts import assert_flagged_once_after_a_kill
from tests.chaos.killable import BEFORE_COMMIT
from tests.support import Stack


@pytest.mark.parametrize("point", BEFORE_COMMIT["anomaly"])
async def test_each_burst_is_flagged_once(bare_stack: Stack, point: str) -> None:
    await assert_flagged_once_after_a_kill(bare_stack, point, nth=2)
