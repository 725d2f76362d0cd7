"""Anomaly is killed after the commit of a batch: the redelivered batch flags nothing again, and every
version of an anomaly is published in order."""

import pytest

from tests.chaos.anomaly_bursts import assert_flagged_once_after_a_kill
from tests.chaos.killable import AFTER_COMMIT
from tests.support import Stack


@pytest.mark.parametrize("point", AFTER_COMMIT["anomaly"])
async def test_each_burst_is_flagged_and_published_once(bare_stack: Stack, point: str) -> None:
    # The relay may publish all anomalies in a single batch.
    nth = 1 if point == "published, not removed" else 2
    await assert_flagged_once_after_a_kill(bare_stack, point, nth=nth)
